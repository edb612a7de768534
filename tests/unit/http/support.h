// A server of the tests on a loop of its own thread, and blocking sockets against it.
#ifndef WP_TESTS_HTTP_SUPPORT_H
#define WP_TESTS_HTTP_SUPPORT_H

#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/server.h"

// Echoes method, path, query and body; "/early" answers without reading the body; "/hang" never.
struct bench_server;

struct echo {
    struct bench_server *bench;
    struct wp_server_request *request;
    const struct wp_request_head *head;
    struct wp_buf body;
};

struct bench_server {
    pthread_t thread;
    struct wp_loop *loop;
    struct wp_server *server;
    uint16_t port;
    _Atomic uint32_t requests, aborted, closed;
};

static inline void echo_answer(struct echo *echo)
{
    struct wp_headers headers;
    struct wp_buf text = wp_buf_make(64 * 1024 * 1024);
    wp_headers_init(&headers, wp_request_arena(echo->request));
    assert_ok(wp_headers_add(&headers, WP_VIEW("content-type"), WP_VIEW("text/plain")));
    wp_buf_printf(&text, "%.*s %.*s?%.*s %zu ", WP_VIEW_ARG(echo->head->method),
                  WP_VIEW_ARG(echo->head->path), WP_VIEW_ARG(echo->head->query), echo->body.len);
    wp_buf_append(&text, wp_view_sub(wp_buf_view(&echo->body), 0, 64));
    wp_response_send(echo->request, 200, &headers, wp_buf_view(&text));
    wp_buf_free(&text);
}

static inline void *echo_head(void *context, struct wp_server_request *request,
                              const struct wp_request_head *head)
{
    struct bench_server *bench = context;
    struct echo *echo = WP_ARENA_NEW(wp_request_arena(request), struct echo);
    atomic_fetch_add(&bench->requests, 1);
    *echo = (struct echo){bench, request, head, wp_buf_make(64 * 1024 * 1024)};
    if (wp_view_is(head->path, "/hang"))
        return echo;
    if (head->has_body && !wp_view_is(head->path, "/early"))
        wp_request_read_body(request);
    else
        echo_answer(echo);
    return echo;
}

static inline void echo_body(void *state, wp_view bytes)
{
    wp_buf_append(&((struct echo *)state)->body, bytes);
}

static inline void echo_body_end(void *state)
{
    struct echo *echo = state;
    if (echo->head->has_body)
        echo_answer(echo);
}

static inline void echo_nothing(void *state)
{
    (void)state;
}

static inline void echo_abort(void *state, enum wp_err err)
{
    (void)err;
    atomic_fetch_add(&((struct echo *)state)->bench->aborted, 1);
}

static inline void echo_closed(void *state)
{
    wp_buf_free(&((struct echo *)state)->body);
}

static inline void echo_error(void *context, enum wp_err err, wp_view peer, struct wp_arena *arena,
                              wp_view *body)
{
    (void)context;
    (void)peer;
    *body = wp_arena_printf(arena, "{\"error\":\"%s\"}", wp_err_info(err)->name);
}

static inline void *bench_run(void *arg)
{
    wp_loop_run(((struct bench_server *)arg)->loop);
    return NULL;
}

static inline void bench_start(struct bench_server *bench, const struct wp_server_limits *limits)
{
    static const struct wp_server_handler handler = {
        .on_head = echo_head,
        .on_body = echo_body,
        .on_body_end = echo_body_end,
        .on_drain = echo_nothing,
        .on_abort = echo_abort,
        .on_closed = echo_closed,
        .error_body = echo_error,
    };
    char error[256] = "";
    *bench = (struct bench_server){.port = 0};
    assert_ok(wp_loop_create(&bench->loop));
    struct wp_server_config config = {
        .host = WP_VIEW("127.0.0.1"), .handler = &handler, .context = bench};
    wp_server_limits_default(&config.limits);
    if (limits != NULL)
        config.limits = *limits;
    assert_ok(wp_server_start(bench->loop, &config, &bench->server, error, sizeof(error)));
    bench->port = wp_server_port(bench->server);
    assert_int_equal(pthread_create(&bench->thread, NULL, bench_run, bench), 0);
}

static inline void bench_drained(void *arg)
{
    wp_loop_stop(((struct bench_server *)arg)->loop);
}

static inline void bench_drain(void *arg)
{
    struct bench_server *bench = arg;
    wp_server_drain(bench->server, 100, bench_drained, bench);
}

static inline void bench_stop(struct bench_server *bench)
{
    assert_ok(wp_loop_post(bench->loop, bench_drain, bench));
    pthread_join(bench->thread, NULL);
    wp_server_destroy(bench->server);
    wp_loop_destroy(bench->loop);
}

static inline int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void say(int fd, wp_view bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server has closed: what it said is read below
        bytes = wp_view_skip(bytes, (size_t)sent);
    }
}

// Reads until `until` is in it, the end of the stream, or two seconds of silence.
static inline wp_view hear(int fd, char *out, size_t size, const char *until)
{
    size_t len = 0;
    while (len < size) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 2000) <= 0)
            break;
        ssize_t got = recv(fd, out + len, size - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        if (until != NULL && wp_view_contains(wp_view_make(out, len), wp_view_of(until)))
            break;
    }
    return wp_view_make(out, len);
}

// True if the stream has ended.
static inline bool has_ended(int fd)
{
    char byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 2000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

#endif
