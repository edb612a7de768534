// Bedrock's event stream as SSE, and JSON answers.
#include "support.h"

#include "base/codec.h"
#include "http/event_stream.h"

static void frame(struct wp_buf *out, const char *type, const char *name_header, const char *name,
                  wp_view payload)
{
    const struct wp_event_header headers[] = {
        {wp_view_of(name_header), wp_view_of(name)},
        {WP_VIEW(":content-type"), WP_VIEW("application/json")},
        {WP_VIEW(":message-type"), wp_view_of(type)},
    };
    wp_event_stream_encode(out, headers, WP_COUNT_OF(headers), payload);
}

static void chunk(struct wp_buf *out, const char *json)
{
    struct wp_buf payload = wp_buf_make(1 << 20);
    wp_buf_append_cstring(&payload, "{\"bytes\":\"");
    wp_base64_append(&payload, wp_view_of(json));
    wp_buf_append_cstring(&payload, "\",\"p\":\"abcdefgh\"}");
    frame(out, "event", ":event-type", "chunk", wp_buf_view(&payload));
    wp_buf_free(&payload);
}

#define START(model)                                                                              \
    "{\"type\":\"message_start\",\"message\":{\"model\":" model                                   \
    ",\"id\":\"msg_bdrk_1\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":7,\"cache_" \
    "creation_input_tokens\":0,\"output_tokens\":1}}}"
#define BLOCK "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}"
#define DELTA                                                                                    \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":" \
    "\"h\\u00e9\"}}"
#define MDELTA                                                                                  \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_" \
    "tokens\":9}}"
#define METRICS                                                                           \
    "\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":3,\"outputTokenCount\":9," \
    "\"invocationLatency\":1200,\"firstByteLatency\":300}"
#define NEWS "{\"sky\":\"blue\",\"type\":\"weather\"}"

#define EVENT(name, json) "event: " name "\ndata: " json "\n\n"

static void whole_stream(struct wp_buf *out)
{
    *out = wp_buf_make(1 << 20);
    chunk(out, START("\"claude-opus-4-6\""));
    chunk(out, BLOCK);
    chunk(out, DELTA);
    chunk(out, NEWS);
    chunk(out, "{\"typeless\":1}");
    frame(out, "event", ":event-type", "initial-response", WP_VIEW("{}"));
    chunk(out, MDELTA);
    chunk(out, "{\"type\":\"message_stop\"," METRICS "}");
    assert_true(wp_buf_ok(out));
}

#define CLIENT                                            \
    EVENT("message_start", START("\"my \\\"alias\\\"\"")) \
    EVENT("content_block_start", BLOCK)                   \
    EVENT("content_block_delta", DELTA)                   \
    EVENT("weather", NEWS)                                \
    EVENT("message_delta", MDELTA) EVENT("message_stop", "{\"type\":\"message_stop\"}")

static void begin(struct reply *reply)
{
    reply_begin(reply, WP_PLATFORM_BEDROCK, true, "application/vnd.amazon.eventstream");
}

static void test_every_split(void **state)
{
    (void)state;
    struct wp_buf stream;
    whole_stream(&stream);
    wp_view all = wp_buf_view(&stream);
    for (size_t cut = 0; cut <= all.len; cut++) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_view_sub(all, 0, cut));
        reply_feed(&reply, wp_view_skip(all, cut));
        reply_finish(&reply);
        assert_view(reply_client(&reply), CLIENT);
        assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
        assert_view(reply.answer->message_id, "msg_bdrk_1");
        assert_view(reply.answer->upstream_model, "claude-opus-4-6");
        assert_view(reply.answer->stop_reason, "end_turn");
        assert_int_equal(reply.answer->usage.cache_read, 7);
        assert_int_equal(reply.answer->usage.output, 9);
        assert_true(reply.answer->usage.final);
        reply_free(&reply);
    }
    wp_buf_free(&stream);
}

static void test_truncation(void **state)
{
    (void)state;
    struct wp_buf stream;
    whole_stream(&stream);
    for (size_t cut = 0; cut < stream.len; cut += 3) {
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_view_make(stream.ptr, cut));
        reply_finish(&reply);
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, WP_ERR_INCOMPLETE);
        assert_true(wp_view_starts_with(WP_VIEW(CLIENT), reply_client(&reply)));
        reply_free(&reply);
    }
    wp_buf_free(&stream);
}

// Any flipped bit is seen by a CRC; what was sent before is a prefix of the right answer.
static void test_corruption(void **state)
{
    (void)state;
    struct wp_buf stream;
    whole_stream(&stream);
    for (size_t at = 0; at < stream.len; at++) {
        struct reply reply;
        begin(&reply);
        stream.ptr[at] ^= 0x10;
        reply_feed(&reply, wp_buf_view(&stream));
        reply_finish(&reply);
        stream.ptr[at] ^= 0x10;
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_true(wp_view_starts_with(WP_VIEW(CLIENT), reply_client(&reply)));
        reply_free(&reply);
    }
    wp_buf_free(&stream);
}

static void test_metrics_stand_in(void **state)
{
    (void)state;
    struct wp_buf stream = wp_buf_make(1 << 16);
    chunk(&stream, "{\"type\":\"message_start\",\"message\":{\"model\":\"x\"}}");
    chunk(&stream, "{" METRICS ",\"type\":\"message_stop\"}");
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, wp_buf_view(&stream));
    assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
    assert_true(reply.answer->usage.seen);
    assert_int_equal(reply.answer->usage.input, 3);
    assert_int_equal(reply.answer->usage.output, 9);
    assert_true(wp_view_ends_with(reply_client(&reply),
                                  WP_VIEW(EVENT("message_stop", "{\"type\":\"message_stop\"}"))));
    reply_free(&reply);
    wp_buf_free(&stream);
}

static void test_exceptions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum wp_err err;
        int status;
        const char *type;
    } rows[] = {
        {"throttlingException", WP_ERR_RATE_LIMITED, 429, "rate_limit_error"},
        {"modelStreamErrorException", WP_ERR_OVERLOADED, 503, "overloaded_error"},
        {"serviceUnavailableException", WP_ERR_OVERLOADED, 503, "overloaded_error"},
        {"internalServerException", WP_ERR_UPSTREAM_ERROR, 500, "api_error"},
        {"modelTimeoutException", WP_ERR_UPSTREAM_TIMEOUT, 408, "timeout_error"},
        {"validationException", WP_ERR_UPSTREAM_REFUSED, 400, "invalid_request_error"},
        {"newException", WP_ERR_UPSTREAM_ERROR, 500, "api_error"},
    };
    for (size_t i = 0; i < 2 * WP_COUNT_OF(rows); i++) {
        size_t row = i / 2;
        bool begun = i % 2 == 1;
        struct wp_buf stream = wp_buf_make(1 << 16);
        if (begun)
            chunk(&stream, START("\"x\""));
        frame(&stream, "exception", ":exception-type", rows[row].name,
              WP_VIEW("{\"message\":\"why\"}"));
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_buf_view(&stream));
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, rows[row].err);
        assert_int_equal(reply.answer->error.status, rows[row].status);
        assert_view(reply.answer->error.type, rows[row].type);
        assert_view(reply.answer->error.message, "why");
        wp_view body = wp_arena_printf(reply.arena,
                                       "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":"
                                       "\"why\"}}",
                                       rows[row].type);
        assert_true(wp_view_ends_with(reply.answer->error.body, wp_view_skip(body, 1)));
        assert_int_equal(reply_client(&reply).len > 0, begun);
        reply_free(&reply);
        wp_buf_free(&stream);
    }
}

static void test_error_frame(void **state)
{
    (void)state;
    struct wp_buf stream = wp_buf_make(1 << 16);
    const struct wp_event_header headers[] = {
        {WP_VIEW(":message-type"), WP_VIEW("error")},
        {WP_VIEW(":error-code"), WP_VIEW("InternalFailure")},
        {WP_VIEW(":error-message"), WP_VIEW("broke")},
    };
    wp_event_stream_encode(&stream, headers, WP_COUNT_OF(headers), (wp_view){NULL, 0});
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, wp_buf_view(&stream));
    assert_err(reply.answer->error.err, WP_ERR_UPSTREAM_ERROR);
    assert_view(reply.answer->error.message, "broke");
    reply_free(&reply);
    wp_buf_free(&stream);
}

// An Anthropic error inside a chunk.
static void test_error_chunk(void **state)
{
    (void)state;
    struct wp_buf stream = wp_buf_make(1 << 16);
    chunk(&stream,
          "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"o\"}}");
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, wp_buf_view(&stream));
    assert_err(reply.answer->error.err, WP_ERR_OVERLOADED);
    assert_int_equal(reply_client(&reply).len, 0);
    reply_free(&reply);
    wp_buf_free(&stream);
}

static void test_bad_chunks(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{}", "[]", "", "{\"bytes\":1}", "{\"bytes\":\"a\"}", "{\"bytes\":\"****\"}", "not json"};
    for (size_t i = 0; i < WP_COUNT_OF(payloads); i++) {
        struct wp_buf stream = wp_buf_make(1 << 16);
        frame(&stream, "event", ":event-type", "chunk", wp_view_of(payloads[i]));
        struct reply reply;
        begin(&reply);
        reply_feed(&reply, wp_buf_view(&stream));
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, WP_ERR_PROTOCOL);
        reply_free(&reply);
        wp_buf_free(&stream);
    }
}

// Line ends between JSON tokens must not end an SSE event.
static void test_line_ends_in_json(void **state)
{
    (void)state;
    struct wp_buf stream = wp_buf_make(1 << 16);
    chunk(&stream, START("\"x\""));
    chunk(&stream, "{\"type\":\"weather\",\n\n\"sky\":1}\n");
    struct reply reply;
    begin(&reply);
    reply_feed(&reply, wp_buf_view(&stream));
    assert_true(wp_view_ends_with(
        reply_client(&reply),
        WP_VIEW("event: weather\ndata: {\"type\":\"weather\",\ndata: \ndata: \"sky\":1}\n\n")));
    reply_free(&reply);
    wp_buf_free(&stream);
}

static void test_request_id(void **state)
{
    (void)state;
    struct reply reply;
    begin(&reply);
    assert_ok(wp_headers_add(&reply.headers, WP_VIEW("x-amzn-RequestId"), WP_VIEW("aws-1")));
    struct wp_headers out;
    wp_headers_init(&out, reply.arena);
    assert_ok(wp_answer_headers(&reply.options, &out));
    assert_int_equal(out.count, 1);
    assert_view(wp_headers_get(&out, "request-id"), "aws-1");
    reply_free(&reply);
}

// --- JSON

#define JSON(model)                                                                                \
    "{\"model\":" model ",\"id\":\"msg_1\",\"type\":\"message\", \"content\":[{\"type\":\"text\"," \
    "\"text\":\"{\\\"model\\\":\\\"no\\\"}\"}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_"   \
    "tokens\":3,\"output_tokens\":4}}\n"

static void test_json(void **state)
{
    (void)state;
    wp_view all = WP_VIEW(JSON("\"claude-x\""));
    for (size_t cut = 0; cut <= all.len; cut++) {
        struct reply reply;
        reply_begin(&reply, WP_PLATFORM_BEDROCK, false, "application/json");
        reply_feed(&reply, wp_view_sub(all, 0, cut));
        reply_feed(&reply, wp_view_skip(all, cut));
        assert_int_equal(reply_client(&reply).len, 0);
        assert_int_equal(reply.answer->phase, WP_ANSWER_EMPTY);
        reply_finish(&reply);
        assert_view(reply_client(&reply), JSON("\"my \\\"alias\\\"\""));
        assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
        assert_view(reply.answer->message_id, "msg_1");
        assert_view(reply.answer->upstream_model, "claude-x");
        assert_view(reply.answer->stop_reason, "tool_use");
        assert_true(reply.answer->usage.final);
        assert_int_equal(reply.answer->usage.output, 4);
        reply_free(&reply);
    }
}

static void test_bad_json(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "{", "[1]", "null", "{\"a\":1} x", "<html>", "{\"model\":\"x\""};
    for (size_t i = 0; i < WP_COUNT_OF(bodies); i++) {
        struct reply reply;
        reply_begin(&reply, WP_PLATFORM_ANTHROPIC, false, "application/json; charset=utf-8");
        reply_feed(&reply, wp_view_of(bodies[i]));
        reply_finish(&reply);
        assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
        assert_err(reply.answer->error.err, WP_ERR_PROTOCOL);
        assert_int_equal(reply_client(&reply).len, 0);
        reply_free(&reply);
    }
}

static void test_error_with_status_200(void **state)
{
    (void)state;
    struct reply reply;
    reply_begin(&reply, WP_PLATFORM_ANTHROPIC, false, "application/json");
    reply_feed(&reply,
               WP_VIEW("{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
                       "\"m\"}}"));
    reply_finish(&reply);
    assert_err(reply.answer->error.err, WP_ERR_RATE_LIMITED);
    assert_int_equal(reply_client(&reply).len, 0);
    reply_free(&reply);
}

static void test_counts(void **state)
{
    (void)state;
    struct reply reply;
    reply_begin(&reply, WP_PLATFORM_BEDROCK, false, "application/json");
    reply_feed(&reply, WP_VIEW("{\"inputTokens\":17}"));
    reply_finish(&reply);
    assert_view(reply_client(&reply), "{\"input_tokens\":17}");
    assert_int_equal(reply.answer->phase, WP_ANSWER_COMPLETE);
    reply_free(&reply);
    reply_begin(&reply, WP_PLATFORM_ANTHROPIC, false, "application/json");
    reply_feed(&reply, WP_VIEW("{\"input_tokens\": 17}"));
    reply_finish(&reply);
    assert_view(reply_client(&reply), "{\"input_tokens\": 17}");
    reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_corruption),
        cmocka_unit_test(test_metrics_stand_in),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_error_frame),
        cmocka_unit_test(test_error_chunk),
        cmocka_unit_test(test_bad_chunks),
        cmocka_unit_test(test_line_ends_in_json),
        cmocka_unit_test(test_request_id),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_error_with_status_200),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
