// Which deployment serves a request: health, cooldown, limits, prompt-cache affinity, strategy.
// One router per process, shared by all workers; every call is thread-safe and holds locks for
// microseconds. State is keyed by deployment id and survives configuration reloads. No clock:
// callers pass `now_ns` (monotonic).
#ifndef WP_ROUTE_ROUTER_H
#define WP_ROUTE_ROUTER_H

#include "config/snapshot.h"
#include "prompt/chain.h"
#include "prompt/price.h"

struct wp_router;

struct wp_router *wp_router_create(void); // NULL: no memory
void wp_router_destroy(struct wp_router *router);
// Creates the state of new deployments, keeps that of known ids, forgets the rest. Before any plan
// with that snapshot.
enum wp_err wp_router_configure(struct wp_router *router,
                                const struct wp_snapshot *snapshot) WP_WARN_UNUSED;

enum { WP_PLAN_MAX = 64 }; // candidates considered per group

enum wp_reason {             // why a candidate stands where it stands
    WP_REASON_CACHE,         // its cache is believed to hold the longest prefix
    WP_REASON_CACHE_WRITING, // a request that writes the prefix is in flight there
    WP_REASON_SESSION,       // session affinity
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
    uint32_t predicted_read;  // tokens believed to be read from cache
    uint32_t predicted_write; // tokens that would be written
    uint32_t predicted_uncached;
    double predicted_cost; // USD of the input; < 0 unknown
    uint32_t in_flight;
    uint64_t cooling_until_ns; // 0: not cooling
};

struct wp_plan_request {
    const struct wp_snapshot *snapshot;
    const struct wp_resolved *group;
    const struct wp_model_info *models; // one per group->deployments
    const struct wp_prompt *prompt;     // NULL: no cache routing (count_tokens)
    wp_view session_id;                 // may be empty
    const uint8_t *caller;              // 32-byte digest of the key, or NULL
    uint64_t max_tokens;
    uint64_t tried; // bit i: group->deployments[i] has failed for this request
    uint64_t now_ns;
};

struct wp_plan {
    struct wp_candidate candidates[WP_PLAN_MAX]; // usable ones first, best first; then the skipped
    size_t count;
    size_t usable;
    int64_t retry_after_ms; // when usable == 0: until the first comes back; -1 unknown
};

// O(blocks + candidates). Never fails; usable may be 0.
void wp_router_plan(struct wp_router *router, const struct wp_plan_request *request,
                    struct wp_plan *out);

// One attempt on one deployment. Embedded by the caller, who must call end exactly once after
// begin.
struct wp_attempt {
    struct wp_deployment_state *state; // private
    const struct wp_deployment_config *deployment;
    uint64_t begun_ns;
    uint64_t reserved_tokens;
    uint64_t flight; // identity of the pending cache entries
    bool counted, started;
    uint32_t entry_count; // positions that will be written
    struct {
        struct wp_hash128 prefix;
        uint32_t tokens;
        uint8_t ttl;
    } entries[8];
    struct wp_hash128 session, conversation; // pins
    wp_view group;                           // for keys
    uint32_t predicted_read;
};
// in_flight++, tokens reserved, cache entries noted as being written (so that the same prefix goes
// there too), pins set.
void wp_router_begin(struct wp_router *router, const struct wp_plan_request *request,
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
    uint64_t minute_requests, minute_tokens;
};
void wp_router_status(struct wp_router *router, const struct wp_deployment_config *deployment,
                      uint64_t now_ns, struct wp_deployment_status *out);
// Seed of the prefix hashes (32 bytes), so that replicas can agree.
const struct wp_hash_key *wp_router_hash_key(const struct wp_router *router);
// Drops expired entries; called now and then by one worker.
void wp_router_expire(struct wp_router *router, uint64_t now_ns);

#endif
