#include "gateway/front.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/random.h"
#include "gateway/dialect.h"
#include "gateway/identity.h"
#include "gateway/worker.h"
#include "provider/reframe.h"

enum { FRONT_MAGIC = 0x46524f4e };

void wp_routes_add(struct wp_route_table *table, const struct wp_route *routes, size_t count)
{
    WP_CHECK(table->group_count < WP_COUNT_OF(table->groups));
    table->groups[table->group_count] = routes;
    table->counts[table->group_count++] = count;
}

static uint32_t method_bit(wp_view method)
{
    if (wp_view_is(method, "POST"))
        return WP_METHOD_POST;
    if (wp_view_is(method, "GET"))
        return WP_METHOD_GET;
    if (wp_view_is(method, "HEAD"))
        return WP_METHOD_GET | WP_METHOD_HEAD;
    return wp_view_is(method, "DELETE") ? WP_METHOD_DELETE : 0;
}

static bool path_matches(const char *pattern, wp_view path, wp_view *rest)
{
    wp_view wanted = wp_view_of(pattern);
    *rest = (wp_view){NULL, 0};
    if (wanted.len < 2 || wanted.ptr[wanted.len - 1] != '*' || wanted.ptr[wanted.len - 2] != '/')
        return wp_view_eq(path, wanted);
    wp_view prefix = wp_view_sub(wanted, 0, wanted.len - 1);
    if (!wp_view_starts_with(path, prefix))
        return false;
    *rest = wp_view_skip(path, prefix.len);
    return true;
}

const struct wp_route *wp_routes_find(const struct wp_route_table *table, wp_view method,
                                      wp_view path, wp_view *rest, uint32_t *allowed)
{
    uint32_t bit = method_bit(method);
    *allowed = 0;
    for (size_t g = 0; g < table->group_count; g++) {
        for (size_t i = 0; i < table->counts[g]; i++) {
            const struct wp_route *route = &table->groups[g][i];
            if (!path_matches(route->path, path, rest))
                continue;
            *allowed |= route->methods;
            if (route->methods & bit)
                return route;
        }
    }
    return NULL;
}

// Answers.

void wp_front_send(struct wp_front *front, int status, wp_view content_type, wp_view body,
                   const struct wp_header *extra, size_t extra_count)
{
    struct wp_headers headers;
    if (front->aborted)
        return;
    wp_headers_init(&headers, front->arena);
    enum wp_err err = WP_OK;
    if (content_type.len > 0)
        err = wp_headers_add(&headers, WP_VIEW("content-type"), content_type);
    if (err == WP_OK)
        err = wp_headers_add(&headers, WP_VIEW("x-litellm-call-id"), wp_view_of(front->call_id));
    for (size_t i = 0; i < extra_count && err == WP_OK; i++)
        err = wp_headers_add(&headers, extra[i].name, extra[i].value);
    if (err != WP_OK) {
        wp_response_abort(front->request);
        return;
    }
    wp_response_send(front->request, status, &headers, body);
}

void wp_front_json(struct wp_front *front, int status, wp_view json)
{
    static const struct wp_header fresh = {WP_VIEW("cache-control"), WP_VIEW("no-store")};
    wp_front_send(front, status, WP_VIEW("application/json"), json, &fresh, 1);
}

// `more` is one further field, or NULL.
static void send_error(struct wp_front *front, enum wp_err err, wp_view message,
                       int64_t retry_after_s, const struct wp_header *more)
{
    const struct wp_err_info *info = wp_err_info(err);
    struct wp_header extra[5];
    size_t count = 0;
    char seconds[24];
    if (message.len == 0)
        message = wp_view_of(info->sentence);
    bool bedrock = wp_dialect_of(front->head) == WP_DIALECT_BEDROCK;
    wp_view body = bedrock ? wp_bedrock_error_body(front->arena, message)
                           : wp_anthropic_error_body(front->arena, info->type, message,
                                                     wp_view_of(front->call_id));
    if (bedrock)
        extra[count++] = (struct wp_header){
            WP_VIEW("x-amzn-errortype"), wp_view_of(wp_bedrock_error_type(wp_view_of(info->type)))};
    extra[count++] = (struct wp_header){WP_VIEW("request-id"), wp_view_of(front->call_id)};
    if (err == WP_ERR_UNAUTHORIZED || err == WP_ERR_FORBIDDEN)
        extra[count++] = (struct wp_header){WP_VIEW("x-should-retry"), WP_VIEW("false")};
    if (retry_after_s >= 0) {
        snprintf(seconds, sizeof(seconds), "%lld", (long long)retry_after_s);
        wp_view copy = wp_arena_copy(front->arena, wp_view_of(seconds));
        if (copy.ptr != NULL)
            extra[count++] = (struct wp_header){WP_VIEW("retry-after"), copy};
    }
    if (more != NULL)
        extra[count++] = *more;
    wp_front_send(front, info->status, WP_VIEW("application/json"), body, extra, count);
}

void wp_front_error(struct wp_front *front, enum wp_err err, wp_view message, int64_t retry_after_s)
{
    send_error(front, err, message, retry_after_s, NULL);
}

static wp_view decode_query_value(struct wp_arena *arena, wp_view raw)
{
    char *text = wp_arena_alloc(arena, raw.len + 1);
    size_t len;
    if (text == NULL)
        return (wp_view){NULL, 0};
    for (size_t i = 0; i < raw.len; i++)
        text[i] = raw.ptr[i] == '+' ? ' ' : raw.ptr[i];
    if (!wp_percent_decode(wp_view_make(text, raw.len), text, &len))
        return (wp_view){NULL, 0};
    return wp_view_make(text, len);
}

wp_view wp_front_query(struct wp_front *front, const char *name)
{
    wp_view rest = front->head->query, pair;
    while (rest.len > 0 && wp_view_next_token(&rest, '&', &pair)) {
        size_t equals = wp_view_find_char(pair, '=');
        if (!wp_view_is(wp_view_sub(pair, 0, equals), name))
            continue;
        return decode_query_value(
            front->arena, equals == WP_NOT_FOUND ? WP_VIEW("") : wp_view_skip(pair, equals + 1));
    }
    return (wp_view){NULL, 0};
}

// The methods of a path, as Allow lists them.
static wp_view allow_of(struct wp_arena *arena, uint32_t methods)
{
    bool get = (methods & WP_METHOD_GET) != 0;
    return wp_arena_printf(arena, "%s%s%sOPTIONS", get ? "GET, HEAD, " : "",
                           methods & WP_METHOD_POST ? "POST, " : "",
                           methods & WP_METHOD_DELETE ? "DELETE, " : "");
}

wp_view wp_front_recorded_address(const struct wp_front *front)
{
    bool hidden = front->runtime != NULL && front->runtime->snapshot->general.hide_addresses;
    return hidden ? (wp_view){NULL, 0} : front->head->peer_address;
}

// The row of a request that was turned away before a service took it.
static void record_refusal(struct wp_front *front, enum wp_err err)
{
    const struct wp_err_info *info = wp_err_info(err);
    const struct wp_record record = {
        .request_id = wp_view_of(front->call_id),
        .call_type = front->head->path,
        .status = WP_VIEW("failure"),
        .error_code = wp_view_of(info->name),
        .error_message = wp_view_of(info->sentence),
        .user_agent = wp_headers_get(&front->head->headers, "user-agent"),
        .session_id = wp_headers_get(&front->head->headers, "x-claude-code-session-id"),
        .requester_ip_address = wp_front_recorded_address(front),
        .start_ms = front->accepted_ms,
        .http_status = (uint32_t)info->status,
        .duration_us = (wp_now_ns() - front->accepted_ns) / 1000,
    };
    wp_gateway_submit(front->gateway, &record);
}

static wp_view unauthorized_message(const struct wp_front *front)
{
    if (front->caller.contradiction)
        return WP_VIEW(
            "Two different gateway keys: send one, as Authorization: Bearer or x-api-key");
    if (front->caller.shown)
        return WP_VIEW("Invalid gateway key: the key that was sent is not known here");
    return WP_VIEW("No gateway key: send it as Authorization: Bearer, x-api-key or "
                   "x-litellm-api-key");
}

// The value of one cookie.
static wp_view cookie(const struct wp_headers *headers, const char *name)
{
    wp_view rest = wp_headers_get(headers, "cookie"), pair;
    while (rest.len > 0 && wp_view_next_token(&rest, ';', &pair)) {
        pair = wp_view_trim(pair);
        size_t equals = wp_view_find_char(pair, '=');
        if (equals != WP_NOT_FOUND && wp_view_is(wp_view_sub(pair, 0, equals), name))
            return wp_view_skip(pair, equals + 1);
    }
    return (wp_view){NULL, 0};
}

// A cookie alone may not change anything for another origin: SameSite=Strict keeps it away, and
// an Origin that is not ours is refused besides.
static bool origin_is_ours(const struct wp_request_head *head)
{
    wp_view origin = wp_headers_get(&head->headers, "origin");
    size_t scheme = wp_view_find(origin, WP_VIEW("://"));
    if (origin.len == 0)
        return true;
    return scheme != WP_NOT_FOUND &&
           wp_view_eq(wp_view_skip(origin, scheme + 3), wp_headers_get(&head->headers, "host"));
}

static bool may(struct wp_front *front)
{
    if (front->route->access == WP_ACCESS_PUBLIC)
        return true;
    if (front->caller.known)
        return front->route->access != WP_ACCESS_ADMIN || origin_is_ours(front->head);
    // The console may read what callers may read; it never sends requests to models.
    bool open_to_console =
        front->route->access == WP_ACCESS_ADMIN || front->route->methods == WP_METHOD_GET;
    if (!open_to_console || !origin_is_ours(front->head))
        return false;
    front->caller.session = wp_session_valid(
        front->runtime, cookie(&front->head->headers, WP_SESSION_COOKIE), front->accepted_ms);
    return front->caller.session;
}

static void refuse(struct wp_front *front, enum wp_err err, wp_view message, int64_t retry_after_s)
{
    record_refusal(front, err);
    wp_front_error(front, err, message, retry_after_s);
}

// False: this address has shown too many wrong keys.
static bool may_guess(struct wp_front *front)
{
    const struct wp_caller *caller = &front->caller;
    uint32_t limit = front->runtime->snapshot->general.failed_keys_per_minute;
    wp_view address = front->head->peer_address;
    if (!caller->shown || front->route->access == WP_ACCESS_PUBLIC)
        return true;
    return wp_guard_admits(front->gateway->guard, address, caller->shown_digest, caller->known,
                           limit, front->accepted_ns);
}

// The request has been here before, or has passed more gateways than anybody chains on purpose.
static bool goes_in_circles(const struct wp_front *front)
{
    wp_view rest = wp_headers_get(&front->head->headers, WP_HOP_HEADER), hop;
    size_t hops = 0;
    while (rest.len > 0 && wp_view_next_token(&rest, ',', &hop))
        if (wp_view_is(wp_view_trim(hop), front->gateway->instance) || ++hops >= WP_HOPS_MAX)
            return true;
    return false;
}

// No route: another method, a question about methods, or a path that is not there.
static void answer_without_route(struct wp_front *front, uint32_t allowed)
{
    const struct wp_request_head *head = front->head;
    bool star = wp_view_is(head->path, "*"), options = wp_view_is(head->method, "OPTIONS");
    wp_view message = wp_arena_printf(front->arena, "%.*s %.*s is not served here",
                                      WP_VIEW_ARG(head->method), WP_VIEW_ARG(head->path));
    if (allowed == 0 && !star) {
        wp_front_error(front, WP_ERR_NOT_FOUND, message, -1);
        return;
    }
    wp_view list =
        allow_of(front->arena, star ? WP_METHOD_GET | WP_METHOD_POST | WP_METHOD_DELETE : allowed);
    const struct wp_header allow = {WP_VIEW("allow"), list};
    if (options)
        wp_front_send(front, 204, (wp_view){NULL, 0}, (wp_view){NULL, 0}, &allow, 1);
    else
        send_error(front, WP_ERR_METHOD, message, -1, &allow);
}

static void *front_begin(struct wp_front *front)
{
    uint32_t allowed;
    const struct wp_request_head *head = front->head;
    front->route = wp_routes_find(front->worker->routes, head->method, head->path,
                                  &front->path_rest, &allowed);
    wp_identify(front->runtime, head, &front->caller);
    if (front->route == NULL) {
        answer_without_route(front, allowed);
        return front;
    }
    if (!may_guess(front)) {
        refuse(front, WP_ERR_TOO_MANY_FAILURES, (wp_view){NULL, 0}, 60);
        return front;
    }
    if (!may(front)) {
        refuse(front, WP_ERR_UNAUTHORIZED, unauthorized_message(front), -1);
        return front;
    }
    if (atomic_load(&front->gateway->draining) && front->route->access == WP_ACCESS_CALLER) {
        refuse(front, WP_ERR_SHUTTING_DOWN, (wp_view){NULL, 0}, 1);
        return front;
    }
    if (front->route->access == WP_ACCESS_CALLER && goes_in_circles(front)) {
        refuse(front, WP_ERR_LOOP, (wp_view){NULL, 0}, -1);
        return front;
    }
    front->state = front->route->service->begin(front);
    return front;
}

// wp_server_handler.

static void *on_head(void *context, struct wp_server_request *request,
                     const struct wp_request_head *head)
{
    struct wp_worker *worker = context;
    struct wp_arena *arena = wp_request_arena(request);
    struct wp_front *front = WP_ARENA_NEW(arena, struct wp_front);
    if (front == NULL)
        return NULL;
    front->magic = FRONT_MAGIC;
    front->worker = worker;
    front->gateway = worker->gateway;
    front->runtime = wp_gateway_runtime(worker->gateway);
    front->request = request;
    front->head = head;
    front->arena = arena;
    front->accepted_ns = wp_loop_now_ns(worker->loop);
    front->accepted_ms = wp_wall_ms();
    front->body = wp_buf_make(WP_SIMPLE_BODY_MAX);
    wp_random_uuid_at(front->accepted_ms, front->call_id);
    return front_begin(front);
}

static struct wp_front *front_of(void *state)
{
    struct wp_front *front = state;
    WP_CHECK_MAGIC(front, FRONT_MAGIC);
    return front;
}

static char *body_room(void *state, size_t *room)
{
    struct wp_front *front = front_of(state);
    if (front->state == NULL || front->route->service->body_room == NULL)
        return NULL;
    return front->route->service->body_room(front->state, room);
}

static void on_body(void *state, wp_view bytes)
{
    struct wp_front *front = front_of(state);
    if (front->state != NULL)
        front->route->service->body(front->state, bytes);
}

static void on_body_end(void *state)
{
    struct wp_front *front = front_of(state);
    if (front->state != NULL)
        front->route->service->body_end(front->state);
}

static void on_drain(void *state)
{
    struct wp_front *front = front_of(state);
    if (front->state != NULL && front->route->service->drain != NULL)
        front->route->service->drain(front->state);
}

static void on_abort(void *state, enum wp_err err)
{
    struct wp_front *front = front_of(state);
    front->aborted = true;
    if (front->state != NULL && front->route->service->abort != NULL)
        front->route->service->abort(front->state, err);
}

static void on_closed(void *state)
{
    struct wp_front *front = front_of(state);
    front->aborted = true;
    if (front->state != NULL && front->route->service->closed != NULL)
        front->route->service->closed(front->state);
    wp_buf_free(&front->body);
    wp_runtime_unref(front->runtime);
    front->magic = 0;
}

// What the HTTP layer refuses before there is a request: it leaves a row as well.
static void error_body(void *context, enum wp_err err, wp_view peer, struct wp_arena *arena,
                       wp_view *body)
{
    struct wp_worker *worker = context;
    const struct wp_err_info *info = wp_err_info(err);
    char id[37];
    wp_random_uuid(id);
    int64_t now = wp_wall_ms();
    struct wp_runtime *runtime = wp_gateway_runtime(worker->gateway);
    bool hidden = runtime->snapshot->general.hide_addresses;
    wp_runtime_unref(runtime);
    const struct wp_record record = {
        .request_id = wp_view_of(id),
        .requester_ip_address = hidden ? (wp_view){NULL, 0} : peer,
        .call_type = WP_VIEW("http"),
        .status = WP_VIEW("failure"),
        .error_code = wp_view_of(info->name),
        .error_message = wp_view_of(info->sentence),
        .start_ms = now,
        .http_status = (uint32_t)info->status,
    };
    atomic_fetch_add(&worker->gateway->counters.rejected_head, 1);
    wp_gateway_submit(worker->gateway, &record);
    *body = wp_anthropic_error_body(arena, info->type, wp_view_of(info->sentence), wp_view_of(id));
}

const struct wp_server_handler wp_front_handler = {
    .on_head = on_head,
    .body_room = body_room,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_drain = on_drain,
    .on_abort = on_abort,
    .on_closed = on_closed,
    .error_body = error_body,
};

// wp_simple_service.

static void *simple_begin(struct wp_front *front)
{
    if (!front->head->has_body) {
        front->route->serve(front);
        return front;
    }
    if (front->head->content_length != UINT64_MAX &&
        front->head->content_length > WP_SIMPLE_BODY_MAX) {
        wp_front_error(front, WP_ERR_TOO_LARGE, (wp_view){NULL, 0}, -1);
        return NULL;
    }
    wp_request_read_body(front->request);
    return front;
}

static void simple_body(void *state, wp_view bytes)
{
    struct wp_front *front = front_of(state);
    wp_buf_append(&front->body, bytes);
}

static void simple_body_end(void *state)
{
    struct wp_front *front = front_of(state);
    if (!front->head->has_body)
        return;
    if (!wp_buf_ok(&front->body))
        wp_front_error(front, front->body.no_memory ? WP_ERR_NO_MEMORY : WP_ERR_TOO_LARGE,
                       (wp_view){NULL, 0}, -1);
    else
        front->route->serve(front);
}

static void simple_drain(void *state)
{
    struct wp_front *front = front_of(state);
    if (front->on_drain != NULL)
        front->on_drain(front);
}

static void simple_closed(void *state)
{
    struct wp_front *front = front_of(state);
    if (front->on_closed != NULL)
        front->on_closed(front);
}

const struct wp_service wp_simple_service = {
    .begin = simple_begin,
    .body = simple_body,
    .body_end = simple_body_end,
    .drain = simple_drain,
    .closed = simple_closed,
};
