#include "route/crowd.h"

static const uint64_t MINUTE_NS = 60000000000u;

static uint32_t slot_of(uint64_t tag)
{
    return (uint32_t)(tag >> 32 ^ tag) % WP_CROWD_SLOTS;
}

void wp_crowd_note(struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns)
{
    struct wp_crowd_slot *slot = &crowd->slots[slot_of(tag)];
    uint64_t minute = now_ns / MINUTE_NS;
    if (slot->tag != tag)
        *slot = (struct wp_crowd_slot){.tag = tag, .minute = minute};
    if (slot->minute != minute) {
        slot->before = slot->minute + 1 == minute ? slot->now : 0;
        slot->now = 0;
        slot->minute = minute;
    }
    slot->now++;
}

double wp_crowd_rate(const struct wp_crowd *crowd, uint64_t tag, uint64_t now_ns)
{
    const struct wp_crowd_slot *slot = &crowd->slots[slot_of(tag)];
    uint64_t minute = now_ns / MINUTE_NS;
    double passed = (double)(now_ns % MINUTE_NS) / (double)MINUTE_NS;
    if (slot->tag != tag || slot->minute + 1 < minute)
        return 0;
    if (slot->minute + 1 == minute)
        return slot->now * (1 - passed);
    return slot->now + slot->before * (1 - passed);
}
