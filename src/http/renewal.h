// A secret that is fetched anew from time to time (AWS keys, Google tokens): shared by all
// workers, renewed ahead of its expiry, one fetch at a time, the old value serves while it lives.
#ifndef WP_HTTP_RENEWAL_H
#define WP_HTTP_RENEWAL_H

#include <pthread.h>

#include "http/client.h"

enum wp_renewal_state {
    WP_RENEWAL_READY,
    WP_RENEWAL_PENDING,
    WP_RENEWAL_FAILED,
    WP_RENEWAL_NO_MEMORY, // the gateway's own trouble: no failure is remembered
};

struct wp_renewal_wait; // one caller that waits for a fetch

struct wp_renewal {
    pthread_mutex_t lock; // guards the owner's value as well
    bool have;            // there is a value
    bool running;         // a fetch is under way
    int64_t expires_ms;   // of the value, wall clock; 0: never
    int64_t failed_until_ms;
    int64_t short_until_ms; // memory was short: NO_MEMORY for a moment instead of the next fetch
    char error[512];        // of the last fetch
    struct wp_renewal_wait *waiting;
};

// What the owner does; both are called under the lock.
struct wp_renewal_ops {
    // Copies the value to where the caller wants it; false without memory.
    bool (*copy)(void *owner, void *to);
    // Begins a fetch that ends in wp_renewal_finish on this loop; false without memory.
    bool (*start)(void *owner, struct wp_loop *loop, struct wp_client *client);
};

void wp_renewal_init(struct wp_renewal *renewal);
void wp_renewal_free(struct wp_renewal *renewal); // nobody waits any more

struct wp_renewal_request {
    struct wp_loop *loop;
    struct wp_client *client;
    void *to;                // for ops->copy
    void (*done)(void *arg); // PENDING: called later on the loop's thread; ask again then
    void *arg;
};
// READY: copied. PENDING: *wait is set. FAILED: a sentence is in `error`; a failure is remembered
// for a few seconds.
enum wp_renewal_state wp_renewal_get(struct wp_renewal *renewal, const struct wp_renewal_ops *ops,
                                     void *owner, const struct wp_renewal_request *request,
                                     struct wp_renewal_wait **wait, char *error, size_t error_size);
// `done` will not be called any more. On the waiting loop's thread. NULL is allowed.
void wp_renewal_cancel(struct wp_renewal_wait *wait);

// The end of a fetch: `store(owner, value)` is called under the lock if it succeeded (error NULL).
void wp_renewal_finish(struct wp_renewal *renewal, struct wp_loop *loop,
                       void (*store)(void *owner, void *value), void *owner, void *value,
                       int64_t expires_ms, const char *error);
// The end of a fetch that had too little memory, which says nothing about what was to be fetched.
void wp_renewal_give_up(struct wp_renewal *renewal, struct wp_loop *loop);

#endif
