// Planning: which deployment the next attempt goes to, whether it waits for another's cache write
// first, and what follows when nothing is left of a group.
#include "gateway/exchange.h"

#include "base/clock.h"
#include "base/random.h"
#include "gateway/economy.h"

// Model groups.

enum wp_err wp_exchange_enter_group(struct wp_exchange *x, wp_view model)
{
    const struct wp_runtime *runtime = x->front->runtime;
    struct wp_resolved group;
    if (!wp_snapshot_resolve(runtime->snapshot, model, &group) || group.count == 0)
        return WP_ERR_UNKNOWN_MODEL;
    if (group.count > WP_PLAN_MAX)
        group.count = WP_PLAN_MAX;
    struct wp_model_info *models = wp_arena_raw(x->body_arena, group.count * sizeof(*models));
    if (models == NULL)
        return WP_ERR_NO_MEMORY;
    for (size_t i = 0; i < group.count; i++) {
        wp_view upstream = wp_resolved_upstream_model(x->body_arena, &group, group.deployments[i]);
        if (upstream.ptr == NULL)
            return WP_ERR_NO_MEMORY;
        wp_runtime_model(runtime, group.deployments[i], upstream, &models[i]);
    }
    x->group = group;
    x->models = models;
    x->tried = x->refused = 0;
    x->retries = 0;
    return WP_OK;
}

bool wp_exchange_enter_fallback(struct wp_exchange *x, enum wp_fallback_kind kind)
{
    const struct wp_snapshot *snapshot = x->front->runtime->snapshot;
    size_t count;
    const wp_view *names = wp_snapshot_fallbacks(snapshot, x->asked_group, kind, &count);
    while (x->fallbacks < count && x->fallbacks < snapshot->router.max_fallbacks) {
        wp_view name = names[x->fallbacks++];
        if (wp_view_eq(name, x->group.group))
            continue;
        if (wp_exchange_enter_group(x, name) == WP_OK) {
            x->retrying = false;
            return true;
        }
    }
    return false;
}

// Planning.

static void timer_plan(void *arg)
{
    struct wp_exchange *x = arg;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    wp_exchange_plan(x);
}

// All candidates of the group have failed for this request, but another round may help.
static bool back_off(struct wp_exchange *x)
{
    enum { FIRST_MS = 300, MOST_MS = 5000 };
    if (x->tried == 0 || !x->has_last_error || x->retries >= x->retries_max)
        return false;
    bool transient = wp_err_info(x->last_error.err)->retry == WP_RETRY_ANYWHERE ||
                     x->last_error.err == WP_ERR_RATE_LIMITED ||
                     x->last_error.err == WP_ERR_OVERLOADED;
    if (!transient || x->last_error.spend_cap || x->last_error.retry_after_ms > MOST_MS)
        return false;
    uint64_t wait_ms = (uint64_t)FIRST_MS << (x->retries < 4 ? x->retries : 4);
    wait_ms -= wp_random_below(wait_ms / 4 + 1);
    if (x->last_error.retry_after_ms > (int64_t)wait_ms)
        wait_ms = (uint64_t)x->last_error.retry_after_ms;
    x->tried = x->refused = 0;
    wp_exchange_set(x, WP_EXCHANGE_WAIT);
    wp_timer_init(&x->timer, x->worker->loop, timer_plan, x);
    wp_timer_start(&x->timer, wait_ms);
    return true;
}

static void nothing_usable(struct wp_exchange *x)
{
    uint32_t most = wp_exchange_prompt_limit(x);
    if (most > 0 && !x->context_exceeded) {
        x->context_exceeded = true;
        x->fallbacks = 0;
    }
    enum wp_fallback_kind kind =
        x->context_exceeded ? WP_FALLBACK_CONTEXT_WINDOW : WP_FALLBACK_GENERAL;
    if (back_off(x))
        return;
    if (wp_exchange_enter_fallback(x, kind)) {
        wp_exchange_plan(x);
        return;
    }
    if (x->has_last_error) {
        wp_exchange_fail_upstream(x);
        return;
    }
    if (most > 0) {
        wp_exchange_fail_too_long(x, most);
        return;
    }
    wp_exchange_fail_unavailable(x);
}

// What is left of the time that this request may wait for others' cache writes. A plan that keeps
// changing under its feet is carried out in the end.
static uint32_t wait_left_ms(const struct wp_exchange *x)
{
    enum { PLANS_MAX = 16 };
    uint32_t most = x->front->runtime->snapshot->router.single_flight_ms;
    return x->waited_ms >= most || x->plans_since_wait > PLANS_MAX ? 0 : most - x->waited_ms;
}

static void fill_plan_request(struct wp_exchange *x)
{
    x->plan_request = (struct wp_plan_request){
        .snapshot = x->front->runtime->snapshot,
        .group = &x->group,
        .models = x->models,
        .prompt = x->has_prompt && x->operation == WP_OP_MESSAGES ? &x->prompt : NULL,
        .session_id = x->session_id,
        .caller = x->front->caller.digest,
        .max_tokens = x->request.max_tokens,
        .tried = x->tried,
        .refused = x->refused,
        .refused_until_ns = x->refused_until_ns,
        .now_ns = wp_now_ns(),
        .max_wait_ms = wait_left_ms(x),
    };
}

void wp_exchange_note_refusal(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    bool again = x->refused != 0;
    x->refused_until_ns = 0;
    if (error->err != WP_ERR_RATE_LIMITED || error->spend_cap || error->retry_after_ms <= 0 ||
        again || x->retries + 1 >= wp_exchange_retries_allowed(x, WP_KIND_RATE_LIMIT))
        return;
    x->refused = (uint64_t)1 << x->candidate_index;
    x->refused_until_ns = wp_now_ns() + (uint64_t)error->retry_after_ms * 1000000;
}

static void forgive_refusal(struct wp_exchange *x)
{
    if (x->refused_until_ns != 0 && x->refused_until_ns <= wp_now_ns())
        x->tried &= ~x->refused;
}

void wp_exchange_stop_waiting(struct wp_exchange *x)
{
    if (x->flight == NULL)
        return;
    wp_flight_leave(x->flight);
    x->flight = NULL;
    x->waited_ms += (uint32_t)((wp_now_ns() - x->wait_begun_ns) / 1000000) + 1;
}

// The leader's response has begun, it has failed, or waiting longer costs more than it saves.
static void wait_over(void *arg)
{
    struct wp_exchange *x = arg;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    wp_timer_stop(&x->timer);
    wp_exchange_stop_waiting(x);
    forgive_refusal(x);
    wp_exchange_plan(x);
}

// False: the write is no longer pending.
static bool wait_for_writer(struct wp_exchange *x)
{
    x->flight = wp_flight_join(x->gateway->router, x->plan, x->worker->loop, wait_over, x);
    if (x->flight == NULL)
        return false;
    x->wait_begun_ns = wp_now_ns();
    wp_exchange_set(x, WP_EXCHANGE_WAIT);
    wp_timer_init(&x->timer, x->worker->loop, wait_over, x);
    wp_timer_start(&x->timer, x->plan->wait.at_most_ms);
    return true;
}

static bool more_tries(struct wp_exchange *x)
{
    uint32_t room = x->try_room == WP_ATTEMPTS_LOGGED ? 0 : x->try_room * 4;
    struct wp_try *more = room == 0 ? x->tries : wp_arena_array(x->arena, room, sizeof(*more));
    if (more == NULL || room == 0)
        return more != NULL;
    memcpy(more, x->tries, x->try_count * sizeof(*more));
    x->tries = more;
    x->try_room = room;
    return true;
}

// For the plan of this group and the try that follows.
static bool make_room(struct wp_exchange *x)
{
    if (x->plan == NULL || x->plan_room < x->group.count) {
        x->plan = wp_arena_alloc(x->arena, WP_PLAN_SIZE(x->group.count));
        x->plan_room = x->plan == NULL ? 0 : x->group.count;
    }
    return x->plan != NULL && (x->try_count < x->try_room || more_tries(x));
}

static void plan(void *exchange)
{
    struct wp_exchange *x = exchange;
    WP_CHECK_MAGIC(x, WP_EXCHANGE_MAGIC);
    if (!make_room(x)) {
        wp_exchange_fail(x, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1000);
        return;
    }
    struct wp_router *router = x->gateway->router;
    for (bool begun = false; !begun;) {
        x->plans_since_wait++;
        fill_plan_request(x);
        if (wp_exchange_may_mark(x))
            wp_router_plan(router, &x->plan_request, x->plan);
        else
            begun = wp_router_plan_and_begin(router, &x->plan_request, x->plan, &x->attempt);
        if (x->plan->usable == 0) {
            nothing_usable(x);
            return;
        }
        bool marked = wp_exchange_mark(x);
        if (begun || marked)
            continue;
        if (x->plan->wait.advised && wait_for_writer(x))
            return;
        begun = !x->plan->wait.advised &&
                wp_router_begin(router, &x->plan_request, &x->plan->candidates[0], &x->attempt);
    }
    x->attempt_open = true;
    x->total_retries += x->retrying ? 1 : 0;
    x->retrying = false;
    wp_exchange_start_attempt(x);
}

void wp_exchange_plan(struct wp_exchange *x)
{
    wp_exchange_set(x, WP_EXCHANGE_PLAN);
    wp_exchange_step(x, WP_STAGE_PLAN, plan);
}
