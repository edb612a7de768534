// What is known of each model: prices, minimum cacheable tokens, limits, what it takes of thinking
// and effort. From data/models.json (dated, overridable by file and by a deployment's own prices).
// Pure after loading.
#ifndef WP_PROMPT_MODEL_TABLE_H
#define WP_PROMPT_MODEL_TABLE_H

#include "base/arena.h"
#include "prompt/price.h"

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

#endif
