#include "http/renewal.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
    AHEAD_MS = 5 * 60 * 1000, // renewed so long before expiry
    FAILURE_MS = 5000,        // a failure is remembered so long
    SHORT_MS = 20,            // who waited for a fetch without memory hears of it
    MARGIN_MS = 1000,         // a value this close to its expiry is not handed out
};

struct wp_renewal_wait {
    struct wp_renewal_wait *next;
    struct wp_loop *loop;
    void (*done)(void *arg);
    void *arg;
    struct wp_post post;
    bool cancelled; // touched on the loop's thread only
};

void wp_renewal_init(struct wp_renewal *renewal)
{
    *renewal = (struct wp_renewal){.have = false};
    pthread_mutex_init(&renewal->lock, NULL);
}

void wp_renewal_free(struct wp_renewal *renewal)
{
    WP_CHECK(renewal->waiting == NULL);
    pthread_mutex_destroy(&renewal->lock);
}

static bool ensure_running(struct wp_renewal *renewal, const struct wp_renewal_ops *ops,
                           void *owner, const struct wp_renewal_request *request)
{
    if (!renewal->running)
        renewal->running = ops->start(owner, request->loop, request->client);
    return renewal->running;
}

static enum wp_renewal_state wait_for(struct wp_renewal *renewal,
                                      const struct wp_renewal_request *request,
                                      struct wp_renewal_wait **wait)
{
    struct wp_renewal_wait *waiter = wp_alloc(sizeof(*waiter));
    if (waiter == NULL)
        return WP_RENEWAL_NO_MEMORY;
    *waiter = (struct wp_renewal_wait){.next = renewal->waiting,
                                       .loop = request->loop,
                                       .done = request->done,
                                       .arg = request->arg};
    renewal->waiting = waiter;
    *wait = waiter;
    return WP_RENEWAL_PENDING;
}

enum wp_renewal_state wp_renewal_get(struct wp_renewal *renewal, const struct wp_renewal_ops *ops,
                                     void *owner, const struct wp_renewal_request *request,
                                     struct wp_renewal_wait **wait, char *error, size_t error_size)
{
    enum wp_renewal_state state = WP_RENEWAL_NO_MEMORY;
    int64_t now = wp_wall_ms();
    *wait = NULL;
    pthread_mutex_lock(&renewal->lock);
    bool alive =
        renewal->have && (renewal->expires_ms == 0 || renewal->expires_ms > now + MARGIN_MS);
    if (alive) {
        state = ops->copy(owner, request->to) ? WP_RENEWAL_READY : WP_RENEWAL_NO_MEMORY;
        if (renewal->expires_ms != 0 && renewal->expires_ms < now + AHEAD_MS &&
            renewal->failed_until_ms <= now)
            (void)ensure_running(renewal, ops, owner, request);
    } else if (renewal->failed_until_ms > now) {
        state = WP_RENEWAL_FAILED;
        snprintf(error, error_size, "%s", renewal->error);
    } else if (renewal->short_until_ms <= now && ensure_running(renewal, ops, owner, request)) {
        state = wait_for(renewal, request, wait);
    }
    pthread_mutex_unlock(&renewal->lock);
    return state;
}

void wp_renewal_cancel(struct wp_renewal_wait *wait)
{
    if (wait != NULL)
        wait->cancelled = true; // freed when it is woken, on this thread
}

static void wake(void *arg)
{
    struct wp_renewal_wait *wait = arg;
    if (!wait->cancelled)
        wait->done(wait->arg);
    wp_free(wait);
}

static void wake_all(struct wp_renewal_wait *waiting, struct wp_loop *loop)
{
    while (waiting != NULL) {
        struct wp_renewal_wait *wait = waiting;
        waiting = wait->next;
        if (wait->loop == loop || wp_loop_post_with(wait->loop, &wait->post, wake, wait) != WP_OK)
            wake(wait);
    }
}

// Under the lock.
static struct wp_renewal_wait *end_fetch(struct wp_renewal *renewal)
{
    struct wp_renewal_wait *waiting = renewal->waiting;
    renewal->running = false;
    renewal->waiting = NULL;
    return waiting;
}

void wp_renewal_give_up(struct wp_renewal *renewal, struct wp_loop *loop)
{
    pthread_mutex_lock(&renewal->lock);
    struct wp_renewal_wait *waiting = end_fetch(renewal);
    renewal->short_until_ms = wp_wall_ms() + SHORT_MS;
    pthread_mutex_unlock(&renewal->lock);
    wake_all(waiting, loop);
}

void wp_renewal_finish(struct wp_renewal *renewal, struct wp_loop *loop,
                       void (*store)(void *owner, void *value), void *owner, void *value,
                       int64_t expires_ms, const char *error)
{
    pthread_mutex_lock(&renewal->lock);
    struct wp_renewal_wait *waiting = end_fetch(renewal);
    if (error == NULL) {
        store(owner, value);
        renewal->have = true;
        renewal->expires_ms = expires_ms;
        renewal->failed_until_ms = 0;
    } else {
        renewal->failed_until_ms = wp_wall_ms() + FAILURE_MS;
        snprintf(renewal->error, sizeof(renewal->error), "%s", error);
    }
    pthread_mutex_unlock(&renewal->lock);
    wake_all(waiting, loop);
}
