// From a request and the state of its group's deployments to an ordered list of candidates.
#include "route/cooldown.h"
#include "route/private.h"

static const char *const REASONS[] = {
    [WP_REASON_CACHE] = "cache",       [WP_REASON_CACHE_WRITING] = "cache_writing",
    [WP_REASON_SESSION] = "session",   [WP_REASON_CALLER] = "caller",
    [WP_REASON_STRATEGY] = "strategy", [WP_REASON_ONLY] = "only",
    [WP_REASON_EXACT] = "exact",       [WP_REASON_COOLING] = "cooling",
    [WP_REASON_FULL] = "full",         [WP_REASON_BLOCKED] = "blocked",
    [WP_REASON_CONTEXT] = "context",   [WP_REASON_ORDER] = "order",
    [WP_REASON_TRIED] = "tried",
};

const char *wp_reason_name(enum wp_reason reason)
{
    return (size_t)reason < WP_COUNT_OF(REASONS) ? REASONS[reason] : "unknown";
}

static bool before(const struct wp_lane *a, const struct wp_lane *b)
{
    if (a->tier != b->tier)
        return a->tier < b->tier;
    if (a->tier == 2 && a->order != b->order)
        return a->order < b->order;
    return a->tier != 3 && a->rank < b->rank;
}

// Stable: candidates of equal rank keep the order of the configuration.
static void sort(const struct wp_lane *lanes, uint32_t count, uint8_t *order)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && before(&lanes[i], &lanes[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
}

static void fill_candidate(const struct wp_plan_request *request, const struct wp_lane *lane,
                           struct wp_candidate *out)
{
    const struct wp_forecast *f = &lane->forecast;
    bool priced = request->prompt != NULL && lane->rates.known;
    *out = (struct wp_candidate){
        .deployment = lane->deployment,
        .model = lane->model,
        .reason = lane->reason,
        .usable = lane->usable,
        .predicted_read = f->read,
        .predicted_write = f->write_5m + f->write_1h,
        .predicted_write_1h = f->write_1h,
        .predicted_uncached = f->uncached,
        .predicted_cost = priced ? wp_cost_predicted(&lane->rates, f) : -1,
        .expected_cost = priced ? wp_cost_expected(&lane->rates, f) : -1,
        .confidence = (double)f->confidence,
        .lasting = (double)f->lasting,
        .headroom = lane->admission.headroom,
        .in_flight = lane->state == NULL ? 0 : lane->state->in_flight,
        .cooling_until_ns = lane->cooling_until_ns,
        .limited =
            lane->reason == WP_REASON_FULL || (lane->reason == WP_REASON_COOLING &&
                                               wp_cooldown_is_limit(lane->state, request->now_ns)),
    };
}

static int64_t back_in_ms(const struct wp_lane *lane, uint64_t now_ns)
{
    if (lane->reason == WP_REASON_COOLING)
        return (int64_t)((lane->cooling_until_ns - now_ns) / 1000000) + 1;
    return lane->reason == WP_REASON_FULL ? lane->admission.wait_ms : -1;
}

static void fill_retry_after(const struct wp_lane *lanes, uint64_t now_ns, struct wp_plan *out)
{
    for (size_t i = 0; i < out->count; i++) {
        int64_t ms = back_in_ms(&lanes[i], now_ns);
        if (ms >= 0 && (out->retry_after_ms < 0 || ms < out->retry_after_ms))
            out->retry_after_ms = ms;
    }
}

// A plan while it is made.
struct making {
    struct wp_lane lanes[WP_PLAN_MAX];
    uint8_t order[WP_PLAN_MAX]; // of the lanes, best first
    struct wp_pin_keys keys;
};

static void rank(struct wp_router *router, const struct wp_plan_request *request,
                 struct making *making, uint32_t count)
{
    struct wp_lane *lanes = making->lanes;
    router->totals.plans++;
    for (uint32_t i = 0; i < count; i++)
        wp_lane_open(router, request, i, &lanes[i]);
    wp_lanes_forecast(router, request, lanes, count);
    for (uint32_t i = 0; i < count; i++) {
        wp_lane_price(request, &lanes[i]);
        wp_lane_judge(request, i, &lanes[i]);
    }
    wp_pin_keys(router, request, &making->keys);
    wp_lanes_order(router, request, &making->keys, lanes, count);
    sort(lanes, count, making->order);
}

// Under the lock.
static void make_plan(struct wp_router *router, const struct wp_plan_request *request,
                      struct making *making, struct wp_plan *out)
{
    struct wp_lane *lanes = making->lanes;
    uint32_t count =
        request->group->count < WP_PLAN_MAX ? (uint32_t)request->group->count : WP_PLAN_MAX;
    out->count = count;
    out->usable = 0;
    out->retry_after_ms = -1;
    out->wait.advised = false;
    rank(router, request, making, count);
    for (uint32_t i = 0; i < count; i++) {
        fill_candidate(request, &lanes[making->order[i]], &out->candidates[i]);
        out->usable += out->candidates[i].usable ? 1 : 0;
    }
    if (out->usable == 0) {
        fill_retry_after(lanes, request->now_ns, out);
        return;
    }
    wp_flight_advise(request, &lanes[making->order[0]], out);
    wp_flight_advise_room(request, lanes, count, &lanes[making->order[0]], out);
}

void wp_router_plan(struct wp_router *router, const struct wp_plan_request *request,
                    struct wp_plan *out)
{
    struct making making;
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    pthread_mutex_lock(&router->lock);
    make_plan(router, request, &making, out);
    pthread_mutex_unlock(&router->lock);
}

bool wp_router_plan_and_begin(struct wp_router *router, const struct wp_plan_request *request,
                              struct wp_plan *plan, struct wp_attempt *out)
{
    struct making making;
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    pthread_mutex_lock(&router->lock);
    make_plan(router, request, &making, plan);
    bool begins = plan->usable > 0 && !plan->wait.advised;
    if (begins)
        wp_lane_begin(router, request, &making.keys, &making.lanes[making.order[0]], out);
    pthread_mutex_unlock(&router->lock);
    return begins;
}
