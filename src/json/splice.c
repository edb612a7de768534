#include "json/splice.h"

void wp_splice_init(struct wp_splice *splice, struct wp_arena *arena, wp_view source)
{
    *splice = (struct wp_splice){.arena = arena, .source = source};
}

static void add_edit(struct wp_splice *splice, struct wp_edit edit)
{
    if (splice->count == splice->capacity) {
        size_t capacity = splice->capacity == 0 ? 16 : splice->capacity * 2;
        struct wp_edit *more = wp_arena_array(splice->arena, capacity, sizeof(*more));
        if (more == NULL) {
            splice->failed = true;
            return;
        }
        if (splice->count > 0)
            memcpy(more, splice->edits, splice->count * sizeof(*more));
        splice->edits = more;
        splice->capacity = capacity;
    }
    splice->edits[splice->count++] = edit;
}

void wp_splice_replace(struct wp_splice *splice, size_t from, size_t to, wp_view with)
{
    add_edit(splice, (struct wp_edit){from, to, with, false});
}

// Which comma goes with an item can only be told when all removals are known: see take_run.
void wp_splice_remove_item(struct wp_splice *splice, wp_view container, wp_view item)
{
    size_t from = (size_t)(item.ptr - splice->source.ptr);
    (void)container;
    add_edit(splice, (struct wp_edit){from, from + item.len, {NULL, 0}, true});
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_forward(wp_view text, size_t at)
{
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    return at;
}

static size_t skip_back(wp_view text, size_t at)
{
    while (at > 0 && is_space(text.ptr[at - 1]))
        at--;
    return at;
}

// Items that survive the removals: whether the container will still hold something.
static bool stays_filled(const struct wp_splice *splice, wp_view container)
{
    size_t open = (size_t)(container.ptr - splice->source.ptr) + 1;
    size_t close = open + container.len - 2;
    for (size_t at = open; at < close; at++) {
        bool removed = false;
        for (size_t i = 0; i < splice->count && !removed; i++) {
            const struct wp_edit *edit = &splice->edits[i];
            removed = edit->item && at >= edit->from && at < edit->to;
            if (removed)
                at = edit->to - 1;
        }
        if (!removed && !is_space(splice->source.ptr[at]) && splice->source.ptr[at] != ',')
            return true;
    }
    return false;
}

void wp_splice_insert_first(struct wp_splice *splice, wp_view container, wp_view text)
{
    size_t at = (size_t)(container.ptr - splice->source.ptr) + 1;
    const wp_view parts[] = {text, WP_VIEW(",")};
    wp_view whole = wp_arena_concat(splice->arena, parts, stays_filled(splice, container) ? 2 : 1);
    if (whole.ptr == NULL)
        splice->failed = true;
    else
        wp_splice_replace(splice, at, at, whole);
}

// By position; insertions before what starts at the same place; otherwise in the order they were
// added. Edits are few: insertion sort keeps it stable.
static void sort(struct wp_edit *edits, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct wp_edit edit = edits[i];
        bool insertion = edit.from == edit.to;
        size_t at = i;
        while (at > 0 &&
               (edits[at - 1].from > edit.from || (edits[at - 1].from == edit.from && insertion &&
                                                   edits[at - 1].to > edits[at - 1].from))) {
            edits[at] = edits[at - 1];
            at--;
        }
        edits[at] = edit;
    }
}

static void add_span(struct wp_spans *out, wp_view span)
{
    if (span.len == 0)
        return;
    out->list[out->count++] = span;
    out->total += span.len;
}

// Neighbouring items that are removed, as one range with the commas that go with them: the one
// behind, or, at the end of the container, the one before. *i moves to the run's last edit.
static struct wp_edit take_run(wp_view source, const struct wp_edit *edits, size_t count, size_t *i)
{
    struct wp_edit run = edits[*i];
    size_t comma = skip_forward(source, run.to);
    while (*i + 1 < count && edits[*i + 1].item && comma < source.len && source.ptr[comma] == ',' &&
           skip_forward(source, comma + 1) == edits[*i + 1].from) {
        run.to = edits[++*i].to;
        comma = skip_forward(source, run.to);
    }
    size_t before = skip_back(source, run.from);
    if (comma < source.len && source.ptr[comma] == ',')
        run.to = skip_forward(source, comma + 1);
    else if (before > 0 && source.ptr[before - 1] == ',')
        run.from = before - 1;
    return run;
}

enum wp_err wp_splice_spans(const struct wp_splice *splice, struct wp_spans *out)
{
    *out = (struct wp_spans){0};
    if (splice->failed)
        return WP_ERR_NO_MEMORY;
    out->list = wp_arena_array(splice->arena, 2 * splice->count + 1, sizeof(*out->list));
    struct wp_edit *edits = wp_arena_array(splice->arena, splice->count + 1, sizeof(*edits));
    if (out->list == NULL || edits == NULL)
        return WP_ERR_NO_MEMORY;
    if (splice->count > 0)
        memcpy(edits, splice->edits, splice->count * sizeof(*edits));
    sort(edits, splice->count);
    size_t at = 0;
    for (size_t i = 0; i < splice->count; i++) {
        struct wp_edit edit =
            edits[i].item ? take_run(splice->source, edits, splice->count, &i) : edits[i];
        if (edit.to > splice->source.len || edit.from > edit.to || edit.from < at)
            return WP_ERR_INTERNAL;
        add_span(out, wp_view_sub(splice->source, at, edit.from));
        add_span(out, edit.with);
        at = edit.to;
    }
    add_span(out, wp_view_sub(splice->source, at, splice->source.len));
    return WP_OK;
}
