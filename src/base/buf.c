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

static size_t digits_of(uint64_t value)
{
    enum { MOST = 20 };
    size_t digits = 1;
    for (uint64_t least = 10; digits < MOST && value >= least; least *= 10)
        digits++;
    return digits;
}

// The last digits of a number, as many as have room; returns what is before them.
static uint64_t put_digits(char *at, char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    for (; end - at >= 2; value /= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (value % 100), 2);
    }
    if (end == at)
        return value;
    *at = (char)('0' + value % 10);
    return value / 10;
}

void wp_buf_append_digits(struct wp_buf *buf, uint64_t value)
{
    char *at = wp_buf_extend(buf, digits_of(value));
    if (at != NULL)
        put_digits(at, buf->ptr + buf->len, value);
}

void wp_buf_append_decimal(struct wp_buf *buf, uint64_t value, uint32_t places)
{
    size_t digits = digits_of(value), whole = digits > places ? digits - places : 1;
    if (places == 0) {
        wp_buf_append_u64(buf, value);
        return;
    }
    char *at = wp_buf_extend(buf, whole + 1 + places);
    if (at == NULL)
        return;
    uint64_t rest = put_digits(at + whole + 1, at + whole + 1 + places, value);
    at[whole] = '.';
    put_digits(at, at + whole, rest);
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
