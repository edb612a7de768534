// Streams that are SSE already: relayed byte for byte but for the model's name, and tapped.
#include "support.h"

#define START(model)                                                                            \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","    \
    "\"type\":\"message\",\"role\":\"assistant\",\"model\":" model                              \
    ",\"content\":[],\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":20,\"cache_" \
    "read_input_tokens\":100,\"cache_creation\":{\"ephemeral_5m_input_tokens\":15,\"ephemeral_" \
    "1h_input_tokens\":5},\"output_tokens\":1}}}\n\n"
#define BLOCK                                                                                    \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_" \
    "block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define DELTA                                                                                     \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{" \
    "\"type\":\"text_delta\",\"text\":\"hello \\u00e9\"}}\n\n"
#define STOP    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
#define UNKNOWN "event: weather\ndata: {\"type\":\"weather\",\"sky\":\"blue\"}\n\n"
#define MDELTA                                                                                  \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_" \
    "turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":42}}\n\n"
#define MSTOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

#define UPSTREAM START("\"claude-x\"") BLOCK PING DELTA ": note\n\n" STOP UNKNOWN MDELTA MSTOP
#define CLIENT   START("\"my \\\"alias\\\"\"") BLOCK PING DELTA ": note\n\n" STOP UNKNOWN MDELTA MSTOP

static void begin(struct reply *reply)
{
    reply_begin(reply, WP_PLATFORM_ANTHROPIC, true, "text/event-stream; charset=utf-8");
}

static void check_complete(const struct wp_answer *answer)
{
    assert_int_equal(answer->phase, WP_ANSWER_COMPLETE);
    assert_view(answer->message_id, "msg_1");
    assert_view(answer->upstream_model, "claude-x");
    assert_view(answer->stop_reason, "end_turn");
    assert_true(answer->usage.seen);
    assert_true(answer->usage.final);
    assert_int_equal(answer->usage.input, 3);
    assert_int_equal(answer->usage.cache_read, 100);
    assert_int_equal(answer->usage.cache_write_5m, 15);
    assert_int_equal(answer->usage.cache_write_1h, 5);
    assert_int_equal(answer->usage.output, 42);
    assert_false(answer->in_event);
    assert_int_equal(answer->output_bytes, strlen("hello \\u00e9"));
}

static void test_every_split(void **state)
{
    (void)state;
    wp_view all = WP_VIEW(UPSTREAM);
    for (size_t cut = 0; cut <= all.len; cut++) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_view_sub(all, 0, cut));
        reply_feed(&reply, wp_view_skip(all, cut));
        reply_finish(&reply);
        assert_view(reply_client(&reply), CLIENT);
        check_complete(reply.answer);
        reply_free(&reply);
    }
}

static void test_byte_by_byte_with_crlf(void **state)
{
    (void)state;
    struct wp_buf crlf = wp_buf_make(1 << 16), expected = wp_buf_make(1 << 16);
    for (const char *c = UPSTREAM; *c != '\0'; c++)
        wp_buf_append_cstring(&crlf, *c == '\n' ? "\r\n" : (char[]){*c, '\0'});
    for (const char *c = CLIENT; *c != '\0'; c++)
        wp_buf_append_cstring(&expected, *c == '\n' ? "\r\n" : (char[]){*c, '\0'});
    wp_buf_append_char(&expected, '\0');
    struct reply reply;
    begin(&reply);
    for (size_t i = 0; i < crlf.len; i++)
        reply_feed(&reply, wp_view_make(crlf.ptr + i, 1));
    reply_finish(&reply);
    assert_view(reply_client(&reply), expected.ptr);
    check_complete(reply.answer);
    reply_free(&reply);
    wp_buf_free(&crlf);
    wp_buf_free(&expected);
}

static void test_phases(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    // What comes before the message waits: another deployment may still answer.
    reply_feed(&reply, WP_VIEW(PING ": hi\n\n"));
    assert_int_equal(reply.answer->phase, WP_ANSWER_EMPTY);
    assert_int_equal(reply_client(&reply).len, 0);
    reply_feed(&reply, WP_VIEW(START("\"claude-x\"")));
    assert_int_equal(reply.answer->phase, WP_ANSWER_STARTED);
    assert_view(reply_client(&reply), PING ": hi\n\n" START("\"my \\\"alias\\\"\""));
    reply_feed(&reply, WP_VIEW(PING));
    assert_int_equal(reply.answer->phase, WP_ANSWER_STARTED);
    reply_feed(&reply, WP_VIEW(BLOCK));
    assert_int_equal(reply.answer->phase, WP_ANSWER_CONTENT);
    reply_feed(&reply, WP_VIEW(DELTA STOP MDELTA));
    assert_int_equal(reply.answer->phase, WP_ANSWER_CONTENT);
    reply_feed(&reply, WP_VIEW(MSTOP "data: [DONE]\n\n"));
    assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
    assert_true(wp_view_ends_with(reply_client(&reply), WP_VIEW(MSTOP)));
    reply_free(&reply);
}

static void test_first_event_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum wp_err err;
        int status;
    } rows[] = {
        {"overloaded_error", WP_ERR_OVERLOADED, 503},
        {"rate_limit_error", WP_ERR_RATE_LIMITED, 429},
        {"api_error", WP_ERR_UPSTREAM_ERROR, 500},
        {"timeout_error", WP_ERR_UPSTREAM_TIMEOUT, 504},
        {"invalid_request_error", WP_ERR_UPSTREAM_REFUSED, 400},
        {"not_found_error", WP_ERR_UPSTREAM_NOT_FOUND, 404},
        {"billing_error", WP_ERR_RATE_LIMITED, 402},
        {"unheard_of", WP_ERR_UPSTREAM_ERROR, 500},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct reply reply;
        begin(&reply);
        wp_view json = wp_arena_printf(
            reply.arena, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"m\"}}",
            rows[i].type);
        wp_view event = wp_arena_printf(reply.arena,
                                        PING "event: error\ndata: %s\n\n" START("\"x\""), json.ptr);
        reply_feed(&reply, event);
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, rows[i].err);
        assert_int_equal(reply.answer->error.status, rows[i].status);
        assert_true(wp_view_ends_with(reply.answer->error.body, wp_view_skip(json, 1)));
        reply_finish(&reply);
        assert_int_equal(reply_client(&reply).len, 0); // nothing was said
        reply_free(&reply);
    }
}

static void test_error_after_content(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply_feed(&reply,
               WP_VIEW(START("\"claude-x\"") BLOCK DELTA
                       "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_"
                       "error\",\"message\":\"Overloaded\"}}\n\n" DELTA));
    assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
    assert_view(reply_client(&reply), START("\"my \\\"alias\\\"\"") BLOCK DELTA);
    assert_true(reply.answer->usage.seen);
    assert_false(reply.answer->usage.final);
    assert_int_equal(reply.answer->output_bytes, strlen("hello \\u00e9"));
    reply_free(&reply);
}

static void test_early_end(void **state)
{
    (void)state;
    static const char *const streams[] = {"",
                                          PING,
                                          START("\"x\""),
                                          START("\"x\"") BLOCK DELTA,
                                          START("\"x\"") BLOCK STOP MDELTA,
                                          START("\"x\"") BLOCK "event: mess"};
    for (size_t i = 0; i < WP_COUNT_OF(streams); i++) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_view_of(streams[i]));
        reply_finish(&reply);
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, WP_ERR_INCOMPLETE);
        assert_int_equal(reply.answer->error.status, 502);
        reply_free(&reply);
    }
}

static void test_missing_last_blank_line(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply_feed(&reply,
               WP_VIEW(START("\"x\"") "event: message_stop\ndata: {\"type\":\"message_stop\"}\n"));
    assert_int_equal(reply.answer->phase, WP_ANSWER_STARTED);
    reply_finish(&reply);
    assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
    reply_free(&reply);
}

// Names come from the JSON where a server leaves the event line out; the bytes stay.
static void test_nameless_events(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, WP_VIEW("data: {\"message\":{\"model\":\"x\",\"id\":\"msg_2\"},\"type\":"
                               "\"message_start\"}\n\ndata: {\"type\":\"message_stop\"}\n\n"));
    assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
    assert_view(reply_client(&reply),
                "data: {\"message\":{\"model\":\"my \\\"alias\\\"\",\"id\":\"msg_2\"},\"type\":"
                "\"message_start\"}\n\ndata: {\"type\":\"message_stop\"}\n\n");
    reply_free(&reply);
}

// JSON over several data lines cannot be spliced in place: it is framed anew.
static void test_multi_line_message_start(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, WP_VIEW("event: message_start\ndata: {\"type\":\"message_start\",\ndata: "
                               "\"message\":{\"model\":\"x\",\ndata: \"id\":\"m\"}}\n\n"));
    assert_view(reply_client(&reply),
                "event: message_start\ndata: {\"type\":\"message_start\",\ndata: "
                "\"message\":{\"model\":\"my \\\"alias\\\"\",\ndata: \"id\":\"m\"}}\n\n");
    reply_free(&reply);
}

static void test_no_requested_model(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply.options.requested_model = (wp_view){NULL, 0};
    assert_ok(wp_answer_create(&reply.options, &reply.answer));
    reply_feed(&reply, WP_VIEW(UPSTREAM));
    assert_view(reply_client(&reply), UPSTREAM);
    reply_free(&reply);
}

static void test_broken_message_start(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
        "event: message_start\ndata: nonsense\n\n"};
    for (size_t i = 0; i < WP_COUNT_OF(starts); i++) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_view_of(starts[i]));
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, WP_ERR_PROTOCOL);
        assert_int_equal(reply_client(&reply).len, 0);
        reply_free(&reply);
    }
}

// Cumulative usage replaces, it does not add; several message_delta are allowed.
static void test_cumulative_usage(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    reply_feed(&reply,
               WP_VIEW(START("\"x\"") "event: message_delta\ndata: {\"type\":\"message_delta\","
                                      "\"delta\":{},\"usage\":{\"output_tokens\":10}}\n\n"));
    assert_int_equal(reply.answer->usage.output, 10);
    assert_false(reply.answer->usage.final);
    reply_feed(&reply, WP_VIEW(MDELTA MSTOP));
    assert_int_equal(reply.answer->usage.output, 42);
    assert_int_equal(reply.answer->usage.cache_read, 100);
    reply_free(&reply);
}

static void test_output_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *delta;
        size_t bytes;
    } rows[] = {
        {"{\"type\":\"text_delta\",\"text\":\"abc\"}", 3},
        {"{\"type\":\"text_delta\",\"text\":\"\"}", 0},
        {"{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\"}", 4},
        {"{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}", 2},
        {"{\"type\":\"signature_delta\",\"signature\":\"EqQBCkgIARABGAIiQL8\"}", 0},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply,
                   wp_arena_printf(reply.arena,
                                   START("\"x\"") "event: content_block_delta\ndata: {\"type\":"
                                                  "\"content_block_delta\",\"index\":0,\"delta\":"
                                                  "%s}\n\n",
                                   rows[i].delta));
        assert_int_equal(reply.answer->output_bytes, rows[i].bytes);
        reply_free(&reply);
    }
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        bool stream;
        const char *type, *encoding;
        int status;
    } rows[] = {
        {true, "application/json", NULL, 200},
        {true, "text/html", NULL, 200},
        {true, NULL, NULL, 200},
        {true, "text/event-stream", "gzip", 200},
        {true, "text/event-stream", NULL, 302},
        {true, "application/vnd.amazon.eventstream", NULL, 200},
        {false, "text/event-stream", NULL, 200},
        {false, "text/html; charset=utf-8", NULL, 200},
        {false, "application/json", "br", 200},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct reply reply;
        (void)reply_try(&reply, WP_PLATFORM_ANTHROPIC, rows[i].stream, rows[i].type);
        if (rows[i].encoding != NULL)
            assert_ok(wp_headers_add(&reply.headers, WP_VIEW("content-encoding"),
                                     wp_view_of(rows[i].encoding)));
        reply.options.status = rows[i].status;
        assert_err(wp_answer_create(&reply.options, &reply.answer), WP_ERR_PROTOCOL);
        assert_null(reply.answer);
        reply_free(&reply);
    }
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool passes;
    } rows[] = {
        {"request-id", "req_1", true},
        {"anthropic-new-thing", "v", true},
        {"anthropic-ratelimit-tokens-limit", "1", false},
        {"anthropic-priority-input-tokens-limit", "1", false},
        {"anthropic-fast-input-tokens-limit", "1", false},
        {"anthropic-organization-id", "org", false},
        {"anthropic-workspace-id", "ws", false},
        {"content-length", "5", false},
        {"transfer-encoding", "chunked", false},
        {"server", "cloudflare", false},
        {"set-cookie", "a=b", false},
        {"cf-ray", "x", false},
        {"x-amzn-requestid", "aws-1", false},
    };
    struct reply reply;
    begin(&reply);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_ok(
            wp_headers_add(&reply.headers, wp_view_of(rows[i].name), wp_view_of(rows[i].value)));
    struct wp_headers out;
    wp_headers_init(&out, reply.arena);
    assert_ok(wp_answer_headers(&reply.options, &out));
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_int_equal(wp_headers_has(&out, rows[i].name), rows[i].passes);
    assert_view(wp_headers_get(&out, "request-id"), "req_1");
    assert_int_equal(out.count, 2);
    reply_free(&reply);
}

static void ignore(void *arg, wp_view bytes)
{
    *(size_t *)arg += bytes.len;
}

// Out of memory anywhere: FAILED or the right bytes, never anything between.
static void test_allocation_failures(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct reply reply;
        begin(&reply);
        size_t written = 0;
        uint64_t before = wp_alloc_count();
        wp_alloc_fail_after(n);
        struct wp_arena *arena = wp_arena_create(0);
        enum wp_err err = WP_ERR_NO_MEMORY;
        struct wp_answer *answer = NULL;
        reply.options.arena = arena;
        if (arena != NULL)
            err = wp_answer_create(&reply.options, &answer);
        for (size_t i = 0; err == WP_OK && i < strlen(UPSTREAM); i += 7)
            wp_answer_feed(answer, wp_view_sub(WP_VIEW(UPSTREAM), i, i + 7), ignore, &written);
        bool reached = wp_alloc_count() - before >= n;
        wp_alloc_fail_after(0);
        if (err == WP_OK && answer->phase == WP_ANSWER_COMPLETE)
            assert_int_equal(written, strlen(CLIENT));
        else
            assert_true(reached);
        wp_arena_destroy(arena);
        reply_free(&reply);
        if (!reached)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_byte_by_byte_with_crlf),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_first_event_is_an_error),
        cmocka_unit_test(test_error_after_content),
        cmocka_unit_test(test_early_end),
        cmocka_unit_test(test_missing_last_blank_line),
        cmocka_unit_test(test_nameless_events),
        cmocka_unit_test(test_multi_line_message_start),
        cmocka_unit_test(test_no_requested_model),
        cmocka_unit_test(test_broken_message_start),
        cmocka_unit_test(test_cumulative_usage),
        cmocka_unit_test(test_output_bytes),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
