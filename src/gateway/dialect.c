#include "gateway/dialect.h"

#include "base/codec.h"
#include "provider/reframe.h"
#include "json/doc.h"
#include "json/writer.h"

enum { PROFILES_MAX = 4 * 1024 * 1024, MEMBERS_MAX = 16 * 1024 };

static const char vertex_models[] = "/publishers/anthropic/models/";

// Without the place at which LiteLLM mounts a platform.
static wp_view below_mount(wp_view path)
{
    static const wp_view mounts[] = {{"/bedrock/", 9}, {"/vertex_ai/", 11}};
    for (size_t i = 0; i < WP_COUNT_OF(mounts); i++)
        if (wp_view_starts_with(path, mounts[i]))
            return wp_view_skip(path, mounts[i].len - 1);
    return path;
}

static bool is_bedrock(wp_view path)
{
    static const char *const actions[] = {"/invoke", "/invoke-with-response-stream",
                                          "/count-tokens"};
    if (wp_view_starts_with(path, WP_VIEW("/inference-profiles")))
        return true;
    for (size_t i = 0; i < WP_COUNT_OF(actions); i++)
        if (wp_view_starts_with(path, WP_VIEW("/model/")) &&
            wp_view_ends_with(path, wp_view_of(actions[i])))
            return true;
    return false;
}

enum wp_dialect wp_dialect_of(const struct wp_request_head *head)
{
    wp_view path = below_mount(head->path);
    if (is_bedrock(path))
        return WP_DIALECT_BEDROCK;
    bool vertex = wp_view_starts_with(path, WP_VIEW("/v1/projects/")) ||
                  wp_view_starts_with(path, WP_VIEW("/projects/"));
    return vertex && wp_view_contains(path, wp_view_of(vertex_models)) ? WP_DIALECT_VERTEX
                                                                       : WP_DIALECT_ANTHROPIC;
}

// The path stays encoded below "/model/", because an ARN holds slashes of its own.
static enum wp_err decode(struct wp_arena *arena, wp_view text, wp_view *model)
{
    char *out = wp_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (out == NULL)
        return WP_ERR_NO_MEMORY;
    if (!wp_percent_decode(text, out, &len) || len == 0)
        return WP_ERR_NOT_FOUND;
    *model = wp_view_make(out, len);
    return WP_OK;
}

// "ID/action"
static enum wp_err parse_bedrock(struct wp_arena *arena, wp_view rest, struct wp_model_path *out)
{
    static const struct {
        const char *action;
        enum wp_operation operation;
        bool stream;
    } rows[] = {
        {"invoke", WP_OP_MESSAGES, false},
        {"invoke-with-response-stream", WP_OP_MESSAGES, true},
        {"count-tokens", WP_OP_COUNT_TOKENS, false},
    };
    size_t slash = wp_view_rfind_char(rest, '/');
    if (slash == WP_NOT_FOUND || slash == 0)
        return WP_ERR_NOT_FOUND;
    wp_view action = wp_view_skip(rest, slash + 1);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        if (!wp_view_is(action, rows[i].action))
            continue;
        *out = (struct wp_model_path){.operation = rows[i].operation, .stream = rows[i].stream};
        return decode(arena, wp_view_sub(rest, 0, slash), &out->model);
    }
    return WP_ERR_NOT_FOUND;
}

// "ID:rawPredict", "ID:streamRawPredict"; the path has been decoded. Project and location are the
// client's own affair: the deployment has its own.
static enum wp_err parse_vertex(wp_view rest, struct wp_model_path *out)
{
    size_t colon = wp_view_rfind_char(rest, ':');
    if (colon == WP_NOT_FOUND || colon == 0)
        return WP_ERR_NOT_FOUND;
    wp_view method = wp_view_skip(rest, colon + 1), model = wp_view_sub(rest, 0, colon);
    bool whole = wp_view_is(method, "rawPredict");
    bool counting = whole && wp_view_is(model, "count-tokens");
    if (!(whole || wp_view_is(method, "streamRawPredict")) ||
        wp_view_find_char(model, '/') != WP_NOT_FOUND)
        return WP_ERR_NOT_FOUND;
    *out = (struct wp_model_path){.operation = counting ? WP_OP_COUNT_TOKENS : WP_OP_MESSAGES,
                                  .model = counting ? (wp_view){NULL, 0} : model};
    return WP_OK;
}

enum wp_err wp_model_path_parse(struct wp_arena *arena, enum wp_dialect dialect, wp_view path,
                                struct wp_model_path *out)
{
    wp_view below = below_mount(path);
    size_t at = wp_view_find(below, wp_view_of(vertex_models));
    if (dialect == WP_DIALECT_BEDROCK)
        return parse_bedrock(arena, wp_view_skip(below, strlen("/model/")), out);
    if (dialect == WP_DIALECT_VERTEX && at != WP_NOT_FOUND)
        return parse_vertex(wp_view_skip(below, at + strlen(vertex_models)), out);
    return WP_ERR_NOT_FOUND;
}

// {"input":{"invokeModel":{"body":"<base64>"}}}
static enum wp_err unwrap_count(struct wp_arena *arena, struct wp_buf *body, const char **detail)
{
    const struct wp_json_val *root;
    if (wp_json_read(arena, wp_buf_view(body), &root) == WP_ERR_NO_MEMORY)
        return WP_ERR_NO_MEMORY;
    wp_view encoded = wp_json_str(wp_json_path(root, "input.invokeModel.body"));
    char *decoded = wp_arena_alloc(arena, encoded.len + 4);
    size_t len = 0;
    if (decoded == NULL)
        return WP_ERR_NO_MEMORY;
    if (encoded.len == 0 || !wp_base64_decode(encoded, decoded, &len)) {
        *detail = "input.invokeModel.body: base64 of a Messages request is required";
        return WP_ERR_INVALID;
    }
    wp_buf_clear(body);
    wp_buf_append(body, wp_view_make(decoded, len));
    return wp_buf_ok(body) ? WP_OK : body->no_memory ? WP_ERR_NO_MEMORY : WP_ERR_TOO_LARGE;
}

static bool append_members(enum wp_dialect dialect, const struct wp_model_path *path,
                           struct wp_buf *out)
{
    wp_buf_append_cstring(out, "{\"model\":");
    wp_json_append_string(out, path->model);
    if (dialect == WP_DIALECT_BEDROCK && path->operation == WP_OP_MESSAGES)
        wp_buf_append_cstring(out, path->stream ? ",\"stream\":true" : ",\"stream\":false");
    return wp_buf_ok(out);
}

// What stands behind "{": a member or the end of an empty object.
static bool is_empty_object(wp_view rest)
{
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return c == '}';
    }
    return true;
}

// Moves the body up to make room for the members. What is no object is left for the scan to refuse.
static enum wp_err insert_members(struct wp_buf *body, wp_view members)
{
    size_t brace = 0;
    while (brace < body->len && strchr(" \t\r\n", body->ptr[brace]) != NULL)
        brace++;
    if (brace == body->len || body->ptr[brace] != '{')
        return WP_OK;
    bool comma = !is_empty_object(wp_view_skip(wp_buf_view(body), brace + 1));
    size_t more = members.len - 1 + (comma ? 1 : 0), rest = body->len - brace - 1;
    body->max += more; // the limit is the client's bytes, not ours
    if (!wp_buf_reserve(body, more))
        return WP_ERR_NO_MEMORY;
    memmove(body->ptr + brace + 1 + more, body->ptr + brace + 1, rest);
    memcpy(body->ptr + brace, members.ptr, members.len);
    if (comma)
        body->ptr[brace + members.len] = ',';
    body->len += more;
    return WP_OK;
}

enum wp_err wp_model_body_unwrap(struct wp_arena *arena, enum wp_dialect dialect,
                                 const struct wp_model_path *path, struct wp_buf *body,
                                 const char **detail)
{
    struct wp_buf members = wp_buf_make(MEMBERS_MAX);
    enum wp_err err = WP_OK;
    *detail = NULL;
    if (path->model.len == 0)
        return WP_OK;
    if (dialect == WP_DIALECT_BEDROCK && path->operation == WP_OP_COUNT_TOKENS)
        err = unwrap_count(arena, body, detail);
    if (err == WP_OK)
        err = append_members(dialect, path, &members) ? insert_members(body, wp_buf_view(&members))
              : members.no_memory                     ? WP_ERR_NO_MEMORY
                                                      : WP_ERR_TOO_LARGE;
    wp_buf_free(&members);
    return err;
}

wp_view wp_bedrock_count_answer(struct wp_arena *arena, wp_view answer)
{
    const struct wp_json_val *root;
    if (wp_json_read(arena, answer, &root) == WP_ERR_NO_MEMORY)
        return (wp_view){NULL, 0};
    uint64_t tokens = wp_json_u64(wp_json_get(root, "input_tokens"), 0);
    return wp_arena_printf(arena, "{\"inputTokens\":%llu}", (unsigned long long)tokens);
}

// Inference profiles.

static void write_profile(struct wp_json_writer *w, struct wp_arena *arena, wp_view name)
{
    wp_view arn = wp_arena_printf(arena, "arn:aws:bedrock:us-west-2::inference-profile/%.*s",
                                  WP_VIEW_ARG(name));
    wp_view model = wp_arena_printf(arena, "arn:aws:bedrock:us-west-2::foundation-model/%.*s",
                                    WP_VIEW_ARG(name));
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "inferenceProfileId", name);
    wp_json_put_str(w, "inferenceProfileName", name);
    wp_json_put_str(w, "inferenceProfileArn", arn);
    wp_json_put_cstr(w, "status", "ACTIVE");
    wp_json_put_cstr(w, "type", "SYSTEM_DEFINED");
    wp_json_open_array(w, "models");
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "modelArn", model);
    wp_json_close(w);
    wp_json_close(w);
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

void wp_serve_inference_profiles(struct wp_front *front)
{
    size_t count;
    const wp_view *names = wp_snapshot_public_models(front->runtime->snapshot, &count);
    struct wp_buf buf = wp_buf_make(PROFILES_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_open_array(&w, "inferenceProfileSummaries");
    for (size_t i = 0; i < count; i++)
        write_profile(&w, front->arena, names[i]);
    wp_json_close(&w);
    wp_json_close(&w);
    send_buf(front, &buf);
}

void wp_serve_inference_profile(struct wp_front *front)
{
    struct wp_resolved group;
    wp_view id = WP_VIEW("");
    if (decode(front->arena, front->path_rest, &id) == WP_ERR_NO_MEMORY) {
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return;
    }
    size_t slash = wp_view_rfind_char(id, '/');
    wp_view name = slash == WP_NOT_FOUND ? id : wp_view_skip(id, slash + 1);
    bool known = id.len > 0 && (wp_snapshot_resolve(front->runtime->snapshot, id, &group) ||
                                wp_snapshot_resolve(front->runtime->snapshot, name, &group));
    if (!known) {
        wp_front_error(front, WP_ERR_NOT_FOUND, WP_VIEW("There is no such inference profile here"),
                       -1);
        return;
    }
    struct wp_buf buf = wp_buf_make(PROFILES_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    write_profile(&w, front->arena, group.group);
    send_buf(front, &buf);
}
