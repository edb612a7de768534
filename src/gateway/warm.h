// Renewals of prompt-cache entries: requests of the gateway's own, sent while a conversation is
// quiet. One warmer per process, on one worker's loop. Every renewal that is sent leaves one row of
// call type "keep_warm", paid by the key whose conversation it is.
#ifndef WP_GATEWAY_WARM_H
#define WP_GATEWAY_WARM_H

#include "gateway/worker.h"

struct wp_warmer;

struct wp_warmer *wp_warmer_create(struct wp_worker *worker); // NULL: no memory
// Starts the renewals that are due. On the worker's thread, every second or so.
void wp_warmer_tick(struct wp_warmer *warmer);
// Cancels what is under way. When the loop has ended, before the worker's client goes.
void wp_warmer_destroy(struct wp_warmer *warmer);

#endif
