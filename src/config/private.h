// Private to config/.
#ifndef WP_CONFIG_PRIVATE_H
#define WP_CONFIG_PRIVATE_H

#include <stdatomic.h>

#include "base/map.h"
#include "config/descriptors.h"
#include "config/diagnostics.h"
#include "config/yaml.h"

enum { WP_SNAPSHOT_MAGIC = 0x534e4150 };

struct wp_fallback_list {
    wp_view *names;
    size_t count;
};

struct wp_alias {
    wp_view group;
    bool hidden;
};

struct wp_snapshot_private {
    _Atomic uint32_t references;
    struct wp_arena *arena;
    struct wp_map groups;       // name → struct wp_model_group
    struct wp_map aliases;      // name → struct wp_alias
    struct wp_map by_id;        // deployment id → const struct wp_deployment_config **
    struct wp_map names;        // all of these → struct wp_resolved; count 0: for nothing
    struct wp_map fallbacks[3]; // group → struct wp_fallback_list
    struct wp_fallback_list default_fallbacks;
    wp_view *public_models;
    size_t public_model_count;
};

// snapshot.c: makes `names` of the other maps. False without memory.
bool wp_snapshot_index_names(struct wp_snapshot *snapshot) WP_WARN_UNUSED;

// apply.c: one value by its descriptor. Problems go to `diagnostics`; false then.
bool wp_config_apply(struct wp_arena *arena, struct wp_diagnostics *diagnostics,
                     const struct wp_descriptor *descriptor, const struct wp_yaml_node *node,
                     const struct wp_path *path, void *target);
// Says what is to be said about a key that has no effect. True if the value should be applied.
bool wp_config_judge(struct wp_diagnostics *diagnostics, enum wp_level level,
                     const struct wp_descriptor *descriptor, const struct wp_yaml_pair *pair,
                     const struct wp_path *path);

// platform.c: which platform, and the model's name there.
bool wp_config_platform(struct wp_arena *arena, struct wp_deployment_config *deployment,
                        wp_view provider);

#endif
