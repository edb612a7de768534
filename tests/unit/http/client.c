// The client against a scripted peer: answers in any splitting, connections that break, the pool.
#include "support.h"

#include "http/client.h"

// One answer of the peer: what it sends after it has read a request head.
struct peer_step {
    wp_view first, second; // sent with a pause between them
    bool close;            // after it
    bool reset;            // instead of an orderly close
    bool hold;             // says nothing more, until the client gives up
};

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    const struct peer_step *steps;
    size_t count;
    size_t connections, requests;
    char heard[8192]; // the last head, and what came with it
    size_t heard_len;
};

static bool read_head(struct peer *peer, int fd)
{
    peer->heard_len = 0;
    while (peer->heard_len < sizeof(peer->heard)) {
        ssize_t got =
            recv(fd, peer->heard + peer->heard_len, sizeof(peer->heard) - peer->heard_len, 0);
        if (got <= 0)
            return false;
        peer->heard_len += (size_t)got;
        if (wp_view_contains(wp_view_make(peer->heard, peer->heard_len), WP_VIEW("\r\n\r\n")))
            return true;
    }
    return false;
}

static void *peer_run(void *arg)
{
    struct peer *peer = arg;
    size_t step = 0;
    while (step < peer->count) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            break;
        peer->connections++;
        while (step < peer->count && read_head(peer, fd)) {
            const struct peer_step *answer = &peer->steps[step++];
            peer->requests++;
            say(fd, answer->first);
            if (answer->second.len > 0) {
                usleep(1500);
                say(fd, answer->second);
            }
            if (answer->reset) {
                struct linger hard = {1, 0};
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
            }
            if (answer->hold)
                (void)has_ended(fd);
            if (answer->close || answer->reset || answer->hold)
                break;
        }
        close(fd);
    }
    return NULL;
}

static void peer_start(struct peer *peer, const struct peer_step *steps, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *peer = (struct peer){.steps = steps, .count = count};
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(peer->listener, 16), 0);
    getsockname(peer->listener, (struct sockaddr *)&address, &len);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

// One call and what came of it.
struct outcome {
    struct wp_loop *loop;
    struct wp_client *client;
    struct wp_call *call;
    struct wp_arena *arena;
    struct wp_buf body;
    uint32_t patience_ms; // with a silent peer
    uint32_t connect_ms;
    uint32_t stall_ms; // the loop's thread stands still so long once the call has been started
    uint32_t busy_ms;  // spent in on_head, while more arrives
    int status;
    enum wp_err err;
    bool ended;
};

static void on_head(void *state, int status, const struct wp_headers *headers)
{
    struct outcome *outcome = state;
    (void)headers;
    outcome->status = status;
    if (outcome->busy_ms > 0)
        usleep(outcome->busy_ms * 1000);
}

static void on_body(void *state, wp_view bytes)
{
    wp_buf_append(&((struct outcome *)state)->body, bytes);
}

static void on_end(void *state)
{
    struct outcome *outcome = state;
    outcome->ended = true;
    wp_loop_stop(outcome->loop);
}

static void on_error(void *state, enum wp_err err, const char *detail)
{
    struct outcome *outcome = state;
    assert_non_null(detail);
    outcome->err = err;
    wp_loop_stop(outcome->loop);
}

static void open_client(struct outcome *outcome)
{
    struct wp_client_config config;
    *outcome = (struct outcome){
        .body = wp_buf_make(1024 * 1024), .patience_ms = 10000, .connect_ms = 5000};
    wp_client_config_default(&config);
    assert_ok(wp_loop_create(&outcome->loop));
    assert_ok(wp_client_create(outcome->loop, &config, &outcome->client));
    outcome->arena = wp_arena_create(0);
    assert_non_null(outcome->arena);
}

static void close_client(struct outcome *outcome)
{
    wp_client_destroy(outcome->client);
    wp_loop_destroy(outcome->loop);
    wp_buf_free(&outcome->body);
    wp_arena_destroy(outcome->arena);
}

static void stand_still(void *arg)
{
    usleep(((struct outcome *)arg)->stall_ms * 1000);
}

static void ask_with(struct outcome *outcome, uint16_t port, const struct wp_header *headers,
                     size_t count, struct wp_header_lines lines)
{
    static const struct wp_call_events events = {on_head, on_body, on_end, on_error};
    static const wp_view body[] = {WP_VIEW("{\"a\":"), WP_VIEW("1}")};
    const struct wp_call_request request = {
        .host = WP_VIEW("127.0.0.1"),
        .port = port,
        .method = WP_VIEW("POST"),
        .target = WP_VIEW("/t"),
        .headers = headers,
        .header_count = count,
        .lines = lines,
        .body = body,
        .body_count = 2,
        .arena = outcome->arena,
        .connect_timeout_ms = outcome->connect_ms,
        .first_byte_timeout_ms = outcome->patience_ms,
        .idle_timeout_ms = outcome->patience_ms,
        .retry_stale = true,
    };
    wp_buf_clear(&outcome->body);
    outcome->status = 0;
    outcome->err = WP_OK;
    outcome->ended = false;
    assert_ok(wp_call_start(outcome->client, &request, &events, outcome, &outcome->call));
    struct wp_timer timer;
    wp_timer_init(&timer, outcome->loop, stand_still, outcome);
    if (outcome->stall_ms > 0)
        wp_timer_start(&timer, 0);
    wp_loop_run(outcome->loop);
    wp_timer_stop(&timer);
}

static void ask(struct outcome *outcome, uint16_t port)
{
    static const struct wp_header headers[] = {{WP_VIEW("Host"), WP_VIEW("x")}};
    ask_with(outcome, port, headers, 1, (struct wp_header_lines){0});
}

static void check_answer(const char *answer, bool close_after, const char *expected)
{
    wp_view all = wp_view_of(answer);
    struct peer_step *steps = calloc(all.len + 1, sizeof(*steps));
    struct peer peer;
    struct outcome outcome;
    assert_non_null(steps);
    for (size_t cut = 0; cut <= all.len; cut++)
        steps[cut] = (struct peer_step){
            .first = wp_view_sub(all, 0, cut),
            .second = wp_view_skip(all, cut),
            .close = close_after,
        };
    peer_start(&peer, steps, all.len + 1);
    open_client(&outcome);
    for (size_t cut = 0; cut <= all.len; cut++) {
        ask(&outcome, peer.port);
        assert_err(outcome.err, WP_OK);
        assert_true(outcome.ended);
        assert_int_equal(outcome.status, 200);
        assert_view(wp_buf_view(&outcome.body), expected);
    }
    close_client(&outcome);
    peer_stop(&peer);
    assert_int_equal(peer.requests, all.len + 1);
    assert_int_equal(peer.connections, close_after ? all.len + 1 : 1); // kept alive otherwise
    free(steps);
}

static void test_every_split(void **state)
{
    (void)state;
    check_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "hello");
    check_answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        false, "hello");
    check_answer("HTTP/1.1 200 OK\r\n\r\nhello", true, "hello");
    check_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false,
                 "");
    check_answer("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", true, "ok");
}

static void check_error(struct peer_step step, enum wp_err expected)
{
    struct peer peer;
    struct outcome outcome;
    peer_start(&peer, &step, 1);
    open_client(&outcome);
    if (step.hold)
        outcome.patience_ms = 200;
    ask(&outcome, peer.port);
    if (outcome.err != expected)
        print_error("after \"%.*s\"\n", WP_VIEW_ARG(step.first));
    assert_err(outcome.err, expected);
    assert_false(outcome.ended);
    close_client(&outcome);
    peer_stop(&peer);
}

#define STEP(text, ...) ((struct peer_step){.first = WP_VIEW(text), __VA_ARGS__})

static void test_broken_answers(void **state)
{
    (void)state;
    check_error(STEP("", .close = true), WP_ERR_RESET);
    check_error(STEP("HTTP/1.1 200 OK\r\nConte", .close = true), WP_ERR_RESET);
    check_error(STEP("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", .close = true),
                WP_ERR_INCOMPLETE);
    check_error(STEP("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", .reset = true),
                WP_ERR_INCOMPLETE);
    check_error(
        STEP("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", .close = true),
        WP_ERR_INCOMPLETE);
    check_error(STEP("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", .close = true),
                WP_ERR_PROTOCOL);
    check_error(STEP("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", .hold = true),
                WP_ERR_PROTOCOL);
    check_error(STEP("SSH-2.0-OpenSSH\r\n\r\n", .close = true), WP_ERR_PROTOCOL);
    check_error(STEP("HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", .hold = true),
                WP_ERR_PROTOCOL);
    check_error(
        STEP("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", .close = true),
        WP_ERR_PROTOCOL);
}

// Bytes and the reset behind them are seen in one turn of the loop: first the one, then the other.
static void test_reset_behind_bytes(void **state)
{
    (void)state;
    const struct peer_step step = {
        .first = WP_VIEW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        .second = WP_VIEW("hel"),
        .reset = true,
    };
    struct peer peer;
    struct outcome outcome;
    peer_start(&peer, &step, 1);
    open_client(&outcome);
    outcome.busy_ms = 50;
    ask(&outcome, peer.port);
    assert_err(outcome.err, WP_ERR_INCOMPLETE);
    assert_view(wp_buf_view(&outcome.body), "hel");
    close_client(&outcome);
    peer_stop(&peer);
}

static void test_silence(void **state)
{
    (void)state;
    check_error(STEP("", .hold = true), WP_ERR_UPSTREAM_TIMEOUT);
    check_error(STEP("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", .hold = true),
                WP_ERR_UPSTREAM_TIMEOUT);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct peer peer;
    struct outcome outcome;
    const struct peer_step none = {.close = true};
    peer_start(&peer, &none, 1);
    peer_stop(&peer);
    open_client(&outcome);
    ask(&outcome, peer.port);
    assert_err(outcome.err, WP_ERR_CONNECT);
    close_client(&outcome);
}

// The same bytes whether the first fields were written beforehand or not; what would break out of
// its line goes in neither case.
static void test_request_head(void **state)
{
    (void)state;
    static const char expected[] = "POST /t HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: \r\nC: \tthree\r\n"
                                   "Content-Length: 7\r\n\r\n";
    static const struct wp_header headers[] = {
        {WP_VIEW("Host"), WP_VIEW("x")},      {WP_VIEW("Bad"), WP_VIEW("1\r\nX: 2")},
        {WP_VIEW("A"), WP_VIEW("1")},         {WP_VIEW("B"), WP_VIEW("")},
        {WP_VIEW("Bad\nname"), WP_VIEW("1")}, {WP_VIEW("C"), WP_VIEW("\tthree")},
    };
    const struct peer_step steps[] = {STEP("HTTP/1.1 204 No\r\n\r\n", .close = true)};
    struct wp_arena *arena = wp_arena_create(0);
    for (size_t made = 0; made <= WP_COUNT_OF(headers); made++) {
        struct peer peer;
        struct outcome outcome;
        peer_start(&peer, steps, 1);
        open_client(&outcome);
        ask_with(&outcome, peer.port, headers, WP_COUNT_OF(headers),
                 wp_header_lines_make(arena, headers, made));
        assert_err(outcome.err, WP_OK);
        close_client(&outcome);
        peer_stop(&peer);
        assert_view(wp_view_sub(wp_view_make(peer.heard, peer.heard_len), 0, strlen(expected)),
                    expected);
    }
    wp_arena_destroy(arena);
}

// A kept connection that the peer has closed meanwhile costs a fresh one, not an error.
static void test_stale_connection(void **state)
{
    (void)state;
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const struct peer_step steps[] = {STEP(ok, .close = true), STEP(ok), STEP(ok)};
    struct peer peer;
    struct outcome outcome;
    peer_start(&peer, steps, 3);
    open_client(&outcome);
    for (int i = 0; i < 3; i++) {
        ask(&outcome, peer.port);
        assert_err(outcome.err, WP_OK);
        assert_view(wp_buf_view(&outcome.body), "ok");
    }
    close_client(&outcome);
    peer_stop(&peer);
    assert_int_equal(peer.connections, 2);
    assert_int_equal(peer.requests, 3);
}

// A listener whose queue is full: the kernel drops what would connect.
static int deaf_listener(uint16_t *port, int fill[4])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    getsockname(listener, (struct sockaddr *)&address, &len);
    *port = ntohs(address.sin_port);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&address, len);
    }
    return listener;
}

// Time in which this thread stood still is not held against the peer.
static void test_connecting_while_the_thread_stands_still(void **state)
{
    (void)state;
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const struct peer_step steps[] = {STEP(ok)};
    struct peer peer;
    struct outcome outcome;
    uint16_t port;
    int fill[4], listener = deaf_listener(&port, fill);
    peer_start(&peer, steps, 1);
    open_client(&outcome);
    outcome.connect_ms = 300;
    ask(&outcome, port);
    assert_err(outcome.err, WP_ERR_CONNECT_TIMEOUT);
    outcome.stall_ms = 600;
    ask(&outcome, port);
    assert_err(outcome.err, WP_ERR_STALLED);
    ask(&outcome, peer.port); // it was connected all the time
    assert_err(outcome.err, WP_OK);
    assert_view(wp_buf_view(&outcome.body), "ok");
    outcome.stall_ms = 1000; // not for ever: three times the time to connect
    ask(&outcome, port);
    assert_err(outcome.err, WP_ERR_STALLED);
    close_client(&outcome);
    peer_stop(&peer);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_reset_behind_bytes),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_request_head),
        cmocka_unit_test(test_stale_connection),
        cmocka_unit_test(test_connecting_while_the_thread_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
