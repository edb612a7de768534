// What the providers' prompt caches are believed to hold, by the providers' own rules: entries
// are written at breakpoints only, found by a lookback of so many positions from each breakpoint,
// readable once their writer's response has begun, alive for their TTL from the start of the
// request that last wrote or read them; and corrected by the usage that comes back.
//
// A cache domain is what shares one cache at the provider (credential, region or profile,
// model). Domains hold the entries; several deployments may share one.
// Pure but for memory; not thread-safe: the router's lock guards it.
#ifndef WP_ROUTE_MODEL_H
#define WP_ROUTE_MODEL_H

#include "base/map.h"
#include "config/snapshot.h"
#include "prompt/chain.h"
#include "prompt/model_table.h"
#include "route/crowd.h"
#include "route/table.h"
#include "route/trace.h"

struct wp_cache_rules {
    uint32_t lookback;    // positions tested per breakpoint, itself included
    bool collapse;        // a run of tool_use, or of tool_result, blocks is one position
    bool implicit;        // caches without markers: at the end of the system and of the prompt
    uint64_t short_ttl_s; // of WP_TTL_5M and of implicit entries
    uint64_t long_ttl_s;  // of WP_TTL_1H
    uint32_t least;       // tokens below which nothing is cached, whatever the model
    uint32_t step;        // what is read is a multiple of it; 0: exact
    uint32_t crowd;       // requests a minute on one prefix beyond which they meet cold machines
};
const struct wp_cache_rules *wp_cache_rules(enum wp_platform platform);

// Breakpoints as the rules see them, in ascending order.
struct wp_breakpoint {
    uint32_t block; // index into wp_prompt.blocks
    uint8_t ttl;    // enum wp_ttl
};
uint32_t wp_breakpoints(const struct wp_cache_rules *rules, const struct wp_prompt *prompt,
                        struct wp_breakpoint out[WP_BREAKPOINTS_MAX]);

enum { WP_BAND_SIZES = 3, WP_BAND_AGES = 3 };

struct wp_odds { // decayed counts of one band
    float hits, tries;
};

enum wp_anomaly {             // each is told once per domain
    WP_ANOMALY_STRIPPED = 1,  // neither read nor written although markers were sent
    WP_ANOMALY_SHORTENED = 2, // 1 h asked for, 5 m billed
    WP_ANOMALY_THINKING = 4,  // thinking of another account was left out of the prompt
};

struct wp_domain {
    struct wp_hash128 key;
    uint32_t owner; // in the table
    uint32_t refs;  // deployments and attempts that use it
    float scale;    // measured tokens per estimated token
    bool scaled;    // scale has been measured
    struct wp_odds odds[WP_BAND_SIZES][WP_BAND_AGES];
    uint8_t anomalies; // enum wp_anomaly, told already
    // While a search runs: where its findings go.
    uint64_t search;
    uint32_t slot;
};

enum {
    WP_MODEL_ENTRIES = 1 << 20,        // in all
    WP_MODEL_DOMAIN_ENTRIES = 1 << 18, // per domain
    WP_MODEL_DOMAINS = 4096,
};

struct wp_model {
    struct wp_table table;
    struct wp_map domains;       // by key
    struct wp_domain **by_owner; // one per owner of the table; NULL: not a domain
    uint32_t by_owner_count;
    uint32_t domain_entries; // maximum per domain
    uint64_t searches;
    struct wp_crowd crowd;
};

void wp_model_init(struct wp_model *model, uint32_t entries, uint32_t domain_entries);
void wp_model_free(struct wp_model *model);

// The domain of that key or NULL.
struct wp_domain *wp_model_domain(const struct wp_model *model, struct wp_hash128 key);
// The same, made if absent; with one more reference. NULL: no memory, or too many.
struct wp_domain *wp_model_acquire(struct wp_model *model, struct wp_hash128 key);
void wp_model_release(struct wp_model *model, struct wp_domain *domain);
// Gives the domain another key, with all its entries. If a domain of that key exists, the caller's
// reference moves to it instead. Returns what the caller now refers to; NULL, with nothing
// changed, without memory.
struct wp_domain *wp_model_rename(struct wp_model *model, struct wp_domain *domain,
                                  struct wp_hash128 key);
// Expired entries and unused, empty domains, a bounded slice per call.
void wp_model_expire(struct wp_model *model, uint64_t now_ns);
uint32_t wp_model_entries(const struct wp_model *model, const struct wp_domain *domain);

// Where a prompt would meet a domain's entries. Blocks are counted from 1; 0: nowhere.
struct wp_sighting {
    uint32_t block; // deepest readable entry
    uint32_t tokens;
    uint64_t age_ns; // since it was last written or read
    bool measured;
    uint32_t pending_block; // deeper than `block`: an entry that is being written
    uint32_t pending_tokens;
    uint64_t pending_age_ns; // since its writer began
    double crowd;            // requests of the last minute on the prompt's head; 0: does not matter
};
// Looks in all `count` domains (NULL: holds nothing) at once. O(blocks) at worst; at most
// lookback positions per breakpoint otherwise.
void wp_model_search(struct wp_model *model, const struct wp_cache_rules *rules,
                     const struct wp_prompt *prompt, struct wp_domain *const *domains,
                     uint32_t count, uint64_t now_ns, struct wp_sighting *out);

// Deepest block (from 1; 0: none) with a readable entry in the domain, in reach of a marker or not.
uint32_t wp_model_reach(const struct wp_model *model, const struct wp_domain *domain,
                        const struct wp_prompt *prompt, uint64_t now_ns);

// Tokens of the longest prefix that an entry of an hour holds, near enough to the prompt's end for
// the conversation's next request to find it.
uint32_t wp_model_lasting(const struct wp_model *model, const struct wp_cache_rules *rules,
                          const struct wp_domain *domain, const struct wp_prompt *prompt,
                          uint64_t now_ns);

// What a request would pay for on a domain (as Anthropic bills mixed TTLs: read A, write B - A at
// the 1 h price up to the last 1 h breakpoint B, write C - B at the 5 m price up to the last
// breakpoint C).
struct wp_forecast {
    uint32_t total, read, write_5m, write_1h, uncached; // tokens; the last four sum to total
    uint32_t block;                                     // of the hit, from 1; 0: none
    bool pending;                                       // the hit is still being written
    bool deep;        // the hit is the conversation's own: in its messages, or its last breakpoint
    float confidence; // probability that the hit is really there
    float lasting;    // that an entry of the whole prompt is still there after ten quiet minutes
    uint32_t ready;   // tokens that are readable now; below `read` when pending
};
void wp_model_forecast(const struct wp_domain *domain, const struct wp_cache_rules *rules,
                       const struct wp_prompt *prompt, uint32_t min_tokens,
                       const struct wp_sighting *sighting, struct wp_forecast *out);

// Notes the entries that the request will write. Takes over one reference to trace->domain.
void wp_model_begin(struct wp_model *model, struct wp_trace *trace,
                    const struct wp_forecast *forecast, const struct wp_sighting *sighting);
// Its response has begun: what it writes is readable.
void wp_model_started(struct wp_model *model, struct wp_trace *trace);
// A hit renews every entry on its path. Goes on from block `from`, at most 256 blocks at a time;
// returns where to go on, 0 at the end.
uint32_t wp_model_refresh(struct wp_model *model, const struct wp_trace *trace, uint32_t from);
// The trace belongs to another domain, as it turns out: takes over one reference to it and gives up
// the one to the former.
void wp_model_move(struct wp_model *model, struct wp_trace *trace, struct wp_domain *domain);
// The request is over: unreadable entries of its own leave with it.
void wp_model_end(struct wp_model *model, struct wp_trace *trace);
// Compares with what the provider billed and corrects. Before wp_model_end. Returns the
// anomalies (enum wp_anomaly) that were seen for the first time.
uint8_t wp_model_correct(struct wp_model *model, struct wp_trace *trace,
                         const struct wp_usage *usage);

#endif
