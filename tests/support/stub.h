// A server for tests that answers each request by the first row that its start matches, on a thread
// of its own. One request per connection.
#ifndef WP_TESTS_SUPPORT_STUB_H
#define WP_TESTS_SUPPORT_STUB_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

struct stub_row {
    const char *start; // of the request: "PUT /latest/api/token"
    const char *type, *body;
};

struct stub {
    int listener;
    uint16_t port;
    pthread_t thread;
    const struct stub_row *rows;
    size_t count;
    _Atomic bool stopping;
    _Atomic unsigned unknown; // requests that no row matches
};

// Head and body, as far as Content-Length says.
static inline void stub_read(int fd, char *text, size_t size)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(fd, text + len, size - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length: ");
        size_t body = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
        if (end != NULL && len >= (size_t)(end + 4 - text) + body)
            break;
    }
    text[len] = '\0';
}

static inline void *stub_run(void *arg)
{
    struct stub *stub = arg;
    static _Thread_local char text[65536], answer[16384];
    for (;;) {
        int fd = accept(stub->listener, NULL, NULL), len = 0;
        if (fd < 0 || stub->stopping)
            return NULL;
        stub_read(fd, text, sizeof(text));
        for (size_t i = 0; i < stub->count && len == 0; i++)
            if (strncmp(text, stub->rows[i].start, strlen(stub->rows[i].start)) == 0)
                len = snprintf(answer, sizeof(answer),
                               "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                               "Connection: close\r\n\r\n%s",
                               stub->rows[i].type, strlen(stub->rows[i].body), stub->rows[i].body);
        if (len == 0 && text[0] != '\0') {
            stub->unknown++;
            len = snprintf(answer, sizeof(answer),
                           "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                           "Connection: close\r\n\r\n");
        }
        (void)send(fd, answer, (size_t)len, MSG_NOSIGNAL);
        close(fd);
    }
}

static inline void stub_start(struct stub *stub, const struct stub_row *rows, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *stub = (struct stub){.rows = rows, .count = count};
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stub->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(stub->listener, 16), 0);
    getsockname(stub->listener, (struct sockaddr *)&address, &len);
    stub->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&stub->thread, NULL, stub_run, stub), 0);
}

static inline void stub_stop(struct stub *stub)
{
    stub->stopping = true;
    shutdown(stub->listener, SHUT_RDWR);
    pthread_join(stub->thread, NULL);
    close(stub->listener);
}

#endif
