// data/betas.json → rule sets. The override file has the same shape; its rules replace those of
// the same name, the others stay.
#include "provider/tables.h"

#include <stdio.h>

#include "json/doc.h"

enum { PLATFORMS_MAX = 16, RULES_MAX = 1024 };

struct wp_provider_tables {
    struct wp_arena *arena;
    struct wp_platform_rules *platforms;
    size_t count;
};

// Where the loader stands, for messages.
struct load {
    struct wp_provider_tables *tables;
    const char *source; // "betas" or "override"
    wp_view platform, set, rule;
    char *error;
    size_t error_size;
};

static bool complain(struct load *load, const char *what)
{
    snprintf(load->error, load->error_size, "%s: platforms.%.*s.%.*s.%.*s: %s", load->source,
             WP_VIEW_ARG(load->platform), WP_VIEW_ARG(load->set), WP_VIEW_ARG(load->rule), what);
    return false;
}

static bool read_capability(struct load *load, const struct wp_json_val *val, struct wp_rule *rule)
{
    static const char *const names[WP_CAPABILITY_COUNT] = {
#define X(name) [WP_CAPABILITY_##name] = #name,
        WP_CAPABILITIES(X)
#undef X
    };
    wp_view wanted = wp_json_str(val);
    for (size_t i = 1; i < WP_CAPABILITY_COUNT; i++) {
        if (!wp_view_is(wanted, names[i]))
            continue;
        rule->capability = (enum wp_capability)i;
        return true;
    }
    return complain(load, "unknown capability");
}

static bool read_list(struct load *load, const struct wp_json_val *val, struct wp_name_list *out)
{
    size_t count = wp_json_count(val);
    if (!wp_json_is_array(val) || count == 0)
        return complain(load, "expected a list of names");
    wp_view *list = wp_arena_array(load->tables->arena, count, sizeof(*list));
    if (list == NULL)
        return complain(load, "out of memory");
    for (size_t i = 0; i < count; i++) {
        list[i] = wp_json_str(wp_json_at(val, i));
        if (list[i].len == 0)
            return complain(load, "expected a list of names");
    }
    *out = (struct wp_name_list){list, count};
    return true;
}

static bool read_otherwise(struct load *load, const struct wp_json_val *val, struct wp_rule *rule)
{
    wp_view wanted = wp_json_str(val);
    if (wp_view_is(wanted, "inline"))
        rule->otherwise = WP_OTHERWISE_INLINE;
    else if (wp_view_is(wanted, "breakpoint"))
        rule->otherwise = WP_OTHERWISE_BREAKPOINT;
    else
        return complain(load, "otherwise is \"inline\" or \"breakpoint\"");
    return true;
}

static bool read_member(struct load *load, wp_view key, const struct wp_json_val *val,
                        struct wp_rule *rule)
{
    if (wp_view_is(key, "keep")) {
        rule->keep = wp_json_bool(val, true);
        return true;
    }
    if (wp_view_is(key, "send")) {
        rule->send = wp_json_str(val);
        return rule->send.len > 0 || complain(load, "send is a name");
    }
    if (wp_view_is(key, "beta")) {
        rule->beta = wp_json_str(val);
        return rule->beta.len > 0 || complain(load, "beta is a name");
    }
    if (wp_view_is(key, "capability"))
        return read_capability(load, val, rule);
    if (wp_view_is(key, "models"))
        return read_list(load, val, &rule->models);
    if (wp_view_is(key, "except"))
        return read_list(load, val, &rule->except);
    if (wp_view_is(key, "with"))
        return read_list(load, val, &rule->with);
    if (wp_view_is(key, "otherwise"))
        return read_otherwise(load, val, rule);
    if (wp_view_is(key, "note"))
        return true;
    return complain(load, "unknown condition");
}

static bool read_rule(struct load *load, const struct wp_json_val *val, struct wp_rule *rule)
{
    rule->keep = true;
    if (wp_json_is_str(val)) {
        rule->send = wp_json_str(val);
        return rule->send.len > 0 || complain(load, "an empty name");
    }
    if (!wp_json_is_object(val)) {
        rule->keep = wp_json_bool(val, false);
        return rule->keep == wp_json_bool(val, true) || complain(load, "expected true or false");
    }
    struct wp_json_iter iter = {0};
    wp_view key;
    const struct wp_json_val *member;
    while (wp_json_each(val, &iter, &key, &member)) {
        if (!read_member(load, key, member, rule))
            return false;
    }
    return true;
}

// The slot of that name, a new one if there is none.
static struct wp_rule *rule_slot(struct load *load, struct wp_rules *rules, wp_view name)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (wp_view_eq(rules->list[i].name, name))
            return &rules->list[i];
    }
    if (rules->count == RULES_MAX)
        return NULL;
    if (rules->count == rules->capacity) {
        size_t capacity = rules->capacity == 0 ? 32 : 2 * rules->capacity;
        struct wp_rule *list = wp_arena_array(load->tables->arena, capacity, sizeof(*list));
        if (list == NULL)
            return NULL;
        if (rules->count > 0)
            memcpy(list, rules->list, rules->count * sizeof(*list));
        rules->list = list;
        rules->capacity = capacity;
    }
    return &rules->list[rules->count++];
}

static bool read_rules(struct load *load, const struct wp_json_val *val, struct wp_rules *rules)
{
    struct wp_json_iter iter = {0};
    const struct wp_json_val *member;
    wp_view key;
    while (wp_json_each(val, &iter, &key, &member)) {
        load->rule = key;
        struct wp_rule rule = {.name = key};
        if (!read_rule(load, member, &rule))
            return false;
        struct wp_rule *slot = rule_slot(load, rules, key);
        if (slot == NULL)
            return complain(load, "too many rules");
        *slot = rule;
    }
    return true;
}

static struct wp_rules *rules_of(struct wp_platform_rules *platform, wp_view set)
{
#define X(name)                 \
    if (wp_view_is(set, #name)) \
        return &platform->name;
    WP_RULE_SETS(X)
#undef X
    return NULL;
}

static bool read_platform(struct load *load, const struct wp_json_val *val,
                          struct wp_platform_rules *platform)
{
    struct wp_json_iter iter = {0};
    const struct wp_json_val *member;
    wp_view key;
    while (wp_json_each(val, &iter, &key, &member)) {
        load->set = key;
        load->rule = (wp_view){NULL, 0};
        struct wp_rules *rules = rules_of(platform, key);
        if (rules == NULL) {
            if (wp_view_is(key, "note"))
                continue;
            return complain(load, "unknown rule set");
        }
        if (!wp_json_is_object(member))
            return complain(load, "expected an object");
        if (!read_rules(load, member, rules))
            return false;
    }
    return true;
}

static struct wp_platform_rules *platform_slot(struct wp_provider_tables *tables, wp_view name)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (wp_view_eq(tables->platforms[i].name, name))
            return &tables->platforms[i];
    }
    if (tables->count == PLATFORMS_MAX)
        return NULL;
    struct wp_platform_rules *platform = &tables->platforms[tables->count++];
    platform->name = name;
    return platform;
}

static bool read_text(struct load *load, wp_view text)
{
    const struct wp_json_val *root = wp_json_parse(load->tables->arena, text);
    const struct wp_json_val *platforms = wp_json_get(root, "platforms");
    if (!wp_json_is_object(platforms)) {
        snprintf(load->error, load->error_size, "%s: %s", load->source,
                 root == NULL ? "not valid JSON" : "an object \"platforms\" is missing");
        return false;
    }
    struct wp_json_iter iter = {0};
    const struct wp_json_val *member;
    wp_view key;
    while (wp_json_each(platforms, &iter, &key, &member)) {
        load->platform = key;
        load->set = load->rule = (wp_view){NULL, 0};
        struct wp_platform_rules *platform = platform_slot(load->tables, key);
        if (platform == NULL || !wp_json_is_object(member))
            return complain(load, platform == NULL ? "too many platforms" : "expected an object");
        if (!read_platform(load, member, platform))
            return false;
    }
    return true;
}

struct wp_provider_tables *wp_provider_tables_load(wp_view text, wp_view override, char *error,
                                                   size_t error_size)
{
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_provider_tables *tables =
        arena == NULL ? NULL : WP_ARENA_NEW(arena, struct wp_provider_tables);
    if (tables == NULL) {
        snprintf(error, error_size, "betas: out of memory");
        wp_arena_destroy(arena);
        return NULL;
    }
    tables->arena = arena;
    tables->platforms = wp_arena_array(arena, PLATFORMS_MAX, sizeof(*tables->platforms));
    struct load load = {
        .tables = tables, .source = "betas", .error = error, .error_size = error_size};
    bool good = tables->platforms != NULL && read_text(&load, text);
    if (good && override.len > 0) {
        load.source = "override of betas";
        good = read_text(&load, override);
    }
    if (good)
        return tables;
    wp_arena_destroy(arena);
    return NULL;
}

void wp_provider_tables_free(struct wp_provider_tables *tables)
{
    if (tables != NULL)
        wp_arena_destroy(tables->arena);
}

const struct wp_platform_rules *wp_tables_platform(const struct wp_provider_tables *tables,
                                                   const char *name)
{
    if (tables == NULL || name == NULL)
        return NULL;
    for (size_t i = 0; i < tables->count; i++) {
        if (wp_view_is(tables->platforms[i].name, name))
            return &tables->platforms[i];
    }
    return NULL;
}

bool wp_name_matches(wp_view pattern, wp_view name)
{
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*')
        return wp_view_starts_with(name, wp_view_sub(pattern, 0, pattern.len - 1));
    return wp_view_eq(pattern, name);
}

// An exact name beats a prefix, the longest prefix beats the shorter ones ("*" is the shortest).
const struct wp_rule *wp_rules_find(const struct wp_rules *rules, wp_view name)
{
    const struct wp_rule *best = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        const struct wp_rule *rule = &rules->list[i];
        if (wp_view_eq(rule->name, name))
            return rule;
        if (wp_name_matches(rule->name, name) && (best == NULL || rule->name.len > best->name.len))
            best = rule;
    }
    return best;
}

bool wp_rules_has_prefix(const struct wp_rules *rules, wp_view prefix)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (wp_view_starts_with(rules->list[i].name, prefix))
            return true;
    }
    return false;
}

static bool has_capability(enum wp_capability capability, const struct wp_model_info *model)
{
    switch (capability) {
#define X(name)                \
    case WP_CAPABILITY_##name: \
        return model->name != 0;
        WP_CAPABILITIES(X)
#undef X
    case WP_CAPABILITY_NONE:
    case WP_CAPABILITY_COUNT:
        break;
    }
    return true;
}

static bool listed(const struct wp_name_list *names, wp_view family)
{
    for (size_t i = 0; i < names->count; i++) {
        if (wp_name_matches(names->list[i], family))
            return true;
    }
    return false;
}

bool wp_rule_fits_model(const struct wp_rule *rule, const struct wp_model_info *model)
{
    if (rule == NULL)
        return true;
    bool known = model != NULL && model->price.known;
    if (rule->capability != WP_CAPABILITY_NONE && known && !has_capability(rule->capability, model))
        return false;
    if (rule->models.count > 0 && !(known && listed(&rule->models, model->family)))
        return false;
    return !(known && listed(&rule->except, model->family));
}
