// What a router knows, written down for the next start: the key of its hashes, what each cache
// domain is believed to hold, how often such beliefs came true, where conversations are, which
// scope deployments were found to share. Bounded: SAVED_ENTRIES and SAVED_PINS; no text, no
// credential. The key makes the hashes of this file worth guessing at: it is to be kept like a
// secret.
#ifndef WP_ROUTE_SAVED_H
#define WP_ROUTE_SAVED_H

#include "base/pack.h"
#include "route/router.h"

enum {
    WP_SAVED_ENTRIES = 1 << 18, // of the cache model, 30 bytes each
    WP_SAVED_PINS = 1 << 16,
};

// Appends to `out`. Any thread, any time: the lock is held for a slice at a time.
void wp_router_save(struct wp_router *router, uint64_t now_ns, struct wp_buf *out);
// Into a fresh router, before wp_router_configure. `away_ns` have passed since it was saved: what
// has lapsed meanwhile is left out. False: not a router's (or no memory); what it holds now is of
// no use.
bool wp_router_restore(struct wp_router *router, struct wp_unpack *in, uint64_t now_ns,
                       uint64_t away_ns) WP_WARN_UNUSED;

#endif
