#include "prompt/model_table.h"

#include <stdio.h>

#include "base/alloc.h"
#include "json/doc.h"

enum { FAMILIES_MAX = 256 };

_Static_assert(WP_EFFORT_ALL == (1u << WP_EFFORT_COUNT) - 1, "a bit per level");

struct family {
    struct wp_model_info info;
    uint32_t bedrock_min_tokens; // 0: as everywhere
};

struct wp_model_table {
    struct wp_arena *arena;
    struct family families[FAMILIES_MAX];
    size_t count;
    struct family fallback;
};

static double number(const struct wp_json_val *object, const char *key, double fallback,
                     double scale)
{
    const struct wp_json_val *val = wp_json_get(object, key);
    double value = wp_json_double(val, -1);
    return val == NULL || value < 0 ? fallback : value * scale;
}

// What the file's "defaults" say where a row does not.
static double common(const struct wp_json_val *root, const struct wp_json_val *price,
                     const char *key, double fallback)
{
    return number(price, key, number(wp_json_get(root, "defaults"), key, fallback, 1), 1);
}

static void read_factors(const struct wp_json_val *root, const struct wp_json_val *price,
                         struct wp_price *out)
{
    out->web_search_request = common(root, price, "web_search_request", 0.01);
    out->web_fetch_request = common(root, price, "web_fetch_request", 0);
    out->fast_factor = common(root, price, "fast_factor", 6);
    out->us_only_factor = common(root, price, "us_only_factor", 1.1);
}

static void read_price(const struct wp_json_val *price, struct wp_price *out)
{
    const double mtok = 1e-6;
    out->input = number(price, "input", out->input, mtok);
    out->output = number(price, "output", out->output, mtok);
    // write 1.25 and 2 times, read a tenth, unless the row says otherwise
    out->cache_read = number(price, "cache_read", out->input * 0.1, mtok);
    out->cache_write_5m = number(price, "cache_write_5m", out->input * 1.25, mtok);
    out->cache_write_1h = number(price, "cache_write_1h", out->input * 2, mtok);
    const struct wp_json_val *tier = wp_json_get(price, "long_context");
    out->long_context_above = (uint32_t)wp_json_u64(wp_json_get(tier, "above"), 0);
    out->input_above_200k = number(tier, "input", -1, mtok);
    out->output_above_200k = number(tier, "output", -1, mtok);
    out->cache_read_above_200k = number(tier, "cache_read", -1, mtok);
    out->cache_write_5m_above_200k = number(tier, "cache_write_5m", -1, mtok);
    out->cache_write_1h_above_200k = number(tier, "cache_write_1h", -1, mtok);
}

static const char *const effort_names[WP_EFFORT_COUNT] = {
#define X(name) [WP_EFFORT_##name] = #name,
    WP_EFFORTS(X)
#undef X
};

enum wp_effort wp_effort_of(wp_view name)
{
    size_t i = 0;
    while (i < WP_EFFORT_COUNT && !wp_view_is(name, effort_names[i]))
        i++;
    return (enum wp_effort)i;
}

const char *wp_effort_name(enum wp_effort effort)
{
    WP_CHECK((unsigned)effort < WP_EFFORT_COUNT);
    return effort_names[effort];
}

// true: all; a list: those. False on a name that is none.
static bool read_efforts(const struct wp_json_val *effort, struct wp_model_info *info)
{
    info->effort = 0;
    if (wp_json_bool(effort, false))
        info->effort = WP_EFFORT_ALL;
    for (size_t i = 0; wp_json_is_array(effort) && i < wp_json_count(effort); i++) {
        enum wp_effort level = wp_effort_of(wp_json_str(wp_json_at(effort, i)));
        if (level == WP_EFFORT_COUNT)
            return false;
        info->effort |= (uint8_t)(1u << level);
    }
    return true;
}

// NULL, or what is wrong with the row.
static const char *read_family(const struct wp_json_val *root, const struct wp_json_val *row,
                               struct family *out)
{
    struct wp_model_info *info = &out->info;
    read_price(wp_json_get(row, "price"), &info->price);
    read_factors(root, wp_json_get(row, "price"), &info->price);
    const struct wp_json_val *minimum = wp_json_get(row, "min_cache_tokens");
    info->min_cache_tokens = (uint32_t)wp_json_u64(wp_json_get(minimum, "default"), 1024);
    out->bedrock_min_tokens = (uint32_t)wp_json_u64(wp_json_get(minimum, "bedrock"), 0);
    info->max_input_tokens = (uint32_t)wp_json_u64(wp_json_get(row, "max_input_tokens"), 0);
    info->max_output_tokens = (uint32_t)wp_json_u64(wp_json_get(row, "max_output_tokens"), 0);
    info->regional_factor = common(root, row, "regional_factor", 1.1);
    const struct wp_json_val *can = wp_json_get(row, "can");
    info->cache_ttl_1h = wp_json_bool(wp_json_get(can, "cache_ttl_1h"), true);
    info->thinking_in_head = wp_json_bool(wp_json_get(can, "thinking_in_head"), false);
    info->role_system = wp_json_bool(wp_json_get(can, "role_system"), false);
    info->adaptive_thinking = wp_json_bool(wp_json_get(can, "adaptive_thinking"), false);
    info->budget_thinking = wp_json_bool(wp_json_get(can, "budget_thinking"), true);
    info->anthropic_version_2026 = wp_json_bool(wp_json_get(can, "anthropic_version_2026"), false);
    return read_efforts(wp_json_get(can, "effort"), info) ? NULL
                                                          : "can.effort names a level that is none";
}

static struct family *find_family(struct wp_model_table *table, wp_view name)
{
    for (size_t i = 0; i < table->count; i++)
        if (wp_view_eq(table->families[i].info.family, name))
            return &table->families[i];
    return NULL;
}

static const char *load(struct wp_model_table *table, wp_view text)
{
    const struct wp_json_val *root = wp_json_parse(table->arena, text), *row;
    struct wp_json_iter iter = {0};
    wp_view name;
    if (!wp_json_is_object(root) || wp_json_str(wp_json_get(root, "date")).len == 0)
        return "not a JSON object with a date";
    const char *problem = NULL;
    if (wp_json_get(root, "unknown_model") != NULL)
        problem = read_family(root, wp_json_get(root, "unknown_model"), &table->fallback);
    while (problem == NULL && wp_json_each(wp_json_get(root, "models"), &iter, &name, &row)) {
        struct family *family = find_family(table, name);
        if (family == NULL && table->count == FAMILIES_MAX)
            return "too many models";
        if (family == NULL)
            family = &table->families[table->count++];
        *family = (struct family){.info.family = name};
        problem = read_family(root, row, family);
        if (family->info.price.input <= 0 || family->info.price.output <= 0)
            return "a model without prices";
        family->info.price.known = true;
    }
    return problem;
}

struct wp_model_table *wp_model_table_load(wp_view text, wp_view override, char *error,
                                           size_t error_size)
{
    struct wp_model_table *table = wp_alloc(sizeof(*table));
    struct wp_arena *arena = wp_arena_create(0);
    const char *problem = "out of memory";
    if (table != NULL && arena != NULL) {
        table->arena = arena;
        problem = load(table, text);
        if (problem == NULL && override.len > 0)
            problem = load(table, override);
        if (problem == NULL)
            return table;
    }
    snprintf(error, error_size, "model table: %s", problem);
    wp_free(table);
    wp_arena_destroy(arena);
    return NULL;
}

void wp_model_table_free(struct wp_model_table *table)
{
    if (table == NULL)
        return;
    wp_arena_destroy(table->arena);
    wp_free(table);
}

// A family's name stands in the id as a whole word: "claude-opus-4" is not in "claude-opus-4-8".
static bool names_family(wp_view model, wp_view family)
{
    size_t at = wp_view_find(model, family);
    if (at == WP_NOT_FOUND)
        return false;
    wp_view rest = wp_view_skip(model, at + family.len);
    if (rest.len == 0 || rest.ptr[0] != '-')
        return rest.len == 0 || rest.ptr[0] == '@' || rest.ptr[0] == '[' || rest.ptr[0] == ':' ||
               rest.ptr[0] == '/';
    // "-20250929", "-v1:0", "-latest" may follow; a further short number is another family
    size_t digits = 0;
    while (1 + digits < rest.len && rest.ptr[1 + digits] >= '0' && rest.ptr[1 + digits] <= '9')
        digits++;
    return digits == 0 || digits >= 6;
}

bool wp_model_is_spelling(wp_view model, wp_view family)
{
    return family.len > 0 && names_family(model, family);
}

static bool is_regional(wp_view platform, wp_view model)
{
    static const char *const prefixes[] = {"us.", "eu.", "apac.", "au.", "jp.", "us-gov."};
    if (!wp_view_starts_with(platform, WP_VIEW("bedrock")))
        return false;
    size_t slash = wp_view_rfind_char(model, '/');
    wp_view id = slash == WP_NOT_FOUND ? model : wp_view_skip(model, slash + 1);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (wp_view_starts_with(id, wp_view_of(prefixes[i])))
            return true;
    return false;
}

void wp_model_regional(struct wp_model_info *info)
{
    if (info->regional_factor > 1)
        wp_price_scale(&info->price, info->regional_factor);
}

void wp_model_lookup(const struct wp_model_table *table, wp_view platform, wp_view model,
                     struct wp_model_info *out)
{
    const struct family *best = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const struct family *family = &table->families[i];
        if (names_family(model, family->info.family) &&
            (best == NULL || family->info.family.len > best->info.family.len))
            best = family;
    }
    if (best == NULL)
        best = &table->fallback;
    *out = best->info;
    if (wp_view_starts_with(platform, WP_VIEW("bedrock")) && best->bedrock_min_tokens > 0)
        out->min_cache_tokens = best->bedrock_min_tokens;
    if (is_regional(platform, model))
        wp_model_regional(out);
}
