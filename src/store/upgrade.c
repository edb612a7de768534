// Migration 6, the part that moves the rows: each gets an id that carries its time, and its details
// in one value. Within the caller's transaction: an interrupted one leaves the file as it was.
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/detail.h"
#include "store/private.h"

enum {
    DETAIL_MAX = 64 * 1024 * 1024,
    SILENT_ROWS = 100000, // as many take no time that anybody would notice
    LOOK_EVERY = 1 << 18, // rows between two lines of the log
};

// What follows the columns in the statement that reads.
enum { DECISION, ATTEMPTS, DROPPED, HEADERS, REQUEST_BODY, RESPONSE_BODY, START_MS };

struct upgrade {
    sqlite3_stmt *from, *to, *to_bodies;
    struct wp_buf detail;
    int64_t last_id;
};

static int prepare(sqlite3 *db, struct wp_buf *sql, sqlite3_stmt **out)
{
    wp_buf_append_char(sql, '\0');
    int rc = wp_buf_ok(sql) ? sqlite3_prepare_v2(db, sql->ptr, -1, out, NULL) : SQLITE_NOMEM;
    wp_buf_clear(sql);
    return rc;
}

// In the order of the index on time, so that the new table is written from its begin to its end.
static int prepare_all(struct upgrade *u, sqlite3 *db)
{
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    wp_buf_append_cstring(&sql, "SELECT ");
    store_columns_append(&sql, "r.");
    wp_buf_append_cstring(&sql, ", decision_json, attempts_json, dropped_json, headers_json,"
                                " request_body, response_body, r.start_ms FROM request_5 AS r"
                                " INDEXED BY request_by_start LEFT JOIN request_detail USING (id)"
                                " ORDER BY r.start_ms, r.id");
    int rc = prepare(db, &sql, &u->from);
    wp_buf_append_cstring(&sql, "INSERT INTO request (");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(&sql, ", detail) VALUES (?");
    for (size_t i = 0; i < store_column_count(); i++)
        wp_buf_append_cstring(&sql, ", ?");
    wp_buf_append_cstring(&sql, ")");
    if (rc == SQLITE_OK)
        rc = prepare(db, &sql, &u->to);
    wp_buf_append_cstring(&sql,
                          "INSERT INTO request_body (id, request, response) VALUES (?, ?, ?)");
    if (rc == SQLITE_OK)
        rc = prepare(db, &sql, &u->to_bodies);
    wp_buf_free(&sql);
    return rc;
}

// The JSON as it is, under the form's name for it.
static wp_view make_detail(struct upgrade *u, int first)
{
    static const enum wp_detail_part parts[] = {[DECISION] = WP_DETAIL_PART_DECISION,
                                                [ATTEMPTS] = WP_DETAIL_PART_ATTEMPTS,
                                                [DROPPED] = WP_DETAIL_PART_DROPPED,
                                                [HEADERS] = WP_DETAIL_PART_HEADERS};
    wp_buf_clear(&u->detail);
    for (size_t i = 0; i < WP_COUNT_OF(parts); i++) {
        wp_view json = store_column_text(u->from, first + (int)i);
        if (json.len == 0)
            continue;
        if (u->detail.len == 0)
            wp_detail_begin(&u->detail,
                            i == DECISION && wp_view_contains(json, WP_VIEW("\"prompt\":{")));
        wp_detail_put_json(&u->detail, parts[i], json);
    }
    return wp_buf_ok(&u->detail) ? wp_buf_view(&u->detail) : (wp_view){NULL, 0};
}

static int run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// Texts that are empty are NULL in the new form.
static void bind_column(struct upgrade *u, int column)
{
    if (sqlite3_column_type(u->from, column) == SQLITE_TEXT &&
        sqlite3_column_bytes(u->from, column) == 0)
        sqlite3_bind_null(u->to, column + 1);
    else
        sqlite3_bind_value(u->to, column + 1, sqlite3_column_value(u->from, column));
}

static int move_bodies(struct upgrade *u, int first)
{
    wp_view request = store_column_text(u->from, first + REQUEST_BODY);
    wp_view response = store_column_text(u->from, first + RESPONSE_BODY);
    if (request.len + response.len == 0)
        return SQLITE_OK;
    sqlite3_bind_int64(u->to_bodies, 1, u->last_id);
    store_bind_blob(u->to_bodies, 2, request);
    store_bind_blob(u->to_bodies, 3, response);
    return run(u->to_bodies);
}

static int move_row(struct upgrade *u)
{
    int columns = (int)store_column_count();
    int64_t id = store_id(sqlite3_column_int64(u->from, columns + START_MS), 0);
    u->last_id = id > u->last_id ? id : u->last_id + 1; // several in one millisecond
    sqlite3_bind_int64(u->to, 1, u->last_id);
    for (int i = 1; i < columns; i++)
        bind_column(u, i);
    store_bind_blob(u->to, columns + 1, make_detail(u, columns));
    int rc = run(u->to);
    return rc == SQLITE_OK ? move_bodies(u, columns) : rc;
}

static int move_rows(struct upgrade *u, const char *path)
{
    int rc;
    uint64_t moved = 0;
    int64_t rows = 0;
    rc = store_read_integer(sqlite3_db_handle(u->from), "SELECT max(id) FROM request_5", 0, &rows);
    if (rc != SQLITE_OK)
        return rc;
    if (rows > SILENT_ROWS)
        wp_log(WP_LOG_WARN, "ledger",
               "%s: up to %" PRId64 " rows are brought into a new form before anything is served: "
               "some 25 s per million, and room for the file again",
               path, rows);
    while ((rc = sqlite3_step(u->from)) == SQLITE_ROW) {
        if (++moved % LOOK_EVERY == 0)
            wp_log(WP_LOG_INFO, "ledger", "%s: %" PRIu64 " rows are in the new form", path, moved);
        rc = move_row(u);
        if (rc != SQLITE_OK)
            return rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// Which minutes of its hour a sum has rows in. A sum of different powers of two is their union.
static const char minutes_sql[] =
    "UPDATE usage_hourly SET minutes = s.minutes FROM"
    " (SELECT model_id, model, model_group, api_key_hash, status, error_code,"
    "  sum(DISTINCT 1 << ((id >> 21) - ?1) / 60000) AS minutes FROM request"
    "  WHERE id >= ?1 << 21 AND id < (?1 + 3600000) << 21 GROUP BY 1, 2, 3, 4, 5, 6) AS s"
    " WHERE usage_hourly.hour_ms = ?1 AND usage_hourly.model_id = coalesce(s.model_id, '')"
    "  AND usage_hourly.model = coalesce(s.model, '')"
    "  AND usage_hourly.model_group = coalesce(s.model_group, '')"
    "  AND usage_hourly.api_key_hash = coalesce(s.api_key_hash, '')"
    "  AND usage_hourly.status = coalesce(s.status, '')"
    "  AND usage_hourly.error_code = coalesce(s.error_code, '')";

// Hour by hour: grouping the whole file would sort it in memory.
static int fill_minutes(sqlite3 *db)
{
    sqlite3_stmt *hour = NULL, *update = NULL;
    int64_t at = INT64_MIN;
    int rc = sqlite3_prepare_v2(
        db, "SELECT hour_ms FROM usage_hourly WHERE hour_ms > ?1 ORDER BY 1 LIMIT 1", -1, &hour,
        NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, minutes_sql, -1, &update, NULL);
    while (rc == SQLITE_OK) {
        sqlite3_bind_int64(hour, 1, at);
        if ((rc = sqlite3_step(hour)) != SQLITE_ROW)
            break;
        at = sqlite3_column_int64(hour, 0);
        sqlite3_reset(hour);
        sqlite3_bind_int64(update, 1, at);
        rc = run(update);
    }
    sqlite3_finalize(hour);
    sqlite3_finalize(update);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_upgrade_rows(sqlite3 *db, const char *path)
{
    struct upgrade u = {.detail = wp_buf_make(DETAIL_MAX), .last_id = INT64_MIN};
    int rc = prepare_all(&u, db);
    if (rc == SQLITE_OK)
        rc = move_rows(&u, path);
    if (rc == SQLITE_OK)
        rc = fill_minutes(db);
    sqlite3_finalize(u.from);
    sqlite3_finalize(u.to);
    sqlite3_finalize(u.to_bodies);
    wp_buf_free(&u.detail);
    if (rc == SQLITE_OK)
        rc = store_exec(db, "DROP TABLE request_detail; DROP TABLE request_5");
    return rc;
}
