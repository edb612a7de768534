// The conversations that are kept warm: what each would need for a renewal of its cache entry, when
// that is due, and what has been spent. One per process, shared by all workers; thread-safe.
//
// Requests are retained in memory only (never on disk), for model groups that ask for it
// (model_info.keep_warm), within a bound that evicts the conversation that has been quiet longest;
// what is left of an evicted one is a slot of some hundred bytes that keeps learning.
#ifndef WP_GATEWAY_KEEPER_H
#define WP_GATEWAY_KEEPER_H

#include "base/err.h"
#include "base/pack.h"
#include "crypto/digest.h"
#include "route/keep.h"

struct wp_keeper;

enum {
    WP_KEEPER_SLOTS = 16384,      // conversations followed at most
    WP_KEEPER_BODY_MAX = 8 << 20, // bytes of one retained request
};

struct wp_keeper *wp_keeper_create(void); // NULL: no memory
void wp_keeper_destroy(struct wp_keeper *keeper);

// Bounds of the configuration in force; a smaller memory evicts at once.
void wp_keeper_configure(struct wp_keeper *keeper, size_t max_bytes, double guard_s,
                         double usd_per_day);

// What a renewal sends and what it is weighed by. Everything is copied.
struct wp_kept_request {
    struct wp_hash128 stream; // names the conversation
    struct wp_hash128 head;   // of tools + system, zero if there are none
    wp_view body;             // the renewal's: max_tokens 0, not streamed
    wp_view model;            // that the client asked for
    wp_view deployment;       // id
    wp_view key_hash;         // hex, of the caller; its purse pays
    wp_view session_id, agent_id, user_agent, beta, version, query; // may be empty
    enum wp_keep_stop stop;
    uint64_t begun_ns; // start of the request that wrote or read the entry
    double ttl_s;      // of the entry
    uint32_t tokens;   // that the entry covers
    uint32_t lasting;  // of them, held by an earlier entry that lives longer
    double lasting_s;  // its life from the same start
    uint32_t head_tokens;
    uint32_t extra;            // beyond it: paid as plain input by every renewal
    double input, read, write; // USD per token
};
// A conversation has been answered and waits. Replaces what was kept of it.
void wp_keeper_put(struct wp_keeper *keeper, const struct wp_kept_request *request,
                   uint32_t hour_utc, uint64_t now_ns);

// Whether what the conversation writes now should last an hour; c->spell's habit is filled in.
bool wp_keeper_prefers_hour(struct wp_keeper *keeper, struct wp_hash128 stream,
                            const struct wp_keep_ttl_case *c);

// What renewals did for a conversation that now comes back.
struct wp_kept {
    uint32_t renewals;
    double spent;     // USD on them
    bool lapsed;      // without them its entry would be gone
    uint32_t tokens;  // of it
    double per_token; // USD that reading instead of writing one of them saves
};
// Its next request has come: teaches, stops renewing.
void wp_keeper_returned(struct wp_keeper *keeper, struct wp_hash128 stream, uint64_t now_ns,
                        struct wp_kept *out);

// A renewal that is due and, if its entry is still there, worth its price. Owned by the caller.
struct wp_kept_due {
    struct wp_kept_request request; // views into `memory`
    uint32_t generation;            // for wp_keeper_renewed
    struct wp_keep_verdict verdict;
    double idle_s;
    char *memory; // wp_free
};
// False: nothing is due. Call again until then. WP_KEEPER_UNDER_WAY renewals at most are out.
bool wp_keeper_due(struct wp_keeper *keeper, uint64_t now_ns, int64_t day, struct wp_kept_due *out);

enum wp_kept_outcome {
    WP_KEPT_RENEWED,
    WP_KEPT_PUT_OFF, // no room on the deployment: asked again while the entry lives
    WP_KEPT_LOST,    // the entry is not there any more, or the request was refused: given up
};
// The end of a renewal that wp_keeper_due gave out; begun_ns: when it was sent. `spent` in USD.
void wp_keeper_renewed(struct wp_keeper *keeper, const struct wp_kept_due *due,
                       enum wp_kept_outcome outcome, double spent, uint64_t begun_ns, int64_t day);

// What has been learnt and what has been spent today, written down for the next start; no requests.
void wp_keeper_save(struct wp_keeper *keeper, struct wp_buf *out);
// Into a fresh keeper. False: not a keeper's, and nothing is taken of the odds; written by one that
// counted otherwise, it is left out.
bool wp_keeper_restore(struct wp_keeper *keeper, struct wp_unpack *in) WP_WARN_UNUSED;

struct wp_keeper_stats {
    uint32_t conversations; // followed
    uint32_t retained;      // with their request
    size_t bytes;           // of those
    uint32_t under_way;
    uint64_t renewals, given_up, put_off, refused_by_cap;
    double spent; // USD since the start
};
void wp_keeper_stats(struct wp_keeper *keeper, struct wp_keeper_stats *out);

#endif
