// How a call is answered: whole, as an error, or event by event, until a fault strikes.
#include "base/codec.h"
#include "base/random.h"
#include "http/event_stream.h"
#include "sim/private.h"
#include "json/writer.h"

struct sim_call *sim_call_of(void *state)
{
    struct sim_call *call = state;
    WP_CHECK_MAGIC(call, SIM_CALL_MAGIC);
    return call;
}

// Answers that are not events ------------------------------------------------------------------

struct sim_logged *sim_call_logged(struct sim_call *call)
{
    return call->log_index == SIZE_MAX ? NULL : &call->account->log[call->log_index];
}

void sim_send_whole(struct sim_call *call, int status, const char *content_type, wp_view body,
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
    if (sim_call_logged(call) != NULL)
        sim_call_logged(call)->status = status;
    if (ok)
        wp_response_send(call->request, status, &headers, body);
    else
        wp_response_abort(call->request);
}

// Events ---------------------------------------------------------------------------------------

static void begin_cache(struct sim_call *call)
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
    if (sim_call_logged(call) != NULL)
        sim_call_logged(call)->usage = call->usage;
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

void sim_event_encode(enum sim_platform platform, const struct sim_event *event, struct wp_buf *out)
{
    static const char padding[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (platform != SIM_BEDROCK) {
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

static bool write_bytes(struct sim_call *call, struct wp_buf *bytes)
{
    bool pause = false;
    enum wp_err err = wp_response_write(call->request, wp_buf_view(bytes), &pause);
    wp_buf_free(bytes);
    return err == WP_OK;
}

static void send_exception(struct sim_call *call)
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
static bool strike(struct sim_call *call)
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

static bool send_next(struct sim_call *call)
{
    struct wp_buf out = wp_buf_make(4 * 1024 * 1024);
    sim_event_encode(call->platform, &call->answer.events[call->next], &out);
    if (call->faulty && call->fault.kind == SIM_FAULT_CORRUPT &&
        (int64_t)call->next == call->fault.after_events && out.len > 20)
        out.ptr[out.len - 10] ^= 0x20;
    call->next++;
    return write_bytes(call, &out);
}

static void next_events(void *arg)
{
    struct sim_call *call = sim_call_of(arg);
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
    if (sim_call_logged(call) != NULL)
        sim_call_logged(call)->complete = true;
    call->ended = true;
    wp_response_end(call->request);
}

static const struct wp_header *answer_extras(struct sim_call *call, size_t *count)
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

static void begin_stream(struct sim_call *call)
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
    if (sim_call_logged(call) != NULL)
        sim_call_logged(call)->status = 200;
    next_events(call);
}

void sim_answer_send(void *arg)
{
    struct sim_call *call = sim_call_of(arg);
    size_t count;
    if (call->endpoint == SIM_INVOKE_STREAM || call->parsed.stream) {
        wp_timer_init(&call->timer, call->sim->loop, next_events, call);
        begin_stream(call);
        return;
    }
    if (call->faulty && call->fault.after_events >= 0 && call->fault.kind != SIM_FAULT_CORRUPT) {
        call->next = (size_t)call->fault.after_events;
        if (call->fault.kind == SIM_FAULT_EXCEPTION)
            sim_send_error(call, 503, wp_view_of(call->fault.message), NULL, NULL);
        else if (strike(call))
            return;
    }
    if (call->ended)
        return;
    begin_cache(call);
    if (sim_call_logged(call) != NULL)
        sim_call_logged(call)->complete = true;
    const struct wp_header *extra = answer_extras(call, &count);
    sim_send_whole(call, 200, "application/json", call->answer.whole, extra, count);
}

bool sim_fault_before_head(struct sim_call *call)
{
    static const struct wp_header away = {WP_VIEW("location"), WP_VIEW("http://127.0.0.1:9/away")};
    if (!call->faulty)
        return false;
    bool early = call->fault.after_events < 0;
    if (call->fault.kind == SIM_FAULT_STATUS) {
        sim_send_error(call, call->fault.status, wp_view_of(call->fault.message), call->fault.type,
                       call->fault.retry_after);
        return true;
    }
    if (call->fault.kind == SIM_FAULT_HTML) {
        sim_send_whole(call, 200, "text/html", WP_VIEW("<html><body>proxy error</body></html>"),
                       NULL, 0);
        return true;
    }
    if (call->fault.kind == SIM_FAULT_REDIRECT) {
        sim_send_whole(call, 302, "text/plain", WP_VIEW("elsewhere"), &away, 1);
        return true;
    }
    if (early && call->fault.kind == SIM_FAULT_RESET) {
        call->ended = true;
        wp_response_abort(call->request);
        return true;
    }
    return early && call->fault.kind == SIM_FAULT_HANG;
}
