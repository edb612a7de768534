// Absolute http(s) URLs as configuration uses them (api_base, endpoints).
#ifndef WP_BASE_URL_H
#define WP_BASE_URL_H

#include "base/view.h"

struct wp_url {
    bool tls;
    wp_view host; // without brackets
    uint16_t port;
    wp_view authority; // host[:port] as written, for the Host header
    wp_view path;      // as written, without query; may be empty; no trailing slash
};

// Views point into `text`. False on another scheme, user info, a fragment, an empty or
// malformed host, a bad port, or control bytes.
bool wp_url_parse(wp_view text, struct wp_url *out);

#endif
