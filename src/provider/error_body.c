// Anthropic's error envelope, as a JSON body and as an event.
#include "base/buf.h"
#include "provider/provider.h"
#include "json/writer.h"

enum { MESSAGE_MAX = 16 * 1024, BODY_MAX = 8 * MESSAGE_MAX };

static const char without_memory[] =
    "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"The gateway is out of "
    "memory; try again shortly\"}}";

static void write_envelope(struct wp_buf *buf, const char *type, wp_view message,
                           wp_view request_id, bool event)
{
    struct wp_json_writer w = wp_json_writer(buf);
    wp_json_open_object(&w, NULL);
    if (!event && strcmp(type, "overloaded_error") == 0)
        wp_json_put_str(&w, "message", wp_view_sub(message, 0, MESSAGE_MAX));
    wp_json_put_cstr(&w, "type", "error");
    wp_json_open_object(&w, "error");
    wp_json_put_cstr(&w, "type", type);
    wp_json_put_str(&w, "message", wp_view_sub(message, 0, MESSAGE_MAX));
    wp_json_close(&w);
    if (request_id.len > 0)
        wp_json_put_str(&w, "request_id", request_id);
    wp_json_close(&w);
}

static wp_view keep(struct wp_arena *arena, struct wp_buf *buf, wp_view otherwise)
{
    wp_view copy = wp_buf_ok(buf) ? wp_arena_copy(arena, wp_buf_view(buf)) : (wp_view){NULL, 0};
    wp_buf_free(buf);
    return copy.ptr == NULL ? otherwise : copy;
}

wp_view wp_anthropic_error_body(struct wp_arena *arena, const char *type, wp_view message,
                                wp_view request_id)
{
    struct wp_buf buf = wp_buf_make(BODY_MAX);
    write_envelope(&buf, type, message, request_id, false);
    return keep(arena, &buf, wp_view_of(without_memory));
}

wp_view wp_anthropic_error_event(struct wp_arena *arena, const char *type, wp_view message,
                                 wp_view request_id)
{
    struct wp_buf buf = wp_buf_make(BODY_MAX);
    wp_buf_append_cstring(&buf, "event: error\ndata: ");
    write_envelope(&buf, type, message, request_id, true);
    wp_buf_append_cstring(&buf, "\n\n");
    return keep(arena, &buf,
                WP_VIEW("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\","
                        "\"message\":\"The gateway is out of memory; try again shortly\"}}\n\n"));
}
