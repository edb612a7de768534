// Reading rows back with the blocks of their prompts, for `warmpath export`.
#include "base/log.h"
#include "store/private.h"

enum wp_err wp_ledger_each_prompt(const char *path,
                                  bool (*fn)(void *arg, const struct wp_record *record), void *arg)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    struct wp_record record;
    enum wp_err err = store_open_reader(path, &db);
    if (err != WP_OK)
        return err;
    wp_buf_append_cstring(&sql, "SELECT ");
    store_columns_append(&sql, "request.");
    wp_buf_append_cstring(&sql,
                          ", decision_json FROM request JOIN request_detail USING (id) WHERE "
                          "instr(decision_json, '\"prompt\":{') > 0 ORDER BY session_id, start_ms, "
                          "request.id");
    wp_buf_append_char(&sql, '\0');
    int rc = wp_buf_ok(&sql) ? sqlite3_prepare_v2(db, sql.ptr, -1, &statement, NULL) : SQLITE_NOMEM;
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        store_row_read(statement, &record);
        record.decision_json = store_column_text(statement, (int)store_column_count());
        if (!fn(arg, &record))
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        wp_log(WP_LOG_ERROR, "ledger", "prompts could not be read: %s", sqlite3_errmsg(db));
        err = WP_ERR_INTERNAL;
    }
    sqlite3_finalize(statement);
    sqlite3_close_v2(db);
    wp_buf_free(&sql);
    return err;
}
