// YAML → snapshot: files and includes, the environment, values by descriptor, then the compiled
// groups. All problems are collected before anything is refused.
#include "config/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "config/private.h"
#include "config/python.h"
#include "crypto/digest.h"

enum { FILES_MAX = 64, ENTRIES_MAX = 4096, INCLUDE_DEPTH_MAX = 8 };

struct source {
    wp_view file;
    struct wp_yaml_node *root;
};

struct entry {
    const struct wp_yaml_node *node;
    size_t index; // in the model_list of its file
};

struct loader {
    struct wp_arena *arena; // of the snapshot
    struct wp_diagnostics *diagnostics;
    struct wp_snapshot *snapshot;
    struct wp_snapshot_private *hidden;
    struct source sources[FILES_MAX]; // includes before those that include them
    size_t source_count;
    struct wp_deployment_config *deployments;
    struct entry entries[ENTRIES_MAX]; // entries[i] made deployments[i], once loaded
    size_t entry_count;
};

static wp_view keep(struct loader *l, wp_view text)
{
    return wp_arena_copy(l->arena, text);
}

// The environment ------------------------------------------------------------------------------

static void resolve_environment(struct loader *l, struct wp_yaml_node *node,
                                const struct wp_path *up)
{
    static const char prefix[] = "os.environ/";
    if (node->kind == WP_YAML_TEXT && wp_view_starts_with(node->text, wp_view_of(prefix))) {
        wp_view name = wp_view_skip(node->text, sizeof(prefix) - 1);
        const char *value = getenv(wp_arena_cstring(l->arena, name));
        if (value == NULL) {
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &node->place, up,
                               "the environment variable %.*s is not set", WP_VIEW_ARG(name));
            return;
        }
        node->env = name;
        wp_yaml_set_text(node, keep(l, wp_view_of(value)));
    }
    for (size_t i = 0; i < node->count && node->kind == WP_YAML_LIST; i++) {
        const struct wp_path path = {.up = up, .index = i};
        resolve_environment(l, node->items[i], &path);
    }
    for (size_t i = 0; i < node->count && node->kind == WP_YAML_MAP; i++) {
        const struct wp_path path = {.up = up, .key = node->pairs[i].key->text};
        resolve_environment(l, node->pairs[i].value, &path);
    }
}

// A reload runs beside threads that read the environment, which setenv may move away under them:
// what has not changed is left alone.
static void set_variable(const char *name, const char *text)
{
    const char *now = getenv(name);
    if (now == NULL || strcmp(now, text) != 0)
        setenv(name, text, 1);
}

static void set_environment(struct loader *l, const struct wp_yaml_node *root)
{
    const struct wp_yaml_node *variables = wp_yaml_get(root, "environment_variables");
    for (size_t i = 0; variables != NULL && variables->kind == WP_YAML_MAP && i < variables->count;
         i++) {
        const struct wp_yaml_node *value = variables->pairs[i].value;
        if (value->kind >= WP_YAML_LIST)
            continue;
        const char *name = wp_arena_cstring(l->arena, variables->pairs[i].key->text);
        const char *text = wp_arena_cstring(l->arena, value->text);
        if (name != NULL && text != NULL && value->kind != WP_YAML_NULL)
            set_variable(name, text);
        if (wp_view_contains(variables->pairs[i].key->text, WP_VIEW("KEY")) ||
            wp_view_contains(variables->pairs[i].key->text, WP_VIEW("SECRET")) ||
            wp_view_contains(variables->pairs[i].key->text, WP_VIEW("TOKEN")) ||
            wp_view_contains(variables->pairs[i].key->text, WP_VIEW("PASSW")))
            wp_log_register_secret(value->text);
    }
}

// Files ----------------------------------------------------------------------------------------

static void add_text(struct loader *l, wp_view text, wp_view file, int depth);

static void add_file(struct loader *l, wp_view path, const struct wp_place *place, int depth)
{
    struct wp_buf text = wp_buf_make(WP_YAML_TEXT_MAX);
    const char *name = wp_arena_cstring(l->arena, path);
    errno = 0;
    if (name == NULL || !wp_file_read(name, &text))
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, place, NULL, "%.*s cannot be read: %s",
                           WP_VIEW_ARG(path), strerror(errno != 0 ? errno : EFBIG));
    else
        add_text(l, wp_buf_view(&text), keep(l, path), depth);
    wp_buf_free(&text);
}

static void add_includes(struct loader *l, const struct wp_yaml_node *root, wp_view file, int depth)
{
    const struct wp_yaml_node *list = wp_yaml_get(root, "include");
    size_t slash = wp_view_rfind_char(file, '/');
    if (list == NULL || list->kind != WP_YAML_LIST)
        return;
    if (depth > INCLUDE_DEPTH_MAX) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &list->place, NULL,
                           "include: the files include each other");
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        wp_view name = list->items[i]->text;
        bool absolute = name.len > 0 && name.ptr[0] == '/';
        const wp_view parts[] = {
            absolute || slash == WP_NOT_FOUND ? WP_VIEW("") : wp_view_sub(file, 0, slash + 1),
            name};
        add_file(l, wp_arena_concat(l->arena, parts, 2), &list->items[i]->place, depth + 1);
    }
}

static void add_text(struct loader *l, wp_view text, wp_view file, int depth)
{
    struct wp_yaml_node *root = NULL;
    if (wp_yaml_parse(l->arena, text, file, l->diagnostics, &root) != WP_OK || root == NULL)
        return;
    if (root->kind == WP_YAML_NULL)
        return;
    if (root->kind != WP_YAML_MAP) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &root->place, NULL,
                           "expected a mapping with model_list");
        return;
    }
    add_includes(l, root, file, depth);
    if (l->source_count < FILES_MAX)
        l->sources[l->source_count++] = (struct source){file, root};
}

// Levels ---------------------------------------------------------------------------------------

static void apply_map(struct loader *l, enum wp_level level, const struct wp_yaml_node *map,
                      const struct wp_path *up, void *target)
{
    if (map == NULL || map->kind != WP_YAML_MAP) // the level above has said so
        return;
    for (size_t i = 0; i < map->count; i++) {
        const struct wp_path path = {.up = up, .key = map->pairs[i].key->text};
        const struct wp_descriptor *descriptor = wp_descriptor_find(level, path.key);
        if (wp_config_judge(l->diagnostics, level, descriptor, &map->pairs[i], &path))
            wp_config_apply(l->arena, l->diagnostics, descriptor, map->pairs[i].value, &path,
                            target);
    }
}

static void default_deployment(struct wp_deployment_config *deployment)
{
    *deployment = (struct wp_deployment_config){.num_retries = -1,
                                                .weight = -1,
                                                .cooldown_ms = -1,
                                                .allowed_fails = -1,
                                                .stream_idle_timeout_ms = 300000,
                                                .keepalive_ms = 15000,
                                                .price = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1}};
}

// LiteLLM's id: SHA-256 of the group name and each parameter's key and value, in file order.
static wp_view litellm_id(struct loader *l, wp_view model_name, const struct wp_yaml_node *params)
{
    struct wp_buf text = wp_buf_make(WP_YAML_TEXT_MAX);
    char hex[WP_SHA256_HEX_LEN + 1];
    wp_buf_append(&text, model_name);
    for (size_t i = 0; i < params->count; i++) {
        wp_buf_append(&text, params->pairs[i].key->text);
        if (params->pairs[i].value->kind == WP_YAML_MAP)
            wp_python_json(&text, params->pairs[i].value);
        else
            wp_python_str(&text, params->pairs[i].value);
    }
    wp_sha256_hex(wp_buf_view(&text), hex);
    wp_buf_free(&text);
    return keep(l, wp_view_of(hex));
}

static void apply_credential(struct loader *l, const struct wp_yaml_node *params,
                             const struct wp_path *up, struct wp_deployment_config *deployment)
{
    const struct wp_yaml_node *wanted = wp_yaml_get(params, "litellm_credential_name");
    if (wanted == NULL)
        return;
    for (size_t s = 0; s < l->source_count; s++) {
        const struct wp_yaml_node *list = wp_yaml_get(l->sources[s].root, "credential_list");
        for (size_t i = 0; list != NULL && list->kind == WP_YAML_LIST && i < list->count; i++) {
            const struct wp_yaml_node *name = wp_yaml_get(list->items[i], "credential_name");
            if (name == NULL || !wp_view_eq(name->text, wanted->text))
                continue;
            apply_map(l, WP_LEVEL_PARAMS, wp_yaml_get(list->items[i], "credential_values"), up,
                      deployment);
            return;
        }
    }
    wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &wanted->place, up,
                       "credential_list has no %.*s", WP_VIEW_ARG(wanted->text));
}

static bool is_token(wp_view name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return name.len > 0;
}

static bool is_field_value(wp_view value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

// False: said why.
static bool check_header(struct loader *l, const struct wp_yaml_pair *pair,
                         const struct wp_path *up)
{
    const struct wp_path path = {.up = up, .key = WP_VIEW("extra_headers")};
    if (!is_token(pair->key->text))
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &pair->key->place, &path,
                           "expected the name of a header field");
    else if (pair->value->kind >= WP_YAML_LIST || !is_field_value(pair->value->text))
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &pair->value->place, &path,
                           "%.*s: expected text of one line", WP_VIEW_ARG(pair->key->text));
    else
        return true;
    return false;
}

static void apply_headers(struct loader *l, const struct wp_yaml_node *headers,
                          const struct wp_path *up, struct wp_deployment_config *deployment)
{
    struct wp_name_value *list = wp_arena_array(l->arena, headers->count + 1, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; list != NULL && i < headers->count; i++) {
        const struct wp_yaml_pair *pair = &headers->pairs[i];
        if (!check_header(l, pair, up))
            continue;
        list[count++] =
            (struct wp_name_value){keep(l, pair->key->text), keep(l, pair->value->text)};
        if (pair->value->env.len > 0)
            wp_log_register_secret(pair->value->text);
    }
    deployment->extra_headers = list;
    deployment->extra_header_count = count;
}

static void apply_lists(struct loader *l, const struct wp_yaml_node *params,
                        const struct wp_path *up, struct wp_deployment_config *deployment)
{
    const struct wp_yaml_node *headers = wp_yaml_get(params, "extra_headers");
    const struct wp_yaml_node *tags = wp_yaml_get(params, "tags");
    if (headers != NULL && headers->kind == WP_YAML_MAP)
        apply_headers(l, headers, up, deployment);
    if (tags != NULL && tags->kind == WP_YAML_LIST) {
        wp_view *list = wp_arena_array(l->arena, tags->count + 1, sizeof(*list));
        for (size_t i = 0; list != NULL && i < tags->count; i++)
            list[i] = keep(l, tags->items[i]->text);
        deployment->tags = list;
        deployment->tag_count = list == NULL ? 0 : tags->count;
    }
}

static wp_view from_environment(struct loader *l, const char *first, const char *second)
{
    const char *value = getenv(first);
    if ((value == NULL || value[0] == '\0') && second != NULL)
        value = getenv(second);
    return value == NULL ? (wp_view){NULL, 0} : keep(l, wp_view_of(value));
}

// What LiteLLM takes from the environment where the configuration is silent.
static void apply_environment(struct loader *l, struct wp_deployment_config *deployment)
{
    bool runtime = deployment->platform == WP_PLATFORM_BEDROCK ||
                   deployment->platform == WP_PLATFORM_BEDROCK_MESSAGES;
    if (runtime && deployment->aws.runtime_endpoint.len == 0 && deployment->api_base.len == 0)
        deployment->aws.runtime_endpoint =
            from_environment(l, "AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
    if (deployment->platform == WP_PLATFORM_ANTHROPIC && deployment->api_key.len == 0) {
        deployment->api_key = from_environment(l, "ANTHROPIC_API_KEY", NULL);
        wp_log_register_secret(deployment->api_key);
    }
    if (wp_platform_is_aws(deployment->platform) && deployment->aws.role_arn.len == 0)
        deployment->aws.role_arn = from_environment(l, "AWS_ROLE_NAME", NULL);
    if (wp_platform_is_aws(deployment->platform) && deployment->aws.region.len == 0)
        deployment->aws.region = from_environment(l, "AWS_REGION_NAME", NULL);
}

static bool supported(enum wp_platform platform)
{
    return platform != WP_PLATFORM_OPENAI;
}

static wp_view provider_of(const struct wp_yaml_node *params, const struct wp_yaml_node *info)
{
    const struct wp_yaml_node *custom = wp_yaml_get(params, "custom_llm_provider");
    const struct wp_yaml_node *told = wp_yaml_get(info, "litellm_provider");
    if (custom != NULL && custom->kind == WP_YAML_TEXT)
        return custom->text;
    return told != NULL && told->kind == WP_YAML_TEXT ? told->text : (wp_view){NULL, 0};
}

// False: the entry is left out (said why).
static bool finish_deployment(struct loader *l, const struct wp_yaml_node *entry,
                              const struct wp_path *path, struct wp_deployment_config *deployment)
{
    const struct wp_yaml_node *params = wp_yaml_get(entry, "litellm_params");
    const struct wp_yaml_node *info = wp_yaml_get(entry, "model_info");
    struct wp_buf json = wp_buf_make(WP_YAML_TEXT_MAX);
    bool known = wp_config_platform(l->arena, deployment, provider_of(params, info));
    if (!known) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &params->place, path,
                           "the model %.*s does not tell its platform: put a prefix before it, "
                           "such as bedrock/ or anthropic/",
                           WP_VIEW_ARG(wp_view_sub(deployment->model, 0, 100)));
        return false;
    }
    if (!supported(deployment->platform)) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_WARNING, &params->place, path,
                           "%s deployments are not supported; this one is left out",
                           wp_platform_name(deployment->platform));
        return false;
    }
    apply_environment(l, deployment);
    if (deployment->id.len == 0)
        deployment->id = litellm_id(l, deployment->model_name, params);
    deployment->wildcard = wp_view_find_char(deployment->model_name, '*') != WP_NOT_FOUND;
    deployment->line = entry->place.line;
    if (info != NULL && info->kind == WP_YAML_MAP)
        wp_yaml_json(&json, info);
    deployment->model_info_json = json.len > 0 ? keep(l, wp_buf_view(&json)) : WP_VIEW("{}");
    wp_buf_free(&json);
    return true;
}

static bool load_entry(struct loader *l, const struct wp_yaml_node *entry,
                       const struct wp_path *path, struct wp_deployment_config *deployment)
{
    const struct wp_yaml_node *params = wp_yaml_get(entry, "litellm_params");
    const struct wp_path params_path = {.up = path, .key = WP_VIEW("litellm_params")};
    const struct wp_path info_path = {.up = path, .key = WP_VIEW("model_info")};
    default_deployment(deployment);
    if (entry->kind != WP_YAML_MAP) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &entry->place, path,
                           "expected a mapping with model_name and litellm_params");
        return false;
    }
    apply_map(l, WP_LEVEL_ENTRY, entry, path, deployment);
    if (deployment->model_name.len == 0)
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &entry->place, path,
                           "model_name is missing");
    if (params == NULL || params->kind != WP_YAML_MAP) {
        if (params == NULL || params->kind == WP_YAML_NULL)
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &entry->place, path,
                               "litellm_params is missing");
        return false;
    }
    apply_credential(l, params, &params_path, deployment);
    apply_map(l, WP_LEVEL_PARAMS, params, &params_path, deployment);
    apply_map(l, WP_LEVEL_INFO, wp_yaml_get(entry, "model_info"), &info_path, deployment);
    apply_lists(l, params, &params_path, deployment);
    if (deployment->model.len == 0) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &params->place, &params_path,
                           "model is missing");
        return false;
    }
    return deployment->model_name.len > 0 && finish_deployment(l, entry, path, deployment);
}

static void load_deployments(struct loader *l)
{
    size_t total = 0;
    for (size_t s = 0; s < l->source_count; s++) {
        const struct wp_yaml_node *list = wp_yaml_get(l->sources[s].root, "model_list");
        if (list == NULL || list->kind != WP_YAML_LIST)
            continue;
        if (list->count > ENTRIES_MAX - total)
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &list->place, NULL,
                               "model_list: more than %d entries", ENTRIES_MAX);
        for (size_t i = 0; i < list->count && total < ENTRIES_MAX; i++)
            l->entries[total++] = (struct entry){list->items[i], i};
    }
    l->deployments = wp_arena_array(l->arena, total + 1, sizeof(*l->deployments));
    for (size_t i = 0; l->deployments != NULL && i < total; i++) {
        const struct wp_path list_path = {.key = WP_VIEW("model_list")};
        const struct wp_path path = {.up = &list_path, .index = l->entries[i].index};
        struct wp_deployment_config *deployment = &l->deployments[l->entry_count];
        if (!load_entry(l, l->entries[i].node, &path, deployment))
            continue;
        l->entries[l->entry_count] = l->entries[i]; // those left out leave no gap
        deployment->index = (uint32_t)l->entry_count++;
    }
    if (l->entry_count == 0 && l->diagnostics->errors == 0)
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, NULL, NULL,
                           "model_list holds no deployment that can be served");
}

// Where it is asked for; a certificate goes with its key.
static void note_tls(struct loader *l, const struct wp_path *general)
{
    struct wp_general_settings *settings = &l->snapshot->general;
    bool certificate = settings->tls_certificate_file.len > 0, key = settings->tls_key_file.len > 0;
    const char *given = certificate ? "tls_certificate_file" : "tls_key_file";
    for (size_t s = 0; s < l->source_count && (certificate || key); s++) {
        const struct wp_yaml_node *node =
            wp_yaml_get(wp_yaml_get(l->sources[s].root, "general_settings"), given);
        if (node == NULL)
            continue;
        settings->tls_place = node->place;
        settings->tls_place.file = keep(l, node->place.file);
        if (certificate != key)
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &node->place, general,
                               "%s is missing: tls_certificate_file and tls_key_file go together",
                               certificate ? "tls_key_file" : "tls_certificate_file");
    }
}

static void load_settings(struct loader *l)
{
    struct wp_router_settings *router = &l->snapshot->router;
    *router = (struct wp_router_settings){.num_retries = 2,
                                          .allowed_fails = -1,
                                          .cooldown_ms = 5000,
                                          .timeout_ms = 600000,
                                          .max_fallbacks = 5,
                                          .affinity_ttl_ms = 3600000,
                                          .retry_budget = 0.2,
                                          .single_flight_ms = 5000,
                                          .keep_warm_usd_per_day = 5,
                                          .keep_warm_bytes = 64 << 20,
                                          .keep_warm_guard_ms = 20000};
    l->snapshot->general.failed_keys_per_minute = 30;
    l->snapshot->general.store_cache_state = true;
    for (size_t i = 0; i < WP_KIND_COUNT; i++)
        router->retry_policy[i] = router->allowed_fails_policy[i] = -1;
    const struct wp_path litellm = {.key = WP_VIEW("litellm_settings")};
    const struct wp_path routing = {.key = WP_VIEW("router_settings")};
    const struct wp_path general = {.key = WP_VIEW("general_settings")};
    for (size_t s = 0; s < l->source_count; s++) {
        const struct wp_yaml_node *root = l->sources[s].root;
        apply_map(l, WP_LEVEL_TOP, root, NULL, l);
        apply_map(l, WP_LEVEL_LITELLM, wp_yaml_get(root, "litellm_settings"), &litellm, router);
    }
    for (size_t s = 0; s < l->source_count; s++) {
        const struct wp_yaml_node *root = l->sources[s].root;
        apply_map(l, WP_LEVEL_ROUTER, wp_yaml_get(root, "router_settings"), &routing, router);
        apply_map(l, WP_LEVEL_GENERAL, wp_yaml_get(root, "general_settings"), &general,
                  &l->snapshot->general);
    }
    note_tls(l, &general);
}

// Groups, aliases, fallbacks ---------------------------------------------------------------------

static void no_memory(struct loader *l)
{
    wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, NULL, NULL, "out of memory");
}

static void index_id(struct loader *l, const struct wp_deployment_config *deployment)
{
    const struct wp_deployment_config **slot = wp_arena_alloc(l->arena, sizeof(*slot));
    const struct wp_place *place = &l->entries[deployment->index].node->place;
    const struct wp_deployment_config **other = wp_map_get(&l->hidden->by_id, deployment->id);
    if (other != NULL) {
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, place, NULL,
                           "two deployments have the id %.*s (lines %u and %u): give one of them "
                           "a model_info.id, or remove it",
                           WP_VIEW_ARG(deployment->id), (*other)->line, deployment->line);
        return;
    }
    if (slot == NULL || !wp_map_set(&l->hidden->by_id, deployment->id, slot))
        no_memory(l);
    else
        *slot = deployment;
}

static void build_groups(struct loader *l)
{
    struct wp_model_group *groups = wp_arena_array(l->arena, l->entry_count + 1, sizeof(*groups));
    size_t count = 0;
    for (size_t i = 0; groups != NULL && i < l->entry_count; i++) {
        wp_view name = l->deployments[i].model_name;
        index_id(l, &l->deployments[i]);
        if (wp_map_get(&l->hidden->groups, name) != NULL)
            continue;
        const struct wp_deployment_config **members =
            wp_arena_array(l->arena, l->entry_count + 1, sizeof(*members));
        struct wp_model_group *group = &groups[count++];
        *group = (struct wp_model_group){.name = name, .wildcard = l->deployments[i].wildcard};
        for (size_t k = i; members != NULL && k < l->entry_count; k++)
            if (wp_view_eq(l->deployments[k].model_name, name))
                members[group->count++] = &l->deployments[k];
        group->deployments = members;
        if (members == NULL || !wp_map_set(&l->hidden->groups, name, group))
            no_memory(l);
    }
    l->snapshot->deployments = l->deployments;
    l->snapshot->deployment_count = l->entry_count;
    l->snapshot->groups = groups;
    l->snapshot->group_count = count;
}

static void build_aliases(struct loader *l, const struct wp_yaml_node *settings)
{
    const struct wp_yaml_node *map = wp_yaml_get(settings, "model_group_alias");
    for (size_t i = 0; map != NULL && map->kind == WP_YAML_MAP && i < map->count; i++) {
        const struct wp_yaml_node *value = map->pairs[i].value;
        const struct wp_yaml_node *model =
            value->kind == WP_YAML_MAP ? wp_yaml_get(value, "model") : value;
        const struct wp_yaml_node *hidden = wp_yaml_get(value, "hidden");
        struct wp_alias *alias = WP_ARENA_NEW(l->arena, struct wp_alias);
        if (model == NULL || model->kind != WP_YAML_TEXT || alias == NULL) {
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &value->place, NULL,
                               "model_group_alias: expected a group name or {model, hidden}");
            continue;
        }
        *alias = (struct wp_alias){keep(l, model->text), hidden != NULL && wp_yaml_truthy(hidden)};
        if (!wp_map_set(&l->hidden->aliases, map->pairs[i].key->text, alias))
            no_memory(l);
    }
}

static struct wp_fallback_list name_list(struct loader *l, const struct wp_yaml_node *node)
{
    struct wp_fallback_list list = {0};
    list.names = wp_arena_array(l->arena, node->count + 1, sizeof(*list.names));
    if (node->kind != WP_YAML_LIST)
        wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &node->place, NULL,
                           "fallbacks: expected a list of group names");
    for (size_t i = 0; list.names != NULL && node->kind == WP_YAML_LIST && i < node->count; i++) {
        const struct wp_yaml_node *item = node->items[i];
        if (item->kind == WP_YAML_MAP)
            item = wp_yaml_get(item, "model");
        if (item == NULL || item->kind != WP_YAML_TEXT) {
            wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &node->place, NULL,
                               "fallbacks: expected names of groups");
            continue;
        }
        struct wp_resolved resolved;
        if (!wp_snapshot_resolve(l->snapshot, item->text, &resolved))
            wp_diagnostics_add(l->diagnostics, WP_DIAG_WARNING, &item->place, NULL,
                               "fallback to %.*s, which is not in model_list",
                               WP_VIEW_ARG(wp_view_sub(item->text, 0, 100)));
        list.names[list.count++] = keep(l, item->text);
    }
    return list;
}

static void build_fallbacks(struct loader *l, const struct wp_yaml_node *settings)
{
    static const char *const keys[] = {"fallbacks", "context_window_fallbacks",
                                       "content_policy_fallbacks"};
    for (size_t kind = 0; kind < WP_COUNT_OF(keys); kind++) {
        const struct wp_yaml_node *list = wp_yaml_get(settings, keys[kind]);
        for (size_t i = 0; list != NULL && list->kind == WP_YAML_LIST && i < list->count; i++) {
            const struct wp_yaml_node *map = list->items[i];
            if (map->kind != WP_YAML_MAP)
                wp_diagnostics_add(l->diagnostics, WP_DIAG_ERROR, &map->place, NULL,
                                   "%s: expected {group: [group, …]}", keys[kind]);
            for (size_t k = 0; map->kind == WP_YAML_MAP && k < map->count; k++) {
                struct wp_fallback_list *entry = WP_ARENA_NEW(l->arena, struct wp_fallback_list);
                if (entry != NULL)
                    *entry = name_list(l, map->pairs[k].value);
                if (entry == NULL ||
                    !wp_map_set(&l->hidden->fallbacks[kind], map->pairs[k].key->text, entry))
                    no_memory(l);
            }
        }
    }
    const struct wp_yaml_node *defaults = wp_yaml_get(settings, "default_fallbacks");
    if (defaults != NULL && defaults->kind == WP_YAML_LIST)
        l->hidden->default_fallbacks = name_list(l, defaults);
}

static void build_public_models(struct loader *l)
{
    struct wp_snapshot_private *hidden = l->hidden;
    size_t cursor = 0;
    wp_view key;
    void *alias;
    hidden->public_models =
        wp_arena_array(l->arena, l->snapshot->group_count + hidden->aliases.count + 1,
                       sizeof(*hidden->public_models));
    if (hidden->public_models == NULL) {
        no_memory(l);
        return;
    }
    for (size_t i = 0; i < l->snapshot->group_count; i++)
        if (!l->snapshot->groups[i].wildcard)
            hidden->public_models[hidden->public_model_count++] = l->snapshot->groups[i].name;
    while (wp_map_next(&hidden->aliases, &cursor, &key, &alias))
        if (!((struct wp_alias *)alias)->hidden)
            hidden->public_models[hidden->public_model_count++] = keep(l, key);
}

static void compile(struct loader *l)
{
    load_settings(l);
    load_deployments(l);
    build_groups(l);
    for (int round = 0; round < 2; round++) { // aliases before fallbacks may name them
        for (size_t s = 0; s < l->source_count; s++) {
            static const char *const levels[] = {"litellm_settings", "router_settings"};
            for (size_t k = 0; k < WP_COUNT_OF(levels); k++) {
                const struct wp_yaml_node *settings = wp_yaml_get(l->sources[s].root, levels[k]);
                if (round == 0)
                    build_aliases(l, settings);
                else
                    build_fallbacks(l, settings);
            }
        }
    }
    build_public_models(l);
    if (!wp_snapshot_index_names(l->snapshot))
        no_memory(l);
}

static struct loader *new_loader(struct wp_diagnostics *diagnostics)
{
    struct loader *l = wp_alloc(sizeof(*l));
    struct wp_snapshot *snapshot = wp_alloc(sizeof(*snapshot));
    struct wp_snapshot_private *hidden = wp_alloc(sizeof(*hidden));
    struct wp_arena *arena = wp_arena_create(0);
    if (l == NULL || snapshot == NULL || hidden == NULL || arena == NULL) {
        wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, NULL, NULL, "out of memory");
        wp_arena_destroy(arena);
        wp_free(hidden);
        wp_free(snapshot);
        wp_free(l);
        return NULL;
    }
    hidden->references = 1;
    hidden->arena = arena;
    snapshot->magic = WP_SNAPSHOT_MAGIC;
    snapshot->hidden = hidden;
    l->arena = arena;
    l->diagnostics = diagnostics;
    l->snapshot = snapshot;
    l->hidden = hidden;
    return l;
}

static enum wp_err load(const char *path, wp_view text, wp_view name,
                        struct wp_diagnostics *diagnostics, struct wp_snapshot **out)
{
    static _Atomic uint64_t generation;
    uint64_t failures = wp_alloc_failures();
    struct loader *l = new_loader(diagnostics);
    if (l == NULL)
        return WP_ERR_NO_MEMORY;
    l->snapshot->generation = atomic_fetch_add(&generation, 1) + 1;
    if (path != NULL)
        add_file(l, wp_view_of(path), NULL, 0);
    else
        add_text(l, text, keep(l, name), 0);
    for (size_t s = 0; s < l->source_count; s++)
        set_environment(l, l->sources[s].root);
    for (size_t s = 0; s < l->source_count; s++)
        resolve_environment(l, l->sources[s].root, NULL);
    if (diagnostics->errors == 0 || l->source_count > 0)
        compile(l);
    // A text that could not be kept would be an empty one: the master key, for example.
    bool whole = wp_alloc_failures() == failures;
    if (!whole)
        no_memory(l);
    wp_diagnostics_sort(diagnostics);
    bool ok = diagnostics->errors == 0;
    if (ok)
        *out = l->snapshot;
    else
        wp_snapshot_unref(l->snapshot);
    wp_free(l);
    return ok ? WP_OK : whole ? WP_ERR_INVALID : WP_ERR_NO_MEMORY;
}

enum wp_err wp_config_load_file(const char *path, struct wp_diagnostics *diagnostics,
                                struct wp_snapshot **out)
{
    return load(path, (wp_view){NULL, 0}, (wp_view){NULL, 0}, diagnostics, out);
}

enum wp_err wp_config_load_text(wp_view text, wp_view name, struct wp_diagnostics *diagnostics,
                                struct wp_snapshot **out)
{
    return load(NULL, text, name, diagnostics, out);
}
