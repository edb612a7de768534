// The order among candidates that nothing else decides: LiteLLM's strategies, and weighted
// rendezvous hashing, which gives the same answer on every gateway and moves only what it must
// when a deployment leaves. Pure.
#ifndef WP_ROUTE_STRATEGY_H
#define WP_ROUTE_STRATEGY_H

#include "config/snapshot.h"
#include "prompt/price.h"

// FNV-1a, finalised: the same in every process.
uint64_t wp_stable_hash(wp_view v);
uint64_t wp_stable_mix(uint64_t a, uint64_t b);
// The next number of a sequence that *state names (SplitMix64).
uint64_t wp_draw(uint64_t *state);
// -ln(x) for a uniform x in (0, 1] made of the number's upper 53 bits.
double wp_neg_log_unit(uint64_t random);

// What a strategy looks at.
struct wp_contender {
    const struct wp_deployment_config *deployment;
    const struct wp_price *price;
    uint32_t in_flight;
    uint64_t minute_tokens;
    double latency_ns; // 0: not known
    double weight;     // filled by wp_weights; >= 0
    double key;        // filled by wp_strategy_keys
};
// simple-shuffle's weights: `weight` if any candidate has one, else rpm, else tpm, else 1 each.
void wp_weights(struct wp_contender *list, uint32_t count);
// Keys of which the smallest goes first. *state: source of the draws. Weights must be filled.
void wp_strategy_keys(enum wp_strategy strategy, struct wp_contender *list, uint32_t count,
                      uint64_t *state);
// The rendezvous key of one deployment for one subject; the smallest wins, each deployment in
// proportion to its weight.
double wp_rendezvous(uint64_t subject, uint64_t deployment, double weight);

#endif
