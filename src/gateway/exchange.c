#include "gateway/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"
#include "gateway/economy.h"

enum {
    BODY_ARENA_MAX = 256 * 1024 * 1024, // beside the body
    BODY_ARENA_FIRST = 4096, // as large as a request's own: what one leaves the next ones take
};

static const struct {
    const char *action; // what was going on, for log lines
    uint32_t next;      // bit per state that may follow
} STATES[WP_EXCHANGE_STATE_COUNT] = {
#define TO(name) (1u << WP_EXCHANGE_##name)
    [WP_EXCHANGE_HEAD] = {"reading the request head", TO(BODY) | TO(SETTLE)},
    [WP_EXCHANGE_BODY] = {"reading the request body", TO(INSPECT) | TO(SETTLE)},
    [WP_EXCHANGE_INSPECT] = {"inspecting the request", TO(PLAN) | TO(SETTLE)},
    [WP_EXCHANGE_PLAN] = {"choosing a deployment",
                          TO(PLAN) | TO(WAIT) | TO(CREDENTIALS) | TO(SETTLE)},
    [WP_EXCHANGE_WAIT] = {"waiting before the next attempt", TO(PLAN) | TO(SETTLE)},
    [WP_EXCHANGE_CREDENTIALS] = {"getting the deployment's credentials",
                                 TO(SEND) | TO(PLAN) | TO(WAIT) | TO(SETTLE)},
    [WP_EXCHANGE_SEND] = {"waiting for the upstream's answer",
                          TO(RELAY) | TO(PLAN) | TO(WAIT) | TO(SETTLE)},
    [WP_EXCHANGE_RELAY] = {"relaying the answer", TO(PLAN) | TO(WAIT) | TO(SETTLE)},
    [WP_EXCHANGE_SETTLE] = {"settling the accounts", TO(DONE)},
    [WP_EXCHANGE_DONE] = {"done", 0},
#undef TO
};

void wp_exchange_set(struct wp_exchange *x, enum wp_exchange_state state)
{
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    WP_CHECK(STATES[x->state].next & (1u << state));
    x->state = state;
    x->state_since_ns = wp_loop_now_ns(x->worker->loop);
}

void wp_exchange_step(struct wp_exchange *x, enum wp_stage stage, void (*fn)(void *exchange))
{
    wp_deferred_init(&x->step, stage, fn, x);
    wp_loop_defer(x->worker->loop, &x->step);
}

const char *wp_exchange_action(const struct wp_exchange *x)
{
    return STATES[x->state].action;
}

static struct wp_exchange *exchange_of(void *state)
{
    struct wp_exchange *x = state;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    return x;
}

// Session headers in LiteLLM's order; a value of at least 8 harmless characters.
static bool session_value_ok(wp_view value)
{
    if (value.len < 8 || value.len > 128)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
        if (!ok)
            return false;
    }
    return true;
}

static wp_view session_of(const struct wp_headers *headers)
{
    static const wp_view names[] = {
        {"x-litellm-trace-id", 18}, {"x-litellm-session-id", 20}, {"x-claude-code-session-id", 24}};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        wp_view value = wp_headers_find(headers, names[i]);
        if (session_value_ok(value))
            return value;
    }
    for (size_t i = 0; i < headers->count; i++) {
        wp_view name = headers->list[i].name;
        if (name.len > 13 && wp_view_starts_with_nocase(name, WP_VIEW("x-")) &&
            wp_view_eq_nocase(wp_view_skip(name, name.len - 11), WP_VIEW("-session-id")) &&
            session_value_ok(headers->list[i].value))
            return headers->list[i].value;
    }
    return (wp_view){NULL, 0};
}

static uint64_t body_limit(const struct wp_front *front)
{
    uint64_t configured = front->runtime->snapshot->general.max_request_bytes;
    return configured != 0 ? configured : 32u * 1024 * 1024;
}

static void inspect(void *exchange);

static void body_ended(struct wp_exchange *x)
{
    x->body_end_ns = wp_now_ns();
    wp_exchange_set(x, WP_EXCHANGE_INSPECT);
    wp_exchange_step(x, WP_STAGE_INSPECT, inspect);
}

// The body lies in the memory that goes with it; a small one shares a chunk with what is found in
// it.
static bool reserve_body(struct wp_exchange *x, size_t announced)
{
    x->body_arena = wp_arena_create_with(BODY_ARENA_MAX + announced, BODY_ARENA_FIRST);
    char *room = x->body_arena == NULL ? NULL : wp_arena_raw(x->body_arena, announced);
    if (room != NULL)
        x->body = wp_buf_make_in(room, announced, x->body.max);
    return room != NULL;
}

// Bodies are taken as they are: what is packed would have to be unpacked against its own bomb.
static bool is_encoded(const struct wp_request_head *head)
{
    wp_view encoding = wp_headers_get(&head->headers, "content-encoding");
    return encoding.len > 0 && !wp_view_eq_nocase(encoding, WP_VIEW("identity"));
}

static void *begin(struct wp_front *front)
{
    struct wp_exchange *x = WP_ARENA_NEW(front->arena, struct wp_exchange);
    if (x == NULL) {
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return NULL;
    }
    x->magic = WP_EXCHANGE_MAGIC;
    x->tries = &x->first_try;
    x->try_room = 1;
    x->state_since_ns = front->accepted_ns;
    x->front = front;
    x->worker = front->worker;
    x->gateway = front->gateway;
    x->arena = front->arena;
    x->operation = front->route->kind == WP_OP_IN_PATH ? WP_OP_MESSAGES
                                                       : (enum wp_operation)front->route->kind;
    x->dialect = wp_dialect_of(front->head);
    x->body = wp_buf_make(body_limit(front));
    x->upstream_error_body = wp_buf_make(WP_UPSTREAM_ERROR_MAX);
    x->hold = wp_buf_make(WP_JSON_ANSWER_MAX);
    x->session_id = session_of(&front->head->headers);
    wp_deferred_init(&x->step, WP_STAGE_INSPECT, inspect, x);
    wp_timer_init(&x->timer, front->worker->loop, NULL, x);
    wp_timer_init(&x->ping, front->worker->loop, NULL, x);
    atomic_fetch_add(&x->gateway->counters.in_flight, 1);
    wp_exchange_set(x, WP_EXCHANGE_BODY);
    front->state = x; // an early answer must find it
    enum wp_err err = front->route->kind == WP_OP_IN_PATH
                          ? wp_model_path_parse(x->arena, x->dialect, front->head->path, &x->asked)
                          : WP_OK;
    if (err != WP_OK) {
        wp_exchange_fail(x, err, (wp_view){NULL, 0}, err == WP_ERR_NO_MEMORY ? 1000 : -1);
        return x;
    }
    if (front->route->kind == WP_OP_IN_PATH)
        x->operation = x->asked.operation;
    if (is_encoded(front->head)) {
        wp_exchange_fail(x, WP_ERR_MEDIA_TYPE,
                         WP_VIEW("Content-Encoding of the request is not supported; send the body "
                                 "uncompressed"),
                         -1);
        return x;
    }
    uint64_t announced = front->head->content_length;
    if (!front->head->has_body) {
        body_ended(x);
    } else if (announced != UINT64_MAX && announced > x->body.max) {
        wp_exchange_fail(x, WP_ERR_TOO_LARGE, (wp_view){NULL, 0}, -1);
    } else if (announced != UINT64_MAX && !reserve_body(x, (size_t)announced)) {
        wp_exchange_fail(x, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1000);
    } else {
        wp_request_read_body(front->request);
    }
    return x;
}

static char *body_room(void *state, size_t *room)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->state != WP_EXCHANGE_BODY)
        return NULL;
    *room = x->body.capacity - x->body.len;
    return x->body.ptr == NULL ? NULL : x->body.ptr + x->body.len;
}

// What has come of a large body is read while the rest is on its way: when the last byte is there,
// only the tail is left. Only where it lies still, in room for all of it, and is JSON as it comes.
static void read_ahead(struct wp_exchange *x)
{
    enum { PIECE = 32 * 1024 };
    uint64_t announced = x->front->head->content_length;
    if (x->dialect != WP_DIALECT_ANTHROPIC || announced == UINT64_MAX || x->body.len == announced ||
        x->body.len < x->read_at + PIECE)
        return;
    if (x->body_arena == NULL)
        x->body_arena = wp_arena_create_with(BODY_ARENA_MAX, BODY_ARENA_FIRST);
    if (x->reader == NULL && x->body_arena != NULL)
        x->reader = wp_request_begin(x->body_arena, x->body.ptr);
    if (x->reader == NULL)
        return; // the scan of the whole tells that memory is short
    x->read_at = x->body.len;
    wp_request_more(x->reader, x->body.len);
}

// Of a very large body each fresh page is a third of what its bytes cost. Who has sent this much
// may have more memory at once.
static void enlarge_pages(const struct wp_buf *body, size_t before)
{
    enum { VERY_LARGE = 4 * 1024 * 1024, BEGUN = 1024 * 1024 };
    if (body->capacity >= VERY_LARGE && before < BEGUN && body->len >= BEGUN)
        wp_pages_enlarge(body->ptr + body->len, body->capacity - body->len);
}

static void on_body(void *state, wp_view bytes)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->state != WP_EXCHANGE_BODY)
        return;
    if (x->body.ptr != NULL && bytes.ptr == x->body.ptr + x->body.len) { // read in place
        x->body.len += bytes.len;
        enlarge_pages(&x->body, x->body.len - bytes.len);
        read_ahead(x);
        return;
    }
    bool too_large = bytes.len > x->body.max - x->body.len;
    wp_buf_append(&x->body, bytes);
    if (!wp_buf_ok(&x->body))
        wp_exchange_fail(x, too_large ? WP_ERR_TOO_LARGE : WP_ERR_NO_MEMORY, (wp_view){NULL, 0},
                         -1);
    else
        read_ahead(x);
}

static void on_body_end(void *state)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->state == WP_EXCHANGE_BODY)
        body_ended(x);
}

// What only the scan can tell: JSON, shape, model.
static enum wp_err scan(struct wp_exchange *x, wp_view *message)
{
    const char *detail = NULL;
    size_t offset = 0;
    enum wp_err err = WP_OK;
    if (x->dialect != WP_DIALECT_ANTHROPIC)
        err = wp_model_body_unwrap(x->arena, x->dialect, &x->asked, &x->body, &detail);
    x->body_bytes = x->body.len;
    if (x->body_arena == NULL)
        x->body_arena = wp_arena_create_with(BODY_ARENA_MAX, BODY_ARENA_FIRST);
    if (x->body_arena == NULL)
        return WP_ERR_NO_MEMORY;
    if (err == WP_OK && x->reader != NULL)
        err = wp_request_end(x->reader, x->body.len, &x->request, &detail, &offset);
    else if (err == WP_OK)
        err = wp_request_scan(x->body_arena, wp_buf_view(&x->body), &x->request, &detail, &offset);
    if (err == WP_OK) { // what outlives the body
        x->request.model = wp_arena_copy(x->arena, x->request.model);
        x->request.session_id = wp_arena_copy(x->arena, x->request.session_id);
        if (x->request.model.ptr == NULL || x->request.session_id.ptr == NULL)
            err = WP_ERR_NO_MEMORY;
    }
    if (err == WP_ERR_INVALID_JSON && detail != NULL)
        *message = wp_arena_printf(x->arena, "The request body is not valid JSON: %s (byte %zu)",
                                   detail, offset);
    else if (err != WP_OK && detail != NULL)
        *message = wp_view_of(detail);
    return err;
}

// A session interleaves its main loop, subagents and titles: each is compared with its own kind.
static void note_history(struct wp_exchange *x)
{
    wp_view agent = wp_headers_get(&x->front->head->headers, "x-claude-code-agent-id");
    wp_view stream = {NULL, 0};
    if (x->session_id.len == 0 || x->operation != WP_OP_MESSAGES) {
        wp_exchange_follow(x, stream);
        return;
    }
    const wp_view parts[] = {wp_view_of(x->front->caller.key_hash),
                             WP_VIEW(" "),
                             x->session_id,
                             WP_VIEW(" "),
                             wp_view_sub(agent, 0, 128),
                             WP_VIEW(" "),
                             wp_view_sub(x->request.model, 0, 128),
                             x->request.tool_count > 0 ? WP_VIEW(" 1") : WP_VIEW(" 0")};
    stream = wp_arena_concat(x->arena, parts, WP_COUNT_OF(parts));
    wp_history_note(x->gateway->history, stream, &x->prompt, &x->divergence);
    x->history_stream = stream;
    wp_exchange_follow(x, stream);
}

// One chain serves all candidates: what kills the head on some of them only is left to correction.
static bool thinking_in_head(const struct wp_exchange *x)
{
    for (size_t i = 0; i < x->group.count; i++)
        if (!x->models[i].thinking_in_head)
            return false;
    return x->group.count > 0;
}

static enum wp_err build_prompt(struct wp_exchange *x)
{
    const struct wp_chain_options options = {
        .key = wp_router_hash_key(x->gateway->router),
        .scratch = x->body_arena,
        .thinking_in_head = thinking_in_head(x),
        .betas = wp_headers_get(&x->front->head->headers, "anthropic-beta"),
        .collapse_tool_runs =
            x->group.count > 0 && x->group.deployments[0]->platform == WP_PLATFORM_ANTHROPIC,
    };
    enum wp_err err = wp_chain_build(x->arena, &x->request, &options, &x->prompt);
    x->has_prompt = err == WP_OK;
    if (x->has_prompt)
        note_history(x);
    // A chain that cannot be built only costs the routing, not the request.
    return err == WP_ERR_NO_MEMORY ? err : WP_OK;
}

static wp_view unknown_model(struct wp_exchange *x)
{
    size_t count;
    const wp_view *names = wp_snapshot_public_models(x->front->runtime->snapshot, &count);
    struct wp_buf text = wp_buf_make(4096);
    wp_buf_append_cstring(&text, "model: ");
    wp_buf_append(&text, wp_view_sub(x->request.model, 0, 200));
    wp_buf_append_cstring(&text, " is not configured here. Configured: ");
    for (size_t i = 0; i < count && i < 20 && text.len < 2000; i++) {
        wp_buf_append_cstring(&text, i > 0 ? ", " : "");
        wp_buf_append(&text, wp_view_sub(names[i], 0, 200));
    }
    wp_view message = wp_arena_copy(x->arena, wp_buf_view(&text));
    wp_buf_free(&text);
    return message;
}

static uint32_t wanted_retries(const struct wp_exchange *x)
{
    uint64_t asked;
    wp_view header = wp_headers_get(&x->front->head->headers, "x-litellm-num-retries");
    if (header.len > 0 && wp_view_parse_u64(header, &asked))
        return asked > 10 ? 10 : (uint32_t)asked;
    return x->front->runtime->snapshot->router.num_retries;
}

static void inspect(void *exchange)
{
    struct wp_exchange *x = exchange_of(exchange);
    wp_view message = {NULL, 0};
    enum wp_err err = scan(x, &message);
    if (err == WP_OK) {
        if (x->session_id.len == 0)
            x->session_id = x->request.session_id;
        x->retries_max = wanted_retries(x);
        err = wp_exchange_enter_group(x, x->request.model);
        x->asked_group = x->group.group;
        if (err == WP_ERR_UNKNOWN_MODEL)
            message = unknown_model(x);
    }
    if (err == WP_OK)
        err = build_prompt(x);
    if (err != WP_OK) {
        wp_exchange_fail(x, err, message, err == WP_ERR_NO_MEMORY ? 1000 : -1);
        return;
    }
    wp_retry_budget_earn(&x->gateway->retry_budget,
                         x->front->runtime->snapshot->router.retry_budget);
    wp_exchange_plan(x);
}

void wp_exchange_drop_body(struct wp_exchange *x)
{
    const struct wp_general_settings *general = &x->front->runtime->snapshot->general;
    bool sent = x->call == NULL || wp_call_timing(x->call)->sent != 0;
    bool wanted = general->store_prompts || x->tries[x->try_count - 1].deployment->keep_warm;
    if (wanted || !sent)
        return;
    struct wp_request kept = {
        .model = x->request.model,
        .session_id = x->request.session_id,
        .stream = x->request.stream,
        .has_stream = x->request.has_stream,
        .max_tokens = x->request.max_tokens,
        .has_max_tokens = x->request.has_max_tokens,
        .tool_count = x->request.tool_count,
    };
    x->request = kept;
    x->upstream = NULL;
    x->models = NULL;
    x->plan_request.models = NULL;
    for (size_t i = 0; i < x->plan->count; i++)
        x->plan->candidates[i].model = NULL;
    wp_buf_free(&x->body);
    wp_arena_destroy(x->body_arena);
    x->body_arena = NULL;
    x->reader = NULL;
}

static void on_drain(void *state)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->upstream_paused && x->call != NULL) {
        x->upstream_paused = false;
        wp_call_resume(x->call);
    }
}

static void on_abort(void *state, enum wp_err err)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->state == WP_EXCHANGE_DONE)
        return;
    x->client_gone = true;
    x->ended = true;
    if (x->http_status == 0)
        x->http_status = 499; // what nginx and LiteLLM log for a client that left
    if (x->err == WP_OK)
        x->err = err == WP_OK ? WP_ERR_CLIENT_GONE : err;
    wp_exchange_estimate_output(x);
    wp_exchange_cancel_attempt(x, WP_OUTCOME_CANCELLED);
    wp_exchange_record(x);
}

static void on_closed(void *state)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->state != WP_EXCHANGE_DONE) {
        if (x->err == WP_OK && !x->complete)
            x->err = WP_ERR_CLIENT_GONE;
        wp_exchange_cancel_attempt(x, WP_OUTCOME_CANCELLED);
        wp_exchange_record(x);
    }
    wp_timer_stop(&x->timer);
    wp_timer_stop(&x->ping);
    wp_buf_free(&x->body);
    wp_arena_destroy(x->body_arena);
    wp_buf_free(&x->hold);
    wp_buf_free(&x->upstream_error_body);
    if (x->reframe != NULL)
        wp_reframe_free(x->reframe);
    atomic_fetch_sub(&x->gateway->counters.in_flight, 1);
    x->magic = 0;
}

const struct wp_service wp_exchange_service = {
    .begin = begin,
    .body_room = body_room,
    .body = on_body,
    .body_end = on_body_end,
    .drain = on_drain,
    .abort = on_abort,
    .closed = on_closed,
};
