#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "net/private.h"

enum { LISTENER_MAGIC = 0x4c495354, BACKLOG = 4096, ACCEPTS_PER_TURN = 64, STARVED_MS = 100 };

struct wp_listener {
    uint32_t magic;
    struct wp_loop *loop;
    struct wp_poll *poll;
    int fd;
    uint16_t port;
    bool paused, starved;
    struct wp_timer retry; // after descriptors ran out
    void (*on_accept)(void *arg, int fd, const struct wp_peer *peer);
    void *arg;
};

static void update(struct wp_listener *listener)
{
    wp_poll_set(listener->poll, !listener->paused && !listener->starved, false);
}

static void retry(void *arg)
{
    struct wp_listener *listener = arg;
    WP_CHECK_MAGIC(listener, LISTENER_MAGIC);
    listener->starved = false;
    update(listener);
}

static void describe(const struct sockaddr_storage *address, struct wp_peer *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    *peer = (struct wp_peer){0};
    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(v4->sin_port);
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(v6->sin6_port);
    }
}

// No descriptors left: wait a little instead of spinning; connections stay in the backlog.
static void starve(struct wp_listener *listener)
{
    wp_log(WP_LOG_ERROR, "listener", "out of file descriptors: accepting pauses");
    listener->starved = true;
    update(listener);
    wp_timer_start(&listener->retry, STARVED_MS);
}

static void on_ready(void *arg, bool readable, bool writable)
{
    struct wp_listener *listener = arg;
    (void)readable;
    (void)writable;
    WP_CHECK_MAGIC(listener, LISTENER_MAGIC);
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->paused; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        struct wp_peer peer;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            starve(listener);
        if (fd < 0)
            return;
        describe(&address, &peer);
        listener->on_accept(listener->arg, fd, &peer);
    }
}

static int open_socket(wp_view host, uint16_t port, bool shared, char *error, size_t error_size)
{
    char name[256], service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found = NULL;
    int one = 1, share = shared ? 1 : 0;
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(host));
    snprintf(service, sizeof(service), "%u", port);
    int result = getaddrinfo(name, service, &hints, &found);
    if (result != 0) {
        snprintf(error, error_size, "%s", gai_strerror(result));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof(share));
    }
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(error, error_size, "%s%s", strerror(errno),
                 errno == EADDRINUSE ? " (another program listens there; choose another port)"
                                     : "");
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

bool wp_listener_is_free(wp_view host, uint16_t port, char *error, size_t error_size)
{
    int fd = open_socket(host, port, false, error, error_size);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    struct wp_peer peer = {0};
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        describe(&address, &peer);
    return peer.port;
}

enum wp_err wp_listener_start(struct wp_loop *loop, wp_view host, uint16_t port,
                              void (*on_accept)(void *arg, int fd, const struct wp_peer *peer),
                              void *arg, struct wp_listener **out, char *error, size_t error_size)
{
    int fd = open_socket(host, port, true, error, error_size);
    struct wp_listener *listener = fd < 0 ? NULL : wp_alloc(sizeof(*listener));
    if (listener == NULL) {
        if (fd >= 0)
            close(fd);
        return fd < 0 ? WP_ERR_INVALID : WP_ERR_NO_MEMORY;
    }
    *listener = (struct wp_listener){.magic = LISTENER_MAGIC,
                                     .loop = loop,
                                     .fd = fd,
                                     .port = bound_port(fd),
                                     .on_accept = on_accept,
                                     .arg = arg};
    wp_timer_init(&listener->retry, loop, retry, listener);
    listener->poll = wp_poll_create(loop, fd, on_ready, listener);
    if (listener->poll == NULL) {
        close(fd);
        wp_free(listener);
        return WP_ERR_NO_MEMORY;
    }
    update(listener);
    *out = listener;
    return WP_OK;
}

uint16_t wp_listener_port(const struct wp_listener *listener)
{
    return listener->port;
}

void wp_listener_pause(struct wp_listener *listener, bool paused)
{
    listener->paused = paused;
    update(listener);
}

void wp_listener_close(struct wp_listener *listener)
{
    if (listener == NULL)
        return;
    wp_timer_stop(&listener->retry);
    wp_poll_close(listener->poll);
    listener->magic = 0;
    wp_free(listener);
}
