// The entries that caches are believed to hold, of all cache domains, in one hash table keyed by
// (prefix, owner). Entries of one prefix share a bucket whatever their owner, so that one probe
// asks all domains at once. Bounded twice: in total, and per owner with the oldest leaving first
// (second chance for what was touched since). 48 bytes per entry and 4 per bucket; grows by
// splitting one bucket per insertion (linear hashing), so that nothing ever stalls on a rehash.
// Not thread-safe.
#ifndef WP_ROUTE_TABLE_H
#define WP_ROUTE_TABLE_H

#include "base/check.h"
#include "crypto/digest.h"

#define WP_ENTRY_NONE UINT32_MAX

enum wp_entry_flag {
    WP_ENTRY_READABLE = 1, // its writer's response has begun
    WP_ENTRY_TOUCHED = 2,  // used since it was last passed over by eviction
    WP_ENTRY_MEASURED = 4, // tokens come from a usage, not from an estimate
};

struct wp_entry {
    struct wp_hash128 prefix;
    uint64_t expires_ns;
    uint32_t owner;        // cache domain
    uint32_t tokens;       // of the prefix
    uint32_t next;         // of its bucket
    uint32_t older, newer; // of its owner
    uint16_t writers;      // requests in flight that write it; it stays while there are any
    uint8_t ttl;           // enum wp_ttl
    uint8_t flags;         // enum wp_entry_flag
};
_Static_assert(sizeof(struct wp_entry) == 48, "the memory bound counts on it");

struct wp_owner {
    uint32_t oldest, newest, count, max; // max 0: the slot is free
};

struct wp_table {
    uint32_t max, count;
    struct wp_entry **slabs;
    uint32_t slab_count; // slabs allocated
    uint32_t free_head;  // through `next`
    uint32_t **segments; // of bucket heads
    uint32_t buckets;    // in use; 0 before the first insertion
    uint32_t mask;       // buckets of the completed round - 1
    struct wp_owner *owners;
    uint32_t owner_count;
    uint32_t hand; // where the sweep goes on
};

// Allocates nothing. `max` entries in total, at most 2^30.
struct wp_table wp_table_make(uint32_t max);
void wp_table_free(struct wp_table *table);
// A new owner of at most `max` (> 0) entries; WP_ENTRY_NONE when memory is short.
uint32_t wp_table_add_owner(struct wp_table *table, uint32_t max);
// Removes its entries; the number may be given out again.
void wp_table_drop_owner(struct wp_table *table, uint32_t owner);

// Entries are named by number; a pointer lives until the next insertion or removal.
struct wp_entry *wp_table_at(const struct wp_table *table, uint32_t id);
uint32_t wp_table_find(const struct wp_table *table, struct wp_hash128 prefix, uint32_t owner);
// All entries of a prefix: first, then next until WP_ENTRY_NONE.
uint32_t wp_table_first(const struct wp_table *table, struct wp_hash128 prefix);
uint32_t wp_table_next(const struct wp_table *table, uint32_t id);
// Brings the bucket into the processor's cache ahead of find.
void wp_table_prefetch(const struct wp_table *table, struct wp_hash128 prefix);
// An absent prefix; makes room by evicting the owner's oldest. WP_ENTRY_NONE when memory is short
// or nothing may be evicted.
uint32_t wp_table_insert(struct wp_table *table, struct wp_hash128 prefix, uint32_t owner);
void wp_table_remove(struct wp_table *table, uint32_t id);
// Slots are numbered from 0; one whose owner is WP_ENTRY_NONE is free.
uint32_t wp_table_slots(const struct wp_table *table);
// Looks at the next `slice` entry slots and removes those that have expired (and have no writer).
void wp_table_sweep(struct wp_table *table, uint64_t now_ns, uint32_t slice);
// Bytes allocated.
size_t wp_table_memory(const struct wp_table *table);

#endif
