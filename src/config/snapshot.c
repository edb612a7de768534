#include "config/private.h"

#include "base/alloc.h"

void wp_snapshot_ref(struct wp_snapshot *snapshot)
{
    WP_CHECK_MAGIC(snapshot, WP_SNAPSHOT_MAGIC);
    atomic_fetch_add(&snapshot->hidden->references, 1);
}

void wp_snapshot_unref(struct wp_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    WP_CHECK_MAGIC(snapshot, WP_SNAPSHOT_MAGIC);
    struct wp_snapshot_private *hidden = snapshot->hidden;
    if (atomic_fetch_sub(&hidden->references, 1) != 1)
        return;
    wp_map_free(&hidden->groups);
    wp_map_free(&hidden->aliases);
    wp_map_free(&hidden->by_id);
    wp_map_free(&hidden->names);
    for (size_t i = 0; i < WP_COUNT_OF(hidden->fallbacks); i++)
        wp_map_free(&hidden->fallbacks[i]);
    wp_arena_destroy(hidden->arena);
    wp_free(hidden);
    snapshot->magic = 0;
    wp_free(snapshot);
}

// What '*' stands for when `pattern` matches; *literal counts the pattern's other bytes.
static bool matches(wp_view pattern, wp_view name, wp_view *stood_for, size_t *literal)
{
    size_t star = wp_view_find_char(pattern, '*');
    wp_view head = wp_view_sub(pattern, 0, star), tail = wp_view_skip(pattern, star + 1);
    if (name.len < head.len + tail.len || !wp_view_starts_with(name, head) ||
        !wp_view_ends_with(name, tail))
        return false;
    *stood_for = wp_view_sub(name, head.len, name.len - tail.len);
    *literal = head.len + tail.len;
    return true;
}

static bool resolve_wildcard(const struct wp_snapshot *snapshot, wp_view model,
                             struct wp_resolved *out)
{
    const struct wp_model_group *best = NULL;
    size_t most = 0, literal;
    wp_view stood_for;
    for (size_t i = 0; i < snapshot->group_count; i++) {
        const struct wp_model_group *group = &snapshot->groups[i];
        if (!group->wildcard || !matches(group->name, model, &stood_for, &literal) ||
            (best != NULL && literal <= most))
            continue;
        best = group;
        most = literal;
        out->wildcard = stood_for;
    }
    if (best == NULL)
        return false;
    out->group = best->name;
    out->deployments = best->deployments;
    out->count = best->count;
    return true;
}

// Deployment id → alias → exact group → most specific wildcard.
static bool resolve_name(const struct wp_snapshot *snapshot, wp_view model, struct wp_resolved *out)
{
    const struct wp_snapshot_private *hidden = snapshot->hidden;
    const struct wp_deployment_config **one = wp_map_get(&hidden->by_id, model);
    if (one != NULL) {
        *out = (struct wp_resolved){
            .group = (*one)->model_name, .deployments = one, .count = 1, .exact_deployment = true};
        return !(*one)->wildcard;
    }
    const struct wp_alias *alias = wp_map_get(&hidden->aliases, model);
    if (alias != NULL)
        model = alias->group;
    const struct wp_model_group *group = wp_map_get(&hidden->groups, model);
    if (group == NULL)
        return resolve_wildcard(snapshot, model, out);
    out->group = group->name;
    out->deployments = group->deployments;
    out->count = group->count;
    return true;
}

static bool index_keys(struct wp_snapshot *snapshot, const struct wp_map *map)
{
    struct wp_snapshot_private *hidden = snapshot->hidden;
    size_t cursor = 0;
    wp_view name;
    void *value;
    while (wp_map_next(map, &cursor, &name, &value)) {
        struct wp_resolved *resolved = WP_ARENA_NEW(hidden->arena, struct wp_resolved);
        if (resolved == NULL || !wp_map_set(&hidden->names, name, resolved))
            return false;
        if (!resolve_name(snapshot, name, resolved))
            *resolved = (struct wp_resolved){0};
    }
    return true;
}

bool wp_snapshot_index_names(struct wp_snapshot *snapshot)
{
    const struct wp_snapshot_private *hidden = snapshot->hidden;
    return index_keys(snapshot, &hidden->by_id) && index_keys(snapshot, &hidden->aliases) &&
           index_keys(snapshot, &hidden->groups);
}

bool wp_snapshot_resolve(const struct wp_snapshot *snapshot, wp_view model, struct wp_resolved *out)
{
    *out = (struct wp_resolved){0};
    if (wp_view_ends_with(model, WP_VIEW("[1m]")))
        model = wp_view_sub(model, 0, model.len - 4);
    const struct wp_resolved *known = wp_map_get(&snapshot->hidden->names, model);
    if (known == NULL)
        return resolve_wildcard(snapshot, model, out);
    *out = *known;
    return known->count > 0;
}

wp_view wp_resolved_upstream_model(struct wp_arena *arena, const struct wp_resolved *resolved,
                                   const struct wp_deployment_config *deployment)
{
    if (resolved->wildcard.ptr == NULL)
        return deployment->upstream_model;
    size_t star = wp_view_find_char(deployment->upstream_model, '*');
    if (star == WP_NOT_FOUND)
        return deployment->upstream_model;
    const wp_view parts[] = {wp_view_sub(deployment->upstream_model, 0, star), resolved->wildcard,
                             wp_view_skip(deployment->upstream_model, star + 1)};
    return wp_arena_concat(arena, parts, 3);
}

const wp_view *wp_snapshot_fallbacks(const struct wp_snapshot *snapshot, wp_view group,
                                     enum wp_fallback_kind kind, size_t *count)
{
    const struct wp_snapshot_private *hidden = snapshot->hidden;
    const struct wp_fallback_list *list = wp_map_get(&hidden->fallbacks[kind], group);
    if (list == NULL)
        list = wp_map_get(&hidden->fallbacks[kind], WP_VIEW("*"));
    if (list == NULL && kind == WP_FALLBACK_GENERAL)
        list = &hidden->default_fallbacks;
    *count = list == NULL ? 0 : list->count;
    return list == NULL ? NULL : list->names;
}

const wp_view *wp_snapshot_public_models(const struct wp_snapshot *snapshot, size_t *count)
{
    *count = snapshot->hidden->public_model_count;
    return snapshot->hidden->public_models;
}
