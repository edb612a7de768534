// A whole comparison: every policy, number of deployments and read multiplier over paired seeds,
// on several threads, and what comes out of it as a table, JSON or a page with plots.
#ifndef WP_SIM_REPLAY_FLEET_H
#define WP_SIM_REPLAY_FLEET_H

#include <stdio.h>

#include "base/buf.h"
#include "sim/replay.h"

enum { WP_FLEET_LIST_MAX = 16 };

struct wp_fleet_options {
    struct wp_replay_options replay; // deployments, read_multiplier and seed are set per run
    uint32_t deployments[WP_FLEET_LIST_MAX];
    size_t deployment_count;
    double read_multipliers[WP_FLEET_LIST_MAX];
    size_t read_multiplier_count;
    const char *policies[WP_FLEET_LIST_MAX + WP_FLEET_LIST_MAX];
    size_t policy_count;
    uint32_t seeds, threads;
    FILE *progress; // NULL: none
};

// One line of the result. Shares are of what the same prompts cost without any caching.
struct wp_fleet_row {
    const char *policy;
    uint32_t deployments;
    double read_multiplier;
    double cost_share, cost_share_low, cost_share_high;
    double uncached_share, write_5m_share, write_1h_share, read_share, renew_share; // of the cost
    double hit_rate;           // tokens read, of all
    double over_limit;         // share of requests that no deployment had room for
    double load_max_over_mean; // prompt tokens of the busiest deployment; mean over seeds
    double moves_in_tool_loop; // requests per run
    double moves;
    double planner_us_p50, planner_us_p99;            // < 0: it has no planner
    double rejected, failed, waits, wait_s, renewals; // per run
    double fanout_head_writes;                        // per fan-out; < 0: none were laid over
    double predicted_over_real;                       // tokens read; < 0: it predicts nothing
    // Paired with another policy of the same run; 0 where that was not run.
    double to_floor, to_floor_low, to_floor_high;    // cost over that of infinite-5m
    double to_sticky, to_sticky_low, to_sticky_high; // over that of sticky-10m
    double clairvoyant_part; // of the saving of clairvoyant over infinite-5m; NaN: not known
    uint32_t renewals_each;  // static-pings: the best constant
};

struct wp_fleet_result {
    struct wp_fleet_row *rows;
    size_t row_count, row_capacity;
};

// False when memory is short. Free the rows with wp_fleet_free.
bool wp_fleet_run(const struct wp_replay_trace *trace, const struct wp_fleet_options *options,
                  struct wp_fleet_result *out);
void wp_fleet_free(struct wp_fleet_result *result);

struct wp_fleet_about {
    const struct wp_fleet_options *options;
    const struct wp_replay_trace *trace;
    const char *command; // as it was called
};
void wp_fleet_table(const struct wp_fleet_result *result, struct wp_buf *out);
void wp_fleet_json(const struct wp_fleet_result *result, const struct wp_fleet_about *about,
                   struct wp_buf *out);
void wp_fleet_html(const struct wp_fleet_result *result, const struct wp_fleet_about *about,
                   struct wp_buf *out);

#endif
