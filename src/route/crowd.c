#include "route/crowd.h"

static uint32_t slot_of(uint64_t tag)
{
    return (uint32_t)(tag >> 32 ^ tag) % WP_CROWD_SLOTS;
}

void wp_crowd_note(struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns)
{
    struct wp_crowd_slot *slot = &crowd->slots[slot_of(tag)];
    uint64_t period = now_ns / crowd->period_ns;
    if (slot->tag != tag)
        *slot = (struct wp_crowd_slot){.tag = tag, .period = period};
    if (slot->period != period) {
        slot->before = slot->period + 1 == period ? slot->now : 0;
        slot->now = 0;
        slot->period = period;
    }
    slot->now++;
}

double wp_crowd_rate(const struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns)
{
    const struct wp_crowd_slot *slot = &crowd->slots[slot_of(tag)];
    uint64_t period = now_ns / crowd->period_ns;
    double passed = (double)(now_ns % crowd->period_ns) / (double)crowd->period_ns;
    if (slot->tag != tag || slot->period + 1 < period)
        return 0;
    if (slot->period + 1 == period)
        return slot->now * (1 - passed);
    return slot->now + slot->before * (1 - passed);
}
