#include "prompt/usage.h"

#include "base/check.h"

// What one object says. Counts that it leaves out are SILENT.
struct told {
    bool is_object, has_split;
    uint64_t input, cache_read, written, write_5m, write_1h, output;
    uint64_t web_searches, web_fetches;
    wp_view service_tier, speed, inference_geo, type, iterations;
};

static const uint64_t SILENT = UINT64_MAX;

static struct told nothing_told(void)
{
    return (struct told){
        .input = SILENT,
        .cache_read = SILENT,
        .written = SILENT,
        .write_5m = SILENT,
        .write_1h = SILENT,
        .output = SILENT,
        .web_searches = SILENT,
        .web_fetches = SILENT,
    };
}

// Reading --------------------------------------------------------------------------------------

struct field {
    wp_view name;
    size_t offset; // in struct told
    void (*read)(struct told *told, void *field, struct wp_json_scan *scan);
};

static void read_fields(struct told *told, struct wp_json_scan *scan, const struct field *fields,
                        size_t count)
{
    wp_view key;
    while (wp_json_next_key(scan, &key)) {
        size_t i = 0;
        while (i < count && !wp_view_eq(key, fields[i].name))
            i++;
        if (i < count)
            fields[i].read(told, (char *)told + fields[i].offset, scan);
        else
            (void)wp_json_value(scan);
    }
}

// Of a peer: whole numbers mostly.
static void read_count(struct told *told, void *field, struct wp_json_scan *scan)
{
    wp_view value = wp_json_value(scan);
    uint64_t *count = field;
    double real;
    (void)told;
    if (!wp_json_number_u64(value, count) && wp_view_parse_double(value, &real) && real >= 0 &&
        real < 1.8e19)
        *count = (uint64_t)real;
}

// The names that matter are written without escapes.
static void read_name(struct told *told, void *field, struct wp_json_scan *scan)
{
    wp_view value = wp_json_value(scan);
    (void)told;
    if (wp_json_is_string(value))
        *(wp_view *)field = wp_view_sub(value, 1, value.len - 1);
}

static void read_range(struct told *told, void *field, struct wp_json_scan *scan)
{
    (void)told;
    *(wp_view *)field = wp_json_value(scan);
}

#define FIELD(name, member, read)                                      \
    {                                                                  \
        {name, sizeof(name) - 1}, offsetof(struct told, member), read, \
    }

// Of cache_creation or server_tool_use, with their own names of fields.
static bool read_inner(struct told *told, struct wp_json_scan *scan, const struct field *fields,
                       size_t count)
{
    if (wp_json_peek(scan) != WP_JSON_OBJECT) {
        (void)wp_json_value(scan);
        return false;
    }
    if (wp_json_enter_object(scan))
        read_fields(told, scan, fields, count);
    return true;
}

static void read_split(struct told *told, void *field, struct wp_json_scan *scan)
{
    static const struct field fields[] = {
        FIELD("ephemeral_5m_input_tokens", write_5m, read_count),
        FIELD("ephemeral_1h_input_tokens", write_1h, read_count),
    };
    *(bool *)field = read_inner(told, scan, fields, WP_COUNT_OF(fields));
}

static void read_tools(struct told *told, void *field, struct wp_json_scan *scan)
{
    static const struct field fields[] = {
        FIELD("web_search_requests", web_searches, read_count),
        FIELD("web_fetch_requests", web_fetches, read_count),
    };
    (void)field;
    (void)read_inner(told, scan, fields, WP_COUNT_OF(fields));
}

static struct told read_object(struct wp_json_scan *scan)
{
    static const struct field fields[] = {
        FIELD("input_tokens", input, read_count),
        FIELD("output_tokens", output, read_count),
        FIELD("cache_read_input_tokens", cache_read, read_count),
        FIELD("cache_creation_input_tokens", written, read_count),
        FIELD("cache_creation", has_split, read_split),
        FIELD("server_tool_use", web_searches, read_tools),
        FIELD("service_tier", service_tier, read_name),
        FIELD("speed", speed, read_name),
        FIELD("inference_geo", inference_geo, read_name),
        FIELD("type", type, read_name),
        FIELD("iterations", iterations, read_range),
    };
    struct told told = nothing_told();
    told.is_object = read_inner(&told, scan, fields, WP_COUNT_OF(fields));
    return told;
}

// Applying -------------------------------------------------------------------------------------

static void apply(uint64_t told, uint64_t *field)
{
    if (told != SILENT)
        *field = told;
}

static uint64_t or_none(uint64_t told)
{
    return told == SILENT ? 0 : told;
}

static void apply_name(wp_view text, char *out, size_t size)
{
    text = wp_view_sub(text, 0, size - 1);
    if (text.len == 0)
        return;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void add_side(struct wp_usage *usage, const struct told *step)
{
    uint64_t hour = or_none(step->write_1h), written = or_none(step->written);
    usage->side.input += or_none(step->input);
    usage->side.cache_read += or_none(step->cache_read);
    usage->side.cache_write_1h += hour;
    usage->side.cache_write_5m += written > hour ? written - hour : 0;
    usage->side.output += or_none(step->output);
}

// The list is cumulative like everything in usage: the last one counts.
static void apply_iterations(struct wp_usage *usage, wp_view list)
{
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, list);
    if (wp_json_peek(&scan) != WP_JSON_ARRAY || !wp_json_enter_array(&scan))
        return;
    memset(&usage->side, 0, sizeof(usage->side));
    while (wp_json_next_element(&scan)) {
        struct told step = read_object(&scan);
        if (!wp_view_is(step.type, "message"))
            add_side(usage, &step);
    }
}

static void apply_writes(struct wp_usage *usage, const struct told *told)
{
    if (told->has_split) {
        apply(told->write_5m, &usage->cache_write_5m);
        apply(told->write_1h, &usage->cache_write_1h);
    } else if (told->written != SILENT && told->written != wp_usage_cache_write(usage)) {
        usage->cache_write_5m = told->written;
        usage->cache_write_1h = 0;
    }
}

void wp_usage_read(struct wp_usage *usage, struct wp_json_scan *scan)
{
    struct told told = read_object(scan);
    if (!told.is_object)
        return;
    usage->seen = true;
    apply(told.input, &usage->input);
    apply(told.cache_read, &usage->cache_read);
    apply(told.output, &usage->output);
    apply_writes(usage, &told);
    apply(told.web_searches, &usage->web_search_requests);
    apply(told.web_fetches, &usage->web_fetch_requests);
    apply_name(told.service_tier, usage->service_tier, sizeof(usage->service_tier));
    apply_name(told.speed, usage->speed, sizeof(usage->speed));
    apply_name(told.inference_geo, usage->inference_geo, sizeof(usage->inference_geo));
    if (told.iterations.len > 0)
        apply_iterations(usage, told.iterations);
}

void wp_usage_apply(struct wp_usage *usage, wp_view value)
{
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, value);
    if (value.len > 0)
        wp_usage_read(usage, &scan);
}
