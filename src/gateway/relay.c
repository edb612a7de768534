// The client side of an exchange: what is held back, when the head goes out, how it ends.
#include "gateway/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    HOLD_FIRST = 512, // room at once for what mostly follows the first bytes that are held
    HOLD_MOST = 4096, // that lie in the request's memory
    FIELDS_MOSTLY = 16
};

static uint32_t keepalive_ms(const struct wp_exchange *x)
{
    uint32_t ms = x->answer_options.deployment->keepalive_ms;
    return ms != 0 ? ms : 15000;
}

static void send_bytes(void *exchange, wp_view bytes)
{
    struct wp_exchange *x = exchange;
    bool pause = false;
    if (x->ended || bytes.len == 0)
        return;
    x->last_write_ns = wp_loop_now_ns(x->worker->loop);
    x->response_bytes += bytes.len;
    if (wp_response_write(x->front->request, bytes, &pause) != WP_OK) {
        x->writing_failed = true; // on_abort follows
        return;
    }
    if (pause && x->call != NULL && !x->upstream_paused) {
        x->upstream_paused = true;
        wp_call_pause(x->call);
    }
}

static bool make_reframe(struct wp_exchange *x)
{
    if (x->reframe != NULL)
        return true;
    x->reframe = WP_ARENA_NEW(x->arena, struct wp_reframe);
    if (x->reframe != NULL)
        wp_reframe_init(x->reframe);
    return x->reframe != NULL;
}

// `sse` in the client's dialect.
static void send_to_client(struct wp_exchange *x, wp_view sse)
{
    if (x->dialect != WP_DIALECT_BEDROCK || x->ended)
        send_bytes(x, sse);
    else if (!make_reframe(x) || wp_reframe_feed(x->reframe, sse, send_bytes, x) != WP_OK)
        x->writing_failed = true;
}

// What is held back first lies beside the request, and goes with it.
static void hold(struct wp_exchange *x, wp_view bytes)
{
    size_t size = bytes.len + HOLD_FIRST;
    bool beside = x->hold.ptr == NULL && x->body_arena != NULL && size <= HOLD_MOST;
    char *room = beside ? wp_arena_raw(x->body_arena, size) : NULL;
    if (room != NULL)
        x->hold = wp_buf_make_in(room, size, x->hold.max);
    if (x->hold.ptr != NULL || wp_buf_reserve(&x->hold, size))
        wp_buf_append(&x->hold, bytes);
}

void wp_exchange_write(void *exchange, wp_view bytes)
{
    struct wp_exchange *x = exchange;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    if (x->committed && x->gather != NULL)
        wp_buf_append(x->gather, bytes);
    else if (x->committed)
        send_to_client(x, bytes);
    else
        hold(x, bytes);
}

bool wp_exchange_feed(struct wp_exchange *x, wp_view bytes)
{
    char room[8192];
    struct wp_buf gather = wp_buf_make_in(room, sizeof(room), WP_JSON_ANSWER_MAX);
    x->gather = &gather;
    wp_answer_feed(x->answer, bytes, wp_exchange_write, x);
    x->gather = NULL;
    bool ok = wp_buf_ok(&gather);
    send_to_client(x, wp_buf_view(&gather));
    wp_buf_free(&gather);
    return ok;
}

static void ping_due(void *arg);

static void arm_ping(struct wp_exchange *x, uint64_t ms)
{
    wp_timer_init(&x->ping, x->worker->loop, ping_due, x);
    wp_timer_start(&x->ping, ms);
}

// Bedrock sends no pings; clients and middleboxes give up on silence (after 60 s, 300 s).
// The timer looks at the last write instead of being restarted by each.
static void ping_due(void *arg)
{
    static const char event[] = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    struct wp_exchange *x = arg;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    if (x->ended || !x->committed)
        return;
    uint64_t silent_ms = (wp_now_ns() - x->last_write_ns) / 1000000u, limit = keepalive_ms(x);
    if (silent_ms + 5 < limit) {
        arm_ping(x, limit - silent_ms);
        return;
    }
    if (!x->answer->in_event && !x->upstream_paused)
        send_to_client(x, wp_view_make(event, sizeof(event) - 1));
    arm_ping(x, limit);
}

static enum wp_err add_stream_type(struct wp_exchange *x, struct wp_headers *headers)
{
    if (x->dialect != WP_DIALECT_BEDROCK)
        return wp_headers_add(headers, WP_VIEW("content-type"),
                              WP_VIEW("text/event-stream; charset=utf-8"));
    enum wp_err err = wp_headers_add(headers, WP_VIEW("content-type"),
                                     WP_VIEW("application/vnd.amazon.eventstream"));
    if (err == WP_OK)
        err = wp_headers_add(headers, WP_VIEW("x-amzn-bedrock-content-type"),
                             WP_VIEW("application/json"));
    return err;
}

static enum wp_err response_headers(struct wp_exchange *x, struct wp_headers *headers)
{
    // They are written at once: their strings need not stay with a long stream.
    struct wp_arena *arena = x->body_arena != NULL ? x->body_arena : x->arena;
    wp_headers_init(headers, arena);
    if (!wp_headers_reserve(headers, FIELDS_MOSTLY))
        return WP_ERR_NO_MEMORY;
    enum wp_err err = wp_answer_headers(&x->answer_options, headers);
    if (err == WP_OK && x->answer_options.stream) {
        err = add_stream_type(x, headers);
        if (err == WP_OK)
            err = wp_headers_add(headers, WP_VIEW("cache-control"), WP_VIEW("no-cache"));
        // nginx in front must not buffer the stream
        if (err == WP_OK)
            err = wp_headers_add(headers, WP_VIEW("x-accel-buffering"), WP_VIEW("no"));
    } else if (err == WP_OK) {
        err = wp_headers_add(headers, WP_VIEW("content-type"), WP_VIEW("application/json"));
    }
    return err == WP_OK ? wp_exchange_headers(x, headers) : err;
}

static void give_up(struct wp_exchange *x)
{
    x->ended = true;
    wp_exchange_cancel_attempt(x, WP_OUTCOME_CANCELLED);
    wp_response_abort(x->front->request);
    wp_exchange_record(x);
}

void wp_exchange_commit(struct wp_exchange *x)
{
    struct wp_headers headers;
    if (x->ended || x->committed)
        return;
    wp_timer_stop(&x->timer);
    x->commit_ns = wp_now_ns();
    enum wp_err err = response_headers(x, &headers);
    if (err == WP_OK)
        err = wp_response_head(x->front->request, 200, &headers, UINT64_MAX);
    if (err != WP_OK || !wp_buf_ok(&x->hold)) {
        x->err = err != WP_OK ? err : WP_ERR_NO_MEMORY;
        give_up(x);
        return;
    }
    x->committed = true;
    x->http_status = 200;
    send_to_client(x, wp_buf_view(&x->hold));
    wp_buf_free(&x->hold);
    wp_exchange_drop_body(x);
    arm_ping(x, keepalive_ms(x));
}

void wp_document_add(void *document, wp_view bytes)
{
    struct wp_document *d = document;
    WP_CHECK(d->count < WP_ANSWER_PARTS);
    d->parts[d->count++] = bytes;
}

// A count as Bedrock's clients read it; false: memory is short.
static bool as_bedrock_count(struct wp_exchange *x, struct wp_document *document)
{
    wp_view whole = wp_arena_concat(x->arena, document->parts, document->count);
    if (whole.ptr != NULL)
        whole = wp_bedrock_count_answer(x->arena, whole);
    *document = (struct wp_document){.parts = {whole}, .count = 1};
    return whole.ptr != NULL;
}

// Of what goes to the client nothing else is left when the row is written.
static void keep_for_row(struct wp_exchange *x, const struct wp_document *document)
{
    for (size_t i = 0; i < document->count; i++)
        wp_buf_append(&x->hold, document->parts[i]);
    if (!wp_buf_ok(&x->hold))
        wp_buf_free(&x->hold);
}

static void send_json(struct wp_exchange *x, struct wp_document document)
{
    struct wp_headers headers;
    x->commit_ns = wp_now_ns();
    x->http_status = x->upstream_status;
    for (size_t i = 0; i < document.count; i++)
        x->response_bytes += document.parts[i].len;
    x->ended = true;
    if (x->front->runtime->snapshot->general.store_prompts)
        keep_for_row(x, &document);
    bool counted = x->dialect == WP_DIALECT_BEDROCK && x->operation == WP_OP_COUNT_TOKENS;
    if ((counted && !as_bedrock_count(x, &document)) || response_headers(x, &headers) != WP_OK) {
        x->err = WP_ERR_NO_MEMORY;
        wp_response_abort(x->front->request);
        return;
    }
    wp_response_send_parts(x->front->request, x->upstream_status, &headers, document.parts,
                           document.count);
}

void wp_exchange_complete(struct wp_exchange *x, const struct wp_document *document)
{
    wp_timer_stop(&x->timer);
    wp_timer_stop(&x->ping);
    if (x->answer_options.stream) {
        wp_exchange_estimate_output(x);
        wp_exchange_commit(x);
        if (!x->ended)
            wp_response_end(x->front->request);
        x->ended = true;
    } else {
        send_json(x, *document);
    }
    x->complete = true; // the books wait for on_closed: the answer leaves first
}

// Whole answers: errors and estimates.

static enum wp_err whole_headers(struct wp_exchange *x, int64_t retry_after_ms, bool never_retry,
                                 struct wp_headers *headers)
{
    wp_headers_init(headers, x->arena);
    enum wp_err err = wp_headers_add(headers, WP_VIEW("content-type"), WP_VIEW("application/json"));
    if (err == WP_OK && retry_after_ms >= 0) {
        wp_view seconds =
            wp_arena_printf(x->arena, "%lld", (long long)((retry_after_ms + 999) / 1000));
        err = wp_headers_add(headers, WP_VIEW("retry-after"), seconds);
    }
    if (err == WP_OK && never_retry)
        err = wp_headers_add(headers, WP_VIEW("x-should-retry"), WP_VIEW("false"));
    if (err == WP_OK && x->err == WP_ERR_MEDIA_TYPE) // RFC 9110 15.5.16: what is taken instead
        err = wp_headers_add(headers, WP_VIEW("accept-encoding"), WP_VIEW("identity"));
    if (err == WP_OK && x->dialect == WP_DIALECT_BEDROCK && x->error_type.len > 0)
        err = wp_headers_add(headers, WP_VIEW("x-amzn-errortype"),
                             wp_view_of(wp_bedrock_error_type(x->error_type)));
    return err == WP_OK ? wp_exchange_headers(x, headers) : err;
}

static void send_whole(struct wp_exchange *x, int status, wp_view body, int64_t retry_after_ms,
                       bool never_retry, wp_view id)
{
    struct wp_headers headers;
    enum wp_err err = whole_headers(x, retry_after_ms, never_retry, &headers);
    if (err == WP_OK)
        err = wp_headers_add(&headers, WP_VIEW("request-id"),
                             id.len > 0 ? id : wp_view_of(x->front->call_id));
    x->http_status = status;
    x->ended = true;
    x->response_bytes = body.len;
    if (err != WP_OK || body.ptr == NULL)
        wp_response_abort(x->front->request);
    else
        wp_response_send(x->front->request, status, &headers, body);
}

// After the first byte: one error event in the client's dialect, then the end.
static void send_error_event(struct wp_exchange *x, wp_view type, wp_view message)
{
    char name[64];
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(type));
    wp_view event =
        wp_anthropic_error_event(x->arena, name, message, wp_view_of(x->front->call_id));
    if (event.ptr != NULL && !x->answer->in_event)
        send_to_client(x, event);
    if (!x->ended)
        wp_response_end(x->front->request);
    x->ended = true;
}

// An error before the first byte, in the client's dialect.
static void send_error(struct wp_exchange *x, int status, wp_view type, wp_view message,
                       int64_t retry_after_ms, bool never_retry)
{
    char name[64];
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(type));
    x->error_type = type;
    wp_view body =
        x->dialect == WP_DIALECT_BEDROCK
            ? wp_bedrock_error_body(x->arena, message)
            : wp_anthropic_error_body(x->arena, name, message, wp_view_of(x->front->call_id));
    send_whole(x, status, body, retry_after_ms, never_retry, (wp_view){NULL, 0});
}

void wp_exchange_fail(struct wp_exchange *x, enum wp_err err, wp_view message,
                      int64_t retry_after_ms)
{
    const struct wp_err_info *info = wp_err_info(err);
    if (message.len == 0)
        message = wp_view_of(info->sentence);
    x->err = err;
    x->error_message = message;
    wp_exchange_cancel_attempt(x, WP_OUTCOME_REFUSED);
    if (!x->ended && x->committed) {
        send_error_event(x, wp_view_of(info->type), message);
    } else if (!x->ended) {
        send_error(x, info->status, wp_view_of(info->type), message, retry_after_ms, false);
    }
    wp_exchange_record(x);
}

static int64_t client_retry_after(const struct wp_upstream_error *error)
{
    bool waiting_helps = error->status == 429 || error->status == 503;
    if (!waiting_helps || error->never_retry)
        return -1;
    if (error->retry_after_ms < 1000)
        return 1000;
    return error->retry_after_ms > 60000 ? 60000 : error->retry_after_ms;
}

// Without an answer each count becomes a billed request of the client's own:
// where no platform counts, an estimate is better than an error.
bool wp_exchange_estimate(struct wp_exchange *x)
{
    // What the client has to mend; another 4xx says that the call is not there.
    int status = x->has_last_error ? x->last_error.status : 0;
    bool clients = x->last_error.err == WP_ERR_UPSTREAM_REFUSED &&
                   (status == 400 || status == 413 || status == 422);
    if (x->operation != WP_OP_COUNT_TOKENS || x->ended || !x->has_prompt || clients)
        return false;
    wp_view body = wp_arena_printf(x->arena, "{\"input_tokens\":%u}", x->prompt.tokens);
    if (x->dialect == WP_DIALECT_BEDROCK)
        body = wp_bedrock_count_answer(x->arena, body);
    x->err = WP_OK;
    x->estimated = true;
    send_whole(x, 200, body, -1, false, (wp_view){NULL, 0});
    wp_exchange_record(x);
    return true;
}

void wp_exchange_fail_upstream(struct wp_exchange *x)
{
    if (wp_exchange_estimate(x))
        return;
    const struct wp_upstream_error *error = &x->last_error;
    x->err = error->err;
    x->error_message = error->message;
    if (x->err == WP_ERR_NOT_SUPPORTED) {
        // The platform lacks a feature that the request needs: the client's to change.
        wp_exchange_fail(x, WP_ERR_INVALID, error->message, -1);
        return;
    }
    if (!x->ended && x->committed)
        send_error_event(x, error->type, error->words);
    else if (!x->ended && x->dialect == WP_DIALECT_BEDROCK)
        send_error(x, error->status, error->type, error->words, client_retry_after(error),
                   error->never_retry);
    else if (!x->ended)
        send_whole(x, error->status, error->body, client_retry_after(error), error->never_retry,
                   x->upstream_request_id);
    wp_exchange_record(x);
}
