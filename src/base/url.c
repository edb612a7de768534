#include "base/url.h"

static bool has_bad_byte(wp_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '#' || c == '@')
            return true;
    }
    return false;
}

// host[:port] or [v6][:port]
static bool split_authority(wp_view authority, wp_view *host, wp_view *port)
{
    size_t end = wp_view_find_char(authority, ':');
    if (authority.len > 0 && authority.ptr[0] == '[') {
        end = wp_view_find_char(authority, ']');
        if (end == WP_NOT_FOUND)
            return false;
        *host = wp_view_sub(authority, 1, end);
        *port = wp_view_skip(authority, end + 1);
    } else {
        *host = wp_view_sub(authority, 0, end);
        *port = end == WP_NOT_FOUND ? (wp_view){NULL, 0} : wp_view_skip(authority, end);
    }
    return host->len > 0 && host->len < 256;
}

bool wp_url_parse(wp_view text, struct wp_url *out)
{
    uint64_t port;
    wp_view port_text, rest;
    if (has_bad_byte(text))
        return false;
    if (wp_view_starts_with_nocase(text, WP_VIEW("https://"))) {
        out->tls = true;
        rest = wp_view_skip(text, 8);
    } else if (wp_view_starts_with_nocase(text, WP_VIEW("http://"))) {
        out->tls = false;
        rest = wp_view_skip(text, 7);
    } else {
        return false;
    }
    size_t query = wp_view_find_char(rest, '?');
    rest = wp_view_sub(rest, 0, query);
    size_t slash = wp_view_find_char(rest, '/');
    out->authority = wp_view_sub(rest, 0, slash);
    out->path = slash == WP_NOT_FOUND ? (wp_view){NULL, 0} : wp_view_skip(rest, slash);
    while (out->path.len > 0 && out->path.ptr[out->path.len - 1] == '/')
        out->path.len--;
    if (!split_authority(out->authority, &out->host, &port_text))
        return false;
    port = out->tls ? 443 : 80;
    if (port_text.len > 0 &&
        (port_text.ptr[0] != ':' || !wp_view_parse_u64(wp_view_skip(port_text, 1), &port)))
        return false;
    if (port == 0 || port > 65535)
        return false;
    out->port = (uint16_t)port;
    return true;
}
