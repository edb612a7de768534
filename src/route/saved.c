#include "route/saved.h"

#include "route/private.h"

enum { SLICE = 2048, DOMAINS_MAX = 1 << 16, SCOPES_MAX = 4096 };
enum {
    RECORD_BYTES = 30, // of an entry, and of a pin
    SCOPE_BYTES = 32,
    DOMAIN_BYTES = 25 + 8 * WP_BAND_SIZES * WP_BAND_AGES,
};
static const uint64_t MS = 1000000;
static const uint64_t LIFE_MOST_MS = 24 * 3600 * 1000; // of anything that is saved

static void put_hash(struct wp_buf *out, struct wp_hash128 hash)
{
    wp_pack_u64(out, hash.low);
    wp_pack_u64(out, hash.high);
}

static struct wp_hash128 get_hash(struct wp_unpack *in)
{
    uint64_t low = wp_unpack_u64(in);
    return (struct wp_hash128){low, wp_unpack_u64(in)};
}

// The place of a count that is known later.
static size_t put_count(struct wp_buf *out)
{
    size_t at = out->len;
    wp_pack_u32(out, 0);
    return at;
}

static void fill_count(struct wp_buf *out, size_t at, uint32_t count)
{
    for (size_t i = 0; i < 4 && at + i < out->len; i++)
        out->ptr[at + i] = (char)(uint8_t)(count >> (8 * i));
}

// A table, a slice of its slots at a time: entries keep their slot.

struct saving {
    struct wp_router *router;
    const struct wp_table *table;
    struct wp_buf *out;
    uint64_t now_ns;
    uint32_t count, most;
    uint8_t flags; // that an entry must have
};

static void save_slice(struct saving *s, uint32_t from, uint32_t to)
{
    for (uint32_t id = from; id < to && s->count < s->most; id++) {
        const struct wp_entry *entry = wp_table_at(s->table, id);
        if (entry->owner == WP_ENTRY_NONE || (entry->flags & s->flags) != s->flags ||
            entry->expires_ns <= s->now_ns)
            continue;
        put_hash(s->out, entry->prefix);
        wp_pack_u32(s->out, entry->owner);
        wp_pack_u32(s->out, entry->tokens);
        uint64_t left_ms = (entry->expires_ns - s->now_ns) / MS;
        wp_pack_u32(s->out, (uint32_t)(left_ms < LIFE_MOST_MS ? left_ms : LIFE_MOST_MS));
        wp_pack_u8(s->out, entry->ttl);
        wp_pack_u8(s->out, entry->flags & WP_ENTRY_MEASURED);
        s->count++;
    }
}

static void save_table(struct saving *s)
{
    size_t at = put_count(s->out);
    for (uint32_t from = 0;; from += SLICE) {
        if (!wp_buf_reserve(s->out, (size_t)SLICE * RECORD_BYTES))
            return;
        pthread_mutex_lock(&s->router->lock);
        uint32_t slots = wp_table_slots(s->table);
        if (from < slots)
            save_slice(s, from, from + SLICE < slots ? from + SLICE : slots);
        pthread_mutex_unlock(&s->router->lock);
        if (from + SLICE >= slots || s->count >= s->most)
            break;
    }
    fill_count(s->out, at, s->count);
}

static void save_domain(const struct wp_domain *domain, struct wp_buf *out)
{
    put_hash(out, domain->key);
    wp_pack_u32(out, domain->owner);
    wp_pack_u8(out, domain->scaled);
    wp_pack_f32(out, domain->scale);
    for (uint32_t i = 0; i < WP_BAND_SIZES * WP_BAND_AGES; i++) {
        const struct wp_odds *odds = &domain->odds[i / WP_BAND_AGES][i % WP_BAND_AGES];
        wp_pack_f32(out, odds->hits);
        wp_pack_f32(out, odds->tries);
    }
}

static void save_domains(struct wp_router *router, struct wp_buf *out)
{
    size_t at = put_count(out);
    uint32_t count = 0;
    pthread_mutex_lock(&router->lock);
    for (uint32_t i = 0; i < router->model.by_owner_count; i++)
        if (router->model.by_owner[i] != NULL) {
            save_domain(router->model.by_owner[i], out);
            count++;
        }
    pthread_mutex_unlock(&router->lock);
    fill_count(out, at, count);
}

static void save_scopes(struct wp_router *router, struct wp_buf *out)
{
    size_t at = put_count(out), cursor = 0;
    uint32_t count = 0;
    wp_view id;
    void *value;
    pthread_mutex_lock(&router->lock);
    while (wp_map_next(&router->registry.states, &cursor, &id, &value)) {
        const struct wp_deployment_state *state = value;
        if (wp_hash128_eq(state->identity, state->configured_identity))
            continue;
        put_hash(out, state->configured_identity);
        put_hash(out, state->identity);
        count++;
    }
    pthread_mutex_unlock(&router->lock);
    fill_count(out, at, count);
}

void wp_router_save(struct wp_router *router, uint64_t now_ns, struct wp_buf *out)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    struct saving entries = {.router = router,
                             .table = &router->model.table,
                             .out = out,
                             .now_ns = now_ns,
                             .most = WP_SAVED_ENTRIES,
                             .flags = WP_ENTRY_READABLE};
    struct saving pins = entries;
    pins.table = &router->pins.table;
    pins.most = WP_SAVED_PINS;
    pins.flags = 0;
    wp_buf_append(out, wp_view_make((const char *)router->hash_key.secret, WP_HASH_SECRET_LEN));
    save_scopes(router, out);
    save_table(&entries);
    save_domains(router, out); // after the entries: it holds the owner of each
    save_table(&pins);
}

// Restoring.

struct restoring {
    struct wp_router *router;
    struct wp_unpack *in;
    uint64_t now_ns, away_ns;
};

// A count of things of at least so many bytes each.
static uint32_t get_count(struct wp_unpack *in, uint32_t most, size_t bytes)
{
    uint32_t count = wp_unpack_u32(in);
    if (count > most || count * bytes > in->left.len)
        in->failed = true;
    return in->failed ? 0 : count;
}

// 0: it has lapsed meanwhile.
static uint64_t expiry_of(struct restoring *r)
{
    uint64_t left_ms = wp_unpack_u32(r->in);
    if (left_ms > LIFE_MOST_MS)
        r->in->failed = true;
    return left_ms * MS > r->away_ns ? r->now_ns + left_ms * MS - r->away_ns : 0;
}

static void restore_scopes(struct restoring *r)
{
    uint32_t count = get_count(r->in, SCOPES_MAX, SCOPE_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        struct wp_hash128 configured = get_hash(r->in), learnt = get_hash(r->in);
        if (!r->in->failed && !wp_registry_remember_scope(&r->router->registry, configured, learnt))
            r->in->failed = true;
    }
}

static bool sound(const struct wp_odds *odds)
{
    return odds->hits >= 0 && odds->hits <= odds->tries && odds->tries < 1e6F;
}

static wp_view owner_key(const uint32_t *owner)
{
    return wp_view_make((const char *)owner, sizeof(*owner));
}

static void restore_domain(struct restoring *r, struct wp_map *owners)
{
    struct wp_hash128 key = get_hash(r->in);
    uint32_t owner = wp_unpack_u32(r->in);
    bool scaled = wp_unpack_u8(r->in) != 0;
    float scale = wp_unpack_f32(r->in);
    struct wp_domain *domain = r->in->failed ? NULL : wp_model_acquire(&r->router->model, key);
    if (domain == NULL) {
        r->in->failed = true;
        return;
    }
    wp_model_release(&r->router->model, domain); // the configuration takes what it still names
    domain->scale = scale;
    domain->scaled = scaled;
    for (uint32_t i = 0; i < WP_BAND_SIZES * WP_BAND_AGES; i++) {
        struct wp_odds *odds = &domain->odds[i / WP_BAND_AGES][i % WP_BAND_AGES];
        odds->hits = wp_unpack_f32(r->in);
        odds->tries = wp_unpack_f32(r->in);
        r->in->failed = r->in->failed || !sound(odds);
    }
    if (!(scale >= 0.01F && scale <= 100) || !wp_map_set(owners, owner_key(&owner), domain))
        r->in->failed = true;
}

static void restore_entry(struct restoring *r, const struct wp_map *owners)
{
    struct wp_table *table = &r->router->model.table;
    struct wp_hash128 prefix = get_hash(r->in);
    uint32_t owner = wp_unpack_u32(r->in), tokens = wp_unpack_u32(r->in);
    uint64_t expires_ns = expiry_of(r);
    uint8_t ttl = wp_unpack_u8(r->in), flags = wp_unpack_u8(r->in) & WP_ENTRY_MEASURED;
    const struct wp_domain *domain = wp_map_get(owners, owner_key(&owner));
    if (r->in->failed || expires_ns == 0 || domain == NULL || ttl > WP_TTL_1H ||
        wp_table_find(table, prefix, domain->owner) != WP_ENTRY_NONE)
        return;
    uint32_t id = wp_table_insert(table, prefix, domain->owner);
    if (id == WP_ENTRY_NONE)
        return;
    struct wp_entry *entry = wp_table_at(table, id);
    entry->tokens = tokens;
    entry->expires_ns = expires_ns;
    entry->ttl = ttl;
    entry->flags = flags | WP_ENTRY_READABLE;
}

static void restore_model(struct restoring *r)
{
    struct wp_map owners = wp_map_make(0); // as they were numbered, to their domains
    struct wp_unpack entries = *r->in;
    uint32_t count = get_count(r->in, WP_SAVED_ENTRIES, RECORD_BYTES);
    (void)wp_unpack_bytes(r->in, (size_t)count * RECORD_BYTES); // their domains come first
    uint32_t domains = get_count(r->in, DOMAINS_MAX, DOMAIN_BYTES);
    for (uint32_t i = 0; i < domains && !r->in->failed; i++)
        restore_domain(r, &owners);
    struct restoring again = {r->router, &entries, r->now_ns, r->away_ns};
    (void)wp_unpack_u32(&entries);
    for (uint32_t i = 0; i < count && !r->in->failed && !entries.failed; i++)
        restore_entry(&again, &owners);
    r->in->failed = r->in->failed || entries.failed;
    wp_map_free(&owners);
}

static void restore_pins(struct restoring *r)
{
    uint32_t count = get_count(r->in, WP_SAVED_PINS, RECORD_BYTES);
    for (uint32_t i = 0; i < count && !r->in->failed; i++) {
        struct wp_hash128 key = get_hash(r->in);
        uint32_t kind = wp_unpack_u32(r->in), tag = wp_unpack_u32(r->in);
        uint64_t expires_ns = expiry_of(r);
        (void)wp_unpack_bytes(r->in, 2);
        if (kind < WP_PIN_KINDS && tag != 0 && expires_ns != 0 && !r->in->failed)
            wp_pins_set(&r->router->pins, (enum wp_pin_kind)kind, key, tag, expires_ns);
    }
}

bool wp_router_restore(struct wp_router *router, struct wp_unpack *in, uint64_t now_ns,
                       uint64_t away_ns)
{
    WP_CHECK_MAGIC(router, WP_ROUTER_MAGIC);
    struct restoring r = {router, in, now_ns, away_ns};
    wp_view secret = wp_unpack_bytes(in, WP_HASH_SECRET_LEN);
    if (in->failed)
        return false;
    pthread_mutex_lock(&router->lock);
    wp_hash_key_set(&router->hash_key, (const uint8_t *)secret.ptr);
    restore_scopes(&r);
    restore_model(&r);
    restore_pins(&r);
    pthread_mutex_unlock(&router->lock);
    return !in->failed;
}
