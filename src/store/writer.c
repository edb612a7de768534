// The recorder's statements: rows, bodies and both rollups of a batch in one transaction.
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/private.h"

enum { HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, SLICE = 1000 };

static const char bodies_sql[] = "INSERT OR FAIL INTO request_body (id, request, response)"
                                 " VALUES (?1, ?2, ?3)";

static const char id_sql[] =
    "INSERT OR FAIL INTO request_other_id (id, request_id) VALUES (?1, ?2)";

static const char hourly_sql[] =
    "INSERT INTO usage_hourly (hour_ms, model_id, model, model_group, api_key_hash, status,"
    " error_code, requests, spend, saved, input_tokens, cache_read_tokens, cache_write_5m_tokens,"
    " cache_write_1h_tokens, output_tokens, predicted_read_tokens, keep_warm_renewals,"
    " keep_warm_spend, kept_warm_saved, minutes)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?16, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?17, ?18, ?19,"
    " ?20)"
    " ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,"
    " spend = spend + excluded.spend,"
    " saved = saved + excluded.saved, input_tokens = input_tokens + excluded.input_tokens,"
    " cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,"
    " cache_write_5m_tokens = cache_write_5m_tokens + excluded.cache_write_5m_tokens,"
    " cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens,"
    " output_tokens = output_tokens + excluded.output_tokens,"
    " predicted_read_tokens = predicted_read_tokens + excluded.predicted_read_tokens,"
    " keep_warm_renewals = keep_warm_renewals + excluded.keep_warm_renewals,"
    " keep_warm_spend = keep_warm_spend + excluded.keep_warm_spend,"
    " kept_warm_saved = kept_warm_saved + excluded.kept_warm_saved,"
    " minutes = minutes | excluded.minutes";

static const char daily_sql[] =
    "INSERT INTO usage_daily (date, api_key, model, model_group, custom_llm_provider, endpoint,"
    " model_id, prompt_tokens, completion_tokens, cache_read_input_tokens,"
    " cache_creation_input_tokens, spend, saved, api_requests, successful_requests,"
    " failed_requests)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    " ON CONFLICT DO UPDATE SET prompt_tokens = prompt_tokens + excluded.prompt_tokens,"
    " completion_tokens = completion_tokens + excluded.completion_tokens,"
    " cache_read_input_tokens = cache_read_input_tokens + excluded.cache_read_input_tokens,"
    " cache_creation_input_tokens ="
    "  cache_creation_input_tokens + excluded.cache_creation_input_tokens,"
    " spend = spend + excluded.spend, saved = saved + excluded.saved,"
    " api_requests = api_requests + excluded.api_requests,"
    " successful_requests = successful_requests + excluded.successful_requests,"
    " failed_requests = failed_requests + excluded.failed_requests";

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

// The rows of a batch are read from the virtual table that batch.c makes of them: one statement
// writes them all, its cursors stay at the ends of the table and of its indexes. OR FAIL: who runs
// it rolls back himself, so SQLite need not keep copies of the pages that it changes.
static int prepare_insert(sqlite3 *db, sqlite3_stmt **out)
{
    struct wp_buf sql = wp_buf_make(STORE_SQL_MAX);
    wp_buf_append_cstring(&sql, "INSERT OR FAIL INTO request (");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(&sql, ", detail) SELECT ");
    store_columns_append(&sql, "");
    wp_buf_append_cstring(&sql, ", detail FROM batch");
    wp_buf_append_char(&sql, '\0');
    int rc = wp_buf_ok(&sql) ? prepare(db, sql.ptr, out) : SQLITE_NOMEM;
    wp_buf_free(&sql);
    return rc;
}

// Goes on where the newest row's id ends, so that rows of the millisecond in which the last writer
// left off are not met.
static int begin_sequence(struct store_writer *writer)
{
    sqlite3_stmt *newest = NULL;
    int rc = prepare(writer->db, "SELECT max(id) FROM request", &newest);
    if (rc == SQLITE_OK && (rc = sqlite3_step(newest)) == SQLITE_ROW) {
        writer->sequence = (uint64_t)sqlite3_column_int64(newest, 0) + 1;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(newest);
    return rc;
}

enum wp_err store_writer_open(struct store_writer *writer, const char *path, char *error,
                              size_t error_size)
{
    enum wp_err err = store_open_writer(path, &writer->db, error, error_size);
    if (err != WP_OK)
        return err;
    int rc = store_batch_register(writer->db, &writer->batch);
    if (rc == SQLITE_OK)
        rc = prepare_insert(writer->db, &writer->insert);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, bodies_sql, &writer->insert_bodies);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, id_sql, &writer->insert_id);
    if (rc == SQLITE_OK)
        rc = begin_sequence(writer);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, hourly_sql, &writer->hourly);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, daily_sql, &writer->daily);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, "SAVEPOINT one", &writer->savepoint);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, "ROLLBACK TO one", &writer->rollback);
    if (rc == SQLITE_OK)
        rc = prepare(writer->db, "RELEASE one", &writer->release);
    if (rc == SQLITE_OK)
        return WP_OK;
    snprintf(error, error_size, "%s: %s; move the file away to start anew, or restore a copy", path,
             sqlite3_errmsg(writer->db));
    store_writer_close(writer);
    return WP_ERR_INTERNAL;
}

void store_writer_close(struct store_writer *writer)
{
    sqlite3_finalize(writer->insert);
    sqlite3_finalize(writer->insert_bodies);
    sqlite3_finalize(writer->insert_id);
    sqlite3_finalize(writer->hourly);
    sqlite3_finalize(writer->daily);
    sqlite3_finalize(writer->savepoint);
    sqlite3_finalize(writer->rollback);
    sqlite3_finalize(writer->release);
    sqlite3_close_v2(writer->db);
    *writer = (struct store_writer){0};
}

// Steps a statement without result rows and makes it ready for the next record.
static int run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static double finite_or_zero(double value)
{
    return isfinite(value) ? value : 0;
}

static int add_hourly(struct store_writer *writer, const struct store_sum *sum)
{
    sqlite3_stmt *s = writer->hourly;
    const struct wp_record *r = sum->record;
    const wp_view texts[] = {r->model_id,     r->model,  r->model_group,
                             r->api_key_hash, r->status, r->error_code};
    const uint64_t numbers[] = {sum->input_tokens,
                                sum->cache_read_tokens,
                                sum->cache_write_5m_tokens,
                                sum->cache_write_1h_tokens,
                                sum->output_tokens,
                                sum->predicted_read_tokens,
                                sum->requests,
                                sum->renewals};
    sqlite3_bind_int64(s, 1, sum->hour_ms);
    for (size_t i = 0; i < WP_COUNT_OF(texts); i++)
        store_bind_text(s, (int)i + 2, texts[i]);
    sqlite3_bind_double(s, 8, sum->spend);
    sqlite3_bind_double(s, 9, sum->saved);
    for (size_t i = 0; i < WP_COUNT_OF(numbers); i++)
        sqlite3_bind_int64(s, (int)i + 10, (int64_t)numbers[i]);
    sqlite3_bind_double(s, 18, sum->renewal_spend);
    sqlite3_bind_double(s, 19, sum->kept_warm_saved);
    sqlite3_bind_int64(s, 20, (int64_t)sum->minutes);
    return run(s);
}

static int add_daily(struct store_writer *writer, const struct store_sum *sum)
{
    sqlite3_stmt *s = writer->daily;
    const struct wp_record *r = sum->record;
    char date[WP_RFC3339_LEN + 1];
    wp_format_rfc3339(r->start_ms, date);
    const wp_view texts[] = {
        wp_view_make(date, 10), r->api_key_hash, r->model, r->model_group, r->provider,
        r->call_type,           r->model_id};
    const uint64_t cache_writes = sum->cache_write_5m_tokens + sum->cache_write_1h_tokens;
    const uint64_t numbers[] = {sum->input_tokens + sum->cache_read_tokens + cache_writes,
                                sum->output_tokens, sum->cache_read_tokens, cache_writes};
    bool ok = wp_view_is(r->status, "success");
    for (size_t i = 0; i < WP_COUNT_OF(texts); i++)
        store_bind_text(s, (int)i + 1, texts[i]);
    for (size_t i = 0; i < WP_COUNT_OF(numbers); i++)
        sqlite3_bind_int64(s, (int)i + 8, (int64_t)numbers[i]);
    sqlite3_bind_double(s, 12, sum->spend);
    sqlite3_bind_double(s, 13, sum->saved);
    sqlite3_bind_int64(s, 14, (int64_t)sum->requests);
    sqlite3_bind_int64(s, 15, ok ? (int64_t)sum->requests : 0);
    sqlite3_bind_int64(s, 16, ok ? 0 : (int64_t)sum->requests);
    return run(s);
}

static bool same_sum(const struct store_sum *sum, const struct wp_record *r)
{
    return r->start_ms >= sum->hour_ms && r->start_ms - sum->hour_ms < HOUR_MS &&
           store_item_same_keys(sum->record, r);
}

static int flush_sums(struct store_writer *writer)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < writer->sum_count && rc == SQLITE_OK; i++) {
        rc = add_hourly(writer, &writer->sums[i]);
        if (rc == SQLITE_OK)
            rc = add_daily(writer, &writer->sums[i]);
    }
    writer->sum_count = 0;
    return rc;
}

// Rows of a batch mostly share hour, deployment and key: one upsert per such set, not per row.
static int add_to_sums(struct store_writer *writer, const struct wp_record *r)
{
    struct store_sum *sum = NULL;
    for (size_t i = 0; i < writer->sum_count && sum == NULL; i++)
        sum = same_sum(&writer->sums[i], r) ? &writer->sums[i] : NULL;
    if (sum == NULL) {
        int rc = writer->sum_count == STORE_SUMS_MAX ? flush_sums(writer) : SQLITE_OK;
        if (rc != SQLITE_OK)
            return rc;
        sum = &writer->sums[writer->sum_count++];
        *sum = (struct store_sum){.record = r, .hour_ms = r->start_ms - r->start_ms % HOUR_MS};
    }
    sum->requests++;
    sum->minutes |= (uint64_t)1 << ((r->start_ms - sum->hour_ms) / MINUTE_MS & 63);
    sum->spend += finite_or_zero(r->spend);
    sum->saved += finite_or_zero(r->saved);
    sum->kept_warm_saved += finite_or_zero(r->kept_warm_saved);
    if (wp_view_is(r->call_type, "keep_warm")) {
        sum->renewals++;
        sum->renewal_spend += finite_or_zero(r->spend);
    }
    sum->input_tokens += r->input_tokens;
    sum->cache_read_tokens += r->cache_read_tokens;
    sum->cache_write_5m_tokens += r->cache_write_5m_tokens;
    sum->cache_write_1h_tokens += r->cache_write_1h_tokens;
    sum->output_tokens += r->output_tokens;
    sum->predicted_read_tokens += r->predicted_read_tokens;
    return SQLITE_OK;
}

static int insert_bodies(struct store_writer *writer, const struct store_item *item)
{
    sqlite3_bind_int64(writer->insert_bodies, 1, item->id);
    store_bind_blob(writer->insert_bodies, 2, item->record.request_body);
    store_bind_blob(writer->insert_bodies, 3, item->record.response_body);
    return run(writer->insert_bodies);
}

static int insert_id(struct store_writer *writer, const struct store_item *item)
{
    sqlite3_bind_int64(writer->insert_id, 1, item->id);
    store_bind_text(writer->insert_id, 2, item->record.request_id);
    return run(writer->insert_id);
}

// Items [first, end), and what few of them have beside their row.
static int insert_range(struct store_writer *writer, const struct store_item *first,
                        const struct store_item *end)
{
    writer->batch = (struct store_batch){first, end};
    int rc = run(writer->insert);
    for (const struct store_item *item = first; item != end && rc == SQLITE_OK; item = item->next) {
        if (store_item_has_bodies(item))
            rc = insert_bodies(writer, item);
        if (rc == SQLITE_OK && !store_span_knows(&item->record))
            rc = insert_id(writer, item);
    }
    return rc;
}

// What is wrong with the record rather than with the disk; it would fail for ever.
static bool is_records_fault(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_TOOBIG || primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH;
}

static int insert_all(struct store_writer *writer, const struct store_item *items)
{
    writer->sum_count = 0;
    int rc = insert_range(writer, items, NULL);
    for (const struct store_item *item = items; item != NULL && rc == SQLITE_OK; item = item->next)
        rc = add_to_sums(writer, &item->record);
    return rc == SQLITE_OK ? flush_sums(writer) : rc;
}

static void give_id(struct store_writer *writer, struct store_item *item)
{
    item->id = store_id(item->record.start_ms, writer->sequence++);
}

// One row; where its id is taken (the sequence has come round within one millisecond's rows, or the
// clock was set back) under the next that is free.
static int insert_one(struct store_writer *writer, struct store_item *item)
{
    int rc = insert_range(writer, item, item->next);
    for (uint32_t tries = 0; rc == SQLITE_CONSTRAINT_PRIMARYKEY && tries >> STORE_ID_BITS == 0;
         tries++) {
        give_id(writer, item);
        rc = insert_range(writer, item, item->next);
    }
    return rc;
}

// The same with a savepoint around each row, so that one that the schema refuses leaves alone.
static int insert_each(struct store_writer *writer, struct store_item *items, size_t *refused)
{
    int rc = SQLITE_OK;
    writer->sum_count = 0;
    for (struct store_item *item = items; item != NULL && rc == SQLITE_OK; item = item->next) {
        rc = run(writer->savepoint);
        if (rc == SQLITE_OK)
            rc = insert_one(writer, item);
        bool good = rc == SQLITE_OK;
        if (rc != SQLITE_OK && is_records_fault(rc) && !sqlite3_get_autocommit(writer->db)) {
            wp_log(WP_LOG_WARN, "ledger", "a row was refused: %s", sqlite3_errmsg(writer->db));
            ++*refused;
            rc = run(writer->rollback);
        }
        if (rc == SQLITE_OK)
            rc = run(writer->release);
        if (rc == SQLITE_OK && good)
            rc = add_to_sums(writer, &item->record);
    }
    return rc == SQLITE_OK ? flush_sums(writer) : rc;
}

static int insert_batch(struct store_writer *writer, struct store_item *items, size_t *refused)
{
    int rc = store_exec(writer->db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = insert_all(writer, items);
    if (!is_records_fault(rc))
        return rc;
    if (!sqlite3_get_autocommit(writer->db))
        (void)store_exec(writer->db, "ROLLBACK");
    rc = store_exec(writer->db, "BEGIN IMMEDIATE");
    return rc == SQLITE_OK ? insert_each(writer, items, refused) : rc;
}

bool store_writer_commit(struct store_writer *writer, struct store_item **items, size_t *refused,
                         char *error, size_t error_size)
{
    *refused = 0;
    store_items_sort(items);
    for (struct store_item *item = *items; item != NULL; item = item->next)
        give_id(writer, item);
    int rc = insert_batch(writer, *items, refused);
    if (rc == SQLITE_OK)
        rc = store_exec(writer->db, "COMMIT");
    if (rc == SQLITE_OK)
        return true;
    snprintf(error, error_size, "%s", sqlite3_errmsg(writer->db));
    if (!sqlite3_get_autocommit(writer->db))
        (void)store_exec(writer->db, "ROLLBACK");
    return false;
}

// A slice of the rows that started before.
static int trim(struct store_writer *writer, int64_t before_ms)
{
    char sql[256];
    static const char *const tables[] = {"request_body", "request_other_id", "request"};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < WP_COUNT_OF(tables) && rc == SQLITE_OK; i++) {
        snprintf(sql, sizeof(sql),
                 "DELETE FROM %s WHERE id <= (SELECT max(id) FROM (SELECT id FROM request"
                 " WHERE id < %lld ORDER BY id LIMIT %d))",
                 tables[i], (long long)store_id(before_ms, 0), SLICE);
        rc = store_exec(writer->db, sql);
    }
    return rc;
}

// What is deleted is overwritten with zeros. At other times SQLite need not do so with every page
// that it takes or divides: that is a tenth of what a row costs, and hides nothing that is not
// there.
bool store_writer_trim(struct store_writer *writer, int64_t before_ms, bool *more)
{
    char sql[128];
    int64_t changed = 0;
    int rc = store_exec(writer->db, "PRAGMA secure_delete = ON; BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = trim(writer, before_ms);
    if (rc == SQLITE_OK) {
        changed = sqlite3_changes64(writer->db);
        snprintf(sql, sizeof(sql), "DELETE FROM usage_hourly WHERE hour_ms < %lld",
                 (long long)(before_ms - HOUR_MS));
        rc = store_exec(writer->db, sql);
    }
    if (rc == SQLITE_OK)
        rc = store_exec(writer->db, "COMMIT");
    if (rc == SQLITE_OK && changed > 0)
        rc = store_exec(writer->db, "PRAGMA incremental_vacuum(256)");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(writer->db))
        (void)store_exec(writer->db, "ROLLBACK");
    (void)store_exec(writer->db, "PRAGMA secure_delete = OFF");
    *more = changed == SLICE;
    return rc == SQLITE_OK;
}
