// Growable bytes with a maximum named at creation. Appending past the maximum, or without
// memory, sets `failed` once and for all; callers append freely and ask wp_buf_ok at the end.
#ifndef WP_BASE_BUF_H
#define WP_BASE_BUF_H

#include "base/check.h"
#include "base/view.h"

struct wp_buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max; // bytes; appending beyond it fails
    bool failed;
    bool no_memory; // and that is why: otherwise the maximum was passed
    bool borrowed;  // ptr is the caller's room, not malloc's
};

static inline struct wp_buf wp_buf_make(size_t max)
{
    return (struct wp_buf){.max = max};
}
// Begins in the caller's room (mostly on the stack), which must outlive the buffer; goes to the
// heap when that is full.
static inline struct wp_buf wp_buf_make_in(char *room, size_t size, size_t max)
{
    return (struct wp_buf){.ptr = room, .capacity = size, .max = max, .borrowed = true};
}
// Frees the bytes and returns to the state after make (same maximum).
void wp_buf_free(struct wp_buf *buf);
// Keeps the capacity, forgets the content and the failure.
void wp_buf_clear(struct wp_buf *buf);

// Room for `more` further bytes; false if that passes the maximum or memory is short.
bool wp_buf_reserve(struct wp_buf *buf, size_t more);
// The same, decided here when there is room already.
static inline bool wp_buf_room(struct wp_buf *buf, size_t more)
{
    return more <= buf->capacity - buf->len ? !buf->failed : wp_buf_reserve(buf, more);
}
// `more` further bytes, for the caller to fill at once; NULL as reserve says false.
static inline char *wp_buf_extend(struct wp_buf *buf, size_t more)
{
    if (!wp_buf_room(buf, more))
        return NULL;
    buf->len += more;
    return buf->ptr + buf->len - more;
}
static inline void wp_buf_append(struct wp_buf *buf, wp_view v)
{
    char *at = v.len == 0 ? NULL : wp_buf_extend(buf, v.len);
    if (at != NULL)
        memcpy(at, v.ptr, v.len);
}
static inline void wp_buf_append_char(struct wp_buf *buf, char c)
{
    wp_buf_append(buf, wp_view_make(&c, 1));
}
static inline void wp_buf_append_cstring(struct wp_buf *buf, const char *text)
{
    wp_buf_append(buf, wp_view_of(text));
}
void wp_buf_append_digits(struct wp_buf *buf, uint64_t value);
static inline void wp_buf_append_u64(struct wp_buf *buf, uint64_t value)
{
    if (value < 10)
        wp_buf_append_char(buf, (char)('0' + value));
    else
        wp_buf_append_digits(buf, value);
}
// `places` digits of it behind a point (1234, 3: "1.234").
void wp_buf_append_decimal(struct wp_buf *buf, uint64_t value, uint32_t places);
void wp_buf_printf(struct wp_buf *buf, const char *format, ...) WP_PRINTF(2, 3);
// Drops the first `count` bytes (moves the rest down).
void wp_buf_consume(struct wp_buf *buf, size_t count);

static inline bool wp_buf_ok(const struct wp_buf *buf)
{
    return !buf->failed;
}
// Valid until the buffer changes.
static inline wp_view wp_buf_view(const struct wp_buf *buf)
{
    return wp_view_make(buf->ptr, buf->len);
}

#endif
