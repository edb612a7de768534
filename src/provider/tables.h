// The rules of data/betas.json: what a platform takes of a Messages request. Private to the room.
//
// A rule set maps a name to what becomes of it; the entry "*" is for all names without a rule of
// their own, and a name that ends in '*' stands for every name with that beginning.
#ifndef WP_PROVIDER_TABLES_H
#define WP_PROVIDER_TABLES_H

#include "provider/provider.h"

// Flags of wp_model_info that a rule may ask for.
#define WP_CAPABILITIES(X) \
    X(effort)              \
    X(adaptive_thinking)   \
    X(budget_thinking)     \
    X(role_system)         \
    X(cache_ttl_1h)        \
    X(anthropic_version_2026)

enum wp_capability {
    WP_CAPABILITY_NONE,
#define X(name) WP_CAPABILITY_##name,
    WP_CAPABILITIES(X)
#undef X
        WP_CAPABILITY_COUNT
};

// What replaces a field that cannot be sent.
enum wp_otherwise {
    WP_OTHERWISE_NOTHING,
    WP_OTHERWISE_INLINE,     // a JSON schema is asked for in the last user message
    WP_OTHERWISE_BREAKPOINT, // a cache_control on the last cacheable block
};

struct wp_name_list {
    const wp_view *list;
    size_t count;
};

struct wp_rule {
    wp_view name;
    bool keep;
    wp_view send;                  // betas: the name that the platform knows; empty: the same
    enum wp_capability capability; // the model must have it (models that are not known do)
    struct wp_name_list models;    // families that take it; empty: all
    struct wp_name_list except;    // families that do not
    wp_view beta;                  // must be among the betas that are sent
    struct wp_name_list with;      // betas: only together with one of these
    enum wp_otherwise otherwise;
};

struct wp_rules {
    struct wp_rule *list;
    size_t count, capacity;
};

#define WP_RULE_SETS(X) \
    X(betas)            \
    X(fields)           \
    X(edits)            \
    X(tools)            \
    X(tool_fields)      \
    X(cache_control)

struct wp_platform_rules {
    wp_view name;
#define X(set) struct wp_rules set;
    WP_RULE_SETS(X)
#undef X
};

// NULL when the tables say nothing about the platform: nothing is filtered then.
const struct wp_platform_rules *wp_tables_platform(const struct wp_provider_tables *tables,
                                                   const char *name);
// The rule for `name`; NULL when the set has neither it nor "*".
const struct wp_rule *wp_rules_find(const struct wp_rules *rules, wp_view name);
// True when a name in the set begins with `prefix`.
bool wp_rules_has_prefix(const struct wp_rules *rules, wp_view prefix);
// Does the model meet the rule's capability, models and except? A missing rule is met.
bool wp_rule_fits_model(const struct wp_rule *rule, const struct wp_model_info *model);
// "name" or "prefix*".
bool wp_name_matches(wp_view pattern, wp_view name);

#endif
