#include "http/headers.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void wp_headers_init(struct wp_headers *headers, struct wp_arena *arena)
{
    *headers = (struct wp_headers){.arena = arena};
}

void wp_headers_clear(struct wp_headers *headers)
{
    headers->count = 0;
    headers->names = 0;
}

bool wp_headers_reserve(struct wp_headers *headers, size_t capacity)
{
    size_t size;
    struct wp_header *more = NULL;
    if (!__builtin_mul_overflow(capacity, sizeof(*more), &size))
        more = wp_arena_raw(headers->arena, size);
    if (more == NULL)
        return false;
    if (headers->count > 0)
        memcpy(more, headers->list, headers->count * sizeof(*more));
    headers->list = more;
    headers->capacity = capacity;
    return true;
}

enum wp_err wp_headers_copy(struct wp_headers *to, const struct wp_headers *from, size_t more)
{
    wp_headers_clear(to);
    if (to->capacity < from->count + more && !wp_headers_reserve(to, from->count + more))
        return WP_ERR_NO_MEMORY;
    if (from->count > 0)
        memcpy(to->list, from->list, from->count * sizeof(*from->list));
    to->count = from->count;
    to->names = from->names;
    return WP_OK;
}

wp_view wp_headers_search(const struct wp_headers *headers, wp_view name)
{
    for (size_t i = 0; i < headers->count; i++)
        if (wp_view_eq_nocase(headers->list[i].name, name))
            return headers->list[i].value;
    return (wp_view){NULL, 0};
}

wp_view wp_headers_joined(const struct wp_headers *headers, const char *name,
                          struct wp_arena *arena)
{
    wp_view wanted = wp_view_of(name), joined = {NULL, 0};
    for (size_t i = 0; i < headers->count; i++) {
        if (!wp_view_eq_nocase(headers->list[i].name, wanted))
            continue;
        const wp_view parts[] = {joined, WP_VIEW(","), headers->list[i].value};
        joined = joined.ptr == NULL ? headers->list[i].value : wp_arena_concat(arena, parts, 3);
        if (joined.ptr == NULL)
            return joined;
    }
    return joined;
}

bool wp_headers_in_connection(const struct wp_headers *headers, wp_view name)
{
    static const wp_view connection = {"connection", 10};
    if ((headers->names & wp_header_bit(connection)) == 0)
        return false;
    for (size_t i = 0; i < headers->count; i++) {
        wp_view rest = headers->list[i].value, token;
        if (!wp_view_eq_nocase(headers->list[i].name, connection))
            continue;
        while (wp_view_next_token(&rest, ',', &token))
            if (wp_view_eq_nocase(wp_view_trim(token), name))
                return true;
    }
    return false;
}

bool wp_headers_is_hop_by_hop(const struct wp_headers *headers, wp_view name)
{
    static const wp_view names[] = {{"connection", 10},
                                    {"keep-alive", 10},
                                    {"te", 2},
                                    {"trailer", 7},
                                    {"upgrade", 7},
                                    {"transfer-encoding", 17},
                                    {"proxy-connection", 16},
                                    {"proxy-authenticate", 18},
                                    {"proxy-authorization", 19}};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++)
        if (wp_view_eq_nocase(name, names[i]))
            return true;
    return wp_headers_in_connection(headers, name);
}

// No byte of eight is below a space, DEL or beyond ASCII.
static bool plain(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    return ((bytes | (bytes - ones * 0x20) | ((bytes ^ ones * 0x7f) - ones)) & tops) == 0;
}

static bool plain_eight(const char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return plain(bytes);
}

// Of at least one byte and fewer than eight; some are looked at twice.
static bool plain_few(const char *at, size_t len)
{
    if (len >= 4) {
        uint32_t head, tail;
        memcpy(&head, at, sizeof(head));
        memcpy(&tail, at + len - sizeof(tail), sizeof(tail));
        return plain(head | (uint64_t)tail << 32);
    }
    uint64_t first = (unsigned char)at[0], middle = (unsigned char)at[len / 2],
             last = (unsigned char)at[len - 1];
    return plain(0x2020202020000000u | first | middle << 8 | last << 16);
}

static bool valid_bytes(const char *at, const char *end)
{
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

#ifdef __SSE2__
// Not zero where a byte is below a space, tab apart, or DEL.
static inline __m128i bad_of(const char *at)
{
    const __m128i tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f), top = _mm_set1_epi8(0x1f);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    // unsigned: at most 0x1f is its own minimum with 0x1f
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, top), bytes);
    return _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                        _mm_cmpeq_epi8(bytes, del));
}
#endif

// The last bytes are looked at together with some before them rather than one by one.
bool wp_header_value_valid(wp_view value)
{
    if (value.len == 0)
        return true;
    const char *at = value.ptr, *end = value.ptr + value.len;
#ifdef __SSE2__
    if (value.len >= 16) {
        __m128i bad = bad_of(end - 16);
        for (; end - at > 16; at += 16)
            bad = _mm_or_si128(bad, bad_of(at));
        return _mm_movemask_epi8(bad) == 0;
    }
#endif
    if (value.len < 8)
        return plain_few(at, value.len) || valid_bytes(at, end);
    for (; end - at > 8; at += 8)
        if (!plain_eight(at))
            return valid_bytes(at, end);
    return plain_eight(end - 8) || valid_bytes(end - 8, end);
}

void wp_header_write(struct wp_buf *out, wp_view name, wp_view value)
{
    size_t len = name.len + 2 + value.len;
    char *line = wp_buf_extend(out, len + 2), *at = line;
    if (line == NULL)
        return;
    if (name.len > 0)
        memcpy(at, name.ptr, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    if (value.len > 0)
        memcpy(at, value.ptr, value.len);
    at[value.len] = '\r';
    at[value.len + 1] = '\n';
    if (!wp_header_value_valid(wp_view_make(line, len)))
        out->len -= len + 2;
}
