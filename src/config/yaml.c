#include "config/yaml.h"

#include <yaml.h>

enum { ANCHORS_MAX = 1024 };

struct anchor {
    struct anchor *next;
    wp_view name;
    struct wp_yaml_node *node; // NULL while the anchored node is being read
};

struct reader {
    yaml_parser_t parser;
    struct wp_arena *arena;
    struct wp_diagnostics *diagnostics;
    wp_view file;
    struct anchor *anchors;
    size_t anchor_count;
    bool failed;    // the document cannot be read further
    bool no_memory; // implies failed
};

static struct wp_yaml_node *read_node(struct reader *r, yaml_event_t *event, unsigned depth);

static struct wp_place place_of(const struct reader *r, yaml_mark_t mark)
{
    return (struct wp_place){r->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static void complain(struct reader *r, struct wp_place place, const char *message)
{
    wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL, "%s", message);
}

static void stop(struct reader *r, struct wp_place place, const char *message)
{
    if (!r->failed)
        complain(r, place, message);
    r->failed = true;
}

static void out_of_memory(struct reader *r)
{
    r->failed = r->no_memory = true;
}

static void scanner_failed(struct reader *r)
{
    const yaml_parser_t *parser = &r->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        out_of_memory(r);
        return;
    }
    struct wp_place place = place_of(r, parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "not readable";
    if (parser->error == YAML_READER_ERROR) {
        place.line = place.column = 0;
        wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL,
                           "not a text in UTF-8: %s at byte %zu", problem, parser->problem_offset);
    } else if (parser->context != NULL) {
        wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL,
                           "YAML syntax: %s, %s that begins on line %zu", problem, parser->context,
                           parser->context_mark.line + 1);
    } else {
        wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL, "YAML syntax: %s", problem);
    }
    r->failed = true;
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
    if (r->failed)
        return false;
    if (yaml_parser_parse(&r->parser, event))
        return true;
    scanner_failed(r);
    return false;
}

static struct wp_yaml_node *new_node(struct reader *r, const yaml_event_t *event,
                                     enum wp_yaml_kind kind)
{
    struct wp_yaml_node *node = WP_ARENA_NEW(r->arena, struct wp_yaml_node);
    if (node == NULL) {
        out_of_memory(r);
        return NULL;
    }
    node->kind = kind;
    node->place = place_of(r, event->start_mark);
    node->weight = 1;
    return node;
}

// --- anchors

static struct anchor *find_anchor(const struct reader *r, const char *name)
{
    for (struct anchor *at = r->anchors; at != NULL; at = at->next) {
        if (wp_view_is(at->name, name))
            return at;
    }
    return NULL;
}

// A later anchor of the same name hides the earlier one.
static struct anchor *open_anchor(struct reader *r, const yaml_event_t *event,
                                  const yaml_char_t *name)
{
    if (name == NULL)
        return NULL;
    struct anchor *anchor = WP_ARENA_NEW(r->arena, struct anchor);
    if (anchor == NULL) {
        out_of_memory(r);
        return NULL;
    }
    anchor->name = wp_arena_copy(r->arena, wp_view_of((const char *)name));
    if (anchor->name.ptr == NULL) {
        out_of_memory(r);
        return NULL;
    }
    if (++r->anchor_count > ANCHORS_MAX)
        stop(r, place_of(r, event->start_mark), "too many anchors");
    anchor->next = r->anchors;
    r->anchors = anchor;
    return anchor;
}

static struct wp_yaml_node *read_alias(struct reader *r, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(r, name);
    struct wp_place place = place_of(r, event->start_mark);
    if (anchor != NULL && anchor->node != NULL)
        return anchor->node;
    wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL,
                       anchor == NULL ? "the alias *%s has no anchor &%s before it"
                                      : "the alias *%s lies inside its own anchor &%s",
                       name, name);
    r->failed = true;
    return NULL;
}

// --- scalars

static wp_view copy(struct reader *r, wp_view text)
{
    wp_view out = wp_arena_copy(r->arena, text);
    if (out.ptr == NULL)
        out_of_memory(r);
    return out;
}

// The short name of a core tag ("str"), or NULL.
static const char *core_tag(const yaml_char_t *tag)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    if (tag == NULL || strncmp((const char *)tag, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    return (const char *)tag + sizeof(prefix) - 1;
}

static bool kind_has_tag(enum wp_yaml_kind kind, const char *tag)
{
    static const char *const tags[] = {
        [WP_YAML_NULL] = "null",   [WP_YAML_BOOL] = "bool",      [WP_YAML_INT] = "int",
        [WP_YAML_FLOAT] = "float", [WP_YAML_DATE] = "timestamp", [WP_YAML_TEXT] = "str",
        [WP_YAML_LIST] = "seq",    [WP_YAML_MAP] = "map",
    };
    return strcmp(tags[kind], tag) == 0;
}

static void resolve_scalar(struct reader *r, struct wp_yaml_node *node, wp_view text)
{
    switch (wp_yaml_resolve_plain(r->arena, text, node)) {
    case WP_YAML_SCALAR_NO_MEMORY:
        out_of_memory(r);
        break;
    case WP_YAML_SCALAR_BAD:
        complain(r, node->place,
                 "YAML reads this as a number or date that does not exist; write it in quotes");
        break;
    case WP_YAML_SCALAR_OK:
        break;
    }
}

// "!!float 3" is the only useful conversion; others must already have their type.
static void resolve_tagged(struct reader *r, struct wp_yaml_node *node, wp_view text,
                           const yaml_char_t *tag)
{
    const char *core = core_tag(tag);
    if (strcmp((const char *)tag, "!") == 0 || (core != NULL && strcmp(core, "str") == 0)) {
        wp_yaml_set_text(node, text);
        return;
    }
    resolve_scalar(r, node, text);
    if (core != NULL && strcmp(core, "float") == 0 && node->kind == WP_YAML_INT) {
        wp_view as_float = wp_arena_printf(r->arena, "%.*s.0", WP_VIEW_ARG(node->text));
        if (as_float.ptr == NULL)
            out_of_memory(r);
        else
            resolve_scalar(r, node, as_float);
    } else if (core == NULL || !kind_has_tag(node->kind, core)) {
        wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &node->place, NULL,
                           "the YAML tag %s is not supported here", (const char *)tag);
    }
}

static struct wp_yaml_node *read_scalar(struct reader *r, const yaml_event_t *event)
{
    struct wp_yaml_node *node = new_node(r, event, WP_YAML_TEXT);
    if (node == NULL)
        return NULL;
    wp_view text =
        copy(r, wp_view_make((const char *)event->data.scalar.value, event->data.scalar.length));
    if (text.ptr == NULL)
        return NULL;
    if (event->data.scalar.plain_implicit)
        resolve_scalar(r, node, text);
    else if (event->data.scalar.tag != NULL)
        resolve_tagged(r, node, text, event->data.scalar.tag);
    else
        wp_yaml_set_text(node, text);
    return node;
}

// --- collections

// Doubles an array in the arena; the old one is left behind.
static void *grow(struct reader *r, void *old, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return old;
    size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    void *larger = wp_arena_array(r->arena, wanted, size);
    if (larger == NULL) {
        out_of_memory(r);
        return NULL;
    }
    if (count > 0)
        memcpy(larger, old, count * size);
    *capacity = wanted;
    return larger;
}

// A few hundred bytes of nested aliases can stand for billions of nodes, so what they stand for is
// counted where they are used.
static bool add_weight(struct reader *r, struct wp_yaml_node *parent,
                       const struct wp_yaml_node *child)
{
    parent->weight += child->weight;
    if (parent->weight <= WP_YAML_WEIGHT_MAX)
        return true;
    stop(r, parent->place,
         "too large: a configuration has at most 200000 values, aliases included");
    return false;
}

static void append_item(struct reader *r, struct wp_yaml_node *list, struct wp_yaml_node *item)
{
    struct wp_yaml_node **items =
        grow(r, list->items, list->count, &list->capacity, sizeof(*list->items));
    if (items == NULL || !add_weight(r, list, item))
        return;
    list->items = items;
    list->items[list->count++] = item;
}

static struct wp_yaml_pair *find_pair(const struct wp_yaml_node *map,
                                      const struct wp_yaml_node *key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->pairs[i].key->kind == key->kind && wp_view_eq(map->pairs[i].key->text, key->text))
            return &map->pairs[i];
    }
    return NULL;
}

static void append_pair(struct reader *r, struct wp_yaml_node *map, struct wp_yaml_pair pair)
{
    if (map->count >= WP_YAML_PAIRS_MAX) {
        stop(r, pair.key->place, "too many keys in one mapping");
        return;
    }
    struct wp_yaml_pair *pairs =
        grow(r, map->pairs, map->count, &map->capacity, sizeof(*map->pairs));
    if (pairs == NULL || !add_weight(r, map, pair.key) || !add_weight(r, map, pair.value))
        return;
    map->pairs = pairs;
    map->pairs[map->count++] = pair;
}

// Like an item assignment of a Python dict: a known key keeps its place and takes the new value.
static void assign_pair(struct reader *r, struct wp_yaml_node *map, struct wp_yaml_pair pair)
{
    struct wp_yaml_pair *known = find_pair(map, pair.key);
    if (known == NULL) {
        append_pair(r, map, pair);
    } else if (known->merged || pair.merged) {
        if (add_weight(r, map, pair.value))
            *known = pair;
    } else {
        wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &pair.key->place, NULL,
                           "the key \"%.*s\" was already given on line %u",
                           WP_VIEW_ARG(pair.key->text), known->key->place.line);
    }
}

static void merge_map(struct reader *r, struct wp_yaml_node *into, const struct wp_yaml_node *from)
{
    for (size_t i = 0; i < from->count && !r->failed; i++) {
        struct wp_yaml_pair pair = from->pairs[i];
        pair.merged = true;
        assign_pair(r, into, pair);
    }
}

// The value of "<<": a mapping, or a list of mappings of which earlier ones win. SafeLoader merges
// the list from its end, which also decides the order of the keys.
static void merge_value(struct reader *r, struct wp_yaml_node *into,
                        const struct wp_yaml_node *value)
{
    if (value->kind == WP_YAML_MAP) {
        merge_map(r, into, value);
        return;
    }
    bool ok = value->kind == WP_YAML_LIST;
    for (size_t i = ok ? value->count : 0; i > 0 && ok; i--) {
        ok = value->items[i - 1]->kind == WP_YAML_MAP;
        if (ok)
            merge_map(r, into, value->items[i - 1]);
    }
    if (!ok)
        complain(r, value->place, "\"<<\" merges a mapping or a list of mappings");
}

// Merged keys come first, whatever line "<<" stands on.
static struct wp_yaml_node *finish_map(struct reader *r, struct wp_yaml_node *raw,
                                       const struct wp_yaml_node *merges)
{
    if (merges->count == 0)
        return raw;
    struct wp_yaml_node *map = WP_ARENA_NEW(r->arena, struct wp_yaml_node);
    if (map == NULL) {
        out_of_memory(r);
        return NULL;
    }
    map->kind = WP_YAML_MAP;
    map->place = raw->place;
    map->weight = 1;
    for (size_t i = 0; i < merges->count; i++)
        merge_value(r, map, merges->items[i]);
    for (size_t i = 0; i < raw->count; i++)
        assign_pair(r, map, raw->pairs[i]);
    return map;
}

static void read_pair(struct reader *r, yaml_event_t *event, struct wp_yaml_node *map,
                      struct wp_yaml_node *merges, unsigned depth)
{
    bool merge =
        event->type == YAML_SCALAR_EVENT && event->data.scalar.plain_implicit &&
        wp_view_is(wp_view_make((const char *)event->data.scalar.value, event->data.scalar.length),
                   "<<");
    yaml_event_t value_event;
    struct wp_yaml_node *key = read_node(r, event, depth);
    if (key == NULL || !next_event(r, &value_event))
        return;
    struct wp_yaml_node *value = read_node(r, &value_event, depth);
    if (value == NULL)
        return;
    if (key->kind >= WP_YAML_LIST)
        complain(r, key->place, "a key must be a single value, not a list or mapping");
    else if (merge)
        append_item(r, merges, value);
    else
        assign_pair(r, map, (struct wp_yaml_pair){.key = key, .value = value});
}

static struct wp_yaml_node *read_map(struct reader *r, const yaml_event_t *start, unsigned depth)
{
    struct wp_yaml_node merges = {.kind = WP_YAML_LIST, .weight = 1};
    struct wp_yaml_node *map = new_node(r, start, WP_YAML_MAP);
    yaml_event_t event;
    if (map == NULL)
        return NULL;
    merges.place = map->place;
    while (next_event(r, &event)) {
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return finish_map(r, map, &merges);
        }
        read_pair(r, &event, map, &merges, depth + 1);
    }
    return NULL;
}

static struct wp_yaml_node *read_list(struct reader *r, const yaml_event_t *start, unsigned depth)
{
    struct wp_yaml_node *list = new_node(r, start, WP_YAML_LIST);
    yaml_event_t event;
    while (list != NULL && next_event(r, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return list;
        }
        struct wp_yaml_node *item = read_node(r, &event, depth + 1);
        if (item != NULL)
            append_item(r, list, item);
    }
    return NULL;
}

static void check_collection_tag(struct reader *r, const yaml_event_t *event,
                                 const yaml_char_t *tag, enum wp_yaml_kind kind)
{
    const char *core = core_tag(tag);
    if (tag == NULL || strcmp((const char *)tag, "!") == 0 ||
        (core != NULL && kind_has_tag(kind, core)))
        return;
    struct wp_place place = place_of(r, event->start_mark);
    wp_diagnostics_add(r->diagnostics, WP_DIAG_ERROR, &place, NULL,
                       "the YAML tag %s is not supported here", (const char *)tag);
}

static struct wp_yaml_node *read_content(struct reader *r, const yaml_event_t *event,
                                         unsigned depth)
{
    struct anchor *anchor = NULL;
    struct wp_yaml_node *node = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = open_anchor(r, event, event->data.scalar.anchor);
        node = read_scalar(r, event);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        check_collection_tag(r, event, event->data.sequence_start.tag, WP_YAML_LIST);
        anchor = open_anchor(r, event, event->data.sequence_start.anchor);
        node = read_list(r, event, depth);
    } else {
        check_collection_tag(r, event, event->data.mapping_start.tag, WP_YAML_MAP);
        anchor = open_anchor(r, event, event->data.mapping_start.anchor);
        node = read_map(r, event, depth);
    }
    if (anchor != NULL)
        anchor->node = node;
    return node;
}

// Consumes the event. NULL once reading has failed.
static struct wp_yaml_node *read_node(struct reader *r, yaml_event_t *event, unsigned depth)
{
    struct wp_yaml_node *node = NULL;
    if (depth > WP_YAML_DEPTH_MAX)
        stop(r, place_of(r, event->start_mark), "nested too deeply");
    else if (event->type == YAML_ALIAS_EVENT)
        node = read_alias(r, event);
    else
        node = read_content(r, event, depth);
    yaml_event_delete(event);
    return r->failed ? NULL : node;
}

static bool skip_event(struct reader *r, yaml_event_type_t wanted)
{
    yaml_event_t event;
    if (!next_event(r, &event))
        return false;
    bool found = event.type == wanted;
    if (!found && wanted == YAML_STREAM_END_EVENT)
        stop(r, place_of(r, event.start_mark),
             "a second YAML document begins here; a configuration is one document");
    yaml_event_delete(&event);
    return found;
}

static struct wp_yaml_node *read_document(struct reader *r)
{
    yaml_event_t event;
    if (!skip_event(r, YAML_STREAM_START_EVENT) || !next_event(r, &event))
        return NULL;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    struct wp_yaml_node *root = empty ? new_node(r, &event, WP_YAML_NULL) : NULL;
    yaml_event_delete(&event);
    if (empty || !next_event(r, &event))
        return root;
    root = read_node(r, &event, 0);
    if (root != NULL && skip_event(r, YAML_DOCUMENT_END_EVENT))
        (void)skip_event(r, YAML_STREAM_END_EVENT);
    return r->failed ? NULL : root;
}

enum wp_err wp_yaml_parse(struct wp_arena *arena, wp_view text, wp_view file,
                          struct wp_diagnostics *diagnostics, struct wp_yaml_node **root)
{
    struct reader r = {.arena = arena, .diagnostics = diagnostics, .file = file};
    size_t errors = diagnostics->errors;
    *root = NULL;
    if (text.len > WP_YAML_TEXT_MAX) {
        struct wp_place place = {file, 0, 0};
        complain(&r, place, "larger than 4 MiB");
        return WP_ERR_INVALID;
    }
    if (!yaml_parser_initialize(&r.parser))
        return WP_ERR_NO_MEMORY;
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.ptr, text.len);
    *root = read_document(&r);
    yaml_parser_delete(&r.parser);
    if (r.no_memory)
        return WP_ERR_NO_MEMORY;
    return diagnostics->errors > errors ? WP_ERR_INVALID : WP_OK;
}

struct wp_yaml_node *wp_yaml_get(const struct wp_yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != WP_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (map->pairs[i].key->kind == WP_YAML_TEXT && wp_view_is(map->pairs[i].key->text, key))
            return map->pairs[i].value;
    }
    return NULL;
}

bool wp_yaml_truthy(const struct wp_yaml_node *node)
{
    switch (node->kind) {
    case WP_YAML_NULL:
        return false;
    case WP_YAML_BOOL:
        return node->boolean;
    case WP_YAML_INT:
    case WP_YAML_FLOAT:
        return node->number != 0;
    case WP_YAML_TEXT:
        return node->text.len > 0;
    case WP_YAML_LIST:
    case WP_YAML_MAP:
        return node->count > 0;
    case WP_YAML_DATE:
        break;
    }
    return true;
}
