// A sliding sum over the last twelve slots of equal width: requests and tokens of the last
// minute, load of the last minutes. Fixed memory, no timer. Not thread-safe.
#ifndef WP_ROUTE_WINDOW_H
#define WP_ROUTE_WINDOW_H

#include <stdint.h>

enum { WP_WINDOW_SLOTS = 12 };

struct wp_window {
    uint64_t width_ns;              // of one slot
    uint64_t newest;                // number of the newest slot: time / width
    int64_t slots[WP_WINDOW_SLOTS]; // ring, indexed by slot number
    int64_t sum;                    // of all slots
};

static inline struct wp_window wp_window_make(uint64_t span_ns)
{
    return (struct wp_window){.width_ns = span_ns / WP_WINDOW_SLOTS};
}
// Adds to the slot of `at_ns`, so that a correction meets what it corrects; ignored once that
// slot has left the window.
void wp_window_add(struct wp_window *window, uint64_t at_ns, int64_t amount);
// Never negative.
int64_t wp_window_sum(const struct wp_window *window, uint64_t now_ns);
// Nanoseconds until the sum is at most `target`, if nothing is added: 0 if it is now.
uint64_t wp_window_wait(const struct wp_window *window, uint64_t now_ns, int64_t target);

#endif
