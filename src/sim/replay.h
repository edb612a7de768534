// Replays a trace through one routing policy and simulated deployments, whose caches follow the
// provider's rules (replay_cache.c) and share nothing with the cache model that the router keeps.
// Deterministic: a trace, options and a seed give one result.
#ifndef WP_SIM_REPLAY_H
#define WP_SIM_REPLAY_H

#include "sim/replay_trace.h"

enum { WP_REPLAY_DEPLOYMENTS_MAX = 64, WP_REPLAY_FAILURES_MAX = 32 };

enum wp_replay_arrivals {
    WP_REPLAY_UNIFORM,  // conversations begin anywhere in the span
    WP_REPLAY_POISSON,  // gaps are exponential, so that the last begins near the span's end
    WP_REPLAY_BURSTS,   // eight at a time, within ten seconds
    WP_REPLAY_TOGETHER, // all within a second
};

struct wp_replay_failure {
    uint32_t deployment;
    double from_s, to_s; // answers 503 meanwhile
};

// How the deployments differ from what the router believes.
struct wp_replay_truth {
    double ttl_factor;   // of entries' lives; 1
    uint32_t lookback;   // positions; 20
    uint32_t hidden;     // caches behind each deployment, chosen at random per request; 1
    double eviction;     // odds that an entry that would be read has been evicted
    double restart_s;    // the gateway forgets everything every so often; 0: never
    uint32_t min_tokens; // shortest prefix that is cached; 1,024
    bool hit_only;       // a hit renews its own entry, not those on its path
};

struct wp_replay_options {
    uint32_t deployments;
    double itpm; // of each, tokens per minute that are not read from the cache; 0: no limit
    double read_multiplier;
    double price[WP_REPLAY_DEPLOYMENTS_MAX]; // of each, relative; 0: 1
    enum wp_replay_arrivals arrivals;
    double span_s;
    uint64_t seed;
    struct wp_replay_failure failures[WP_REPLAY_FAILURES_MAX];
    uint32_t failure_count;
    struct wp_replay_truth truth;
};

// Input tokens by price class, weighted with the deployments' relative prices.
struct wp_replay_bill {
    double uncached, write_5m, write_1h, read;
    double renew_read, renew_write; // of requests that only keep entries alive
    double tokens;                  // all, at relative price 1
};
double wp_replay_cost(const struct wp_replay_bill *bill, double read_multiplier);

enum { WP_REPLAY_TIME_BUCKETS = 256 };

struct wp_replay_result {
    struct wp_replay_bill *bills; // one per conversation; the caller's
    uint64_t requests, over_limit, rejected, failed;
    uint64_t moves, moves_in_tool_loop; // requests that went elsewhere than their predecessor
    uint64_t waits;                     // held back for another's write
    double wait_s;
    uint64_t renewals;
    uint64_t fanout_requests, fanout_head_writes;
    double load[WP_REPLAY_DEPLOYMENTS_MAX];      // prompt tokens
    uint64_t plan_times[WP_REPLAY_TIME_BUCKETS]; // wp_replay_time_bucket
    uint64_t read_predicted, read_real;          // tokens, of policies that predict
};
uint32_t wp_replay_time_bucket(uint64_t ns);
// Upper end of a bucket, in microseconds.
double wp_replay_time_of(uint32_t bucket);

// Names of all policies and bounds, ending with NULL. "static-pings" stands for a family that is
// run with a constant count each ("static-pings:3").
extern const char *const wp_replay_policies[];
// True if the results depend on the read multiplier.
bool wp_replay_depends_on_price(const char *policy);
// True if the policy has one cache and no limits, whatever the options say.
bool wp_replay_is_bound(const char *policy);
// Adds to *result. False when memory is short or the policy is not known.
bool wp_replay_run(const struct wp_replay_trace *trace, const struct wp_replay_options *options,
                   const char *policy, struct wp_replay_result *result);

#endif
