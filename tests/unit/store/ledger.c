// The ledger as its callers see it: rows in and out, filters, pages, sums, age, foreign files.
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/store/support.h"

// Answers live in `arena`.
static const struct wp_json_val *logs(struct wp_ledger *ledger, struct wp_arena *arena,
                                      struct wp_log_filter filter)
{
    struct wp_buf out = wp_buf_make(1 << 24);
    assert_ok(wp_ledger_query_logs(ledger, &filter, &out));
    const struct wp_json_val *root = wp_json_parse(arena, wp_arena_copy(arena, wp_buf_view(&out)));
    assert_non_null(root);
    wp_buf_free(&out);
    return root;
}

static uint64_t count(struct wp_ledger *ledger, struct wp_log_filter filter)
{
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *root = logs(ledger, arena, filter);
    uint64_t total = wp_json_u64(wp_json_get(root, "total"), 999);
    assert_int_equal(wp_json_count(wp_json_get(root, "data")), total);
    wp_arena_destroy(arena);
    return total;
}

static void assert_texts(const struct wp_json_val *row)
{
    static const struct {
        const char *name, *value;
    } rows[] = {{"request_id", "request-1"},
                {"call_type", "anthropic_messages"},
                {"model", "us.anthropic.claude-x"},
                {"requested_model", "claude-x"},
                {"model_id", "deployment-1"},
                {"model_group", "group"},
                {"custom_llm_provider", "bedrock"},
                {"api_base", "https://bedrock.example"},
                {"api_key", "abcdef"},
                {"session_id", "session-1"},
                {"user_agent", "claude-cli/2.1"},
                {"requester_ip_address", "127.0.0.1"},
                {"status", "success"},
                {"startTime", "2026-11-24T10:00:00.250Z"},
                {"completionStartTime", "2026-11-24T10:00:01.250Z"},
                {"endTime", "2026-11-24T10:00:03.250Z"}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_view(wp_json_str(wp_json_get(row, rows[i].name)), rows[i].value);
}

static void assert_numbers(const struct wp_json_val *row)
{
    static const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"prompt_tokens", 2350},
                {"completion_tokens", 5},
                {"total_tokens", 2355},
                {"cache_read_input_tokens", 2000},
                {"cache_creation_input_tokens", 340},
                {"cache_creation_5m_input_tokens", 300},
                {"cache_creation_1h_input_tokens", 40},
                {"predicted_cache_read_tokens", 1999},
                {"request_duration_ms", 3000},
                {"overhead_us", 1500},
                {"http_status", 200},
                {"attempted_retries", 1},
                {"attempted_fallbacks", 2}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_int_equal(wp_json_u64(wp_json_get(row, rows[i].name), 0), rows[i].value);
    assert_true(wp_json_double(wp_json_get(row, "spend"), 0) == 0.0125);
    const struct wp_json_val *more =
        wp_json_get(wp_json_get(row, "metadata"), "additional_usage_values");
    assert_int_equal(wp_json_u64(wp_json_get(more, "cache_read_input_tokens"), 0), 2000);
    assert_int_equal(wp_json_u64(wp_json_get(more, "cache_creation_input_tokens"), 0), 340);
}

static void a_row_comes_back_in_litellms_shape(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_record record = full_record();
    submit(ledger, &record);
    wp_ledger_flush(ledger);
    const struct wp_json_val *root = logs(ledger, arena, (struct wp_log_filter){.page = 1});
    assert_int_equal(wp_json_u64(wp_json_get(root, "total"), 0), 1);
    assert_int_equal(wp_json_u64(wp_json_get(root, "page"), 0), 1);
    assert_int_equal(wp_json_u64(wp_json_get(root, "page_size"), 0), 50);
    assert_int_equal(wp_json_u64(wp_json_get(root, "total_pages"), 0), 1);
    const struct wp_json_val *row = wp_json_at(wp_json_get(root, "data"), 0);
    assert_texts(row);
    assert_numbers(row);
    assert_null(wp_json_get(row, "decision")); // lists stay narrow

    struct wp_buf out = wp_buf_make(1 << 20);
    assert_ok(wp_ledger_query_log(ledger, WP_VIEW("request-1"), &out));
    row = wp_json_parse(arena, wp_buf_view(&out));
    assert_numbers(row);
    assert_int_equal(wp_json_u64(wp_json_path(row, "decision.blocks"), 0), 3);
    assert_view(wp_json_str(wp_json_path(row, "headers.host")), "gateway");
    assert_int_equal(wp_json_count(wp_json_get(row, "dropped")), 0);
    assert_int_equal(
        wp_json_u64(wp_json_get(wp_json_at(wp_json_get(row, "attempts"), 0), "status"), 0), 200);
    wp_buf_clear(&out);
    assert_ok(wp_ledger_query_log(ledger, WP_VIEW("nobody"), &out));
    assert_view(wp_buf_view(&out), "null");
    wp_buf_free(&out);
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void filters_find_what_they_name_and_nothing_else(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_record record = full_record();
    submit(ledger, &record);
    record.request_id = WP_VIEW("request-2");
    record.session_id = WP_VIEW("100%_sure");
    record.model_id = WP_VIEW("deployment-2");
    record.start_ms = at("2026-11-25T00:00:00Z");
    submit(ledger, &record);
    record.request_id = WP_VIEW("request-3");
    record.session_id = WP_VIEW("");
    record.status = WP_VIEW("failure");
    record.error_code = WP_VIEW("RATE_LIMITED");
    record.error_message = WP_VIEW("Too Many tokens");
    submit(ledger, &record);
    wp_ledger_flush(ledger);
    const struct {
        struct wp_log_filter filter;
        uint64_t found;
    } rows[] = {
        {{.page = 1}, 3},
        {{.request_id = WP_VIEW("request-2")}, 1},
        {{.request_id = WP_VIEW("request")}, 0},
        {{.session_id = WP_VIEW("session-1")}, 1},
        {{.model_id = WP_VIEW("deployment-2")}, 2},
        {{.model = WP_VIEW("us.anthropic.claude-x")}, 3},
        {{.model_group = WP_VIEW("other")}, 0},
        {{.status = WP_VIEW("success")}, 2},
        {{.status = WP_VIEW("failure")}, 1},
        {{.error_code = WP_VIEW("RATE_LIMITED")}, 1},
        {{.search = WP_VIEW("many TOKENS")}, 1},
        {{.search = WP_VIEW("%")}, 1}, // itself, no wildcard
        {{.search = WP_VIEW("0%_s")}, 1},
        {{.search = WP_VIEW("' OR 1=1 --")}, 0},
        {{.search = WP_VIEW("REQUEST-2")}, 1},
        {{.search = WP_VIEW("quest-")}, 3},
        {{.search = WP_VIEW("2.1")}, 3},                 // the end of a text
        {{.search = WP_VIEW("too many tokens, no")}, 0}, // longer than the text
        {{.session_id = WP_VIEW("x' OR '1'='1")}, 0},
        {{.start_ms = at("2026-11-25")}, 2},
        {{.end_ms = at("2026-11-25")}, 1}, // the end does not belong to it
        {{.start_ms = at("2026-11-24"),
          .end_ms = at("2026-11-26"),
          .model_id = WP_VIEW("deployment-1")},
         1},
        {{.min_spend_set = 1, .min_spend = 0.02}, 0},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        uint64_t found = count(ledger, rows[i].filter);
        if (found != rows[i].found)
            print_error("filter %zu\n", i);
        assert_int_equal(found, rows[i].found);
    }
    wp_ledger_close(ledger);
}

static void pages_cover_every_row_once(void **state)
{
    (void)state;
    enum { ROWS = 25, SIZE = 10 };
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    bool seen[ROWS] = {false};
    for (int i = 0; i < ROWS; i++) {
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "row-%02d", i);
        record.start_ms += i / 3; // several in one millisecond
        record.spend = (double)(i * 7 % ROWS);
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    for (uint32_t page = 1; page <= 4; page++) {
        const struct wp_json_val *root =
            logs(ledger, arena, (struct wp_log_filter){.page = page, .page_size = SIZE});
        const struct wp_json_val *data = wp_json_get(root, "data");
        assert_int_equal(wp_json_u64(wp_json_get(root, "total"), 0), ROWS);
        assert_int_equal(wp_json_u64(wp_json_get(root, "total_pages"), 0), 3);
        assert_int_equal(wp_json_count(data), page < 3 ? SIZE : page == 3 ? 5 : 0);
        for (size_t i = 0; i < wp_json_count(data); i++) {
            wp_view id = wp_json_str(wp_json_get(wp_json_at(data, i), "request_id"));
            uint64_t number;
            assert_true(wp_view_parse_u64(wp_view_skip(id, 4), &number));
            assert_false(seen[number]);
            seen[number] = true;
            if (page == 1 && i == 0)
                assert_int_equal(number, ROWS - 1); // newest first
        }
    }
    const struct wp_json_val *data = wp_json_get(
        logs(ledger, arena,
             (struct wp_log_filter){.sort = WP_SORT_SPEND, .ascending = true, .page_size = 1000}),
        "data");
    for (size_t i = 0; i < ROWS; i++)
        assert_true(wp_json_double(wp_json_get(wp_json_at(data, i), "spend"), -1) == (double)i);
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

static void sums_are_those_of_the_rows_and_outlive_them(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_ledger *ledger = open_ledger(0);
    for (int i = 0; i < 10; i++) {
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "old-%d", i);
        record.start_ms = wp_wall_ms() - 10 * 24 * 3600 * 1000LL;
        record.status = i == 0 ? WP_VIEW("failure") : WP_VIEW("success");
        submit(ledger, &record);
    }
    struct wp_record today = full_record();
    today.start_ms = wp_wall_ms();
    submit(ledger, &today);
    wp_ledger_flush(ledger);
    assert_int_equal(count(ledger, (struct wp_log_filter){.page = 1}), 11);
    wp_ledger_close(ledger);

    ledger = open_ledger(3); // deletes what is older at once
    for (int i = 0; i < 400 && count(ledger, (struct wp_log_filter){.page = 1}) > 1; i++)
        usleep(25000);
    assert_int_equal(count(ledger, (struct wp_log_filter){.page = 1}), 1);
    struct wp_buf out = wp_buf_make(1 << 20);
    assert_ok(wp_ledger_query_daily(ledger, 0, 0, &out));
    const struct wp_json_val *root = wp_json_parse(arena, wp_buf_view(&out));
    const struct wp_json_val *days = wp_json_get(root, "results");
    assert_int_equal(wp_json_count(days), 2);
    const struct wp_json_val *metrics = wp_json_get(wp_json_at(days, 1), "metrics");
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "api_requests"), 0), 10);
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "successful_requests"), 0), 9);
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "failed_requests"), 0), 1);
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "cache_read_input_tokens"), 0), 20000);
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "cache_creation_input_tokens"), 0), 3400);
    assert_int_equal(wp_json_u64(wp_json_get(metrics, "prompt_tokens"), 0), 23500);
    double spend = wp_json_double(wp_json_get(metrics, "spend"), 0);
    assert_true(spend > 0.1249 && spend < 0.1251);
    static const char *const keys[][2] = {{"models", "us.anthropic.claude-x"},
                                          {"model_groups", "group"},
                                          {"providers", "bedrock"},
                                          {"endpoints", "anthropic_messages"},
                                          {"api_keys", "abcdef"},
                                          {"deployments", "deployment-1"}};
    const struct wp_json_val *breakdown = wp_json_get(wp_json_at(days, 1), "breakdown");
    for (size_t i = 0; i < WP_COUNT_OF(keys); i++) {
        metrics =
            wp_json_get(wp_json_get(wp_json_get(breakdown, keys[i][0]), keys[i][1]), "metrics");
        assert_int_equal(wp_json_u64(wp_json_get(metrics, "api_requests"), 0), 10);
        assert_int_equal(wp_json_u64(wp_json_get(metrics, "total_tokens"), 0), 23550);
    }
    const struct wp_json_val *totals = wp_json_get(root, "metadata");
    assert_int_equal(wp_json_u64(wp_json_get(totals, "total_api_requests"), 0), 11);
    assert_int_equal(wp_json_u64(wp_json_get(totals, "total_prompt_tokens"), 0), 25850);
    wp_buf_free(&out);
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

// Files that are not ours, or not yet ----------------------------------------------------------

static void assert_refused(void)
{
    const struct wp_ledger_config config = {.path = wp_view_of(path)};
    struct wp_ledger *ledger = NULL;
    char error[512] = "";
    size_t before, after;
    char *old = test_read_file(path, &before);
    assert_err(wp_ledger_open(&config, &ledger, error, sizeof(error)), WP_ERR_INTERNAL);
    assert_null(ledger);
    assert_non_null(strstr(error, path));
    char *new = test_read_file(path, &after);
    assert_int_equal(before, after);
    assert_memory_equal(old, new, before);
    free(old);
    free(new);
}

static void foreign_files_are_left_alone(void **state)
{
    (void)state;
    make_database("CREATE TABLE somebody (x); INSERT INTO somebody VALUES (1);");
    assert_refused();
    unlink(path);
    struct wp_ledger *ledger = open_ledger(0);
    wp_ledger_close(ledger);
    make_database("PRAGMA user_version = 9999"); // a newer program's
    assert_refused();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database at all, but it is somebody's file\n", file);
    fclose(file);
    assert_refused();
}

// Ids and times -------------------------------------------------------------------------------

static int64_t number_of(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

// As after a restart of a gateway whose sequence stood elsewhere, or whose clock was set back: the
// ids that the next rows of this millisecond would get are there already.
static void no_row_is_lost_where_ids_are_taken(void **state)
{
    (void)state;
    enum { TAKEN = 5, NEW = 8 };
    struct wp_arena *arena = wp_arena_create(0);
    int64_t then = full_record().start_ms;
    wp_ledger_close(open_ledger(0));
    // The newest row says where the sequence goes on: at 101.
    char *sql = sqlite3_mprintf(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        "INSERT INTO request (id, request_id, status) SELECT (%lld << 21) + 102 + i, 'old-' || i,"
        " 'success' FROM n;"
        "INSERT INTO request (id, request_id, status) VALUES ((%lld << 21) + 100, 'newest',"
        " 'success');",
        TAKEN - 1, (long long)then, (long long)then + 1);
    make_database(sql);
    sqlite3_free(sql);
    struct wp_ledger *ledger = open_ledger(0);
    for (int i = 0; i < NEW; i++) {
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "new-%d", i);
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    assert_int_equal(count(ledger, (struct wp_log_filter){.search = WP_VIEW("old-")}), TAKEN);
    assert_int_equal(count(ledger, (struct wp_log_filter){.search = WP_VIEW("new-")}), NEW);
    struct wp_ledger_stats stats;
    wp_ledger_stats(ledger, &stats);
    assert_int_equal(stats.dropped, 0);
    wp_ledger_close(ledger);
    assert_int_equal(number_of("SELECT sum(requests) FROM usage_hourly"), NEW);
    assert_int_equal(number_of("SELECT count(DISTINCT id >> 21) FROM request"), 2);
    wp_arena_destroy(arena);
}

// The sequence comes round: rows of one millisecond on both sides of it.
static void the_sequence_comes_round(void **state)
{
    (void)state;
    wp_ledger_close(open_ledger(0));
    int64_t then = full_record().start_ms;
    char *sql = sqlite3_mprintf("INSERT INTO request (id, request_id) VALUES ((%lld << 21) +"
                                " 0x1ffffe, 'before')",
                                (long long)then);
    make_database(sql);
    sqlite3_free(sql);
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_record record = full_record();
    for (int i = 0; i < 3; i++)
        submit(ledger, &record);
    wp_ledger_flush(ledger);
    assert_int_equal(count(ledger, (struct wp_log_filter){.page = 1}), 4);
    wp_ledger_close(ledger);
    assert_int_equal(number_of("SELECT max(id) - min(id) FROM request"), 0x1fffff);
    assert_int_equal(number_of("SELECT count(DISTINCT id >> 21) FROM request"), 1);
}

// Rows are written when they end; they are listed by when they began.
static void rows_of_one_batch_lie_in_the_order_of_their_times(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    for (int i = 0; i < ROWS; i++) {
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "%d", i * 77 % ROWS);
        record.start_ms += i * 77 % ROWS;
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    const struct wp_json_val *data = wp_json_get(
        logs(ledger, arena, (struct wp_log_filter){.ascending = true, .page_size = ROWS}), "data");
    assert_int_equal(wp_json_count(data), ROWS);
    for (int i = 0; i < ROWS; i++)
        assert_view(wp_json_str(wp_json_get(wp_json_at(data, (size_t)i), "request_id")),
                    wp_arena_cstring(arena, wp_arena_printf(arena, "%d", i)));
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

static bool is_there(struct wp_ledger *ledger, wp_view request_id)
{
    struct wp_buf out = wp_buf_make(1 << 20);
    assert_ok(wp_ledger_query_log(ledger, request_id, &out));
    bool found = !wp_view_is(wp_buf_view(&out), "null");
    wp_buf_free(&out);
    assert_int_equal(count(ledger, (struct wp_log_filter){.request_id = request_id}), found);
    return found;
}

// Version 7 ids say when they were drawn; those that do not are found all the same.
static void a_request_is_found_by_its_id(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int64_t late_ms; // the row's start behind the id's
    } rows[] = {
        {"019ab536-4dba-7000-8000-000000000001", 0},
        {"019ab536-4dba-7000-8000-000000000002", 1000},
        {"019ab536-4dba-7000-8000-000000000003", -1000},
        {"019ab536-4dba-7000-8000-000000000004", 60000},
        {"019ab536-4dba-7000-8000-000000000005", -90000},
        {"019ab536-4dba-4000-8000-000000000006", 5000},
        {"a client's own", 7000},
        {"019ab536-4dba-7000-8000-000000000007", 3600000},
        {"019ab536-4dba-7000-8000-000000000008", -86400000},
    };
    const int64_t drawn = 0x019ab5364dba;
    struct wp_ledger *ledger = open_ledger(0);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_record record = full_record();
        record.request_id = wp_view_of(rows[i].id);
        record.start_ms = drawn + rows[i].late_ms;
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_true(is_there(ledger, wp_view_of(rows[i].id)));
    static const char *const others[] = {"019ab536-4dba-7000-8000-000000000009", // of this time
                                         "0190b536-4dba-7000-8000-000000000001", // long before
                                         "01ffb536-4dba-7000-8000-000000000001", // long after
                                         "ffffffff-ffff-7fff-8fff-ffffffffffff", // after all times
                                         "019ab536-4dba-7000-8000-00000000000",  // short
                                         "019ab536x4dba-7000-8000-000000000001",
                                         "019ab53g-4dba-7000-8000-000000000001"};
    for (size_t i = 0; i < WP_COUNT_OF(others); i++)
        assert_false(is_there(ledger, wp_view_of(others[i])));
    wp_ledger_close(ledger);
}

// What a filter names is looked for between the first and the last hour that knows it.
static void hours_narrow_a_filter_and_lose_nothing(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    int64_t start = full_record().start_ms;
    for (int hour = 0; hour < 48; hour++) {
        struct wp_record record = full_record();
        record.start_ms = start + hour * 3600000LL;
        record.model_id = wp_arena_printf(arena, "d%d", hour / 12);
        record.model = wp_arena_printf(arena, "m%d", hour % 2);
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    assert_int_equal(count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d2")}), 12);
    assert_int_equal(
        count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d2"), .model = WP_VIEW("m1")}),
        6);
    assert_int_equal(count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d3"),
                                                          .start_ms = start,
                                                          .end_ms = start + 40 * 3600000LL}),
                     4);
    assert_int_equal(count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d4")}), 0);
    wp_ledger_close(ledger);

    // The first file format kept no hours: its rows lie before the first of them.
    make_database("DELETE FROM usage_hourly WHERE hour_ms < (SELECT hour_ms FROM usage_hourly ORDER"
                  " BY 1 LIMIT 1 OFFSET 30)");
    ledger = open_ledger(0);
    static const char *const deployments[] = {"d0", "d1", "d2", "d3"};
    for (size_t i = 0; i < WP_COUNT_OF(deployments); i++)
        assert_int_equal(
            count(ledger, (struct wp_log_filter){.model_id = wp_view_of(deployments[i])}), 12);
    assert_int_equal(count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d4")}), 0);
    wp_ledger_close(ledger);
    make_database("DELETE FROM usage_hourly");
    ledger = open_ledger(0);
    assert_int_equal(count(ledger, (struct wp_log_filter){.model_id = WP_VIEW("d1")}), 12);
    wp_arena_destroy(arena);
    wp_ledger_close(ledger);
}

static void an_export_has_every_row_once(void **state)
{
    (void)state;
    enum { ROWS = 95, SLICE_ROWS = 10 };
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_buf out = wp_buf_make(1 << 22);
    for (int i = 0; i < ROWS; i++) {
        struct wp_record record = full_record();
        record.start_ms += i / 4;
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    struct wp_export_cursor cursor = {0};
    const struct wp_log_filter filter = {.model_id = WP_VIEW("deployment-1")};
    while (!cursor.done)
        assert_ok(wp_ledger_export(ledger, &filter, WP_EXPORT_CSV, SLICE_ROWS, &cursor, &out));
    wp_view rest = wp_buf_view(&out), line;
    size_t lines = 0;
    wp_view last = WP_VIEW("9999");
    while (wp_view_next_token(&rest, '\n', &line) && line.len > 0) {
        wp_view began = wp_view_sub(line, 0, 24);
        if (lines++ == 0)
            continue; // the names
        assert_true(memcmp(began.ptr, last.ptr, last.len < 24 ? last.len : 24) <= 0);
        last = began;
    }
    assert_int_equal(lines, ROWS + 1);
    wp_buf_free(&out);
    wp_ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_comes_back_in_litellms_shape, set_up, clean_up),
        cmocka_unit_test_setup_teardown(filters_find_what_they_name_and_nothing_else, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(pages_cover_every_row_once, set_up, clean_up),
        cmocka_unit_test_setup_teardown(sums_are_those_of_the_rows_and_outlive_them, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(foreign_files_are_left_alone, set_up, clean_up),
        cmocka_unit_test_setup_teardown(no_row_is_lost_where_ids_are_taken, set_up, clean_up),
        cmocka_unit_test_setup_teardown(the_sequence_comes_round, set_up, clean_up),
        cmocka_unit_test_setup_teardown(rows_of_one_batch_lie_in_the_order_of_their_times, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(a_request_is_found_by_its_id, set_up, clean_up),
        cmocka_unit_test_setup_teardown(hours_narrow_a_filter_and_lose_nothing, set_up, clean_up),
        cmocka_unit_test_setup_teardown(an_export_has_every_row_once, set_up, clean_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
