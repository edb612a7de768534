// Header fields as an ordered list of name/value views. The strings live in the arena that the
// list was made with, or wherever the caller put them.
#ifndef WP_HTTP_HEADERS_H
#define WP_HTTP_HEADERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/view.h"

struct wp_header {
    wp_view name;  // as received; compared without case
    wp_view value; // trimmed
};

struct wp_headers {
    struct wp_arena *arena;
    struct wp_header *list;
    size_t count, capacity;
};

void wp_headers_init(struct wp_headers *headers, struct wp_arena *arena);
// Room for so many; false: memory is short.
bool wp_headers_reserve(struct wp_headers *headers, size_t capacity) WP_WARN_UNUSED;
// Keeps the views, copies nothing. WP_ERR_NO_MEMORY.
enum wp_err wp_headers_add(struct wp_headers *headers, wp_view name, wp_view value) WP_WARN_UNUSED;
// First value of that name (no case), or the view {NULL, 0}.
wp_view wp_headers_find(const struct wp_headers *headers, wp_view name);
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
// No CR, LF, NUL or other control byte except tab.
bool wp_header_value_valid(wp_view value);

#endif
