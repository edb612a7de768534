// Summaries: what they say of few rows, and that hourly sums say what the rows say.
#include "tests/unit/store/support.h"

enum { HOUR_MS = 3600 * 1000 };

static const struct wp_json_val *summary(struct wp_ledger *ledger, struct wp_arena *arena,
                                         struct wp_log_filter filter)
{
    struct wp_buf out = wp_buf_make(1 << 24);
    assert_ok(wp_ledger_query_summary(ledger, &filter, &out));
    const struct wp_json_val *root = wp_json_parse(arena, wp_arena_copy(arena, wp_buf_view(&out)));
    assert_non_null(root);
    wp_buf_free(&out);
    return root;
}

static uint64_t number(const struct wp_json_val *root, const char *path_)
{
    const struct wp_json_val *value = wp_json_path(root, path_);
    assert_non_null(value);
    return wp_json_u64(value, UINT64_MAX);
}

static double amount(const struct wp_json_val *root, const char *path_)
{
    return wp_json_double(wp_json_path(root, path_), -1);
}

// The count of `value` in a facet; 0: it is not there.
static uint64_t facet(const struct wp_json_val *root, const char *name, const char *value)
{
    const struct wp_json_val *list = wp_json_get(wp_json_get(root, "facets"), name);
    for (size_t i = 0; i < wp_json_count(list); i++)
        if (wp_view_is(wp_json_str(wp_json_get(wp_json_at(list, i), "value")), value))
            return wp_json_u64(wp_json_get(wp_json_at(list, i), "count"), 0);
    return 0;
}

static void fill(struct wp_ledger *ledger, struct wp_arena *arena)
{
    for (int i = 0; i < 100; i++) {
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "row-%d", i);
        record.start_ms = at("2026-11-24T10:00:00Z") + i * 1000;
        record.ttft_us = (uint64_t)(i + 1) * 1000;
        record.model_id = i % 4 == 0 ? WP_VIEW("deployment-2") : WP_VIEW("deployment-1");
        if (i % 10 == 0) {
            record.status = WP_VIEW("failure");
            record.error_code = WP_VIEW("RATE_LIMITED");
            record.ttft_us = 0;
        }
        if (i == 99)
            record.call_type = WP_VIEW("keep_warm");
        record.kept_warm_saved = i == 98 ? 0.25 : 0;
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
}

static void few_rows_are_added_up(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    fill(ledger, arena);
    const struct wp_json_val *root = summary(ledger, arena, (struct wp_log_filter){.page = 1});
    assert_int_equal(number(root, "totals.requests"), 100);
    assert_int_equal(number(root, "totals.failures"), 10);
    assert_int_equal(number(root, "totals.prompt_tokens"), 235000);
    assert_int_equal(number(root, "totals.cache_read_input_tokens"), 200000);
    assert_int_equal(number(root, "totals.predicted_cache_read_tokens"), 199900);
    assert_int_equal(number(root, "totals.completion_tokens"), 500);
    assert_int_equal(number(root, "totals.keep_warm_renewals"), 1);
    assert_true(amount(root, "totals.keep_warm_spend") == 0.0125);
    assert_true(amount(root, "totals.keep_warm_saved") == 0.25);
    assert_true(amount(root, "totals.spend") > 1.2499 && amount(root, "totals.spend") < 1.2501);
    // 90 answers took 2, 3 … 10, 12 … 100 ms
    assert_true(amount(root, "totals.ttft_p50_ms") == 50.0);
    assert_true(amount(root, "totals.ttft_p95_ms") == 95.0);
    assert_int_equal(facet(root, "model_id", "deployment-1"), 75);
    assert_int_equal(facet(root, "model_id", "deployment-2"), 25);
    assert_int_equal(facet(root, "status", "success"), 90);
    assert_int_equal(facet(root, "error_code", "RATE_LIMITED"), 10);
    assert_int_equal(wp_json_count(wp_json_path(root, "facets.error_code")), 1);
    assert_view(
        wp_json_str(wp_json_get(wp_json_at(wp_json_path(root, "facets.model_id"), 0), "value")),
        "deployment-1"); // the most frequent first
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

static void bars_cover_the_window(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    int64_t start = at("2026-11-24T10:00:00Z");
    fill(ledger, arena);
    const struct wp_json_val *root = summary(
        ledger, arena, (struct wp_log_filter){.start_ms = start, .end_ms = start + 120 * 1000});
    assert_int_equal(number(root, "bucket_ms"), 2000);
    assert_int_equal(wp_json_count(wp_json_get(root, "histogram")), 50); // the empty are left out
    const struct wp_json_val *bars = wp_json_get(root, "histogram");
    assert_int_equal(number(wp_json_at(bars, 0), "t"), (uint64_t)start);
    assert_int_equal(number(wp_json_at(bars, 0), "success"), 1);
    assert_int_equal(number(wp_json_at(bars, 0), "failure"), 1);
    assert_int_equal(number(wp_json_at(bars, 49), "success"), 2);
    assert_null(wp_json_get(root, "since_ms"));
    // all of them in the last sixth: from the first one on
    root = summary(
        ledger, arena,
        (struct wp_log_filter){.start_ms = start - 900 * 1000LL, .end_ms = start + 100 * 1000});
    assert_int_equal(number(root, "since_ms"), (uint64_t)start - 1000);
    // nothing there
    root = summary(ledger, arena, (struct wp_log_filter){.end_ms = start});
    assert_int_equal(number(root, "totals.requests"), 0);
    assert_int_equal(wp_json_count(wp_json_get(root, "histogram")), 0);
    assert_int_equal(wp_json_count(wp_json_path(root, "facets.model")), 0);
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

// Rows of ten hours from `start` on, and their hourly sums as the recorder would write them.
static void make_many(int64_t start)
{
    char *sql = sqlite3_mprintf(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
        "INSERT INTO request (id, request_id, call_type, model, requested_model, model_group, "
        "model_id,"
        " provider, api_base, api_key_hash, session_id, agent_id, user_agent, requester_ip_address,"
        " status, error_code, error_message, stop_reason, message_id, service_tier, speed,"
        " input_tokens, cache_read_tokens, cache_write_5m_tokens,"
        " cache_write_1h_tokens, output_tokens, predicted_read_tokens, request_bytes,"
        " response_bytes, overhead_us, ttft_us, duration_us, http_status, attempted_retries,"
        " attempted_fallbacks, spend, saved, stream, estimated, kept_warm_saved)"
        "SELECT (%lld + i * 360) << 21, 'row-' || i, iif(i %% 50 = 0, 'keep_warm', "
        "'anthropic_messages'), 'm' || i %% 3,"
        " 'm', 'g', 'd' || i %% 7, 'bedrock', '', '', '', '', '', '',"
        " iif(i %% 9 = 0, 'failure', 'success'), iif(i %% 9 = 0, 'RATE_LIMITED', ''), '', '', '',"
        " '', '', i, 2, 3, 4, 5, 6, 7, 8, 9, iif(i %% 9 = 0, 0, i), 11, 200,"
        " 0, 0, 0.25, 0.5, 1, 0, iif(i %% 100 = 1, 0.125, 0) FROM n;"
        "INSERT INTO usage_hourly SELECT (id >> 21) - (id >> 21) %% 3600000, model_id, model,"
        " model_group, api_key_hash, status, error_code, count(*), sum(spend), sum(saved),"
        " sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens),"
        " sum(cache_write_1h_tokens), sum(output_tokens), sum(predicted_read_tokens),"
        " sum(call_type = 'keep_warm'), sum(iif(call_type = 'keep_warm', spend, 0)),"
        " sum(kept_warm_saved), -1 FROM request GROUP BY 1, 2, 3, 4, 5, 6, 7;",
        (long long)start);
    make_database(sql);
    sqlite3_free(sql);
}

// With and without a term that the hours know nothing of; it holds for every row.
static void assert_same(struct wp_ledger *ledger, struct wp_log_filter filter, bool hourly)
{
    static const char *const numbers[] = {"totals.requests",
                                          "totals.failures",
                                          "totals.prompt_tokens",
                                          "totals.completion_tokens",
                                          "totals.cache_creation_input_tokens",
                                          "totals.predicted_cache_read_tokens",
                                          "totals.keep_warm_renewals"};
    static const char *const amounts[] = {"totals.spend",           "totals.saved",
                                          "totals.keep_warm_spend", "totals.keep_warm_saved",
                                          "totals.ttft_p50_ms",     "totals.ttft_p95_ms"};
    static const char *const values[] = {"d0", "d6", "d7"};
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *quick = summary(ledger, arena, filter);
    filter.min_spend_set = 1;
    const struct wp_json_val *rows = summary(ledger, arena, filter);
    for (size_t i = 0; i < WP_COUNT_OF(numbers); i++)
        assert_int_equal(number(quick, numbers[i]), number(rows, numbers[i]));
    for (size_t i = 0; i < WP_COUNT_OF(amounts); i++)
        assert_true(amount(quick, amounts[i]) == amount(rows, amounts[i])); // eighths: exact
    for (size_t i = 0; i < WP_COUNT_OF(values); i++)
        assert_int_equal(facet(quick, "model_id", values[i]), facet(rows, "model_id", values[i]));
    assert_int_equal(number(quick, "bucket_ms") % HOUR_MS == 0, hourly);
    uint64_t in_bars = 0;
    const struct wp_json_val *bars = wp_json_get(quick, "histogram");
    for (size_t i = 0; i < wp_json_count(bars); i++)
        in_bars += wp_json_u64(wp_json_get(wp_json_at(bars, i), "success"), 0) +
                   wp_json_u64(wp_json_get(wp_json_at(bars, i), "failure"), 0);
    assert_int_equal(in_bars, number(quick, "totals.requests"));
    wp_arena_destroy(arena);
}

static void hours_say_what_rows_say(void **state)
{
    (void)state;
    int64_t start = at("2026-11-24T02:17:00Z");
    wp_ledger_close(open_ledger(0));
    make_many(start);
    struct wp_ledger *ledger = open_ledger(0);
    const struct {
        struct wp_log_filter filter;
        bool hourly;
    } rows[] = {
        {{.page = 1}, true},
        {{.start_ms = start + 60001}, true},
        {{.start_ms = start + 1, .end_ms = start + 9 * HOUR_MS + 777}, true},
        {{.model_id = WP_VIEW("d3")}, false}, // too few
        {{.end_ms = start + 2 * HOUR_MS}, false},
        {{.start_ms = start + 1800000, .end_ms = start + 1800600}, false},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_same(ledger, rows[i].filter, rows[i].hourly);
    wp_ledger_close(ledger);
}

static void the_recorder_writes_what_hours_need(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    sqlite3_stmt *s;
    sqlite3 *db;
    fill(ledger, arena);
    wp_ledger_close(ledger);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT sum(requests), sum(keep_warm_renewals), sum(keep_warm_spend),"
                           " sum(kept_warm_saved), count(*) FROM usage_hourly",
                           -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 100);
    assert_int_equal(sqlite3_column_int(s, 1), 1);
    assert_true(sqlite3_column_double(s, 2) == 0.0125);
    assert_true(sqlite3_column_double(s, 3) == 0.25);
    assert_int_equal(sqlite3_column_int(s, 4), 4); // deployment × status
    sqlite3_finalize(s);
    sqlite3_close(db);
    wp_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_rows_are_added_up, set_up, clean_up),
        cmocka_unit_test_setup_teardown(bars_cover_the_window, set_up, clean_up),
        cmocka_unit_test_setup_teardown(hours_say_what_rows_say, set_up, clean_up),
        cmocka_unit_test_setup_teardown(the_recorder_writes_what_hours_need, set_up, clean_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
