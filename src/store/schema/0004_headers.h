// Migration 4: the client's request headers, redacted, for the drawer.
"ALTER TABLE request_detail ADD COLUMN headers_json TEXT NOT NULL DEFAULT '';"
