// The simulated provider's streams of every platform, cut at every byte: whatever the network does
// to them, the client gets the same bytes and the books the same numbers; and so does a client in
// Bedrock's dialect, whose frames are made of them.
#include "tests/unit/provider/support.h"

#include "base/codec.h"
#include "http/event_stream.h"
#include "provider/reframe.h"
#include "sim/private.h"

static const struct {
    enum wp_platform platform;
    enum sim_platform form;
    const char *type;
} PLATFORMS[] = {
    {WP_PLATFORM_BEDROCK, SIM_BEDROCK, "application/vnd.amazon.eventstream"},
    {WP_PLATFORM_BEDROCK_MESSAGES, SIM_ANTHROPIC, "text/event-stream; charset=utf-8"},
    {WP_PLATFORM_BEDROCK_MANTLE, SIM_ANTHROPIC, "text/event-stream; charset=utf-8"},
    {WP_PLATFORM_CLAUDE_AWS, SIM_ANTHROPIC, "text/event-stream; charset=utf-8"},
    {WP_PLATFORM_ANTHROPIC, SIM_ANTHROPIC, "text/event-stream; charset=utf-8"},
    {WP_PLATFORM_VERTEX, SIM_VERTEX, "text/event-stream; charset=utf-8"},
    {WP_PLATFORM_AZURE, SIM_ANTHROPIC, "text/event-stream; charset=utf-8"},
};

static const char *const SCRIPTS[] = {
    "hello",
    "[[sim: think h\\u00e4m | text w\\u00f6rd \\ud83d\\ude00 \\\"two\\\" | Bash "
    "{\\\"command\\\":\\\"echo 1\\\"}]]",
    "[[sim: long 12]]",
};

struct stream {
    struct wp_arena *arena;
    struct sim_answer answer;
    struct wp_buf bytes;
};

static const struct sim_usage USAGE = {.input = 11, .read = 7000, .write_5m = 500, .write_1h = 30};

static void make_stream(struct stream *s, enum sim_platform form, const char *script)
{
    struct sim_request request;
    int status;
    wp_view message;
    *s = (struct stream){.arena = wp_arena_create(0), .bytes = wp_buf_make(1 << 20)};
    wp_view body = wp_arena_printf(s->arena,
                                   "{\"model\":\"claude-x\",\"max_tokens\":1000,\"messages\":[{"
                                   "\"role\":\"user\",\"content\":\"%s\"}]}",
                                   script);
    const struct sim_reading reading = {.platform = SIM_ANTHROPIC};
    assert_true(sim_request_parse(s->arena, &reading, body, &request, &status, &message));
    assert_true(sim_answer_build(s->arena, &request, &USAGE, WP_VIEW("account-1"), 7,
                                 form == SIM_BEDROCK, &s->answer));
    for (size_t i = 0; i < s->answer.count; i++)
        sim_event_encode(form, &s->answer.events[i], &s->bytes);
    assert_true(wp_buf_ok(&s->bytes) && s->answer.count > 4);
}

static void free_stream(struct stream *s)
{
    wp_buf_free(&s->bytes);
    wp_arena_destroy(s->arena);
}

static void check_books(const struct wp_answer *answer, const struct stream *s)
{
    assert_int_equal(answer->phase, WP_ANSWER_COMPLETE);
    assert_view(answer->upstream_model, "claude-x");
    assert_view(answer->message_id, "msg_sim_000000000007");
    assert_true(answer->usage.seen && answer->usage.final);
    assert_int_equal(answer->usage.input, USAGE.input);
    assert_int_equal(answer->usage.cache_read, USAGE.read);
    assert_int_equal(answer->usage.cache_write_5m, USAGE.write_5m);
    assert_int_equal(answer->usage.cache_write_1h, USAGE.write_1h);
    assert_int_equal(answer->usage.output, s->answer.output_tokens);
    assert_false(answer->in_event);
}

// What the client must get: the events as SSE, under the name that it asked for.
static void expect_client(const struct stream *s, struct wp_buf *out)
{
    *out = wp_buf_make(1 << 20);
    for (size_t i = 0; i < s->answer.count; i++) {
        const struct sim_event *event = &s->answer.events[i];
        wp_view json = event->json;
        size_t at = wp_view_find(json, WP_VIEW("\"claude-x\""));
        size_t metrics = wp_view_find(json, WP_VIEW(",\"amazon-bedrock-invocationMetrics\""));
        wp_buf_printf(out, "event: %s\ndata: ", event->type);
        if (at != WP_NOT_FOUND) {
            wp_buf_append(out, wp_view_sub(json, 0, at));
            wp_buf_append_cstring(out, "\"my \\\"alias\\\"\"");
            json = wp_view_skip(json, at + strlen("\"claude-x\""));
        }
        if (metrics != WP_NOT_FOUND)
            json = WP_VIEW("{\"type\":\"message_stop\"}");
        wp_buf_append(out, json);
        wp_buf_append_cstring(out, "\n\n");
    }
    assert_true(wp_buf_ok(out));
}

static void feed_cut(struct reply *reply, size_t platform, wp_view all, size_t cut)
{
    reply_begin(reply, PLATFORMS[platform].platform, true, PLATFORMS[platform].type);
    reply_feed(reply, wp_view_sub(all, 0, cut));
    reply_feed(reply, wp_view_skip(all, cut));
    reply_finish(reply);
}

static void test_every_platform_cut_anywhere(void **state)
{
    (void)state;
    for (size_t p = 0; p < WP_COUNT_OF(PLATFORMS); p++) {
        for (size_t k = 0; k < WP_COUNT_OF(SCRIPTS); k++) {
            struct stream s;
            struct wp_buf wanted;
            make_stream(&s, PLATFORMS[p].form, SCRIPTS[k]);
            expect_client(&s, &wanted);
            for (size_t cut = 0; cut <= s.bytes.len; cut++) {
                struct reply reply;
                feed_cut(&reply, p, wp_buf_view(&s.bytes), cut);
                assert_true(wp_view_eq(reply_client(&reply), wp_buf_view(&wanted)));
                check_books(reply.answer, &s);
                reply_free(&reply);
            }
            wp_buf_free(&wanted);
            free_stream(&s);
        }
    }
}

static void test_every_platform_byte_by_byte(void **state)
{
    (void)state;
    for (size_t p = 0; p < WP_COUNT_OF(PLATFORMS); p++) {
        struct stream s;
        struct wp_buf wanted;
        struct reply reply;
        make_stream(&s, PLATFORMS[p].form, SCRIPTS[1]);
        expect_client(&s, &wanted);
        reply_begin(&reply, PLATFORMS[p].platform, true, PLATFORMS[p].type);
        for (size_t i = 0; i < s.bytes.len; i++)
            reply_feed(&reply, wp_view_make(s.bytes.ptr + i, 1));
        reply_finish(&reply);
        assert_true(wp_view_eq(reply_client(&reply), wp_buf_view(&wanted)));
        check_books(reply.answer, &s);
        reply_free(&reply);
        wp_buf_free(&wanted);
        free_stream(&s);
    }
}

// An end anywhere before the last event is a failure, never a silent success; what the client got
// is the beginning of the right answer.
static void test_every_platform_ended_anywhere(void **state)
{
    (void)state;
    for (size_t p = 0; p < WP_COUNT_OF(PLATFORMS); p++) {
        struct stream s;
        struct wp_buf wanted;
        make_stream(&s, PLATFORMS[p].form, SCRIPTS[1]);
        expect_client(&s, &wanted);
        // The last byte of an SSE stream is an empty line that a lenient reader need not see.
        for (size_t cut = 0; cut + 2 < s.bytes.len; cut++) {
            struct reply reply;
            reply_begin(&reply, PLATFORMS[p].platform, true, PLATFORMS[p].type);
            reply_feed(&reply, wp_view_make(s.bytes.ptr, cut));
            reply_finish(&reply);
            assert_int_equal(reply.answer->phase, WP_ANSWER_FAILED);
            assert_err(reply.answer->error.err, WP_ERR_INCOMPLETE);
            assert_true(wp_view_starts_with(wp_buf_view(&wanted), reply_client(&reply)));
            reply_free(&reply);
        }
        wp_buf_free(&wanted);
        free_stream(&s);
    }
}

// The event of an AWS frame, as SSE again.
static bool on_frame(void *arg, const struct wp_event_message *message)
{
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *root = wp_json_parse(arena, message->payload);
    wp_view encoded = wp_json_str(wp_json_get(root, "bytes"));
    char *decoded = wp_arena_alloc(arena, encoded.len + 4);
    size_t len = 0;
    assert_view(message->message_type, "event");
    assert_view(message->event_type, "chunk");
    assert_true(wp_base64_decode(encoded, decoded, &len));
    wp_view json = wp_view_make(decoded, len);
    wp_view type = wp_json_str(wp_json_get(wp_json_parse(arena, json), "type"));
    wp_buf_printf(arg, "event: %.*s\ndata: ", WP_VIEW_ARG(type));
    wp_buf_append(arg, json);
    wp_buf_append_cstring(arg, "\n\n");
    wp_arena_destroy(arena);
    return true;
}

static void unframe(wp_view frames, struct wp_buf *out)
{
    struct wp_event_stream reader;
    wp_event_stream_init(&reader);
    *out = wp_buf_make(1 << 20);
    assert_ok(wp_event_stream_feed(&reader, frames, on_frame, out));
    assert_false(wp_event_stream_partial(&reader));
    wp_event_stream_free(&reader);
}

static void test_reframed_cut_anywhere(void **state)
{
    (void)state;
    struct stream s;
    make_stream(&s, SIM_ANTHROPIC, SCRIPTS[1]);
    for (size_t cut = 0; cut <= s.bytes.len; cut++) {
        struct wp_reframe reframe;
        struct wp_buf frames = wp_buf_make(1 << 20), again;
        wp_reframe_init(&reframe);
        assert_ok(
            wp_reframe_feed(&reframe, wp_view_make(s.bytes.ptr, cut), reply_collect, &frames));
        assert_ok(wp_reframe_feed(&reframe, wp_view_skip(wp_buf_view(&s.bytes), cut), reply_collect,
                                  &frames));
        unframe(wp_buf_view(&frames), &again);
        assert_true(wp_view_eq(wp_buf_view(&again), wp_buf_view(&s.bytes)));
        wp_buf_free(&again);
        wp_buf_free(&frames);
        wp_reframe_free(&reframe);
    }
    free_stream(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_platform_cut_anywhere),
        cmocka_unit_test(test_every_platform_byte_by_byte),
        cmocka_unit_test(test_every_platform_ended_anywhere),
        cmocka_unit_test(test_reframed_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
