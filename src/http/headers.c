#include "http/headers.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void wp_headers_init(struct wp_headers *headers, struct wp_arena *arena)
{
    *headers = (struct wp_headers){.arena = arena};
}

enum wp_err wp_headers_add(struct wp_headers *headers, wp_view name, wp_view value)
{
    if (headers->count == headers->capacity) {
        size_t capacity = headers->capacity == 0 ? 8 : headers->capacity * 2;
        struct wp_header *more = wp_arena_array(headers->arena, capacity, sizeof(*more));
        if (more == NULL)
            return WP_ERR_NO_MEMORY;
        if (headers->count > 0)
            memcpy(more, headers->list, headers->count * sizeof(*more));
        headers->list = more;
        headers->capacity = capacity;
    }
    headers->list[headers->count++] = (struct wp_header){name, value};
    return WP_OK;
}

wp_view wp_headers_get(const struct wp_headers *headers, const char *name)
{
    wp_view wanted = wp_view_of(name);
    for (size_t i = 0; i < headers->count; i++)
        if (wp_view_eq_nocase(headers->list[i].name, wanted))
            return headers->list[i].value;
    return (wp_view){NULL, 0};
}

bool wp_headers_has(const struct wp_headers *headers, const char *name)
{
    return wp_headers_get(headers, name).ptr != NULL;
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

bool wp_headers_is_hop_by_hop(const struct wp_headers *headers, wp_view name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "transfer-encoding",
                                        "proxy-connection",
                                        "proxy-authenticate",
                                        "proxy-authorization"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (wp_view_eq_nocase(name, wp_view_of(names[i])))
            return true;
    for (size_t i = 0; i < headers->count; i++) {
        wp_view rest = headers->list[i].value, token;
        if (!wp_view_eq_nocase(headers->list[i].name, WP_VIEW("connection")))
            continue;
        while (wp_view_next_token(&rest, ',', &token))
            if (wp_view_eq_nocase(wp_view_trim(token), name))
                return true;
    }
    return false;
}

bool wp_header_value_valid(wp_view value)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f), top = _mm_set1_epi8(0x1f);
    for (; i + 16 <= value.len; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(value.ptr + i));
        // unsigned: at most 0x1f is its own minimum with 0x1f
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, top), bytes);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                                   _mm_cmpeq_epi8(bytes, del));
        if (_mm_movemask_epi8(bad) != 0)
            return false;
    }
#endif
    // Eight bytes at a time while none is below a space, DEL or beyond ASCII.
    for (uint64_t bytes; i + 8 <= value.len; i += 8) {
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        memcpy(&bytes, value.ptr + i, sizeof(bytes));
        if (((bytes | (bytes - ones * 0x20) | ((bytes ^ ones * 0x7f) - ones)) & tops) != 0)
            break;
    }
    for (; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
