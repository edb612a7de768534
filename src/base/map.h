// Hash table from views to pointers. Keys are copied. Not thread-safe.
#ifndef WP_BASE_MAP_H
#define WP_BASE_MAP_H

#include "base/check.h"
#include "base/view.h"

struct wp_map_slot;
struct wp_map {
    struct wp_map_slot *slots;
    size_t capacity; // power of two, or 0
    size_t count;
    size_t used; // count and tombstones
    size_t max;  // entries; 0 for none
};

static inline struct wp_map wp_map_make(size_t max)
{
    return (struct wp_map){.max = max};
}
void wp_map_free(struct wp_map *map);
// The value, or NULL.
void *wp_map_get(const struct wp_map *map, wp_view key);
// Inserts or replaces; value is not NULL. False past the maximum or when memory is short.
bool wp_map_set(struct wp_map *map, wp_view key, void *value) WP_WARN_UNUSED;
// Removes and returns the value, or NULL.
void *wp_map_remove(struct wp_map *map, wp_view key);
// Iteration in no particular order: start with *cursor = 0; false at the end. The map must not
// change meanwhile.
bool wp_map_next(const struct wp_map *map, size_t *cursor, wp_view *key, void **value);

#endif
