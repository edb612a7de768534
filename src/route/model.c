#include "route/model.h"

#include "base/alloc.h"
#include "route/model_private.h"

enum { SWEEP = 8192, REFRESH_SLICE = 256 };

// Rules.

// 20 positions everywhere; runs of tool blocks are one position on the
// Claude API and what is built on it, unknown elsewhere (counting them singly predicts less).
static const struct wp_cache_rules CLAUDE_API = {
    .lookback = 20, .collapse = true, .short_ttl_s = 300, .long_ttl_s = 3600};
static const struct wp_cache_rules CLAUDE_CLOUD = {
    .lookback = 20, .short_ttl_s = 300, .long_ttl_s = 3600};
// The pessimistic reading of OpenAI's pages: up to twenty earlier endings, five minutes of idle
// life, 1,024 tokens at least, steps of 128, overflow to cold machines above 15 requests a minute.
static const struct wp_cache_rules OPENAI = {.lookback = 20,
                                             .implicit = true,
                                             .short_ttl_s = 300,
                                             .long_ttl_s = 3600,
                                             .least = 1024,
                                             .step = 128,
                                             .crowd = 15};

const struct wp_cache_rules *wp_cache_rules(enum wp_platform platform)
{
    switch (platform) {
    case WP_PLATFORM_ANTHROPIC:
    case WP_PLATFORM_CLAUDE_AWS:
    case WP_PLATFORM_AZURE:
        return &CLAUDE_API;
    case WP_PLATFORM_OPENAI:
        return &OPENAI;
    default:
        return &CLAUDE_CLOUD;
    }
}

uint64_t wp_model_ttl_ns(const struct wp_cache_rules *rules, uint8_t ttl)
{
    return (ttl == WP_TTL_1H ? rules->long_ttl_s : rules->short_ttl_s) * 1000000000u;
}

static uint32_t implicit_breakpoints(const struct wp_prompt *prompt,
                                     struct wp_breakpoint out[WP_BREAKPOINTS_MAX])
{
    uint32_t count = 0;
    if (prompt->system_end > 0 && prompt->system_end < prompt->count)
        out[count++] = (struct wp_breakpoint){prompt->system_end - 1, WP_TTL_5M};
    if (prompt->count > 0)
        out[count++] = (struct wp_breakpoint){prompt->count - 1, WP_TTL_5M};
    return count;
}

uint32_t wp_breakpoints(const struct wp_cache_rules *rules, const struct wp_prompt *prompt,
                        struct wp_breakpoint out[WP_BREAKPOINTS_MAX])
{
    if (rules->implicit)
        return implicit_breakpoints(prompt, out);
    uint32_t count = 0;
    for (uint32_t i = 0; i < prompt->breakpoint_count && i < WP_BREAKPOINTS_MAX; i++) {
        uint32_t block = prompt->breakpoints[i];
        if (block < prompt->count)
            out[count++] = (struct wp_breakpoint){block, prompt->blocks[block].ttl};
    }
    return count;
}

// Domains.

void wp_model_init(struct wp_model *model, uint32_t entries, uint32_t domain_entries)
{
    *model = (struct wp_model){
        .table = wp_table_make(entries),
        .domains = wp_map_make(WP_MODEL_DOMAINS),
        .domain_entries = domain_entries,
        .crowd.period_ns = 60000000000u,
    };
}

static wp_view key_view(const struct wp_hash128 *key)
{
    return wp_view_make((const char *)key, sizeof(*key));
}

void wp_model_free(struct wp_model *model)
{
    for (uint32_t i = 0; i < model->by_owner_count; i++)
        wp_free(model->by_owner[i]);
    wp_free(model->by_owner);
    model->by_owner = NULL;
    model->by_owner_count = 0;
    wp_map_free(&model->domains);
    wp_table_free(&model->table);
}

struct wp_domain *wp_model_domain(const struct wp_model *model, struct wp_hash128 key)
{
    return wp_map_get(&model->domains, key_view(&key));
}

static bool note_owner(struct wp_model *model, struct wp_domain *domain)
{
    if (domain->owner >= model->by_owner_count) {
        uint32_t count = domain->owner + 1;
        struct wp_domain **grown = wp_realloc(model->by_owner, count * sizeof(struct wp_domain *));
        if (grown == NULL)
            return false;
        for (uint32_t i = model->by_owner_count; i < count; i++)
            grown[i] = NULL;
        model->by_owner = grown;
        model->by_owner_count = count;
    }
    if (!wp_map_set(&model->domains, key_view(&domain->key), domain))
        return false;
    model->by_owner[domain->owner] = domain;
    return true;
}

struct wp_domain *wp_model_acquire(struct wp_model *model, struct wp_hash128 key)
{
    struct wp_domain *domain = wp_model_domain(model, key);
    if (domain != NULL) {
        domain->refs++;
        return domain;
    }
    domain = wp_alloc(sizeof(*domain));
    if (domain == NULL)
        return NULL;
    *domain = (struct wp_domain){.key = key, .refs = 1, .scale = 1};
    domain->owner = wp_table_add_owner(&model->table, model->domain_entries);
    if (domain->owner != WP_ENTRY_NONE && note_owner(model, domain))
        return domain;
    if (domain->owner != WP_ENTRY_NONE)
        wp_table_drop_owner(&model->table, domain->owner);
    wp_free(domain);
    return NULL;
}

void wp_model_release(struct wp_model *model, struct wp_domain *domain)
{
    (void)model; // an unused domain stays until its entries have expired
    WP_CHECK(domain->refs > 0);
    domain->refs--;
}

struct wp_domain *wp_model_rename(struct wp_model *model, struct wp_domain *domain,
                                  struct wp_hash128 key)
{
    struct wp_domain *existing = wp_model_domain(model, key);
    if (existing != NULL) {
        existing->refs++;
        wp_model_release(model, domain);
        return existing;
    }
    if (!wp_map_set(&model->domains, key_view(&key), domain))
        return NULL;
    wp_map_remove(&model->domains, key_view(&domain->key));
    domain->key = key;
    return domain;
}

uint32_t wp_model_entries(const struct wp_model *model, const struct wp_domain *domain)
{
    return model->table.owners[domain->owner].count;
}

static void forget_domain(struct wp_model *model, struct wp_domain *domain)
{
    model->by_owner[domain->owner] = NULL;
    wp_table_drop_owner(&model->table, domain->owner);
    wp_map_remove(&model->domains, key_view(&domain->key));
    wp_free(domain);
}

void wp_model_expire(struct wp_model *model, uint64_t now_ns)
{
    wp_table_sweep(&model->table, now_ns, SWEEP);
    for (uint32_t i = 0; i < model->by_owner_count; i++) {
        struct wp_domain *domain = model->by_owner[i];
        if (domain != NULL && domain->refs == 0 && wp_model_entries(model, domain) == 0)
            forget_domain(model, domain);
    }
}

// Search.

struct search {
    struct wp_model *model;
    struct wp_sighting *out;
    uint64_t now_ns;
    uint64_t number;
    uint32_t missing; // domains without a readable hit so far
    const struct wp_cache_rules *rules;
};

static uint64_t age_of(const struct wp_entry *entry, const struct wp_cache_rules *rules,
                       uint64_t now_ns)
{
    uint64_t renewed = entry->expires_ns - wp_model_ttl_ns(rules, entry->ttl);
    return now_ns > renewed ? now_ns - renewed : 0;
}

// Blocks come deepest first, so the first finding of a domain is its best.
static void note_entry(struct search *search, const struct wp_entry *entry, uint32_t block)
{
    struct wp_domain *domain =
        entry->owner < search->model->by_owner_count ? search->model->by_owner[entry->owner] : NULL;
    if (domain == NULL || domain->search != search->number)
        return;
    struct wp_sighting *sighting = &search->out[domain->slot];
    bool live = entry->expires_ns > search->now_ns;
    if (sighting->block != 0)
        return;
    if ((entry->flags & WP_ENTRY_READABLE) != 0 && live) {
        sighting->block = block + 1;
        sighting->tokens = entry->tokens;
        sighting->measured = (entry->flags & WP_ENTRY_MEASURED) != 0;
        sighting->age_ns = age_of(entry, search->rules, search->now_ns);
        search->missing--;
    } else if (entry->writers > 0 && sighting->pending_block == 0) {
        sighting->pending_block = block + 1;
        sighting->pending_tokens = entry->tokens;
        sighting->pending_age_ns = age_of(entry, search->rules, search->now_ns);
    }
}

static void probe(struct search *search, const struct wp_prompt *prompt, uint32_t block)
{
    const struct wp_table *table = &search->model->table;
    struct wp_hash128 prefix = prompt->blocks[block].prefix;
    for (uint32_t id = wp_table_first(table, prefix); id != WP_ENTRY_NONE;
         id = wp_table_next(table, id))
        note_entry(search, wp_table_at(table, id), block);
}

// First block of the lookback that ends at `block`.
static uint32_t lookback_start(const struct wp_cache_rules *rules, const struct wp_prompt *prompt,
                               uint32_t block)
{
    uint32_t positions = 1;
    while (block > 0) {
        bool joins = rules->collapse && prompt->blocks[block].joins;
        if (!joins && positions++ == rules->lookback)
            break;
        block--;
    }
    return block;
}

// Domains that several deployments share are searched once; their other slots are copied.
static void open_search(struct search *search, struct wp_domain *const *domains, uint32_t count)
{
    search->number = ++search->model->searches;
    for (uint32_t i = 0; i < count; i++) {
        search->out[i] = (struct wp_sighting){0};
        if (domains[i] == NULL || domains[i]->search == search->number)
            continue;
        domains[i]->search = search->number;
        domains[i]->slot = i;
        if (wp_model_entries(search->model, domains[i]) > 0)
            search->missing++;
    }
}

static void close_search(struct search *search, struct wp_domain *const *domains, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (domains[i] != NULL && domains[i]->slot != i)
            search->out[i] = search->out[domains[i]->slot];
}

// The requests that a provider would place together: one head, one domain.
static uint64_t crowd_tag(const struct wp_prompt *prompt, const struct wp_domain *domain)
{
    struct wp_hash128 head = prompt->system_end > 0 ? prompt->head : prompt->blocks[0].prefix;
    return (head.low ^ (domain->key.low * 0x9E3779B97F4A7C15u)) | 1;
}

static void fill_crowds(const struct search *search, const struct wp_prompt *prompt,
                        struct wp_domain *const *domains, uint32_t count)
{
    for (uint32_t i = 0; search->rules->crowd > 0 && prompt->count > 0 && i < count; i++)
        if (domains[i] != NULL)
            search->out[i].crowd =
                wp_crowd_rate(&search->model->crowd, crowd_tag(prompt, domains[i]), search->now_ns);
}

void wp_model_search(struct wp_model *model, const struct wp_cache_rules *rules,
                     const struct wp_prompt *prompt, struct wp_domain *const *domains,
                     uint32_t count, uint64_t now_ns, struct wp_sighting *out)
{
    struct search search = {.model = model, .out = out, .now_ns = now_ns, .rules = rules};
    struct wp_breakpoint breakpoints[WP_BREAKPOINTS_MAX];
    uint32_t left = wp_breakpoints(rules, prompt, breakpoints);
    uint32_t tested = prompt->count; // blocks from here on have been tested
    open_search(&search, domains, count);
    while (left-- > 0 && search.missing > 0) {
        uint32_t block = breakpoints[left].block;
        uint32_t start = lookback_start(rules, prompt, block);
        for (uint32_t i = block < tested ? block + 1 : tested; i > start && search.missing > 0;) {
            if (i > start + 4)
                wp_table_prefetch(&model->table, prompt->blocks[i - 5].prefix);
            probe(&search, prompt, --i);
        }
        if (start < tested)
            tested = start;
    }
    close_search(&search, domains, count);
    fill_crowds(&search, prompt, domains, count);
}

uint32_t wp_model_reach(const struct wp_model *model, const struct wp_domain *domain,
                        const struct wp_prompt *prompt, uint64_t now_ns)
{
    for (uint32_t i = prompt->count; i > 0; i--) {
        uint32_t id = wp_table_find(&model->table, prompt->blocks[i - 1].prefix, domain->owner);
        if (id == WP_ENTRY_NONE)
            continue;
        const struct wp_entry *entry = wp_table_at(&model->table, id);
        if ((entry->flags & WP_ENTRY_READABLE) != 0 && entry->expires_ns > now_ns)
            return i;
    }
    return 0;
}

uint32_t wp_model_lasting(const struct wp_model *model, const struct wp_cache_rules *rules,
                          const struct wp_domain *domain, const struct wp_prompt *prompt,
                          uint64_t now_ns)
{
    struct wp_cache_rules near = *rules;
    near.lookback = rules->lookback * 3 / 5; // what comes next moves the markers on
    if (prompt->count == 0)
        return 0;
    uint32_t start = lookback_start(&near, prompt, prompt->count - 1);
    for (uint32_t i = prompt->count; i-- > start;) {
        uint32_t id = wp_table_find(&model->table, prompt->blocks[i].prefix, domain->owner);
        if (id == WP_ENTRY_NONE)
            continue;
        const struct wp_entry *entry = wp_table_at(&model->table, id);
        if (entry->ttl == WP_TTL_1H && (entry->flags & WP_ENTRY_READABLE) != 0 &&
            entry->expires_ns > now_ns)
            return entry->tokens;
    }
    return 0;
}

// Traces.

static bool is_written(const struct wp_trace *trace, uint32_t block)
{
    for (uint32_t i = 0; i < trace->written_count; i++)
        if (trace->written[i] == block)
            return true;
    return false;
}

struct wp_entry *wp_model_put(struct wp_model *model, const struct wp_trace *trace, uint32_t block,
                              uint32_t tokens)
{
    struct wp_hash128 prefix = trace->prompt->blocks[block].prefix;
    uint32_t id = wp_table_find(&model->table, prefix, trace->domain->owner);
    if (id == WP_ENTRY_NONE)
        id = wp_table_insert(&model->table, prefix, trace->domain->owner);
    if (id == WP_ENTRY_NONE)
        return NULL;
    struct wp_entry *entry = wp_table_at(&model->table, id);
    if ((entry->flags & WP_ENTRY_MEASURED) == 0)
        entry->tokens = tokens;
    return entry;
}

// Ends this writer's part in the entry; an entry that nobody made readable leaves.
static void stop_writing(struct wp_model *model, struct wp_trace *trace, uint32_t block)
{
    struct wp_hash128 prefix = trace->prompt->blocks[block].prefix;
    uint32_t id = wp_table_find(&model->table, prefix, trace->domain->owner);
    if (id == WP_ENTRY_NONE)
        return;
    struct wp_entry *entry = wp_table_at(&model->table, id);
    if (entry->writers > 0)
        entry->writers--;
    bool readable = (entry->flags & WP_ENTRY_READABLE) != 0;
    if (entry->writers == 0 && (!readable || entry->expires_ns == 0))
        wp_table_remove(&model->table, id);
}

// False when memory is short.
static bool start_writing(struct wp_model *model, const struct wp_trace *trace, uint32_t block,
                          uint8_t ttl, uint32_t tokens)
{
    struct wp_entry *entry = wp_model_put(model, trace, block, tokens);
    if (entry == NULL || entry->writers == UINT16_MAX)
        return false;
    bool alone = entry->writers++ == 0;
    if ((entry->flags & WP_ENTRY_READABLE) != 0 && entry->expires_ns > trace->begun_ns)
        return true;
    entry->flags &= (uint8_t)~WP_ENTRY_READABLE;
    if (alone || ttl > entry->ttl) { // of several writers at once the longest lifetime holds
        entry->ttl = ttl;
        entry->expires_ns = trace->begun_ns + wp_model_ttl_ns(trace->rules, ttl);
    }
    return true;
}

void wp_model_begin(struct wp_model *model, struct wp_trace *trace,
                    const struct wp_forecast *forecast, const struct wp_sighting *sighting)
{
    struct wp_breakpoint points[WP_BREAKPOINTS_MAX];
    uint32_t count = wp_breakpoints(trace->rules, trace->prompt, points);
    uint32_t least =
        trace->min_tokens > trace->rules->least ? trace->min_tokens : trace->rules->least;
    if (trace->rules->crowd > 0 && trace->prompt->count > 0)
        wp_crowd_note(&model->crowd, crowd_tag(trace->prompt, trace->domain), trace->begun_ns);
    trace->block = forecast->block;
    trace->path = sighting->block;
    trace->pending = forecast->pending;
    trace->predicted = forecast->read;
    trace->age_ns = forecast->pending ? sighting->pending_age_ns : sighting->age_ns;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = points[i].block;
        uint32_t tokens = wp_model_tokens_at(trace->domain, trace->prompt, sighting, block);
        if (block < sighting->block || tokens < least)
            continue;
        if (!start_writing(model, trace, block, points[i].ttl, tokens))
            continue;
        trace->ttls[trace->written_count] = points[i].ttl;
        trace->written[trace->written_count++] = block;
    }
}

void wp_model_renew(struct wp_entry *entry, const struct wp_trace *trace, uint8_t ttl)
{
    uint64_t expires_ns = trace->begun_ns + wp_model_ttl_ns(trace->rules, ttl);
    bool alive = (entry->flags & WP_ENTRY_READABLE) != 0 && entry->expires_ns > trace->begun_ns;
    if (!alive || expires_ns > entry->expires_ns)
        entry->expires_ns = expires_ns;
    if (!alive || ttl > entry->ttl)
        entry->ttl = ttl;
    entry->flags |= WP_ENTRY_READABLE | WP_ENTRY_TOUCHED;
}

void wp_model_started(struct wp_model *model, struct wp_trace *trace)
{
    for (uint32_t i = 0; i < trace->written_count; i++) {
        struct wp_hash128 prefix = trace->prompt->blocks[trace->written[i]].prefix;
        uint32_t id = wp_table_find(&model->table, prefix, trace->domain->owner);
        if (id != WP_ENTRY_NONE)
            wp_model_renew(wp_table_at(&model->table, id), trace, trace->ttls[i]);
    }
}

uint32_t wp_model_refresh(struct wp_model *model, const struct wp_trace *trace, uint32_t from)
{
    enum { AHEAD = 8 };
    const struct wp_prompt *prompt = trace->prompt;
    uint32_t end = trace->path;
    if (from >= end)
        return 0;
    uint32_t stop = end - from > REFRESH_SLICE ? from + REFRESH_SLICE : end;
    for (uint32_t i = from; i < stop; i++) {
        if (i + AHEAD < end)
            wp_table_prefetch(&model->table, prompt->blocks[i + AHEAD].prefix);
        uint32_t id = wp_table_find(&model->table, prompt->blocks[i].prefix, trace->domain->owner);
        if (id == WP_ENTRY_NONE)
            continue;
        struct wp_entry *entry = wp_table_at(&model->table, id);
        bool readable = (entry->flags & WP_ENTRY_READABLE) != 0;
        if (readable && entry->expires_ns > trace->begun_ns)
            wp_model_renew(entry, trace, entry->ttl);
    }
    return stop == end ? 0 : stop;
}

void wp_model_drop(struct wp_model *model, const struct wp_trace *trace, uint32_t block)
{
    struct wp_hash128 prefix = trace->prompt->blocks[block].prefix;
    uint32_t id = wp_table_find(&model->table, prefix, trace->domain->owner);
    if (id == WP_ENTRY_NONE)
        return;
    struct wp_entry *entry = wp_table_at(&model->table, id);
    uint16_t own = is_written(trace, block) ? 1 : 0;
    if (entry->writers > own)
        entry->flags &= (uint8_t)~WP_ENTRY_READABLE; // another writer will settle it
    else if (own == 1)
        entry->expires_ns = 0; // wp_model_end removes it
    else
        wp_table_remove(&model->table, id);
}

void wp_model_move(struct wp_model *model, struct wp_trace *trace, struct wp_domain *domain)
{
    struct wp_domain *former = trace->domain;
    uint32_t count = trace->written_count, moved = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = trace->written[i];
        uint8_t ttl = trace->ttls[i];
        trace->domain = former;
        stop_writing(model, trace, block);
        trace->domain = domain;
        if (!start_writing(model, trace, block, ttl, trace->prompt->blocks[block].tokens))
            continue;
        trace->written[moved] = block;
        trace->ttls[moved++] = ttl;
    }
    trace->domain = domain;
    trace->written_count = moved;
    wp_model_release(model, former);
}

void wp_model_end(struct wp_model *model, struct wp_trace *trace)
{
    for (uint32_t i = 0; i < trace->written_count; i++)
        stop_writing(model, trace, trace->written[i]);
    trace->written_count = 0;
    wp_model_release(model, trace->domain);
    trace->domain = NULL;
}
