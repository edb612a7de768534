// Files of earlier versions: their rows, details and bodies are there, in order and as they were.
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/store/support.h"

static const char *const schemas[] = {
#include "store/schema/0001_requests.h"
    ,
#include "store/schema/0002_rollups.h"
    ,
#include "store/schema/0003_kept_warm.h"
    ,
#include "store/schema/0004_headers.h"
    ,
#include "store/schema/0005_hourly_kept_warm.h"
};

// A file of that version with what `sql` puts into it.
static void make_old(size_t version, const char *sql)
{
    char number[96];
    make_database("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL");
    for (size_t i = 0; i < version; i++)
        make_database(schemas[i]);
    snprintf(number, sizeof(number),
             "PRAGMA application_id = 0x57415250; PRAGMA user_version = %zu", version);
    make_database(number);
    make_database(sql);
}

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

static wp_view row_of(struct wp_ledger *ledger, struct wp_arena *arena, const char *id)
{
    struct wp_buf out = wp_buf_make(1 << 22);
    assert_ok(wp_ledger_query_log(ledger, wp_view_of(id), &out));
    wp_view row = wp_arena_copy(arena, wp_buf_view(&out));
    wp_buf_free(&out);
    return row;
}

static void the_first_schema_is_brought_up_to_date(void **state)
{
    (void)state;
    make_old(
        1, "INSERT INTO request VALUES (1,'kept','anthropic_messages','m','m','g','d','bedrock',"
           "'','','','','','','success','','','','','','',1000,0,2000,1,2,3,4,5,6,7,8,9,10,11,200,"
           "0,0,0.5,0,0,0);");
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    assert_true(wp_view_contains(row_of(ledger, arena, "kept"), WP_VIEW("\"model_id\":\"d\"")));
    struct wp_record record = full_record();
    submit(ledger, &record);
    wp_ledger_close(ledger);
    assert_int_equal(number_of("SELECT count(*) FROM request"), 2);
    assert_int_equal(number_of("PRAGMA user_version"), store_schema_version());
    wp_arena_destroy(arena);
}

// What rows of version 4 say of renewals is added to their hours.
static void older_files_learn_of_renewals(void **state)
{
    (void)state;
    make_old(
        4,
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 69)"
        "INSERT INTO request SELECT i, 'row-' || i, iif(i = 3, 'keep_warm', 'anthropic_messages'),"
        " 'm','m','g','d','bedrock','','','','','','','success','','','','','','',7200000 + i,0,0,"
        " 1,2,3,4,5,6,7,8,9,10,11,200,0,0,0.5,0,0,0,iif(i = 5, 0.25, 0) FROM n;"
        "INSERT INTO usage_hourly VALUES (7200000,'d','m','g','','success','',70,35,0,70,140,210,"
        "280,350,420)");
    wp_ledger_close(open_ledger(0));
    assert_int_equal(number_of("SELECT requests FROM usage_hourly"), 70);
    assert_int_equal(number_of("SELECT keep_warm_renewals FROM usage_hourly"), 1);
    assert_int_equal(number_of("SELECT keep_warm_spend * 100 FROM usage_hourly"), 50);
    assert_int_equal(number_of("SELECT kept_warm_saved * 100 FROM usage_hourly"), 25);
    assert_int_equal(number_of("SELECT minutes FROM usage_hourly"), 1);
}

enum { ROWS = 5000 };
#define DECISION "{\"group\":\"g\",\"blocks\":2,\"prompt\":{\"stream\":7,\"add\":[[1,2]]},\"x\":[]}"
#define ATTEMPTS "[{\"model_id\":\"d\",\"status\":200,\"started_ms\":0.25}]"
#define DROPPED  "[\"a-beta\"]"
#define HEADERS  "{\"Host\":\"gateway\",\"Authorization\":\"(hidden, 40 bytes)\"}"

// Rows of version 5, several in one millisecond and not written in the order of their times: the
// id 2 * i + 1 began at 1,000,000 + i / 3, the ids below 1000 last.
static const char rows_5[] =
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)"
    "INSERT INTO request SELECT 2 * i + 1, 'row-' || i, 'anthropic_messages','m','m','g',"
    " 'd' || i % 7,'bedrock','','','s' || i % 11,'','','',iif(i % 10 = 0, 'failure', 'success'),"
    " iif(i % 10 = 0, 'RATE_LIMITED', ''),'','','','','',"
    " 1000000 + iif(i < 500, 1000000 + (i / 3), i / 3),0,0,1,2,3,4,5,6,7,8,9,1000,2000,200,0,0,"
    " i * 0.5,0,0,0,0.125 FROM n;"
    "INSERT INTO request_detail SELECT id, iif(id % 5 = 0, '" DECISION "', '{\"group\":\"g\"}'),"
    " '" ATTEMPTS "', '" DROPPED "', x'', x'', '" HEADERS "' FROM request WHERE id % 3 <> 0;"
    "UPDATE request_detail SET request_body = x'7b7d', response_body = x'00ff' WHERE id = 5;";

static void assert_order(void)
{
    // The same order as (start_ms, id) of before, nothing missing, times as they were.
    assert_int_equal(number_of("SELECT count(*) FROM request"), ROWS);
    assert_int_equal(number_of("SELECT count(*) FROM request_with_times AS r"
                               " WHERE start_ms <> 1000000 + iif(substr(request_id, 5) + 0 < 500,"
                               " 1000000 + substr(request_id, 5) / 3, substr(request_id, 5) / 3)"
                               " OR end_ms <> start_ms + 2"),
                     0);
    assert_int_equal(number_of("SELECT count(*) FROM (SELECT substr(request_id, 5) + 0 AS i,"
                               " lag(substr(request_id, 5) + 0, 1, -1) OVER (ORDER BY id) AS before"
                               " FROM request) WHERE i <> before + 1"),
                     2); // 500 after the end's -1, 0 after 4999
    assert_int_equal(number_of("SELECT sum(spend) * 2 FROM request"), ROWS * (ROWS - 1) / 2);
}

static void rows_come_along_with_all_they_had(void **state)
{
    (void)state;
    make_old(5, rows_5);
    struct wp_ledger *ledger = open_ledger(0);
    struct wp_arena *arena = wp_arena_create(0);
    wp_view row = row_of(ledger, arena, "row-2"); // id 5
    assert_true(wp_view_contains(row, WP_VIEW("\"decision\":" DECISION ",")));
    assert_true(wp_view_contains(row, WP_VIEW("\"attempts\":" ATTEMPTS ",")));
    assert_true(wp_view_contains(row, WP_VIEW("\"dropped\":" DROPPED ",")));
    assert_true(wp_view_contains(row, WP_VIEW("\"headers\":" HEADERS "}")));
    assert_true(wp_view_contains(row, WP_VIEW("\"request_body\":{},")));
    assert_false(wp_view_contains(row, WP_VIEW("\"response_body\":null")));
    row = row_of(ledger, arena, "row-1"); // id 3: no details
    assert_true(wp_view_contains(row, WP_VIEW("\"decision\":null,\"attempts\":null,\"dropped\":"
                                              "null,\"request_body\":null,\"response_body\":null,"
                                              "\"headers\":null}")));
    struct wp_buf out = wp_buf_make(1 << 22);
    const struct wp_log_filter failures = {.status = WP_VIEW("failure"), .page_size = 1000};
    assert_ok(wp_ledger_query_logs(ledger, &failures, &out));
    assert_true(wp_view_contains(wp_buf_view(&out), WP_VIEW("\"total\":500,")));
    wp_buf_free(&out);
    wp_ledger_close(ledger);
    assert_order();
    assert_int_equal(number_of("SELECT count(*) FROM request_body"), 1);
    assert_int_equal(number_of("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'request_d%'"
                               " OR name LIKE 'request_5'"),
                     0);
    wp_arena_destroy(arena);
}

struct seen {
    size_t count;
    int64_t last_ms;
};

static bool see(void *arg, const struct wp_record *record, wp_view decision)
{
    struct seen *seen = arg;
    assert_view(decision, DECISION);
    assert_true(record->session_id.len > 0);
    seen->count++;
    seen->last_ms = record->start_ms;
    return true;
}

static void prompts_of_old_rows_are_exported(void **state)
{
    (void)state;
    struct seen seen = {0};
    make_old(5, rows_5);
    wp_ledger_close(open_ledger(0));
    assert_ok(wp_ledger_each_prompt(path, see, &seen));
    assert_int_equal(seen.count, number_of("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1"
                                           " FROM n WHERE i < 4999) SELECT count(*) FROM n WHERE"
                                           " (2 * i + 1) % 5 = 0 AND (2 * i + 1) % 3 <> 0"));
}

// The file is what it was, and the next try is whole.
static void an_upgrade_that_fails_changes_nothing(void **state)
{
    (void)state;
    const struct wp_ledger_config config = {.path = wp_view_of(path)};
    struct wp_ledger *ledger = NULL;
    char error[512] = "";
    make_old(5, rows_5);
    make_database("CREATE TABLE request_body (id INTEGER)");
    assert_err(wp_ledger_open(&config, &ledger, error, sizeof(error)), WP_ERR_INTERNAL);
    assert_non_null(strstr(error, "request_body"));
    assert_int_equal(number_of("PRAGMA user_version"), 5);
    assert_int_equal(number_of("SELECT count(*) FROM request"), ROWS);
    make_database("DROP TABLE request_body");
    wp_ledger_close(open_ledger(0));
    assert_order();
}

// Killed at any moment: all of it has happened, or nothing.
static void an_upgrade_that_is_killed_changes_nothing(void **state)
{
    (void)state;
    enum { KILLS = 12, STEP_US = 4000 };
    make_old(5, rows_5);
    for (useconds_t i = 1; i <= KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const struct wp_ledger_config config = {.path = wp_view_of(path)};
            struct wp_ledger *ledger = NULL;
            char error[512];
            _exit(wp_ledger_open(&config, &ledger, error, sizeof(error)) == WP_OK ? 0 : 1);
        }
        usleep(i * STEP_US);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        int64_t version = number_of("PRAGMA user_version");
        assert_true(version == 5 || version == store_schema_version());
        assert_int_equal(number_of("SELECT count(*) FROM request"), ROWS);
        if (version == 5)
            assert_int_equal(number_of("SELECT count(*) FROM request_detail"), ROWS * 2 / 3);
    }
    wp_ledger_close(open_ledger(0));
    assert_order();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_schema_is_brought_up_to_date, set_up, clean_up),
        cmocka_unit_test_setup_teardown(older_files_learn_of_renewals, set_up, clean_up),
        cmocka_unit_test_setup_teardown(rows_come_along_with_all_they_had, set_up, clean_up),
        cmocka_unit_test_setup_teardown(prompts_of_old_rows_are_exported, set_up, clean_up),
        cmocka_unit_test_setup_teardown(an_upgrade_that_fails_changes_nothing, set_up, clean_up),
        cmocka_unit_test_setup_teardown(an_upgrade_that_is_killed_changes_nothing, set_up,
                                        clean_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
