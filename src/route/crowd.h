// How many requests a minute share a prefix: providers that place requests by prefix send what
// exceeds a rate to other, cold machines (cache.md 1.3). Fixed memory; prefixes that collide push
// each other out, so that a rate is at worst too low. Not thread-safe.
#ifndef WP_ROUTE_CROWD_H
#define WP_ROUTE_CROWD_H

#include <stdint.h>

enum { WP_CROWD_SLOTS = 1024 };

struct wp_crowd {
    struct wp_crowd_slot {
        uint64_t tag; // 0: free
        uint64_t minute;
        uint32_t now, before; // requests in that minute, and in the one before it
    } slots[WP_CROWD_SLOTS];
};

// `tag` names a prefix in a domain; not 0.
void wp_crowd_note(struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns);
// Requests in the last minute.
double wp_crowd_rate(const struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns);

#endif
