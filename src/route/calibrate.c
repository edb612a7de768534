// Predictions from sightings, and their correction by the usage that comes back.
#include "route/model_private.h"

static const float PRIOR_TRIES = 12, PRIOR_HITS = 11.8F; // before anything is known
static const float DECAY = 0.98F;                        // per observation of a band
static const float PENDING_ODDS = 0.5F;                  // read without waiting for the writer
static const uint64_t LASTING_NS = 600000000000u;
enum { SCALE_SAMPLE = 512 }; // tokens: shorter prompts say little about the tokenizer
static const float SCALE_STEP = 0.2F, SCALE_LEAST = 0.2F, SCALE_MOST = 5;

// Odds.

static struct wp_odds *band(struct wp_domain *domain, uint32_t tokens, uint64_t age_ns)
{
    uint64_t age_s = age_ns / 1000000000u;
    uint32_t size = tokens < 4096 ? 0 : tokens < 32768 ? 1 : 2;
    uint32_t age = age_s < 60 ? 0 : age_s < 240 ? 1 : 2;
    return &domain->odds[size][age];
}

static float odds_of(const struct wp_domain *domain, uint32_t tokens, uint64_t age_ns)
{
    const struct wp_odds *odds = band((struct wp_domain *)(uintptr_t)domain, tokens, age_ns);
    return (odds->hits + PRIOR_HITS) / (odds->tries + PRIOR_TRIES);
}

static void observe(struct wp_domain *domain, const struct wp_trace *trace, bool hit)
{
    struct wp_odds *odds = band(domain, trace->predicted, trace->age_ns);
    odds->tries = odds->tries * DECAY + 1;
    odds->hits = odds->hits * DECAY + (hit ? 1 : 0);
}

// Forecast.

static uint32_t scaled(float scale, uint32_t estimate)
{
    double tokens = (double)estimate * (double)scale;
    return tokens >= UINT32_MAX ? UINT32_MAX : (uint32_t)(tokens + 0.5);
}

static uint32_t tokens_beyond(float scale, const struct wp_prompt *prompt, uint32_t hit_block,
                              uint32_t hit_tokens, uint32_t estimate)
{
    uint32_t base = hit_block == 0 ? 0 : prompt->blocks[hit_block - 1].tokens;
    uint32_t more = estimate > base ? scaled(scale, estimate - base) : 0;
    return more > UINT32_MAX - hit_tokens ? UINT32_MAX : hit_tokens + more;
}

uint32_t wp_model_tokens_at(const struct wp_domain *domain, const struct wp_prompt *prompt,
                            const struct wp_sighting *sighting, uint32_t block)
{
    uint32_t estimate = prompt->blocks[block].tokens;
    if (block < sighting->block)
        return scaled(domain->scale, estimate);
    return tokens_beyond(domain->scale, prompt, sighting->block, sighting->tokens, estimate);
}

// `hit`: tokens of the prefix that was found, of which out->read are read.
static void forecast_writes(struct wp_forecast *out, float scale, const struct wp_prompt *prompt,
                            const struct wp_breakpoint *points, uint32_t count, uint32_t min_tokens,
                            uint32_t hit)
{
    uint32_t a = out->read, b = a, c = a;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t estimate = prompt->blocks[points[i].block].tokens;
        uint32_t tokens = tokens_beyond(scale, prompt, out->block, hit, estimate);
        if (points[i].block < out->block || tokens < min_tokens)
            continue;
        if (points[i].ttl == WP_TTL_1H)
            b = tokens;
        c = tokens;
    }
    uint32_t total = tokens_beyond(scale, prompt, out->block, hit, prompt->tokens);
    out->total = total > c ? total : c;
    out->write_1h = b - a;
    out->write_5m = c - b;
    out->uncached = out->total - c;
}

// What providers that cache in steps would read of a hit; below the least of it nothing.
static void round_down(const struct wp_cache_rules *rules, struct wp_forecast *out)
{
    out->read -= out->read % rules->step;
    if (out->read >= rules->least)
        return;
    out->read = out->block = 0;
    out->pending = false;
    out->confidence = 1;
}

void wp_model_forecast(const struct wp_domain *domain, const struct wp_cache_rules *rules,
                       const struct wp_prompt *prompt, uint32_t min_tokens,
                       const struct wp_sighting *sighting, struct wp_forecast *out)
{
    struct wp_breakpoint points[WP_BREAKPOINTS_MAX];
    uint32_t count = wp_breakpoints(rules, prompt, points);
    float scale = domain == NULL ? 1 : domain->scale;
    min_tokens = min_tokens > rules->least ? min_tokens : rules->least;
    *out = (struct wp_forecast){.confidence = 1};
    if (sighting->pending_block > sighting->block) {
        out->pending = true;
        out->block = sighting->pending_block;
        out->read = sighting->pending_tokens;
        out->confidence = PENDING_ODDS;
    } else if (sighting->block > 0) {
        out->block = sighting->block;
        out->read = sighting->tokens;
        out->confidence = odds_of(domain, sighting->tokens, sighting->age_ns);
    }
    uint32_t hit = out->read;
    if (rules->step > 0)
        round_down(rules, out);
    if (rules->crowd > 0 && sighting->crowd > rules->crowd)
        out->confidence *= (float)(rules->crowd / sighting->crowd);
    out->ready = sighting->block > 0 ? sighting->tokens : 0;
    if (!out->pending && out->ready > out->read)
        out->ready = out->read;
    out->lasting =
        domain == NULL ? PRIOR_HITS / PRIOR_TRIES : odds_of(domain, prompt->tokens, LASTING_NS);
    out->deep = out->block > 0 && (out->block > prompt->system_end ||
                                   (count > 0 && points[count - 1].block + 1 == out->block));
    forecast_writes(out, scale, prompt, points, count, min_tokens, out->block > 0 ? hit : 0);
}

// Correction.

struct reading {
    uint32_t read, written, written_1h, total;
    uint32_t tolerance; // below it two counts are the same boundary
};

static uint32_t clip(uint64_t tokens)
{
    return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

static struct reading reading_of(const struct wp_usage *usage)
{
    struct reading r = {
        .read = clip(usage->cache_read),
        .written = clip(wp_usage_cache_write(usage)),
        .written_1h = clip(usage->cache_write_1h),
        .total = clip(wp_usage_prompt(usage)),
    };
    r.tolerance = 16 + r.read / 64;
    return r;
}

static bool near(const struct reading *r, uint32_t tokens)
{
    uint32_t apart = tokens > r->read ? tokens - r->read : r->read - tokens;
    return apart <= r->tolerance;
}

static void measure_scale(struct wp_domain *domain, const struct wp_prompt *prompt, uint32_t total)
{
    if (prompt->tokens < SCALE_SAMPLE)
        return;
    float ratio = (float)total / (float)prompt->tokens;
    ratio = ratio < SCALE_LEAST ? SCALE_LEAST : ratio > SCALE_MOST ? SCALE_MOST : ratio;
    domain->scale = domain->scaled ? domain->scale + SCALE_STEP * (ratio - domain->scale) : ratio;
    domain->scaled = true;
}

static void drop_written(struct wp_model *model, const struct wp_trace *trace, uint32_t above)
{
    for (uint32_t i = 0; i < trace->written_count; i++) {
        uint32_t id = wp_table_find(&model->table, trace->prompt->blocks[trace->written[i]].prefix,
                                    trace->domain->owner);
        if (id != WP_ENTRY_NONE && wp_table_at(&model->table, id)->tokens > above)
            wp_model_drop(model, trace, trace->written[i]);
    }
}

// Beyond the real boundary nothing was there: takes the believed entries back.
static void drop_path(struct wp_model *model, const struct wp_trace *trace, const struct reading *r)
{
    for (uint32_t i = trace->block; i-- > 0;) {
        uint32_t id =
            wp_table_find(&model->table, trace->prompt->blocks[i].prefix, trace->domain->owner);
        if (id == WP_ENTRY_NONE)
            continue;
        const struct wp_entry *entry = wp_table_at(&model->table, id);
        if (r->read > 0 && entry->tokens <= r->read + r->tolerance)
            return;
        // What another request has written or renewed since this one began stays.
        if (entry->writers == 0 &&
            entry->expires_ns <= trace->begun_ns + wp_model_ttl_ns(trace->rules, entry->ttl))
            wp_model_drop(model, trace, i);
    }
}

static struct wp_entry *teach(struct wp_model *model, const struct wp_trace *trace, uint32_t block,
                              uint8_t ttl, uint32_t tokens)
{
    struct wp_entry *entry = wp_model_put(model, trace, block, tokens);
    if (entry == NULL)
        return NULL;
    wp_model_renew(entry, trace, ttl);
    entry->tokens = tokens;
    entry->flags |= WP_ENTRY_MEASURED;
    return entry;
}

// The block whose prefix is nearest to so many measured tokens; count if none is near enough.
static uint32_t nearest_block(const struct wp_prompt *prompt, const struct reading *r)
{
    double ratio = (double)r->total / (double)prompt->tokens;
    double wanted = (double)r->read / ratio, slack = 64 + wanted / 50;
    uint32_t low = 0, high = prompt->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((double)prompt->blocks[middle].tokens < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == prompt->count || (low > 0 && wanted - (double)prompt->blocks[low - 1].tokens <
                                                (double)prompt->blocks[low].tokens - wanted))
        low = low > 0 ? low - 1 : low;
    double apart = (double)prompt->blocks[low].tokens - wanted;
    return apart <= slack && -apart <= slack ? low : prompt->count;
}

// More was read than believed: somebody else keeps that prefix warm.
static void learn_warmth(struct wp_model *model, struct wp_trace *trace, const struct reading *r)
{
    if (trace->prompt->tokens == 0 || trace->prompt->count == 0)
        return;
    uint32_t block = nearest_block(trace->prompt, r);
    if (block < trace->prompt->count)
        teach(model, trace, block, WP_TTL_5M, r->read);
}

static void settle_boundary(struct wp_model *model, struct wp_trace *trace, const struct reading *r)
{
    bool believed = trace->block > 0 && !trace->pending;
    if (trace->block > 0 && near(r, trace->predicted)) {
        if (believed)
            observe(trace->domain, trace, true);
        uint32_t id = wp_table_find(&model->table, trace->prompt->blocks[trace->block - 1].prefix,
                                    trace->domain->owner);
        if (id != WP_ENTRY_NONE) {
            wp_table_at(&model->table, id)->tokens = r->read;
            wp_table_at(&model->table, id)->flags |= WP_ENTRY_MEASURED;
        }
        trace->pending = false; // it was there in time: its path has been read
    } else if (believed && r->read < trace->predicted) {
        observe(trace->domain, trace, false);
        drop_path(model, trace, r);
    } else if (r->read > trace->predicted || (!believed && r->read > 0)) {
        if (believed)
            observe(trace->domain, trace, true);
        learn_warmth(model, trace, r);
    }
}

static void learn_write(struct wp_model *model, const struct wp_trace *trace,
                        const struct wp_breakpoint *point, uint8_t ttl, uint32_t tokens,
                        bool measured)
{
    struct wp_entry *entry = wp_model_put(model, trace, point->block, tokens);
    if (entry == NULL)
        return;
    if (ttl != point->ttl) // served for a shorter time than asked for
        entry->expires_ns = 0;
    wp_model_renew(entry, trace, ttl);
    if (measured) {
        entry->tokens = tokens;
        entry->flags |= WP_ENTRY_MEASURED;
    }
}

// What was written ends at the last breakpoint, and its 1 h part at the last 1 h one: the usage
// gives the exact size of both prefixes, and teaches writes that were not expected.
static void settle_writes(struct wp_model *model, struct wp_trace *trace, const struct reading *r)
{
    struct wp_breakpoint points[WP_BREAKPOINTS_MAX];
    uint32_t count = wp_breakpoints(trace->rules, trace->prompt, points);
    bool shortened = r->written_1h == 0;
    for (uint32_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        bool long_lived = points[i].ttl == WP_TTL_1H && !shortened;
        bool last_long = long_lived && (last || points[i + 1].ttl != WP_TTL_1H);
        uint32_t tokens = r->read + (last ? r->written : r->written_1h);
        if (!last && !last_long)
            tokens = wp_model_tokens_at(trace->domain, trace->prompt, &(struct wp_sighting){0},
                                        points[i].block);
        if (last || (tokens > r->read && tokens >= trace->min_tokens))
            learn_write(model, trace, &points[i], long_lived ? WP_TTL_1H : WP_TTL_5M, tokens,
                        last || last_long);
    }
}

static bool asked_for_1h(const struct wp_trace *trace)
{
    for (uint32_t i = 0; i < trace->written_count; i++)
        if (trace->ttls[i] == WP_TTL_1H)
            return true;
    return false;
}

static uint8_t anomaly_of(const struct wp_trace *trace, const struct reading *r)
{
    if (trace->written_count > 0 && r->read == 0 && r->written == 0)
        return WP_ANOMALY_STRIPPED;
    if (asked_for_1h(trace) && r->written > 0 && r->written_1h == 0)
        return WP_ANOMALY_SHORTENED;
    return 0;
}

uint8_t wp_model_correct(struct wp_model *model, struct wp_trace *trace,
                         const struct wp_usage *usage)
{
    struct reading r = reading_of(usage);
    // Server tools make several passes and report their sum: no boundary can be read from it.
    if (r.total == 0 || usage->web_search_requests > 0 || usage->web_fetch_requests > 0)
        return 0;
    measure_scale(trace->domain, trace->prompt, r.total);
    uint8_t anomaly = anomaly_of(trace, &r);
    settle_boundary(model, trace, &r);
    if (r.written > 0)
        settle_writes(model, trace, &r);
    else
        drop_written(model, trace, r.read + r.tolerance);
    uint8_t fresh = anomaly & (uint8_t)~trace->domain->anomalies;
    trace->domain->anomalies |= anomaly;
    return fresh;
}
