// A fake Anthropic upstream that costs next to nothing: one thread, epoll, canned answers. It reads
// each request to its Content-Length and answers with JSON, or with an SSE stream when the body
// holds "stream":true. Not a model of a provider: see src/sim for that.
//
//   bench_upstream PORT [EVENTS [EVENT_INTERVAL_US]]
//
// EVENTS content_block_delta events per stream (default 20), sent at once, or one per interval.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, HEAD_MAX = 16 * 1024, EVENTS_MAX = 4096 };

struct connection {
    int fd;
    char head[HEAD_MAX];
    size_t head_len;
    size_t body_left;
    bool in_body, stream, close_after;
    int events_left; // of a timed stream
    char tail[16];   // of the body seen so far, to find "stream":true across reads
    size_t tail_len;
    struct connection *next_timed;
    bool timed;
};

static char scratch[READ_SIZE];
static char *json_answer, *stream_answer, *stream_begin, *stream_end;
static size_t json_len, stream_len, begin_len, end_len;
static int event_count = 20;
static long interval_us;
static struct connection *timed_list;
static int epoll_fd;

static const char EVENT[] =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
    "{\"type\":\"text_delta\",\"text\":\"some words of an answer, \"}}\n\n";

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static size_t chunk(char *out, const char *text, size_t len)
{
    int head = sprintf(out, "%zx\r\n", len);
    memcpy(out + head, text, len);
    memcpy(out + head + len, "\r\n", 2);
    return (size_t)head + len + 2;
}

static void build_answers(void)
{
    static const char body[] =
        "{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\","
        "\"content\":[{\"type\":\"text\",\"text\":\"Hello from the bench upstream.\"}],"
        "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":200,\"output_tokens\":8}}";
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
        "chunked\r\nrequest-id: req_1\r\n\r\n";
    static const char start[] =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\","
        "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\",\"content\":[],"
        "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":200,\"output_tokens\":1}}}"
        "\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    static const char stop[] =
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
        "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":42}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    json_answer = malloc(4096);
    json_len = (size_t)sprintf(json_answer,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: "
                               "req_1\r\nContent-Length: %zu\r\n\r\n%s",
                               sizeof(body) - 1, body);
    stream_begin = malloc(8192);
    memcpy(stream_begin, head, sizeof(head) - 1);
    begin_len = sizeof(head) - 1;
    begin_len += chunk(stream_begin + begin_len, start, sizeof(start) - 1);
    stream_end = malloc(8192);
    end_len = chunk(stream_end, stop, sizeof(stop) - 1);
    memcpy(stream_end + end_len, "0\r\n\r\n", 5);
    end_len += 5;
    stream_answer = malloc(begin_len + end_len + (size_t)event_count * (sizeof(EVENT) + 16));
    memcpy(stream_answer, stream_begin, begin_len);
    stream_len = begin_len;
    for (int i = 0; i < event_count; i++)
        stream_len += chunk(stream_answer + stream_len, EVENT, sizeof(EVENT) - 1);
    memcpy(stream_answer + stream_len, stream_end, end_len);
    stream_len += end_len;
}

static void send_all(struct connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            // canned answers are small: wait for the reader
            fcntl(c->fd, F_SETFL, 0);
            continue;
        }
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void answer(struct connection *c)
{
    if (!c->stream) {
        send_all(c, json_answer, json_len);
    } else if (interval_us == 0) {
        send_all(c, stream_answer, stream_len);
    } else {
        send_all(c, stream_begin, begin_len);
        c->events_left = event_count;
        if (!c->timed) {
            c->timed = true;
            c->next_timed = timed_list;
            timed_list = c;
        }
    }
    c->stream = false;
    c->head_len = 0;
}

static void look_for_stream(struct connection *c, const char *bytes, size_t len)
{
    static const char wanted[] = "\"stream\":true";
    char joined[64];
    if (c->stream)
        return;
    if (memmem(bytes, len, wanted, sizeof(wanted) - 1) != NULL) {
        c->stream = true;
        return;
    }
    size_t part = len < 16 ? len : 16;
    memcpy(joined, c->tail, c->tail_len);
    memcpy(joined + c->tail_len, bytes, part);
    c->stream = memmem(joined, c->tail_len + part, wanted, sizeof(wanted) - 1) != NULL;
    size_t keep = len < 13 ? len : 13;
    memcpy(c->tail, bytes + len - keep, keep);
    c->tail_len = keep;
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at == NULL ? 0 : strtoul(at + 17, NULL, 10);
}

// Consumes bytes of requests; several may follow one another.
static void consume(struct connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        if (c->in_body) {
            size_t part = len < c->body_left ? len : c->body_left;
            look_for_stream(c, bytes, part);
            c->body_left -= part;
            bytes += part;
            len -= part;
        } else {
            size_t room = HEAD_MAX - 1 - c->head_len, part = len < room ? len : room;
            memcpy(c->head + c->head_len, bytes, part);
            c->head[c->head_len + part] = '\0';
            char *end = strstr(c->head, "\r\n\r\n");
            if (end == NULL) {
                c->head_len += part;
                return;
            }
            size_t used = (size_t)(end + 4 - c->head) - c->head_len;
            end[2] = '\0';
            c->body_left = content_length(c->head);
            c->in_body = true;
            c->tail_len = 0;
            bytes += used;
            len -= used;
        }
        if (c->in_body && c->body_left == 0) {
            c->in_body = false;
            answer(c);
        }
    }
}

static void drop(struct connection *c)
{
    for (struct connection **at = &timed_list; *at != NULL; at = &(*at)->next_timed) {
        if (*at == c) {
            *at = c->next_timed;
            break;
        }
    }
    close(c->fd);
    free(c);
}

static void readable(struct connection *c)
{
    for (;;) {
        ssize_t got = recv(c->fd, scratch, sizeof(scratch), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(c);
            return;
        }
        consume(c, scratch, (size_t)got);
        if ((size_t)got < sizeof(scratch))
            return;
    }
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof(*c));
        if (c == NULL)
            die("calloc");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void tick(void)
{
    char one_event[512];
    size_t len = chunk(one_event, EVENT, sizeof(EVENT) - 1);
    struct connection **at = &timed_list;
    while (*at != NULL) {
        struct connection *c = *at;
        if (c->events_left > 0) {
            c->events_left--;
            send_all(c, one_event, len);
            at = &c->next_timed;
            continue;
        }
        send_all(c, stream_end, end_len);
        c->timed = false;
        *at = c->next_timed;
    }
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0)
        die("listen");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_upstream PORT [EVENTS [INTERVAL_US]]\n");
        return 2;
    }
    if (argc > 2)
        event_count = (int)strtol(argv[2], NULL, 10);
    if (argc > 3)
        interval_us = strtol(argv[3], NULL, 10);
    if (event_count < 0 || event_count > EVENTS_MAX)
        event_count = 20;
    build_answers();
    int listener = listen_on((int)strtol(argv[1], NULL, 10)), timer = -1;
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    if (interval_us > 0) {
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        struct itimerspec every = {{interval_us / 1000000, interval_us % 1000000 * 1000},
                                   {interval_us / 1000000, interval_us % 1000000 * 1000}};
        timerfd_settime(timer, 0, &every, NULL);
        event.data.ptr = &timer;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &event);
    }
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            uint64_t expirations;
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else if (events[i].data.ptr == &timer)
                while (read(timer, &expirations, sizeof(expirations)) > 0)
                    tick();
            else
                readable(events[i].data.ptr);
        }
    }
}
