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
}
