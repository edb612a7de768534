// Migration 7: rows whose request's id does not say when it began (span.c): those of files from
// before ids were version 7 UUIDs, and should a clock be set between drawing the id and looking at
// the time. A row here is what an index on all request_id would be.
"CREATE TABLE request_other_id ("
    "  id INTEGER PRIMARY KEY," // = request.id
    "  request_id TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX request_by_other_id ON request_other_id (request_id);"
    "INSERT INTO request_other_id SELECT id, request_id FROM request"
    " WHERE length(request_id) <> 36 OR substr(request_id, 15, 1) <> '7';"
