// Edits of a byte string as a list of replaced ranges; everything else stays byte for byte. The
// result is a list of spans of the source and of the replacements: nothing is copied.
#ifndef WP_JSON_SPLICE_H
#define WP_JSON_SPLICE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/view.h"

struct wp_edit {
    size_t from, to; // range [from, to) of the source; from == to inserts
    wp_view with;    // lives as long as the spans are used
    bool item;       // a removed member or element: commas are settled when spans are built
};

// Edits in any order. Ranges must not overlap; insertions at one offset keep the order in which
// they were added and come before a replacement that starts there.
struct wp_splice {
    struct wp_arena *arena;
    wp_view source;
    struct wp_edit *edits;
    size_t count, capacity;
    bool failed; // memory was short
};

void wp_splice_init(struct wp_splice *splice, struct wp_arena *arena, wp_view source);
void wp_splice_replace(struct wp_splice *splice, size_t from, size_t to, wp_view with);
// Removes a member of an object or an element of an array given the range of the whole member
// ("key":value or element), taking one adjacent comma and white space with it, so that valid JSON
// stays valid; `container` is the range of the surrounding {…} or […]. Safe for several adjacent
// members of one container: removals are merged when the spans are built.
void wp_splice_remove_item(struct wp_splice *splice, wp_view container, wp_view item);
// Inserts text (without comma, e.g. "\"a\":1") as the first item of an object or array; adds the
// comma if the container will not be empty after the removals made so far.
void wp_splice_insert_first(struct wp_splice *splice, wp_view container, wp_view text);

struct wp_spans {
    wp_view *list; // no empty spans
    size_t count;
    size_t total; // bytes
};
// WP_ERR_NO_MEMORY, or WP_ERR_INTERNAL if ranges overlap or leave the source.
enum wp_err wp_splice_spans(const struct wp_splice *splice, struct wp_spans *out) WP_WARN_UNUSED;

#endif
