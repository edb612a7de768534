#include "base/arena.h"

#include <stdio.h>

#include "base/alloc.h"

enum { ARENA_MAGIC = 0x41524e41, FIRST_CHUNK = 2048, MAX_CHUNK = 64 * 1024, ALIGNMENT = 16 };

struct chunk {
    struct chunk *next;
    size_t size; // of data
    size_t used;
    size_t padding; // keeps data aligned to 16
    char data[];
};

struct hook {
    struct hook *next;
    void (*fn)(void *arg);
    void *arg;
};

struct wp_arena {
    uint32_t magic;
    struct chunk *current; // newest first
    struct hook *hooks;
    size_t limit;
    size_t used;
    size_t next_size;
};

struct wp_arena *wp_arena_create(size_t limit)
{
    struct wp_arena *arena = wp_alloc(sizeof(*arena));
    if (arena == NULL)
        return NULL;
    arena->magic = ARENA_MAGIC;
    arena->limit = limit;
    arena->next_size = FIRST_CHUNK;
    return arena;
}

void wp_arena_destroy(struct wp_arena *arena)
{
    if (arena == NULL)
        return;
    WP_CHECK_MAGIC(arena, ARENA_MAGIC);
    for (struct hook *hook = arena->hooks; hook != NULL; hook = hook->next)
        hook->fn(hook->arg);
    while (arena->current != NULL) {
        struct chunk *chunk = arena->current;
        arena->current = chunk->next;
        wp_free(chunk);
    }
    arena->magic = 0;
    wp_free(arena);
}

static struct chunk *grow(struct wp_arena *arena, size_t size)
{
    size_t want = size > arena->next_size ? size : arena->next_size;
    struct chunk *chunk = wp_alloc(sizeof(*chunk) + want);
    if (chunk == NULL)
        return NULL;
    chunk->size = want;
    if (size > arena->next_size && arena->current != NULL) {
        // A large piece of its own must not waste what the current chunk has left.
        chunk->next = arena->current->next;
        arena->current->next = chunk;
        return chunk;
    }
    if (arena->next_size < MAX_CHUNK)
        arena->next_size *= 2;
    chunk->next = arena->current;
    arena->current = chunk;
    return chunk;
}

void *wp_arena_alloc(struct wp_arena *arena, size_t size)
{
    WP_CHECK_MAGIC(arena, ARENA_MAGIC);
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->limit != 0 && size > arena->limit - arena->used)
        return NULL;
    struct chunk *chunk = arena->current;
    if (chunk == NULL || chunk->size - chunk->used < size)
        chunk = grow(arena, size);
    if (chunk == NULL)
        return NULL;
    void *ptr = chunk->data + chunk->used;
    chunk->used += size;
    arena->used += size;
    return ptr;
}

void *wp_arena_array(struct wp_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return wp_arena_alloc(arena, bytes);
}

wp_view wp_arena_copy(struct wp_arena *arena, wp_view v)
{
    return wp_arena_concat(arena, &v, 1);
}

char *wp_arena_cstring(struct wp_arena *arena, wp_view v)
{
    return (char *)(uintptr_t)wp_arena_copy(arena, v).ptr;
}

wp_view wp_arena_concat(struct wp_arena *arena, const wp_view *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *ptr = wp_arena_alloc(arena, len + 1);
    if (ptr == NULL)
        return (wp_view){NULL, 0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(ptr + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return wp_view_make(ptr, len);
}

wp_view wp_arena_printf(struct wp_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *ptr = len < 0 ? NULL : wp_arena_alloc(arena, (size_t)len + 1);
    if (ptr != NULL)
        vsnprintf(ptr, (size_t)len + 1, format, again);
    va_end(again);
    return ptr == NULL ? (wp_view){NULL, 0} : wp_view_make(ptr, (size_t)len);
}

bool wp_arena_on_destroy(struct wp_arena *arena, void (*fn)(void *arg), void *arg)
{
    struct hook *hook = WP_ARENA_NEW(arena, struct hook);
    if (hook == NULL)
        return false;
    *hook = (struct hook){arena->hooks, fn, arg};
    arena->hooks = hook;
    return true;
}

size_t wp_arena_used(const struct wp_arena *arena)
{
    return arena->used;
}
