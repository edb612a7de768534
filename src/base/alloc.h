// The one door to malloc, so that tests can fail the n-th allocation (WP_ALLOC_FAULTS builds).
#ifndef WP_BASE_ALLOC_H
#define WP_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// NULL on failure. Sizes in bytes; alloc returns zeroed memory.
void *wp_alloc(size_t size);
void *wp_realloc(void *ptr, size_t size);
void wp_free(void *ptr);
// Allocations that have failed so far, in the whole process: who has seen the count grow meanwhile
// may blame memory for what went wrong. Any thread.
uint64_t wp_alloc_failures(void);
// Gives free pages of the heap back to the system; milliseconds, for quiet times. Any thread.
void wp_alloc_trim(void);
// Bytes of the heap that are in use, and that it keeps free; zeros where libc does not tell. Any
// thread; some time, as it holds each of the heap's locks for a moment.
struct wp_alloc_totals {
    size_t used, idle;
};
void wp_alloc_totals(struct wp_alloc_totals *out);
// For start-up only, where there is nothing to answer to: prints and aborts instead of NULL.
void *wp_alloc_or_die(size_t size);
char *wp_strdup_or_die(const char *text);

// Fails the n-th allocation from now (1 = the next); 0 switches it off. No effect in builds
// without WP_ALLOC_FAULTS. Counts over all threads, or those that have asked for it; pieces of an
// arena count as well, so that each place that asks for memory is met.
void wp_alloc_fail_after(uint64_t n);
// Allocations made since start (0 in builds without WP_ALLOC_FAULTS).
uint64_t wp_alloc_count(void);

// From now on only threads that have called this count.
void wp_alloc_count_only_here(void);

// Whether this allocation is the one. For the allocators of base/.
#ifdef WP_ALLOC_FAULTS
bool wp_alloc_must_fail(void);
#else
static inline bool wp_alloc_must_fail(void)
{
    return false;
}
#endif

#endif
