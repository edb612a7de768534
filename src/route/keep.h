// Idle economics: whether a conversation that has gone quiet is worth keeping in the provider's
// cache, and for how long its next writes should last. Learns how often conversations come back,
// given how long they have been idle, why the last answer stopped, how often they came back
// before, and the hour of the day. Pure: no clock, no I/O, no memory. Not thread-safe.
//
// Idle time is counted from the start of the conversation's last request, as the TTL is.
#ifndef WP_ROUTE_KEEP_H
#define WP_ROUTE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

enum wp_keep_stop {        // what the conversation waits for
    WP_KEEP_STOP_TOOL_USE, // a tool's result: its client, mostly a machine
    WP_KEEP_STOP_END_TURN, // its user
    WP_KEEP_STOP_OTHER,    // max_tokens, refusal, an answer that broke off, …
    WP_KEEP_STOP_SUBAGENT, // whatever a subagent waits for: most never come back
    WP_KEEP_STOP_COUNT,
};
// Of an answer's stop_reason ("tool_use", "end_turn", …).
enum wp_keep_stop wp_keep_stop_of(wp_view stop_reason, bool subagent);

enum {
    WP_KEEP_BINS = 36,  // of idle time: a minute each, then five, then thirty; up to six hours
    WP_KEEP_HABITS = 3, // came back after a long idle spell: never, once, more often
    WP_KEEP_HOURS = 24,
    WP_KEEP_LONG_S = 280, // an idle spell from here on is a long one
};

struct wp_keep_cell { // decayed counts of one bin of idle time
    float risk;       // spells that lasted into it
    float back;       // of them, ended in it by a return
};

// What has been learnt; all zero is a fresh one, which answers by its prior.
struct wp_keep_odds {
    struct wp_keep_cell all[WP_KEEP_BINS];
    struct wp_keep_cell cells[WP_KEEP_STOP_COUNT][WP_KEEP_HABITS][WP_KEEP_BINS];
    // Returns beyond WP_KEEP_LONG_S by the hour in which the spell began: seen, and expected
    // without knowing the hour.
    float hour_back[WP_KEEP_HOURS], hour_expected[WP_KEEP_HOURS];
};

// One idle spell of one conversation.
struct wp_keep_spell {
    uint8_t stop;  // enum wp_keep_stop
    uint8_t hour;  // 0 … 23, UTC, of its beginning
    uint8_t habit; // earlier long spells that ended in a return, up to WP_KEEP_HABITS - 1
    uint8_t bin;   // private: first bin that has not been counted yet
};
// The spell that follows a request. `before`: the conversation's former spell, NULL for its first;
// `idle_s`: how long that lasted.
struct wp_keep_spell wp_keep_spell_begin(enum wp_keep_stop stop, uint32_t hour,
                                         const struct wp_keep_spell *before, double idle_s);
// Still silent after idle_s: teaches what has passed since the last call. Call it now and then
// (at every decision), so that silences are learnt as soon as returns are.
void wp_keep_spell_silent(struct wp_keep_odds *odds, struct wp_keep_spell *spell, double idle_s);
// Its next request came after idle_s.
void wp_keep_spell_ended(struct wp_keep_odds *odds, struct wp_keep_spell *spell, double idle_s);

// Probability that a spell that has lasted from_s ends in a return before to_s.
double wp_keep_return_odds(const struct wp_keep_odds *odds, const struct wp_keep_spell *spell,
                           double from_s, double to_s);

// A decision, due at the entry's expiry less a guard.
struct wp_keep_case {
    struct wp_keep_spell spell;
    double idle_s;   // now
    double ttl_s;    // of the entry: what a renewal buys, from now
    double guard_s;  // how long before an expiry the decision is made
    double tokens;   // that a renewal reads
    double at_stake; // of them, what a return would write again if nothing were done: all but what
                     // others keep warm (a shared head)
    double extra;    // tokens that a renewal pays at the input price (beyond the last breakpoint)
    double input, read, write; // USD per token; write: of the entry's TTL
    double confidence;         // that the entry is there to be read, now and at the return: 0 … 1
};
struct wp_keep_verdict {
    bool renew;
    double price; // USD that this renewal is expected to cost
    double odds;  // of a return that this renewal alone would serve
    double gain;  // USD expected, of this renewal and those that would follow, its price taken
                  // off; 0 when not worth it
};
// Renew iff the expected saving of this renewal, and of those that it makes possible, exceeds
// their price: solved backwards from the end of what is known.
void wp_keep_decide(const struct wp_keep_odds *odds, const struct wp_keep_case *c,
                    struct wp_keep_verdict *out);

// Whether a request's writes should last an hour instead of five minutes. Its markers all take the
// same TTL: an hour may not follow five minutes.
struct wp_keep_ttl_case {
    struct wp_keep_spell spell;      // the one that will follow; its stop reason is not yet known
    double written;                  // tokens that the request will write
    double prefix;                   // tokens that its last breakpoint covers, read and written
    double read, write_5m, write_1h; // USD per token
    double confidence;               // that an entry that old is still there
    double lasting; // of the prefix, tokens that an earlier entry of an hour holds within reach
    double guard_s; // of the renewals that the conversation may count on; 0: it may on none
};
// `gain`: USD expected from the longer life, its price taken off; may be negative. May be NULL.
bool wp_keep_prefers_hour(const struct wp_keep_odds *odds, const struct wp_keep_ttl_case *c,
                          double *gain);

// Spending cap of one key and day.
struct wp_keep_purse {
    int64_t day;  // since 1970, UTC
    double spent; // USD on that day
};
// True if `price` more stays within `cap` (USD per day; 0: nothing may be spent).
bool wp_keep_affords(const struct wp_keep_purse *purse, int64_t day, double cap, double price);
void wp_keep_spend(struct wp_keep_purse *purse, int64_t day, double price);

#endif
