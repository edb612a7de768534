// A batch of records as a virtual table of the recorder's connection, so that one INSERT … SELECT
// writes all of them: binding 50 values per row and opening every index anew for each costs more
// than the rows themselves (sqlite.org/vtab.html; eponymous-only: it exists without being created).
#include "base/alloc.h"
#include "store/private.h"

enum { COLUMN_ID, COLUMN_HAS_DETAIL, COLUMN_FIRST };

struct table {
    sqlite3_vtab base; // must be the first
    const struct store_batch *batch;
};

struct cursor {
    sqlite3_vtab_cursor base; // must be the first
    const struct store_item *item;
    int64_t id;
};

static const struct store_batch *batch_of(const struct cursor *cursor)
{
    return ((const struct table *)cursor->base.pVtab)->batch;
}

static int declare(sqlite3 *db)
{
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    wp_buf_append_cstring(&sql, "CREATE TABLE batch (id, has_detail, ");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(&sql, ", ");
    store_details_append(&sql);
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
    struct cursor *cursor = wp_alloc(sizeof(*cursor));
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
    struct cursor *cursor = (struct cursor *)base;
    (void)plan;
    (void)plan_text;
    (void)argc;
    (void)argv;
    cursor->item = batch_of(cursor)->first;
    cursor->id = batch_of(cursor)->next_id;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    cursor->item = cursor->item->next;
    cursor->id++;
    return SQLITE_OK;
}

static int cursor_is_past(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = (const struct cursor *)base;
    return cursor->item == batch_of(cursor)->end;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *result, int column)
{
    const struct cursor *cursor = (const struct cursor *)base;
    const struct wp_record *record = &cursor->item->record;
    if (column == COLUMN_ID)
        sqlite3_result_int64(result, cursor->id);
    else if (column == COLUMN_HAS_DETAIL)
        sqlite3_result_int(result, store_row_has_detail(record));
    else if ((size_t)column < COLUMN_FIRST + store_column_count())
        store_row_result(result, record, (size_t)column - COLUMN_FIRST);
    else
        store_detail_result(result, record, (size_t)column - COLUMN_FIRST - store_column_count());
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
    *id = ((const struct cursor *)base)->id;
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
        .xColumn = cursor_column,
        .xRowid = cursor_rowid,
    };
    return sqlite3_create_module(db, "batch", &module, batch);
}
