#include "route/router.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "route/cooldown.h"
#include "route/private.h"

static const double LATENCY_STEP = 0.2;
static const uint64_t STARTS_NS =
    300000000000u; // an entry's life: what began since keeps a head warm

static void lock(struct wp_router *router)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    pthread_mutex_lock(&router->lock);
}

static void unlock(struct wp_router *router)
{
    pthread_mutex_unlock(&router->lock);
}

// Life.

struct wp_router *wp_router_create(void)
{
    struct wp_router *router = wp_alloc(sizeof(*router));
    char seed[32];
    if (router == NULL)
        return NULL;
    if (pthread_mutex_init(&router->lock, NULL) != 0) {
        wp_free(router);
        return NULL;
    }
    router->magic = WP_ROUTER_MAGIC;
    wp_random_bytes(seed, sizeof(seed));
    wp_hash_key_init(&router->hash_key, wp_view_make(seed, sizeof(seed)));
    wp_registry_init(&router->registry);
    wp_model_init(&router->model, WP_MODEL_ENTRIES, WP_MODEL_DOMAIN_ENTRIES);
    wp_pins_init(&router->pins);
    router->starts.period_ns = STARTS_NS;
    for (uint32_t i = 0; i < WP_WAIT_BUCKETS; i++)
        wp_list_init(&router->waiters[i]);
    return router;
}

void wp_router_destroy(struct wp_router *router)
{
    if (router == NULL)
        return;
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    wp_registry_free(&router->registry);
    wp_model_free(&router->model);
    wp_pins_free(&router->pins);
    pthread_mutex_destroy(&router->lock);
    router->magic = 0;
    wp_free(router);
}

void wp_router_set_seed(struct wp_router *router, wp_view seed)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    wp_hash_key_init(&router->hash_key, seed);
}

void wp_router_set_bounds(struct wp_router *router, uint32_t entries, uint32_t domain_entries)
{
    lock(router);
    wp_model_free(&router->model);
    wp_model_init(&router->model, entries, domain_entries);
    unlock(router);
}

const struct wp_hash_key *wp_router_hash_key(const struct wp_router *router)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    return &router->hash_key;
}

enum wp_err wp_router_configure(struct wp_router *router, const struct wp_snapshot *snapshot)
{
    lock(router);
    enum wp_err err =
        wp_registry_configure(&router->registry, &router->model, &router->hash_key, snapshot);
    unlock(router);
    return err;
}

void wp_router_expire(struct wp_router *router, uint64_t now_ns)
{
    lock(router);
    wp_model_expire(&router->model, now_ns);
    unlock(router);
    lock(router);
    wp_pins_expire(&router->pins, now_ns);
    unlock(router);
}

// Pins.

static bool is_set(struct wp_hash128 h)
{
    return h.low != 0 || h.high != 0;
}

static struct wp_hash128 group_key(const struct wp_router *router,
                                   const struct wp_plan_request *request)
{
    return wp_hash128_link(&router->hash_key, (struct wp_hash128){0, 0}, 1, request->group->group);
}

static struct wp_hash128 caller_key(const struct wp_router *router,
                                    const struct wp_plan_request *request, struct wp_hash128 group)
{
    if (request->caller == NULL)
        return group;
    return wp_hash128_link(&router->hash_key, group, 2,
                           wp_view_make((const char *)request->caller, 32));
}

// Keys hold the group, since a pin is to one of its deployments, and the caller: one user's
// session must not steer another's.
void wp_pin_keys(const struct wp_router *router, const struct wp_plan_request *request,
                 struct wp_pin_keys *out)
{
    const struct wp_hash_key *key = &router->hash_key;
    uint32_t checks = request->snapshot->router.pre_call_checks;
    bool session = (checks & WP_CHECK_SESSION_AFFINITY) != 0 && request->session_id.len > 0;
    bool caller = (checks & WP_CHECK_DEPLOYMENT_AFFINITY) != 0 && request->caller != NULL;
    bool conversation = (checks & WP_CHECK_PROMPT_CACHING) != 0 && request->prompt != NULL &&
                        is_set(request->prompt->first_user);
    struct wp_hash128 group = {0, 0};
    *out = (struct wp_pin_keys){.used = {[WP_PIN_SESSION] = session,
                                         [WP_PIN_CALLER] = caller,
                                         [WP_PIN_CONVERSATION] = conversation}};
    if (session || caller || conversation)
        group = group_key(router, request);
    if (session || caller)
        out->keys[WP_PIN_CALLER] = caller_key(router, request, group);
    if (session)
        out->keys[WP_PIN_SESSION] =
            wp_hash128_link(key, out->keys[WP_PIN_CALLER], 3, request->session_id);
    if (conversation) {
        wp_view first = wp_view_make((const char *)&request->prompt->first_user,
                                     sizeof(request->prompt->first_user));
        out->keys[WP_PIN_CONVERSATION] = wp_hash128_link(key, group, 4, first);
    }
}

bool wp_family_key(const struct wp_router *router, const struct wp_plan_request *request,
                   struct wp_hash128 *out)
{
    const struct wp_hash_key *key = &router->hash_key;
    if (request->prompt == NULL || !is_set(request->prompt->head) || request->session_id.len == 0)
        return false;
    struct wp_hash128 session =
        wp_hash128_link(key, group_key(router, request), 5, request->session_id);
    if (request->caller != NULL)
        session = wp_hash128_link(key, session, 2, wp_view_make((const char *)request->caller, 32));
    out->low = session.low ^ request->prompt->head.low;
    out->high = session.high ^ request->prompt->head.high;
    return true;
}

static bool in_group(const struct wp_router *router, const struct wp_resolved *group, uint32_t tag)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct wp_deployment_state *state =
            wp_registry_find(&router->registry, group->deployments[i]);
        if (state != NULL && wp_pin_tag(state) == tag)
            return true;
    }
    return false;
}

static bool is_session_pin(enum wp_pin_kind kind)
{
    return kind == WP_PIN_SESSION || kind == WP_PIN_CALLER;
}

// The family lives here now. One that is new to the deployment is a start; requests that name no
// session may each be one.
static void note_family(struct wp_router *router, const struct wp_plan_request *request,
                        const struct wp_lane *lane)
{
    struct wp_hash128 key;
    const struct wp_prompt *prompt = request->prompt;
    uint64_t now_ns = request->now_ns;
    if ((request->snapshot->router.pre_call_checks & WP_CHECK_PROMPT_CACHING) == 0 ||
        prompt == NULL || !is_set(prompt->head))
        return;
    bool named = wp_family_key(router, request, &key);
    bool known = named && wp_pins_get(&router->pins, WP_PIN_FAMILY, key, now_ns) == lane->tag;
    if (!known && !lane->forecast.deep)
        wp_crowd_note(&router->starts, wp_start_tag(prompt, lane->tag), now_ns);
    if (named)
        wp_pins_set(&router->pins, WP_PIN_FAMILY, key, lane->tag, now_ns + WP_CONVERSATION_PIN_NS);
}

// A session's or caller's pin outlives a cooldown: the request goes elsewhere, the pin stays. A
// conversation is where it was last.
static void set_pins(struct wp_router *router, const struct wp_plan_request *request,
                     const struct wp_pin_keys *keys, const struct wp_lane *lane)
{
    uint64_t idle_ns = request->snapshot->router.affinity_ttl_ms * (uint64_t)1000000;
    note_family(router, request, lane);
    for (enum wp_pin_kind kind = 0; kind < WP_PIN_KEYS; kind++) {
        if (!keys->used[kind])
            continue;
        uint32_t pin = lane->tag;
        if (is_session_pin(kind)) {
            uint32_t former = wp_pins_get(&router->pins, kind, keys->keys[kind], request->now_ns);
            if (former != 0 && in_group(router, request->group, former))
                pin = former;
        }
        wp_pins_set(&router->pins, kind, keys->keys[kind], pin,
                    request->now_ns + (is_session_pin(kind) ? idle_ns : WP_CONVERSATION_PIN_NS));
    }
}

// Attempts.

static uint32_t index_in_group(const struct wp_resolved *group,
                               const struct wp_deployment_config *deployment)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (group->deployments[i] == deployment)
            return i;
    return 0;
}

static void begin_trace(struct wp_router *router, const struct wp_plan_request *request,
                        const struct wp_lane *lane, struct wp_attempt *attempt)
{
    if (request->prompt == NULL)
        return;
    struct wp_domain *domain = lane->domain;
    if (domain != NULL)
        domain->refs++;
    else
        domain = wp_model_acquire(&router->model,
                                  wp_domain_key(&router->hash_key, lane->state->identity,
                                                lane->deployment, request->group->wildcard));
    if (domain == NULL)
        return; // costs a prediction, not the request
    attempt->trace = (struct wp_trace){
        .domain = domain,
        .rules = lane->rules,
        .prompt = request->prompt,
        .begun_ns = request->now_ns,
        .min_tokens = lane->model->min_cache_tokens,
    };
    wp_model_begin(&router->model, &attempt->trace, &lane->forecast, &lane->sighting);
    attempt->predicted_read = lane->forecast.read;
}

void wp_lane_begin(struct wp_router *router, const struct wp_plan_request *request,
                   const struct wp_pin_keys *keys, const struct wp_lane *lane,
                   struct wp_attempt *out)
{
    struct wp_deployment_state *state = lane->state;
    *out = (struct wp_attempt){
        .deployment = lane->deployment,
        .settings = &request->snapshot->router,
        .begun_ns = request->now_ns,
        .open = true,
        .alone = request->group->count == 1,
    };
    if (state == NULL)
        return;
    out->state = state;
    out->rate = state->rate;
    state->in_flight++;
    state->total_requests++;
    if (state->rate != NULL) {
        state->rate->refs++;
        wp_limits_reserve(state->rate, lane->deployment, &lane->need, request->now_ns);
        wp_limits_spend(state->reported, &lane->need);
    }
    out->reserved_requests = lane->need.requests;
    out->reserved_tokens = lane->need.tokens;
    out->reserved_input = lane->need.input;
    wp_window_add(&state->load, request->now_ns, lane->forecast.total);
    wp_window_add(&state->carried, request->now_ns, lane->forecast.total);
    set_pins(router, request, keys, lane);
    begin_trace(router, request, lane, out);
}

bool wp_router_begin(struct wp_router *router, const struct wp_plan_request *request,
                     const struct wp_candidate *candidate, struct wp_attempt *out)
{
    struct wp_lane lane;
    struct wp_pin_keys keys;
    uint32_t index = index_in_group(request->group, candidate->deployment);
    *out = (struct wp_attempt){.deployment = candidate->deployment};
    lock(router);
    wp_lane_open(router, request, index, &lane);
    wp_lanes_forecast(router, request, &lane, 1);
    wp_lane_price(request, &lane);
    bool late = wp_flight_advise(request, &lane, NULL);
    if (late) {
        router->totals.waits_refused++;
    } else {
        wp_pin_keys(router, request, &keys);
        wp_lane_begin(router, request, &keys, &lane, out);
    }
    unlock(router);
    return !late;
}

// Under the lock. False: there is no cache to ask, or nothing to ask for.
static bool open_cache(struct wp_router *router, const struct wp_plan_request *request,
                       const struct wp_candidate *candidate, struct wp_lane *lane)
{
    wp_lane_open(router, request, index_in_group(request->group, candidate->deployment), lane);
    return lane->domain != NULL && request->prompt != NULL;
}

uint32_t wp_router_reach(struct wp_router *router, const struct wp_plan_request *request,
                         const struct wp_candidate *candidate)
{
    uint32_t block = 0;
    struct wp_lane lane;
    lock(router);
    if (open_cache(router, request, candidate, &lane))
        block = wp_model_reach(&router->model, lane.domain, request->prompt, request->now_ns);
    unlock(router);
    return block;
}

uint32_t wp_router_lasting(struct wp_router *router, const struct wp_plan_request *request,
                           const struct wp_candidate *candidate)
{
    uint32_t tokens = 0;
    struct wp_lane lane;
    lock(router);
    if (open_cache(router, request, candidate, &lane))
        tokens = wp_model_lasting(&router->model, lane.rules, lane.domain, request->prompt,
                                  request->now_ns);
    unlock(router);
    return tokens;
}

static uint32_t start_traces(struct wp_router *router, struct wp_attempt *attempt)
{
    attempt->started = true;
    if (attempt->trace.domain == NULL)
        return 0;
    wp_model_started(&router->model, &attempt->trace);
    wp_flight_wake(router, &attempt->trace);
    return wp_model_refresh(&router->model, &attempt->trace, 0);
}

void wp_router_started(struct wp_router *router, struct wp_attempt *attempt, uint64_t now_ns)
{
    (void)now_ns; // TTLs run from the request's start, not from its answer's
    if (!attempt->open || attempt->started)
        return;
    const struct wp_trace *trace = &attempt->trace;
    if (trace->domain == NULL || (trace->written_count == 0 && trace->path == 0)) {
        attempt->started = true; // nothing was written, nothing read: no entry to touch
        return;
    }
    lock(router);
    uint32_t next = start_traces(router, attempt);
    unlock(router);
    // A long conversation is renewed a piece at a time, so that nobody waits for it.
    while (next > 0) {
        lock(router);
        next = wp_model_refresh(&router->model, &attempt->trace, next);
        unlock(router);
    }
}

static void settle_limits(struct wp_attempt *attempt, const struct wp_outcome_detail *detail)
{
    struct wp_rate *rate = attempt->rate;
    const struct wp_need need = {attempt->reserved_requests, attempt->reserved_tokens,
                                 attempt->reserved_input};
    bool served = attempt->started || detail->outcome == WP_OUTCOME_SUCCESS;
    if (rate == NULL)
        return;
    wp_limits_settle(rate, attempt->deployment->platform, &need, detail->usage, served,
                     attempt->begun_ns, detail->now_ns);
    wp_registry_release_rate(rate);
    attempt->rate = NULL;
}

static void note_usage(struct wp_attempt *attempt, const struct wp_outcome_detail *detail)
{
    struct wp_deployment_state *state = attempt->state;
    if (detail->latency_ns > 0) {
        double step = state->latency_ns > 0 ? LATENCY_STEP : 1;
        state->latency_ns += step * ((double)detail->latency_ns - state->latency_ns);
    }
    if (detail->usage == NULL)
        return;
    state->predicted_read += attempt->predicted_read;
    state->actual_read += detail->usage->cache_read;
    state->actual_write += wp_usage_cache_write(detail->usage);
    state->actual_uncached += detail->usage->input;
}

// Returns what is to be told about the cache: enum wp_anomaly.
static uint8_t end_traces(struct wp_router *router, struct wp_attempt *attempt,
                          const struct wp_outcome_detail *detail)
{
    uint8_t anomalies = 0;
    if (attempt->trace.domain == NULL)
        return 0;
    if (!attempt->started && detail->outcome == WP_OUTCOME_SUCCESS)
        start_traces(router, attempt);
    if (attempt->started && detail->usage != NULL)
        anomalies = wp_model_correct(&router->model, &attempt->trace, detail->usage);
    if (!attempt->started)
        wp_flight_wake(router, &attempt->trace);
    wp_model_end(&router->model, &attempt->trace);
    return anomalies;
}

static void tell(const struct wp_deployment_config *deployment, uint8_t anomalies)
{
    if ((anomalies & WP_ANOMALY_STRIPPED) != 0)
        wp_log(WP_LOG_WARN, "cache",
               "%.*s (%.*s) reports neither cache reads nor writes although cache_control was "
               "sent: markers are removed on the way, or the model does not cache",
               WP_VIEW_ARG(deployment->model_name),
               WP_VIEW_ARG(wp_view_sub(deployment->id, 0, 12)));
    if ((anomalies & WP_ANOMALY_THINKING) != 0)
        wp_log(WP_LOG_WARN, "cache",
               "%.*s (%.*s) left out thinking that another account had made: conversations that "
               "move there lose it, and their cache entries with it",
               WP_VIEW_ARG(deployment->model_name),
               WP_VIEW_ARG(wp_view_sub(deployment->id, 0, 12)));
    if ((anomalies & WP_ANOMALY_SHORTENED) != 0)
        wp_log(WP_LOG_WARN, "cache", "%.*s (%.*s) bills cache writes for 5 m where 1 h was asked",
               WP_VIEW_ARG(deployment->model_name),
               WP_VIEW_ARG(wp_view_sub(deployment->id, 0, 12)));
}

void wp_router_note_anomaly(struct wp_router *router, const struct wp_deployment_config *deployment,
                            uint8_t anomaly)
{
    uint8_t fresh = 0;
    lock(router);
    struct wp_deployment_state *state = wp_registry_find(&router->registry, deployment);
    if (state != NULL && state->domain != NULL) {
        fresh = anomaly & (uint8_t)~state->domain->anomalies;
        state->domain->anomalies |= anomaly;
    }
    unlock(router);
    tell(deployment, fresh);
}

void wp_router_end(struct wp_router *router, struct wp_attempt *attempt,
                   const struct wp_outcome_detail *detail)
{
    uint8_t anomalies = 0;
    if (!attempt->open)
        return;
    attempt->open = false;
    lock(router);
    if (attempt->state != NULL) {
        WP_CHECK_MAGIC(attempt->state, WP_STATE_MAGIC);
        WP_CHECK(attempt->state->in_flight > 0);
        settle_limits(attempt, detail);
        note_usage(attempt, detail);
        wp_cooldown_note(attempt->state, attempt->deployment, attempt->settings, attempt->alone,
                         detail);
        anomalies = end_traces(router, attempt, detail);
        attempt->state->in_flight--;
        if (!attempt->state->configured && attempt->state->in_flight == 0)
            wp_registry_collect(&router->registry, &router->model);
        attempt->state = NULL;
    }
    unlock(router);
    if (anomalies != 0)
        tell(attempt->deployment, anomalies);
}

void wp_router_report_limits(struct wp_router *router, const struct wp_attempt *attempt,
                             const struct wp_limit_report *report, uint64_t now_ns)
{
    lock(router);
    if (attempt->open && attempt->state != NULL && attempt->state->reported != NULL)
        wp_limits_report(attempt->state->reported, report, now_ns);
    unlock(router);
}

// The attempt that taught the scope is a writer of the domain that has it.
static void follow_scope(struct wp_router *router, struct wp_attempt *attempt)
{
    struct wp_domain *domain = attempt->state->domain;
    if (attempt->trace.domain == NULL || domain == NULL || attempt->trace.domain == domain)
        return;
    domain->refs++;
    wp_model_move(&router->model, &attempt->trace, domain);
}

void wp_router_learn_scope(struct wp_router *router, struct wp_attempt *attempt, wp_view scope)
{
    lock(router);
    if (attempt->open && attempt->state != NULL) {
        wp_registry_learn_scope(&router->model, &router->hash_key, attempt->state,
                                attempt->deployment, scope);
        follow_scope(router, attempt);
    }
    unlock(router);
}

void wp_router_learn_organisation(struct wp_router *router, const struct wp_attempt *attempt,
                                  wp_view organisation)
{
    lock(router);
    if (attempt->open && attempt->state != NULL)
        wp_registry_learn_organisation(&router->registry, &router->hash_key, attempt->state,
                                       attempt->deployment, organisation);
    unlock(router);
}

// Status.

static double hit_odds(const struct wp_domain *domain)
{
    double hits = 0, tries = 0;
    for (uint32_t i = 0; i < WP_BAND_SIZES * WP_BAND_AGES; i++) {
        const struct wp_odds *odds = &domain->odds[i / WP_BAND_AGES][i % WP_BAND_AGES];
        hits += (double)odds->hits;
        tries += (double)odds->tries;
    }
    return tries > 0 ? hits / tries : 1;
}

static void fill_reported(const struct wp_rate *rate, uint64_t now_ns,
                          struct wp_deployment_status *out)
{
    if (rate == NULL)
        return;
    const struct wp_reported *tokens =
        rate->reported_tokens.limit != 0 ? &rate->reported_tokens : &rate->reported_input;
    out->reported_requests_left =
        wp_limits_left(&rate->reported_requests, now_ns, &out->reported_requests_limit);
    out->reported_tokens_left = wp_limits_left(tokens, now_ns, &out->reported_tokens_limit);
}

static void fill_status(struct wp_router *router, const struct wp_deployment_state *state,
                        uint64_t now_ns, struct wp_deployment_status *out)
{
    out->in_flight = state->in_flight;
    out->requests = state->total_requests;
    out->failures = state->total_failures;
    out->cooling_until_ns = wp_cooldown_until(state, now_ns);
    if (out->cooling_until_ns != 0)
        memcpy(out->cooling_reason, state->cooling_reason, sizeof(out->cooling_reason));
    if (out->cooling_until_ns != 0 && out->cooling_reason[0] == '\0')
        memcpy(out->cooling_reason, "its rate domain is limited", 27);
    out->predicted_read = state->predicted_read;
    out->actual_read = state->actual_read;
    out->actual_write = state->actual_write;
    out->actual_uncached = state->actual_uncached;
    out->latency_ms = state->latency_ns / 1e6;
    if (state->rate != NULL) {
        out->minute_requests = (uint64_t)wp_window_sum(&state->rate->requests, now_ns);
        out->minute_tokens = (uint64_t)wp_window_sum(&state->rate->tokens, now_ns);
        out->minute_input = wp_limits_input_used(&state->rate->input, now_ns);
    }
    fill_reported(state->reported != NULL ? state->reported : state->rate, now_ns, out);
    if (state->domain != NULL) {
        out->cache_entries = wp_model_entries(&router->model, state->domain);
        out->hit_odds = hit_odds(state->domain);
        out->token_scale = (double)state->domain->scale;
        out->cache_domain = state->domain->key;
        out->anomalies = state->domain->anomalies;
    }
}

void wp_router_status(struct wp_router *router, const struct wp_deployment_config *deployment,
                      uint64_t now_ns, struct wp_deployment_status *out)
{
    *out = (struct wp_deployment_status){.id = deployment->id, .hit_odds = 1, .token_scale = 1};
    lock(router);
    const struct wp_deployment_state *state = wp_registry_find(&router->registry, deployment);
    if (state != NULL)
        fill_status(router, state, now_ns, out);
    unlock(router);
}

void wp_router_totals(struct wp_router *router, struct wp_router_totals *out)
{
    lock(router);
    *out = router->totals;
    out->entries = router->model.table.count;
    out->entry_bytes = wp_table_memory(&router->model.table);
    out->domains = router->model.domains.count;
    unlock(router);
}
