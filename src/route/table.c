#include "route/table.h"

#include "base/alloc.h"

enum {
    SLAB_BITS = 10,
    SLAB = 1 << SLAB_BITS,
    SEGMENT_BITS = 10,
    SEGMENT = 1 << SEGMENT_BITS,
    SECOND_CHANCES = 32,
};

static inline struct wp_entry *entry_at(const struct wp_table *table, uint32_t id)
{
    return &table->slabs[id >> SLAB_BITS][id & (SLAB - 1)];
}

struct wp_entry *wp_table_at(const struct wp_table *table, uint32_t id)
{
    return entry_at(table, id);
}

struct wp_table wp_table_make(uint32_t max)
{
    WP_CHECK(max > 0 && max <= 1u << 30);
    return (struct wp_table){.max = max, .free_head = WP_ENTRY_NONE};
}

void wp_table_free(struct wp_table *table)
{
    for (uint32_t i = 0; i < table->slab_count; i++)
        wp_free(table->slabs[i]);
    for (uint32_t i = 0; i * SEGMENT < table->buckets; i++)
        wp_free(table->segments[i]);
    wp_free(table->slabs);
    wp_free(table->segments);
    wp_free(table->owners);
    *table = wp_table_make(table->max);
}

// Owners.

uint32_t wp_table_add_owner(struct wp_table *table, uint32_t max)
{
    WP_CHECK(max > 0);
    const struct wp_owner fresh = {WP_ENTRY_NONE, WP_ENTRY_NONE, 0, max};
    for (uint32_t i = 0; i < table->owner_count; i++)
        if (table->owners[i].max == 0) {
            table->owners[i] = fresh;
            return i;
        }
    struct wp_owner *grown =
        wp_realloc(table->owners, (table->owner_count + 1) * sizeof(*table->owners));
    if (grown == NULL)
        return WP_ENTRY_NONE;
    table->owners = grown;
    table->owners[table->owner_count] = fresh;
    return table->owner_count++;
}

void wp_table_drop_owner(struct wp_table *table, uint32_t owner)
{
    WP_CHECK(owner < table->owner_count);
    while (table->owners[owner].oldest != WP_ENTRY_NONE)
        wp_table_remove(table, table->owners[owner].oldest);
    table->owners[owner].max = 0;
}

static void age_unlink(struct wp_table *table, struct wp_entry *entry)
{
    struct wp_owner *owner = &table->owners[entry->owner];
    if (entry->older == WP_ENTRY_NONE)
        owner->oldest = entry->newer;
    else
        entry_at(table, entry->older)->newer = entry->newer;
    if (entry->newer == WP_ENTRY_NONE)
        owner->newest = entry->older;
    else
        entry_at(table, entry->newer)->older = entry->older;
    owner->count--;
}

static void age_append(struct wp_table *table, struct wp_entry *entry, uint32_t id)
{
    struct wp_owner *owner = &table->owners[entry->owner];
    entry->older = owner->newest;
    entry->newer = WP_ENTRY_NONE;
    if (owner->newest == WP_ENTRY_NONE)
        owner->oldest = id;
    else
        entry_at(table, owner->newest)->newer = id;
    owner->newest = id;
    owner->count++;
}

// Buckets.

// The prefix is a keyed hash already; the product only guards against structured ones.
static inline uint32_t hash(struct wp_hash128 prefix)
{
    uint64_t h = (prefix.low ^ (prefix.high << 1)) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static inline uint32_t *head_at(const struct wp_table *table, uint32_t bucket)
{
    return &table->segments[bucket >> SEGMENT_BITS][bucket & (SEGMENT - 1)];
}

static inline uint32_t *bucket_of(const struct wp_table *table, struct wp_hash128 prefix)
{
    uint32_t h = hash(prefix);
    uint32_t bucket = h & (2 * table->mask + 1);
    return head_at(table, bucket < table->buckets ? bucket : h & table->mask);
}

static uint32_t segments_max(const struct wp_table *table)
{
    return table->max / SEGMENT + 2;
}

static bool add_segment(struct wp_table *table, uint32_t number)
{
    if (number >= segments_max(table))
        return false;
    uint32_t *segment = wp_alloc(SEGMENT * sizeof(*segment));
    if (segment == NULL)
        return false;
    memset(segment, 0xff, SEGMENT * sizeof(*segment)); // WP_ENTRY_NONE
    table->segments[number] = segment;
    return true;
}

static bool first_buckets(struct wp_table *table)
{
    if (table->buckets > 0)
        return true;
    if (table->segments == NULL)
        table->segments = wp_alloc(segments_max(table) * sizeof(*table->segments));
    if (table->slabs == NULL)
        table->slabs = wp_alloc((table->max / SLAB + 1) * sizeof(*table->slabs));
    if (table->segments == NULL || table->slabs == NULL || !add_segment(table, 0))
        return false;
    table->buckets = SEGMENT;
    table->mask = SEGMENT - 1;
    return true;
}

// Adds one bucket and moves to it what belongs there from the bucket it splits. Without memory
// for it the chains only get longer.
static void split_bucket(struct wp_table *table)
{
    uint32_t fresh = table->buckets;
    if ((fresh & (SEGMENT - 1)) == 0 && !add_segment(table, fresh >> SEGMENT_BITS))
        return;
    table->buckets++;
    uint32_t *from = head_at(table, fresh - (table->mask + 1));
    uint32_t *to = head_at(table, fresh);
    while (*from != WP_ENTRY_NONE) {
        struct wp_entry *entry = entry_at(table, *from);
        if ((hash(entry->prefix) & (2 * table->mask + 1)) != fresh) {
            from = &entry->next;
            continue;
        }
        uint32_t id = *from;
        *from = entry->next;
        entry->next = *to;
        *to = id;
    }
    if (table->buckets == 2 * (table->mask + 1))
        table->mask = 2 * table->mask + 1;
}

// Entries.

void wp_table_prefetch(const struct wp_table *table, struct wp_hash128 prefix)
{
    if (table->buckets > 0)
        __builtin_prefetch(bucket_of(table, prefix));
}

static inline uint32_t match_from(const struct wp_table *table, uint32_t id,
                                  struct wp_hash128 prefix)
{
    while (id != WP_ENTRY_NONE && !wp_hash128_eq(entry_at(table, id)->prefix, prefix))
        id = entry_at(table, id)->next;
    return id;
}

uint32_t wp_table_first(const struct wp_table *table, struct wp_hash128 prefix)
{
    if (table->buckets == 0)
        return WP_ENTRY_NONE;
    return match_from(table, *bucket_of(table, prefix), prefix);
}

uint32_t wp_table_next(const struct wp_table *table, uint32_t id)
{
    const struct wp_entry *entry = entry_at(table, id);
    return match_from(table, entry->next, entry->prefix);
}

uint32_t wp_table_find(const struct wp_table *table, struct wp_hash128 prefix, uint32_t owner)
{
    uint32_t id = table->buckets == 0 ? WP_ENTRY_NONE : *bucket_of(table, prefix);
    for (; id != WP_ENTRY_NONE; id = entry_at(table, id)->next) {
        const struct wp_entry *entry = entry_at(table, id);
        if (wp_hash128_eq(entry->prefix, prefix) && entry->owner == owner)
            return id;
    }
    return id;
}

static bool add_slab(struct wp_table *table)
{
    if (table->slab_count > table->max / SLAB)
        return false;
    struct wp_entry *slab = wp_alloc(SLAB * sizeof(*slab));
    if (slab == NULL)
        return false;
    uint32_t first = table->slab_count << SLAB_BITS;
    table->slabs[table->slab_count++] = slab;
    for (uint32_t i = SLAB; i-- > 0;) {
        slab[i].owner = WP_ENTRY_NONE;
        slab[i].next = table->free_head;
        table->free_head = first + i;
    }
    return true;
}

// The oldest entry of the owner that was not touched since it was last passed over and that
// nobody writes; after so many chances the oldest without a writer.
static bool evict(struct wp_table *table, uint32_t number)
{
    struct wp_owner *owner = &table->owners[number];
    for (uint32_t i = 0; i < 2 * SECOND_CHANCES && owner->oldest != WP_ENTRY_NONE; i++) {
        uint32_t id = owner->oldest;
        struct wp_entry *entry = entry_at(table, id);
        bool touched = (entry->flags & WP_ENTRY_TOUCHED) != 0 && i < SECOND_CHANCES;
        if (entry->writers == 0 && !touched) {
            wp_table_remove(table, id);
            return true;
        }
        entry->flags &= (uint8_t)~WP_ENTRY_TOUCHED;
        age_unlink(table, entry);
        age_append(table, entry, id);
    }
    return false;
}

// The owner that holds most gives way when the whole is full.
static uint32_t biggest_owner(const struct wp_table *table)
{
    uint32_t biggest = 0;
    for (uint32_t i = 1; i < table->owner_count; i++)
        if (table->owners[i].count > table->owners[biggest].count)
            biggest = i;
    return biggest;
}

static bool make_room(struct wp_table *table, uint32_t owner)
{
    if (table->owners[owner].count >= table->owners[owner].max && !evict(table, owner))
        return false;
    if (table->count >= table->max && !evict(table, biggest_owner(table)))
        return false;
    return table->free_head != WP_ENTRY_NONE || add_slab(table);
}

uint32_t wp_table_insert(struct wp_table *table, struct wp_hash128 prefix, uint32_t owner)
{
    WP_CHECK(owner < table->owner_count && table->owners[owner].max > 0);
    if (!first_buckets(table) || !make_room(table, owner))
        return WP_ENTRY_NONE;
    uint32_t id = table->free_head;
    struct wp_entry *entry = entry_at(table, id);
    table->free_head = entry->next;
    uint32_t *head = bucket_of(table, prefix);
    *entry = (struct wp_entry){.prefix = prefix, .owner = owner, .next = *head};
    *head = id;
    age_append(table, entry, id);
    if (++table->count > table->buckets)
        split_bucket(table);
    return id;
}

void wp_table_remove(struct wp_table *table, uint32_t id)
{
    struct wp_entry *entry = entry_at(table, id);
    uint32_t *at = bucket_of(table, entry->prefix);
    while (*at != id)
        at = &entry_at(table, *at)->next;
    *at = entry->next;
    age_unlink(table, entry);
    *entry = (struct wp_entry){.owner = WP_ENTRY_NONE, .next = table->free_head};
    table->free_head = id;
    table->count--;
}

uint32_t wp_table_slots(const struct wp_table *table)
{
    return table->slab_count << SLAB_BITS;
}

void wp_table_sweep(struct wp_table *table, uint64_t now_ns, uint32_t slice)
{
    uint32_t slots = wp_table_slots(table);
    for (uint32_t i = 0; i < slice && i < slots; i++) {
        table->hand = table->hand + 1 < slots ? table->hand + 1 : 0;
        const struct wp_entry *entry = entry_at(table, table->hand);
        if (entry->owner != WP_ENTRY_NONE && entry->writers == 0 && entry->expires_ns <= now_ns)
            wp_table_remove(table, table->hand);
    }
}

size_t wp_table_memory(const struct wp_table *table)
{
    size_t segments = (table->buckets + SEGMENT - 1) / SEGMENT;
    size_t bytes = table->slab_count * (size_t)SLAB * sizeof(struct wp_entry) +
                   segments * SEGMENT * sizeof(uint32_t);
    return bytes + table->owner_count * sizeof(struct wp_owner);
}
