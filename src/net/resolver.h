// Names to addresses, off the loop's thread, with a cache that outlives a broken resolver.
#ifndef WP_NET_RESOLVER_H
#define WP_NET_RESOLVER_H

#include <sys/socket.h>

#include "net/loop.h"

struct wp_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

enum { WP_ADDRESSES_MAX = 8 };

struct wp_addresses {
    struct wp_address list[WP_ADDRESSES_MAX];
    size_t count;
};

// 169.254.0.0/16, fe80::/10, 0.0.0.0/8, the metadata services' own addresses outside of those, and
// all of them as IPv4 in IPv6: what no configured upstream has business with.
bool wp_address_is_link_local(const struct wp_address *address);

struct wp_resolver;
struct wp_lookup; // one question under way

struct wp_resolver *wp_resolver_create(struct wp_loop *loop); // NULL: no memory
void wp_resolver_destroy(struct wp_resolver *resolver);
// Numeric hosts and cached names are answered at once: true, *out set. Otherwise done is called
// later (count 0: no such name) and *lookup names the question until then.
bool wp_resolve(struct wp_resolver *resolver, wp_view host, uint16_t port, struct wp_addresses *out,
                void (*done)(void *arg, const struct wp_addresses *addresses), void *arg,
                struct wp_lookup **lookup);
// done will not be called. NULL allowed.
void wp_resolve_cancel(struct wp_lookup *lookup);

#endif
