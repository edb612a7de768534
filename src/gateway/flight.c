// The router wakes waiters under its lock and on the leader's thread; the news travels to the
// waiter's loop in a note that outlives whichever side goes first.
#include "gateway/flight.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/err.h"

enum { FLIGHT_MAGIC = 0x464c4754 };

struct wp_flight {
    uint32_t magic;
    _Atomic uint32_t references; // the exchange's, and that of a note under way
    struct wp_waiter waiter;
    struct wp_router *router;
    struct wp_loop *loop;
    void (*resume)(void *arg); // NULL: the exchange has left; touched on the loop's thread only
    void *arg;
};

static void release(struct wp_flight *flight)
{
    if (atomic_fetch_sub(&flight->references, 1) != 1)
        return;
    flight->magic = 0;
    wp_free(flight);
}

static void arrived(void *arg)
{
    struct wp_flight *flight = arg;
    WP_CHECK_MAGIC(flight, FLIGHT_MAGIC);
    if (flight->resume != NULL)
        flight->resume(flight->arg); // leaves the flight
    release(flight);
}

// If the note cannot be posted the exchange's timer resumes it.
static void wake(void *arg)
{
    struct wp_flight *flight = arg;
    atomic_fetch_add(&flight->references, 1);
    if (wp_loop_post(flight->loop, arrived, flight) != WP_OK)
        atomic_fetch_sub(&flight->references, 1); // the exchange still holds its own
}

struct wp_flight *wp_flight_join(struct wp_router *router, const struct wp_plan *plan,
                                 struct wp_loop *loop, void (*resume)(void *arg), void *arg)
{
    struct wp_flight *flight = wp_alloc(sizeof(*flight));
    if (flight == NULL)
        return NULL;
    *flight = (struct wp_flight){
        .magic = FLIGHT_MAGIC,
        .references = 1,
        .waiter = {.wake = wake, .arg = flight},
        .router = router,
        .loop = loop,
        .resume = resume,
        .arg = arg,
    };
    if (wp_router_wait(router, plan, &flight->waiter))
        return flight;
    release(flight);
    return NULL;
}

void wp_flight_leave(struct wp_flight *flight)
{
    if (flight == NULL)
        return;
    WP_CHECK_MAGIC(flight, FLIGHT_MAGIC);
    wp_router_wait_cancel(flight->router, &flight->waiter);
    flight->resume = NULL;
    release(flight);
}
