// What each session sent last, as prefix hashes: to say which block made a prefix miss. Bounded in
// memory; the least recently used session goes first. Thread-safe.
#ifndef WP_ROUTE_HISTORY_H
#define WP_ROUTE_HISTORY_H

#include "prompt/chain.h"

struct wp_history;

struct wp_history *wp_history_create(size_t max_bytes); // NULL: no memory
void wp_history_destroy(struct wp_history *history);

struct wp_divergence {
    bool known;             // the session has been seen before
    bool diverged;          // a block that the previous request had is gone or has changed
    uint32_t shared_blocks; // equal from the beginning
    uint32_t shared_tokens; // estimated
    uint32_t before_blocks; // of the previous request
    // What the previous answer measured, 0 without one: tokens of its prompt, their estimate, and
    // who answered.
    uint32_t before_total, before_estimate;
    uint64_t before_place;
    // The first block that differs, in the present request; past its end if blocks were removed.
    uint32_t index;
    uint8_t tier, kind; // enum wp_tier, enum wp_block_kind; of the previous request at the end
};

// Compares with the previous request of the same stream of requests and remembers this one.
// `stream` tells apart what a session interleaves (its subagents, its titles). O(log blocks) to
// compare, O(blocks) to remember.
void wp_history_note(struct wp_history *history, wp_view stream, const struct wp_prompt *prompt,
                     struct wp_divergence *out);
// The answer to what was noted last: `place` names the deployment.
void wp_history_measure(struct wp_history *history, wp_view stream, uint32_t total,
                        uint32_t estimate, uint64_t place);
// True if the answer's prompt was shorter than the previous one and what was added since let
// expect, on another deployment, by about the thinking in it: a provider leaves out thinking that
// is bound to another account, without a word.
bool wp_history_thinking_dropped(const struct wp_divergence *before, const struct wp_prompt *prompt,
                                 uint32_t total, uint64_t place);

#endif
