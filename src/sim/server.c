// The endpoints of the simulated provider and the life of one call.
#include <stdio.h>

#include "aws/sigv4.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/random.h"
#include "http/event_stream.h"
#include "sim/private.h"
#include "json/writer.h"

enum endpoint {
    END_INVOKE,
    END_INVOKE_STREAM,
    END_BEDROCK_COUNT,
    END_MESSAGES,
    END_COUNT,
    END_MODELS,
    END_CONTROL,
    END_UNKNOWN,
};

struct call {
    uint32_t magic;
    struct wp_sim *sim;
    struct wp_server_request *request;
    const struct wp_request_head *head;
    struct wp_arena *arena;
    struct wp_buf body;
    enum endpoint endpoint;
    enum sim_platform platform;
    wp_view model; // of the path
    struct sim_account *account;
    size_t log_index; // in account->log; SIZE_MAX: none
    struct sim_request parsed;
    struct sim_usage usage;
    struct sim_cache_use use;
    struct sim_answer answer;
    struct sim_fault fault;
    bool faulty;
    bool begun, ended; // the cache knows; the response is over
    size_t next;       // event to send
    struct wp_timer timer;
};

int64_t sim_now_ms(const struct wp_sim *sim)
{
    return (int64_t)(wp_now_ns() / 1000000u) + sim->clock_offset_ms;
}

static struct call *call_of(void *state)
{
    struct call *call = state;
    WP_CHECK_MAGIC(call, SIM_CALL_MAGIC);
    return call;
}

// Answers that are not events ------------------------------------------------------------------

static struct sim_logged *logged(struct call *call)
{
    return call->log_index == SIZE_MAX ? NULL : &call->account->log[call->log_index];
}

static void send_whole(struct call *call, int status, const char *content_type, wp_view body,
                       const struct wp_header *extra, size_t count)
{
    struct wp_headers headers;
    char id[37];
    wp_headers_init(&headers, call->arena);
    wp_random_uuid(id);
    wp_view request_id = wp_arena_copy(call->arena, wp_view_of(id));
    const char *id_name = call->platform == SIM_BEDROCK ? "x-amzn-requestid" : "request-id";
    bool ok =
        wp_headers_add(&headers, WP_VIEW("content-type"), wp_view_of(content_type)) == WP_OK &&
        wp_headers_add(&headers, wp_view_of(id_name), request_id) == WP_OK;
    for (size_t i = 0; i < count && ok; i++)
        ok = wp_headers_add(&headers, extra[i].name, extra[i].value) == WP_OK;
    call->ended = true;
    if (logged(call) != NULL)
        logged(call)->status = status;
    if (ok)
        wp_response_send(call->request, status, &headers, body);
    else
        wp_response_abort(call->request);
}

static const char *anthropic_type(int status)
{
    switch (status) {
    case 400:
        return "invalid_request_error";
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 504:
        return "timeout_error";
    case 529:
        return "overloaded_error";
    default:
        return "api_error";
    }
}

static const char *aws_type(int status)
{
    switch (status) {
    case 400:
        return "ValidationException";
    case 403:
        return "AccessDeniedException";
    case 404:
        return "ResourceNotFoundException";
    case 408:
        return "ModelTimeoutException";
    case 424:
        return "ModelErrorException";
    case 429:
        return "ThrottlingException";
    case 503:
        return "ServiceUnavailableException";
    default:
        return "InternalServerException";
    }
}

static void send_error(struct call *call, int status, wp_view message, const char *type,
                       const char *retry_after)
{
    struct wp_buf buf = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    struct wp_header extra[3];
    size_t count = 0;
    bool bedrock = call->platform == SIM_BEDROCK;
    if (type == NULL || type[0] == '\0')
        type = bedrock ? aws_type(status) : anthropic_type(status);
    wp_json_open_object(&w, NULL);
    if (bedrock) {
        wp_json_put_str(&w, "message", message);
        extra[count++] = (struct wp_header){WP_VIEW("x-amzn-errortype"), wp_view_of(type)};
    } else {
        wp_json_put_cstr(&w, "type", "error");
        wp_json_open_object(&w, "error");
        wp_json_put_cstr(&w, "type", type);
        wp_json_put_str(&w, "message", message);
        wp_json_close(&w);
    }
    wp_json_close(&w);
    if (retry_after != NULL && retry_after[0] != '\0')
        extra[count++] = (struct wp_header){WP_VIEW("retry-after"), wp_view_of(retry_after)};
    if (call->faulty && call->fault.retry_after_ms[0] != '\0')
        extra[count++] =
            (struct wp_header){WP_VIEW("retry-after-ms"), wp_view_of(call->fault.retry_after_ms)};
    wp_view body = wp_arena_copy(call->arena, wp_buf_view(&buf));
    wp_buf_free(&buf);
    if (call->account != NULL)
        call->account->failures++;
    send_whole(call, status, "application/json", body, extra, count);
}

// Who calls ------------------------------------------------------------------------------------

static wp_view secret_of(void *arg, wp_view access_key_id)
{
    struct wp_sim *sim = arg;
    for (size_t i = 0; i < sim->account_count; i++)
        if (wp_view_is(access_key_id, sim->accounts[i].config.access_key_id))
            return wp_view_of(sim->accounts[i].config.secret_access_key);
    return (wp_view){NULL, 0};
}

// AWS accepts a signature for five minutes around its own clock. The date is "20261124T083000Z".
static bool is_skewed(wp_view date)
{
    enum { ACCEPTED_MS = 300000 };
    char text[32];
    int64_t signed_ms;
    if (date.len != 16)
        return true;
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date.ptr, date.ptr + 4,
             date.ptr + 6, date.ptr + 9, date.ptr + 11, date.ptr + 13);
    if (!wp_parse_time(wp_view_of(text), &signed_ms))
        return true;
    int64_t apart = signed_ms - wp_wall_ms();
    return apart > ACCEPTED_MS || apart < -ACCEPTED_MS;
}

static struct sim_account *by_signature(struct call *call, const char **reason)
{
    struct wp_sim *sim = call->sim;
    wp_view access_key_id;
    size_t question = wp_view_find_char(call->head->target, '?');
    struct wp_sigv4_request request = {
        .method = call->head->method,
        .host = wp_headers_get(&call->head->headers, "host"),
        .path = wp_view_sub(call->head->target, 0, question),
        .query = call->head->query,
    };
    wp_sha256_hex(wp_buf_view(&call->body), request.payload_hash);
    if (!wp_sigv4_verify(&request, &call->head->headers, secret_of, sim, call->arena,
                         &access_key_id, reason))
        return NULL;
    if (is_skewed(wp_headers_get(&call->head->headers, "x-amz-date"))) {
        *reason = "Signature expired or not yet current";
        return NULL;
    }
    for (size_t i = 0; i < sim->account_count; i++)
        if (wp_view_is(access_key_id, sim->accounts[i].config.access_key_id))
            return &sim->accounts[i];
    return NULL;
}

static struct sim_account *by_key(struct call *call)
{
    wp_view authorization = wp_headers_get(&call->head->headers, "authorization");
    wp_view key = wp_headers_get(&call->head->headers, "x-api-key");
    if (wp_view_starts_with_nocase(authorization, WP_VIEW("Bearer ")))
        key = wp_view_trim(wp_view_skip(authorization, 7));
    for (size_t i = 0; i < call->sim->account_count && key.len > 0; i++) {
        const struct wp_sim_account_config *config = &call->sim->accounts[i].config;
        const char *wanted = call->platform == SIM_ANTHROPIC ? config->api_key : config->bearer;
        bool mantle = call->platform == SIM_ANTHROPIC && wp_view_is(key, config->bearer);
        if (mantle || wp_view_is(key, wanted))
            return &call->sim->accounts[i];
    }
    return NULL;
}

static bool authenticate(struct call *call)
{
    const char *reason = NULL;
    wp_view authorization = wp_headers_get(&call->head->headers, "authorization");
    if (wp_view_starts_with(authorization, WP_VIEW("AWS4-HMAC-SHA256")))
        call->account = by_signature(call, &reason);
    else
        call->account = by_key(call);
    if (call->account != NULL)
        return true;
    call->sim->unauthorized++;
    if (call->platform == SIM_BEDROCK)
        send_error(call, 403,
                   reason != NULL
                       ? wp_arena_printf(call->arena,
                                         "The request signature we calculated does not match the "
                                         "signature you provided. (%s)",
                                         reason)
                       : WP_VIEW("The security token included in the request is invalid."),
                   reason != NULL ? "InvalidSignatureException" : "UnrecognizedClientException",
                   NULL);
    else
        send_error(call, 401, WP_VIEW("invalid x-api-key"), NULL, NULL);
    return false;
}

// What was received ----------------------------------------------------------------------------

static void copy_text(char *out, size_t size, wp_view text)
{
    snprintf(out, size, "%.*s", WP_VIEW_ARG(text));
}

static void log_call(struct call *call)
{
    struct sim_account *account = call->account;
    account->requests++;
    call->log_index = SIZE_MAX;
    if (account->log_count == SIM_LOG_MAX)
        return;
    if (account->log_count == account->log_capacity) {
        size_t capacity = account->log_capacity == 0 ? 64 : account->log_capacity * 2;
        struct sim_logged *more = wp_realloc(account->log, capacity * sizeof(*more));
        if (more == NULL)
            return;
        account->log = more;
        account->log_capacity = capacity;
    }
    call->log_index = account->log_count++;
    struct sim_logged *row = &account->log[call->log_index];
    *row = (struct sim_logged){.number = ++call->sim->numbers, .body_len = call->body.len};
    row->stream = call->endpoint == END_INVOKE_STREAM;
    copy_text(row->path, sizeof(row->path), call->head->target);
    copy_text(row->session, sizeof(row->session),
              wp_headers_get(&call->head->headers, "x-claude-code-session-id"));
    copy_text(row->betas, sizeof(row->betas),
              wp_headers_get(&call->head->headers, "anthropic-beta"));
    wp_sha256_hex(wp_buf_view(&call->body), row->body_sha256);
    if (call->sim->keep_bodies && (row->body = wp_alloc(call->body.len + 1)) != NULL &&
        call->body.len > 0)
        memcpy(row->body, call->body.ptr, call->body.len);
}

// Events ---------------------------------------------------------------------------------------

static void begin_cache(struct call *call)
{
    struct sim_account *account = call->account;
    if (call->begun)
        return;
    call->begun = true;
    sim_cache_begun(&account->cache, call->parsed.model, &call->use);
    account->totals.input += call->usage.input;
    account->totals.read += call->usage.read;
    account->totals.write_5m += call->usage.write_5m;
    account->totals.write_1h += call->usage.write_1h;
    account->totals.output += call->answer.output_tokens;
    call->usage.output = call->answer.output_tokens;
    if (logged(call) != NULL)
        logged(call)->usage = call->usage;
}

static void frame(struct wp_buf *out, const char *type_name, const char *type, const char *kind,
                  wp_view payload)
{
    const struct wp_event_header headers[] = {
        {WP_VIEW(":message-type"), wp_view_of(kind)},
        {wp_view_of(type_name), wp_view_of(type)},
        {WP_VIEW(":content-type"), WP_VIEW("application/json")},
    };
    wp_event_stream_encode(out, headers, WP_COUNT_OF(headers), payload);
}

static void encode_event(struct call *call, const struct sim_event *event, struct wp_buf *out)
{
    static const char padding[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (call->platform != SIM_BEDROCK) {
        wp_buf_printf(out, "event: %s\ndata: %.*s\n\n", event->type, WP_VIEW_ARG(event->json));
        return;
    }
    struct wp_buf payload = wp_buf_make(1024 * 1024);
    wp_buf_append_cstring(&payload, "{\"bytes\":\"");
    wp_base64_append(&payload, event->json);
    wp_buf_append_cstring(&payload, "\",\"p\":\"");
    wp_buf_append(&payload, wp_view_make(padding, (size_t)wp_random_below(sizeof(padding) - 1)));
    wp_buf_append_cstring(&payload, "\"}");
    frame(out, ":event-type", "chunk", "event", wp_buf_view(&payload));
    wp_buf_free(&payload);
}

static bool write_bytes(struct call *call, struct wp_buf *bytes)
{
    bool pause = false;
    enum wp_err err = wp_response_write(call->request, wp_buf_view(bytes), &pause);
    wp_buf_free(bytes);
    return err == WP_OK;
}

static void send_exception(struct call *call)
{
    struct wp_buf out = wp_buf_make(64 * 1024), payload = wp_buf_make(32 * 1024);
    struct wp_json_writer w = wp_json_writer(&payload);
    const char *type = call->fault.type;
    wp_json_open_object(&w, NULL);
    if (call->platform == SIM_BEDROCK) {
        wp_json_put_cstr(&w, "message", call->fault.message);
        wp_json_close(&w);
        frame(&out, ":exception-type", type[0] != '\0' ? type : "throttlingException", "exception",
              wp_buf_view(&payload));
    } else {
        wp_json_put_cstr(&w, "type", "error");
        wp_json_open_object(&w, "error");
        wp_json_put_cstr(&w, "type", type[0] != '\0' ? type : "overloaded_error");
        wp_json_put_cstr(&w, "message", call->fault.message);
        wp_json_close(&w);
        wp_json_close(&w);
        wp_buf_printf(&out, "event: error\ndata: %.*s\n\n", WP_VIEW_ARG(wp_buf_view(&payload)));
    }
    wp_buf_free(&payload);
    (void)write_bytes(call, &out);
    call->ended = true;
    wp_response_end(call->request);
}

// True if the fault takes over at this event.
static bool strike(struct call *call)
{
    if (!call->faulty || call->fault.after_events < 0 ||
        call->next < (size_t)call->fault.after_events)
        return false;
    switch (call->fault.kind) {
    case SIM_FAULT_RESET:
        call->ended = true;
        wp_response_abort(call->request);
        return true;
    case SIM_FAULT_HANG:
        return true;
    case SIM_FAULT_EXCEPTION:
        send_exception(call);
        return true;
    case SIM_FAULT_TRUNCATE:
        call->ended = true;
        if (wp_response_started(call->request))
            wp_response_end(call->request);
        else // a whole answer has no clean early end
            wp_response_abort(call->request);
        return true;
    default:
        return false;
    }
}

static bool send_next(struct call *call)
{
    struct wp_buf out = wp_buf_make(4 * 1024 * 1024);
    encode_event(call, &call->answer.events[call->next], &out);
    if (call->faulty && call->fault.kind == SIM_FAULT_CORRUPT &&
        (int64_t)call->next == call->fault.after_events && out.len > 20)
        out.ptr[out.len - 10] ^= 0x20;
    call->next++;
    return write_bytes(call, &out);
}

static void next_events(void *arg)
{
    struct call *call = call_of(arg);
    while (call->next < call->answer.count && !call->ended) {
        if (strike(call))
            return;
        begin_cache(call);
        if (!send_next(call))
            return;
        if (call->sim->event_ms > 0 && call->next < call->answer.count) {
            wp_timer_start(&call->timer, call->sim->event_ms);
            return;
        }
    }
    if (call->ended || strike(call))
        return;
    if (logged(call) != NULL)
        logged(call)->complete = true;
    call->ended = true;
    wp_response_end(call->request);
}

static const struct wp_header *answer_extras(struct call *call, size_t *count)
{
    static const struct wp_header limits[] = {
        {WP_VIEW("anthropic-ratelimit-input-tokens-limit"), WP_VIEW("2000000")},
        {WP_VIEW("anthropic-ratelimit-input-tokens-remaining"), WP_VIEW("1999000")},
    };
    struct wp_header *extra = wp_arena_array(call->arena, 4, sizeof(*extra));
    *count = 0;
    if (extra == NULL || call->platform == SIM_BEDROCK || call->account == NULL)
        return extra;
    extra[(*count)++] = limits[0];
    extra[(*count)++] = limits[1];
    if (call->account->config.workspace_id != NULL)
        extra[(*count)++] = (struct wp_header){WP_VIEW("anthropic-workspace-id"),
                                               wp_view_of(call->account->config.workspace_id)};
    return extra;
}

static void begin_stream(struct call *call)
{
    struct wp_headers headers;
    size_t count;
    const struct wp_header *extra = answer_extras(call, &count);
    wp_headers_init(&headers, call->arena);
    bool ok = wp_headers_add(&headers, WP_VIEW("content-type"),
                             call->platform == SIM_BEDROCK
                                 ? WP_VIEW("application/vnd.amazon.eventstream")
                                 : WP_VIEW("text/event-stream; charset=utf-8")) == WP_OK;
    for (size_t i = 0; i < count && ok; i++)
        ok = wp_headers_add(&headers, extra[i].name, extra[i].value) == WP_OK;
    if (!ok || wp_response_head(call->request, 200, &headers, UINT64_MAX) != WP_OK) {
        call->ended = true;
        wp_response_abort(call->request);
        return;
    }
    if (logged(call) != NULL)
        logged(call)->status = 200;
    next_events(call);
}

static void answer_now(void *arg)
{
    struct call *call = call_of(arg);
    size_t count;
    if (call->endpoint == END_INVOKE_STREAM || call->parsed.stream) {
        wp_timer_init(&call->timer, call->sim->loop, next_events, call);
        begin_stream(call);
        return;
    }
    if (call->faulty && call->fault.after_events >= 0 && call->fault.kind != SIM_FAULT_CORRUPT) {
        call->next = (size_t)call->fault.after_events;
        if (call->fault.kind == SIM_FAULT_EXCEPTION)
            send_error(call, 503, wp_view_of(call->fault.message), NULL, NULL);
        else if (strike(call))
            return;
    }
    if (call->ended)
        return;
    begin_cache(call);
    if (logged(call) != NULL)
        logged(call)->complete = true;
    const struct wp_header *extra = answer_extras(call, &count);
    send_whole(call, 200, "application/json", call->answer.whole, extra, count);
}

// Requests -------------------------------------------------------------------------------------

// Faults that strike before a head. True if the call is dealt with.
static bool fault_before_head(struct call *call)
{
    static const struct wp_header away = {WP_VIEW("location"), WP_VIEW("http://127.0.0.1:9/away")};
    if (!call->faulty)
        return false;
    bool early = call->fault.after_events < 0;
    if (call->fault.kind == SIM_FAULT_STATUS) {
        send_error(call, call->fault.status, wp_view_of(call->fault.message), call->fault.type,
                   call->fault.retry_after);
        return true;
    }
    if (call->fault.kind == SIM_FAULT_HTML) {
        send_whole(call, 200, "text/html", WP_VIEW("<html><body>proxy error</body></html>"), NULL,
                   0);
        return true;
    }
    if (call->fault.kind == SIM_FAULT_REDIRECT) {
        send_whole(call, 302, "text/plain", WP_VIEW("elsewhere"), &away, 1);
        return true;
    }
    if (early && call->fault.kind == SIM_FAULT_RESET) {
        call->ended = true;
        wp_response_abort(call->request);
        return true;
    }
    return early && call->fault.kind == SIM_FAULT_HANG;
}

static void serve_inference(struct call *call)
{
    int status;
    wp_view message;
    uint64_t number = call->sim->numbers;
    call->faulty = sim_fault_take(call->account, wp_buf_view(&call->body), &call->fault);
    if (fault_before_head(call))
        return;
    if (!sim_request_parse(call->arena, call->platform, call->model,
                           wp_headers_get(&call->head->headers, "anthropic-beta"),
                           wp_buf_view(&call->body), &call->parsed, &status, &message)) {
        call->account->rejected++;
        send_error(call, status, message, NULL, NULL);
        return;
    }
    struct sim_logged *row = logged(call);
    if (row != NULL) {
        copy_text(row->model, sizeof(row->model), call->parsed.model);
        row->stream = call->parsed.stream || call->endpoint == END_INVOKE_STREAM;
    }
    sim_cache_request(&call->account->cache, call->parsed.model,
                      sim_minimum_tokens(call->platform, call->parsed.model), &call->parsed.prompt,
                      sim_now_ms(call->sim), &call->usage, &call->use);
    if (!sim_answer_build(call->arena, &call->parsed, &call->usage,
                          wp_view_of(call->account->config.name), number,
                          call->platform == SIM_BEDROCK, &call->answer)) {
        send_error(call, 500, WP_VIEW("the script is too long"), NULL, NULL);
        return;
    }
    uint32_t wait_ms = call->sim->ttft_ms;
    if (call->faulty && call->fault.kind == SIM_FAULT_SLOW)
        wait_ms += call->fault.delay_ms;
    wp_timer_init(&call->timer, call->sim->loop, answer_now, call);
    if (wait_ms == 0)
        answer_now(call);
    else
        wp_timer_start(&call->timer, wait_ms);
}

static void serve_count(struct call *call)
{
    int status;
    wp_view message, body = wp_buf_view(&call->body);
    size_t len;
    call->faulty = sim_fault_take(call->account, wp_buf_view(&call->body), &call->fault);
    if (fault_before_head(call))
        return;
    if (call->endpoint == END_BEDROCK_COUNT) {
        const struct wp_json_val *root = wp_json_parse(call->arena, body);
        wp_view encoded = wp_json_str(wp_json_path(root, "input.invokeModel.body"));
        char *decoded = wp_arena_alloc(call->arena, encoded.len + 4);
        if (decoded == NULL || encoded.len == 0 || !wp_base64_decode(encoded, decoded, &len)) {
            send_error(call, 400, WP_VIEW("input.invokeModel.body is not base64"), NULL, NULL);
            return;
        }
        body = wp_view_make(decoded, len);
    }
    if (!sim_request_parse(call->arena, call->platform, call->model, (wp_view){NULL, 0}, body,
                           &call->parsed, &status, &message)) {
        send_error(call, status, message, NULL, NULL);
        return;
    }
    const char *field = call->endpoint == END_BEDROCK_COUNT ? "inputTokens" : "input_tokens";
    send_whole(call, 200, "application/json",
               wp_arena_printf(call->arena, "{\"%s\":%u}", field, call->parsed.prompt.tokens), NULL,
               0);
}

static void serve(struct call *call)
{
    if (call->endpoint == END_CONTROL) {
        call->ended = true;
        sim_control(call->sim, call->request, call->head, wp_buf_view(&call->body), call->arena);
        return;
    }
    if (!authenticate(call))
        return;
    log_call(call);
    switch (call->endpoint) {
    case END_INVOKE:
    case END_INVOKE_STREAM:
    case END_MESSAGES:
        serve_inference(call);
        return;
    case END_BEDROCK_COUNT:
    case END_COUNT:
        serve_count(call);
        return;
    case END_MODELS:
        send_whole(call, 200, "application/json",
                   WP_VIEW("{\"data\":[{\"type\":\"model\",\"id\":\"claude-sonnet-4-5\","
                           "\"display_name\":\"Claude Sonnet 4.5\",\"created_at\":"
                           "\"2025-09-29T00:00:00Z\"}],\"has_more\":false}"),
                   NULL, 0);
        return;
    default:
        send_error(call, 404, WP_VIEW("not found"), NULL, NULL);
    }
}

// /v1/projects/P/locations/L/publishers/anthropic/models/M:rawPredict
static void route_vertex(struct call *call, wp_view path)
{
    size_t at = wp_view_find(path, WP_VIEW("/publishers/anthropic/models/"));
    size_t colon = wp_view_rfind_char(path, ':');
    if (at == WP_NOT_FOUND || colon == WP_NOT_FOUND || colon < at + 29)
        return;
    wp_view method = wp_view_skip(path, colon + 1);
    call->platform = SIM_VERTEX;
    call->model = wp_view_sub(path, at + 29, colon);
    if (wp_view_is(call->model, "count-tokens"))
        call->endpoint = END_COUNT;
    else if (wp_view_is(method, "rawPredict") || wp_view_is(method, "streamRawPredict"))
        call->endpoint = END_MESSAGES;
}

// Which endpoint; the model id of a Bedrock path is percent-encoded in the target.
static void route(struct call *call)
{
    wp_view path = wp_view_sub(call->head->target, 0, wp_view_find_char(call->head->target, '?'));
    call->platform = SIM_ANTHROPIC;
    call->endpoint = END_UNKNOWN;
    if (wp_view_starts_with(path, WP_VIEW("/_sim/")))
        call->endpoint = END_CONTROL;
    else if (wp_view_is(path, "/v1/messages") || wp_view_is(path, "/anthropic/v1/messages"))
        call->endpoint = END_MESSAGES;
    else if (wp_view_is(path, "/v1/messages/count_tokens") ||
             wp_view_is(path, "/anthropic/v1/messages/count_tokens"))
        call->endpoint = END_COUNT;
    else if (wp_view_is(path, "/v1/models"))
        call->endpoint = END_MODELS;
    else if (wp_view_starts_with(path, WP_VIEW("/v1/projects/")))
        route_vertex(call, path);
    if (!wp_view_starts_with(path, WP_VIEW("/model/")))
        return;
    static const struct {
        const char *suffix;
        enum endpoint endpoint;
    } rows[] = {{"/invoke", END_INVOKE},
                {"/invoke-with-response-stream", END_INVOKE_STREAM},
                {"/count-tokens", END_BEDROCK_COUNT}};
    call->platform = SIM_BEDROCK;
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        wp_view suffix = wp_view_of(rows[i].suffix);
        char *decoded = wp_arena_alloc(call->arena, path.len + 1);
        size_t len;
        if (decoded == NULL || !wp_view_ends_with(path, suffix) || path.len < 7 + suffix.len ||
            !wp_percent_decode(wp_view_sub(path, 7, path.len - suffix.len), decoded, &len))
            continue;
        call->endpoint = rows[i].endpoint;
        call->model = wp_view_make(decoded, len);
    }
}

// wp_server_handler ----------------------------------------------------------------------------

static void *on_head(void *context, struct wp_server_request *request,
                     const struct wp_request_head *head)
{
    struct wp_sim *sim = context;
    struct wp_arena *arena = wp_request_arena(request);
    struct call *call = WP_ARENA_NEW(arena, struct call);
    WP_CHECK_MAGIC(sim, SIM_MAGIC);
    if (call == NULL)
        return NULL;
    call->magic = SIM_CALL_MAGIC;
    call->sim = sim;
    call->request = request;
    call->head = head;
    call->arena = arena;
    call->log_index = SIZE_MAX;
    call->body = wp_buf_make(64 * 1024 * 1024);
    wp_timer_init(&call->timer, sim->loop, answer_now, call);
    route(call);
    if (head->has_body)
        wp_request_read_body(request);
    else
        serve(call);
    return call;
}

static void on_body(void *state, wp_view bytes)
{
    wp_buf_append(&call_of(state)->body, bytes);
}

static void on_body_end(void *state)
{
    struct call *call = call_of(state);
    if (call->head->has_body && !call->ended)
        serve(call);
}

static void on_drain(void *state)
{
    (void)call_of(state);
}

static void on_abort(void *state, enum wp_err err)
{
    (void)err;
    call_of(state)->ended = true;
}

static void on_closed(void *state)
{
    struct call *call = call_of(state);
    wp_timer_stop(&call->timer);
    if (!call->begun && call->account != NULL && call->use.count > 0)
        sim_cache_failed(&call->account->cache, call->parsed.model, &call->use);
    wp_buf_free(&call->body);
    call->magic = 0;
}

static void error_body(void *context, enum wp_err err, wp_view peer, struct wp_arena *arena,
                       wp_view *body)
{
    (void)peer;
    (void)context;
    *body = wp_arena_printf(arena,
                            "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"}}",
                            wp_err_info(err)->type, wp_err_info(err)->sentence);
}

static const struct wp_server_handler HANDLER = {
    .on_head = on_head,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_drain = on_drain,
    .on_abort = on_abort,
    .on_closed = on_closed,
    .error_body = error_body,
};

// The provider ---------------------------------------------------------------------------------

void wp_sim_default_accounts(struct wp_sim_account_config *accounts, size_t count)
{
    static char names[WP_SIM_ACCOUNTS_MAX][16], ids[WP_SIM_ACCOUNTS_MAX][24],
        secrets[WP_SIM_ACCOUNTS_MAX][48], bearers[WP_SIM_ACCOUNTS_MAX][48],
        keys[WP_SIM_ACCOUNTS_MAX][48], workspaces[WP_SIM_ACCOUNTS_MAX][32];
    for (size_t i = 0; i < count && i < WP_SIM_ACCOUNTS_MAX; i++) {
        unsigned number = (unsigned)i + 1;
        snprintf(names[i], sizeof(names[i]), "account-%u", number);
        snprintf(ids[i], sizeof(ids[i]), "AKIASIMULATED%07u", number);
        snprintf(secrets[i], sizeof(secrets[i]), "simulated/secret/access/key/of/account/%03u",
                 number);
        snprintf(bearers[i], sizeof(bearers[i]), "simulated-bedrock-api-key-%u", number);
        snprintf(keys[i], sizeof(keys[i]), "sk-ant-api03-simulated-%u", number);
        snprintf(workspaces[i], sizeof(workspaces[i]), "wrkspc_simulated_%u", number);
        accounts[i] = (struct wp_sim_account_config){names[i],   ids[i],  secrets[i],
                                                     bearers[i], keys[i], workspaces[i]};
    }
}

enum wp_err wp_sim_start(struct wp_loop *loop, const struct wp_sim_config *config,
                         struct wp_sim **out, char *error, size_t error_size)
{
    struct wp_sim *sim = wp_alloc_or_die(sizeof(*sim));
    sim->magic = SIM_MAGIC;
    sim->loop = loop;
    sim->ttft_ms = config->ttft_ms;
    sim->event_ms = config->event_ms;
    sim->keep_bodies = config->keep_bodies;
    sim->account_count =
        config->account_count < WP_SIM_ACCOUNTS_MAX ? config->account_count : WP_SIM_ACCOUNTS_MAX;
    for (size_t i = 0; i < sim->account_count; i++) {
        sim->accounts[i].config = config->accounts[i];
        sim->accounts[i].cache.entries = wp_map_make(1000000);
    }
    struct wp_server_config server = {
        .host = wp_view_of(config->host),
        .port = config->port,
        .handler = &HANDLER,
        .context = sim,
    };
    wp_server_limits_default(&server.limits);
    enum wp_err err = wp_server_start(loop, &server, &sim->server, error, error_size);
    if (err != WP_OK) {
        wp_sim_free(sim);
        return err;
    }
    *out = sim;
    return WP_OK;
}

uint16_t wp_sim_port(const struct wp_sim *sim)
{
    return wp_server_port(sim->server);
}

void wp_sim_stop(struct wp_sim *sim, void (*stopped)(void *arg), void *arg)
{
    wp_server_drain(sim->server, 0, stopped, arg);
}

void wp_sim_free(struct wp_sim *sim)
{
    if (sim == NULL)
        return;
    if (sim->server != NULL)
        wp_server_destroy(sim->server);
    for (size_t i = 0; i < sim->account_count; i++) {
        struct sim_account *account = &sim->accounts[i];
        sim_cache_free(&account->cache);
        for (size_t k = 0; k < account->log_count; k++)
            wp_free(account->log[k].body);
        wp_free(account->log);
    }
    sim->magic = 0;
    wp_free(sim);
}
