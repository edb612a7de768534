// Rate limits and how near they are: requests in flight, and requests and tokens per minute of a
// rate domain, reserved at the start of an attempt and corrected at its end. Pure but for the
// windows it is given.
#ifndef WP_ROUTE_LIMITS_H
#define WP_ROUTE_LIMITS_H

#include "route/deployment.h"

// What the provider's admission would count for one request.
struct wp_need {
    uint64_t requests;
    uint64_t tokens; // against tpm
    uint64_t input;  // against itpm
};
// `forecast` NULL: a request without a prompt, which counts for nothing.
void wp_limits_need(enum wp_platform platform, const struct wp_forecast *forecast,
                    uint64_t max_tokens, struct wp_need *out);

struct wp_admission {
    bool full;       // may not go there now
    int64_t wait_ms; // when full: until there may be room; -1 unknown
    double headroom; // share of the tightest limit that would be left: 0 … 1; 1 without limits
};
void wp_limits_check(const struct wp_deployment_state *state,
                     const struct wp_deployment_config *deployment,
                     const struct wp_router_settings *settings, const struct wp_need *need,
                     uint64_t now_ns, struct wp_admission *out);
void wp_limits_reserve(struct wp_rate *rate, const struct wp_deployment_config *deployment,
                       const struct wp_need *need, uint64_t now_ns);
// How much of the configured itpm is in use.
uint64_t wp_limits_input_used(const struct wp_fill *fill, uint64_t now_ns);
// What is left of a reported limit, with what has refilled since; *limit 0 and 0 left where nothing
// was reported within the last minute.
uint64_t wp_limits_left(const struct wp_reported *report, uint64_t now_ns, uint64_t *limit);
// Takes the need off what the provider last reported as remaining.
void wp_limits_spend(struct wp_rate *reported, const struct wp_need *need);
// Replaces what was reserved at begun_ns by what was used. `usage` NULL: keep the reservation if
// `served`, take it back otherwise (an answer was refused before it cost anything).
void wp_limits_settle(struct wp_rate *rate, enum wp_platform platform, const struct wp_need *need,
                      const struct wp_usage *usage, bool served, uint64_t begun_ns,
                      uint64_t now_ns);
// The provider's own words about its buckets; each limit 0 where it is silent.
void wp_limits_report(struct wp_rate *rate, const struct wp_limit_report *report, uint64_t now_ns);

#endif
