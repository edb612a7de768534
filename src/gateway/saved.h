// What a gateway knows and would have to learn again after a restart, as bytes: what the providers'
// caches are believed to hold and how far that can be trusted (route/saved.h), how often
// conversations come back and what renewals have spent today (keeper.h). Versioned and checked;
// holds the key of the prefix hashes, so it is a secret.
#ifndef WP_GATEWAY_SAVED_H
#define WP_GATEWAY_SAVED_H

#include "base/err.h"
#include "base/pack.h"

struct wp_gateway;

enum { WP_SAVED_MAX = 32 << 20 }; // bytes

// False: no memory. Any thread.
bool wp_gateway_save(struct wp_gateway *gateway, struct wp_buf *out) WP_WARN_UNUSED;
// Into a gateway that has not been configured yet. WP_ERR_INVALID, and nothing has changed: it is
// not whole, or of another version.
enum wp_err wp_gateway_restore(struct wp_gateway *gateway, wp_view saved) WP_WARN_UNUSED;

#endif
