#include "json/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/codec.h"

enum { DEPTH_MAX = 63 };

struct wp_json_writer wp_json_writer(struct wp_buf *buf)
{
    return (struct wp_json_writer){.buf = buf};
}

// Length of the longest valid prefix of at most 4 bytes, or 0.
static size_t valid_sequence(wp_view text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++)
        if (wp_utf8_valid(wp_view_sub(text, 0, len)))
            return len;
    return 0;
}

static void append_escaped(struct wp_buf *buf, unsigned char c)
{
    static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(letters, c);
    if (found != NULL) {
        wp_buf_append_char(buf, '\\');
        wp_buf_append_char(buf, names[found - letters]);
    } else {
        wp_buf_printf(buf, "\\u%04x", c);
    }
}

static bool needs_care(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x7f;
}

// No byte of eight needs care. A byte is below n if subtracting n from it borrows into its top bit
// (which is clear in all of them, or the first test fails).
static bool plain_eight(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\', del = bytes ^ ones * 0x7f;
    uint64_t low = (bytes - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones);
    return ((bytes | low) & tops) == 0;
}

// Offset of the first byte from `at` on that needs care, or the end.
static size_t plain_end(wp_view value, size_t at)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  low = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
    for (; at + 16 <= value.len; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(value.ptr + at));
        // signed: bytes above 0x7f are negative
        __m128i care = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
            _mm_or_si128(_mm_cmplt_epi8(bytes, low), _mm_cmpeq_epi8(bytes, del)));
        unsigned mask = (unsigned)_mm_movemask_epi8(care);
        if (mask != 0)
            return at + (size_t)__builtin_ctz(mask);
    }
#endif
    while (at + 8 <= value.len && plain_eight(value.ptr + at))
        at += 8;
    while (at < value.len && !needs_care((unsigned char)value.ptr[at]))
        at++;
    return at;
}

void wp_json_append_string(struct wp_buf *buf, wp_view value)
{
    wp_buf_append_char(buf, '"');
    for (size_t at = 0; at < value.len;) {
        size_t plain = plain_end(value, at);
        wp_buf_append(buf, wp_view_sub(value, at, plain));
        at = plain;
        if (at == value.len)
            break;
        unsigned char c = (unsigned char)value.ptr[at];
        if (c < 0x80) {
            append_escaped(buf, c);
            at++;
            continue;
        }
        size_t len = valid_sequence(wp_view_skip(value, at));
        wp_buf_append(buf, len == 0 ? WP_VIEW("\xEF\xBF\xBD") : wp_view_sub(value, at, at + len));
        at += len == 0 ? 1 : len;
    }
    wp_buf_append_char(buf, '"');
}

static uint64_t bit(const struct wp_json_writer *w)
{
    return (uint64_t)1 << w->depth;
}

// Comma and key before an item.
static void begin_item(struct wp_json_writer *w, const char *key)
{
    wp_view name = wp_view_of(key);
    bool comma = (w->filled & bit(w)) != 0;
    w->filled |= bit(w);
    if (key == NULL || plain_end(name, 0) < name.len) {
        if (comma)
            wp_buf_append_char(w->buf, ',');
        if (key == NULL)
            return;
        wp_json_append_string(w->buf, name);
        wp_buf_append_char(w->buf, ':');
        return;
    }
    if (!wp_buf_reserve(w->buf, name.len + 4))
        return;
    char *at = w->buf->ptr + w->buf->len;
    if (comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name.ptr, name.len);
    at += name.len;
    *at++ = '"';
    *at++ = ':';
    w->buf->len = (size_t)(at - w->buf->ptr);
}

static void open(struct wp_json_writer *w, const char *key, bool object)
{
    begin_item(w, key);
    WP_CHECK(w->depth < DEPTH_MAX);
    w->depth++;
    w->filled &= ~bit(w);
    w->objects = object ? w->objects | bit(w) : w->objects & ~bit(w);
    wp_buf_append_char(w->buf, object ? '{' : '[');
}

void wp_json_open_object(struct wp_json_writer *w, const char *key)
{
    open(w, key, true);
}

void wp_json_open_array(struct wp_json_writer *w, const char *key)
{
    open(w, key, false);
}

void wp_json_close(struct wp_json_writer *w)
{
    WP_CHECK(w->depth > 0);
    wp_buf_append_char(w->buf, w->objects & bit(w) ? '}' : ']');
    w->depth--;
}

void wp_json_put_str(struct wp_json_writer *w, const char *key, wp_view value)
{
    begin_item(w, key);
    wp_json_append_string(w->buf, value);
}

void wp_json_put_cstr(struct wp_json_writer *w, const char *key, const char *value)
{
    if (value == NULL)
        wp_json_put_null(w, key);
    else
        wp_json_put_str(w, key, wp_view_of(value));
}

void wp_json_put_u64(struct wp_json_writer *w, const char *key, uint64_t value)
{
    begin_item(w, key);
    wp_buf_append_u64(w->buf, value);
}

void wp_json_put_i64(struct wp_json_writer *w, const char *key, int64_t value)
{
    begin_item(w, key);
    if (value < 0)
        wp_buf_append_char(w->buf, '-');
    wp_buf_append_u64(w->buf, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

void wp_json_put_double(struct wp_json_writer *w, const char *key, double value)
{
    char text[40];
    begin_item(w, key);
    if (!isfinite(value)) {
        wp_buf_append_cstring(w->buf, "null");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    wp_buf_append_cstring(w->buf, text);
}

void wp_json_put_decimal(struct wp_json_writer *w, const char *key, double value, uint32_t places)
{
    static const double powers[] = {1,   1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                    1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    char text[40];
    size_t at = sizeof(text);
    double scaled = places < WP_COUNT_OF(powers) ? fabs(value) * powers[places] + 0.5 : INFINITY;
    if (!(scaled < 1e15)) {
        wp_json_put_double(w, key, value);
        return;
    }
    uint64_t rest = (uint64_t)scaled;
    bool negative = value < 0 && rest > 0;
    while (places > 0 && rest % 10 == 0) {
        rest /= 10;
        places--;
    }
    for (uint32_t digits = 0; digits <= places || rest > 0; digits++, rest /= 10) {
        if (digits == places && places > 0)
            text[--at] = '.';
        text[--at] = (char)('0' + rest % 10);
    }
    if (negative)
        text[--at] = '-';
    begin_item(w, key);
    wp_buf_append(w->buf, wp_view_make(text + at, sizeof(text) - at));
}

void wp_json_put_bool(struct wp_json_writer *w, const char *key, bool value)
{
    begin_item(w, key);
    wp_buf_append_cstring(w->buf, value ? "true" : "false");
}

void wp_json_put_null(struct wp_json_writer *w, const char *key)
{
    begin_item(w, key);
    wp_buf_append_cstring(w->buf, "null");
}

void wp_json_put_raw(struct wp_json_writer *w, const char *key, wp_view json)
{
    begin_item(w, key);
    wp_buf_append(w->buf, json);
}
