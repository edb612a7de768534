// Private to admin/.
#ifndef WP_ADMIN_PRIVATE_H
#define WP_ADMIN_PRIVATE_H

#include <pthread.h>

#include "admin/admin.h"

enum { WP_ADMIN_MAGIC = 0x41444d4e, WP_ADMIN_QUERY_MAGIC = 0x4a4f4221, WP_LIVE_MAX = 64 };

// A console that watches rows arrive. Belongs to its worker; the list is guarded by the lock.
struct wp_live_watcher {
    struct wp_list link;
    struct wp_front *front;
    struct wp_timer tick;
    uint32_t ticks; // since the last ping
};

// The filter of a log query; its texts are copied into `arena`. False: answered with what is wrong.
bool wp_admin_read_filter(struct wp_front *front, struct wp_arena *arena,
                          struct wp_log_filter *filter) WP_WARN_UNUSED;

// A query of the ledger that runs on the pool; the first member of its owner's struct.
struct wp_admin_query {
    uint32_t magic;
    struct wp_front *front; // NULL once the client has gone; touched on the worker only
    struct wp_ledger *ledger;
    struct wp_arena *arena;
    struct wp_log_filter filter;
    struct wp_buf out;
    enum wp_err err;
};
// A zeroed struct of `size` bytes that begins with a wp_admin_query whose filter is the request's.
// NULL: answered (no ledger, a filter that is wrong, memory short).
void *wp_admin_query_begin(struct wp_front *front, size_t size, size_t out_max) WP_WARN_UNUSED;
void wp_admin_query_free(struct wp_admin_query *query);
// Answers for a query that ended with this error.
void wp_admin_query_refuse(struct wp_front *front, enum wp_err err);

struct wp_admin {
    uint32_t magic;
    struct wp_gateway *gateway;
    const struct wp_asset *assets;
    size_t asset_count;
    pthread_mutex_t lock;
    // workers with watchers
    struct {
        struct wp_worker *worker;
        struct wp_list watchers; // touched on the worker's thread only
        uint32_t count;          // guarded by lock
    } live[64];
    size_t live_workers;
    pthread_mutex_t subscription_lock; // one change of the ledger's subscriber at a time
};

#endif
