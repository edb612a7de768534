#include "route/pins.h"

enum { PER_KIND = 1 << 16, SWEEP = 2048 };

void wp_pins_init(struct wp_pins *pins)
{
    pins->table = wp_table_make(WP_PIN_KINDS * PER_KIND);
}

void wp_pins_free(struct wp_pins *pins)
{
    wp_table_free(&pins->table);
}

uint32_t wp_pins_get_left(const struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key,
                          uint64_t now_ns, uint64_t *left_ns)
{
    *left_ns = 0;
    uint32_t id = wp_table_find(&pins->table, key, kind);
    if (id == WP_ENTRY_NONE)
        return 0;
    const struct wp_entry *entry = wp_table_at(&pins->table, id);
    if (entry->expires_ns <= now_ns)
        return 0;
    *left_ns = entry->expires_ns - now_ns;
    return entry->tokens;
}

uint32_t wp_pins_get(const struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key,
                     uint64_t now_ns)
{
    uint64_t left_ns;
    return wp_pins_get_left(pins, kind, key, now_ns, &left_ns);
}

static bool have_owners(struct wp_pins *pins)
{
    while (pins->table.owner_count < WP_PIN_KINDS)
        if (wp_table_add_owner(&pins->table, PER_KIND) == WP_ENTRY_NONE)
            return false;
    return true;
}

void wp_pins_set(struct wp_pins *pins, enum wp_pin_kind kind, struct wp_hash128 key, uint32_t tag,
                 uint64_t expires_ns)
{
    if (!have_owners(pins))
        return;
    uint32_t id = wp_table_find(&pins->table, key, kind);
    if (id == WP_ENTRY_NONE)
        id = wp_table_insert(&pins->table, key, kind);
    if (id == WP_ENTRY_NONE)
        return;
    struct wp_entry *entry = wp_table_at(&pins->table, id);
    entry->tokens = tag;
    entry->expires_ns = expires_ns;
    entry->flags |= WP_ENTRY_TOUCHED;
}

void wp_pins_expire(struct wp_pins *pins, uint64_t now_ns)
{
    wp_table_sweep(&pins->table, now_ns, SWEEP);
}
