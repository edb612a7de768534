// Memory of one exchange: bump allocation in chunks, freed at once, with clean-up hooks for
// resources that are not memory, and a limit on what a peer can make it grow to.
// Not thread-safe: one owner.
#ifndef WP_BASE_ARENA_H
#define WP_BASE_ARENA_H

#include <stdarg.h>

#include "base/check.h"
#include "base/view.h"

struct wp_arena;

// `limit` in bytes over the life of the arena, 0 for none. NULL when memory is short.
struct wp_arena *wp_arena_create(size_t limit);
// The same with room for some `first` bytes at once, for what lives long: less of it lies idle.
struct wp_arena *wp_arena_create_with(size_t limit, size_t first);
// Runs the hooks, newest first, then frees everything. NULL is allowed.
void wp_arena_destroy(struct wp_arena *arena);

// Zeroed, aligned to 16. NULL past the limit or when memory is short: callers answer 503.
void *wp_arena_alloc(struct wp_arena *arena, size_t size) WP_WARN_UNUSED;
// The same, not zeroed.
void *wp_arena_raw(struct wp_arena *arena, size_t size) WP_WARN_UNUSED;
// NULL also when count * size overflows.
void *wp_arena_array(struct wp_arena *arena, size_t count, size_t size) WP_WARN_UNUSED;
// A copy that ends in NUL (not counted in len); ptr == NULL on failure.
wp_view wp_arena_copy(struct wp_arena *arena, wp_view v) WP_WARN_UNUSED;
// NUL-terminated copy for the border of libc; NULL on failure.
char *wp_arena_cstring(struct wp_arena *arena, wp_view v) WP_WARN_UNUSED;
wp_view wp_arena_concat(struct wp_arena *arena, const wp_view *parts, size_t count) WP_WARN_UNUSED;
wp_view wp_arena_printf(struct wp_arena *arena, const char *format, ...) WP_WARN_UNUSED
    WP_PRINTF(2, 3);

// Calls fn(arg) at destruction. False when memory is short: the caller keeps the resource.
bool wp_arena_on_destroy(struct wp_arena *arena, void (*fn)(void *arg), void *arg) WP_WARN_UNUSED;
// Bytes handed out so far.
size_t wp_arena_used(const struct wp_arena *arena);

// Gives the calling thread's spare chunks back that were not needed since the last call; bytes.
size_t wp_arena_trim(void);

// Bytes of all threads' chunks: in arenas, and kept for arenas to come. Any thread.
struct wp_arena_totals {
    int64_t live, idle;
};
void wp_arena_totals(struct wp_arena_totals *out);

#define WP_ARENA_NEW(arena, type) ((type *)wp_arena_alloc((arena), sizeof(type)))

#endif
