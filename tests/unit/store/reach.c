// Searches that have more to look at than time: what they found is an answer, it says how far it
// goes, and who goes on from there misses nothing.
#include "tests/unit/store/support.h"

enum { ROWS = 60000, EACH = 97, STEP_MS = 250, SHORT_MS = 2 };

static int64_t begin_ms;

// Rows n0 … in the order of time, one in EACH with "needle" in its error; four of a second.
static struct wp_ledger *open_many(void)
{
    struct wp_record record = full_record();
    struct wp_ledger *ledger = open_ledger(0);
    begin_ms = at("2026-11-24T10:17:31.007Z");
    record.start_ms = begin_ms - 1000;
    submit(ledger, &record);
    wp_ledger_flush(ledger);
    wp_ledger_close(ledger);
    make_database("CREATE TABLE one AS SELECT * FROM request; DELETE FROM request;"
                  "UPDATE one SET error_code = '', status = 'success'");
    sqlite3 *db;
    sqlite3_stmt *columns;
    struct wp_buf insert = wp_buf_make(1 << 16);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT group_concat(name) FROM pragma_table_info("
                                        "'request') WHERE name NOT IN ('id', 'request_id',"
                                        " 'error_message')",
                                        -1, &columns, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(columns), SQLITE_ROW);
    const char *names = (const char *)sqlite3_column_text(columns, 0);
    wp_buf_printf(&insert,
                  "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                  " INSERT INTO request (id, request_id, error_message, %s)"
                  " SELECT (%lld + i / 4 * %d) << 21 | i %% 4, 'n' || i,"
                  " iif(i %% %d = 0, 'a Needle', ''), %s FROM n, one;"
                  "DROP TABLE one",
                  ROWS - 1, names, (long long)begin_ms, STEP_MS * 4, EACH, names);
    sqlite3_finalize(columns);
    sqlite3_close(db);
    wp_buf_append_char(&insert, '\0');
    make_database(insert.ptr);
    wp_buf_free(&insert);
    return open_ledger(0);
}

static int number_of(wp_view request_id)
{
    uint64_t number;
    assert_true(wp_view_parse_u64(wp_view_skip(request_id, 1), &number));
    return (int)number;
}

struct answer {
    struct wp_arena *arena;
    struct wp_buf text;
    const struct wp_json_val *root, *data;
    int64_t searched_to_ms;
    uint64_t total;
};

static struct answer ask(struct wp_ledger *ledger, const struct wp_log_filter *filter, bool summary)
{
    struct answer a = {.arena = wp_arena_create(0), .text = wp_buf_make(1 << 24)};
    assert_ok(summary ? wp_ledger_query_summary(ledger, filter, &a.text)
                      : wp_ledger_query_logs(ledger, filter, &a.text));
    a.root = wp_json_parse(a.arena, wp_buf_view(&a.text));
    a.data = wp_json_get(a.root, "data");
    a.searched_to_ms = (int64_t)wp_json_u64(wp_json_get(a.root, "searched_to_ms"), 0);
    a.total = wp_json_u64(
        summary ? wp_json_path(a.root, "totals.requests") : wp_json_get(a.root, "total"), 0);
    return a;
}

static void forget(struct answer *a)
{
    wp_buf_free(&a->text);
    wp_arena_destroy(a->arena);
}

// Rows of the filter that start in [from, to).
static uint64_t needles_between(int64_t from, int64_t to)
{
    uint64_t count = 0;
    for (int i = 0; i < ROWS; i += EACH) {
        int64_t start = begin_ms + (int64_t)(i / 4) * STEP_MS * 4;
        count += start >= from && start < to;
    }
    return count;
}

static void who_goes_on_from_there_finds_all(bool ascending)
{
    static bool seen[ROWS];
    int parts = 0;
    struct wp_ledger *ledger = open_many();
    struct wp_log_filter filter = {
        .search = WP_VIEW("needle"), .page_size = 1000, .ascending = ascending};
    memset(seen, 0, sizeof(seen));
    ledger->search_timeout_ms = SHORT_MS;
    for (int64_t reached = 1; reached != 0; parts++) {
        struct answer a = ask(ledger, &filter, false);
        reached = a.searched_to_ms;
        assert_true(parts < ROWS);
        assert_int_equal(wp_json_bool(wp_json_get(a.root, "total_is_capped"), false), reached != 0);
        assert_int_equal(a.total, wp_json_count(a.data));
        for (size_t i = 0; i < wp_json_count(a.data); i++)
            seen[number_of(wp_json_str(wp_json_get(wp_json_at(a.data, i), "request_id")))] = true;
        if (reached != 0 && ascending) {
            assert_true(reached >= filter.start_ms);
            filter.start_ms = reached;
        } else if (reached != 0) {
            assert_true(filter.end_ms == 0 || reached < filter.end_ms);
            filter.end_ms = reached;
        }
        forget(&a);
    }
    assert_true(parts > 1);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(seen[i], i % EACH == 0);
    wp_ledger_close(ledger);
}

static void a_search_that_is_stopped_goes_on_from_there(void **state)
{
    (void)state;
    who_goes_on_from_there_finds_all(false);
    clean_up(NULL);
    set_up(NULL);
    who_goes_on_from_there_finds_all(true);
}

// What takes all rows at once covers the newest, completely.
static void sums_and_sorted_pages_cover_what_was_reached(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_many();
    struct wp_log_filter filter = {.search = WP_VIEW("needle"), .page_size = 1000};
    for (int sorted = 0; sorted < 2; sorted++) {
        filter.sort = sorted != 0 ? WP_SORT_SPEND : WP_SORT_START;
        ledger->search_timeout_ms = SHORT_MS;
        struct answer part = ask(ledger, &filter, sorted == 0);
        assert_true(part.searched_to_ms > begin_ms);
        assert_int_equal(part.total, needles_between(part.searched_to_ms, INT64_MAX));
        forget(&part);
        ledger->search_timeout_ms = 60000;
        struct answer whole = ask(ledger, &filter, sorted == 0);
        assert_int_equal(whole.searched_to_ms, 0);
        assert_int_equal(whole.total, needles_between(0, INT64_MAX));
        forget(&whole);
    }
    wp_ledger_close(ledger);
}

static void an_export_goes_on_over_what_is_slow(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_many();
    const struct wp_log_filter filter = {.search = WP_VIEW("needle")};
    struct wp_export_cursor cursor = {0};
    int slices = 0, next = (ROWS - 1) / EACH * EACH;
    ledger->query_timeout_ms = 1;
    for (; !cursor.done; slices++) {
        struct wp_buf out = wp_buf_make(1 << 24);
        assert_ok(wp_ledger_export(ledger, &filter, WP_EXPORT_JSONL, 10000, &cursor, &out));
        wp_view rest = wp_buf_view(&out), line;
        while (wp_view_next_token(&rest, '\n', &line) && line.len > 0) {
            char wanted[48];
            snprintf(wanted, sizeof(wanted), "{\"request_id\":\"n%d\",", next);
            assert_true(wp_view_starts_with(line, wp_view_of(wanted)));
            next -= EACH;
        }
        wp_buf_free(&out);
    }
    assert_true(slices > 1);
    assert_int_equal(next, -EACH);
    wp_ledger_close(ledger);
}

// Other queries have no part to give.
static void a_query_without_parts_says_that_it_is_slow(void **state)
{
    (void)state;
    struct wp_ledger *ledger = open_many();
    const struct wp_log_filter filter = {.sort = WP_SORT_DURATION};
    struct wp_buf out = wp_buf_make(1 << 24);
    ledger->query_timeout_ms = 1;
    assert_int_equal(wp_ledger_query_logs(ledger, &filter, &out), WP_ERR_SLOW_QUERY);
    assert_int_equal(out.len, 0);
    wp_buf_free(&out);
    wp_ledger_close(ledger);
}

// A whole id has an index: other rows are not looked at, whatever the time.
static void a_whole_id_is_found_at_once(void **state)
{
    static const char id[] = "019ab4f2-7a10-7c3e-8f00-0123456789ab";
    static const char session[] = "4f0c2c3e-1111-4222-8333-944444444444";
    (void)state;
    struct wp_ledger *ledger = open_many();
    struct wp_record record = full_record();
    record.request_id = wp_view_of(id);
    record.session_id = wp_view_of(session);
    record.start_ms = begin_ms;
    submit(ledger, &record);
    wp_ledger_flush(ledger);
    ledger->search_timeout_ms = SHORT_MS;
    const char *const known[] = {id, session};
    for (size_t i = 0; i < WP_COUNT_OF(known); i++) {
        struct wp_log_filter filter = {.search = wp_view_of(known[i])};
        for (int summary = 0; summary < 2; summary++) {
            struct answer a = ask(ledger, &filter, summary != 0);
            assert_int_equal(a.total, 1);
            assert_int_equal(a.searched_to_ms, 0);
            forget(&a);
        }
        filter.model_id = WP_VIEW("another"); // what else is asked for holds
        struct answer none = ask(ledger, &filter, false);
        assert_int_equal(none.total, 0);
        forget(&none);
    }
    ledger->search_timeout_ms = 60000;
    const struct wp_log_filter part = {.search = WP_VIEW("944444444444")}; // of an id: looked for
    struct answer a = ask(ledger, &part, false);
    assert_int_equal(a.total, 1);
    forget(&a);
    wp_ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_search_that_is_stopped_goes_on_from_there, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(sums_and_sorted_pages_cover_what_was_reached, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(an_export_goes_on_over_what_is_slow, set_up, clean_up),
        cmocka_unit_test_setup_teardown(a_query_without_parts_says_that_it_is_slow, set_up,
                                        clean_up),
        cmocka_unit_test_setup_teardown(a_whole_id_is_found_at_once, set_up, clean_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
