#include "base/map.h"

#include "base/alloc.h"

struct wp_map_slot {
    uint64_t hash;
    char *key; // NULL and value NULL: empty; NULL and value != NULL: tombstone
    size_t key_len;
    void *value;
};

static char tombstone;

static bool is_live(const struct wp_map_slot *slot)
{
    return slot->key != NULL;
}

void wp_map_free(struct wp_map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        wp_free(map->slots[i].key);
    wp_free(map->slots);
    *map = wp_map_make(map->max);
}

static struct wp_map_slot *find(const struct wp_map *map, wp_view key, uint64_t hash)
{
    if (map->capacity == 0)
        return NULL;
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct wp_map_slot *slot = &map->slots[i];
        if (!is_live(slot) && slot->value == NULL)
            return NULL;
        if (is_live(slot) && slot->hash == hash &&
            wp_view_eq(wp_view_make(slot->key, slot->key_len), key))
            return slot;
    }
}

void *wp_map_get(const struct wp_map *map, wp_view key)
{
    struct wp_map_slot *slot = find(map, key, wp_view_hash(key));
    return slot == NULL ? NULL : slot->value;
}

static void place(struct wp_map_slot *slots, size_t capacity, struct wp_map_slot entry)
{
    size_t i = entry.hash & (capacity - 1);
    while (is_live(&slots[i]))
        i = (i + 1) & (capacity - 1);
    slots[i] = entry;
}

static bool resize(struct wp_map *map)
{
    size_t capacity = 16;
    while (capacity < map->count * 2 + 2)
        capacity *= 2;
    struct wp_map_slot *slots = wp_alloc(capacity * sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (is_live(&map->slots[i]))
            place(slots, capacity, map->slots[i]);
    wp_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    map->used = map->count;
    return true;
}

bool wp_map_set(struct wp_map *map, wp_view key, void *value)
{
    WP_CHECK(value != NULL);
    uint64_t hash = wp_view_hash(key);
    struct wp_map_slot *slot = find(map, key, hash);
    if (slot != NULL) {
        slot->value = value;
        return true;
    }
    if (map->max != 0 && map->count >= map->max)
        return false;
    if ((map->used + 1) * 4 > map->capacity * 3 && !resize(map))
        return false;
    char *copy = wp_alloc(key.len + 1);
    if (copy == NULL)
        return false;
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    size_t i = hash & (map->capacity - 1);
    while (is_live(&map->slots[i]))
        i = (i + 1) & (map->capacity - 1);
    if (map->slots[i].value == NULL)
        map->used++;
    map->slots[i] = (struct wp_map_slot){hash, copy, key.len, value};
    map->count++;
    return true;
}

void *wp_map_remove(struct wp_map *map, wp_view key)
{
    struct wp_map_slot *slot = find(map, key, wp_view_hash(key));
    if (slot == NULL)
        return NULL;
    void *value = slot->value;
    wp_free(slot->key);
    *slot = (struct wp_map_slot){.value = &tombstone};
    map->count--;
    return value;
}

bool wp_map_next(const struct wp_map *map, size_t *cursor, wp_view *key, void **value)
{
    for (; *cursor < map->capacity; (*cursor)++) {
        struct wp_map_slot *slot = &map->slots[*cursor];
        if (!is_live(slot))
            continue;
        *key = wp_view_make(slot->key, slot->key_len);
        *value = slot->value;
        (*cursor)++;
        return true;
    }
    return false;
}
