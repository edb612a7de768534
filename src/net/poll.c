#include "net/private.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

struct wp_poll {
    uv_poll_t handle;
    struct wp_loop *loop;
    wp_poll_fn fn;
    void *arg;
    int fd;
    int events;
    bool closing;
};

static void on_event(uv_poll_t *handle, int status, int events)
{
    struct wp_poll *poll = handle->data;
    if (!poll->loop->polled) { // the first of this turn
        poll->loop->polled = true;
        poll->loop->now_ns = wp_now_ns();
    }
    // An error condition is seen by reading: both directions are reported. libuv has stopped
    // watching by itself, so that the next wp_poll_set must start it again: bytes may lie before
    // the error, and who reads only those would never hear of it.
    if (status < 0) {
        events = UV_READABLE | UV_WRITABLE;
        poll->events = 0;
    }
    poll->fn(poll->arg, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

struct wp_poll *wp_poll_create(struct wp_loop *loop, int fd, wp_poll_fn fn, void *arg)
{
    struct wp_poll *poll = wp_alloc(sizeof(*poll));
    if (poll == NULL)
        return NULL;
    *poll = (struct wp_poll){.loop = loop, .fn = fn, .arg = arg, .fd = fd};
    if (uv_poll_init(&loop->uv, &poll->handle, fd) != 0) {
        wp_free(poll);
        return NULL;
    }
    poll->handle.data = poll;
    return poll;
}

void wp_poll_set(struct wp_poll *poll, bool readable, bool writable)
{
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (poll->closing || events == poll->events)
        return;
    poll->events = events;
    if (events == 0)
        uv_poll_stop(&poll->handle);
    else
        uv_poll_start(&poll->handle, events, on_event);
}

static void closed(uv_handle_t *handle)
{
    wp_free(handle->data);
}

void wp_poll_close(struct wp_poll *poll)
{
    if (poll == NULL || poll->closing)
        return;
    poll->closing = true;
    // uv_close takes the descriptor out of epoll at once, and would do so by number: once it is
    // closed, another worker's accept may own that number.
    uv_close((uv_handle_t *)&poll->handle, closed);
    close(poll->fd);
}
