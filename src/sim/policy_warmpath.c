// Warmpath itself: the router's own code on a simulated clock, told what a gateway would tell it
// (usage, limits in headers, refusals); and with renewals decided by route/keep.
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "config/load.h"
#include "route/keep.h"
#include "sim/replay_world.h"

static const double TTL_S = 300, HOUR_S = 3600, GUARD_S = 20, WRITE = 1.25, WRITE_1H = 2;
static const double EXPIRE_EVERY_S = 10;
static const double PER_TOKEN = 5e-6;    // USD: an Opus; only what waiting is worth depends on it
static const double FOLLOW_S = 6 * 3600; // silences are learnt from so long
enum { SESSION_TEXT = 24, HOLDS_MAX = 256, HOURS = 24 };

// A request that waits for another's write.
struct hold {
    struct wp_waiter waiter;
    struct warm *owner;
    uint32_t request;
    uint32_t generation;
    double since_s;
    bool used, waiting;
};

// A stream as the keeper sees it.
struct watch {
    struct wp_keep_spell spell;
    double begun_s, renewed_s, lapses_s;
    bool hour;      // of the entry
    bool turned;    // only what lasts an hour is renewed from here on
    double lasting; // tokens of it that an earlier entry of an hour holds
    uint32_t request, deployment, generation;
    bool known, given_up;
};

struct warm {
    struct replay_world *world;
    struct wp_router *router;
    struct wp_snapshot *snapshot;
    struct wp_resolved group;
    struct wp_model_info models[WP_REPLAY_DEPLOYMENTS_MAX];
    struct wp_plan plan;    // of the request that is being placed
    struct wp_prompt asked; // its prompt, in which auto_ttl may have set other markers
    struct hold holds[HOLDS_MAX];
    double expired_s;
    bool keep, auto_ttl;
    bool hour; // asked's markers
    uint32_t lasting;
    struct wp_keep_odds odds;
    struct watch *watches; // by stream
};

static uint64_t ns(double s)
{
    return (uint64_t)((s + 1) * 1e9); // never 0
}

// Set up.

static void write_config(const struct wp_replay_options *o, struct wp_buf *out)
{
    wp_buf_append_cstring(out, "router_settings:\n"
                               "  optional_pre_call_checks: [\"prompt_caching\"]\n"
                               "model_list:\n");
    for (uint32_t i = 0; i < o->deployments; i++) {
        wp_buf_printf(out, "  - model_name: fleet\n"
                           "    litellm_params:\n"
                           "      model: anthropic/claude-opus-4-5\n"
                           "      api_base: http://127.0.0.1:9\n");
        if (o->itpm > 0)
            wp_buf_printf(out, "      itpm: %.0f\n", o->itpm);
        wp_buf_printf(out, "    model_info: {id: account-%u, cache_domain: account-%u}\n", i + 1,
                      i + 1);
    }
}

static struct wp_snapshot *load(const struct wp_replay_options *options)
{
    struct wp_snapshot *snapshot = NULL;
    struct wp_buf text = wp_buf_make(1 << 20);
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    write_config(options, &text);
    if (diagnostics == NULL || wp_config_load_text(wp_buf_view(&text), WP_VIEW("simulate"),
                                                   diagnostics, &snapshot) != WP_OK)
        snapshot = NULL;
    wp_diagnostics_free(diagnostics);
    wp_buf_free(&text);
    return snapshot;
}

static void fill_models(struct warm *w)
{
    const struct wp_replay_options *o = replay_options(w->world);
    for (uint32_t i = 0; i < o->deployments; i++) {
        double input = PER_TOKEN * (o->price[i] > 0 ? o->price[i] : 1);
        w->models[i] = (struct wp_model_info){
            .price = {.input = input,
                      .output = input * 5,
                      .cache_read = input * o->read_multiplier,
                      .cache_write_5m = input * WRITE,
                      .cache_write_1h = input * 2,
                      .input_above_200k = -1,
                      .output_above_200k = -1,
                      .cache_read_above_200k = -1,
                      .cache_write_5m_above_200k = -1,
                      .cache_write_1h_above_200k = -1,
                      .known = true},
            .min_cache_tokens = 1024,
        };
    }
}

static bool new_router(struct warm *w)
{
    w->router = wp_router_create();
    if (w->router == NULL)
        return false;
    wp_router_set_seed(w->router, WP_VIEW("replay"));
    return wp_router_configure(w->router, w->snapshot) == WP_OK;
}

static void destroy(void *state)
{
    struct warm *w = state;
    wp_router_destroy(w->router);
    wp_snapshot_unref(w->snapshot);
    wp_free(w->watches);
    wp_free(w->asked.blocks);
    wp_free(w);
}

static void *create(struct replay_world *world, uint32_t argument)
{
    struct warm *w = wp_alloc(sizeof(*w));
    (void)argument;
    if (w == NULL)
        return NULL;
    w->world = world;
    w->snapshot = load(replay_options(world));
    w->watches = wp_alloc((replay_trace(world)->stream_count + 1) * sizeof(*w->watches));
    if (w->snapshot == NULL || w->watches == NULL || !new_router(w) ||
        !wp_snapshot_resolve(w->snapshot, WP_VIEW("fleet"), &w->group)) {
        destroy(w);
        return NULL;
    }
    fill_models(w);
    return w;
}

static void *create_keeper(struct replay_world *world, uint32_t argument)
{
    struct warm *w = create(world, argument);
    if (w != NULL)
        w->keep = true;
    return w;
}

static void *create_auto_ttl(struct replay_world *world, uint32_t argument)
{
    struct warm *w = create_keeper(world, argument);
    if (w != NULL)
        w->auto_ttl = true;
    return w;
}

static bool restart(void *state)
{
    struct warm *w = state;
    for (uint32_t i = 0; i < HOLDS_MAX; i++)
        if (w->holds[i].waiting) {
            w->holds[i].waiting = false;
            wp_router_wait_cancel(w->router, &w->holds[i].waiter);
            replay_resume(w->world, replay_now(w->world), w->holds[i].request);
        }
    for (uint32_t i = 0; i < replay_trace(w->world)->stream_count; i++)
        w->watches[i].known = false;
    w->odds = (struct wp_keep_odds){0};
    wp_router_destroy(w->router);
    w->router = NULL;
    return new_router(w);
}

// Waiting.

static struct hold *hold_of(struct warm *w, uint32_t request)
{
    for (uint32_t i = 0; i < HOLDS_MAX; i++)
        if (w->holds[i].used && w->holds[i].request == request)
            return &w->holds[i];
    return NULL;
}

static struct hold *new_hold(struct warm *w, uint32_t request)
{
    for (uint32_t i = 0; i < HOLDS_MAX; i++)
        if (!w->holds[i].used) {
            w->holds[i].used = true;
            w->holds[i].owner = w;
            w->holds[i].request = request;
            w->holds[i].since_s = replay_now(w->world);
            return &w->holds[i];
        }
    return NULL;
}

static void wake(void *arg)
{
    struct hold *hold = arg;
    hold->waiting = false;
    hold->generation++;
    replay_resume(hold->owner->world, replay_now(hold->owner->world), hold->request);
}

static bool wait_for(struct warm *w, uint32_t request)
{
    struct hold *hold = hold_of(w, request);
    if (hold == NULL)
        hold = new_hold(w, request);
    if (hold == NULL)
        return false;
    hold->waiter = (struct wp_waiter){.wake = wake, .arg = hold};
    if (!wp_router_wait(w->router, &w->plan, &hold->waiter))
        return false;
    hold->waiting = true;
    replay_set_timer(w->world, replay_now(w->world) + w->plan.wait.at_most_ms / 1000.0,
                     WP_REPLAY_NONE - (uint32_t)(hold - w->holds) - 1, ++hold->generation);
    return true;
}

static void waited_enough(struct warm *w, uint32_t index, uint32_t generation)
{
    struct hold *hold = &w->holds[index];
    if (!hold->used || !hold->waiting || hold->generation != generation)
        return;
    wp_router_wait_cancel(w->router, &hold->waiter);
    hold->waiting = false;
    replay_resume(w->world, replay_now(w->world), hold->request);
}

static uint32_t patience_ms(struct warm *w, uint32_t request)
{
    const struct hold *hold = hold_of(w, request);
    double most = w->snapshot->router.single_flight_ms;
    double gone = hold == NULL ? 0 : (replay_now(w->world) - hold->since_s) * 1000;
    return gone >= most ? 0 : (uint32_t)(most - gone);
}

static void stop_waiting(struct warm *w, uint32_t request)
{
    struct hold *hold = hold_of(w, request);
    if (hold == NULL)
        return;
    replay_result(w->world)->waits++;
    replay_result(w->world)->wait_s += replay_now(w->world) - hold->since_s;
    hold->used = false;
}

// Placing.

static struct wp_plan_request plan_request(struct warm *w, uint32_t request, uint64_t tried,
                                           char session[SESSION_TEXT])
{
    const struct wp_replay_request *r = &replay_trace(w->world)->requests[request];
    int len = snprintf(session, SESSION_TEXT, "session-%u", r->conversation);
    return (struct wp_plan_request){
        .snapshot = w->snapshot,
        .group = &w->group,
        .models = w->models,
        .prompt = w->asked.blocks != NULL ? &w->asked : &r->prompt,
        .session_id = wp_view_make(session, (size_t)len),
        .max_tokens = r->output,
        .tried = tried,
        .now_ns = ns(replay_now(w->world)),
        .max_wait_ms = patience_ms(w, request),
        .draw = replay_draw(w->world) | 1,
    };
}

static uint32_t index_of(const struct warm *w, const struct wp_deployment_config *deployment)
{
    for (uint32_t i = 0; i < w->group.count; i++)
        if (w->group.deployments[i] == deployment)
            return i;
    return WP_REPLAY_NONE;
}

// The request's own markers, of five minutes.
static void ask_plainly(struct warm *w)
{
    wp_free(w->asked.blocks);
    w->asked = (struct wp_prompt){0};
    w->hour = false;
}

// The same prompt with markers of an hour; without memory it stays as it is.
static void ask_for_hour(struct warm *w, uint32_t request)
{
    const struct wp_prompt *prompt = &replay_trace(w->world)->requests[request].prompt;
    struct wp_block *blocks = wp_alloc((prompt->count + 1) * sizeof(*blocks));
    if (blocks == NULL)
        return;
    memcpy(blocks, prompt->blocks, prompt->count * sizeof(*blocks));
    w->asked = *prompt;
    w->asked.blocks = blocks;
    w->hour = true;
    for (uint32_t i = 0; i < prompt->breakpoint_count; i++)
        blocks[prompt->breakpoints[i]].ttl = WP_TTL_1H;
}

// As the gateway does with auto_ttl, once the first plan has told what would be written.
static bool prefers_hour(struct warm *w, uint32_t request)
{
    char session[SESSION_TEXT];
    const struct wp_plan_request plain = plan_request(w, request, 0, session);
    const struct wp_replay_request *r = &replay_trace(w->world)->requests[request];
    const struct wp_candidate *first = &w->plan.candidates[0];
    const struct watch *watch = &w->watches[r->stream];
    const struct wp_keep_ttl_case c = {
        .spell.stop = r->subagent ? WP_KEEP_STOP_SUBAGENT : WP_KEEP_STOP_TOOL_USE,
        .spell.hour = (uint8_t)((uint32_t)(replay_now(w->world) / 3600) % HOURS),
        .spell.habit = watch->known ? watch->spell.habit : 0,
        .written = first->predicted_write,
        .prefix = (double)first->predicted_read + first->predicted_write,
        .read = replay_options(w->world)->read_multiplier,
        .write_5m = WRITE,
        .write_1h = WRITE_1H,
        .confidence = first->lasting,
        .lasting = wp_router_lasting(w->router, &plain, first),
        .guard_s = GUARD_S,
    };
    w->lasting = (uint32_t)c.lasting;
    return wp_keep_prefers_hour(&w->odds, &c, NULL);
}

static void plan(struct warm *w, uint32_t request, uint64_t tried)
{
    char session[SESSION_TEXT];
    struct wp_plan_request r = plan_request(w, request, tried, session);
    uint64_t begun_ns = wp_now_ns();
    wp_router_plan(w->router, &r, &w->plan);
    uint64_t took_ns = wp_now_ns() - begun_ns;
    replay_result(w->world)->plan_times[wp_replay_time_bucket(took_ns)]++;
}

static uint32_t choose(void *state, uint32_t request, uint64_t tried)
{
    struct warm *w = state;
    if (replay_now(w->world) - w->expired_s >= EXPIRE_EVERY_S) {
        w->expired_s = replay_now(w->world);
        wp_router_expire(w->router, ns(w->expired_s));
    }
    ask_plainly(w);
    plan(w, request, tried);
    if (w->plan.usable == 0)
        return WP_REPLAY_NONE;
    if (w->auto_ttl && prefers_hour(w, request)) {
        ask_for_hour(w, request);
        plan(w, request, tried);
    }
    if (w->plan.wait.advised && wait_for(w, request))
        return REPLAY_WAIT;
    return index_of(w, w->plan.candidates[0].deployment);
}

// All are full. A client would wait and come again: where most of its prompt is warm.
static uint32_t last_resort(void *state, uint32_t request)
{
    struct warm *w = state;
    const struct wp_candidate *best = NULL;
    plan(w, request, 0);
    for (size_t i = 0; i < w->plan.count; i++) {
        const struct wp_candidate *c = &w->plan.candidates[i];
        if (best == NULL || c->predicted_read > best->predicted_read ||
            (c->predicted_read == best->predicted_read && c->headroom > best->headroom))
            best = c;
    }
    return best == NULL ? WP_REPLAY_NONE : index_of(w, best->deployment);
}

static const struct wp_candidate *candidate_of(const struct warm *w, uint32_t deployment)
{
    for (size_t i = 0; i < w->plan.count; i++)
        if (w->plan.candidates[i].deployment == w->group.deployments[deployment])
            return &w->plan.candidates[i];
    return NULL;
}

static double ttl_of(const struct watch *watch)
{
    return watch->hour || watch->turned ? HOUR_S : TTL_S;
}

static void watch(struct warm *w, const struct replay_attempt *attempt)
{
    const struct wp_replay_request *r = &replay_trace(w->world)->requests[attempt->request];
    struct watch *watch = &w->watches[r->stream];
    double now_s = replay_now(w->world), idle_s = now_s - watch->begun_s;
    struct wp_keep_spell before = watch->spell;
    wp_view stop = r->tool_use     ? WP_VIEW("tool_use")
                   : r->ended_turn ? WP_VIEW("end_turn")
                                   : WP_VIEW("");
    uint32_t hour = (uint32_t)(now_s / 3600) % HOURS;
    if (watch->known) {
        wp_keep_spell_ended(&w->odds, &watch->spell, idle_s);
        before = watch->spell;
    }
    watch->spell = wp_keep_spell_begin(wp_keep_stop_of(stop, r->subagent), hour,
                                       watch->known ? &before : NULL, idle_s);
    watch->known = true;
    watch->given_up = watch->turned = false;
    watch->renewed_s = now_s;
    watch->begun_s = now_s;
    watch->hour = attempt->hour;
    watch->lasting = attempt->hour ? 0 : w->lasting;
    w->lasting = 0;
    watch->lapses_s = now_s + ttl_of(watch);
    watch->request = attempt->request;
    watch->deployment = attempt->deployment;
    replay_set_timer(w->world, now_s + ttl_of(watch) - GUARD_S, r->stream, ++watch->generation);
}

static void disown_prompt(struct replay_attempt *attempt)
{
    if (attempt->prompt != NULL)
        wp_free(attempt->prompt->blocks);
    wp_free(attempt->prompt);
    attempt->prompt = NULL;
}

// The changed prompt lives as long as the attempt.
static bool own_prompt(struct warm *w, struct replay_attempt *attempt)
{
    attempt->hour = w->hour;
    if (!w->hour)
        return true;
    attempt->prompt = wp_alloc(sizeof(*attempt->prompt));
    if (attempt->prompt == NULL)
        return false;
    *attempt->prompt = w->asked;
    w->asked = (struct wp_prompt){0};
    w->hour = false;
    return true;
}

static bool begin(void *state, struct replay_attempt *attempt)
{
    struct warm *w = state;
    char session[SESSION_TEXT];
    if (!own_prompt(w, attempt))
        return false;
    struct wp_plan_request r = plan_request(w, attempt->request, 0, session);
    if (attempt->prompt != NULL)
        r.prompt = attempt->prompt;
    const struct wp_candidate *candidate = candidate_of(w, attempt->deployment);
    if (candidate == NULL) { // the provider's last resort, not ours
        plan(w, attempt->request, 0);
        candidate = candidate_of(w, attempt->deployment);
        r.max_wait_ms = 0;
    }
    if (candidate == NULL || !wp_router_begin(w->router, &r, candidate, &attempt->route)) {
        disown_prompt(attempt);
        return false;
    }
    stop_waiting(w, attempt->request);
    if (w->keep)
        watch(w, attempt);
    return true;
}

// What the gateway hears.

static void report_limits(struct warm *w, struct replay_attempt *attempt)
{
    double limit = replay_options(w->world)->itpm,
           room = replay_room(w->world, attempt->deployment);
    if (limit <= 0)
        return;
    const struct wp_limit_report report = {
        .input_limit = (uint64_t)limit,
        .input_remaining = room > 0 ? (uint64_t)room / 1000 * 1000 : 0,
    };
    wp_router_report_limits(w->router, &attempt->route, &report, ns(replay_now(w->world)));
}

static void started(void *state, struct replay_attempt *attempt)
{
    struct warm *w = state;
    wp_router_started(w->router, &attempt->route, ns(replay_now(w->world)));
    report_limits(w, attempt);
}

static void tell_served(struct warm *w, struct replay_attempt *attempt)
{
    const struct wp_replay_request *r = &replay_trace(w->world)->requests[attempt->request];
    const struct wp_usage usage = {
        .seen = true,
        .final = true,
        .input = attempt->use.uncached,
        .cache_read = attempt->use.read,
        .cache_write_5m = attempt->hour ? 0 : attempt->use.written,
        .cache_write_1h = attempt->hour ? attempt->use.written : 0,
        .output = r->output,
    };
    replay_result(w->world)->read_predicted += attempt->route.predicted_read;
    replay_result(w->world)->read_real += attempt->use.read;
    wp_router_end(w->router, &attempt->route,
                  &(struct wp_outcome_detail){.outcome = WP_OUTCOME_SUCCESS,
                                              .status = 200,
                                              .retry_after_ms = -1,
                                              .usage = &usage,
                                              .latency_ns = (uint64_t)(r->visible_s * 1e9),
                                              .now_ns = ns(replay_now(w->world))});
}

static void ended(void *state, struct replay_attempt *attempt, enum replay_outcome outcome,
                  double retry_after_s)
{
    struct warm *w = state;
    struct wp_outcome_detail detail = {
        .outcome = WP_OUTCOME_FAILED, .retry_after_ms = -1, .now_ns = ns(replay_now(w->world))};
    switch (outcome) {
    case REPLAY_SERVED:
        tell_served(w, attempt);
        disown_prompt(attempt);
        return;
    case REPLAY_REJECTED:
        detail.kind = WP_KIND_RATE_LIMIT;
        detail.status = 429;
        detail.retry_after_ms = (int64_t)(retry_after_s * 1000) + 1;
        break;
    case REPLAY_FAILED:
        detail.kind = WP_KIND_SERVICE_UNAVAILABLE;
        detail.status = 503;
        break;
    case REPLAY_FORGOTTEN:
        detail.outcome = WP_OUTCOME_CANCELLED;
        break;
    }
    wp_router_end(w->router, &attempt->route, &detail);
    disown_prompt(attempt);
}

// Renewals.

// Another conversation there will keep the head warm for longer.
static bool head_is_shared(const struct warm *w, const struct watch *watch)
{
    const struct wp_replay_trace *trace = replay_trace(w->world);
    struct wp_hash128 head = trace->requests[watch->request].prompt.head;
    for (uint32_t i = 0; i < trace->stream_count; i++) {
        const struct watch *other = &w->watches[i];
        if (other != watch && other->known && other->deployment == watch->deployment &&
            other->lapses_s > watch->lapses_s &&
            wp_hash128_eq(trace->requests[other->request].prompt.head, head))
            return true;
    }
    return false;
}

static void decide(struct warm *w, struct watch *watch, double idle_s,
                   struct wp_keep_verdict *verdict)
{
    const struct wp_replay_trace *trace = replay_trace(w->world);
    const struct wp_replay_request *r = &trace->requests[watch->request];
    const struct wp_prompt *prompt = &r->prompt;
    double tokens = trace->nodes[r->end].tokens;
    double read = watch->turned ? watch->lasting : tokens;
    double safe = watch->turned ? 0 : watch->lasting; // it lives on by itself for now
    double head = prompt->system_end > 0 ? prompt->blocks[prompt->system_end - 1].tokens : 0;
    const struct wp_keep_case c = {
        .spell = watch->spell,
        .idle_s = idle_s,
        .ttl_s = ttl_of(watch),
        .guard_s = GUARD_S,
        .tokens = read,
        .at_stake = head_is_shared(w, watch) && head > safe ? read - head : read - safe,
        .extra = r->input - tokens + (tokens - read) * WRITE,
        .input = 1,
        .read = replay_options(w->world)->read_multiplier,
        .write = watch->hour ? WRITE_1H : WRITE,
        .confidence = 1,
    };
    wp_keep_decide(&w->odds, &c, verdict);
}

static void renew(struct warm *w, struct watch *watch)
{
    char session[SESSION_TEXT];
    struct replay_attempt attempt = {.request = watch->request, .deployment = watch->deployment};
    ask_plainly(w);
    if (watch->hour)
        ask_for_hour(w, watch->request);
    if (!own_prompt(w, &attempt))
        return;
    struct wp_plan_request r = plan_request(w, watch->request, 0, session);
    if (attempt.prompt != NULL)
        r.prompt = attempt.prompt;
    const struct wp_candidate candidate = {
        .deployment = w->group.deployments[watch->deployment],
        .model = &w->models[watch->deployment],
    };
    r.max_wait_ms = 0;
    r.max_tokens = 0;
    if (wp_router_begin(w->router, &r, &candidate, &attempt.route)) {
        replay_renew(w->world, watch->request, watch->deployment, watch->hour, &attempt.use);
        started(w, &attempt);
        tell_served(w, &attempt);
    }
    disown_prompt(&attempt);
}

static void timer(void *state, uint32_t argument, uint32_t generation)
{
    struct warm *w = state;
    struct wp_keep_verdict verdict;
    if (argument >= WP_REPLAY_NONE - HOLDS_MAX - 1) {
        waited_enough(w, WP_REPLAY_NONE - argument - 1, generation);
        return;
    }
    struct watch *watch = &w->watches[argument];
    if (!watch->known || watch->generation != generation)
        return;
    double now_s = replay_now(w->world), idle_s = now_s - watch->begun_s;
    wp_keep_spell_silent(&w->odds, &watch->spell, idle_s);
    if (idle_s > FOLLOW_S)
        return;
    if (!watch->given_up) {
        decide(w, watch, idle_s, &verdict);
        if (!verdict.renew && !watch->hour && !watch->turned && watch->lasting > 0) {
            watch->turned = true;
            watch->lapses_s = watch->renewed_s + HOUR_S;
            replay_set_timer(w->world, watch->lapses_s - GUARD_S, argument, generation);
            return;
        }
        watch->given_up = !verdict.renew;
    }
    if (!watch->given_up) {
        renew(w, watch);
        watch->renewed_s = now_s;
        watch->lapses_s = now_s + ttl_of(watch);
    }
    replay_set_timer(w->world, now_s + ttl_of(watch) - GUARD_S, argument, generation);
}

// Alike but for which of the idle economics' opt-ins are on.
#define POLICY(title, creator)                                                            \
    {                                                                                     \
        .name = (title), .priced = true, .create = (creator), .destroy = destroy,         \
        .choose = choose, .last_resort = last_resort, .begin = begin, .started = started, \
        .ended = ended, .timer = timer, .restart = restart                                \
    }
const struct replay_policy replay_warmpath = POLICY("warmpath", create);
const struct replay_policy replay_keep_warm = POLICY("warmpath-keep-warm", create_keeper);
const struct replay_policy replay_auto_ttl = POLICY("warmpath-auto-ttl", create_auto_ttl);
