// The credentials that a deployment's platform asks for, from whichever source it has.
#ifndef WP_GATEWAY_CREDENTIALS_H
#define WP_GATEWAY_CREDENTIALS_H

#include "gateway/worker.h"

struct wp_credentials {
    struct wp_aws_keys keys;
    wp_view access_token;         // Google's
    struct wp_renewal_wait *wait; // while PENDING; wp_renewal_cancel ends it
};

// READY: filled, in the arena (also where none are needed). PENDING: `ready(arg)` is called later
// on the worker's loop; ask again then. FAILED: a sentence is in `error`.
enum wp_renewal_state wp_credentials_get(const struct wp_deployment_runtime *compiled,
                                         struct wp_worker *worker, struct wp_arena *arena,
                                         void (*ready)(void *arg), void *arg,
                                         struct wp_credentials *out, char *error,
                                         size_t error_size);
// The region that requests are signed for.
wp_view wp_credentials_region(const struct wp_deployment_runtime *compiled, struct wp_arena *arena);

#endif
