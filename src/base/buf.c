#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

void wp_buf_free(struct wp_buf *buf)
{
    if (!buf->borrowed)
        wp_free(buf->ptr);
    *buf = wp_buf_make(buf->max);
}

void wp_buf_clear(struct wp_buf *buf)
{
    buf->len = 0;
    buf->failed = buf->no_memory = false;
}

bool wp_buf_reserve(struct wp_buf *buf, size_t more)
{
    if (buf->failed || more > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity * 2;
    if (capacity < need)
        capacity = need;
    if (capacity > buf->max)
        capacity = buf->max;
    char *ptr = wp_realloc(buf->borrowed ? NULL : buf->ptr, capacity);
    if (ptr == NULL) {
        buf->failed = buf->no_memory = true;
        return false;
    }
    if (buf->borrowed)
        memcpy(ptr, buf->ptr, buf->len);
    buf->ptr = ptr;
    buf->capacity = capacity;
    buf->borrowed = false;
    return true;
}

void wp_buf_append_u64(struct wp_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    wp_buf_append(buf, wp_view_make(digits + at, sizeof(digits) - at));
}

void wp_buf_printf(struct wp_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    // vsnprintf writes a NUL, which is not counted in len.
    if (len >= 0 && wp_buf_reserve(buf, (size_t)len + 1)) {
        vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    } else {
        buf->failed = true;
    }
    va_end(again);
}

void wp_buf_consume(struct wp_buf *buf, size_t count)
{
    WP_CHECK(count <= buf->len);
    if (count == 0)
        return;
    memmove(buf->ptr, buf->ptr + count, buf->len - count);
    buf->len -= count;
}
