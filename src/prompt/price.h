// Prices and minimum cacheable tokens per model, from data/models.json (dated, overridable by
// file and by a deployment's own prices). Pure after loading.
#ifndef WP_PROMPT_PRICE_H
#define WP_PROMPT_PRICE_H

#include "base/arena.h"
#include "prompt/usage.h"

// USD per token. A field < 0 means "not known".
struct wp_price {
    double input, output, cache_read, cache_write_5m, cache_write_1h;
    double input_above_200k, output_above_200k, cache_read_above_200k, cache_write_5m_above_200k,
        cache_write_1h_above_200k; // < 0: no long-context tier
    uint32_t long_context_above;   // tokens of prompt at which the tier switches (0: none)
    double web_search_request;     // USD each
    double web_fetch_request;      // USD each, beside its tokens
    double fast_factor;            // of every token with speed "fast"
    double us_only_factor;         // of every token with inference_geo "us"
    bool known;                    // false: the conservative default of the table
};

// Values of output_config.effort, from the least up.
#define WP_EFFORTS(X) \
    X(low)            \
    X(medium)         \
    X(high)           \
    X(xhigh)          \
    X(max)
// All of them, as wp_model_info has them.
enum { WP_EFFORT_ALL = 0x1f };
enum wp_effort {
#define X(name) WP_EFFORT_##name,
    WP_EFFORTS(X)
#undef X
        WP_EFFORT_COUNT
};
// WP_EFFORT_COUNT: a name of another time.
enum wp_effort wp_effort_of(wp_view name);
const char *wp_effort_name(enum wp_effort effort);

struct wp_model_info {
    wp_view family; // canonical name, "claude-sonnet-4-5"
    struct wp_price price;
    double regional_factor; // of a regional endpoint's prices over the global one's
    uint32_t min_cache_tokens;
    uint32_t max_input_tokens, max_output_tokens; // 0: not known
    bool cache_ttl_1h, role_system, adaptive_thinking, budget_thinking;
    bool thinking_in_head; // changing thinking or effort changes what is cached of tools and system
    uint8_t effort;        // bit per enum wp_effort that it takes; 0: none
    bool anthropic_version_2026; // accepts anthropic_version 2026-10-21 on Bedrock
};

struct wp_model_table;

// Parses the JSON text of data/models.json, then `override` (same shape, may be empty) on top.
// NULL with a sentence in error (size bytes) on bad data. Freed with wp_model_table_free.
struct wp_model_table *wp_model_table_load(wp_view text, wp_view override, char *error,
                                           size_t error_size);
void wp_model_table_free(struct wp_model_table *table);
// Looks a model up by any of its spellings: bare ids, Bedrock ids with region prefixes and
// version suffixes, ARNs, "provider/" prefixes, "[1m]", Vertex "@date". `platform` is "anthropic" |
// "bedrock" | "vertex" | "azure" and picks platform differences (minimum tokens, regional
// premium of "us." / "eu." … profiles). Always fills *out (conservative default, known = false).
void wp_model_lookup(const struct wp_model_table *table, wp_view platform, wp_view model,
                     struct wp_model_info *out);

// Is `model` a spelling of the family's name? The client that asked for it knows what it can do.
bool wp_model_is_spelling(wp_view model, wp_view family);
// Puts the premium of a regional endpoint on the prices: for platforms whose model id does not show
// the region (Vertex AI). wp_model_lookup does so itself for Bedrock's profiles.
void wp_model_regional(struct wp_model_info *info);

// USD of one answer: tokens by class (long-context tier by total prompt tokens; fast mode and
// inference_geo multiply), server tools by call.
double wp_price_usage(const struct wp_price *price, const struct wp_usage *usage);

#endif
