// Header fields as an ordered list of name/value views. The strings live in the arena that the
// list was made with, or wherever the caller put them.
#ifndef WP_HTTP_HEADERS_H
#define WP_HTTP_HEADERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

struct wp_header {
    wp_view name;  // as received; compared without case
    wp_view value; // trimmed
};

struct wp_headers {
    struct wp_arena *arena;
    struct wp_header *list; // grows by wp_headers_add alone
    size_t count, capacity;
    uint64_t names; // the bits of the names in the list
};

// A name's bit, the same in every case. Most fields that are looked for are not there, and their
// bit mostly says so. The factors keep apart what clients send and what is looked for.
static inline uint64_t wp_header_bit(wp_view name)
{
    if (name.len == 0)
        return 1;
    unsigned first = (unsigned char)name.ptr[0] | 0x20u;
    unsigned last = (unsigned char)name.ptr[name.len - 1] | 0x20u;
    return (uint64_t)1 << ((7 * (unsigned)name.len + 11 * first + 5 * last) & 63);
}

void wp_headers_init(struct wp_headers *headers, struct wp_arena *arena);
// Forgets the fields, keeps the room.
void wp_headers_clear(struct wp_headers *headers);
// Room for so many; false: memory is short.
bool wp_headers_reserve(struct wp_headers *headers, size_t capacity) WP_WARN_UNUSED;
// Keeps the views, copies nothing. WP_ERR_NO_MEMORY.
static inline WP_WARN_UNUSED enum wp_err wp_headers_add(struct wp_headers *headers, wp_view name,
                                                        wp_view value)
{
    if (headers->count == headers->capacity &&
        !wp_headers_reserve(headers, headers->capacity < 8 ? 8 : headers->capacity * 2))
        return WP_ERR_NO_MEMORY;
    headers->list[headers->count++] = (struct wp_header){name, value};
    headers->names |= wp_header_bit(name);
    return WP_OK;
}
// The fields of `from`, which it shares, with room for so many `more`; what `to` held is forgotten.
// WP_ERR_NO_MEMORY.
enum wp_err wp_headers_copy(struct wp_headers *to, const struct wp_headers *from,
                            size_t more) WP_WARN_UNUSED;
wp_view wp_headers_search(const struct wp_headers *headers, wp_view name);
// First value of that name (no case), or the view {NULL, 0}.
static inline wp_view wp_headers_find(const struct wp_headers *headers, wp_view name)
{
    bool may_be = (headers->names & wp_header_bit(name)) != 0;
    return may_be ? wp_headers_search(headers, name) : (wp_view){NULL, 0};
}
static inline wp_view wp_headers_get(const struct wp_headers *headers, const char *name)
{
    return wp_headers_find(headers, wp_view_of(name)); // a literal's length is known here
}
static inline bool wp_headers_has(const struct wp_headers *headers, const char *name)
{
    return wp_headers_get(headers, name).ptr != NULL;
}
// All values of that name joined with "," (RFC 9110 5.3); {NULL, 0} if there is none.
wp_view wp_headers_joined(const struct wp_headers *headers, const char *name,
                          struct wp_arena *arena);
// Hop-by-hop fields of RFC 9110 7.6.1 (connection, keep-alive, te, trailer, transfer-encoding,
// upgrade, proxy-*) and those that `headers` names in Connection.
bool wp_headers_is_hop_by_hop(const struct wp_headers *headers, wp_view name);
// The second part of that.
bool wp_headers_in_connection(const struct wp_headers *headers, wp_view name);
// No CR, LF, NUL or other control byte except tab.
bool wp_header_value_valid(wp_view value);
// "name: value" and the end of the line; nothing if a control byte in it could end it earlier.
void wp_header_write(struct wp_buf *out, wp_view name, wp_view value);

#endif
