// How often something happened to a prefix in the last period: requests a minute that share it
// (providers that place requests by prefix send what exceeds a rate to other, cold machines),
// conversations that began with it. Fixed memory; prefixes that collide push each
// other out, so that a count is at worst too low. Not thread-safe.
#ifndef WP_ROUTE_CROWD_H
#define WP_ROUTE_CROWD_H

#include <stdint.h>

enum { WP_CROWD_SLOTS = 1024 };

struct wp_crowd {
    uint64_t period_ns;
    struct wp_crowd_slot {
        uint64_t tag;         // 0: free
        uint64_t period;      // its number
        uint32_t now, before; // events in that period, and in the one before it
    } slots[WP_CROWD_SLOTS];
};

// `tag` names a prefix in one place; not 0.
void wp_crowd_note(struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns);
// Events in the last period.
double wp_crowd_rate(const struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns);

#endif
