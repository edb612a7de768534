// The prompt cache of one account, by the provider's rules: entries at breakpoints only, looked up
// from each breakpoint back over 20 positions, lifetime from the request's start, refreshed by
// reads, readable once the writer's response has begun.
#include "base/alloc.h"
#include "sim/private.h"

enum { KEY_MAX = 256 };

static wp_view key_of(wp_view model, const uint8_t *digest, char *out)
{
    size_t len = model.len < KEY_MAX - WP_SHA256_LEN ? model.len : KEY_MAX - WP_SHA256_LEN;
    memcpy(out, model.ptr, len);
    memcpy(out + len, digest, WP_SHA256_LEN);
    return wp_view_make(out, len + WP_SHA256_LEN);
}

static struct sim_entry *find(const struct sim_cache *cache, wp_view model, const uint8_t *digest)
{
    char key[KEY_MAX];
    return wp_map_get(&cache->entries, key_of(model, digest, key));
}

static bool readable(const struct sim_entry *entry, int64_t now_ms)
{
    return entry != NULL && entry->readable && entry->expires_ms > now_ms;
}

void sim_cache_free(struct sim_cache *cache)
{
    size_t cursor = 0;
    wp_view key;
    void *entry;
    while (wp_map_next(&cache->entries, &cursor, &key, &entry))
        wp_free(entry);
    wp_map_free(&cache->entries);
}

// Index of the longest prefix that is read, or -1.
static long lookup(const struct sim_cache *cache, wp_view model, const struct sim_prompt *prompt,
                   int64_t now_ms)
{
    for (long b = (long)prompt->count - 1; b >= 0; b--) {
        if (prompt->blocks[b].ttl_minutes == 0)
            continue;
        uint32_t from = prompt->blocks[b].position;
        for (long i = b; i >= 0 && from - prompt->blocks[i].position < SIM_LOOKBACK; i--)
            if (readable(find(cache, model, prompt->blocks[i].digest), now_ms))
                return i;
    }
    return -1;
}

static void refresh_path(struct sim_cache *cache, wp_view model, const struct sim_prompt *prompt,
                         long upto, int64_t now_ms)
{
    for (long i = 0; i <= upto; i++) {
        struct sim_entry *entry = find(cache, model, prompt->blocks[i].digest);
        if (readable(entry, now_ms))
            entry->expires_ms = now_ms + entry->ttl_ms;
    }
}

static void write_entry(struct sim_cache *cache, wp_view model, const struct sim_block *block,
                        int64_t now_ms, struct sim_cache_use *use)
{
    char key[KEY_MAX];
    struct sim_entry *entry = find(cache, model, block->digest);
    if (use->count == SIM_BREAKPOINTS_MAX)
        return;
    if (entry == NULL) {
        entry = wp_alloc_or_die(sizeof(*entry));
        if (!wp_map_set(&cache->entries, key_of(model, block->digest, key), entry)) {
            wp_free(entry);
            return;
        }
    } else if (entry->expires_ms <= now_ms) {
        entry->readable = false;
    }
    entry->writers++;
    use->ttl_ms[use->count] = block->ttl_minutes * 60000;
    memcpy(use->keys[use->count++], block->digest, WP_SHA256_LEN);
}

void sim_cache_request(struct sim_cache *cache, wp_view model, uint32_t minimum,
                       const struct sim_prompt *prompt, int64_t now_ms, struct sim_usage *usage,
                       struct sim_cache_use *use)
{
    long a = lookup(cache, model, prompt, now_ms), b = a, c = a;
    use->count = 0;
    use->begun_ms = now_ms;
    refresh_path(cache, model, prompt, a, now_ms);
    for (long i = a + 1; i < (long)prompt->count; i++) {
        const struct sim_block *block = &prompt->blocks[i];
        if (block->ttl_minutes == 0 || block->tokens < minimum)
            continue;
        c = i;
        if (block->ttl_minutes == 60)
            b = i;
        write_entry(cache, model, block, now_ms, use);
    }
    // A: the highest hit; B: the highest 1 h breakpoint after it; C: the last breakpoint.
    uint32_t at_a = a < 0 ? 0 : prompt->blocks[a].tokens;
    uint32_t at_b = b < 0 ? 0 : prompt->blocks[b].tokens;
    uint32_t at_c = c < 0 ? 0 : prompt->blocks[c].tokens;
    usage->read = at_a;
    usage->write_1h = at_b - at_a;
    usage->write_5m = at_c - at_b;
    usage->input = prompt->tokens - at_c;
}

void sim_cache_begun(struct sim_cache *cache, wp_view model, const struct sim_cache_use *use)
{
    for (size_t i = 0; i < use->count; i++) {
        struct sim_entry *entry = find(cache, model, use->keys[i]);
        if (entry == NULL)
            continue;
        // The life of what is written runs from the request's start; of several writers at once
        // the longest holds.
        int64_t expires_ms = use->begun_ms + use->ttl_ms[i];
        bool alive = entry->readable && entry->expires_ms > use->begun_ms;
        if (!alive || use->ttl_ms[i] > entry->ttl_ms)
            entry->ttl_ms = use->ttl_ms[i];
        if (!alive || expires_ms > entry->expires_ms)
            entry->expires_ms = expires_ms;
        entry->readable = true;
        entry->writers -= entry->writers > 0 ? 1 : 0;
    }
}

void sim_cache_failed(struct sim_cache *cache, wp_view model, const struct sim_cache_use *use)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < use->count; i++) {
        struct sim_entry *entry = find(cache, model, use->keys[i]);
        if (entry == NULL)
            continue;
        entry->writers -= entry->writers > 0 ? 1 : 0;
        if (entry->writers == 0 && !entry->readable)
            wp_free(wp_map_remove(&cache->entries, key_of(model, use->keys[i], key)));
    }
}

size_t sim_cache_live(const struct sim_cache *cache, int64_t now_ms)
{
    size_t cursor = 0, live = 0;
    wp_view key;
    void *entry;
    while (wp_map_next(&cache->entries, &cursor, &key, &entry))
        live += readable(entry, now_ms) ? 1 : 0;
    return live;
}
