// Migration 3: what renewals of cache entries saved the request that came back to them.
"ALTER TABLE request ADD COLUMN kept_warm_saved REAL NOT NULL DEFAULT 0;"
