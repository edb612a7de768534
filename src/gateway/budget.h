// The retry budget of the process: when upstreams fail, further attempts may add only a share to
// the load that clients bring, so that a bad minute does not become a storm. Any thread, no lock.
#ifndef WP_GATEWAY_BUDGET_H
#define WP_GATEWAY_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    WP_BUDGET_RESERVE = 10, // attempts that a quiet gateway always has; one per second comes back
    WP_BUDGET_MOST = 100,   // attempts that can be saved up
};

struct wp_retry_budget {
    _Atomic int64_t balance;        // thousandths of an attempt
    _Atomic uint64_t refilled_ns;   // when the reserve was last refilled
    _Atomic uint64_t spent, denied; // for metrics
};

void wp_retry_budget_init(struct wp_retry_budget *budget, uint64_t now_ns);
// A request has come: it earns `share` of an attempt (0.2: one more attempt per five requests).
void wp_retry_budget_earn(struct wp_retry_budget *budget, double share);
// False: the budget is used up; the failure is answered instead of tried again.
bool wp_retry_budget_spend(struct wp_retry_budget *budget, uint64_t now_ns);

#endif
