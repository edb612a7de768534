// Request targets and Host (RFC 9112 3.2): one canonical path that both authorisation and dispatch
// use. Private to http/.
#ifndef WP_HTTP_TARGET_H
#define WP_HTTP_TARGET_H

#include "http/server.h"

// Fills target, path and query of `head` from the raw request target. False: 400.
// True, but no path (ptr NULL): memory is short.
bool wp_target_parse(struct wp_arena *arena, wp_view raw, struct wp_request_head *head);
// host[:port] without user info, path or control bytes.
bool wp_host_valid(wp_view host);

#endif
