#include "json/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

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

static void append_careful(struct wp_buf *buf, wp_view value, size_t at)
{
    while (at < value.len) {
        unsigned char c = (unsigned char)value.ptr[at];
        if (c < 0x80) {
            append_escaped(buf, c);
            at++;
        } else {
            size_t len = valid_sequence(wp_view_skip(value, at));
            wp_buf_append(buf,
                          len == 0 ? WP_VIEW("\xEF\xBF\xBD") : wp_view_sub(value, at, at + len));
            at += len == 0 ? 1 : len;
        }
        size_t plain = plain_end(value, at);
        wp_buf_append(buf, wp_view_sub(value, at, plain));
        at = plain;
    }
}

void wp_json_append_string(struct wp_buf *buf, wp_view value)
{
    size_t plain = plain_end(value, 0);
    if (!wp_buf_room(buf, plain + 2))
        return;
    char *at = buf->ptr + buf->len;
    *at = '"';
    if (plain > 0)
        memcpy(at + 1, value.ptr, plain);
    at[1 + plain] = '"'; // unless more follows
    buf->len += plain + 2;
    if (plain == value.len)
        return;
    buf->len--;
    append_careful(buf, value, plain);
    wp_buf_append_char(buf, '"');
}

wp_view wp_json_quoted(struct wp_arena *arena, wp_view value)
{
    if (plain_end(value, 0) == value.len) {
        const wp_view parts[] = {WP_VIEW("\""), value, WP_VIEW("\"")};
        return wp_arena_concat(arena, parts, WP_COUNT_OF(parts));
    }
    struct wp_buf buf = wp_buf_make(6 * value.len + 2);
    wp_json_append_string(&buf, value);
    wp_view copy = wp_buf_ok(&buf) ? wp_arena_copy(arena, wp_buf_view(&buf)) : (wp_view){NULL, 0};
    wp_buf_free(&buf);
    return copy;
}

static uint64_t bit(const struct wp_json_writer *w)
{
    return (uint64_t)1 << w->depth;
}

static bool begin_item(struct wp_json_writer *w)
{
    bool comma = (w->filled & bit(w)) != 0;
    w->filled |= bit(w);
    return comma;
}

void wp_json_key(struct wp_json_writer *w, wp_view key)
{
    bool comma = begin_item(w);
    if (!wp_buf_room(w->buf, key.len + 4))
        return;
    char *at = w->buf->ptr + w->buf->len;
    if (comma)
        *at++ = ',';
    if (key.ptr != NULL) {
        *at++ = '"';
        memcpy(at, key.ptr, key.len);
        at += key.len;
        *at++ = '"';
        *at++ = ':';
    }
    w->buf->len = (size_t)(at - w->buf->ptr);
}

void wp_json_key_escaped(struct wp_json_writer *w, wp_view key)
{
    if (begin_item(w))
        wp_buf_append_char(w->buf, ',');
    wp_json_append_string(w->buf, key);
    wp_buf_append_char(w->buf, ':');
}

void wp_json_open(struct wp_json_writer *w, bool object)
{
    WP_CHECK(w->depth < DEPTH_MAX);
    w->depth++;
    w->filled &= ~bit(w);
    w->objects = object ? w->objects | bit(w) : w->objects & ~bit(w);
    wp_buf_append_char(w->buf, object ? '{' : '[');
}

void wp_json_close(struct wp_json_writer *w)
{
    WP_CHECK(w->depth > 0);
    wp_buf_append_char(w->buf, w->objects & bit(w) ? '}' : ']');
    w->depth--;
}

void wp_json_append_i64(struct wp_buf *buf, int64_t value)
{
    if (value < 0)
        wp_buf_append_char(buf, '-');
    wp_buf_append_u64(buf, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

void wp_json_append_double(struct wp_buf *buf, double value)
{
    char text[40];
    if (!isfinite(value)) {
        wp_buf_append_cstring(buf, "null");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    wp_buf_append_cstring(buf, text);
}

void wp_json_append_decimal(struct wp_buf *buf, double value, uint32_t places)
{
    static const double powers[] = {1,   1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                    1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    char text[40];
    size_t at = sizeof(text);
    double scaled = places < WP_COUNT_OF(powers) ? fabs(value) * powers[places] + 0.5 : INFINITY;
    if (!(scaled < 1e15)) {
        wp_json_append_double(buf, value);
        return;
    }
    if (value >= 0 && value == (double)(uint64_t)value) { // most are 0 or 1
        wp_buf_append_u64(buf, (uint64_t)value);
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
    wp_buf_append(buf, wp_view_make(text + at, sizeof(text) - at));
}
