// Whether a failure takes a deployment out of rotation, and for how long: LiteLLM's rules.
#ifndef WP_ROUTE_COOLDOWN_H
#define WP_ROUTE_COOLDOWN_H

#include "route/deployment.h"

// Counts the outcome and sets the cooldown. `alone`: its group has no other deployment, so that
// cooling it would only replace the upstream's own error by ours.
void wp_cooldown_note(struct wp_deployment_state *state,
                      const struct wp_deployment_config *deployment,
                      const struct wp_router_settings *settings, bool alone,
                      const struct wp_outcome_detail *detail);
// Until when the deployment, or the rate domain that it shares, cools; 0: it does not.
uint64_t wp_cooldown_until(const struct wp_deployment_state *state, uint64_t now_ns);
// True if it is a limit that keeps it there (a 429, a spending limit, its rate domain), not
// failures.
bool wp_cooldown_is_limit(const struct wp_deployment_state *state, uint64_t now_ns);
// True if that is when the provider itself has said that it will take requests again.
bool wp_cooldown_announced(const struct wp_deployment_state *state, uint64_t now_ns);

#endif
