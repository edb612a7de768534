// Pages, totals and exports of filters that the hourly sums help to find, against what they must
// be: every row of the filter once, in the order of time, however few they are and wherever they
// lie.
#include "tests/unit/store/support.h"

enum { ROWS = 3000, HOURS = 30, SIZE = 41, DAY_MS = 24 * 3600 * 1000 };

struct made {
    int64_t start_ms;
    int number; // in the order of time
    bool gone;
};

static struct made rows[ROWS];
static int64_t begin_ms;

// Deployment 0 has most rows, 1 few and far apart, 2 those of one hour, 3 is a third.
static int deployment_of(const struct made *row)
{
    int64_t hour = (row->start_ms - begin_ms) / 3600000;
    return row->number % 311 == 0 ? 1 : hour == 17 ? 2 : row->number % 3 == 0 ? 3 : 0;
}

static bool has_failed(const struct made *row)
{
    return row->number % 97 == 5;
}

static double spend_of(int number)
{
    return number * 37 % 101;
}

static void fill(void)
{
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    begin_ms = at("2026-11-24T10:17:31.007Z");
    for (int i = 0; i < ROWS; i++) {
        // quiet hours between busy ones
        int64_t hour = (int64_t)i * HOURS / ROWS / 2 * 2;
        rows[i] = (struct made){begin_ms + hour * 3600000 + (i % 200) * 17011, i, false};
    }
    for (int k = 0; k < ROWS; k++) { // written in another order
        const struct made *row = &rows[k * 7 % ROWS];
        struct wp_record record = full_record();
        record.request_id = wp_arena_printf(arena, "n%d", row->number);
        record.start_ms = row->start_ms;
        record.spend = spend_of(row->number);
        record.model_id = wp_arena_printf(arena, "d%d", deployment_of(row));
        record.status = has_failed(row) ? WP_VIEW("failure") : WP_VIEW("success");
        record.error_code = has_failed(row) ? WP_VIEW("RATE_LIMITED") : WP_VIEW("");
        submit(ledger, &record);
    }
    wp_ledger_flush(ledger);
    wp_ledger_close(ledger);
    wp_arena_destroy(arena);
}

static bool belongs(const struct made *row, const struct wp_log_filter *filter)
{
    char id[8], number[12];
    snprintf(id, sizeof(id), "d%d", deployment_of(row));
    snprintf(number, sizeof(number), "n%d", row->number);
    return !row->gone && (filter->start_ms == 0 || row->start_ms >= filter->start_ms) &&
           (filter->end_ms == 0 || row->start_ms < filter->end_ms) &&
           (filter->model_id.len == 0 || wp_view_is(filter->model_id, id)) &&
           (filter->status.len == 0 ||
            wp_view_is(filter->status, has_failed(row) ? "failure" : "success")) &&
           (filter->error_code.len == 0 || has_failed(row)) &&
           (filter->search.len == 0 || wp_view_contains(wp_view_of(number), filter->search));
}

// The numbers of the filter's rows in the order asked for.
static int expect(const struct wp_log_filter *filter, int *out)
{
    int count = 0;
    for (int i = 0; i < ROWS; i++) {
        const struct made *row = &rows[filter->ascending ? i : ROWS - 1 - i];
        if (belongs(row, filter))
            out[count++] = row->number;
    }
    return count;
}

static int number_in(const struct wp_json_val *data, size_t i)
{
    uint64_t number;
    wp_view id = wp_json_str(wp_json_get(wp_json_at(data, i), "request_id"));
    assert_true(wp_view_parse_u64(wp_view_skip(id, 1), &number));
    return (int)number;
}

static void assert_pages(struct wp_ledger *ledger, struct wp_log_filter filter)
{
    static int expected[ROWS];
    int count = expect(&filter, expected), seen = 0;
    filter.page_size = SIZE;
    for (filter.page = 1; filter.page <= ROWS / SIZE + 2; filter.page++) {
        struct wp_arena *arena = wp_arena_create(0);
        struct wp_buf out = wp_buf_make(1 << 24);
        assert_ok(wp_ledger_query_logs(ledger, &filter, &out));
        const struct wp_json_val *root = wp_json_parse(arena, wp_buf_view(&out));
        const struct wp_json_val *data = wp_json_get(root, "data");
        int left = count - ((int)filter.page - 1) * SIZE;
        assert_int_equal(wp_json_u64(wp_json_get(root, "total"), 999999), count);
        assert_int_equal(wp_json_count(data), left < 0 ? 0 : left < SIZE ? left : SIZE);
        for (size_t i = 0; i < wp_json_count(data); i++)
            assert_int_equal(number_in(data, i), expected[seen++]);
        wp_buf_free(&out);
        wp_arena_destroy(arena);
        if (left <= 0)
            break;
    }
    assert_int_equal(seen, count);
}

static int by_spend(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    double difference = spend_of(right) - spend_of(left);
    return difference != 0 ? (difference < 0 ? -1 : 1) : right - left; // later ones first
}

static void assert_sorted(struct wp_ledger *ledger, struct wp_log_filter filter)
{
    static int expected[ROWS];
    int count = expect(&filter, expected);
    qsort(expected, (size_t)count, sizeof(int), by_spend);
    filter.sort = WP_SORT_SPEND;
    filter.page_size = SIZE;
    filter.page = 2;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_buf out = wp_buf_make(1 << 24);
    assert_ok(wp_ledger_query_logs(ledger, &filter, &out));
    const struct wp_json_val *data = wp_json_get(wp_json_parse(arena, wp_buf_view(&out)), "data");
    int left = count - SIZE;
    assert_int_equal(wp_json_count(data), left < 0 ? 0 : left < SIZE ? left : SIZE);
    for (size_t i = 0; i < wp_json_count(data); i++)
        assert_int_equal(number_in(data, i), expected[SIZE + i]);
    wp_buf_free(&out);
    wp_arena_destroy(arena);
}

static void assert_export(struct wp_ledger *ledger, struct wp_log_filter filter)
{
    static int expected[ROWS];
    filter.ascending = false;
    int count = expect(&filter, expected), seen = 0;
    struct wp_export_cursor cursor = {0};
    while (!cursor.done) {
        struct wp_buf out = wp_buf_make(1 << 24);
        assert_ok(wp_ledger_export(ledger, &filter, WP_EXPORT_JSONL, SIZE, &cursor, &out));
        wp_view rest = wp_buf_view(&out), line;
        while (wp_view_next_token(&rest, '\n', &line) && line.len > 0) {
            char wanted[48];
            snprintf(wanted, sizeof(wanted), "{\"request_id\":\"n%d\",", expected[seen++]);
            assert_true(wp_view_starts_with(line, wp_view_of(wanted)));
        }
        wp_buf_free(&out);
    }
    assert_int_equal(seen, count);
}

static void assert_summary(struct wp_ledger *ledger, struct wp_log_filter filter)
{
    static int expected[ROWS];
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_buf out = wp_buf_make(1 << 24);
    assert_ok(wp_ledger_query_summary(ledger, &filter, &out));
    const struct wp_json_val *root = wp_json_parse(arena, wp_buf_view(&out));
    assert_int_equal(wp_json_u64(wp_json_path(root, "totals.requests"), 999999),
                     expect(&filter, expected));
    wp_buf_free(&out);
    wp_arena_destroy(arena);
}

static void assert_all(void)
{
    static const char *const deployments[] = {"", "d0", "d1", "d2", "d3", "d4"};
    static const char *const searches[] = {"", "n7"};
    struct wp_ledger *ledger = open_ledger(0);
    const int64_t times[][2] = {
        {0, 0},
        {begin_ms + 2 * 3600000 + 40 * 60000, begin_ms + 21 * 3600000 + 1},
        {begin_ms + 17 * 3600000, 0},
        {0, begin_ms + DAY_MS},
        {begin_ms + 5 * DAY_MS, 0},
    };
    for (size_t d = 0; d < WP_COUNT_OF(deployments); d++)
        for (size_t t = 0; t < WP_COUNT_OF(times); t++)
            for (int kind = 0; kind < 8; kind++) {
                struct wp_log_filter filter = {
                    .model_id = wp_view_of(deployments[d]),
                    .start_ms = times[t][0],
                    .end_ms = times[t][1],
                    .ascending = (kind & 1) != 0,
                    .search = wp_view_of(searches[(kind & 2) != 0]),
                    .status = (kind & 4) != 0 ? WP_VIEW("failure") : WP_VIEW(""),
                    .error_code = kind == 4 ? WP_VIEW("RATE_LIMITED") : WP_VIEW(""),
                };
                assert_pages(ledger, filter);
                if ((kind & 1) == 0) {
                    assert_export(ledger, filter);
                    assert_summary(ledger, filter);
                    assert_sorted(ledger, filter);
                }
            }
    wp_ledger_close(ledger);
}

static void every_row_of_a_filter_is_found_once(void **state)
{
    (void)state;
    fill();
    assert_all();
}

// Rows of the first file format have no hours; migrated hours do not say their minutes.
static void hours_that_are_missing_or_say_little_lose_nothing(void **state)
{
    (void)state;
    fill();
    make_database("UPDATE usage_hourly SET minutes = -1 WHERE hour_ms % 7 < 4");
    assert_all();
    char *sql = sqlite3_mprintf("DELETE FROM usage_hourly WHERE hour_ms < %lld",
                                (long long)begin_ms + 9 * 3600000);
    make_database(sql);
    sqlite3_free(sql);
    assert_all();
    make_database("DELETE FROM usage_hourly");
    assert_all();
}

// Deleted rows leave before their hours do.
static void hours_whose_rows_have_left_are_not_counted(void **state)
{
    (void)state;
    fill();
    int64_t before = begin_ms + 6 * 3600000 + 1200000;
    char *sql = sqlite3_mprintf("DELETE FROM request WHERE id >> 21 < %lld", (long long)before);
    make_database(sql);
    sqlite3_free(sql);
    for (int i = 0; i < ROWS; i++)
        rows[i].gone = rows[i].start_ms < before;
    assert_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_of_a_filter_is_found_once, set_up, clean_up),
        cmocka_unit_test_setup_teardown(hours_that_are_missing_or_say_little_lose_nothing, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(hours_whose_rows_have_left_are_not_counted, set_up,
                                        clean_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
