// What the router's own files share.
#ifndef WP_ROUTE_PRIVATE_H
#define WP_ROUTE_PRIVATE_H

#include <pthread.h>

#include "route/cost.h"
#include "route/deployment.h"
#include "route/limits.h"
#include "route/pins.h"
#include "route/router.h"
#include "route/strategy.h"

enum { WP_ROUTER_MAGIC = 0x524f5554, WP_WAIT_BUCKETS = 64 };

struct wp_router {
    uint32_t magic;
    pthread_mutex_t lock; // guards everything below but hash_key
    struct wp_hash_key hash_key;
    struct wp_registry registry;
    struct wp_model model;
    struct wp_pins pins;
    struct wp_crowd starts; // families that began with a head on a deployment (wp_start_tag)
    struct wp_list waiters[WP_WAIT_BUCKETS];
    struct wp_router_totals totals; // only plans, waits, waits_refused, waiting
};

// One candidate while a plan is made.
struct wp_lane {
    const struct wp_deployment_config *deployment;
    const struct wp_model_info *model;
    struct wp_deployment_state *state; // NULL: not of the current configuration
    uint32_t tag;                      // of the deployment in pins; never 0
    struct wp_domain *domain;
    const struct wp_cache_rules *rules;
    struct wp_sighting sighting;
    struct wp_forecast forecast;
    struct wp_rates rates;
    struct wp_need need;
    struct wp_admission admission;
    uint64_t cooling_until_ns;
    enum wp_reason reason;
    bool usable;
    bool front;      // competes for the first place: lowest order, or its cache holds the prompt
    bool busy;       // carries clearly more than its share of the load
    bool overloaded; // … so much that not even a warm head draws to it
    bool crowded;    // has had more than its share of those who begin with this head
    double load;     // prompt tokens of the last minutes
    double carried;  // and of the last hours
    double weight;   // of the configuration; >= 0
    double shuffle;  // the strategy's key: smallest first
    double rendezvous;
    double score;  // USD (or relative) that this choice costs
    uint32_t tier; // 0 chosen, 1 front, 2 behind, 3 skipped
    double rank;   // inside its tier
    int32_t order;
};

// The pins of a request; zero keys are absent.
struct wp_pin_keys {
    struct wp_hash128 keys[WP_PIN_KEYS];
    bool used[WP_PIN_KEYS];
};
void wp_pin_keys(const struct wp_router *router, const struct wp_plan_request *request,
                 struct wp_pin_keys *out);
// Of WP_PIN_FAMILY, made only where it is needed; false where there is none.
bool wp_family_key(const struct wp_router *router, const struct wp_plan_request *request,
                   struct wp_hash128 *out);
uint32_t wp_pin_tag(const struct wp_deployment_state *state);
// Of `starts`: the prompt's head on that deployment.
static inline uint64_t wp_start_tag(const struct wp_prompt *prompt, uint32_t pin_tag)
{
    return (prompt->head.low ^ pin_tag * 0x9E3779B97F4A7C15u) | 1;
}

// lane.c: what is known of each candidate.
// The lane of one candidate, up to its forecast.
void wp_lane_open(struct wp_router *router, const struct wp_plan_request *request, uint32_t index,
                  struct wp_lane *lane);
// Sightings and forecasts of all lanes.
void wp_lanes_forecast(struct wp_router *router, const struct wp_plan_request *request,
                       struct wp_lane *lanes, uint32_t count);
// What its tokens cost there, and what they take of its limits.
void wp_lane_price(const struct wp_plan_request *request, struct wp_lane *lane);
// Limits and whether it is usable; priced before.
void wp_lane_judge(const struct wp_plan_request *request, uint32_t index, struct wp_lane *lane);

// order.c: who goes first. Fills tier, rank and reason of the usable lanes.
void wp_lanes_order(struct wp_router *router, const struct wp_plan_request *request,
                    const struct wp_pin_keys *keys, struct wp_lane *lanes, uint32_t count);

// router.c: an attempt on the lane's deployment begins; under the lock.
void wp_lane_begin(struct wp_router *router, const struct wp_plan_request *request,
                   const struct wp_pin_keys *keys, const struct wp_lane *lane,
                   struct wp_attempt *out);

// flight.c: single flight. Fills plan->wait for the first lane; true if waiting is advised.
bool wp_flight_advise(const struct wp_plan_request *request, const struct wp_lane *lane,
                      struct wp_plan *plan);
// Fills plan->wait, unless it is filled, if a full deployment holds the conversation and will have
// room so soon that waiting is cheaper than `chosen`.
void wp_flight_advise_room(const struct wp_plan_request *request, const struct wp_lane *lanes,
                           uint32_t count, const struct wp_lane *chosen, struct wp_plan *plan);
// Wakes those who wait for what the trace writes.
void wp_flight_wake(struct wp_router *router, const struct wp_trace *trace);

#endif
