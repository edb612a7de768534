// The server over real sockets: framing in any splitting, limits, keep-alive, what is refused.
#include "support.h"

static struct bench_server bench;

static int set_up(void **state)
{
    (void)state;
    bench_start(&bench, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bench_stop(&bench);
    return 0;
}

static const char get[] = "GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n";
static const char post[] = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
static const char chunked[] = "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n";

static void check_split(const char *request, const char *answer)
{
    wp_view all = wp_view_of(request);
    for (size_t cut = 1; cut < all.len; cut++) {
        char out[4096];
        int fd = dial(bench.port);
        say(fd, wp_view_sub(all, 0, cut));
        if (cut % 7 == 0)
            usleep(1000); // now and then really two reads
        say(fd, wp_view_skip(all, cut));
        wp_view text = hear(fd, out, sizeof(out), answer);
        assert_true(wp_view_starts_with(text, WP_VIEW("HTTP/1.1 200 ")));
        assert_true(wp_view_ends_with(text, wp_view_of(answer)));
        close(fd);
    }
}

static void test_every_split(void **state)
{
    (void)state;
    check_split(get, "GET /a b?q=1 0 ");
    check_split(post, "POST /p? 5 hello");
    check_split(chunked, "POST /p? 5 hello");
}

static void test_pipelining_and_keep_alive(void **state)
{
    (void)state;
    char out[8192], both[512];
    int fd = dial(bench.port);
    snprintf(both, sizeof(both), "%s%s%s", post, chunked, get);
    say(fd, wp_view_of(both));
    wp_view text = hear(fd, out, sizeof(out), "GET /a b?q=1 0 ");
    size_t first = wp_view_find(text, WP_VIEW("POST /p? 5 hello"));
    assert_true(first != WP_NOT_FOUND);
    assert_true(wp_view_contains(wp_view_skip(text, first + 1), WP_VIEW("POST /p? 5 hello")));
    say(fd, wp_view_of(get));
    text = hear(fd, out, sizeof(out), "GET /a b?q=1 0 ");
    assert_true(wp_view_starts_with(text, WP_VIEW("HTTP/1.1 200 ")));
    say(fd, WP_VIEW("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    text = hear(fd, out, sizeof(out), NULL);
    assert_true(wp_view_ends_with(text, WP_VIEW("GET /? 0 ")));
    assert_true(has_ended(fd));
    close(fd);
}

static void test_head_and_old_clients(void **state)
{
    (void)state;
    char out[4096];
    int fd = dial(bench.port);
    say(fd, WP_VIEW("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
    wp_view text = hear(fd, out, sizeof(out), "\r\n\r\n");
    assert_true(wp_view_ends_with(text, WP_VIEW("\r\n\r\n"))); // a length, but no body
    assert_true(wp_view_contains(text, WP_VIEW("ontent-")));
    close(fd);
    fd = dial(bench.port);
    say(fd, WP_VIEW("GET / HTTP/1.0\r\n\r\n"));
    text = hear(fd, out, sizeof(out), NULL);
    assert_true(wp_view_ends_with(text, WP_VIEW("GET /? 0 ")));
    assert_true(has_ended(fd));
    close(fd);
}

static void test_expect_continue(void **state)
{
    (void)state;
    char out[4096];
    int fd = dial(bench.port);
    say(fd,
        WP_VIEW(
            "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
    wp_view text = hear(fd, out, sizeof(out), "\r\n\r\n");
    assert_view(text, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, WP_VIEW("hello"));
    text = hear(fd, out, sizeof(out), "hello");
    assert_true(wp_view_starts_with(text, WP_VIEW("HTTP/1.1 200 ")));
    close(fd);
    // A handler that does not want the body answers at once, and the connection ends.
    fd = dial(bench.port);
    say(fd, WP_VIEW("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: "
                    "100-continue\r\n\r\n"));
    text = hear(fd, out, sizeof(out), "POST /early? 0 ");
    assert_true(wp_view_starts_with(text, WP_VIEW("HTTP/1.1 200 ")));
    assert_true(has_ended(fd));
    close(fd);
}

// Each is refused with its status, the connection ends, and no handler sees a second request in it.
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        const char *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", "400"},
        {"GET / HTTP/1.1\nHost: x\n\n", "400"},
        {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "400"},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nauthorization: b\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 03\r\n\r\nabc", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01"
         "c\r\n\r\n",
         "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         "400"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", NULL},
        {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        char out[4096], request[1024];
        uint32_t before = atomic_load(&bench.requests);
        int fd = dial(bench.port);
        snprintf(request, sizeof(request), "%sGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
                 rows[i].request);
        say(fd, wp_view_of(request));
        wp_view text = hear(fd, out, sizeof(out), NULL);
        bool refused = wp_view_starts_with(text, WP_VIEW("HTTP/1.1 4")) ||
                       wp_view_starts_with(text, WP_VIEW("HTTP/1.1 5"));
        if (!refused ||
            (rows[i].status != NULL && !wp_view_is(wp_view_sub(text, 9, 12), rows[i].status)))
            print_error("%s\n  got %.*s\n", rows[i].request, WP_VIEW_ARG(text));
        assert_true(refused);
        if (rows[i].status != NULL)
            assert_view(wp_view_sub(text, 9, 12), rows[i].status);
        assert_false(wp_view_contains(text, WP_VIEW("smuggled")));
        assert_true(has_ended(fd));
        assert_int_equal(atomic_load(&bench.requests), before);
        close(fd);
    }
}

static void test_bad_chunks(void **state)
{
    (void)state;
    static const char *const chunks[] = {"zz\r\n",
                                         "-1\r\nx",
                                         "5\r\nhello0\r\n\r\n",
                                         "fffffffffffffffff\r\n",
                                         "1;a\rb\r\nx\r\n",
                                         "2\r\nabc\r\n0\r\n\r\n"};
    for (size_t i = 0; i < WP_COUNT_OF(chunks); i++) {
        char out[4096], request[512];
        int fd = dial(bench.port);
        snprintf(request, sizeof(request),
                 "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s", chunks[i]);
        say(fd, wp_view_of(request));
        shutdown(fd, SHUT_WR);
        wp_view text = hear(fd, out, sizeof(out), NULL);
        assert_false(wp_view_contains(text, WP_VIEW(" 200 ")));
        close(fd);
    }
}

static void check_limit(const char *start, char fill, size_t count, const char *status)
{
    char out[4096];
    char *request = malloc(count + 4096);
    assert_non_null(request);
    size_t len = (size_t)snprintf(request, 4096, "%s", start);
    memset(request + len, fill, count);
    len += count;
    len += (size_t)snprintf(request + len, 1024, "\r\n\r\n");
    int fd = dial(bench.port);
    say(fd, wp_view_make(request, len));
    wp_view text = hear(fd, out, sizeof(out), "\r\n\r\n");
    assert_view(wp_view_sub(text, 9, 12), status);
    close(fd);
    free(request);
}

static void test_limits(void **state)
{
    (void)state;
    char out[4096];
    check_limit("GET / HTTP/1.1\r\nHost: x\r\nA: ", 'a', 70000, "431");
    check_limit("GET /", 'a', 70000, "414");
    struct wp_buf many = wp_buf_make(65536);
    wp_buf_append_cstring(&many, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 200; i++)
        wp_buf_printf(&many, "a%d: b\r\n", i);
    wp_buf_append_cstring(&many, "\r\n");
    int fd = dial(bench.port);
    say(fd, wp_buf_view(&many));
    assert_view(wp_view_sub(hear(fd, out, sizeof(out), "\r\n\r\n"), 9, 12), "431");
    close(fd);
    wp_buf_free(&many);
    fd = dial(bench.port);
    say(fd, WP_VIEW("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"));
    assert_view(wp_view_sub(hear(fd, out, sizeof(out), "\r\n\r\n"), 9, 12), "413");
    close(fd);
}

static void test_slow_head(void **state)
{
    (void)state;
    struct bench_server own;
    struct wp_server_limits limits;
    char out[4096];
    wp_server_limits_default(&limits);
    limits.head_timeout_ms = 150;
    bench_start(&own, &limits);
    int fd = dial(own.port);
    say(fd, WP_VIEW("GET / HTTP/1.1\r\nHo"));
    wp_view text = hear(fd, out, sizeof(out), NULL);
    assert_view(wp_view_sub(text, 9, 12), "408");
    close(fd);
    bench_stop(&own);
}

// A kept connection ends when nothing more is asked, also behind an answer given at once.
static void test_idle_connection(void **state)
{
    (void)state;
    struct bench_server own;
    struct wp_server_limits limits;
    char out[4096];
    wp_server_limits_default(&limits);
    limits.idle_timeout_ms = 150;
    bench_start(&own, &limits);
    for (int i = 0; i < 2; i++) {
        int fd = dial(own.port);
        say(fd, wp_view_of(i == 0 ? get : post));
        hear(fd, out, sizeof(out), i == 0 ? "GET /a b?q=1 0 " : "hello");
        assert_true(has_ended(fd));
        close(fd);
    }
    bench_stop(&own);
}

// Never silent for long, but too slow all the same.
static void test_slow_body(void **state)
{
    (void)state;
    struct bench_server own;
    struct wp_server_limits limits;
    char out[4096];
    wp_server_limits_default(&limits);
    limits.body_idle_ms = 1000;
    limits.body_rate_min = 100;
    bench_start(&own, &limits);
    int fd = dial(own.port);
    say(fd, WP_VIEW("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int sent = 0;
    while (sent < 1000 && poll(&ready, 1, 50) == 0) {
        say(fd, WP_VIEW("a"));
        sent++;
    }
    assert_in_range(sent, 3, 999); // some passed, and none of it was idle
    assert_view(wp_view_sub(hear(fd, out, sizeof(out), NULL), 9, 12), "408");
    close(fd);
    bench_stop(&own);
}

static void test_left_alone(void **state)
{
    (void)state;
    struct bench_server own;
    bench_start(&own, NULL);
    // Somebody who waits for an answer that never comes and leaves: nothing is left behind.
    int fd = dial(own.port);
    say(fd, WP_VIEW("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(20000);
    close(fd);
    bench_stop(&own);
}

static void wait_at_gate(void *arg)
{
    pthread_barrier_wait(arg); // the loop stands still here
    pthread_barrier_wait(arg);
}

// Request and reset have both arrived before the loop looks: the request is seen, then its end.
static void test_reset_behind_a_request(void **state)
{
    (void)state;
    pthread_barrier_t gate;
    const struct linger hard = {1, 0};
    uint32_t before = atomic_load(&bench.aborted);
    int fd = dial(bench.port);
    say(fd, WP_VIEW("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    char out[512];
    hear(fd, out, sizeof(out), "GET /a? 0 "); // accepted and watched
    pthread_barrier_init(&gate, NULL, 2);
    assert_ok(wp_loop_post(bench.loop, wait_at_gate, &gate));
    pthread_barrier_wait(&gate);
    say(fd, WP_VIEW("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n"));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    pthread_barrier_wait(&gate);
    for (int i = 0; i < 1000 && atomic_load(&bench.aborted) == before; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&bench.aborted), before + 1);
    pthread_barrier_destroy(&gate);
}

// The rest of a body comes in time, but the loop's thread looks only after the time is over.
static void test_body_behind_a_stall(void **state)
{
    (void)state;
    struct bench_server own;
    struct wp_server_limits limits;
    pthread_barrier_t gate;
    char out[4096];
    wp_server_limits_default(&limits);
    limits.body_idle_ms = 200;
    bench_start(&own, &limits);
    pthread_barrier_init(&gate, NULL, 2);
    int fd = dial(own.port);
    wp_view all = wp_view_of(post);
    say(fd, wp_view_of(get));
    hear(fd, out, sizeof(out), "GET /a b?q=1 0 ");
    say(fd, wp_view_sub(all, 0, all.len - 3));
    usleep(50000); // it has been read
    assert_ok(wp_loop_post(own.loop, wait_at_gate, &gate));
    pthread_barrier_wait(&gate);
    say(fd, wp_view_skip(all, all.len - 3));
    usleep(400000);
    pthread_barrier_wait(&gate);
    assert_view(wp_view_sub(hear(fd, out, sizeof(out), "hello"), 9, 12), "200");
    close(fd);
    pthread_barrier_destroy(&gate);
    bench_stop(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelining_and_keep_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_and_old_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expect_continue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reset_behind_a_request, set_up, tear_down),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_idle_connection),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_body_behind_a_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
