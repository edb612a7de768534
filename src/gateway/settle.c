// The books of an exchange: response headers, price, the one ledger row.
#include "gateway/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "gateway/economy.h"
#include "route/model.h"

enum {
    HOLD_NS = 500000000, // longer ago: the hold ran out, the upstream was waited for
    DETAIL_ROOM = 4096,  // mostly enough
    DETAIL_MAX = 1024 * 1024,
};

static const struct wp_try *last_try(const struct wp_exchange *x)
{
    return x->try_count == 0 ? NULL : &x->tries[x->try_count - 1];
}

double wp_exchange_spend(const struct wp_exchange *x, double *saved)
{
    *saved = 0;
    if (x->answer == NULL || !x->answer->usage.seen || x->model == NULL ||
        x->operation != WP_OP_MESSAGES)
        return 0;
    const struct wp_usage *usage = &x->answer->usage;
    struct wp_usage uncached = *usage;
    uncached.input = wp_usage_prompt(usage);
    uncached.cache_read = uncached.cache_write_5m = uncached.cache_write_1h = 0;
    double spend = wp_price_usage(&x->model->price, usage);
    *saved = wp_price_usage(&x->model->price, &uncached) - spend;
    return spend;
}

void wp_exchange_estimate_output(struct wp_exchange *x)
{
    if (x->answer == NULL || x->answer->usage.final || x->operation != WP_OP_MESSAGES)
        return;
    uint64_t sent = wp_tokens_estimate((size_t)x->answer->output_bytes);
    if (x->answer->usage.output < sent)
        x->answer->usage.output = sent;
    x->estimated = x->answer->usage.seen;
}

// Time that the gateway itself took: from the whole request to the first call, less what it waited
// for another request's cache write, and from the bytes that let the answer begin to its head.
static uint64_t overhead_us(const struct wp_exchange *x)
{
    uint64_t ns = 0, waited_ns = (uint64_t)x->waited_before_ms * 1000000u;
    if (x->first_call_ns > x->body_end_ns + waited_ns && x->body_end_ns != 0)
        ns += x->first_call_ns - x->body_end_ns - waited_ns;
    if (x->chunk_ns != 0 && x->commit_ns > x->chunk_ns && x->commit_ns - x->chunk_ns < HOLD_NS)
        ns += x->commit_ns - x->chunk_ns;
    return ns / 1000;
}

static inline enum wp_err add(struct wp_headers *headers, const char *name, wp_view value)
{
    return value.len == 0 ? WP_OK : wp_headers_add(headers, wp_view_of(name), value);
}

static wp_view number(struct wp_buf *digits, uint64_t value, uint32_t places)
{
    static const char single[] = "0123456789";
    if (places == 0 && value < 10)
        return wp_view_make(single + value, 1);
    size_t from = digits->len;
    wp_buf_append_decimal(digits, value, places);
    return wp_view_skip(wp_buf_view(digits), from);
}

// What the attempts came to; without one there is nothing to say.
static enum wp_err add_attempts(struct wp_exchange *x, double spend, struct wp_headers *out)
{
    enum { NUMBERS_ROOM = 4 * 24 };
    char *room = wp_arena_raw(out->arena, NUMBERS_ROOM);
    if (room == NULL)
        return WP_ERR_NO_MEMORY;
    struct wp_buf digits = wp_buf_make_in(room, NUMBERS_ROOM, NUMBERS_ROOM);
    enum wp_err err = add(out, "x-litellm-attempted-retries", number(&digits, x->total_retries, 0));
    if (err == WP_OK)
        err = add(out, "x-litellm-attempted-fallbacks", number(&digits, x->fallbacks, 0));
    if (err == WP_OK && spend > 0 && !x->answer_options.stream)
        err = add(out, "x-litellm-response-cost",
                  number(&digits, (uint64_t)(spend * 1e12 + 0.5), 12));
    if (err == WP_OK)
        err = add(out, "x-litellm-overhead-duration-ms", number(&digits, overhead_us(x), 3));
    return err;
}

enum wp_err wp_exchange_headers(struct wp_exchange *x, struct wp_headers *out)
{
    const struct wp_try *attempt = last_try(x);
    double saved, spend = wp_exchange_spend(x, &saved);
    enum wp_err err = add(out, "x-litellm-call-id", wp_view_of(x->front->call_id));
    if (err == WP_OK && attempt != NULL)
        err = add(out, "x-litellm-model-id", attempt->deployment->id);
    if (err == WP_OK && attempt != NULL)
        err = add(out, "x-litellm-model-api-base", attempt->api_base);
    if (err == WP_OK)
        err = add(out, "x-litellm-model-group", x->group.group);
    return err == WP_OK && attempt != NULL ? add_attempts(x, spend, out) : err;
}

static void fill_usage(const struct wp_exchange *x, struct wp_record *record)
{
    if (x->answer == NULL || x->operation != WP_OP_MESSAGES)
        return;
    const struct wp_usage *usage = &x->answer->usage;
    record->input_tokens = usage->input;
    record->cache_read_tokens = usage->cache_read;
    record->cache_write_5m_tokens = usage->cache_write_5m;
    record->cache_write_1h_tokens = usage->cache_write_1h;
    record->output_tokens = usage->output;
    record->service_tier = wp_view_of(usage->service_tier);
    record->speed = wp_view_of(usage->speed);
    record->stop_reason = x->answer->stop_reason;
    record->message_id = x->answer->message_id;
    record->spend = wp_exchange_spend(x, &record->saved);
}

static void fill_attempt(const struct wp_exchange *x, struct wp_record *record)
{
    const struct wp_try *attempt = last_try(x);
    if (attempt == NULL)
        return;
    record->model = attempt->upstream_model;
    record->model_id = attempt->deployment->id;
    record->provider = wp_view_of(wp_platform_name(attempt->deployment->platform));
    record->api_base = attempt->api_base;
    record->predicted_read_tokens = x->attempt.predicted_read;
}

static void fill_times(const struct wp_exchange *x, uint64_t now_ns, struct wp_record *record)
{
    uint64_t begun = x->front->accepted_ns;
    record->start_ms = x->front->accepted_ms;
    record->duration_us = (now_ns - begun) / 1000;
    record->overhead_us = overhead_us(x);
    if (x->commit_ns != 0)
        record->ttft_us = (x->commit_ns - begun) / 1000;
}

static void fill_request(const struct wp_exchange *x, struct wp_record *record)
{
    const struct wp_headers *headers = &x->front->head->headers;
    const struct wp_general_settings *general = &x->front->runtime->snapshot->general;
    record->request_id = wp_view_of(x->front->call_id);
    record->call_type = x->operation != WP_OP_MESSAGES     ? WP_VIEW("count_tokens")
                        : x->dialect == WP_DIALECT_BEDROCK ? WP_VIEW("bedrock_invoke")
                        : x->dialect == WP_DIALECT_VERTEX  ? WP_VIEW("vertex_raw_predict")
                                                           : WP_VIEW("anthropic_messages");
    record->requested_model = x->request.model;
    record->model_group = x->group.group;
    record->api_key_hash = wp_view_of(x->front->caller.key_hash);
    record->session_id = x->session_id;
    record->agent_id = wp_headers_get(headers, "x-claude-code-agent-id");
    record->user_agent = wp_headers_get(headers, "user-agent");
    record->requester_ip_address = wp_front_recorded_address(x->front);
    record->request_bytes = x->body_bytes;
    record->response_bytes = x->response_bytes;
    record->stream = x->request.stream;
    if (general->store_prompts)
        record->request_body = wp_buf_view(&x->body);
    if (general->store_prompts && !x->committed)
        record->response_body = wp_buf_view(&x->hold);
}

// The exact size of this prompt is what the session's next one is measured against.
static void measure(struct wp_exchange *x)
{
    const struct wp_try *attempt = last_try(x);
    if (x->history_stream.len == 0 || x->err != WP_OK || attempt == NULL || x->answer == NULL ||
        !x->answer->usage.seen || !x->has_prompt)
        return;
    uint32_t total = (uint32_t)wp_usage_prompt(&x->answer->usage);
    uint64_t place = (uint64_t)attempt->deployment->index + 1;
    if (wp_history_thinking_dropped(&x->divergence, &x->prompt, total, place))
        wp_router_note_anomaly(x->gateway->router, attempt->deployment, WP_ANOMALY_THINKING);
    wp_history_measure(x->gateway->history, x->history_stream, total, x->prompt.tokens, place);
}

void wp_exchange_record(struct wp_exchange *x)
{
    struct wp_record record = {0};
    char room[DETAIL_ROOM];
    struct wp_buf detail = wp_buf_make_in(room, sizeof(room), DETAIL_MAX);
    if (x->recorded)
        return;
    x->recorded = true;
    wp_exchange_set(x, WP_EXCHANGE_SETTLE);
    wp_exchange_keep(x);
    measure(x);
    record.kept_warm_saved = x->kept_warm_saved;
    fill_request(x, &record);
    fill_attempt(x, &record);
    fill_usage(x, &record);
    fill_times(x, wp_now_ns(), &record);
    record.status = x->err == WP_OK ? WP_VIEW("success") : WP_VIEW("failure");
    if (x->err != WP_OK) {
        record.error_code = wp_view_of(wp_err_info(x->err)->name);
        record.error_message = x->error_message.len > 0 ? wp_view_sub(x->error_message, 0, 1000)
                                                        : wp_view_of(wp_err_info(x->err)->sentence);
    }
    record.http_status = (uint32_t)x->http_status;
    record.attempted_retries = x->total_retries;
    record.attempted_fallbacks = x->fallbacks;
    record.estimated = x->estimated;
    wp_exchange_put_detail(x, &detail);
    if (wp_buf_ok(&detail))
        record.detail = wp_buf_view(&detail);
    wp_gateway_submit(x->gateway, &record);
    wp_buf_free(&detail);
    wp_exchange_set(x, WP_EXCHANGE_DONE);
}
