#include "provider/reframe.h"

#include "base/codec.h"
#include "http/event_stream.h"
#include "provider/answer.h"
#include "json/doc.h"
#include "json/writer.h"

enum { MESSAGE_MAX = 64 * 1024 };

void wp_reframe_init(struct wp_reframe *reframe)
{
    wp_sse_init(&reframe->sse, WP_ANSWER_EVENT_MAX);
    reframe->frames = wp_buf_make(WP_EVENT_STREAM_FRAME_MAX);
}

void wp_reframe_free(struct wp_reframe *reframe)
{
    wp_sse_free(&reframe->sse);
    wp_buf_free(&reframe->frames);
}

// The AWS clients tell a retry from a failure by these names.
const char *wp_bedrock_error_type(wp_view anthropic_type)
{
    static const struct {
        const char *anthropic, *bedrock;
    } rows[] = {
        {"invalid_request_error", "ValidationException"},
        {"request_too_large", "ValidationException"},
        {"authentication_error", "UnrecognizedClientException"},
        {"permission_error", "AccessDeniedException"},
        {"not_found_error", "ResourceNotFoundException"},
        {"rate_limit_error", "ThrottlingException"},
        {"timeout_error", "ModelTimeoutException"},
        {"overloaded_error", "ServiceUnavailableException"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_is(anthropic_type, rows[i].anthropic))
            return rows[i].bedrock;
    return "InternalServerException";
}

// Frames name exceptions with a small first letter.
static const char *exception_name(wp_view anthropic_type)
{
    static const struct {
        const char *type, *frame;
    } rows[] = {
        {"ValidationException", "validationException"},
        {"ThrottlingException", "throttlingException"},
        {"ModelTimeoutException", "modelTimeoutException"},
        {"ServiceUnavailableException", "serviceUnavailableException"},
    };
    const char *type = wp_bedrock_error_type(anthropic_type);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (strcmp(type, rows[i].type) == 0)
            return rows[i].frame;
    return "modelStreamErrorException";
}

static void append_message(struct wp_buf *buf, wp_view message)
{
    struct wp_json_writer w = wp_json_writer(buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "message", message);
    wp_json_close(&w);
}

wp_view wp_bedrock_error_body(struct wp_arena *arena, wp_view message)
{
    struct wp_buf buf = wp_buf_make(MESSAGE_MAX);
    append_message(&buf, wp_view_sub(message, 0, MESSAGE_MAX / 8));
    wp_view body = wp_buf_ok(&buf) ? wp_arena_copy(arena, wp_buf_view(&buf)) : (wp_view){NULL, 0};
    wp_buf_free(&buf);
    return body;
}

static void put_frame(struct wp_buf *out, const char *kind, const char *type_name, const char *type,
                      wp_view payload)
{
    const struct wp_event_header headers[] = {
        {wp_view_of(type_name), wp_view_of(type)},
        {WP_VIEW(":content-type"), WP_VIEW("application/json")},
        {WP_VIEW(":message-type"), wp_view_of(kind)},
    };
    wp_event_stream_encode(out, headers, WP_COUNT_OF(headers), payload);
}

static void put_chunk(struct wp_reframe *reframe, wp_view data)
{
    struct wp_buf payload = wp_buf_make(WP_EVENT_STREAM_FRAME_MAX);
    wp_buf_append_cstring(&payload, "{\"bytes\":\"");
    wp_base64_append(&payload, data);
    wp_buf_append_cstring(&payload, "\"}");
    if (wp_buf_ok(&payload))
        put_frame(&reframe->frames, "event", ":event-type", "chunk", wp_buf_view(&payload));
    else
        reframe->frames.failed = true;
    wp_buf_free(&payload);
}

static void put_exception(struct wp_reframe *reframe, wp_view data)
{
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_buf payload = wp_buf_make(MESSAGE_MAX);
    const struct wp_json_val *root = arena == NULL ? NULL : wp_json_parse(arena, data);
    wp_view type = wp_json_str(wp_json_path(root, "error.type"));
    append_message(&payload, wp_view_sub(wp_json_str(wp_json_path(root, "error.message")), 0,
                                         MESSAGE_MAX / 8));
    put_frame(&reframe->frames, "exception", ":exception-type", exception_name(type),
              wp_buf_view(&payload));
    wp_buf_free(&payload);
    wp_arena_destroy(arena);
}

static bool on_event(void *arg, const struct wp_sse_event *event)
{
    struct wp_reframe *reframe = arg;
    if (event->data.len == 0)
        return true; // comments have no place in frames
    if (wp_view_is(event->name, "error"))
        put_exception(reframe, event->data);
    else
        put_chunk(reframe, event->data);
    return wp_buf_ok(&reframe->frames);
}

enum wp_err wp_reframe_feed(struct wp_reframe *reframe, wp_view sse, wp_answer_write write,
                            void *arg)
{
    enum wp_err err = wp_sse_feed(&reframe->sse, sse, on_event, reframe);
    if (err != WP_OK)
        return err;
    if (!wp_buf_ok(&reframe->frames))
        return WP_ERR_NO_MEMORY;
    if (reframe->frames.len > 0)
        write(arg, wp_buf_view(&reframe->frames));
    wp_buf_clear(&reframe->frames);
    return WP_OK;
}
