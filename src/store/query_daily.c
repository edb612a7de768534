// Daily sums in the shape of LiteLLM's /user/daily/activity.
#include <stdio.h>

#include "base/clock.h"
#include "store/private.h"

enum { DAYS_MAX = 1000, VALUES_MAX = 1000, DATE_LEN = 10 };

// What each SELECT below yields from one column on, in the order of write_metrics.
#define METRICS                                                                       \
    "SUM(prompt_tokens), SUM(completion_tokens), SUM(cache_read_input_tokens),"       \
    " SUM(cache_creation_input_tokens), SUM(prompt_tokens + completion_tokens),"      \
    " SUM(api_requests), SUM(successful_requests), SUM(failed_requests), SUM(spend)," \
    " SUM(saved)"

static void write_metrics(struct wp_json_writer *w, sqlite3_stmt *s, int from, const char *prefix)
{
    static const char *const names[] = {"prompt_tokens",
                                        "completion_tokens",
                                        "cache_read_input_tokens",
                                        "cache_creation_input_tokens",
                                        "total_tokens",
                                        "api_requests",
                                        "successful_requests",
                                        "failed_requests",
                                        "spend",
                                        "saved"};
    enum { FIRST_AMOUNT = 8 };
    char name[64];
    for (int i = 0; i < (int)WP_COUNT_OF(names); i++) {
        snprintf(name, sizeof(name), "%s%s", prefix, names[i]);
        if (i < FIRST_AMOUNT)
            wp_json_put_u64(w, name, (uint64_t)sqlite3_column_int64(s, from + i));
        else
            wp_json_put_decimal(w, name, sqlite3_column_double(s, from + i), 12);
    }
}

static void write_values(struct wp_json_writer *w, sqlite3_stmt *s, int *rc)
{
    while (s != NULL && (*rc = sqlite3_step(s)) == SQLITE_ROW) {
        char name[512];
        wp_view value = store_column_text(s, 0);
        snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(value));
        wp_json_open_object(w, name);
        wp_json_open_object(w, "metrics");
        write_metrics(w, s, 1, "");
        wp_json_close(w);
        wp_json_close(w);
    }
}

// One day by each of its keys, the dearest first.
static int write_breakdown(struct wp_json_writer *w, sqlite3 *db, wp_view date)
{
    static const struct {
        const char *name, *sql;
    } rows[] = {
#define BY(name, column) {name, "SELECT " column ", " METRICS " FROM usage_daily WHERE date = "}
        BY("models", "model"),
        BY("model_groups", "model_group"),
        BY("providers", "custom_llm_provider"),
        BY("endpoints", "endpoint"),
        BY("api_keys", "api_key"),
        BY("deployments", "model_id"),
#undef BY
    };
    int rc = SQLITE_DONE;
    wp_json_open_object(w, "breakdown");
    for (size_t i = 0; i < WP_COUNT_OF(rows) && rc == SQLITE_DONE; i++) {
        struct store_query query = store_query_make();
        store_query_text(&query, rows[i].sql);
        store_query_view(&query, date);
        store_query_text(&query, " GROUP BY 1 ORDER BY SUM(spend) DESC, 1 LIMIT ");
        store_query_integer(&query, VALUES_MAX);
        sqlite3_stmt *s = store_query_prepare(&query, db, &rc);
        wp_json_open_object(w, rows[i].name);
        write_values(w, s, &rc);
        wp_json_close(w);
        sqlite3_finalize(s);
        store_query_free(&query);
    }
    wp_json_close(w);
    return rc;
}

static void append_days(struct store_query *query, const char *select, const char first[],
                        const char last[])
{
    store_query_text(query, select);
    store_query_text(query, METRICS " FROM usage_daily WHERE date >= ");
    store_query_view(query, wp_view_of(first));
    store_query_text(query, " AND date <= ");
    store_query_view(query, wp_view_of(last));
}

static int write_days(struct wp_json_writer *w, sqlite3 *db, const char first[], const char last[])
{
    int rc;
    struct store_query query = store_query_make();
    append_days(&query, "SELECT date, ", first, last);
    store_query_text(&query, " GROUP BY 1 ORDER BY 1 DESC LIMIT ");
    store_query_integer(&query, DAYS_MAX);
    sqlite3_stmt *s = store_query_prepare(&query, db, &rc);
    wp_json_open_array(w, "results");
    while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        wp_view date = store_column_text(s, 0);
        wp_json_open_object(w, NULL);
        wp_json_put_str(w, "date", date);
        wp_json_open_object(w, "metrics");
        write_metrics(w, s, 1, "");
        wp_json_close(w);
        int part = write_breakdown(w, db, date);
        wp_json_close(w);
        if (part != SQLITE_DONE) {
            rc = part;
            break;
        }
    }
    wp_json_close(w);
    sqlite3_finalize(s);
    store_query_free(&query);
    return rc;
}

static int write_totals(struct wp_json_writer *w, sqlite3 *db, const char first[],
                        const char last[])
{
    int rc;
    struct store_query query = store_query_make();
    append_days(&query, "SELECT ", first, last);
    sqlite3_stmt *s = store_query_prepare(&query, db, &rc);
    wp_json_open_object(w, "metadata");
    if (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        write_metrics(w, s, 0, "total_");
        rc = SQLITE_DONE;
    }
    wp_json_put_u64(w, "page", 1);
    wp_json_put_u64(w, "total_pages", 1);
    wp_json_put_bool(w, "has_more", false);
    wp_json_close(w);
    sqlite3_finalize(s);
    store_query_free(&query);
    return rc;
}

static void date_of(int64_t wall_ms, char out[DATE_LEN + 1])
{
    char text[WP_RFC3339_LEN + 1];
    wp_format_rfc3339(wall_ms, text);
    memcpy(out, text, DATE_LEN);
    out[DATE_LEN] = '\0';
}

enum wp_err wp_ledger_query_daily(struct wp_ledger *ledger, int64_t start_ms, int64_t end_ms,
                                  struct wp_buf *out)
{
    char first[DATE_LEN + 1] = "0000-00-00", last[DATE_LEN + 1] = "9999-12-31";
    struct store_reader *reader = store_reader_acquire(ledger);
    struct wp_json_writer w = wp_json_writer(out);
    size_t from = out->len;
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    if (start_ms != 0)
        date_of(start_ms, first);
    if (end_ms != 0)
        date_of(end_ms - 1, last);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    wp_json_open_object(&w, NULL);
    int rc = write_days(&w, reader->db, first, last);
    if (rc == SQLITE_DONE)
        rc = write_totals(&w, reader->db, first, last);
    wp_json_close(&w);
    return store_query_end(ledger, reader, rc, "daily usage", out, from);
}
