// The upstream side of an exchange: one attempt after another until one answers.
#include "gateway/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/credentials.h"

static void attempt_failed(struct wp_exchange *x, const struct wp_upstream_error *error);

// One attempt.

static struct wp_try *current_try(struct wp_exchange *x)
{
    uint32_t last = x->try_count == 0 ? 0 : x->try_count - 1;
    return &x->tries[last < WP_ATTEMPTS_LOGGED ? last : WP_ATTEMPTS_LOGGED - 1];
}

static void note_timing(struct wp_exchange *x)
{
    struct wp_try *attempt = current_try(x);
    if (x->call == NULL)
        return;
    const struct wp_call_timing *timing = wp_call_timing(x->call);
    attempt->connected_ns = timing->connected;
    attempt->first_byte_ns = timing->first_byte;
    attempt->reused = timing->reused;
}

static void end_attempt(struct wp_exchange *x, const struct wp_outcome_detail *detail)
{
    if (!x->attempt_open)
        return;
    x->attempt_open = false;
    current_try(x)->ended_ns = detail->now_ns;
    wp_router_end(x->gateway->router, &x->attempt, detail);
}

static uint64_t first_byte_latency(struct wp_exchange *x)
{
    const struct wp_try *attempt = current_try(x);
    return attempt->first_byte_ns > attempt->begun_ns ? attempt->first_byte_ns - attempt->begun_ns
                                                      : 0;
}

static const struct wp_usage *seen_usage(const struct wp_exchange *x)
{
    return x->answer != NULL && x->answer->usage.seen ? &x->answer->usage : NULL;
}

void wp_exchange_cancel_attempt(struct wp_exchange *x, enum wp_outcome outcome)
{
    wp_timer_stop(&x->timer);
    wp_timer_stop(&x->ping);
    wp_deferred_cancel(&x->step);
    wp_exchange_stop_waiting(x);
    if (x->credentials_wait != NULL) {
        wp_renewal_cancel(x->credentials_wait);
        x->credentials_wait = NULL;
    }
    note_timing(x);
    if (x->call != NULL) {
        wp_call_cancel(x->call);
        x->call = NULL;
    }
    if (!x->attempt_open)
        return;
    end_attempt(x, &(struct wp_outcome_detail){
                       .outcome = outcome,
                       .kind = WP_KIND_DEFAULT,
                       .status = x->upstream_status,
                       .retry_after_ms = -1,
                       .usage = seen_usage(x),
                       .latency_ns = first_byte_latency(x),
                       .now_ns = wp_now_ns(),
                   });
}

// A failure of our own making (no credentials, no connection) in the form of an upstream's.
static struct wp_upstream_error local_error(struct wp_exchange *x, enum wp_err err, wp_view message)
{
    const struct wp_err_info *info = wp_err_info(err);
    if (message.len == 0)
        message = wp_view_of(info->sentence);
    return (struct wp_upstream_error){
        .err = err,
        .status = info->status,
        .body = wp_anthropic_error_body(x->arena, info->type, wp_view_of(info->sentence),
                                        wp_view_of(x->front->call_id)),
        .words = wp_view_of(info->sentence),
        .message = message,
        .type = wp_view_of(info->type),
        .retry_after_ms = -1,
    };
}

static void fail_locally(struct wp_exchange *x, enum wp_err err, const char *detail)
{
    wp_view message = wp_arena_copy(x->arena, wp_view_of(detail));
    struct wp_upstream_error error = local_error(x, err, message);
    wp_log(WP_LOG_WARN, "upstream", "%.*s (%.*s): %s, while %s: %s",
           WP_VIEW_ARG(current_try(x)->deployment->model_name),
           WP_VIEW_ARG(wp_view_sub(current_try(x)->deployment->id, 0, 12)), wp_err_info(err)->name,
           wp_exchange_action(x), detail == NULL ? "" : detail);
    attempt_failed(x, &error);
}

static void on_head(void *state, int status, const struct wp_headers *headers);
static void on_body(void *state, wp_view bytes);
static void on_end(void *state);
static void on_error(void *state, enum wp_err err, const char *detail);

static const struct wp_call_events CALL_EVENTS = {on_head, on_body, on_end, on_error};

static uint32_t first_of(uint32_t a, uint32_t b, uint32_t c)
{
    return a != 0 ? a : b != 0 ? b : c;
}

// The longest wait for the head: a client may shorten it (x-litellm-timeout, seconds).
static uint32_t head_timeout_ms(const struct wp_exchange *x,
                                const struct wp_deployment_config *deployment)
{
    const struct wp_router_settings *router = &x->front->runtime->snapshot->router;
    double seconds;
    wp_view asked = wp_headers_get(&x->front->head->headers, "x-litellm-timeout");
    if (asked.len > 0 && wp_view_parse_double(asked, &seconds) && seconds > 0 && seconds < 86400)
        return (uint32_t)(seconds * 1000) + 1;
    uint32_t whole = first_of(deployment->timeout_ms, router->timeout_ms, 600000);
    if (!x->request.stream)
        return whole;
    return first_of(deployment->stream_timeout_ms, router->stream_timeout_ms, whole);
}

static void send_upstream(struct wp_exchange *x)
{
    const struct wp_deployment_config *deployment = current_try(x)->deployment;
    uint32_t timeout_ms = head_timeout_ms(x, deployment);
    struct wp_call_request request = wp_upstream_call(x->upstream);
    request.arena = x->body_arena;
    request.first_byte_timeout_ms = timeout_ms;
    request.idle_timeout_ms =
        x->request.stream ? first_of(deployment->stream_idle_timeout_ms, 300000, 0) : timeout_ms;
    request.allow_link_local = deployment->allow_link_local;
    wp_exchange_set(x, WP_EXCHANGE_SEND);
    if (x->first_call_ns == 0) {
        x->first_call_ns = wp_now_ns();
        x->waited_before_ms = x->waited_ms;
    }
    enum wp_err err = wp_call_start(x->worker->client, &request, &CALL_EVENTS, x, &x->call);
    if (err != WP_OK) {
        x->call = NULL;
        fail_locally(x, err, "the call could not be started");
    }
}

// Names this process to whatever stands behind, which may be itself.
static enum wp_err add_hop(struct wp_exchange *x)
{
    wp_view before = wp_headers_get(&x->front->head->headers, WP_HOP_HEADER);
    wp_view hops = wp_view_of(x->gateway->instance);
    if (before.len > 0)
        hops = wp_arena_printf(x->body_arena, "%.*s,%s", WP_VIEW_ARG(before), x->gateway->instance);
    if (hops.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    return wp_headers_add(&x->upstream->headers, WP_VIEW(WP_HOP_HEADER), hops);
}

// What the log shows of the request; the request itself goes with the body.
static enum wp_err keep_for_log(struct wp_exchange *x)
{
    const struct wp_upstream_request *upstream = x->upstream;
    wp_view *dropped = NULL;
    current_try(x)->api_base =
        upstream->api_base_stays ? upstream->api_base : wp_arena_copy(x->arena, upstream->api_base);
    if (upstream->dropped_count > 0)
        dropped = wp_arena_array(x->arena, upstream->dropped_count, sizeof(*dropped));
    if (current_try(x)->api_base.ptr == NULL || (dropped == NULL && upstream->dropped_count > 0))
        return WP_ERR_NO_MEMORY;
    for (size_t i = 0; i < upstream->dropped_count; i++) {
        dropped[i] = wp_arena_copy(x->arena, upstream->dropped[i]);
        if (dropped[i].ptr == NULL)
            return WP_ERR_NO_MEMORY;
    }
    x->dropped = dropped;
    x->dropped_count = upstream->dropped_count;
    return WP_OK;
}

static void build_and_send(struct wp_exchange *x)
{
    const struct wp_deployment_config *deployment = current_try(x)->deployment;
    const struct wp_deployment_runtime *compiled =
        &x->front->runtime->deployments[deployment->index];
    const char *detail = NULL;
    const struct wp_provider_input input = {
        .operation = x->operation,
        .deployment = deployment,
        .endpoint = compiled->endpoint,
        .upstream_model = x->upstream_model,
        .request = &x->request,
        .markers = &x->markers,
        .client_headers = &x->front->head->headers,
        .client_query = x->front->head->query,
        .model = x->model,
        .tables = x->front->runtime->tables,
        .keys = x->keys.access_key_id.len > 0 ? &x->keys : NULL,
        .bearer = x->access_token.len > 0 ? x->access_token : compiled->bearer,
        .caller_oauth = x->front->caller.oauth,
        .region = wp_credentials_region(compiled, x->arena),
        .wall_ms = wp_wall_ms(),
    };
    if (x->upstream == NULL)
        x->upstream = WP_ARENA_NEW(x->body_arena, struct wp_upstream_request);
    enum wp_err err = x->upstream == NULL ? WP_ERR_NO_MEMORY : WP_OK;
    if (err == WP_OK)
        err = wp_provider_build(&input, x->body_arena, x->upstream, &detail);
    if (err == WP_OK)
        err = add_hop(x);
    if (err == WP_OK)
        err = keep_for_log(x);
    if (err != WP_OK) {
        fail_locally(x, err, detail == NULL ? "the request could not be built" : detail);
        return;
    }
    send_upstream(x);
}

static void get_credentials(void *exchange);

static void credentials_ready(void *arg)
{
    struct wp_exchange *x = arg;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    x->credentials_wait = NULL;
    get_credentials(x);
}

static void get_credentials(void *exchange)
{
    struct wp_exchange *x = exchange;
    char error[512] = "";
    struct wp_credentials found;
    enum wp_renewal_state state =
        wp_credentials_get(&x->front->runtime->deployments[current_try(x)->deployment->index],
                           x->worker, x->arena, credentials_ready, x, &found, error, sizeof(error));
    x->keys = found.keys;
    x->access_token = found.access_token;
    x->credentials_wait = found.wait;
    switch (state) {
    case WP_RENEWAL_READY:
        build_and_send(x);
        return;
    case WP_RENEWAL_PENDING:
        return;
    case WP_RENEWAL_FAILED:
        fail_locally(x, WP_ERR_CREDENTIALS, error);
        return;
    case WP_RENEWAL_NO_MEMORY:
        fail_locally(x, WP_ERR_NO_MEMORY, "getting the credentials");
        return;
    }
}

static size_t group_index(const struct wp_exchange *x, const struct wp_deployment_config *wanted)
{
    for (size_t i = 0; i < x->group.count; i++)
        if (x->group.deployments[i] == wanted)
            return i;
    return 0;
}

// What is known of the attempt's model, for the price at the end; NULL: memory is short.
static const struct wp_model_info *lasting_model(struct wp_exchange *x,
                                                 const struct wp_deployment_config *deployment)
{
    if (!deployment->wildcard)
        return &x->front->runtime->deployments[deployment->index].model;
    struct wp_model_info *copy = WP_ARENA_NEW(x->arena, struct wp_model_info);
    if (copy != NULL)
        *copy = x->models[x->candidate_index];
    return copy;
}

void wp_exchange_start_attempt(struct wp_exchange *x)
{
    const struct wp_candidate *candidate = &x->plan->candidates[0];
    if (x->try_count < WP_ATTEMPTS_LOGGED)
        x->try_count++;
    *current_try(x) =
        (struct wp_try){.deployment = candidate->deployment, .begun_ns = x->plan_request.now_ns};
    x->candidate_index = group_index(x, candidate->deployment);
    x->model = lasting_model(x, candidate->deployment);
    x->answer = NULL;
    x->upstream_status = 0;
    x->response_begun = false;
    wp_buf_clear(&x->hold);
    wp_buf_clear(&x->upstream_error_body);
    wp_exchange_set(x, WP_EXCHANGE_CREDENTIALS);
    x->upstream_model = wp_resolved_upstream_model(x->arena, &x->group, candidate->deployment);
    current_try(x)->upstream_model = x->upstream_model;
    if (x->upstream_model.ptr == NULL || x->model == NULL)
        fail_locally(x, WP_ERR_NO_MEMORY, NULL);
    else
        wp_exchange_step(x, WP_STAGE_CALL, get_credentials);
}

// Failure and what comes next.

static void settle_failed_attempt(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    // A platform without this call, a role that may not make it, a limit of its own: an answer to a
    // count says nothing about messages.
    bool apart = wp_err_is_ours(error->err) ||
                 (x->operation == WP_OP_COUNT_TOKENS && x->upstream_status != 0);
    bool refused = apart || wp_err_info(error->err)->retry == WP_RETRY_NEVER;
    struct wp_try *attempt = current_try(x);
    attempt->status = x->upstream_status;
    attempt->err = error->err;
    end_attempt(x, &(struct wp_outcome_detail){
                       .outcome = refused ? WP_OUTCOME_REFUSED : WP_OUTCOME_FAILED,
                       .kind = wp_exchange_error_kind(error),
                       .status = x->upstream_status != 0 ? x->upstream_status : error->status,
                       .retry_after_ms = error->retry_after_ms,
                       .spend_cap = error->spend_cap,
                       .usage = seen_usage(x),
                       .latency_ns = first_byte_latency(x),
                       .now_ns = wp_now_ns(),
                   });
}

// Keys that expired early are fetched anew once; that costs no retry.
static bool refresh_credentials(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    const struct wp_deployment_runtime *compiled =
        &x->front->runtime->deployments[current_try(x)->deployment->index];
    if (!error->credentials || x->refreshed_credentials ||
        (compiled->aws == NULL && compiled->google == NULL))
        return false;
    x->refreshed_credentials = true;
    if (compiled->aws != NULL)
        wp_aws_source_invalidate(compiled->aws, x->keys.access_key_id);
    else
        wp_google_source_invalidate(compiled->google);
    return true;
}

static void go_on(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    enum wp_retry_class retry = wp_err_info(error->err)->retry;
    if (refresh_credentials(x, error)) {
        wp_exchange_plan(x);
        return;
    }
    if (error->context_window) {
        if (!x->context_exceeded) // the list of these begins; a later one goes on with it
            x->fallbacks = 0;
        x->context_exceeded = true;
        if (wp_exchange_enter_fallback(x, WP_FALLBACK_CONTEXT_WINDOW)) {
            wp_exchange_plan(x);
            return;
        }
    }
    wp_exchange_note_refusal(x, error);
    x->tried |= (uint64_t)1 << x->candidate_index;
    if (error->err == WP_ERR_NOT_SUPPORTED) {
        // Nothing was sent; a deployment on another platform of the group may well serve it.
        wp_exchange_plan(x);
    } else if (retry == WP_RETRY_NEVER) {
        wp_exchange_fail_upstream(x);
    } else if (!wp_exchange_may_try_again(x, error)) {
        wp_exchange_fail_upstream(x);
    } else if (x->retries < wp_exchange_retries_allowed(x, wp_exchange_error_kind(error))) {
        x->retries++;
        x->retrying = true;
        wp_exchange_plan(x);
    } else if (wp_exchange_enter_fallback(x, WP_FALLBACK_GENERAL)) {
        wp_exchange_plan(x);
    } else {
        wp_exchange_fail_upstream(x);
    }
}

// The attempt is over; nothing has been sent to the client unless x->committed.
static void attempt_failed(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    wp_timer_stop(&x->timer);
    wp_timer_stop(&x->ping);
    x->last_error = *error;
    x->has_last_error = true;
    note_timing(x);
    if (x->call != NULL) {
        wp_call_cancel(x->call);
        x->call = NULL;
    }
    if (x->committed)
        wp_exchange_estimate_output(x);
    settle_failed_attempt(x, error);
    if (x->committed)
        wp_exchange_fail_upstream(x);
    else
        go_on(x, error);
}

// The upstream's answer.

static struct wp_exchange *exchange_of(void *state)
{
    struct wp_exchange *x = state;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    return x;
}

static void response_begun(struct wp_exchange *x)
{
    if (x->response_begun)
        return;
    x->response_begun = true;
    wp_router_started(x->gateway->router, &x->attempt, wp_loop_now_ns(x->worker->loop));
}

static void begin_answer(struct wp_exchange *x, const struct wp_headers *headers)
{
    x->upstream_headers = *headers;
    x->answer_options = (struct wp_answer_options){
        .deployment = current_try(x)->deployment,
        .stream = x->request.stream && x->operation == WP_OP_MESSAGES,
        .requested_model = x->request.model,
        .status = x->upstream_status,
        .headers = &x->upstream_headers,
        .arena = x->arena,
    };
    enum wp_err err = wp_answer_create(&x->answer_options, &x->answer);
    if (err != WP_OK)
        fail_locally(x, err, "the answer's content type does not fit the request");
}

static struct wp_limit_report read_limits(const struct wp_headers *headers)
{
    static const wp_view prefix = {"anthropic-ratelimit-", 20};
    static const struct {
        wp_view name;
        size_t offset;
    } rows[] = {
        {{"requests-limit", 14}, offsetof(struct wp_limit_report, requests_limit)},
        {{"requests-remaining", 18}, offsetof(struct wp_limit_report, requests_remaining)},
        {{"input-tokens-limit", 18}, offsetof(struct wp_limit_report, input_limit)},
        {{"input-tokens-remaining", 22}, offsetof(struct wp_limit_report, input_remaining)},
        {{"tokens-limit", 12}, offsetof(struct wp_limit_report, tokens_limit)},
        {{"tokens-remaining", 16}, offsetof(struct wp_limit_report, tokens_remaining)},
    };
    struct wp_limit_report report = {0};
    for (size_t i = 0; i < headers->count; i++) {
        const struct wp_header *header = &headers->list[i];
        if (!wp_view_starts_with_nocase(header->name, prefix))
            continue;
        wp_view name = wp_view_skip(header->name, prefix.len);
        for (size_t k = 0; k < WP_COUNT_OF(rows); k++) {
            uint64_t *field = (uint64_t *)(void *)((char *)&report + rows[k].offset);
            if (wp_view_eq_nocase(name, rows[k].name))
                (void)wp_view_parse_u64(header->value, field);
        }
    }
    return report;
}

// What the answer's head says about the cache's scope and the limits.
static void learn_domains(struct wp_exchange *x, const struct wp_headers *headers)
{
    struct wp_router *router = x->gateway->router;
    const struct wp_limit_report report = read_limits(headers);
    wp_view organisation = wp_headers_get(headers, "anthropic-organization-id");
    wp_view scope = wp_headers_get(headers, "anthropic-workspace-id");
    if (organisation.len > 0)
        wp_router_learn_organisation(router, &x->attempt, organisation);
    if (report.requests_limit + report.input_limit + report.tokens_limit > 0)
        wp_router_report_limits(router, &x->attempt, &report, wp_now_ns());
    if (scope.len > 0)
        wp_router_learn_scope(router, &x->attempt, scope);
}

static void on_head(void *state, int status, const struct wp_headers *headers)
{
    struct wp_exchange *x = exchange_of(state);
    x->upstream_status = status;
    x->response_head_ns = wp_loop_now_ns(x->worker->loop);
    current_try(x)->status = status;
    note_timing(x);
    wp_exchange_set(x, WP_EXCHANGE_RELAY);
    if (x->operation == WP_OP_MESSAGES && x->front->caller.oauth.len == 0)
        learn_domains(x, headers);
    x->upstream_headers = *headers;
    x->upstream_request_id = wp_arena_copy(x->arena, wp_headers_get(headers, "request-id"));
    if (status >= 200 && status < 300)
        begin_answer(x, headers);
}

static void hold_expired(void *arg)
{
    struct wp_exchange *x = exchange_of(arg);
    if (!x->committed)
        wp_exchange_commit(x);
}

// What the answer's new phase asks for.
static void follow_phase(struct wp_exchange *x)
{
    switch (x->answer->phase) {
    case WP_ANSWER_EMPTY:
        return;
    case WP_ANSWER_FAILED: {
        struct wp_upstream_error error = x->answer->error;
        attempt_failed(x, &error);
        return;
    }
    case WP_ANSWER_STARTED:
        response_begun(x);
        if (!x->committed && !wp_timer_active(&x->timer)) {
            wp_timer_init(&x->timer, x->worker->loop, hold_expired, x);
            wp_timer_start(&x->timer, WP_HOLD_MS);
        }
        return;
    case WP_ANSWER_CONTENT:
    case WP_ANSWER_COMPLETE:
        response_begun(x);
        if (!x->committed && x->answer_options.stream)
            wp_exchange_commit(x);
        return;
    }
}

static void on_body(void *state, wp_view bytes)
{
    struct wp_exchange *x = exchange_of(state);
    if (x->answer == NULL) {
        // An error body is cut at its maximum: what counts stands at its beginning.
        size_t room = x->upstream_error_body.max - x->upstream_error_body.len;
        wp_buf_append(&x->upstream_error_body, wp_view_sub(bytes, 0, room));
        return;
    }
    if (!x->committed)
        x->chunk_ns = wp_loop_now_ns(x->worker->loop);
    if (!wp_exchange_feed(x, bytes))
        fail_locally(x, WP_ERR_NO_MEMORY, "relaying the answer");
    else if (!x->client_gone)
        follow_phase(x);
}

static void end_of_error(struct wp_exchange *x)
{
    struct wp_upstream_error error = {0};
    wp_provider_error(current_try(x)->deployment, x->upstream_status, &x->upstream_headers,
                      wp_buf_view(&x->upstream_error_body), x->arena, &error);
    wp_exchange_explain_skew(x, &error);
    wp_log(WP_LOG_INFO, "upstream", "%.*s (%.*s) answered %d: %.*s",
           WP_VIEW_ARG(current_try(x)->deployment->model_name),
           WP_VIEW_ARG(wp_view_sub(current_try(x)->deployment->id, 0, 12)), x->upstream_status,
           WP_VIEW_ARG(wp_view_sub(error.message, 0, 300)));
    attempt_failed(x, &error);
}

static void answer_ended(void *exchange)
{
    struct wp_exchange *x = exchange_of(exchange);
    if (x->answer == NULL) {
        end_of_error(x);
        return;
    }
    struct wp_document document = {.count = 0};
    if (x->answer_options.stream)
        wp_answer_finish(x->answer, wp_exchange_write, x);
    else
        wp_answer_finish(x->answer, wp_document_add, &document);
    if (x->client_gone)
        return;
    if (x->answer->phase == WP_ANSWER_FAILED) {
        follow_phase(x);
        return;
    }
    response_begun(x);
    end_attempt(x, &(struct wp_outcome_detail){
                       .outcome = WP_OUTCOME_SUCCESS,
                       .status = x->upstream_status,
                       .retry_after_ms = -1,
                       .usage = seen_usage(x),
                       .latency_ns = first_byte_latency(x),
                       .now_ns = wp_loop_now_ns(x->worker->loop),
                   });
    wp_exchange_complete(x, &document);
}

// What the call holds lives until the end of this turn.
static void on_end(void *state)
{
    struct wp_exchange *x = exchange_of(state);
    note_timing(x);
    x->call = NULL;
    wp_exchange_step(x, WP_STAGE_ANSWER, answer_ended);
}

static void on_error(void *state, enum wp_err err, const char *detail)
{
    struct wp_exchange *x = exchange_of(state);
    note_timing(x);
    x->call = NULL;
    if (x->answer != NULL && x->answer->phase == WP_ANSWER_COMPLETE && x->answer_options.stream) {
        // The message was whole; that the connection then broke changes nothing.
        on_end(x);
        return;
    }
    fail_locally(x, err, detail);
}
