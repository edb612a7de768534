// Token usage as providers report it, from JSON answers and from streamed events. Pure.
#ifndef WP_PROMPT_USAGE_H
#define WP_PROMPT_USAGE_H

#include "json/scan.h"

struct wp_usage {
    bool seen;      // a usage object has been read
    bool final;     // output_tokens is the provider's last word
    uint64_t input; // uncached input tokens
    uint64_t cache_read;
    uint64_t cache_write_5m;
    uint64_t cache_write_1h;
    uint64_t output;
    uint64_t web_search_requests;
    uint64_t web_fetch_requests;
    // Work besides the message itself (compaction, an advisor, a fallback): the totals above leave
    // it out, it is billed all the same.
    struct {
        uint64_t input, cache_read, cache_write_5m, cache_write_1h, output;
    } side;
    char service_tier[16]; // NUL-terminated, "" if absent
    char speed[16];
    char inference_geo[16]; // "us": only there, at a premium
};

static inline uint64_t wp_usage_cache_write(const struct wp_usage *usage)
{
    return usage->cache_write_5m + usage->cache_write_1h;
}
// input + cache_read + cache writes: LiteLLM's and OpenAI's prompt_tokens.
static inline uint64_t wp_usage_prompt(const struct wp_usage *usage)
{
    return usage->input + usage->cache_read + wp_usage_cache_write(usage);
}

// Reads the value that comes next, an Anthropic usage object, and replaces (never adds) the fields
// that it carries; null and anything else that is no object carries none. A
// cache_creation_input_tokens without the cache_creation split counts as 5 m.
void wp_usage_read(struct wp_usage *usage, struct wp_json_scan *scan);
// The same of a value that was cut out of its document.
void wp_usage_apply(struct wp_usage *usage, wp_view value);

#endif
