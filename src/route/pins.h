// Where sessions, callers and conversations went last: bounded, forgotten after an idle time.
// Not thread-safe.
#ifndef WP_ROUTE_PINS_H
#define WP_ROUTE_PINS_H

#include "route/table.h"

enum wp_pin_kind {
    WP_PIN_SESSION,
    WP_PIN_CALLER,
    WP_PIN_CONVERSATION,
    WP_PIN_KEYS, // of these a request has its keys at hand (wp_pin_keys)
    // What a session sends with one head: a conversation, siblings of a fan-out.
    WP_PIN_FAMILY = WP_PIN_KEYS,
    WP_PIN_KINDS,
};

// A conversation's life, and a family's.
static const uint64_t WP_CONVERSATION_PIN_NS = 3600000000000u;

struct wp_pins {
    struct wp_table table; // an entry's `tokens` hold the deployment's tag
};

void wp_pins_init(struct wp_pins *pins);
void wp_pins_free(struct wp_pins *pins);
// The deployment's tag (never 0), or 0.
uint32_t wp_pins_get(const struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key,
                     uint64_t now_ns);
// The same; *left_ns: how much longer it will be kept, 0 if it is not.
uint32_t wp_pins_get_left(const struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key,
                          uint64_t now_ns, uint64_t *left_ns);
// Sets or renews; without memory the pin is simply not kept.
void wp_pins_set(struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key, uint32_t tag,
                 uint64_t expires_ns);
void wp_pins_expire(struct wp_pins *pins, uint64_t now_ns);

#endif
