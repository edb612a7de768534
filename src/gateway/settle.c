// The books of an exchange: response headers, price, the one ledger row.
#include "gateway/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "gateway/economy.h"
#include "route/model.h"
#include "route/strategy.h"
#include "json/writer.h"

enum { HOLD_NS = 500000000 }; // longer ago: the hold ran out, the upstream was waited for

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

static uint64_t cooling_ms(uint64_t until_ns, uint64_t now_ns)
{
    return until_ns > now_ns ? (until_ns - now_ns) / 1000000u : 0;
}

static wp_view take_json(struct wp_exchange *x, struct wp_buf *buf)
{
    wp_view copy = wp_buf_ok(buf) ? wp_arena_copy(x->arena, wp_buf_view(buf)) : (wp_view){NULL, 0};
    wp_buf_free(buf);
    return copy;
}

static void write_candidate(struct wp_json_writer *w, const struct wp_candidate *candidate,
                            uint64_t now_ns)
{
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "model_id", candidate->deployment->id);
    wp_json_put_cstr(w, "reason", wp_reason_name(candidate->reason));
    wp_json_put_bool(w, "usable", candidate->usable);
    wp_json_put_u64(w, "predicted_read", candidate->predicted_read);
    wp_json_put_u64(w, "predicted_write", candidate->predicted_write);
    wp_json_put_u64(w, "predicted_uncached", candidate->predicted_uncached);
    wp_json_put_u64(w, "predicted_write_1h", candidate->predicted_write_1h);
    if (candidate->predicted_cost >= 0) {
        wp_json_put_decimal(w, "predicted_cost", candidate->predicted_cost, 12);
        wp_json_put_decimal(w, "expected_cost", candidate->expected_cost, 12);
    }
    wp_json_put_decimal(w, "confidence", candidate->confidence, 3);
    wp_json_put_decimal(w, "headroom", candidate->headroom, 3);
    wp_json_put_u64(w, "in_flight", candidate->in_flight);
    wp_json_put_u64(w, "cooling_ms", cooling_ms(candidate->cooling_until_ns, now_ns));
    wp_json_close(w);
}

// Why a prefix that the session sent before may miss: the first block that is no longer the same.
static void write_divergence(struct wp_json_writer *w, const struct wp_divergence *d)
{
    static const char *const tiers[] = {"tools", "system", "messages", "top"};
    static const char *const kinds[] = {"tool",     "text",        "image",    "document",
                                        "tool_use", "tool_result", "thinking", "other"};
    wp_json_open_object(w, "divergence");
    wp_json_put_u64(w, "index", d->index);
    wp_json_put_cstr(w, "tier", d->tier < WP_COUNT_OF(tiers) ? tiers[d->tier] : "other");
    wp_json_put_cstr(w, "kind", d->kind < WP_COUNT_OF(kinds) ? kinds[d->kind] : "other");
    wp_json_put_u64(w, "shared_blocks", d->shared_blocks);
    wp_json_put_u64(w, "shared_tokens", d->shared_tokens);
    wp_json_put_u64(w, "previous_blocks", d->before_blocks);
    wp_json_close(w);
}

// Hashes and sizes of the blocks that are new since the stream's previous request, for exports.
static void write_prompt(struct wp_json_writer *w, const struct wp_exchange *x)
{
    enum { ID_BITS = 52 }; // exact in every JSON reader
    const struct wp_prompt *prompt = &x->prompt;
    uint32_t keep = x->divergence.known ? x->divergence.shared_blocks : 0, tools = 0;
    for (uint32_t i = 0; i < prompt->system_end; i++)
        tools += prompt->blocks[i].tier == WP_TIER_TOOLS ? 1 : 0;
    wp_json_open_object(w, "prompt");
    wp_json_put_u64(
        w, "stream",
        x->history_stream.len == 0 ? 0 : wp_stable_hash(x->history_stream) >> (64 - ID_BITS));
    wp_json_put_u64(w, "keep", keep);
    wp_json_put_u64(w, "before", x->divergence.known ? x->divergence.before_blocks : 0);
    wp_json_put_u64(w, "tools", tools);
    wp_json_put_u64(w, "head", prompt->system_end);
    wp_json_put_bool(w, "tool_loop", prompt->in_tool_loop);
    wp_json_open_array(w, "add");
    for (uint32_t i = keep; i < prompt->count; i++) {
        uint32_t before = i == 0 ? 0 : prompt->blocks[i - 1].tokens;
        wp_json_open_array(w, NULL);
        wp_json_put_u64(w, NULL, prompt->blocks[i].prefix.low >> (64 - ID_BITS));
        wp_json_put_u64(w, NULL, prompt->blocks[i].tokens - before);
        wp_json_close(w);
    }
    wp_json_close(w);
    wp_json_close(w);
}

static bool keeps_prompt(const struct wp_exchange *x)
{
    enum { BLOCKS_MAX = 4096 }; // more new ones than that are not worth their room
    uint32_t keep = x->divergence.known ? x->divergence.shared_blocks : 0;
    return x->front->runtime->snapshot->general.store_prompt_hashes && x->has_prompt &&
           x->operation == WP_OP_MESSAGES && keep <= x->prompt.count &&
           x->prompt.count - keep <= BLOCKS_MAX;
}

wp_view wp_exchange_decision(struct wp_exchange *x)
{
    char room[4096];
    struct wp_buf buf = wp_buf_make_in(room, sizeof(room), 256 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "group", x->group.group);
    wp_json_put_u64(&w, "blocks", x->has_prompt ? x->prompt.count : 0);
    wp_json_put_u64(&w, "breakpoints", x->has_prompt ? x->prompt.breakpoint_count : 0);
    wp_json_put_u64(&w, "estimated_tokens", x->has_prompt ? x->prompt.tokens : 0);
    wp_json_put_u64(&w, "waited_ms", x->waited_ms);
    if (x->divergence.diverged)
        write_divergence(&w, &x->divergence);
    if (keeps_prompt(x))
        write_prompt(&w, x);
    wp_json_open_array(&w, "candidates");
    for (size_t i = 0; i < x->plan->count; i++)
        write_candidate(&w, &x->plan->candidates[i], x->plan_request.now_ns);
    wp_json_close(&w);
    wp_json_close(&w);
    return take_json(x, &buf);
}

static double since_ms(const struct wp_exchange *x, uint64_t ns)
{
    return ns > x->front->accepted_ns ? (double)(ns - x->front->accepted_ns) / 1e6 : 0;
}

static void put_ms(const struct wp_exchange *x, struct wp_json_writer *w, const char *key,
                   uint64_t ns)
{
    if (ns == 0)
        wp_json_put_null(w, key);
    else
        wp_json_put_decimal(w, key, since_ms(x, ns), 3);
}

static wp_view attempts_json(struct wp_exchange *x)
{
    char room[2048];
    struct wp_buf buf = wp_buf_make_in(room, sizeof(room), 64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_array(&w, NULL);
    for (uint32_t i = 0; i < x->try_count; i++) {
        const struct wp_try *attempt = &x->tries[i];
        wp_json_open_object(&w, NULL);
        wp_json_put_str(&w, "model_id", attempt->deployment->id);
        wp_json_put_str(&w, "api_base", attempt->api_base);
        wp_json_put_i64(&w, "status", attempt->status);
        wp_json_put_cstr(&w, "error",
                         attempt->err == WP_OK ? NULL : wp_err_info(attempt->err)->name);
        put_ms(x, &w, "started_ms", attempt->begun_ns);
        put_ms(x, &w, "connected_ms", attempt->connected_ns);
        put_ms(x, &w, "first_byte_ms", attempt->first_byte_ns);
        put_ms(x, &w, "ended_ms", attempt->ended_ns);
        wp_json_put_bool(&w, "reused", attempt->reused);
        wp_json_close(&w);
    }
    wp_json_close(&w);
    return take_json(x, &buf);
}

static wp_view dropped_json(struct wp_exchange *x)
{
    if (x->dropped_count == 0)
        return WP_VIEW("[]");
    struct wp_buf buf = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_array(&w, NULL);
    for (size_t i = 0; i < x->dropped_count; i++)
        wp_json_put_str(&w, NULL, x->dropped[i]);
    wp_json_close(&w);
    return take_json(x, &buf);
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

static void fill_attempt(struct wp_exchange *x, struct wp_record *record)
{
    const struct wp_try *attempt = last_try(x);
    if (attempt == NULL)
        return;
    record->model = attempt->upstream_model;
    record->model_id = attempt->deployment->id;
    record->provider = wp_view_of(wp_platform_name(attempt->deployment->platform));
    record->api_base = attempt->api_base;
    record->attempts_json = attempts_json(x);
    record->dropped_json = dropped_json(x);
    record->predicted_read_tokens = x->attempt.predicted_read;
}

static void fill_times(const struct wp_exchange *x, uint64_t now_ns, struct wp_record *record)
{
    uint64_t begun = x->front->accepted_ns;
    record->start_ms = x->front->accepted_ms;
    record->end_ms = x->front->accepted_ms + (int64_t)((now_ns - begun) / 1000000u);
    record->duration_us = (now_ns - begun) / 1000;
    record->overhead_us = overhead_us(x);
    if (x->commit_ns != 0) {
        record->completion_start_ms =
            x->front->accepted_ms + (int64_t)((x->commit_ns - begun) / 1000000u);
        record->ttft_us = (x->commit_ns - begun) / 1000;
    }
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
    record->headers_json = wp_exchange_headers_json(x);
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
    if (x->recorded)
        return;
    x->recorded = true;
    wp_exchange_set(x, WP_EXCHANGE_SETTLE);
    wp_exchange_keep(x);
    measure(x);
    record.kept_warm_saved = x->kept_warm_saved;
    fill_request(x, &record);
    fill_attempt(x, &record);
    // Also where nobody could be asked: then it tells why each was skipped.
    if (x->plan != NULL && x->plan->count > 0)
        record.decision_json = wp_exchange_decision(x);
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
    wp_gateway_submit(x->gateway, &record);
    wp_exchange_set(x, WP_EXCHANGE_DONE);
}
