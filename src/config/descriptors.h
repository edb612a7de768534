// Inside config/: one row per key. The table drives the parser, its messages, docs/configuration.md
// and the refusal or warning for keys that LiteLLM has and Warmpath does not.
#ifndef WP_CONFIG_DESCRIPTORS_H
#define WP_CONFIG_DESCRIPTORS_H

#include <stddef.h>

#include "config/snapshot.h"

enum wp_level {
    WP_LEVEL_TOP,
    WP_LEVEL_ENTRY, // model_list[]
    WP_LEVEL_PARAMS,
    WP_LEVEL_INFO,
    WP_LEVEL_ROUTER,
    WP_LEVEL_LITELLM,
    WP_LEVEL_GENERAL,
    WP_LEVEL_COUNT,
};
// "model_list[].litellm_params"
const char *wp_level_name(enum wp_level level);

enum wp_type {
    WP_TYPE_TEXT,      // wp_view
    WP_TYPE_BOOL,      // bool
    WP_TYPE_UINT32,    // uint32_t
    WP_TYPE_INT32,     // int32_t
    WP_TYPE_UINT64,    // uint64_t
    WP_TYPE_SECONDS,   // seconds → uint32_t ms
    WP_TYPE_SECONDS64, // seconds → int64_t ms
    WP_TYPE_NUMBER,    // double ≥ 0
    WP_TYPE_MEGABYTES, // → uint64_t bytes
    WP_TYPE_DAYS,      // "30d", "12h" → uint32_t days
    WP_TYPE_STRATEGY,
    WP_TYPE_CHECKS,  // optional_pre_call_checks
    WP_TYPE_BILLING, // keep | drop
    WP_TYPE_POLICY,  // retry_policy, allowed_fails_policy
    WP_TYPE_URL,     // wp_view: http(s)://host[:port][/path]
    // Of these only the kind is checked here; the loader reads them itself.
    WP_TYPE_LIST,
    WP_TYPE_MAP,
    WP_TYPE_NAME,
    WP_TYPE_ELSEWHERE, // nothing is checked
};

enum wp_support {
    WP_SUPPORTED,
    WP_OWN,     // Warmpath's own key
    WP_IGNORED, // LiteLLM's, without effect: a warning
    WP_QUIET,   // LiteLLM's, without effect and without harm: nothing is said
    WP_REFUSED, // ignoring it would change who may do what: an error
};

struct wp_descriptor {
    enum wp_level level;
    const char *key; // of IGNORED rows "prefix*" stands for all that begin so
    enum wp_type type;
    size_t offset; // into the level's struct
    enum wp_support support;
    const char *fallback; // what holds without it; "" for none
    const char *doc;      // one line; for REFUSED the reason
    bool secret;
};

extern const struct wp_descriptor wp_descriptors[];
extern const size_t wp_descriptor_count;
// NULL if the level has no such key. litellm_settings may hold the keys of router_settings too.
const struct wp_descriptor *wp_descriptor_find(enum wp_level level, wp_view key);
// The known key that is nearest to a misspelt one, or NULL.
const char *wp_descriptor_nearest(enum wp_level level, wp_view key);
const char *wp_type_expected(enum wp_type type);

#endif
