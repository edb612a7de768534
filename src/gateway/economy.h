// Idle economics of one exchange: following its conversation for the keeper, and the opt-in changes
// to its cache markers (auto_ttl, breakpoint_repair). Private to gateway/.
#ifndef WP_GATEWAY_ECONOMY_H
#define WP_GATEWAY_ECONOMY_H

#include "gateway/exchange.h"

// The prompt is known: the conversation has come back. `stream` names what a session interleaves
// (empty: the conversation is known by its first message).
void wp_exchange_follow(struct wp_exchange *x, wp_view stream);
// Is wp_exchange_mark still to choose? Then the plan is to be seen before it is carried out.
bool wp_exchange_may_mark(const struct wp_exchange *x);
// After a plan, once: chooses markers for where the request will go. True: the prompt's markers
// have changed, plan again.
bool wp_exchange_mark(struct wp_exchange *x);
// The answer is complete: what renewals saved, and what the next one would need.
void wp_exchange_keep(struct wp_exchange *x);

#endif
