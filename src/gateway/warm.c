// One renewal, from the retained request to its ledger row:
//
//   due → scan → plan (only where the entry is) → credentials → build → call → settle
//
// It is put off when the deployment is cooling, full or short of headroom, and given up when the
// entry is not believed to be there any more: a renewal must never be a write in disguise.
#include "gateway/warm.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gateway/credentials.h"
#include "store/detail.h"
#include "json/writer.h"

enum {
    WARMER_MAGIC = 0x5741524d,
    WARM_MAGIC = 0x5741524e,
    ARENA_LIMIT = 64 << 20,
    ANSWER_MAX = 1 << 20,
    TIMEOUT_MS = 60000,
};
static const double HEADROOM_LEAST = 0.25; // of the tightest limit: below it clients come first

struct wp_warmer {
    uint32_t magic;
    struct wp_worker *worker;
    struct wp_list under_way;
};

struct warm {
    uint32_t magic;
    struct wp_list link;
    struct wp_warmer *warmer;
    struct wp_runtime *runtime;
    struct wp_arena *arena;
    struct wp_kept_due due;

    struct wp_request request;
    struct wp_prompt prompt;
    struct wp_resolved group;
    struct wp_model_info *models;
    size_t index; // of the deployment in the group
    struct wp_plan plan;
    struct wp_plan_request plan_request;
    struct wp_attempt attempt;
    bool attempt_open;

    struct wp_headers headers; // as of a client
    struct wp_credentials credentials;
    struct wp_upstream_request upstream;
    struct wp_call *call;
    int status;
    struct wp_headers answer_headers;
    struct wp_answer_options answer_options;
    struct wp_answer *answer;
    struct wp_buf error_body;
    uint64_t begun_ns, first_byte_ns;
    int64_t begun_ms;
    char id[37]; // of its row
    enum wp_err err;
    wp_view message;
    int64_t retry_after_ms; // of a failure; -1: none
    bool spend_cap;
};

static const struct wp_deployment_config *deployment_of(const struct warm *w)
{
    return w->group.deployments[w->index];
}

static struct wp_gateway *gateway_of(const struct warm *w)
{
    return w->warmer->worker->gateway;
}

static int64_t today(void)
{
    return wp_wall_ms() / 86400000;
}

static void destroy(struct warm *w)
{
    wp_list_unlink(&w->link);
    if (w->credentials.wait != NULL)
        wp_renewal_cancel(w->credentials.wait);
    if (w->call != NULL)
        wp_call_cancel(w->call);
    wp_buf_free(&w->error_body);
    wp_free(w->due.memory);
    wp_arena_destroy(w->arena);
    wp_runtime_unref(w->runtime);
    w->magic = 0;
    wp_free(w);
}

// Settling.

static const struct wp_usage *usage_of(const struct warm *w)
{
    return w->answer != NULL && w->answer->usage.seen ? &w->answer->usage : NULL;
}

static double spend_of(const struct warm *w)
{
    const struct wp_usage *usage = usage_of(w);
    return usage == NULL ? 0 : wp_price_usage(&w->models[w->index].price, usage);
}

// In JSON: renewals are few, and what they tell is their own.
static wp_view detail(const struct warm *w)
{
    struct wp_buf buf = wp_buf_make(4096), out = wp_buf_make(4096);
    struct wp_json_writer json = wp_json_writer(&buf);
    wp_json_open_object(&json, NULL);
    wp_json_put_str(&json, "group", w->group.group);
    wp_json_open_object(&json, "keep_warm");
    wp_json_put_decimal(&json, "idle_s", w->due.idle_s, 1);
    wp_json_put_decimal(&json, "return_odds", w->due.verdict.odds, 4);
    wp_json_put_decimal(&json, "expected_price", w->due.verdict.price, 12);
    wp_json_put_decimal(&json, "expected_gain", w->due.verdict.gain, 12);
    wp_json_put_u64(&json, "tokens", w->due.request.tokens);
    wp_json_put_decimal(&json, "ttl_s", w->due.request.ttl_s, 0);
    wp_json_close(&json);
    wp_json_open_array(&json, "candidates");
    wp_json_close(&json);
    wp_json_close(&json);
    wp_detail_begin(&out, false);
    wp_detail_put_json(&out, WP_DETAIL_PART_DECISION, wp_buf_view(&buf));
    bool good = wp_buf_ok(&buf) && wp_buf_ok(&out);
    wp_view copy = good ? wp_arena_copy(w->arena, wp_buf_view(&out)) : (wp_view){NULL, 0};
    wp_buf_free(&buf);
    wp_buf_free(&out);
    return copy;
}

static void record(const struct warm *w, double spend)
{
    uint64_t now_ns = wp_now_ns();
    const struct wp_kept_request *kept = &w->due.request;
    const struct wp_usage *usage = usage_of(w);
    struct wp_record row = {
        .request_id = wp_view_of(w->id),
        .call_type = WP_VIEW("keep_warm"),
        .model = wp_resolved_upstream_model(w->arena, &w->group, deployment_of(w)),
        .requested_model = kept->model,
        .model_group = w->group.group,
        .model_id = deployment_of(w)->id,
        .provider = wp_view_of(wp_platform_name(deployment_of(w)->platform)),
        .api_base = w->upstream.api_base,
        .api_key_hash = kept->key_hash,
        .session_id = kept->session_id,
        .agent_id = kept->agent_id,
        .user_agent = WP_VIEW("warmpath"),
        .status = w->err == WP_OK ? WP_VIEW("success") : WP_VIEW("failure"),
        .detail = detail(w),
        .start_ms = w->begun_ms,
        .duration_us = (now_ns - w->begun_ns) / 1000,
        .http_status = (uint32_t)w->status,
        .predicted_read_tokens = w->attempt.predicted_read,
        .request_bytes = kept->body.len,
        .spend = spend,
        .saved = -spend, // what it saves is counted where the conversation comes back
    };
    if (w->err != WP_OK) {
        row.error_code = wp_view_of(wp_err_info(w->err)->name);
        row.error_message = wp_view_sub(w->message, 0, 1000);
    }
    if (usage != NULL) {
        row.input_tokens = usage->input;
        row.cache_read_tokens = usage->cache_read;
        row.cache_write_5m_tokens = usage->cache_write_5m;
        row.cache_write_1h_tokens = usage->cache_write_1h;
        row.output_tokens = usage->output;
        row.stop_reason = w->answer->stop_reason;
        row.message_id = w->answer->message_id;
    }
    wp_gateway_submit(gateway_of(w), &row);
}

// A renewal that read less than half of what it was to renew has written it anew: the entry was
// gone, and so is the reason to go on.
static enum wp_kept_outcome outcome_of(const struct warm *w)
{
    const struct wp_usage *usage = usage_of(w);
    if (w->err == WP_OK && usage != NULL)
        return usage->cache_read * 2 >= w->due.request.tokens ? WP_KEPT_RENEWED : WP_KEPT_LOST;
    return wp_err_info(w->err)->retry == WP_RETRY_NEVER ? WP_KEPT_LOST : WP_KEPT_PUT_OFF;
}

static void finish(struct warm *w)
{
    double spend = spend_of(w);
    bool refused = wp_err_is_ours(w->err) || wp_err_info(w->err)->retry == WP_RETRY_NEVER;
    enum wp_outcome outcome = w->err == WP_OK ? WP_OUTCOME_SUCCESS
                              : refused       ? WP_OUTCOME_REFUSED
                                              : WP_OUTCOME_FAILED;
    if (w->attempt_open)
        wp_router_end(
            gateway_of(w)->router, &w->attempt,
            &(struct wp_outcome_detail){
                .outcome = outcome,
                .kind = w->err == WP_ERR_RATE_LIMITED ? WP_KIND_RATE_LIMIT : WP_KIND_DEFAULT,
                .status = w->status,
                .retry_after_ms = w->retry_after_ms,
                .spend_cap = w->spend_cap,
                .usage = usage_of(w),
                .now_ns = wp_now_ns(),
            });
    record(w, spend);
    wp_keeper_renewed(gateway_of(w)->keeper, &w->due, outcome_of(w), spend, w->begun_ns, today());
    destroy(w);
}

// Nothing was sent: no row.
static void give_back(struct warm *w, enum wp_kept_outcome outcome)
{
    if (w->attempt_open)
        wp_router_end(gateway_of(w)->router, &w->attempt,
                      &(struct wp_outcome_detail){.outcome = WP_OUTCOME_CANCELLED,
                                                  .retry_after_ms = -1,
                                                  .now_ns = wp_now_ns()});
    wp_keeper_renewed(gateway_of(w)->keeper, &w->due, outcome, 0, wp_now_ns(), today());
    destroy(w);
}

static void fail(struct warm *w, enum wp_err err, wp_view message)
{
    w->err = err;
    w->message = message.len > 0 ? message : wp_view_of(wp_err_info(err)->sentence);
    wp_log(WP_LOG_INFO, "keep_warm", "%.*s (%.*s): %.*s", WP_VIEW_ARG(deployment_of(w)->model_name),
           WP_VIEW_ARG(wp_view_sub(deployment_of(w)->id, 0, 12)),
           WP_VIEW_ARG(wp_view_sub(w->message, 0, 300)));
    finish(w);
}

// The answer.

static struct warm *warm_of(void *state)
{
    struct warm *w = state;
    WP_CHECK_MAGIC(w, WARM_MAGIC);
    return w;
}

static void discard(void *arg, wp_view bytes)
{
    (void)arg;
    (void)bytes;
}

static void on_head(void *state, int status, const struct wp_headers *headers)
{
    struct warm *w = warm_of(state);
    w->status = status;
    w->first_byte_ns = wp_now_ns();
    w->answer_headers = *headers;
    if (status < 200 || status >= 300)
        return;
    w->answer_options = (struct wp_answer_options){
        .deployment = deployment_of(w),
        .requested_model = w->due.request.model,
        .status = status,
        .headers = &w->answer_headers,
        .arena = w->arena,
    };
    if (wp_answer_create(&w->answer_options, &w->answer) != WP_OK)
        w->answer = NULL;
}

static void on_body(void *state, wp_view bytes)
{
    struct warm *w = warm_of(state);
    if (w->answer != NULL)
        wp_answer_feed(w->answer, bytes, discard, NULL);
    else
        wp_buf_append(&w->error_body, wp_view_sub(bytes, 0, w->error_body.max - w->error_body.len));
}

static void on_end(void *state)
{
    struct warm *w = warm_of(state);
    w->call = NULL;
    if (w->answer == NULL) {
        struct wp_upstream_error error = {.err = WP_ERR_PROTOCOL, .retry_after_ms = -1};
        if (w->status < 200 || w->status >= 300)
            wp_provider_error(deployment_of(w), w->status, &w->answer_headers,
                              wp_buf_view(&w->error_body), w->arena, &error);
        w->retry_after_ms = error.retry_after_ms;
        w->spend_cap = error.spend_cap;
        fail(w, error.err, error.message);
        return;
    }
    wp_answer_finish(w->answer, discard, NULL);
    if (w->answer->phase == WP_ANSWER_FAILED)
        fail(w, w->answer->error.err, w->answer->error.message);
    else
        finish(w);
}

static void on_error(void *state, enum wp_err err, const char *detail)
{
    struct warm *w = warm_of(state);
    w->call = NULL;
    fail(w, err, wp_arena_copy(w->arena, wp_view_of(detail)));
}

static const struct wp_call_events CALL_EVENTS = {on_head, on_body, on_end, on_error};

// The request.

static bool client_headers(struct warm *w)
{
    const struct wp_kept_request *kept = &w->due.request;
    const struct {
        const char *name;
        wp_view value;
    } rows[] = {{"anthropic-version", kept->version},
                {"anthropic-beta", kept->beta},
                {"user-agent", kept->user_agent}};
    wp_headers_init(&w->headers, w->arena);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (rows[i].value.len > 0 &&
            wp_headers_add(&w->headers, wp_view_of(rows[i].name), rows[i].value) != WP_OK)
            return false;
    return true;
}

static enum wp_err build(struct warm *w, const char **detail)
{
    const struct wp_deployment_runtime *compiled =
        &w->runtime->deployments[deployment_of(w)->index];
    const struct wp_provider_input input = {
        .operation = WP_OP_MESSAGES,
        .deployment = deployment_of(w),
        .endpoint = compiled->endpoint,
        .upstream_model = wp_resolved_upstream_model(w->arena, &w->group, deployment_of(w)),
        .request = &w->request,
        .client_headers = &w->headers,
        .client_query = w->due.request.query,
        .model = &w->models[w->index],
        .tables = w->runtime->tables,
        .keys = w->credentials.keys.access_key_id.len > 0 ? &w->credentials.keys : NULL,
        .bearer =
            w->credentials.access_token.len > 0 ? w->credentials.access_token : compiled->bearer,
        .region = wp_credentials_region(compiled, w->arena),
        .wall_ms = wp_wall_ms(),
    };
    if (input.upstream_model.ptr == NULL || !client_headers(w))
        return WP_ERR_NO_MEMORY;
    return wp_provider_build(&input, w->arena, &w->upstream, detail);
}

static void send(struct warm *w)
{
    const char *detail = NULL;
    enum wp_err err = build(w, &detail);
    if (err != WP_OK) {
        give_back(w, err == WP_ERR_NO_MEMORY ? WP_KEPT_PUT_OFF : WP_KEPT_LOST);
        return;
    }
    struct wp_call_request request = wp_upstream_call(&w->upstream);
    request.arena = w->arena;
    request.first_byte_timeout_ms = request.idle_timeout_ms = TIMEOUT_MS;
    request.allow_link_local = w->group.deployments[w->index]->allow_link_local;
    w->begun_ns = wp_now_ns();
    w->begun_ms = wp_wall_ms();
    wp_random_uuid(w->id); // the row is found by its time
    if (wp_call_start(w->warmer->worker->client, &request, &CALL_EVENTS, w, &w->call) != WP_OK) {
        w->call = NULL;
        give_back(w, WP_KEPT_PUT_OFF);
    }
}

static void get_credentials(struct warm *w);

static void credentials_ready(void *arg)
{
    struct warm *w = warm_of(arg);
    w->credentials.wait = NULL;
    get_credentials(w);
}

static void get_credentials(struct warm *w)
{
    char error[512] = "";
    switch (wp_credentials_get(&w->runtime->deployments[deployment_of(w)->index], w->warmer->worker,
                               w->arena, credentials_ready, w, &w->credentials, error,
                               sizeof(error))) {
    case WP_RENEWAL_READY:
        send(w);
        return;
    case WP_RENEWAL_PENDING:
        return;
    case WP_RENEWAL_FAILED:
    case WP_RENEWAL_NO_MEMORY:
        give_back(w, WP_KEPT_PUT_OFF);
        return;
    }
}

// Planning: the group as the client's request would see it, all but one deployment struck out.

static bool find_deployment(struct warm *w)
{
    if (!wp_snapshot_resolve(w->runtime->snapshot, w->due.request.model, &w->group))
        return false;
    for (size_t i = 0; i < w->group.count && i < WP_PLAN_MAX; i++)
        if (wp_view_eq(w->group.deployments[i]->id, w->due.request.deployment)) {
            w->index = i;
            return w->group.deployments[i]->keep_warm;
        }
    return false;
}

static bool read_request(struct warm *w)
{
    const char *detail;
    size_t offset;
    struct wp_chain_options options = {
        .key = wp_router_hash_key(gateway_of(w)->router),
        .collapse_tool_runs = true,
        .thinking_in_head = true,
        .betas = w->due.request.beta,
    };
    w->models = wp_arena_array(w->arena, w->group.count, sizeof(*w->models));
    if (w->models == NULL ||
        wp_request_scan(w->arena, w->due.request.body, &w->request, &detail, &offset) != WP_OK)
        return false;
    for (size_t i = 0; i < w->group.count; i++) {
        wp_view upstream = wp_resolved_upstream_model(w->arena, &w->group, w->group.deployments[i]);
        if (upstream.ptr == NULL)
            return false;
        wp_runtime_model(w->runtime, w->group.deployments[i], upstream, &w->models[i]);
        options.thinking_in_head &= w->models[i].thinking_in_head;
    }
    return wp_chain_build(w->arena, &w->request, &options, &w->prompt) == WP_OK;
}

static void plan(struct warm *w)
{
    w->plan_request = (struct wp_plan_request){
        .snapshot = w->runtime->snapshot,
        .group = &w->group,
        .models = w->models,
        .prompt = &w->prompt,
        .tried = ~((uint64_t)1 << w->index),
        .now_ns = wp_now_ns(),
    };
    w->begun_ns = w->plan_request.now_ns;
    wp_router_plan(gateway_of(w)->router, &w->plan_request, &w->plan);
}

static void start(struct warm *w)
{
    if (!find_deployment(w) || !read_request(w)) {
        give_back(w, WP_KEPT_LOST);
        return;
    }
    plan(w);
    const struct wp_candidate *candidate = &w->plan.candidates[0];
    if (w->plan.usable == 0 || candidate->headroom < HEADROOM_LEAST) {
        give_back(w, WP_KEPT_PUT_OFF);
        return;
    }
    if ((uint64_t)candidate->predicted_read * 2 < w->due.request.tokens) {
        give_back(w, WP_KEPT_LOST);
        return;
    }
    w->attempt_open =
        wp_router_begin(gateway_of(w)->router, &w->plan_request, candidate, &w->attempt);
    if (w->attempt_open)
        get_credentials(w);
    else
        give_back(w, WP_KEPT_PUT_OFF);
}

// The warmer.

struct wp_warmer *wp_warmer_create(struct wp_worker *worker)
{
    struct wp_warmer *warmer = wp_alloc(sizeof(*warmer));
    if (warmer == NULL)
        return NULL;
    warmer->magic = WARMER_MAGIC;
    warmer->worker = worker;
    wp_list_init(&warmer->under_way);
    return warmer;
}

static struct warm *new_warm(struct wp_warmer *warmer, const struct wp_kept_due *due)
{
    struct warm *w = wp_alloc(sizeof(*w));
    struct wp_arena *arena = wp_arena_create(ARENA_LIMIT);
    if (w == NULL || arena == NULL) {
        wp_free(w);
        wp_arena_destroy(arena);
        return NULL;
    }
    w->magic = WARM_MAGIC;
    w->warmer = warmer;
    w->arena = arena;
    w->due = *due;
    w->retry_after_ms = -1;
    w->runtime = wp_gateway_runtime(warmer->worker->gateway);
    w->error_body = wp_buf_make(ANSWER_MAX);
    wp_list_init(&w->link);
    wp_list_append(&warmer->under_way, &w->link);
    return w;
}

void wp_warmer_tick(struct wp_warmer *warmer)
{
    struct wp_kept_due due;
    WP_CHECK_MAGIC(warmer, WARMER_MAGIC);
    struct wp_keeper *keeper = warmer->worker->gateway->keeper;
    while (wp_keeper_due(keeper, wp_now_ns(), today(), &due)) {
        struct warm *w = new_warm(warmer, &due);
        if (w != NULL) {
            start(w);
            continue;
        }
        wp_keeper_renewed(keeper, &due, WP_KEPT_LOST, 0, wp_now_ns(), today());
        wp_free(due.memory);
    }
}

void wp_warmer_destroy(struct wp_warmer *warmer)
{
    if (warmer == NULL)
        return;
    WP_CHECK_MAGIC(warmer, WARMER_MAGIC);
    WP_LIST_FOREACH(node, &warmer->under_way)
    {
        struct warm *w = WP_CONTAINER_OF(node, struct warm, link);
        if (w->call != NULL)
            fail(w, WP_ERR_CLIENT_GONE, WP_VIEW("the gateway stopped")); // sent: it has a row
        else
            give_back(w, WP_KEPT_LOST);
    }
    warmer->magic = 0;
    wp_free(warmer);
}
