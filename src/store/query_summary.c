#include "base/clock.h"
#include "store/private.h"

#include <stdio.h>

enum { BUCKETS = 60, FACET_MAX = 20, SAMPLE_MAX = 5000 };

static double column_double(sqlite3_stmt *s, int column)
{
    return sqlite3_column_double(s, column);
}

static uint64_t column_u64(sqlite3_stmt *s, int column)
{
    int64_t value = sqlite3_column_int64(s, column);
    return value < 0 ? 0 : (uint64_t)value;
}

// The statement for one part: `select`, the filter, `tail`.
static sqlite3_stmt *prepare(struct wp_ledger *ledger, struct store_reader *reader,
                             struct store_query *query, const char *select,
                             const struct wp_log_filter *filter, const char *tail, int *rc)
{
    store_query_clear(query);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    store_query_text(query, select);
    store_filter_append(query, filter, true);
    store_query_text(query, tail);
    return store_query_prepare(query, reader->db, rc);
}

// The value at `share` of the sorted times to first token of the newest rows.
static double ttft_at(struct wp_ledger *ledger, struct store_reader *reader,
                      struct store_query *query, const struct wp_log_filter *filter, double share,
                      int *rc)
{
    double value = 0;
    store_query_clear(query);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    store_query_text(query, "WITH sample AS (SELECT ttft_us FROM request");
    store_filter_append(query, filter, true);
    store_query_text(query, " AND ttft_us > 0 ORDER BY start_ms DESC LIMIT 5000) SELECT ttft_us "
                            "FROM sample ORDER BY ttft_us LIMIT 1 OFFSET (SELECT CAST(");
    store_query_text(query, share > 0.9 ? "0.95" : "0.5");
    store_query_text(query, " * (COUNT(*) - 1) AS INTEGER) FROM sample)");
    sqlite3_stmt *s = store_query_prepare(query, reader->db, rc);
    if (s != NULL && (*rc = sqlite3_step(s)) == SQLITE_ROW)
        value = column_double(s, 0) / 1000.0;
    sqlite3_finalize(s);
    return value;
}

static const char TOTALS[] =
    "SELECT COUNT(*), COALESCE(SUM(status <> 'success'), 0), COALESCE(SUM(spend), 0), "
    "COALESCE(SUM(saved), 0), COALESCE(SUM(input_tokens), 0), "
    "COALESCE(SUM(cache_read_tokens), 0), COALESCE(SUM(cache_write_5m_tokens + "
    "cache_write_1h_tokens), 0), COALESCE(SUM(output_tokens), 0), MIN(start_ms), MAX(start_ms), "
    "COALESCE(SUM(call_type = 'keep_warm'), 0), "
    "COALESCE(SUM(CASE WHEN call_type = 'keep_warm' THEN spend END), 0), "
    "COALESCE(SUM(kept_warm_saved), 0), COALESCE(SUM(predicted_read_tokens), 0) "
    "FROM request";

struct range {
    int64_t first_ms, last_ms;
};

static int write_totals(struct wp_ledger *ledger, struct store_reader *reader,
                        struct store_query *query, const struct wp_log_filter *filter,
                        struct wp_json_writer *w, struct range *range)
{
    int rc = SQLITE_OK;
    sqlite3_stmt *s = prepare(ledger, reader, query, TOTALS, filter, "", &rc);
    if (s == NULL || (rc = sqlite3_step(s)) != SQLITE_ROW) {
        sqlite3_finalize(s);
        return rc;
    }
    uint64_t input = column_u64(s, 4), read = column_u64(s, 5), written = column_u64(s, 6);
    uint64_t prompt = input + read + written;
    wp_json_open_object(w, "totals");
    wp_json_put_u64(w, "requests", column_u64(s, 0));
    wp_json_put_u64(w, "failures", column_u64(s, 1));
    wp_json_put_decimal(w, "spend", column_double(s, 2), 12);
    wp_json_put_decimal(w, "saved", column_double(s, 3), 12);
    wp_json_put_u64(w, "prompt_tokens", prompt);
    wp_json_put_u64(w, "completion_tokens", column_u64(s, 7));
    wp_json_put_u64(w, "input_tokens", input);
    wp_json_put_u64(w, "cache_read_input_tokens", read);
    wp_json_put_u64(w, "cache_creation_input_tokens", written);
    wp_json_put_decimal(w, "cache_hit_ratio", prompt > 0 ? (double)read / (double)prompt : 0, 6);
    wp_json_put_u64(w, "predicted_cache_read_tokens", column_u64(s, 13));
    wp_json_put_u64(w, "keep_warm_renewals", column_u64(s, 10));
    wp_json_put_decimal(w, "keep_warm_spend", column_double(s, 11), 12);
    wp_json_put_decimal(w, "keep_warm_saved", column_double(s, 12), 12);
    *range = (struct range){sqlite3_column_int64(s, 8), sqlite3_column_int64(s, 9)};
    sqlite3_finalize(s);
    wp_json_put_decimal(w, "ttft_p50_ms", ttft_at(ledger, reader, query, filter, 0.5, &rc), 3);
    wp_json_put_decimal(w, "ttft_p95_ms", ttft_at(ledger, reader, query, filter, 0.95, &rc), 3);
    wp_json_close(w);
    return SQLITE_DONE;
}

// Where the bars begin and end. A window that is nearly empty but for its end is drawn from its
// first row on: it would be one bar.
static struct range bars_of(const struct wp_log_filter *filter, struct range rows)
{
    int64_t now = wp_wall_ms(), late = now > rows.last_ms ? now : rows.last_ms + 1;
    struct range bars = {filter->start_ms != 0 ? filter->start_ms : rows.first_ms,
                         filter->end_ms != 0 && filter->end_ms < late ? filter->end_ms : late};
    if (rows.first_ms - bars.first_ms > (bars.last_ms - bars.first_ms) / 6 * 5)
        bars.first_ms = rows.first_ms - 1000;
    return bars;
}

// Bars of equal width over the time that is looked at.
static int write_histogram(struct wp_ledger *ledger, struct store_reader *reader,
                           struct store_query *query, const struct wp_log_filter *filter,
                           struct range range, struct wp_json_writer *w)
{
    struct range bars = bars_of(filter, range);
    int64_t span = bars.last_ms - bars.first_ms;
    int64_t width = span / BUCKETS > 1000 ? span / BUCKETS : 1000;
    char select[256];
    int rc = SQLITE_OK;
    snprintf(select, sizeof(select),
             "SELECT start_ms / %lld * %lld AS t, SUM(status = 'success'), SUM(status <> "
             "'success') FROM request",
             (long long)width, (long long)width);
    sqlite3_stmt *s =
        prepare(ledger, reader, query, select, filter, " GROUP BY t ORDER BY t LIMIT 200", &rc);
    wp_json_open_array(w, "histogram");
    while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        wp_json_open_object(w, NULL);
        wp_json_put_i64(w, "t", sqlite3_column_int64(s, 0));
        wp_json_put_u64(w, "success", column_u64(s, 1));
        wp_json_put_u64(w, "failure", column_u64(s, 2));
        wp_json_close(w);
    }
    wp_json_close(w);
    sqlite3_finalize(s);
    wp_json_put_i64(w, "bucket_ms", width);
    if (filter->start_ms != 0 && bars.first_ms > filter->start_ms && range.first_ms != 0)
        wp_json_put_i64(w, "since_ms", bars.first_ms);
    return rc;
}

static int write_facet(struct wp_ledger *ledger, struct store_reader *reader,
                       struct store_query *query, const struct wp_log_filter *filter,
                       const char *column, struct wp_json_writer *w)
{
    char select[128], tail[128];
    int rc = SQLITE_OK;
    snprintf(select, sizeof(select), "SELECT %s, COUNT(*) AS n FROM request", column);
    snprintf(tail, sizeof(tail), " AND %s <> '' GROUP BY %s ORDER BY n DESC LIMIT %d", column,
             column, FACET_MAX);
    sqlite3_stmt *s = prepare(ledger, reader, query, select, filter, tail, &rc);
    wp_json_open_array(w, column);
    while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        wp_json_open_object(w, NULL);
        wp_json_put_str(w, "value", store_column_text(s, 0));
        wp_json_put_u64(w, "count", column_u64(s, 1));
        wp_json_close(w);
    }
    wp_json_close(w);
    sqlite3_finalize(s);
    return rc;
}

enum wp_err wp_ledger_query_summary(struct wp_ledger *ledger, const struct wp_log_filter *filter,
                                    struct wp_buf *out)
{
    static const char *const facets[] = {"model_id", "model", "status", "error_code"};
    struct store_reader *reader = store_reader_acquire(ledger);
    struct store_query query = store_query_make();
    struct wp_json_writer w = wp_json_writer(out);
    struct range range = {0, 0};
    size_t from = out->len;
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    wp_json_open_object(&w, NULL);
    int rc = write_totals(ledger, reader, &query, filter, &w, &range);
    if (rc == SQLITE_DONE)
        rc = write_histogram(ledger, reader, &query, filter, range, &w);
    if (rc == SQLITE_DONE) {
        wp_json_open_object(&w, "facets");
        for (size_t i = 0; i < WP_COUNT_OF(facets) && rc == SQLITE_DONE; i++)
            rc = write_facet(ledger, reader, &query, filter, facets[i], &w);
        wp_json_close(&w);
    }
    wp_json_close(&w);
    store_query_free(&query);
    return store_query_end(ledger, reader, rc, "summary", out, from);
}
