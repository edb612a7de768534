// Inside config/: a YAML document as a tree whose nodes know their place. Adapter of libyaml.
//
// Plain scalars are resolved as PyYAML's SafeLoader does (YAML 1.1), because LiteLLM derives ids
// from Python's str() of these values: "1e-6" is text, "1.0e-6" a number, "010" is 8, "on" is true.
#ifndef WP_CONFIG_YAML_H
#define WP_CONFIG_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "config/diagnostics.h"

enum wp_yaml_kind {
    WP_YAML_NULL,
    WP_YAML_BOOL,
    WP_YAML_INT,
    WP_YAML_FLOAT,
    WP_YAML_DATE, // 2024-02-01, with or without a time of day
    WP_YAML_TEXT,
    WP_YAML_LIST,
    WP_YAML_MAP,
};

struct wp_yaml_pair {
    struct wp_yaml_node *key, *value; // keys are scalars
    bool merged;                      // came in by "<<"
};

struct wp_yaml_node {
    enum wp_yaml_kind kind;
    struct wp_place place;
    wp_view text; // scalars: what Python's str() gives ("True", "None", "3.0", "1e-06")
    wp_view env;  // name of the variable that the text came from; empty otherwise
    bool exact;   // INT: `integer` holds it; DATE: `text` is Python's str()
    bool boolean;
    int64_t integer;
    double number; // INT and FLOAT
    struct wp_yaml_node **items;
    struct wp_yaml_pair *pairs;
    size_t count, capacity; // of items or pairs
    size_t weight;          // nodes of this tree with every alias written out
};

enum {
    WP_YAML_TEXT_MAX = 4 * 1024 * 1024, // bytes of one file
    WP_YAML_DEPTH_MAX = 64,
    WP_YAML_WEIGHT_MAX = 200000, // nodes of a document with every alias written out
    WP_YAML_PAIRS_MAX = 4096,    // keys of one mapping
};

// *root lives in `arena`, as does nothing else of the text. Problems go to `diagnostics`; after one
// *root may be NULL. An empty document is a NULL node. WP_ERR_INVALID when there were problems.
enum wp_err wp_yaml_parse(struct wp_arena *arena, wp_view text, wp_view file,
                          struct wp_diagnostics *diagnostics,
                          struct wp_yaml_node **root) WP_WARN_UNUSED;

// The value of `key`, or NULL; also NULL when `map` is NULL or no mapping.
struct wp_yaml_node *wp_yaml_get(const struct wp_yaml_node *map, const char *key);
// Python's truth: false for null, false, 0, "" and empty collections.
bool wp_yaml_truthy(const struct wp_yaml_node *node);

enum wp_yaml_scalar { WP_YAML_SCALAR_OK, WP_YAML_SCALAR_BAD, WP_YAML_SCALAR_NO_MEMORY };
// Gives `node` the kind and value of a plain scalar. BAD: SafeLoader refuses it too ("0x_",
// 2024-13-01), or it is an octal, hexadecimal or base-60 number beyond 64 bits.
enum wp_yaml_scalar wp_yaml_resolve_plain(struct wp_arena *arena, wp_view text,
                                          struct wp_yaml_node *node) WP_WARN_UNUSED;
void wp_yaml_set_text(struct wp_yaml_node *node, wp_view text);
void wp_yaml_set_bool(struct wp_yaml_node *node, bool value);

#endif
