#include <stdio.h>

#include "base/log.h"
#include "base/url.h"
#include "config/private.h"

// What was found, without anything that may be a secret.
static wp_view shown(const struct wp_descriptor *descriptor, const struct wp_yaml_node *node)
{
    if (node->kind == WP_YAML_LIST)
        return WP_VIEW("a list");
    if (node->kind == WP_YAML_MAP)
        return WP_VIEW("a mapping");
    if (descriptor->secret || descriptor->type == WP_TYPE_URL || node->env.len > 0)
        return WP_VIEW("another value");
    return wp_view_sub(node->text, 0, 80);
}

static bool complain(struct wp_diagnostics *diagnostics, const struct wp_yaml_node *node,
                     const struct wp_path *path, const struct wp_descriptor *descriptor)
{
    wp_view found = shown(descriptor, node);
    const char *quote = found.ptr == node->text.ptr && node->kind == WP_YAML_TEXT ? "\"" : "";
    wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, &node->place, path, "expected %s, got %s%.*s%s",
                       wp_type_expected(descriptor->type), quote, WP_VIEW_ARG(found), quote);
    return false;
}

// Numbers from the environment are text.
static bool number(const struct wp_yaml_node *node, double *out)
{
    if (node->kind == WP_YAML_INT || node->kind == WP_YAML_FLOAT) {
        *out = node->number;
        return true;
    }
    return node->kind == WP_YAML_TEXT && wp_view_parse_double(node->text, out);
}

static bool whole(const struct wp_yaml_node *node, double least, double most, double *out)
{
    return number(node, out) && *out >= least && *out <= most && *out == (double)(int64_t)*out;
}

static bool boolean(const struct wp_yaml_node *node, bool *out)
{
    if (node->kind == WP_YAML_BOOL) {
        *out = node->boolean;
        return true;
    }
    if (node->kind != WP_YAML_TEXT)
        return false;
    *out = wp_view_eq_nocase(node->text, WP_VIEW("true"));
    return *out || wp_view_eq_nocase(node->text, WP_VIEW("false"));
}

static bool days(const struct wp_yaml_node *node, uint32_t *out)
{
    wp_view text = node->text;
    uint64_t value;
    if (text.len < 2 || !wp_view_parse_u64(wp_view_sub(text, 0, text.len - 1), &value))
        return false;
    uint64_t seconds = 0;
    switch (text.ptr[text.len - 1]) {
    case 'd':
        seconds = value * 86400;
        break;
    case 'h':
        seconds = value * 3600;
        break;
    case 'm':
        seconds = value * 60;
        break;
    case 's':
        seconds = value;
        break;
    default:
        return false;
    }
    *out = (uint32_t)((seconds + 86399) / 86400);
    return value > 0 && value < 100000;
}

static bool strategy(const struct wp_yaml_node *node, enum wp_strategy *out)
{
    static const struct {
        const char *name;
        enum wp_strategy strategy;
    } rows[] = {{"simple-shuffle", WP_STRATEGY_SIMPLE_SHUFFLE},
                {"least-busy", WP_STRATEGY_LEAST_BUSY},
                {"usage-based-routing", WP_STRATEGY_USAGE_BASED},
                {"usage-based-routing-v2", WP_STRATEGY_USAGE_BASED},
                {"latency-based-routing", WP_STRATEGY_LATENCY_BASED},
                {"cost-based-routing", WP_STRATEGY_COST_BASED}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_is(node->text, rows[i].name)) {
            *out = rows[i].strategy;
            return true;
        }
    return false;
}

static bool checks(struct wp_diagnostics *diagnostics, const struct wp_yaml_node *node,
                   const struct wp_path *path, uint32_t *out)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } rows[] = {{"prompt_caching", WP_CHECK_PROMPT_CACHING},
                {"session_affinity", WP_CHECK_SESSION_AFFINITY},
                {"deployment_affinity", WP_CHECK_DEPLOYMENT_AFFINITY}};
    static const char *const known[] = {"responses_api_deployment_check",
                                        "forward_client_headers_by_model_group",
                                        "enforce_model_rate_limits", "encrypted_content_affinity"};
    if (node->kind != WP_YAML_LIST)
        return false;
    *out = 0;
    for (size_t i = 0; i < node->count; i++) {
        wp_view name = node->items[i]->text;
        bool found = false;
        for (size_t k = 0; k < WP_COUNT_OF(rows) && !found; k++) {
            found = wp_view_is(name, rows[k].name);
            *out |= found ? rows[k].flag : 0;
        }
        for (size_t k = 0; k < WP_COUNT_OF(known) && !found; k++) {
            found = wp_view_is(name, known[k]);
            if (found)
                wp_diagnostics_add(diagnostics, WP_DIAG_WARNING, &node->items[i]->place, path,
                                   "%.*s has no effect here", WP_VIEW_ARG(name));
        }
        if (wp_view_is(name, "router_budget_limiting"))
            wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, &node->items[i]->place, path,
                               "router_budget_limiting is not supported: spending would not be "
                               "limited");
        else if (!found)
            wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, &node->items[i]->place, path,
                               "there is no check %.*s; known: prompt_caching, session_affinity, "
                               "deployment_affinity",
                               WP_VIEW_ARG(wp_view_sub(name, 0, 80)));
    }
    return true;
}

// "RateLimitErrorRetries", "RateLimitErrorAllowedFails", "DefaultRetries".
static bool is_kind(wp_view key, wp_view kind)
{
    if (!wp_view_starts_with(key, kind))
        return false;
    wp_view rest = wp_view_skip(key, kind.len);
    if (wp_view_starts_with(rest, WP_VIEW("Error")))
        rest = wp_view_skip(rest, 5);
    return wp_view_is(rest, "Retries") || wp_view_is(rest, "AllowedFails");
}

static bool policy(struct wp_diagnostics *diagnostics, const struct wp_yaml_node *node,
                   const struct wp_path *path, int32_t *out)
{
    static const char *const kinds[WP_KIND_COUNT] = {
        "BadRequest",     "Authentication",     "Timeout",  "RateLimit",  "ContentPolicyViolation",
        "InternalServer", "ServiceUnavailable", "NotFound", "BadGateway", "Default"};
    if (node->kind != WP_YAML_MAP)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        wp_view key = node->pairs[i].key->text;
        double value;
        bool found = false;
        for (size_t k = 0; k < WP_KIND_COUNT && !found; k++) {
            found = is_kind(key, wp_view_of(kinds[k]));
            if (found && whole(node->pairs[i].value, 0, 1000000, &value))
                out[k] = (int32_t)value;
            else if (found && node->pairs[i].value->kind != WP_YAML_NULL)
                wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, &node->pairs[i].value->place, path,
                                   "%.*s: expected a whole number", WP_VIEW_ARG(key));
        }
        if (!found)
            wp_diagnostics_add(diagnostics, WP_DIAG_WARNING, &node->pairs[i].key->place, path,
                               "unknown kind of error %.*s; known: BadRequest, Authentication, "
                               "Timeout, RateLimit, ContentPolicyViolation, InternalServer, "
                               "ServiceUnavailable, NotFound, BadGateway, each with ErrorRetries "
                               "or ErrorAllowedFails behind it",
                               WP_VIEW_ARG(wp_view_sub(key, 0, 80)));
    }
    return true;
}

static bool billing(const struct wp_yaml_node *node, enum wp_billing_header *out)
{
    bool keep = wp_view_is(node->text, "keep");
    *out = keep ? WP_BILLING_KEEP : WP_BILLING_DROP;
    return keep || wp_view_is(node->text, "drop");
}

static bool store_number(const struct wp_descriptor *d, const struct wp_yaml_node *node, void *at)
{
    double value;
    switch (d->type) {
    case WP_TYPE_UINT32:
        if (!whole(node, 0, 4e9, &value))
            return false;
        *(uint32_t *)at = (uint32_t)value;
        return true;
    case WP_TYPE_INT32:
        if (!whole(node, -2e9, 2e9, &value))
            return false;
        *(int32_t *)at = (int32_t)value;
        return true;
    case WP_TYPE_UINT64:
        if (!whole(node, 0, 9e15, &value))
            return false;
        *(uint64_t *)at = (uint64_t)value;
        return true;
    case WP_TYPE_SECONDS:
        if (!number(node, &value) || !(value >= 0 && value <= 4000000))
            return false;
        *(uint32_t *)at = (uint32_t)(value * 1000);
        return true;
    case WP_TYPE_SECONDS64:
        if (!number(node, &value) || !(value >= 0 && value <= 1e9))
            return false;
        *(int64_t *)at = (int64_t)(value * 1000);
        return true;
    case WP_TYPE_NUMBER:
        if (!number(node, &value) || !(value >= 0 && value <= 1e15))
            return false;
        *(double *)at = value;
        return true;
    case WP_TYPE_MEGABYTES:
        if (!number(node, &value) || !(value > 0 && value <= 1024))
            return false;
        *(uint64_t *)at = (uint64_t)(value * 1024 * 1024);
        return true;
    default:
        return false;
    }
}

static bool is_number_type(enum wp_type type)
{
    return type == WP_TYPE_UINT32 || type == WP_TYPE_INT32 || type == WP_TYPE_UINT64 ||
           type == WP_TYPE_SECONDS || type == WP_TYPE_SECONDS64 || type == WP_TYPE_NUMBER ||
           type == WP_TYPE_MEGABYTES;
}

static enum wp_yaml_kind kind_of(enum wp_type type)
{
    return type == WP_TYPE_LIST ? WP_YAML_LIST : type == WP_TYPE_MAP ? WP_YAML_MAP : WP_YAML_TEXT;
}

bool wp_config_apply(struct wp_arena *arena, struct wp_diagnostics *diagnostics,
                     const struct wp_descriptor *descriptor, const struct wp_yaml_node *node,
                     const struct wp_path *path, void *target)
{
    void *at = (char *)target + descriptor->offset;
    bool ok = true;
    if (node->kind == WP_YAML_NULL || descriptor->type == WP_TYPE_ELSEWHERE)
        return true;
    if (is_number_type(descriptor->type)) {
        ok = store_number(descriptor, node, at);
    } else if (descriptor->type == WP_TYPE_TEXT) {
        ok = node->kind == WP_YAML_TEXT || node->kind == WP_YAML_INT || node->kind == WP_YAML_DATE;
        if (ok)
            *(wp_view *)at = wp_arena_copy(arena, node->text);
        if (ok && descriptor->secret)
            wp_log_register_secret(node->text);
    } else if (descriptor->type == WP_TYPE_URL) {
        struct wp_url url;
        ok = node->kind == WP_YAML_TEXT && (node->text.len == 0 || wp_url_parse(node->text, &url));
        if (ok)
            *(wp_view *)at = wp_arena_copy(arena, node->text);
    } else if (descriptor->type >= WP_TYPE_LIST) {
        ok = node->kind == kind_of(descriptor->type);
    } else if (descriptor->type == WP_TYPE_BOOL) {
        ok = boolean(node, at);
    } else if (descriptor->type == WP_TYPE_DAYS) {
        ok = days(node, at);
    } else if (descriptor->type == WP_TYPE_STRATEGY) {
        ok = strategy(node, at);
    } else if (descriptor->type == WP_TYPE_CHECKS) {
        ok = checks(diagnostics, node, path, at);
    } else if (descriptor->type == WP_TYPE_BILLING) {
        ok = billing(node, at);
    } else if (descriptor->type == WP_TYPE_POLICY) {
        ok = policy(diagnostics, node, path, at);
    }
    return ok || complain(diagnostics, node, path, descriptor);
}

static bool switched_off(const struct wp_yaml_node *node)
{
    return !wp_yaml_truthy(node);
}

bool wp_config_judge(struct wp_diagnostics *diagnostics, enum wp_level level,
                     const struct wp_descriptor *descriptor, const struct wp_yaml_pair *pair,
                     const struct wp_path *path)
{
    const struct wp_place *place = &pair->key->place;
    if (descriptor == NULL) {
        const char *nearest = wp_descriptor_nearest(level, pair->key->text);
        wp_diagnostics_add(diagnostics, WP_DIAG_WARNING, place, path, "unknown key%s%s%s",
                           nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                           nearest != NULL ? "?" : "");
        return false;
    }
    if (descriptor->support == WP_REFUSED && !switched_off(pair->value))
        wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, place, path,
                           "not supported, and not ignored: %s. Remove it to start without it",
                           descriptor->doc);
    if (descriptor->support == WP_IGNORED && !switched_off(pair->value))
        wp_diagnostics_add(diagnostics, WP_DIAG_WARNING, place, path,
                           "a key of LiteLLM that has no effect here");
    return descriptor->support == WP_SUPPORTED || descriptor->support == WP_OWN;
}
