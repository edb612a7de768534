#include "store/tally.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { VALUES_MAX = 10000, FACET_ROWS = 20, LONE_BAR_MS = 60000 };

static const char *const facet_names[STORE_FACETS] = {"model_id", "model", "status", "error_code"};

bool store_tally_init(struct store_tally *tally)
{
    *tally = (struct store_tally){.arena = wp_arena_create(0),
                                  .ttft_us = wp_alloc(STORE_TTFT_MAX * sizeof(uint64_t))};
    for (size_t i = 0; i < STORE_FACETS; i++)
        tally->values[i] = wp_map_make(VALUES_MAX);
    if (tally->arena != NULL && tally->ttft_us != NULL)
        return true;
    store_tally_free(tally);
    return false;
}

void store_tally_free(struct store_tally *tally)
{
    for (size_t i = 0; i < STORE_FACETS; i++)
        wp_map_free(&tally->values[i]);
    wp_arena_destroy(tally->arena);
    wp_free(tally->ttft_us);
    *tally = (struct store_tally){0};
}

void store_tally_span(struct store_tally *tally, int64_t from_ms, int64_t to_ms, int64_t unit_ms)
{
    tally->from_ms = from_ms;
    tally->to_ms = to_ms;
    tally->unit_ms = unit_ms;
}

// A window that is nearly empty but for its end is drawn from its first row on: it would be one
// bar.
static void lay_out_bars(struct store_tally *tally)
{
    int64_t from = tally->from_ms != 0 ? tally->from_ms : tally->first_ms;
    if (from == 0)
        from = tally->to_ms - LONE_BAR_MS * STORE_BARS;
    if (tally->first_ms - from > (tally->to_ms - from) / 6 * 5)
        from = tally->first_ms - 1000;
    int64_t width = (tally->to_ms - from) / STORE_BARS;
    width = width < 1000 ? 1000 : width;
    tally->bars_ms = from;
    tally->width_ms = (width + tally->unit_ms - 1) / tally->unit_ms * tally->unit_ms;
}

static void add_to_bar(struct store_tally *tally, const struct store_share *share)
{
    int64_t index = share->at_ms / tally->width_ms - tally->bars_ms / tally->width_ms;
    if (index < 0 || index >= (int64_t)WP_COUNT_OF(tally->bars))
        return;
    struct store_bar *bar = &tally->bars[index];
    *(share->failed ? &bar->failure : &bar->success) += share->requests;
}

static struct store_facet_value *new_value(struct store_tally *tally, size_t facet, wp_view text)
{
    struct store_facet_value *value = WP_ARENA_NEW(tally->arena, struct store_facet_value);
    if (value == NULL)
        return NULL;
    value->text = wp_arena_copy(tally->arena, text);
    if (value->text.ptr == NULL || !wp_map_set(&tally->values[facet], text, value))
        return NULL;
    return value;
}

static bool add_to_facets(struct store_tally *tally, const struct store_share *share)
{
    for (size_t i = 0; i < STORE_FACETS; i++) {
        wp_view text = share->facets[i];
        struct store_facet_value *value = tally->last[i];
        if (text.len == 0)
            continue;
        if (value == NULL || !wp_view_eq(value->text, text))
            value = wp_map_get(&tally->values[i], text);
        if (value == NULL && tally->values[i].count == VALUES_MAX)
            continue; // more than anyone can choose from
        if (value == NULL && (value = new_value(tally, i, text)) == NULL)
            return false;
        value->count += share->requests;
        tally->last[i] = value;
    }
    return true;
}

void store_tally_add_ttft(struct store_tally *tally, uint64_t ttft_us)
{
    tally->ttft_us[tally->ttft_count++ % STORE_TTFT_MAX] = ttft_us;
}

bool store_tally_add(struct store_tally *tally, const struct store_share *share)
{
    struct store_share *sum = &tally->sum;
    if (sum->requests == 0) {
        tally->first_ms = share->at_ms;
        lay_out_bars(tally);
    }
    sum->requests += share->requests;
    sum->input_tokens += share->input_tokens;
    sum->cache_read_tokens += share->cache_read_tokens;
    sum->cache_write_tokens += share->cache_write_tokens;
    sum->output_tokens += share->output_tokens;
    sum->predicted_read_tokens += share->predicted_read_tokens;
    sum->renewals += share->renewals;
    sum->spend += share->spend;
    sum->saved += share->saved;
    sum->renewal_spend += share->renewal_spend;
    sum->kept_warm_saved += share->kept_warm_saved;
    tally->failures += share->failed ? share->requests : 0;
    if (share->ttft_us > 0)
        store_tally_add_ttft(tally, share->ttft_us);
    add_to_bar(tally, share);
    return add_to_facets(tally, share);
}

// Writing -------------------------------------------------------------------------------------

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void write_ttft(struct store_tally *tally, struct wp_json_writer *w)
{
    uint64_t count = tally->ttft_count < STORE_TTFT_MAX ? tally->ttft_count : STORE_TTFT_MAX;
    uint64_t median = 0, late = 0;
    if (count > 0) {
        qsort(tally->ttft_us, count, sizeof(uint64_t), by_number);
        median = tally->ttft_us[(count - 1) / 2];
        late = tally->ttft_us[(count - 1) * 95 / 100];
    }
    wp_json_put_decimal(w, "ttft_p50_ms", (double)median / 1000.0, 3);
    wp_json_put_decimal(w, "ttft_p95_ms", (double)late / 1000.0, 3);
}

static void write_totals(struct store_tally *tally, struct wp_json_writer *w)
{
    const struct store_share *sum = &tally->sum;
    uint64_t prompt = sum->input_tokens + sum->cache_read_tokens + sum->cache_write_tokens;
    wp_json_open_object(w, "totals");
    wp_json_put_u64(w, "requests", sum->requests);
    wp_json_put_u64(w, "failures", tally->failures);
    wp_json_put_decimal(w, "spend", sum->spend, 12);
    wp_json_put_decimal(w, "saved", sum->saved, 12);
    wp_json_put_u64(w, "prompt_tokens", prompt);
    wp_json_put_u64(w, "completion_tokens", sum->output_tokens);
    wp_json_put_u64(w, "input_tokens", sum->input_tokens);
    wp_json_put_u64(w, "cache_read_input_tokens", sum->cache_read_tokens);
    wp_json_put_u64(w, "cache_creation_input_tokens", sum->cache_write_tokens);
    wp_json_put_decimal(w, "cache_hit_ratio",
                        prompt > 0 ? (double)sum->cache_read_tokens / (double)prompt : 0, 6);
    wp_json_put_u64(w, "predicted_cache_read_tokens", sum->predicted_read_tokens);
    wp_json_put_u64(w, "keep_warm_renewals", sum->renewals);
    wp_json_put_decimal(w, "keep_warm_spend", sum->renewal_spend, 12);
    wp_json_put_decimal(w, "keep_warm_saved", sum->kept_warm_saved, 12);
    write_ttft(tally, w);
    wp_json_close(w);
}

static void write_histogram(struct store_tally *tally, struct wp_json_writer *w)
{
    if (tally->sum.requests == 0)
        lay_out_bars(tally);
    int64_t base = tally->bars_ms / tally->width_ms * tally->width_ms;
    wp_json_open_array(w, "histogram");
    for (size_t i = 0; i < WP_COUNT_OF(tally->bars); i++) {
        if (tally->bars[i].success + tally->bars[i].failure == 0)
            continue;
        wp_json_open_object(w, NULL);
        wp_json_put_i64(w, "t", base + (int64_t)i * tally->width_ms);
        wp_json_put_u64(w, "success", tally->bars[i].success);
        wp_json_put_u64(w, "failure", tally->bars[i].failure);
        wp_json_close(w);
    }
    wp_json_close(w);
    wp_json_put_i64(w, "bucket_ms", tally->width_ms);
    if (tally->from_ms != 0 && tally->bars_ms > tally->from_ms && tally->sum.requests > 0)
        wp_json_put_i64(w, "since_ms", tally->bars_ms);
}

static bool goes_before(const struct store_facet_value *a, const struct store_facet_value *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    size_t least = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = memcmp(a->text.ptr, b->text.ptr, least);
    return order != 0 ? order < 0 : a->text.len < b->text.len;
}

static void write_facet(const struct wp_map *values, const char *column, struct wp_json_writer *w)
{
    const struct store_facet_value *most[FACET_ROWS + 1];
    size_t count = 0, cursor = 0;
    wp_view key;
    void *value;
    while (wp_map_next(values, &cursor, &key, &value)) {
        size_t at = count;
        for (; at > 0 && goes_before(value, most[at - 1]); at--)
            most[at] = most[at - 1];
        most[at] = value;
        count = count < FACET_ROWS ? count + 1 : FACET_ROWS;
    }
    wp_json_open_array(w, column);
    for (size_t i = 0; i < count; i++) {
        wp_json_open_object(w, NULL);
        wp_json_put_str(w, "value", most[i]->text);
        wp_json_put_u64(w, "count", most[i]->count);
        wp_json_close(w);
    }
    wp_json_close(w);
}

void store_tally_write(struct store_tally *tally, struct wp_json_writer *w)
{
    write_totals(tally, w);
    write_histogram(tally, w);
    wp_json_open_object(w, "facets");
    for (size_t i = 0; i < STORE_FACETS; i++)
        write_facet(&tally->values[i], facet_names[i], w);
    wp_json_close(w);
}
