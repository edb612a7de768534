#include "base/view.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"

// Bytes of two words that differ, if at all, in the bit only that makes a letter small, and that
// are letters then.
static bool same_word(uint64_t a, uint64_t b)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t differ = a ^ b;
    if (differ == 0)
        return true;
    if ((differ & ~(ones * 0x20)) != 0)
        return false;
    uint64_t small = (a | ones * 0x20) & ~tops; // the top bit is looked at below
    uint64_t from_a = small + ones * (0x80 - 'a'), past_z = small + ones * (0x80 - 'z' - 1);
    uint64_t letters = from_a & ~past_z & ~a & tops;
    return ((differ << 2) & ~letters) == 0;
}

static uint64_t eight(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

// One byte to seven as a word: some are in it twice.
static uint64_t few(const char *at, size_t len)
{
    if (len < 4)
        return (unsigned char)at[0] | (uint64_t)(unsigned char)at[len / 2] << 8 |
               (uint64_t)(unsigned char)at[len - 1] << 16;
    uint32_t head, tail;
    memcpy(&head, at, sizeof(head));
    memcpy(&tail, at + len - sizeof(tail), sizeof(tail));
    return head | (uint64_t)tail << 32;
}

bool wp_view_same_letters(const char *a, const char *b, size_t len)
{
    if (len < 8)
        return same_word(few(a, len), few(b, len));
    for (size_t i = 0; i + 8 < len; i += 8)
        if (!same_word(eight(a + i), eight(b + i)))
            return false;
    return same_word(eight(a + len - 8), eight(b + len - 8));
}

bool wp_view_ends_with(wp_view v, wp_view suffix)
{
    return v.len >= suffix.len && wp_view_eq(wp_view_skip(v, v.len - suffix.len), suffix);
}

size_t wp_view_find(wp_view v, wp_view needle)
{
    if (needle.len == 0)
        return 0;
    if (v.len < needle.len)
        return WP_NOT_FOUND;
    const char *hit = memmem(v.ptr, v.len, needle.ptr, needle.len);
    return hit == NULL ? WP_NOT_FOUND : (size_t)(hit - v.ptr);
}

size_t wp_view_find_char(wp_view v, char c)
{
    const char *hit = v.len ? memchr(v.ptr, c, v.len) : NULL;
    return hit == NULL ? WP_NOT_FOUND : (size_t)(hit - v.ptr);
}

size_t wp_view_rfind_char(wp_view v, char c)
{
    const char *hit = v.len ? memrchr(v.ptr, c, v.len) : NULL;
    return hit == NULL ? WP_NOT_FOUND : (size_t)(hit - v.ptr);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

wp_view wp_view_trim(wp_view v)
{
    while (v.len > 0 && is_space(v.ptr[0])) {
        v.ptr++;
        v.len--;
    }
    while (v.len > 0 && is_space(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

bool wp_view_next_token(wp_view *v, char separator, wp_view *head)
{
    if (v->ptr == NULL) {
        *head = (wp_view){NULL, 0};
        return false;
    }
    size_t at = wp_view_find_char(*v, separator);
    if (at == WP_NOT_FOUND) {
        *head = *v;
        *v = (wp_view){NULL, 0};
        return true;
    }
    *head = wp_view_sub(*v, 0, at);
    *v = wp_view_make(v->ptr + at + 1, v->len - at - 1);
    return true;
}

bool wp_view_parse_u64(wp_view v, uint64_t *out)
{
    uint64_t value = 0;
    if (v.len == 0)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(v.ptr[i] - '0');
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool wp_view_parse_i64(wp_view v, int64_t *out)
{
    bool negative = v.len > 0 && v.ptr[0] == '-';
    uint64_t magnitude;
    if (!wp_view_parse_u64(wp_view_skip(v, negative ? 1 : 0), &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX)
        return false;
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

bool wp_view_parse_double(wp_view v, double *out)
{
    char text[64];
    if (v.len == 0 || v.len >= sizeof(text) || is_space(v.ptr[0]))
        return false;
    for (size_t i = 0; i < v.len; i++)
        if (strchr("0123456789+-.eE", v.ptr[i]) == NULL)
            return false;
    memcpy(text, v.ptr, v.len);
    text[v.len] = '\0';
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end != text + v.len || errno == ERANGE || !isfinite(value))
        return false;
    *out = value;
    return true;
}

enum { DISTANCE_MAX = 64 };

size_t wp_view_distance(wp_view a, wp_view b)
{
    size_t rows[3][DISTANCE_MAX + 1] = {{0}};
    a = wp_view_sub(a, 0, DISTANCE_MAX);
    b = wp_view_sub(b, 0, DISTANCE_MAX);
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = up[j - 1] + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

uint64_t wp_view_hash(wp_view v)
{
    // FNV-1a over 8-byte words, mixed at the end; the seed keeps peers from aiming at buckets.
    uint64_t hash = wp_random_process_seed() ^ (v.len * 0x9E3779B97F4A7C15u);
    size_t i = 0;
    for (; i + 8 <= v.len; i += 8) {
        uint64_t word;
        memcpy(&word, v.ptr + i, 8);
        hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    for (; i < v.len; i++)
        hash = (hash ^ (unsigned char)v.ptr[i]) * 0x100000001B3u;
    hash ^= hash >> 33;
    hash *= 0xFF51AFD7ED558CCDu;
    return hash ^ (hash >> 33);
}
