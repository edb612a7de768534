#include "config/load.h"
#include "config/private.h"

static void where(const struct wp_deployment_config *deployment, struct wp_buf *out)
{
    if (deployment->aws.region.len > 0)
        wp_buf_printf(out, " region=%.*s", WP_VIEW_ARG(deployment->aws.region));
    if (deployment->aws.profile.len > 0)
        wp_buf_printf(out, " profile=%.*s", WP_VIEW_ARG(deployment->aws.profile));
    if (deployment->aws.role_arn.len > 0)
        wp_buf_printf(out, " role=%.*s", WP_VIEW_ARG(deployment->aws.role_arn));
    if (deployment->api_base.len > 0)
        wp_buf_printf(out, " api_base=%.*s", WP_VIEW_ARG(deployment->api_base));
    if (deployment->aws.runtime_endpoint.len > 0)
        wp_buf_printf(out, " endpoint=%.*s", WP_VIEW_ARG(deployment->aws.runtime_endpoint));
    if (deployment->order != 0)
        wp_buf_printf(out, " order=%d", deployment->order);
    if (deployment->weight >= 0)
        wp_buf_printf(out, " weight=%g", deployment->weight);
    if (deployment->rpm > 0)
        wp_buf_printf(out, " rpm=%llu", (unsigned long long)deployment->rpm);
    if (deployment->tpm > 0)
        wp_buf_printf(out, " tpm=%llu", (unsigned long long)deployment->tpm);
    if (deployment->blocked)
        wp_buf_append_cstring(out, " blocked");
}

static void fallbacks(const struct wp_snapshot *snapshot, wp_view group, struct wp_buf *out)
{
    static const struct {
        const char *name;
        enum wp_fallback_kind kind;
    } rows[] = {{"fallbacks", WP_FALLBACK_GENERAL},
                {"context_window_fallbacks", WP_FALLBACK_CONTEXT_WINDOW},
                {"content_policy_fallbacks", WP_FALLBACK_CONTENT_POLICY}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        size_t count, told = 0;
        const wp_view *names = wp_snapshot_fallbacks(snapshot, group, rows[i].kind, &count);
        for (size_t k = 0; k < count; k++) {
            if (wp_view_eq(names[k], group))
                continue;
            if (told++ == 0)
                wp_buf_printf(out, "  %s: ", rows[i].name);
            else
                wp_buf_append_cstring(out, ", ");
            wp_buf_append(out, names[k]);
        }
        if (told > 0)
            wp_buf_append_char(out, '\n');
    }
}

static bool before(wp_view a, wp_view b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order < 0 : a.len < b.len;
}

// "alias -> group", by name.
static void aliases(const struct wp_snapshot *snapshot, struct wp_buf *out)
{
    const struct wp_map *map = &snapshot->hidden->aliases;
    wp_view last = {NULL, 0}, next = {NULL, 0}, key;
    for (size_t told = 0; told < map->count; told++) {
        size_t cursor = 0;
        void *value;
        const struct wp_alias *alias = NULL;
        while (wp_map_next(map, &cursor, &key, &value))
            if ((told == 0 || before(last, key)) && (alias == NULL || before(key, next))) {
                next = key;
                alias = value;
            }
        if (alias == NULL)
            return;
        wp_buf_printf(out, "%.*s -> %.*s%s\n", WP_VIEW_ARG(next), WP_VIEW_ARG(alias->group),
                      alias->hidden ? " (hidden)" : "");
        last = next;
    }
}

void wp_config_describe(const struct wp_snapshot *snapshot, struct wp_buf *out)
{
    for (size_t g = 0; g < snapshot->group_count; g++) {
        const struct wp_model_group *group = &snapshot->groups[g];
        wp_buf_printf(out, "%.*s\n", WP_VIEW_ARG(group->name));
        for (size_t i = 0; i < group->count; i++) {
            const struct wp_deployment_config *deployment = group->deployments[i];
            wp_buf_printf(out, "  %.*s  %s  %.*s", WP_VIEW_ARG(deployment->id),
                          wp_platform_name(deployment->platform),
                          WP_VIEW_ARG(deployment->upstream_model));
            where(deployment, out);
            wp_buf_append_char(out, '\n');
        }
        fallbacks(snapshot, group->name, out);
    }
    aliases(snapshot, out);
}

static const char *support_text(enum wp_support support)
{
    switch (support) {
    case WP_OWN:
        return "Warmpath's own";
    case WP_IGNORED:
        return "no effect (warning)";
    case WP_QUIET:
        return "no effect, no harm";
    case WP_REFUSED:
        return "**refused**";
    default:
        return "yes";
    }
}

void wp_config_write_reference(struct wp_buf *out)
{
    wp_buf_append_cstring(
        out, "# Configuration reference\n\nGenerated from the program's own table by `warmpath "
             "reference`; do not edit.\n\nThe format is LiteLLM's `config.yaml`. "
             "`os.environ/NAME` stands for a variable of the environment anywhere. Times are in "
             "seconds. A key that LiteLLM has and Warmpath does not is named by `warmpath check`; "
             "where ignoring it would weaken security or change who may do what, Warmpath refuses "
             "to start.\n");
    for (int level = 0; level < WP_LEVEL_COUNT; level++) {
        const char *name = wp_level_name((enum wp_level)level);
        wp_buf_printf(
            out, "\n## %s\n\n| key | supported | expects | default | |\n|---|---|---|---|---|\n",
            name[0] != '\0' ? name : "Top level");
        for (size_t i = 0; i < wp_descriptor_count; i++) {
            const struct wp_descriptor *d = &wp_descriptors[i];
            bool told = d->support == WP_SUPPORTED || d->support == WP_OWN;
            if ((int)d->level != level)
                continue;
            wp_buf_printf(out, "| `%s` | %s | %s | %s | %s%s |\n", d->key, support_text(d->support),
                          told ? wp_type_expected(d->type) : "", d->fallback, d->doc,
                          d->secret ? " (secret)" : "");
        }
    }
}
