// Strings as (pointer, length) by value. A view owns nothing and need not end in NUL; each
// function that returns one says how long it lives.
#ifndef WP_BASE_VIEW_H
#define WP_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct wp_view {
    const char *ptr; // may be NULL only when len is 0
    size_t len;      // bytes
} wp_view;

// A view of a string literal, usable in initialisers.
#define WP_VIEW(literal) ((wp_view){(literal), sizeof(literal) - 1})
// For printf's "%.*s".
#define WP_VIEW_ARG(v) ((int)(v).len), ((v).len ? (v).ptr : "")

static inline wp_view wp_view_make(const char *ptr, size_t len)
{
    return (wp_view){ptr, len};
}

// NULL gives the empty view.
static inline wp_view wp_view_of(const char *cstring)
{
    return cstring == NULL ? (wp_view){NULL, 0} : (wp_view){cstring, strlen(cstring)};
}

static inline bool wp_view_eq(wp_view a, wp_view b)
{
    // by the length of b: of a literal the compiler knows it, and compares in line
    return a.len == b.len && (b.len == 0 || memcmp(a.ptr, b.ptr, b.len) == 0);
}

static inline bool wp_view_is(wp_view a, const char *cstring)
{
    return wp_view_eq(a, wp_view_of(cstring));
}

// Equal but for ASCII case; at least one byte of each.
bool wp_view_same_letters(const char *a, const char *b, size_t len);
// What mostly tells names apart: their first letters.
static inline bool wp_view_may_begin(wp_view v, wp_view prefix)
{
    return v.len >= prefix.len && (prefix.len == 0 || ((v.ptr[0] ^ prefix.ptr[0]) & ~0x20) == 0);
}
// ASCII case only, as header names and schemes need.
static inline bool wp_view_eq_nocase(wp_view a, wp_view b)
{
    return a.len == b.len && wp_view_may_begin(a, b) &&
           (a.len == 0 || wp_view_same_letters(a.ptr, b.ptr, a.len));
}
static inline bool wp_view_starts_with(wp_view v, wp_view prefix)
{
    return v.len >= prefix.len && (prefix.len == 0 || memcmp(v.ptr, prefix.ptr, prefix.len) == 0);
}
static inline bool wp_view_starts_with_nocase(wp_view v, wp_view prefix)
{
    return wp_view_may_begin(v, prefix) &&
           (prefix.len == 0 || wp_view_same_letters(v.ptr, prefix.ptr, prefix.len));
}
bool wp_view_ends_with(wp_view v, wp_view suffix);

#define WP_NOT_FOUND SIZE_MAX
// Offset of the first occurrence, or WP_NOT_FOUND.
size_t wp_view_find(wp_view v, wp_view needle);
size_t wp_view_find_char(wp_view v, char c);
size_t wp_view_rfind_char(wp_view v, char c);
static inline bool wp_view_contains(wp_view v, wp_view needle)
{
    return wp_view_find(v, needle) != WP_NOT_FOUND;
}

// Bytes [from, to), clamped to the view.
static inline wp_view wp_view_sub(wp_view v, size_t from, size_t to)
{
    if (to > v.len)
        to = v.len;
    if (from >= to)
        return (wp_view){v.ptr == NULL ? NULL : v.ptr + (from > v.len ? v.len : from), 0};
    return wp_view_make(v.ptr + from, to - from);
}
static inline wp_view wp_view_skip(wp_view v, size_t count)
{
    return wp_view_sub(v, count, v.len);
}
// Without leading and trailing spaces, tabs, CR and LF.
wp_view wp_view_trim(wp_view v);
// Cuts at the first `separator`: *head gets what is before it, *v keeps what is after.
// Returns false, with *head empty, once *v is exhausted (ptr == NULL).
bool wp_view_next_token(wp_view *v, char separator, wp_view *head);

// Whole view as a decimal number: no sign (parse_u64), no spaces, no overflow.
bool wp_view_parse_u64(wp_view v, uint64_t *out);
bool wp_view_parse_i64(wp_view v, int64_t *out);
// Whole view as a finite decimal number in C locale.
bool wp_view_parse_double(wp_view v, double *out);

// Optimal-string-alignment distance, for "did you mean"; cut off at 64 bytes each.
size_t wp_view_distance(wp_view a, wp_view b);
// 64-bit hash for in-memory tables (seeded per process; not stable between runs).
uint64_t wp_view_hash(wp_view v);

#endif
