// A batch of records as a virtual table of the recorder's connection, so that one INSERT … SELECT
// writes all of them: binding 50 values per row and opening every index anew for each costs more
// than the rows themselves (sqlite.org/vtab.html; eponymous-only: it exists without being created).
#include "base/alloc.h"
#include "store/private.h"

struct table {
    sqlite3_vtab base; // must be the first
    const struct store_batch *batch;
};

static const struct store_batch *batch_of(const struct store_batch_cursor *cursor)
{
    return ((const struct table *)cursor->base.pVtab)->batch;
}

static int declare(sqlite3 *db)
{
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    wp_buf_append_cstring(&sql, "CREATE TABLE batch (");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(&sql, ", detail");
    wp_buf_append(&sql, wp_view_make(")", 2)); // with its NUL
    int rc = wp_buf_ok(&sql) ? sqlite3_declare_vtab(db, sql.ptr) : SQLITE_NOMEM;
    wp_buf_free(&sql);
    return rc;
}

static int table_connect(sqlite3 *db, void *batch, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    int rc = declare(db);
    if (rc != SQLITE_OK)
        return rc;
    struct table *table = wp_alloc(sizeof(*table));
    if (table == NULL)
        return SQLITE_NOMEM;
    table->batch = batch;
    *out = &table->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *table)
{
    wp_free(table);
    return SQLITE_OK;
}

static int table_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedRows = STORE_BATCH_MAX; // always all of them, in their order
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct store_batch_cursor *cursor = wp_alloc(sizeof(*cursor));
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
    wp_free(cursor);
    return SQLITE_OK;
}

static int cursor_first(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                        sqlite3_value **argv)
{
    struct store_batch_cursor *cursor = (struct store_batch_cursor *)base;
    (void)plan;
    (void)plan_text;
    (void)argc;
    (void)argv;
    cursor->item = batch_of(cursor)->first;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    struct store_batch_cursor *cursor = (struct store_batch_cursor *)base;
    cursor->item = cursor->item->next;
    return SQLITE_OK;
}

static int cursor_is_past(sqlite3_vtab_cursor *base)
{
    const struct store_batch_cursor *cursor = (const struct store_batch_cursor *)base;
    return cursor->item == batch_of(cursor)->end;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
    *id = ((const struct store_batch_cursor *)base)->item->id;
    return SQLITE_OK;
}

int store_batch_register(sqlite3 *db, struct store_batch *batch)
{
    static const sqlite3_module module = {
        .xConnect = table_connect,
        .xBestIndex = table_plan,
        .xDisconnect = table_disconnect,
        .xOpen = cursor_open,
        .xClose = cursor_close,
        .xFilter = cursor_first,
        .xNext = cursor_next,
        .xEof = cursor_is_past,
        .xColumn = store_row_column,
        .xRowid = cursor_rowid,
    };
    return sqlite3_create_module(db, "batch", &module, batch);
}
