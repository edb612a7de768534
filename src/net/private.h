// Private to net/.
#ifndef WP_NET_PRIVATE_H
#define WP_NET_PRIVATE_H

#include <pthread.h>
#include <uv.h>

#include "net/loop.h"

enum { WP_READ_BUFFER = 64 * 1024 };

struct wp_loop {
    uint32_t magic;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_check_t check;
    struct wp_timer **heap;
    uint32_t heap_count, heap_capacity;
    struct wp_list deferred[WP_STAGE_COUNT];
    struct wp_chunk_pool chunks;
    pthread_mutex_t lock; // guards posts, stopping, closed
    struct wp_post *posts, *posts_tail;
    bool stopping, closed;
    bool running; // the loop's time is that of a turn
    bool polled;  // an event has come since the loop last waited
    uint64_t now_ns;
    char *read_buffer; // WP_READ_BUFFER bytes, shared by all connections of the loop
};

// Readiness of a descriptor. Freed by the loop after closing.
struct wp_poll;
typedef void (*wp_poll_fn)(void *arg, bool readable, bool writable);
struct wp_poll *wp_poll_create(struct wp_loop *loop, int fd, wp_poll_fn fn, void *arg);
void wp_poll_set(struct wp_poll *poll, bool readable, bool writable);
// Stops watching, closes the descriptor. fn is not called any more.
void wp_poll_close(struct wp_poll *poll);

#endif
