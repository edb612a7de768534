// Reading rows back with the blocks of their prompts, for `warmpath export`.
#include "base/log.h"
#include "store/detail.h"
#include "store/private.h"

enum { DECISION_MAX = 4 * 1024 * 1024 };

static void holds_prompt(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const void *detail = sqlite3_value_blob(values[0]);
    sqlite3_result_int(context, wp_detail_holds_prompt(
                                    wp_view_make(detail, (size_t)sqlite3_value_bytes(values[0]))));
}

static sqlite3_stmt *prepare(sqlite3 *db, int *rc)
{
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    sqlite3_stmt *statement = NULL;
    wp_buf_append_cstring(&sql, "SELECT ");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(
        &sql, ", detail FROM request WHERE holds_prompt(detail) ORDER BY session_id, id");
    wp_buf_append_char(&sql, '\0');
    *rc = wp_buf_ok(&sql) ? sqlite3_create_function_v2(db, "holds_prompt", 1,
                                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                                       holds_prompt, NULL, NULL, NULL)
                          : SQLITE_NOMEM;
    if (*rc == SQLITE_OK)
        *rc = sqlite3_prepare_v2(db, sql.ptr, -1, &statement, NULL);
    wp_buf_free(&sql);
    return statement;
}

enum wp_err wp_ledger_each_prompt(const char *path,
                                  bool (*fn)(void *arg, const struct wp_record *record,
                                             wp_view decision),
                                  void *arg)
{
    sqlite3 *db = NULL;
    struct wp_buf decision = wp_buf_make(DECISION_MAX);
    struct wp_record record;
    int rc;
    enum wp_err err = store_open_reader(path, &db);
    if (err != WP_OK)
        return err;
    sqlite3_stmt *statement = prepare(db, &rc);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        store_row_read(statement, &record);
        record.detail = store_column_text(statement, (int)store_column_count());
        wp_buf_clear(&decision);
        if (wp_detail_write(&record, WP_DETAIL_PART_DECISION, &decision) &&
            !fn(arg, &record, wp_buf_view(&decision)))
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        wp_log(WP_LOG_ERROR, "ledger", "prompts could not be read: %s", sqlite3_errmsg(db));
        err = WP_ERR_INTERNAL;
    }
    sqlite3_finalize(statement);
    sqlite3_close_v2(db);
    wp_buf_free(&decision);
    return err;
}
