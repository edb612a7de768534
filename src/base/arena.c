#include "base/arena.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"

enum {
    ARENA_MAGIC = 0x41524e41,
    SMALLEST = 1024, // a call with a short head; four of it are a small request
    MAX_CHUNK = 64 * SMALLEST,
    ALIGNMENT = 16,
};

static const size_t NO_LIMIT = SIZE_MAX - ALIGNMENT;

struct chunk {
    struct chunk *next;
    size_t size;    // of data
    size_t used;    // once it is no longer the newest
    size_t padding; // keeps data aligned to 16
    char data[];
};

struct hook {
    struct hook *next;
    void (*fn)(void *arg);
    void *arg;
};

// Lies in its own first chunk.
struct wp_arena {
    uint32_t magic;
    char *at, *end;        // what the newest chunk has left
    size_t left;           // bytes that may still be handed out
    struct chunk *current; // newest first
    struct hook *hooks;
    size_t limit; // what was left in the beginning
    size_t held;  // bytes of all chunks
};

// Spare chunks --------------------------------------------------------------------------------

// Each thread keeps some chunks of the regular sizes: arenas live for a request, and malloc splits
// and joins blocks of this size at a price. Not where tools watch every allocation.
#if defined(__SANITIZE_ADDRESS__) || defined(WP_ALLOC_FAULTS)
static const uint32_t spare_max = 0;
static const size_t large_most = 0;
#else
static const uint32_t spare_max = 64; // of each size: at most 8 MiB per thread, less after a trim
static const size_t large_most = 64 * 1024 * 1024; // of all threads, less after a trim
#endif
enum {
    SIZES = 7, // SMALLEST << 0 … 6
    // From here on malloc maps fresh pages each time: each is a fault, half of what a body costs.
    LARGE = 1000 * 1024,
};

struct spares {
    struct chunk *first[SIZES];
    uint32_t count[SIZES];
    uint32_t least[SIZES]; // fewest since the last trim: those were not needed
    struct chunk *large;   // the one given last first
    size_t large_bytes, large_least;
    // Bytes; written by this thread alone. What another thread destroys makes its own negative: the
    // sum is right.
    _Atomic int64_t live, idle;
    struct spares *next; // of another thread
};

static _Thread_local struct spares spares;
static pthread_key_t thread_end;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static _Thread_local bool thread_known;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER; // guards what follows
static struct spares *threads;
static int64_t live_of_ended;
static _Atomic size_t large_of_all; // bytes of large spare chunks

// With one writer this needs no locked instruction.
static void count(_Atomic int64_t *of, int64_t bytes)
{
    int64_t now = atomic_load_explicit(of, memory_order_relaxed);
    atomic_store_explicit(of, now + bytes, memory_order_relaxed);
}

static void leave(void *arg)
{
    struct spares *of = arg, **at = &threads;
    pthread_mutex_lock(&threads_lock);
    while (*at != of)
        at = &(*at)->next;
    *at = of->next;
    live_of_ended += atomic_load(&of->live);
    pthread_mutex_unlock(&threads_lock);
    thread_known = false;
    for (size_t i = 0; i < SIZES; i++) {
        while (of->first[i] != NULL) {
            struct chunk *chunk = of->first[i];
            of->first[i] = chunk->next;
            wp_free(chunk);
        }
        of->count[i] = 0;
    }
    while (of->large != NULL) {
        struct chunk *chunk = of->large;
        of->large = chunk->next;
        wp_free(chunk);
    }
    atomic_fetch_sub(&large_of_all, of->large_bytes);
    of->large_bytes = of->large_least = 0;
    atomic_store(&of->live, 0);
    atomic_store(&of->idle, 0);
}

static void make_key(void)
{
    WP_CHECK(pthread_key_create(&thread_end, leave) == 0);
}

static void join_threads(void)
{
    pthread_once(&thread_end_once, make_key);
    pthread_setspecific(thread_end, &spares);
    thread_known = true;
    pthread_mutex_lock(&threads_lock);
    spares.next = threads;
    threads = &spares;
    pthread_mutex_unlock(&threads_lock);
}

static size_t size_index(size_t size)
{
    for (size_t i = 0; i < SIZES; i++)
        if (size == (size_t)SMALLEST << i)
            return i;
    return SIZES;
}

static struct chunk *take_regular(size_t index)
{
    struct chunk *chunk = spares.first[index];
    if (chunk == NULL)
        return NULL;
    spares.first[index] = chunk->next;
    if (--spares.count[index] < spares.least[index])
        spares.least[index] = spares.count[index];
    return chunk;
}

// The smallest that is not twice too large.
static struct chunk *take_large(size_t size)
{
    struct chunk **best = NULL;
    for (struct chunk **at = &spares.large; *at != NULL; at = &(*at)->next)
        if ((*at)->size >= size && (*at)->size / 2 <= size &&
            (best == NULL || (*at)->size < (*best)->size))
            best = at;
    if (best == NULL)
        return NULL;
    struct chunk *chunk = *best;
    *best = chunk->next;
    atomic_fetch_sub(&large_of_all, chunk->size);
    spares.large_bytes -= chunk->size;
    if (spares.large_bytes < spares.large_least)
        spares.large_least = spares.large_bytes;
    return chunk;
}

// The next request of a conversation is a little longer. What is not touched takes no memory.
static size_t large_size(size_t size)
{
    size_t step = (size_t)LARGE / 8;
    while (step < size / 8)
        step *= 2;
    return size > SIZE_MAX / 2 ? size : (size + step - 1) / step * step;
}

static struct chunk *take_chunk(size_t size)
{
    size_t index = size_index(size);
    struct chunk *chunk = NULL;
    if (!thread_known)
        join_threads();
    if (index < SIZES) {
        chunk = take_regular(index);
    } else if (size >= LARGE) {
        size = large_size(size);
        chunk = take_large(size);
    }
    if (chunk != NULL) {
        size = chunk->size;
        count(&spares.idle, -(int64_t)size);
    } else {
        chunk = wp_realloc(NULL, sizeof(*chunk) + size); // not zeroed: alloc does that
    }
    if (chunk == NULL)
        return NULL;
    count(&spares.live, (int64_t)size);
    *chunk = (struct chunk){.size = size};
    return chunk;
}

static bool keep_regular(struct chunk *chunk, size_t index)
{
    if (spares.count[index] >= spare_max)
        return false;
    chunk->next = spares.first[index];
    spares.first[index] = chunk;
    spares.count[index]++;
    return true;
}

static bool keep_large(struct chunk *chunk)
{
    size_t before = atomic_fetch_add(&large_of_all, chunk->size);
    if (before > large_most || chunk->size > large_most - before) {
        atomic_fetch_sub(&large_of_all, chunk->size);
        return false;
    }
    chunk->next = spares.large;
    spares.large = chunk;
    spares.large_bytes += chunk->size;
    return true;
}

static void give_chunk(struct chunk *chunk)
{
    size_t index = size_index(chunk->size);
    if (!thread_known)
        join_threads();
    count(&spares.live, -(int64_t)chunk->size);
    bool kept =
        index < SIZES ? keep_regular(chunk, index) : chunk->size >= LARGE && keep_large(chunk);
    if (kept)
        count(&spares.idle, (int64_t)chunk->size);
    else
        wp_free(chunk);
}

// The oldest go first: as many bytes as were never needed since the last trim, whole chunks.
static size_t trim_large(void)
{
    size_t freed = 0;
    struct chunk **at = &spares.large;
    for (size_t kept = 0; *at != NULL;) {
        struct chunk *chunk = *at;
        if (kept + chunk->size <= spares.large_bytes - spares.large_least) {
            kept += chunk->size;
            at = &chunk->next;
        } else {
            *at = chunk->next;
            freed += chunk->size;
            wp_free(chunk);
        }
    }
    atomic_fetch_sub(&large_of_all, freed);
    spares.large_bytes -= freed;
    spares.large_least = spares.large_bytes;
    return freed;
}

size_t wp_arena_trim(void)
{
    size_t freed = trim_large();
    for (size_t i = 0; i < SIZES; i++) {
        for (; spares.least[i] > 0; spares.least[i]--, spares.count[i]--) {
            struct chunk *chunk = spares.first[i];
            spares.first[i] = chunk->next;
            freed += chunk->size;
            wp_free(chunk);
        }
        spares.least[i] = spares.count[i];
    }
    count(&spares.idle, -(int64_t)freed);
    return freed;
}

void wp_arena_totals(struct wp_arena_totals *out)
{
    *out = (struct wp_arena_totals){0};
    pthread_mutex_lock(&threads_lock);
    out->live = live_of_ended;
    for (const struct spares *of = threads; of != NULL; of = of->next) {
        out->live += atomic_load_explicit(&of->live, memory_order_relaxed);
        out->idle += atomic_load_explicit(&of->idle, memory_order_relaxed);
    }
    pthread_mutex_unlock(&threads_lock);
}

// Arenas --------------------------------------------------------------------------------------

struct wp_arena *wp_arena_create(size_t limit)
{
    return wp_arena_create_with(limit, 2 * SMALLEST);
}

struct wp_arena *wp_arena_create_with(size_t limit, size_t first)
{
    size_t size = SMALLEST;
    while (size < first && size < MAX_CHUNK)
        size *= 2;
    struct chunk *chunk = take_chunk(size);
    if (chunk == NULL)
        return NULL;
    struct wp_arena *arena = (struct wp_arena *)(void *)chunk->data;
    if (limit == 0 || limit > NO_LIMIT)
        limit = NO_LIMIT;
    *arena = (struct wp_arena){
        .magic = ARENA_MAGIC,
        .at = chunk->data + sizeof(*arena),
        .end = chunk->data + size,
        .left = limit,
        .current = chunk,
        .limit = limit,
        .held = size,
    };
    return arena;
}

void wp_arena_destroy(struct wp_arena *arena)
{
    if (arena == NULL)
        return;
    WP_CHECK_MAGIC(arena, ARENA_MAGIC);
    for (struct hook *hook = arena->hooks; hook != NULL; hook = hook->next)
        hook->fn(hook->arg);
    struct chunk *chunk = arena->current;
    arena->magic = 0;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        give_chunk(chunk);
        chunk = next;
    }
}

// Chunks double as the arena does, but stay small beside what is there: of a stream's arena, which
// lives for minutes, little lies idle.
static size_t next_size(const struct wp_arena *arena)
{
    size_t size = SMALLEST;
    while (size < MAX_CHUNK && size * 8 <= arena->held)
        size *= 2;
    return size;
}

static void begin_chunk(struct wp_arena *arena, struct chunk *chunk)
{
    arena->current->used = (size_t)(arena->at - arena->current->data);
    chunk->next = arena->current;
    arena->current = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk->size;
}

// Bytes that are skipped so that `at` is aligned.
static size_t padding_at(const char *at, size_t alignment)
{
    return -(uintptr_t)at & (alignment - 1);
}

// The chunk before the newest, which a large piece may have left half empty.
static void *use_rest(struct chunk *chunk, size_t size, size_t alignment)
{
    if (chunk == NULL)
        return NULL;
    size_t at = chunk->used + padding_at(chunk->data + chunk->used, alignment);
    if (at > chunk->size || chunk->size - at < size)
        return NULL;
    chunk->used = at + size;
    return chunk->data + at;
}

static void *grow(struct wp_arena *arena, size_t size)
{
    size_t regular = next_size(arena), want = size > regular ? size : regular;
    struct chunk *chunk = take_chunk(want);
    if (chunk == NULL)
        return NULL;
    arena->held += chunk->size;
    if (size > regular) {
        // A large piece of its own must not waste what the current chunk has left.
        chunk->used = size;
        chunk->next = arena->current->next;
        arena->current->next = chunk;
        return chunk->data;
    }
    begin_chunk(arena, chunk);
    arena->at += size;
    return chunk->data;
}

// What the newest chunk has no room for.
static __attribute__((noinline)) void *reserve_elsewhere(struct wp_arena *arena, size_t size,
                                                         size_t alignment)
{
    void *ptr = use_rest(arena->current->next, size, alignment);
    if (ptr == NULL)
        ptr = grow(arena, size);
    if (ptr != NULL)
        arena->left -= size;
    return ptr;
}

// Not zeroed. Strings need no alignment: packed they are a third shorter.
static inline void *reserve(struct wp_arena *arena, size_t size, size_t alignment)
{
    WP_CHECK_MAGIC(arena, ARENA_MAGIC);
    if (size > arena->left || wp_alloc_must_fail())
        return NULL;
    size_t padding = padding_at(arena->at, alignment);
    if (padding + size > (size_t)(arena->end - arena->at))
        return reserve_elsewhere(arena, size, alignment);
    char *ptr = arena->at + padding;
    arena->at = ptr + size;
    arena->left -= size;
    return ptr;
}

void *wp_arena_alloc(struct wp_arena *arena, size_t size)
{
    void *ptr = reserve(arena, size, ALIGNMENT);
    return ptr == NULL ? NULL : memset(ptr, 0, size);
}

void *wp_arena_raw(struct wp_arena *arena, size_t size)
{
    return reserve(arena, size, ALIGNMENT);
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
    char *ptr = reserve(arena, v.len + 1, 1);
    if (ptr == NULL)
        return (wp_view){NULL, 0};
    if (v.len > 0)
        memcpy(ptr, v.ptr, v.len);
    ptr[v.len] = '\0';
    return wp_view_make(ptr, v.len);
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
    char *ptr = reserve(arena, len + 1, 1);
    if (ptr == NULL)
        return (wp_view){NULL, 0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(ptr + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    ptr[len] = '\0';
    return wp_view_make(ptr, len);
}

wp_view wp_arena_printf(struct wp_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *ptr = len < 0 ? NULL : reserve(arena, (size_t)len + 1, 1);
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
    return arena->limit - arena->left;
}
