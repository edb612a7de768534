// The routes of the gateway itself: messages, count_tokens, models, and the probes of Claude Code.
#include "base/clock.h"
#include "gateway/dialect.h"
#include "gateway/exchange.h"
#include "json/writer.h"

enum { LIST_MAX = 4 * 1024 * 1024 };

// What the group can take: the least of its deployments' limits; 0: not known.
static uint32_t least(const struct wp_front *front, const struct wp_resolved *group, bool input)
{
    uint32_t found = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct wp_model_info info;
        wp_runtime_model(front->runtime, group->deployments[i],
                         group->deployments[i]->upstream_model, &info);
        uint32_t limit = input ? info.max_input_tokens : info.max_output_tokens;
        if (limit > 0 && (found == 0 || limit < found))
            found = limit;
    }
    return found;
}

static void put_limit(struct wp_json_writer *w, const char *key, uint32_t limit)
{
    if (limit > 0)
        wp_json_put_u64(w, key, limit);
}

// The name itself is the most honest title. OpenAI's shape stands beside Anthropic's: both kinds of
// clients read this list.
static void write_model(struct wp_json_writer *w, const struct wp_front *front, wp_view name,
                        const struct wp_resolved *group)
{
    char created[WP_RFC3339_LEN + 1];
    wp_format_rfc3339(front->gateway->started_ms, created);
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "id", name);
    wp_json_put_cstr(w, "type", "model");
    wp_json_put_str(w, "display_name", name);
    wp_json_put_cstr(w, "created_at", created);
    put_limit(w, "max_input_tokens", least(front, group, true));
    put_limit(w, "max_tokens", least(front, group, false));
    wp_json_put_cstr(w, "object", "model");
    wp_json_put_i64(w, "created", front->gateway->started_ms / 1000);
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

// A group whose every deployment is taken out of use is nothing that a caller could ask for.
static bool is_usable(const struct wp_front *front, wp_view name, struct wp_resolved *group)
{
    if (!wp_snapshot_resolve(front->runtime->snapshot, name, group))
        return false;
    for (size_t i = 0; i < group->count; i++)
        if (!group->deployments[i]->blocked)
            return true;
    return false;
}

struct page {
    const wp_view *names; // usable ones
    size_t count, from, to;
};

static size_t index_of(const struct page *page, wp_view name)
{
    size_t i = 0;
    while (i < page->count && !wp_view_eq(page->names[i], name))
        i++;
    return i;
}

static enum wp_err list_usable(struct wp_front *front, struct page *page)
{
    size_t count;
    struct wp_resolved group;
    const wp_view *all = wp_snapshot_public_models(front->runtime->snapshot, &count);
    wp_view *names = wp_arena_array(front->arena, count + 1, sizeof(*names));
    *page = (struct page){.names = names};
    if (names == NULL)
        return WP_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (is_usable(front, all[i], &group))
            names[page->count++] = all[i];
    page->to = page->count;
    return WP_OK;
}

// limit, after_id and before_id as of Anthropic's list; without a limit everything comes at once.
static enum wp_err choose_page(struct wp_front *front, struct page *page, const char **detail)
{
    enum { LIMIT_MAX = 1000 };
    wp_view limit = wp_front_query(front, "limit");
    wp_view after = wp_front_query(front, "after_id"), before = wp_front_query(front, "before_id");
    uint64_t size = page->count;
    *detail = "limit: a whole number from 1 to 1000 is required";
    if (limit.len > 0 && (!wp_view_parse_u64(limit, &size) || size == 0 || size > LIMIT_MAX))
        return WP_ERR_INVALID;
    *detail = "after_id, before_id: there is no such model";
    if (after.len > 0 && (page->from = index_of(page, after) + 1) > page->count)
        return WP_ERR_INVALID;
    if (before.len > 0 && (page->to = index_of(page, before)) == page->count)
        return WP_ERR_INVALID;
    if (page->to < page->from)
        page->to = page->from;
    if (page->to - page->from > size) {
        if (before.len > 0 && after.len == 0)
            page->from = page->to - (size_t)size;
        else
            page->to = page->from + (size_t)size;
    }
    return WP_OK;
}

static void put_id(struct wp_json_writer *w, const char *key, const struct page *page, size_t at)
{
    if (page->from < page->to)
        wp_json_put_str(w, key, page->names[at]);
    else
        wp_json_put_null(w, key);
}

static void write_page(struct wp_front *front, const struct page *page, struct wp_buf *buf)
{
    struct wp_json_writer w = wp_json_writer(buf);
    struct wp_resolved group;
    bool backwards =
        wp_front_query(front, "before_id").len > 0 && wp_front_query(front, "after_id").len == 0;
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "object", "list");
    wp_json_open_array(&w, "data");
    for (size_t i = page->from; i < page->to; i++)
        if (is_usable(front, page->names[i], &group))
            write_model(&w, front, page->names[i], &group);
    wp_json_close(&w);
    wp_json_put_bool(&w, "has_more", backwards ? page->from > 0 : page->to < page->count);
    put_id(&w, "first_id", page, page->from);
    put_id(&w, "last_id", page, page->to - 1);
    wp_json_close(&w);
}

static void serve_models(struct wp_front *front)
{
    struct page page;
    const char *detail = NULL;
    enum wp_err err = list_usable(front, &page);
    if (err == WP_OK)
        err = choose_page(front, &page, &detail);
    if (err != WP_OK) {
        wp_front_error(front, err, wp_view_of(err == WP_ERR_INVALID ? detail : NULL),
                       err == WP_ERR_NO_MEMORY ? 1 : -1);
        return;
    }
    struct wp_buf buf = wp_buf_make(LIST_MAX);
    write_page(front, &page, &buf);
    send_buf(front, &buf);
}

// Any name that a request may carry, also one that a wildcard or a hidden alias stands for.
static void serve_model(struct wp_front *front)
{
    struct wp_resolved group;
    if (!is_usable(front, front->path_rest, &group)) {
        wp_front_error(front, WP_ERR_NOT_FOUND,
                       wp_arena_printf(front->arena, "model: %.*s",
                                       WP_VIEW_ARG(wp_view_sub(front->path_rest, 0, 200))),
                       -1);
        return;
    }
    struct wp_buf buf = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    write_model(&w, front, front->path_rest, &group);
    send_buf(front, &buf);
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
