#include "prompt/usage.h"

static void apply(const struct wp_json_val *object, const char *key, uint64_t *field)
{
    const struct wp_json_val *val = wp_json_get(object, key);
    if (val != NULL && !wp_json_is_null(val))
        *field = wp_json_u64(val, *field);
}

static void apply_name(const struct wp_json_val *object, const char *key, char *out, size_t size)
{
    wp_view text = wp_view_sub(wp_json_str(wp_json_get(object, key)), 0, size - 1);
    if (text.len == 0)
        return;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void add_side(struct wp_usage *usage, const struct wp_json_val *step)
{
    const struct wp_json_val *split = wp_json_get(step, "cache_creation");
    uint64_t hour = wp_json_u64(wp_json_get(split, "ephemeral_1h_input_tokens"), 0);
    uint64_t written = wp_json_u64(wp_json_get(step, "cache_creation_input_tokens"), 0);
    usage->side.input += wp_json_u64(wp_json_get(step, "input_tokens"), 0);
    usage->side.cache_read += wp_json_u64(wp_json_get(step, "cache_read_input_tokens"), 0);
    usage->side.cache_write_1h += hour;
    usage->side.cache_write_5m += written > hour ? written - hour : 0;
    usage->side.output += wp_json_u64(wp_json_get(step, "output_tokens"), 0);
}

// The list is cumulative like everything in usage: the last one counts.
static void apply_iterations(struct wp_usage *usage, const struct wp_json_val *list)
{
    if (!wp_json_is_array(list))
        return;
    memset(&usage->side, 0, sizeof(usage->side));
    for (size_t i = 0; i < wp_json_count(list); i++) {
        const struct wp_json_val *step = wp_json_at(list, i);
        if (!wp_view_is(wp_json_str(wp_json_get(step, "type")), "message"))
            add_side(usage, step);
    }
}

void wp_usage_apply(struct wp_usage *usage, const struct wp_json_val *object)
{
    const struct wp_json_val *split = wp_json_get(object, "cache_creation");
    uint64_t written = UINT64_MAX;
    if (!wp_json_is_object(object))
        return;
    usage->seen = true;
    apply(object, "input_tokens", &usage->input);
    apply(object, "cache_read_input_tokens", &usage->cache_read);
    apply(object, "output_tokens", &usage->output);
    apply(object, "cache_creation_input_tokens", &written);
    if (wp_json_is_object(split)) {
        apply(split, "ephemeral_5m_input_tokens", &usage->cache_write_5m);
        apply(split, "ephemeral_1h_input_tokens", &usage->cache_write_1h);
    } else if (written != UINT64_MAX && written != wp_usage_cache_write(usage)) {
        usage->cache_write_5m = written;
        usage->cache_write_1h = 0;
    }
    apply(wp_json_get(object, "server_tool_use"), "web_search_requests",
          &usage->web_search_requests);
    apply(wp_json_get(object, "server_tool_use"), "web_fetch_requests", &usage->web_fetch_requests);
    apply_name(object, "service_tier", usage->service_tier, sizeof(usage->service_tier));
    apply_name(object, "speed", usage->speed, sizeof(usage->speed));
    apply_name(object, "inference_geo", usage->inference_geo, sizeof(usage->inference_geo));
    apply_iterations(usage, wp_json_get(object, "iterations"));
}
