// Invariants that stay checked in release builds. What a peer can cause is never an assertion.
#ifndef WP_BASE_CHECK_H
#define WP_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void wp_check_failed(const char *expression, const char *file, int line);

#define WP_CHECK(expression) \
    ((expression) ? (void)0 : wp_check_failed(#expression, __FILE__, __LINE__))

// Long-lived structs begin with `uint32_t magic`; a callback that casts its void* checks it.
#define WP_CHECK_MAGIC(ptr, value) WP_CHECK((ptr) != NULL && (ptr)->magic == (value))

#define WP_WARN_UNUSED        __attribute__((warn_unused_result))
#define WP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

// The struct that contains `member` at `ptr`.
#define WP_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define WP_COUNT_OF(array)                 (sizeof(array) / sizeof((array)[0]))

#endif
