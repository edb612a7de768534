// The routes of the gateway itself: messages, count_tokens, models, and the probes of Claude Code.
#include "base/clock.h"
#include "gateway/dialect.h"
#include "gateway/exchange.h"
#include "json/writer.h"

// "claude-sonnet-4-5" → what a picker shows. The name itself is the most honest title.
static void write_model(struct wp_json_writer *w, wp_view name, int64_t started_ms)
{
    char created[WP_RFC3339_LEN + 1];
    wp_format_rfc3339(started_ms, created);
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "id", name);
    wp_json_put_cstr(w, "type", "model");
    wp_json_put_str(w, "display_name", name);
    wp_json_put_cstr(w, "created_at", created);
    // OpenAI's shape beside Anthropic's: both kinds of clients read this list.
    wp_json_put_cstr(w, "object", "model");
    wp_json_put_i64(w, "created", started_ms / 1000);
    wp_json_put_cstr(w, "owned_by", "warmpath");
    wp_json_close(w);
}

static void send_buf(struct wp_front *front, struct wp_buf *buf)
{
    if (wp_buf_ok(buf))
        wp_front_json(front, 200, wp_buf_view(buf));
    else
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
    wp_buf_free(buf);
}

static void serve_models(struct wp_front *front)
{
    size_t count;
    const wp_view *names = wp_snapshot_public_models(front->runtime->snapshot, &count);
    struct wp_buf buf = wp_buf_make(4 * 1024 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "object", "list");
    wp_json_open_array(&w, "data");
    for (size_t i = 0; i < count; i++)
        write_model(&w, names[i], front->gateway->started_ms);
    wp_json_close(&w);
    wp_json_put_bool(&w, "has_more", false);
    if (count > 0) {
        wp_json_put_str(&w, "first_id", names[0]);
        wp_json_put_str(&w, "last_id", names[count - 1]);
    } else {
        wp_json_put_null(&w, "first_id");
        wp_json_put_null(&w, "last_id");
    }
    wp_json_close(&w);
    send_buf(front, &buf);
}

static void serve_model(struct wp_front *front)
{
    size_t count;
    const wp_view *names = wp_snapshot_public_models(front->runtime->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (!wp_view_eq(names[i], front->path_rest))
            continue;
        struct wp_buf buf = wp_buf_make(64 * 1024);
        struct wp_json_writer w = wp_json_writer(&buf);
        write_model(&w, names[i], front->gateway->started_ms);
        send_buf(front, &buf);
        return;
    }
    wp_front_error(front, WP_ERR_NOT_FOUND,
                   wp_arena_printf(front->arena, "model: %.*s",
                                   WP_VIEW_ARG(wp_view_sub(front->path_rest, 0, 200))),
                   -1);
}

// Claude Code probes the base URL with HEAD at each start; a browser gets the way to the console.
static void serve_root(struct wp_front *front)
{
    wp_view accept = wp_headers_get(&front->head->headers, "accept");
    if (wp_view_is(front->head->path, "/") && wp_view_contains(accept, WP_VIEW("text/html"))) {
        static const struct wp_header location = {WP_VIEW("location"), WP_VIEW("/ui/")};
        wp_front_send(front, 302, WP_VIEW("text/plain"), WP_VIEW("The console is at /ui/\n"),
                      &location, 1);
        return;
    }
    wp_front_json(front, 200, WP_VIEW("{\"status\":\"ok\",\"service\":\"warmpath\"}"));
}

const struct wp_route wp_gateway_routes[] = {
    {WP_METHOD_POST, "/v1/messages", WP_ACCESS_CALLER, &wp_exchange_service, WP_OP_MESSAGES, NULL},
    {WP_METHOD_POST, "/v1/messages/count_tokens", WP_ACCESS_CALLER, &wp_exchange_service,
     WP_OP_COUNT_TOKENS, NULL},
    {WP_METHOD_POST, "/anthropic/v1/messages", WP_ACCESS_CALLER, &wp_exchange_service,
     WP_OP_MESSAGES, NULL},
    {WP_METHOD_POST, "/anthropic/v1/messages/count_tokens", WP_ACCESS_CALLER, &wp_exchange_service,
     WP_OP_COUNT_TOKENS, NULL},
    {WP_METHOD_POST, "/model/*", WP_ACCESS_CALLER, &wp_exchange_service, WP_OP_MESSAGES, NULL},
    {WP_METHOD_GET, "/inference-profiles", WP_ACCESS_CALLER, &wp_simple_service, 0,
     wp_serve_inference_profiles},
    {WP_METHOD_GET, "/inference-profiles/*", WP_ACCESS_CALLER, &wp_simple_service, 0,
     wp_serve_inference_profile},
    {WP_METHOD_GET, "/v1/models", WP_ACCESS_CALLER, &wp_simple_service, 0, serve_models},
    {WP_METHOD_GET, "/models", WP_ACCESS_CALLER, &wp_simple_service, 0, serve_models},
    {WP_METHOD_GET, "/v1/models/*", WP_ACCESS_CALLER, &wp_simple_service, 0, serve_model},
    {WP_METHOD_GET, "/", WP_ACCESS_PUBLIC, &wp_simple_service, 0, serve_root},
    {WP_METHOD_GET, "/api/hello", WP_ACCESS_PUBLIC, &wp_simple_service, 0, serve_root},
};
const size_t wp_gateway_route_count = WP_COUNT_OF(wp_gateway_routes);
