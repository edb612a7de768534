#include "base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t failures;

#ifdef WP_ALLOC_FAULTS
static _Atomic uint64_t made;
static _Atomic uint64_t fail_at;

static _Atomic bool only_some;    // threads count
static _Thread_local bool counts; // this one does

bool wp_alloc_must_fail(void)
{
    if (atomic_load_explicit(&only_some, memory_order_relaxed) && !counts)
        return false;
    uint64_t n = atomic_fetch_add(&made, 1) + 1;
    if (n != atomic_load(&fail_at))
        return false;
    atomic_fetch_add(&failures, 1);
    return true;
}

void wp_alloc_count_only_here(void)
{
    counts = true;
    atomic_store(&only_some, true);
}

void wp_alloc_fail_after(uint64_t n)
{
    atomic_store(&fail_at, n == 0 ? 0 : atomic_load(&made) + n);
}

uint64_t wp_alloc_count(void)
{
    return atomic_load(&made);
}
#else
void wp_alloc_count_only_here(void)
{
}

void wp_alloc_fail_after(uint64_t n)
{
    (void)n;
}

uint64_t wp_alloc_count(void)
{
    return 0;
}
#endif

uint64_t wp_alloc_failures(void)
{
    return atomic_load(&failures);
}

static void *counted(void *ptr)
{
    if (ptr == NULL)
        atomic_fetch_add(&failures, 1);
    return ptr;
}

void *wp_alloc(size_t size)
{
    return wp_alloc_must_fail() ? NULL : counted(calloc(1, size == 0 ? 1 : size));
}

void *wp_realloc(void *ptr, size_t size)
{
    return wp_alloc_must_fail() ? NULL : counted(realloc(ptr, size == 0 ? 1 : size));
}

void wp_free(void *ptr)
{
    free(ptr);
}

void wp_alloc_trim(void)
{
    malloc_trim(0);
}

void wp_alloc_totals(struct wp_alloc_totals *out)
{
    *out = (struct wp_alloc_totals){0};
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    *out = (struct wp_alloc_totals){.used = info.uordblks + info.hblkhd, .idle = info.fordblks};
#endif
}

void *wp_alloc_or_die(size_t size)
{
    void *ptr = calloc(1, size == 0 ? 1 : size);
    if (ptr == NULL) {
        fputs("warmpath: out of memory at start-up\n", stderr);
        abort();
    }
    return ptr;
}

char *wp_strdup_or_die(const char *text)
{
    size_t len = strlen(text) + 1;
    return memcpy(wp_alloc_or_die(len), text, len);
}
