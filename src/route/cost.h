// Money: what a request's input costs on a deployment, by price class, and what the planner adds
// to that (limits that run short, moving a conversation). Pure.
#ifndef WP_ROUTE_COST_H
#define WP_ROUTE_COST_H

#include "route/model.h"

// USD per input token by class, the long-context tier applied; every field >= 0.
struct wp_rates {
    double input, read, write_5m, write_1h;
    bool known; // false: relative to an input token of 1
};
void wp_rates_resolve(const struct wp_price *price, uint32_t total_tokens, struct wp_rates *out);
// As forecast.
double wp_cost_predicted(const struct wp_rates *rates, const struct wp_forecast *forecast);
// Weighted with the odds that what is believed to be read must be written after all.
double wp_cost_expected(const struct wp_rates *rates, const struct wp_forecast *forecast);
// Price of using up what is left of a limit: 0 with room, as much again as the unread input costs
// when nothing is left. It makes the conversation with least to lose move first.
double wp_cost_headroom(const struct wp_rates *rates, const struct wp_forecast *forecast,
                        double headroom);
// Price of taking a conversation away from where it was (hysteresis; thinking is bound to the
// account and lost on a move, which inside a tool loop harms the answer).
double wp_cost_move(const struct wp_rates *rates, const struct wp_prompt *prompt,
                    uint32_t total_tokens);
// USD that reading instead of writing so many tokens saves.
double wp_cost_write_saving(const struct wp_rates *rates, uint32_t tokens);

#endif
