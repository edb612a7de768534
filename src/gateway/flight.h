// Single flight: an exchange waits while another request writes the prefix that it would write
// too. Private to gateway/.
#ifndef WP_GATEWAY_FLIGHT_H
#define WP_GATEWAY_FLIGHT_H

#include "net/loop.h"
#include "route/router.h"

struct wp_flight;

// Queues behind the write that `plan` names. `resume` is called once on the loop's thread, after
// the leader's first event or failure, unless the wait is ended before. NULL: there is nothing to
// wait for any more (or memory is short); plan again.
struct wp_flight *wp_flight_join(struct wp_router *router, const struct wp_plan *plan,
                                 struct wp_loop *loop, void (*resume)(void *arg), void *arg);
// Leaves the queue; `resume` will not be called any more. On the loop's thread. NULL is allowed.
void wp_flight_leave(struct wp_flight *flight);

#endif
