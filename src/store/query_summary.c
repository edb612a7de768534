// Sums over a filter. Rows are read once, in the order of their times, and added up here: grouping
// in SQL would read them once per group and keep them all to sort. Where there are many, whole
// hours come from usage_hourly and only the ends from rows.
#include "base/clock.h"
#include "store/private.h"
#include "store/tally.h"

enum {
    HOUR_MS = 3600 * 1000,
    HOURLY_ROWS = 50000,
    WALKED_ROWS = 200000,
    HOURLY_HOURS = 6,
    SAMPLE_TIMEOUT_MS = 100
};

static const char ROWS[] =
    "SELECT id >> 21, model_id, model, status, error_code, 1, spend, saved, input_tokens,"
    " cache_read_tokens, cache_write_5m_tokens + cache_write_1h_tokens, output_tokens,"
    " predicted_read_tokens, call_type = 'keep_warm', iif(call_type = 'keep_warm', spend, 0.0),"
    " kept_warm_saved, ttft_us";
static const char HOURS[] =
    "SELECT hour_ms, model_id, model, status, error_code, requests, spend, saved, input_tokens,"
    " cache_read_tokens, cache_write_5m_tokens + cache_write_1h_tokens, output_tokens,"
    " predicted_read_tokens, keep_warm_renewals, keep_warm_spend, kept_warm_saved, 0"
    " FROM usage_hourly WHERE true";

struct summary {
    struct wp_ledger *ledger;
    struct store_reader *reader;
    const struct wp_log_filter *filter;
    struct store_span span; // of the filter
    int64_t searched_to_ms; // 0: all of it
    struct store_query query;
    struct store_tally tally;
};

static uint64_t column_u64(sqlite3_stmt *s, int column)
{
    int64_t value = sqlite3_column_int64(s, column);
    return value < 0 ? 0 : (uint64_t)value;
}

static void read_share(sqlite3_stmt *s, struct store_share *out)
{
    *out = (struct store_share){.at_ms = sqlite3_column_int64(s, 0),
                                .requests = column_u64(s, 5),
                                .spend = sqlite3_column_double(s, 6),
                                .saved = sqlite3_column_double(s, 7),
                                .input_tokens = column_u64(s, 8),
                                .cache_read_tokens = column_u64(s, 9),
                                .cache_write_tokens = column_u64(s, 10),
                                .output_tokens = column_u64(s, 11),
                                .predicted_read_tokens = column_u64(s, 12),
                                .renewals = column_u64(s, 13),
                                .renewal_spend = sqlite3_column_double(s, 14),
                                .kept_warm_saved = sqlite3_column_double(s, 15),
                                .ttft_us = column_u64(s, 16)};
    for (int i = 0; i < STORE_FACETS; i++)
        out->facets[i] = store_column_text(s, 1 + i);
    out->failed = !wp_view_is(out->facets[2], "success");
}

static void begin(struct summary *summary, const char *select)
{
    store_query_clear(&summary->query);
    store_query_text(&summary->query, select);
}

static bool add(struct summary *summary, sqlite3_stmt *s)
{
    struct store_share share;
    read_share(s, &share);
    return store_tally_add(&summary->tally, &share);
}

// Rows of the filter within the span. SQLITE_DONE when all went well.
static int add_rows(struct summary *summary, const struct store_span *span)
{
    struct store_walk walk = store_walk_make(summary->reader, summary->filter, true);
    store_query_text(&walk.query, ROWS);
    int rc = store_walk_begin(&walk, span);
    while (rc == SQLITE_OK && (rc = store_walk_step(&walk)) == SQLITE_ROW)
        rc = add(summary, walk.rows) ? SQLITE_OK : SQLITE_NOMEM;
    store_walk_end(&walk);
    return rc;
}

// Those that started before, or from this time on.
static int add_rows_before(struct summary *summary, int64_t end_ms)
{
    struct store_span part = summary->span;
    int64_t last = store_id(end_ms, 0) - 1;
    part.last = last < part.last ? last : part.last;
    return add_rows(summary, &part);
}

static int add_rows_from(struct summary *summary, int64_t start_ms)
{
    struct store_span part = summary->span;
    int64_t first = store_id(start_ms, 0);
    part.first = first > part.first ? first : part.first;
    return add_rows(summary, &part);
}

static void append_hours(struct summary *summary, const struct wp_log_filter *filter,
                         int64_t start_ms, int64_t end_ms)
{
    store_filter_append_hourly(&summary->query, filter);
    store_query_text(&summary->query, " AND hour_ms >= ");
    store_query_integer(&summary->query, start_ms);
    store_query_text(&summary->query, " AND hour_ms < ");
    store_query_integer(&summary->query, end_ms);
}

static int add_hours(struct summary *summary, int64_t start_ms, int64_t end_ms)
{
    int rc;
    begin(summary, HOURS);
    append_hours(summary, summary->filter, start_ms, end_ms);
    store_query_text(&summary->query, " ORDER BY hour_ms");
    sqlite3_stmt *s = store_query_prepare(&summary->query, summary->reader->db, &rc);
    while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW)
        if (!add(summary, s)) {
            rc = SQLITE_NOMEM;
            break;
        }
    sqlite3_finalize(s);
    return rc;
}

static int read_integer(struct summary *summary, int64_t *out)
{
    int rc;
    sqlite3_stmt *s = store_query_prepare(&summary->query, summary->reader->db, &rc);
    if (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

// Times to first token of the newest answers, as many as are found in a moment: a filter may match
// few of very many rows.
static int sample_ttft(struct summary *summary)
{
    struct store_walk walk = store_walk_make(summary->reader, summary->filter, false);
    store_query_text(&walk.query, "SELECT ttft_us");
    int rc = store_walk_begin(&walk, &summary->span);
    store_reader_arm(summary->ledger, summary->reader, SAMPLE_TIMEOUT_MS);
    while (rc == SQLITE_OK && summary->tally.ttft_count < STORE_TTFT_MAX &&
           (rc = store_walk_step(&walk)) == SQLITE_ROW) {
        uint64_t ttft_us = column_u64(walk.rows, 0);
        if (ttft_us > 0)
            store_tally_add_ttft(&summary->tally, ttft_us);
        rc = SQLITE_OK;
    }
    store_walk_end(&walk);
    store_reader_arm(summary->ledger, summary->reader, summary->ledger->query_timeout_ms);
    return (rc & 0xff) == SQLITE_INTERRUPT || rc == SQLITE_OK ? SQLITE_DONE : rc;
}

static int64_t hour_of(int64_t wall_ms)
{
    return wall_ms - wall_ms % HOUR_MS;
}

static int count_hours(struct summary *summary, const struct wp_log_filter *filter, int64_t from,
                       int64_t to, int64_t *rows)
{
    begin(summary, "SELECT coalesce(sum(requests), 0) FROM usage_hourly WHERE true");
    append_hours(summary, filter, from, to);
    return read_integer(summary, rows);
}

// The whole hours of the filter, if sums over them serve better than rows: it has many, or they lie
// among very many. After its end there is nothing where the end lies ahead.
static int choose_hours(struct summary *summary, int64_t late_ms, int64_t *from, int64_t *to)
{
    static const struct wp_log_filter everything;
    const struct wp_log_filter *filter = summary->filter;
    int64_t rows = 0, all = 0, oldest = 0;
    *to = filter->end_ms == 0 || filter->end_ms >= late_ms ? hour_of(late_ms) + HOUR_MS
                                                           : hour_of(filter->end_ms);
    *from = hour_of(filter->start_ms + HOUR_MS - 1);
    if (!store_filter_is_hourly(filter) || *to <= *from) {
        *to = *from;
        return SQLITE_DONE;
    }
    begin(summary, "SELECT coalesce(min(hour_ms), 0) FROM usage_hourly WHERE true");
    append_hours(summary, filter, *from, *to);
    int rc = read_integer(summary, &oldest);
    if (rc == SQLITE_DONE)
        rc = count_hours(summary, filter, *from, *to, &rows);
    if (rc == SQLITE_DONE && rows < HOURLY_ROWS)
        rc = count_hours(summary, &everything, *from, *to, &all);
    if ((rows < HOURLY_ROWS && all < WALKED_ROWS) || *to - oldest < HOURLY_HOURS * HOUR_MS)
        *to = *from;
    return rc;
}

// From rows alone; where they are too many to look at, from the newest.
static int add_span(struct summary *summary, int64_t end_ms)
{
    const struct wp_log_filter *filter = summary->filter;
    store_tally_span(&summary->tally, filter->start_ms, end_ms, 1);
    store_reader_arm_for(summary->ledger, summary->reader, filter);
    int rc = add_rows(summary, &summary->span);
    if ((rc & 0xff) != SQLITE_INTERRUPT || !store_filter_scans(filter))
        return rc;
    store_tally_free(&summary->tally);
    if (!store_tally_init(&summary->tally))
        return SQLITE_NOMEM;
    rc = store_span_reach(summary->ledger, summary->reader, filter, &summary->span,
                          &summary->searched_to_ms);
    int64_t start_ms = summary->searched_to_ms != 0 ? summary->searched_to_ms : filter->start_ms;
    store_tally_span(&summary->tally, start_ms, end_ms, 1);
    return rc == SQLITE_OK ? add_rows(summary, &summary->span) : rc;
}

static int add_up(struct summary *summary)
{
    const struct wp_log_filter *filter = summary->filter;
    int64_t newest = 0, from = 0, to = 0;
    begin(summary, "SELECT coalesce(max(id), 0) FROM request");
    int rc = read_integer(summary, &newest);
    newest = store_id_ms(newest);
    int64_t now = wp_wall_ms(), late = now > newest ? now : newest + 1;
    int64_t end = filter->end_ms != 0 && filter->end_ms < late ? filter->end_ms : late;
    if (rc == SQLITE_DONE)
        rc = store_span_find(summary->reader, filter, &summary->span);
    if (rc == SQLITE_OK)
        rc = choose_hours(summary, late, &from, &to);
    if (rc != SQLITE_DONE)
        return rc;
    if (to <= from)
        return add_span(summary, end);
    store_tally_span(&summary->tally, filter->start_ms, end, HOUR_MS);
    if (filter->start_ms < from)
        rc = add_rows_before(summary, from);
    if (rc == SQLITE_DONE)
        rc = add_hours(summary, from, to);
    if (rc == SQLITE_DONE && filter->end_ms != 0 && filter->end_ms > to)
        rc = add_rows_from(summary, to);
    summary->tally.ttft_count = 0; // the ends have had some
    return rc == SQLITE_DONE ? sample_ttft(summary) : rc;
}

enum wp_err wp_ledger_query_summary(struct wp_ledger *ledger, const struct wp_log_filter *asked,
                                    struct wp_buf *out)
{
    struct wp_log_filter filter;
    struct summary summary = {.ledger = ledger, .filter = &filter};
    struct wp_json_writer w = wp_json_writer(out);
    size_t from = out->len;
    if (!store_tally_init(&summary.tally))
        return WP_ERR_NO_MEMORY;
    summary.reader = store_reader_acquire(ledger);
    if (summary.reader == NULL) {
        store_tally_free(&summary.tally);
        return WP_ERR_INTERNAL;
    }
    summary.query = store_query_make();
    int rc = store_filter_narrow(summary.reader, asked, &filter);
    if (rc == SQLITE_OK)
        rc = add_up(&summary);
    if (rc == SQLITE_DONE) {
        wp_json_open_object(&w, NULL);
        store_tally_write(&summary.tally, &w);
        if (summary.searched_to_ms != 0)
            wp_json_put_i64(&w, "searched_to_ms", summary.searched_to_ms);
        wp_json_close(&w);
    }
    store_query_free(&summary.query);
    store_tally_free(&summary.tally);
    return store_query_end(ledger, summary.reader, rc, "summary", out, from);
}
