// A ledger in a directory of its own, and a record with everything: what the tests of this room
// share.
#ifndef WP_TESTS_STORE_SUPPORT_H
#define WP_TESTS_STORE_SUPPORT_H

#include "tests/support/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/detail.h"
#include "store/private.h"
#include "json/doc.h"

static char directory[64], path[128];

static inline int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/warmpath-store-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/state/ledger.sqlite3", directory);
    return 0;
}

static inline int clean_up(void **state)
{
    (void)state;
    static const char *const files[] = {"", "-wal", "-shm", "-journal"};
    char name[192];
    for (size_t i = 0; i < WP_COUNT_OF(files); i++) {
        snprintf(name, sizeof(name), "%s%s", path, files[i]);
        unlink(name);
    }
    snprintf(name, sizeof(name), "%s/state", directory);
    rmdir(name);
    rmdir(directory);
    return 0;
}

static inline struct wp_ledger *open_ledger(uint32_t retention_days)
{
    const struct wp_ledger_config config = {
        .path = wp_view_of(path), .batch_ms = 5, .retention_days = retention_days};
    struct wp_ledger *ledger = NULL;
    char error[512] = "";
    if (wp_ledger_open(&config, &ledger, error, sizeof(error)) != WP_OK)
        print_error("%s\n", error);
    assert_non_null(ledger);
    return ledger;
}

static inline int64_t at(const char *text)
{
    int64_t ms;
    assert_true(wp_parse_time(wp_view_of(text), &ms));
    return ms;
}

static inline wp_view full_detail(void)
{
    static char room[512];
    struct wp_buf buf = wp_buf_make_in(room, sizeof(room), sizeof(room));
    const struct wp_detail_decision decision = {.group = WP_VIEW("group"), .blocks = 3};
    const struct wp_detail_attempt attempt = {
        .id_as_row = true, .base_as_row = true, .status = 200, .started = 1501};
    wp_detail_begin(&buf, false);
    wp_detail_put_decision(&buf, &decision);
    wp_detail_put_attempt(&buf, &attempt);
    wp_detail_put_headers(&buf, 1);
    wp_detail_put_field(&buf, WP_VIEW("host"), WP_VIEW("gateway"));
    assert_true(wp_buf_ok(&buf));
    return wp_buf_view(&buf);
}

static inline struct wp_record full_record(void)
{
    return (struct wp_record){
        .request_id = WP_VIEW("request-1"),
        .call_type = WP_VIEW("anthropic_messages"),
        .model = WP_VIEW("us.anthropic.claude-x"),
        .requested_model = WP_VIEW("claude-x"),
        .model_group = WP_VIEW("group"),
        .model_id = WP_VIEW("deployment-1"),
        .provider = WP_VIEW("bedrock"),
        .api_base = WP_VIEW("https://bedrock.example"),
        .api_key_hash = WP_VIEW("abcdef"),
        .session_id = WP_VIEW("session-1"),
        .agent_id = WP_VIEW("agent-1"),
        .user_agent = WP_VIEW("claude-cli/2.1"),
        .requester_ip_address = WP_VIEW("127.0.0.1"),
        .status = WP_VIEW("success"),
        .stop_reason = WP_VIEW("end_turn"),
        .message_id = WP_VIEW("msg_1"),
        .detail = full_detail(),
        .start_ms = at("2026-11-24T10:00:00.250Z"),
        .input_tokens = 10,
        .cache_read_tokens = 2000,
        .cache_write_5m_tokens = 300,
        .cache_write_1h_tokens = 40,
        .output_tokens = 5,
        .predicted_read_tokens = 1999,
        .request_bytes = 12345,
        .response_bytes = 678,
        .overhead_us = 1500,
        .ttft_us = 1000000,
        .duration_us = 3000000,
        .http_status = 200,
        .attempted_retries = 1,
        .attempted_fallbacks = 2,
        .spend = 0.0125,
        .saved = 0.5,
        .stream = true,
    };
}

static inline void submit(struct wp_ledger *ledger, const struct wp_record *record)
{
    assert_true(wp_ledger_submit(ledger, record));
}

// Runs SQL on the file.
static inline void make_database(const char *sql)
{
    sqlite3 *db;
    char state_dir[128];
    snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
    mkdir(state_dir, 0700);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        print_error("%s\n", error);
    assert_null(error);
    sqlite3_close(db);
}

#endif
