// Which deployment serves a request: health, cooldown, limits, prompt-cache affinity, strategy.
// One router per process, shared by all workers; every call is thread-safe and holds locks for
// microseconds. State is keyed by deployment id and survives configuration reloads. No clock:
// callers pass `now_ns` (monotonic).
#ifndef WP_ROUTE_ROUTER_H
#define WP_ROUTE_ROUTER_H

#include "base/list.h"
#include "config/snapshot.h"
#include "prompt/chain.h"
#include "prompt/model_table.h"
#include "route/trace.h"

struct wp_router;

struct wp_router *wp_router_create(void); // NULL: no memory
void wp_router_destroy(struct wp_router *router);
// Replaces the random seed of the prefix hashes, so that replicas agree on them. Before the first
// chain is built and before wp_router_configure.
void wp_router_set_seed(struct wp_router *router, wp_view seed);
// Replaces the bounds of the cache model (entries in all and per cache domain, 64 bytes each at
// most). Before wp_router_configure.
void wp_router_set_bounds(struct wp_router *router, uint32_t entries, uint32_t domain_entries);
// Creates the state of new deployments, keeps that of known ids, forgets the rest. Before any plan
// with that snapshot. On WP_ERR_NO_MEMORY nothing has changed.
enum wp_err wp_router_configure(struct wp_router *router,
                                const struct wp_snapshot *snapshot) WP_WARN_UNUSED;

enum { WP_PLAN_MAX = 64 }; // candidates considered per group

enum wp_reason {             // why a candidate stands where it stands
    WP_REASON_CACHE,         // its cache is believed to hold the longest prefix
    WP_REASON_CACHE_WRITING, // a request that writes the prefix is in flight there
    WP_REASON_SESSION,       // session affinity, or where the session's hash falls
    WP_REASON_CALLER,        // deployment affinity of the key
    WP_REASON_STRATEGY,      // weight, load, latency, cost
    WP_REASON_ONLY,          // the only candidate
    WP_REASON_EXACT,         // the client named it
    WP_REASON_COOLING,       // skipped: cooling down
    WP_REASON_FULL,          // skipped: max_parallel_requests, rpm or tpm
    WP_REASON_BLOCKED,       // skipped: switched off
    WP_REASON_CONTEXT,       // skipped: prompt larger than max_input_tokens
    WP_REASON_ORDER,         // behind: a lower `order` is available
    WP_REASON_TRIED,         // skipped: this request has failed there
};
const char *wp_reason_name(enum wp_reason reason);

struct wp_candidate {
    const struct wp_deployment_config *deployment;
    const struct wp_model_info *model; // of the caller
    enum wp_reason reason;
    bool usable;
    uint32_t predicted_read;     // tokens believed to be read from cache
    uint32_t predicted_write;    // tokens that would be written
    uint32_t predicted_write_1h; // of them, for an hour
    uint32_t predicted_uncached;
    double predicted_cost; // USD of the input if the belief holds; < 0 unknown
    double expected_cost;  // the same weighted with `confidence`; < 0 unknown
    double confidence;     // probability that the believed entry is there; 1 where none is
    double lasting;        // the same of an entry of the whole prompt after ten quiet minutes
    double headroom;       // share of its tightest limit that would be left; 1 without limits
    uint32_t in_flight;
    uint64_t cooling_until_ns; // 0: not cooling
    bool limited;              // skipped for a limit: its provider's or the operator's
};

struct wp_plan_request {
    const struct wp_snapshot *snapshot;
    const struct wp_resolved *group;
    const struct wp_model_info *models; // one per group->deployments
    const struct wp_prompt *prompt;     // NULL: no cache routing (count_tokens). Lives until end
    wp_view session_id;                 // may be empty
    const uint8_t *caller;              // 32-byte digest of the key, or NULL
    uint64_t max_tokens;
    uint64_t tried; // bit i: group->deployments[i] has failed for this request
    // Of those the one that has only asked to come again later, and when; 0: none. The plan may
    // advise to wait for it, once it is no longer in `tried` it is a candidate like any other.
    uint64_t refused, refused_until_ns;
    uint64_t now_ns;
    // How long this request may yet wait for another's cache write (single flight): what is left
    // of WP_SINGLE_FLIGHT_MS. 0: it does not wait.
    uint32_t max_wait_ms;
    uint64_t draw; // not 0: seeds the plan's random draws, so that a simulation repeats
};

enum { WP_SINGLE_FLIGHT_MS = 5000 }; // what clients like Claude Code themselves wait

struct wp_plan {
    size_t count;
    size_t usable;
    int64_t retry_after_ms; // when usable == 0: until the first comes back; -1 unknown
    // Single flight: candidates[0] is where another request is writing a prefix that this one
    // would write too. Waiting for its first event turns that write into a read. Or, with no
    // prefix named: a deployment that is full, or has sent a 429 with a retry-after, holds the
    // conversation and will take it in at_most_ms.
    struct {
        bool advised;
        uint32_t at_most_ms;              // beyond that waiting costs more than it saves
        uint32_t tokens;                  // that would be read instead of written
        struct wp_hash128 prefix, domain; // for wp_router_wait
    } wait;
    // Usable ones first, best first; then the skipped. Last, so that a plan may be made with room
    // for its group's only.
    struct wp_candidate candidates[WP_PLAN_MAX];
};
#define WP_PLAN_SIZE(deployments) \
    (offsetof(struct wp_plan, candidates) + (deployments) * sizeof(struct wp_candidate))

// O(blocks + candidates). Never fails; usable may be 0.
void wp_router_plan(struct wp_router *router, const struct wp_plan_request *request,
                    struct wp_plan *out);
struct wp_attempt;
// The same and, unless nothing is usable or waiting is advised, wp_router_begin on the first
// candidate, with nothing in between. True if it has begun.
bool wp_router_plan_and_begin(struct wp_router *router, const struct wp_plan_request *request,
                              struct wp_plan *plan, struct wp_attempt *out);

// Deepest block of the prompt (from 1; 0: none) whose entry the candidate's cache is believed to
// hold, whether or not a marker reaches it. O(blocks).
uint32_t wp_router_reach(struct wp_router *router, const struct wp_plan_request *request,
                         const struct wp_candidate *candidate);

// Tokens of the prompt that an entry of an hour there holds, so near to its end that the
// conversation's next request will find it, whatever its own markers ask for. O(lookback).
uint32_t wp_router_lasting(struct wp_router *router, const struct wp_plan_request *request,
                           const struct wp_candidate *candidate);

// Waiting for a leader. Embedded by the caller, who owns the timer (plan.wait.at_most_ms).
struct wp_waiter {
    struct wp_list link; // private
    // Called once, on any thread, under the router's lock: it may only hand the news on
    // (wp_loop_post) and must not call the router. After wp_router_wait_cancel it is not running
    // and will not be called.
    void (*wake)(void *arg);
    void *arg;
    struct wp_hash128 prefix, domain; // private
    bool waiting;                     // private
};
// Queues the waiter behind the write that plan.wait names. False if there is none any more: plan
// again at once. After `wake` (the leader's response has begun, or it failed), or when the timer
// fires, plan again with what is left of max_wait_ms.
bool wp_router_wait(struct wp_router *router, const struct wp_plan *plan,
                    struct wp_waiter *waiter) WP_WARN_UNUSED;
// Idempotent; also for a waiter that is all zero, or that has been woken.
void wp_router_wait_cancel(struct wp_router *router, struct wp_waiter *waiter);

// One attempt on one deployment. Embedded by the caller, who must call end exactly once after
// begin. Private but for the fields named.
struct wp_attempt {
    struct wp_deployment_state *state; // NULL: the deployment has left the configuration
    const struct wp_deployment_config *deployment;
    const struct wp_router_settings *settings;
    struct wp_rate *rate;
    uint64_t begun_ns;
    uint32_t predicted_read; // public: tokens
    bool open, started;
    bool alone; // no other deployment in its group
    uint64_t reserved_requests, reserved_tokens, reserved_input;
    struct wp_trace trace;
};
// in_flight++, tokens reserved, cache entries noted as being written (so that the same prefix goes
// there too), pins set. The request's snapshot and prompt live until end. False, and nothing has
// begun, only if request->max_wait_ms is not 0 and another request began to write the same prefix
// since the plan: plan again.
bool wp_router_begin(struct wp_router *router, const struct wp_plan_request *request,
                     const struct wp_candidate *candidate, struct wp_attempt *out);
// The response has begun: the entries are readable now, with their TTL from begun_ns.
void wp_router_started(struct wp_router *router, struct wp_attempt *attempt, uint64_t now_ns);
enum wp_outcome {
    WP_OUTCOME_SUCCESS,
    WP_OUTCOME_FAILED,  // counts against the deployment: `kind` and retry_after decide the cooldown
    WP_OUTCOME_REFUSED, // the client's mistake (400 …): nothing against the deployment
    WP_OUTCOME_CANCELLED, // the client left
};
struct wp_outcome_detail {
    enum wp_outcome outcome;
    enum wp_error_kind kind;
    int status;             // upstream's; 0 if none
    int64_t retry_after_ms; // -1: none
    bool spend_cap;
    const struct wp_usage *usage; // NULL if none was seen
    uint64_t latency_ns;          // to first byte; 0 if none
    uint64_t now_ns;
};
// in_flight--, health, cooldown, limits; corrects the cache model by the usage.
void wp_router_end(struct wp_router *router, struct wp_attempt *attempt,
                   const struct wp_outcome_detail *detail);

// What an answer's headers say about its deployment; 0 or empty where they are silent.
struct wp_limit_report {
    uint64_t requests_limit, requests_remaining;
    uint64_t input_limit, input_remaining;   // tokens, cache reads not counted
    uint64_t tokens_limit, tokens_remaining; // tokens, the tightest limit in force
};
// anthropic-ratelimit-*: the price on headroom follows the provider's own count.
void wp_router_report_limits(struct wp_router *router, const struct wp_attempt *attempt,
                             const struct wp_limit_report *report, uint64_t now_ns);
// anthropic-workspace-id names the scope of the cache: deployments that answer with the same one
// share a cache domain from now on, unless the configuration names theirs.
void wp_router_learn_scope(struct wp_router *router, struct wp_attempt *attempt, wp_view scope);
// anthropic-organization-id names whose limits apply: deployments of one organisation and model
// share what is reported of them and stop together on a 429, unless the configuration names their
// rate domain. Limits of the configuration still count per deployment.
void wp_router_learn_organisation(struct wp_router *router, const struct wp_attempt *attempt,
                                  wp_view organisation);

// Something about the deployment's cache that the gateway has found out (enum wp_anomaly): told in
// the log the first time, shown in the console since.
void wp_router_note_anomaly(struct wp_router *router, const struct wp_deployment_config *deployment,
                            uint8_t anomaly);

// For /health, metrics and the console.
struct wp_deployment_status {
    wp_view id; // of the snapshot given
    uint32_t in_flight;
    uint64_t requests, failures;
    uint64_t cooling_until_ns; // 0: healthy
    char cooling_reason[64];
    uint64_t cache_entries;                                              // live entries believed
    uint64_t predicted_read, actual_read, actual_write, actual_uncached; // token sums
    double latency_ms; // moving average to first byte
    uint64_t minute_requests, minute_tokens, minute_input;
    // What the provider's headers said of its own limits; 0: nothing, or longer than a minute ago.
    uint64_t reported_requests_limit, reported_tokens_limit;
    uint64_t reported_requests_left, reported_tokens_left; // now, with what has refilled since
    double hit_odds;    // how often a believed entry was there, recent predictions; 1: none
    double token_scale; // measured per estimated token
    struct wp_hash128 cache_domain; // equal where the cache is shared; zero for wildcards
    uint8_t anomalies;              // enum wp_anomaly (route/model.h), as seen since the start
};
void wp_router_status(struct wp_router *router, const struct wp_deployment_config *deployment,
                      uint64_t now_ns, struct wp_deployment_status *out);
struct wp_router_totals {
    uint64_t plans;
    uint64_t entries, entry_bytes; // of the cache model
    uint64_t domains;
    uint64_t waits, waits_refused; // single flight: queued; begun too late to be the leader
    uint32_t waiting;              // now
};
void wp_router_totals(struct wp_router *router, struct wp_router_totals *out);
// Seed of the prefix hashes (32 bytes), so that replicas can agree.
const struct wp_hash_key *wp_router_hash_key(const struct wp_router *router);
// Drops expired entries; called now and then by one worker.
void wp_router_expire(struct wp_router *router, uint64_t now_ns);

#endif
