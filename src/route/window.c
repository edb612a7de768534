#include "route/window.h"

void wp_window_add(struct wp_window *window, uint64_t at_ns, int64_t amount)
{
    uint64_t slot = at_ns / window->width_ns;
    if (window->newest < slot && slot - window->newest > WP_WINDOW_SLOTS)
        window->newest = slot - WP_WINDOW_SLOTS; // all of it has left
    while (window->newest < slot) {
        int64_t *oldest = &window->slots[++window->newest % WP_WINDOW_SLOTS];
        window->sum -= *oldest;
        *oldest = 0;
    }
    if (window->newest - slot >= WP_WINDOW_SLOTS)
        return;
    window->slots[slot % WP_WINDOW_SLOTS] += amount;
    window->sum += amount;
}

// The sum as it will be when `slot` is the newest, nothing being added.
static int64_t sum_at(const struct wp_window *window, uint64_t slot)
{
    int64_t sum = window->sum;
    if (slot > window->newest && slot - window->newest >= WP_WINDOW_SLOTS)
        return 0;
    for (uint64_t passed = window->newest + 1; passed <= slot; passed++)
        sum -= window->slots[passed % WP_WINDOW_SLOTS]; // the place of the one that leaves
    return sum < 0 ? 0 : sum;
}

int64_t wp_window_sum(const struct wp_window *window, uint64_t now_ns)
{
    return sum_at(window, now_ns / window->width_ns);
}

uint64_t wp_window_wait(const struct wp_window *window, uint64_t now_ns, int64_t target)
{
    uint64_t slot = now_ns / window->width_ns;
    for (uint64_t ahead = 0; ahead <= WP_WINDOW_SLOTS; ahead++)
        if (sum_at(window, slot + ahead) <= target)
            return ahead == 0 ? 0 : (slot + ahead) * window->width_ns - now_ns;
    return WP_WINDOW_SLOTS * window->width_ns;
}
