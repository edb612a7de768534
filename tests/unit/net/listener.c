// Whether a port can be had, and that to ask does not let anybody in.
#include "net/listener.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/support/test.h"

enum { QUESTIONS = 10000 };

static struct sockaddr_in local(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

// A port below those that the kernel gives to clients: one that connects to itself proves nothing.
static uint16_t free_port(void)
{
    char error[128];
    for (uint16_t port = (uint16_t)(20000 + getpid() % 5000); port < 30000; port++)
        if (wp_listener_is_free(WP_VIEW("127.0.0.1"), port, error, sizeof(error)))
            return port;
    fail_msg("no port is free");
    return 0;
}

struct knocker {
    uint16_t port;
    _Atomic bool done;
    int let_in;
};

static void *knock(void *arg)
{
    struct knocker *knocker = arg;
    struct sockaddr_in to = local(knocker->port);
    while (!knocker->done) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
            knocker->let_in++;
        close(fd);
    }
    return NULL;
}

static void nobody_is_let_in_by_the_question(void **state)
{
    (void)state;
    char error[128];
    pthread_t thread;
    struct knocker knocker = {.port = free_port()};
    assert_int_equal(pthread_create(&thread, NULL, knock, &knocker), 0);
    for (int i = 0; i < QUESTIONS; i++)
        assert_true(wp_listener_is_free(WP_VIEW("127.0.0.1"), knocker.port, error, sizeof(error)));
    knocker.done = true;
    pthread_join(thread, NULL);
    assert_int_equal(knocker.let_in, 0);
}

static void a_port_that_is_taken_is_told(void **state)
{
    (void)state;
    char error[128] = "";
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = local(free_port());
    // as another gateway of the same user has it
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_false(
        wp_listener_is_free(WP_VIEW("127.0.0.1"), ntohs(at.sin_port), error, sizeof(error)));
    assert_non_null(strstr(error, "another program listens there"));
    close(fd);
    assert_true(
        wp_listener_is_free(WP_VIEW("127.0.0.1"), ntohs(at.sin_port), error, sizeof(error)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_let_in_by_the_question),
        cmocka_unit_test(a_port_that_is_taken_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
