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

// Requests to models come first: the first match wins, and they are most of what comes. The mounts
// of LiteLLM's pass-through (/anthropic, /bedrock, /vertex_ai) lead to the same routes.
const struct wp_route wp_gateway_routes[] = {
#define MESSAGES(path)                                                                    \
    {WP_METHOD_POST, path, WP_ACCESS_CALLER, &wp_exchange_service, WP_OP_MESSAGES, NULL}, \
    {                                                                                     \
        WP_METHOD_POST, path "/count_tokens", WP_ACCESS_CALLER, &wp_exchange_service,     \
            WP_OP_COUNT_TOKENS, NULL                                                      \
    }
#define MODEL_PATH(path)                                                                  \
    {                                                                                     \
        WP_METHOD_POST, path, WP_ACCESS_CALLER, &wp_exchange_service, WP_OP_IN_PATH, NULL \
    }
#define READ(path, serve)                                                   \
    {                                                                       \
        WP_METHOD_GET, path, WP_ACCESS_CALLER, &wp_simple_service, 0, serve \
    }
    MESSAGES("/v1/messages"),
    MESSAGES("/anthropic/v1/messages"),
    MODEL_PATH("/model/*"),
    MODEL_PATH("/v1/projects/*"),
    MODEL_PATH("/projects/*"),
    MODEL_PATH("/bedrock/model/*"),
    MODEL_PATH("/vertex_ai/v1/projects/*"),
    MODEL_PATH("/vertex_ai/projects/*"),
    READ("/inference-profiles", wp_serve_inference_profiles),
    READ("/inference-profiles/*", wp_serve_inference_profile),
    READ("/bedrock/inference-profiles", wp_serve_inference_profiles),
    READ("/bedrock/inference-profiles/*", wp_serve_inference_profile),
    READ("/v1/models", serve_models),
    READ("/models", serve_models),
    READ("/anthropic/v1/models", serve_models),
    READ("/v1/models/*", serve_model),
    READ("/anthropic/v1/models/*", serve_model),
    {WP_METHOD_GET, "/", WP_ACCESS_PUBLIC, &wp_simple_service, 0, serve_root},
    {WP_METHOD_GET, "/api/hello", WP_ACCESS_PUBLIC, &wp_simple_service, 0, serve_root},
#undef MESSAGES
#undef MODEL_PATH
#undef READ
};
const size_t wp_gateway_route_count = WP_COUNT_OF(wp_gateway_routes);
