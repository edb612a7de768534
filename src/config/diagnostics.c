#include "config/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

enum { MESSAGE_MAX = 2048, PATH_MAX_BYTES = 1024, LIST_MAX = 10000 };

void wp_diagnostics_init(struct wp_diagnostics *diagnostics)
{
    // Without memory for texts the problems are still counted, so nothing is loaded by mistake.
    *diagnostics = (struct wp_diagnostics){.arena = wp_arena_create(0)};
}

void wp_diagnostics_clear(struct wp_diagnostics *diagnostics)
{
    wp_arena_destroy(diagnostics->arena), diagnostics->arena = NULL;
    wp_free(diagnostics->list), diagnostics->list = NULL;
}

struct wp_diagnostics *wp_diagnostics_create(void)
{
    struct wp_diagnostics *diagnostics = wp_alloc_or_die(sizeof(*diagnostics));
    wp_diagnostics_init(diagnostics);
    return diagnostics;
}

void wp_diagnostics_free(struct wp_diagnostics *diagnostics)
{
    if (diagnostics == NULL)
        return;
    wp_diagnostics_clear(diagnostics);
    wp_free(diagnostics);
}

void wp_path_append(struct wp_buf *out, const struct wp_path *path)
{
    if (path == NULL)
        return;
    wp_path_append(out, path->up);
    if (path->key.ptr == NULL) {
        wp_buf_printf(out, "[%zu]", path->index);
        return;
    }
    if (out->len > 0)
        wp_buf_append_char(out, '.');
    wp_buf_append(out, path->key);
}

static wp_view copy_sanitized(struct wp_arena *arena, wp_view text)
{
    char clean[MESSAGE_MAX];
    wp_log_sanitize(text, clean, sizeof(clean));
    return wp_arena_copy(arena, wp_view_of(clean));
}

static wp_view render_path(struct wp_arena *arena, const struct wp_path *path)
{
    struct wp_buf text = wp_buf_make(PATH_MAX_BYTES);
    wp_path_append(&text, path);
    wp_view copy = copy_sanitized(arena, wp_buf_view(&text));
    wp_buf_free(&text);
    return copy;
}

static struct wp_diagnostic *next_slot(struct wp_diagnostics *diagnostics)
{
    if (diagnostics->arena == NULL || diagnostics->count >= LIST_MAX)
        return NULL;
    if (diagnostics->count == diagnostics->capacity) {
        size_t capacity = diagnostics->capacity == 0 ? 16 : diagnostics->capacity * 2;
        struct wp_diagnostic *list =
            wp_realloc(diagnostics->list, capacity * sizeof(*diagnostics->list));
        if (list == NULL)
            return NULL;
        diagnostics->list = list;
        diagnostics->capacity = capacity;
    }
    return &diagnostics->list[diagnostics->count++];
}

void wp_diagnostics_add(struct wp_diagnostics *diagnostics, enum wp_diagnostic_level level,
                        const struct wp_place *place, const struct wp_path *path,
                        const char *format, ...)
{
    diagnostics->errors += level == WP_DIAG_ERROR ? 1 : 0;
    diagnostics->warnings += level == WP_DIAG_WARNING ? 1 : 0;
    struct wp_diagnostic *slot = next_slot(diagnostics);
    if (slot == NULL)
        return;
    char message[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    *slot = (struct wp_diagnostic){
        .level = level,
        .path = render_path(diagnostics->arena, path),
        .message = copy_sanitized(diagnostics->arena, wp_view_of(message)),
    };
    if (place == NULL)
        return;
    slot->file = copy_sanitized(diagnostics->arena, place->file);
    slot->line = place->line;
    slot->column = place->column;
}

// Files rank by the position of their first problem.
static size_t file_rank(const struct wp_diagnostics *diagnostics, wp_view file)
{
    size_t rank = 0;
    while (rank < diagnostics->count && !wp_view_eq(diagnostics->list[rank].file, file))
        rank++;
    return rank;
}

struct sort_key {
    size_t rank, line, column, index;
};

static int compare_keys(const void *left, const void *right)
{
    const struct sort_key *a = left, *b = right;
    const size_t pairs[4][2] = {
        {a->rank, b->rank}, {a->line, b->line}, {a->column, b->column}, {a->index, b->index}};
    for (size_t i = 0; i < WP_COUNT_OF(pairs); i++) {
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1] ? -1 : 1;
    }
    return 0;
}

void wp_diagnostics_sort(struct wp_diagnostics *diagnostics)
{
    size_t count = diagnostics->count;
    if (count < 2)
        return;
    struct sort_key *keys = wp_alloc(count * sizeof(*keys));
    struct wp_diagnostic *sorted = wp_alloc(diagnostics->capacity * sizeof(*sorted));
    if (keys != NULL && sorted != NULL) {
        for (size_t i = 0; i < count; i++) {
            const struct wp_diagnostic *at = &diagnostics->list[i];
            keys[i] = (struct sort_key){file_rank(diagnostics, at->file), at->line, at->column, i};
        }
        qsort(keys, count, sizeof(*keys), compare_keys);
        for (size_t i = 0; i < count; i++)
            sorted[i] = diagnostics->list[keys[i].index];
        wp_free(diagnostics->list);
        diagnostics->list = sorted;
        sorted = NULL;
    }
    wp_free(sorted);
    wp_free(keys);
}

void wp_diagnostics_print(const struct wp_diagnostics *diagnostics, struct wp_buf *out)
{
    static const char *const names[] = {"note", "warning", "error"};
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct wp_diagnostic *at = &diagnostics->list[i];
        if (at->file.len > 0)
            wp_buf_printf(out, "%.*s:", WP_VIEW_ARG(at->file));
        if (at->line > 0)
            wp_buf_printf(out, "%u:%u:", at->line, at->column);
        wp_buf_printf(out, "%s%s: ", at->file.len > 0 ? " " : "", names[at->level]);
        if (at->path.len > 0)
            wp_buf_printf(out, "%.*s: ", WP_VIEW_ARG(at->path));
        wp_buf_printf(out, "%.*s\n", WP_VIEW_ARG(at->message));
    }
    if (diagnostics->count < diagnostics->errors + diagnostics->warnings)
        wp_buf_append_cstring(out, "error: more problems than could be kept\n");
}

void wp_config_add_tls_problem(struct wp_diagnostics *diagnostics,
                               const struct wp_snapshot *snapshot, const char *problem)
{
    const struct wp_place *place = &snapshot->general.tls_place;
    const struct wp_path general = {.key = WP_VIEW("general_settings")};
    const struct wp_path path = {.up = &general, .key = WP_VIEW("tls_certificate_file")};
    wp_diagnostics_add(diagnostics, WP_DIAG_ERROR, place->file.len > 0 ? place : NULL, &path, "%s",
                       problem);
}
