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

// When there is no room (too many connections, or no descriptors), accepting pauses: a moment later
// there may be. What still waits after PATIENCE_MS is refused, so that it may go elsewhere, and
// from then on what comes, a few at a time.
enum {
    LISTENER_MAGIC = 0x4c495354,
    BACKLOG = 4096,
    ACCEPTS_PER_TURN = 64,
    STARVED_MS = 100,
    PATIENCE_MS = 1000,
    DISCARD_MAX = 1024 * 1024,
};

struct wp_listener {
    uint32_t magic;
    struct wp_loop *loop;
    struct wp_poll *poll;
    int fd;
    int reserve; // a descriptor to refuse with when there is no other; -1: lost for now
    uint16_t port;
    bool paused, full, starved;
    uint64_t no_room_ns;   // since when; 0: there is room
    uint64_t refused;      // since then
    struct wp_timer timer; // looks again while there is no room
    const char *refusal;   // NULL: closed without a word
    void (*on_accept)(void *arg, int fd, const struct wp_peer *peer);
    void *arg;
};

static void update(struct wp_listener *listener)
{
    wp_poll_set(listener->poll, !listener->paused && !listener->full && !listener->starved, false);
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

static int accept_one(const struct wp_listener *listener, struct wp_peer *peer)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        describe(&address, peer);
    return fd;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Bytes that were not read would make the kernel reset the connection, and the client lose the
// answer.
static void refuse(struct wp_listener *listener, int fd)
{
    char discarded[4096];
    ssize_t got = 0;
    for (size_t total = 0; listener->refusal != NULL && total < DISCARD_MAX; total += (size_t)got)
        if ((got = recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT)) <= 0)
            break;
    if (listener->refusal != NULL &&
        send(fd, listener->refusal, strlen(listener->refusal), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        (void)shutdown(fd, SHUT_WR);
    close(fd);
    listener->refused++;
}

static void refuse_some(struct wp_listener *listener)
{
    struct wp_peer peer;
    int fd = -1;
    if (listener->starved && listener->reserve >= 0) {
        close(listener->reserve);
        listener->reserve = -1;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN && (fd = accept_one(listener, &peer)) >= 0; i++)
        refuse(listener, fd);
    if (listener->reserve < 0)
        listener->reserve = open_reserve();
}

static void no_room(struct wp_listener *listener, const char *why)
{
    if (listener->no_room_ns == 0) {
        wp_log(WP_LOG_ERROR, "listener", "%s: accepting pauses", why);
        listener->no_room_ns = wp_loop_now_ns(listener->loop);
        listener->refused = 0;
    }
    update(listener);
    if (!wp_timer_active(&listener->timer))
        wp_timer_start(&listener->timer, STARVED_MS);
}

// Nobody waits any more: a place that is free for a moment only does not count.
static void all_are_in(struct wp_listener *listener)
{
    if (listener->no_room_ns != 0 && listener->refused > 0)
        wp_log(WP_LOG_WARN, "listener", "accepting again; %llu connections were refused",
               (unsigned long long)listener->refused);
    listener->no_room_ns = 0;
}

static void on_ready(void *arg, bool readable, bool writable)
{
    struct wp_listener *listener = arg;
    (void)readable;
    (void)writable;
    WP_CHECK_MAGIC(listener, LISTENER_MAGIC);
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->paused && !listener->full; i++) {
        struct wp_peer peer;
        int fd = accept_one(listener, &peer);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            listener->starved = true;
            no_room(listener, "out of file descriptors");
        }
        if (fd < 0 && !listener->starved)
            all_are_in(listener);
        if (fd < 0)
            return;
        listener->on_accept(listener->arg, fd, &peer);
    }
}

static void on_timer(void *arg)
{
    struct wp_listener *listener = arg;
    WP_CHECK_MAGIC(listener, LISTENER_MAGIC);
    if (listener->paused || listener->no_room_ns == 0)
        return;
    uint64_t waited_ns = wp_loop_now_ns(listener->loop) - listener->no_room_ns;
    if (listener->full) {
        wp_timer_start(&listener->timer, STARVED_MS);
    } else {
        listener->starved = false;
        on_ready(listener, true, false);
        update(listener);
    }
    if ((listener->full || listener->starved) && waited_ns >= (uint64_t)PATIENCE_MS * 1000000)
        refuse_some(listener);
}

static int failed(int fd, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s%s", strerror(errno),
             errno == EADDRINUSE ? " (another program listens there; choose another port)" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

static int bind_socket(wp_view host, uint16_t port, bool shared, char *error, size_t error_size)
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
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0)
        fd = failed(fd, error, error_size);
    freeaddrinfo(found);
    return fd;
}

static int open_socket(wp_view host, uint16_t port, char *error, size_t error_size)
{
    int fd = bind_socket(host, port, true, error, error_size);
    return fd >= 0 && listen(fd, BACKLOG) != 0 ? failed(fd, error, error_size) : fd;
}

// Does not listen: who connected meanwhile would be let in and dropped.
bool wp_listener_is_free(wp_view host, uint16_t port, char *error, size_t error_size)
{
    int fd = bind_socket(host, port, false, error, error_size);
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
    int fd = open_socket(host, port, error, error_size);
    struct wp_listener *listener = fd < 0 ? NULL : wp_alloc(sizeof(*listener));
    if (listener == NULL) {
        if (fd >= 0)
            close(fd);
        return fd < 0 ? WP_ERR_INVALID : WP_ERR_NO_MEMORY;
    }
    *listener = (struct wp_listener){.magic = LISTENER_MAGIC,
                                     .loop = loop,
                                     .fd = fd,
                                     .reserve = open_reserve(),
                                     .port = bound_port(fd),
                                     .on_accept = on_accept,
                                     .arg = arg};
    wp_timer_init(&listener->timer, loop, on_timer, listener);
    listener->poll = wp_poll_create(loop, fd, on_ready, listener);
    if (listener->poll == NULL) {
        close(fd);
        if (listener->reserve >= 0)
            close(listener->reserve);
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

void wp_listener_full(struct wp_listener *listener, bool full)
{
    listener->full = full;
    if (full) {
        no_room(listener, "too many connections");
        return;
    }
    update(listener); // the timer finds out whether anybody waits
}

void wp_listener_refuse_with(struct wp_listener *listener, const char *refusal)
{
    listener->refusal = refusal;
}

void wp_listener_close(struct wp_listener *listener)
{
    if (listener == NULL)
        return;
    wp_timer_stop(&listener->timer);
    wp_poll_close(listener->poll);
    if (listener->reserve >= 0)
        close(listener->reserve);
    listener->magic = 0;
    wp_free(listener);
}
