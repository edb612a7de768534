// Single flight: of several requests that would write the same cold prefix into one cache, the
// first writes and the others wait for its first event. There is no queue to lead: whoever begins
// first after the leader's end is the next leader, and wp_router_begin turns the late ones back.
#include "base/random.h"
#include "route/cooldown.h"
#include "route/private.h"

static const double DOLLARS_PER_SECOND = 0.005; // what a second of waiting is worth
static const double DEFAULT_INPUT = 3e-6;       // USD per token where no price is known
static const uint64_t USUAL_LATENCY_NS = 1500000000u, HUNG_NS = 30000000000u;

static double saving(const struct wp_rates *rates, uint32_t tokens)
{
    return wp_cost_write_saving(rates, tokens) * (rates->known ? 1 : DEFAULT_INPUT);
}

// How much longer the leader's first event will probably take.
static uint64_t expected_wait_ns(const struct wp_lane *lane)
{
    uint64_t usual = lane->state != NULL && lane->state->latency_ns > 0
                         ? (uint64_t)lane->state->latency_ns
                         : USUAL_LATENCY_NS;
    uint64_t elapsed = lane->sighting.pending_age_ns;
    return elapsed < usual ? usual - elapsed : usual / 4;
}

// Latencies vary: a leader that is expected later than the longest wait may still be in time.
static bool is_worth_it(double worth_ms, double most_ms, double expected_ms)
{
    if (expected_ms <= most_ms)
        return true;
    return worth_ms * most_ms / (most_ms + expected_ms) > most_ms;
}

bool wp_flight_advise(const struct wp_plan_request *request, const struct wp_lane *lane,
                      struct wp_plan *plan)
{
    const struct wp_forecast *f = &lane->forecast;
    if (request->max_wait_ms == 0 || !f->pending || f->read <= f->ready ||
        lane->sighting.pending_age_ns > HUNG_NS)
        return false;
    double worth_ms = saving(&lane->rates, f->read - f->ready) / DOLLARS_PER_SECOND * 1000;
    uint32_t most = worth_ms < request->max_wait_ms ? (uint32_t)worth_ms : request->max_wait_ms;
    if (most == 0 || !is_worth_it(worth_ms, most, (double)expected_wait_ns(lane) / 1e6))
        return false;
    if (plan == NULL)
        return true;
    plan->wait.advised = true;
    plan->wait.at_most_ms = most;
    plan->wait.tokens = f->read - f->ready;
    plan->wait.prefix = request->prompt->blocks[f->block - 1].prefix;
    plan->wait.domain = lane->domain->key;
    return true;
}

// What a moment of waiting for room at a deployment spares: the cost of going elsewhere.
static double spared(const struct wp_lane *here, const struct wp_lane *instead,
                     const struct wp_prompt *prompt)
{
    double more = wp_cost_expected(&instead->rates, &instead->forecast) -
                  wp_cost_expected(&here->rates, &here->forecast);
    if (here->domain != instead->domain)
        more += wp_cost_move(&instead->rates, prompt, instead->forecast.total);
    return more * (here->rates.known && instead->rates.known ? 1 : DEFAULT_INPUT);
}

static int64_t until_ms(uint64_t until_ns, uint64_t now_ns)
{
    return until_ns <= now_ns ? 0 : (int64_t)((until_ns - now_ns) / 1000000) + 1;
}

// When a deployment that takes nothing now will, as far as that is known; -1: it is not.
static int64_t room_in_ms(const struct wp_plan_request *request, const struct wp_lane *lane,
                          uint32_t index)
{
    if (lane->reason == WP_REASON_FULL)
        return lane->admission.wait_ms;
    if (lane->reason == WP_REASON_COOLING && wp_cooldown_announced(lane->state, request->now_ns))
        return until_ms(lane->cooling_until_ns, request->now_ns);
    if (lane->reason == WP_REASON_TRIED && (request->refused >> index & 1) != 0)
        return until_ms(request->refused_until_ns, request->now_ns);
    return -1;
}

static bool is_warm(const struct wp_lane *lane)
{
    const struct wp_forecast *f = &lane->forecast;
    return f->deep && !f->pending && f->read > 0 && lane->domain != NULL;
}

// Those who wait for the same moment do not come back all at once.
static uint32_t spread(const struct wp_plan_request *request, int64_t wait_ms)
{
    uint64_t draws = request->draw != 0 ? request->draw : wp_random_u64();
    uint64_t later = wp_draw(&draws) % ((uint64_t)wait_ms / 4 + 1);
    uint64_t ms = (uint64_t)wait_ms + later;
    return ms < request->max_wait_ms ? (uint32_t)ms : request->max_wait_ms;
}

void wp_flight_advise_room(const struct wp_plan_request *request, const struct wp_lane *lanes,
                           uint32_t count, const struct wp_lane *chosen, struct wp_plan *plan)
{
    double most = 0;
    if (request->max_wait_ms == 0 || request->prompt == NULL || plan->wait.advised ||
        (request->snapshot->router.pre_call_checks & WP_CHECK_PROMPT_CACHING) == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct wp_lane *lane = &lanes[i];
        int64_t wait_ms = is_warm(lane) ? room_in_ms(request, lane, i) : -1;
        if (wait_ms <= 0 || wait_ms > request->max_wait_ms)
            continue;
        double gain =
            spared(lane, chosen, request->prompt) - (double)wait_ms / 1000 * DOLLARS_PER_SECOND;
        if (gain <= most)
            continue;
        most = gain;
        plan->wait.advised = true;
        plan->wait.at_most_ms = spread(request, wait_ms);
        plan->wait.tokens = lane->forecast.read;
        plan->wait.prefix = (struct wp_hash128){0, 0};
        plan->wait.domain = lane->domain->key;
    }
}

static struct wp_list *bucket(struct wp_router *router, struct wp_hash128 prefix)
{
    return &router->waiters[(prefix.low ^ prefix.high) % WP_WAIT_BUCKETS];
}

static bool is_pending(const struct wp_router *router, const struct wp_plan *plan)
{
    const struct wp_domain *domain = wp_model_domain(&router->model, plan->wait.domain);
    if (domain == NULL)
        return false;
    uint32_t id = wp_table_find(&router->model.table, plan->wait.prefix, domain->owner);
    if (id == WP_ENTRY_NONE)
        return false;
    const struct wp_entry *entry = wp_table_at(&router->model.table, id);
    return entry->writers > 0 && (entry->flags & WP_ENTRY_READABLE) == 0;
}

bool wp_router_wait(struct wp_router *router, const struct wp_plan *plan, struct wp_waiter *waiter)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    WP_CHECK(!waiter->waiting && waiter->wake != NULL);
    pthread_mutex_lock(&router->lock);
    bool for_room = plan->wait.prefix.low == 0 && plan->wait.prefix.high == 0;
    bool pending = plan->wait.advised && (for_room || is_pending(router, plan));
    if (pending) {
        waiter->prefix = plan->wait.prefix;
        waiter->domain = plan->wait.domain;
        waiter->waiting = true;
        wp_list_init(&waiter->link);
        wp_list_append(bucket(router, waiter->prefix), &waiter->link);
        router->totals.waits++;
        router->totals.waiting++;
    }
    pthread_mutex_unlock(&router->lock);
    return pending;
}

static void leave(struct wp_router *router, struct wp_waiter *waiter)
{
    wp_list_unlink(&waiter->link);
    waiter->waiting = false;
    router->totals.waiting--;
}

void wp_router_wait_cancel(struct wp_router *router, struct wp_waiter *waiter)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    pthread_mutex_lock(&router->lock);
    if (waiter->waiting)
        leave(router, waiter);
    pthread_mutex_unlock(&router->lock);
}

static void wake_prefix(struct wp_router *router, struct wp_hash128 prefix,
                        struct wp_hash128 domain)
{
    struct wp_list *head = bucket(router, prefix);
    WP_LIST_FOREACH(node, head)
    {
        struct wp_waiter *waiter = WP_CONTAINER_OF(node, struct wp_waiter, link);
        if (!wp_hash128_eq(waiter->prefix, prefix) || !wp_hash128_eq(waiter->domain, domain))
            continue;
        leave(router, waiter);
        waiter->wake(waiter->arg);
    }
}

void wp_flight_wake(struct wp_router *router, const struct wp_trace *trace)
{
    if (router->totals.waiting == 0)
        return;
    for (uint32_t i = 0; i < trace->written_count; i++)
        wake_prefix(router, trace->prompt->blocks[trace->written[i]].prefix, trace->domain->key);
}
