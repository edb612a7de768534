// A closed-loop HTTP/1.1 load generator: C connections, each sends the next request as soon as the
// answer to the last is complete. One thread, epoll. Prints one JSON line: requests, errors,
// seconds, and latency percentiles in microseconds (to the first body byte and to the end).
//
//   bench_load [-c] [-s SECONDS] [-n NEEDLE] HOST PORT PATH BODY_FILE CONNECTIONS REQUESTS
//   [HEADER…]
//
// -c  a new connection for each request
// -s  hold: each connection sends one request and reads its answer until SECONDS after the last of
//     them has begun, or SIGINT; what was received in that time is counted, and printed at SIGUSR1
//     too
// -n  count this text in the answers ("events")
//
// Answers with Content-Length or chunked coding are understood.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, HEAD_MAX = 16 * 1024 };

struct connection {
    int fd;
    size_t sent;
    char head[HEAD_MAX];
    size_t head_len;
    bool in_body, chunked, first_byte;
    size_t left;  // of a Content-Length body
    char tail[8]; // last bytes of a chunked body
    uint64_t started, first;
    bool busy;
    char carry[32]; // end of the last read, for a needle that is split
    size_t carried;
};

static char *request;
static size_t request_len;
static uint32_t *latencies, *firsts;
static size_t done, started, total, errors;
static int epoll_fd;
static bool churn;
static double hold_seconds; // 0: closed loop
static const char *needle;
static size_t needle_len, events, begun_answers, received;
static struct sockaddr_in address;
static char scratch[READ_SIZE];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void want(struct connection *c, uint32_t mask)
{
    struct epoll_event event = {.events = mask, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void push(struct connection *c)
{
    while (c->sent < request_len) {
        ssize_t sent = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            want(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent <= 0)
            return; // the read side will see it
        c->sent += (size_t)sent;
    }
    want(c, EPOLLIN);
}

static void open_connection(struct connection *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void next_request(struct connection *c)
{
    c->busy = started < total;
    if (!c->busy)
        return;
    started++;
    c->sent = c->head_len = 0;
    c->in_body = c->first_byte = false;
    memset(c->tail, 0, sizeof(c->tail));
    c->started = now_ns();
    if (churn && c->fd < 0)
        open_connection(c);
    push(c);
}

static void finish(struct connection *c, bool ok)
{
    uint64_t end = now_ns();
    if (ok) {
        latencies[done] = (uint32_t)((end - c->started) / 100); // in 0.1 us
        firsts[done] = (uint32_t)((c->first - c->started) / 100);
        done++;
    } else {
        errors++;
    }
    if (churn && c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    next_request(c);
}

static void begin_body(struct connection *c)
{
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->chunked = length == NULL;
    c->left = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
    c->in_body = true;
}

// True when the answer is complete.
static bool body_bytes(struct connection *c, const char *bytes, size_t len)
{
    if (len > 0 && !c->first_byte) {
        c->first_byte = true;
        begun_answers++;
        c->first = now_ns();
    }
    if (!c->chunked) {
        c->left -= len < c->left ? len : c->left;
        return c->left == 0;
    }
    size_t keep = len < 7 ? len : 7;
    memmove(c->tail, c->tail + keep, 7 - keep);
    memcpy(c->tail + 7 - keep, bytes + len - keep, keep);
    return memcmp(c->tail + 2, "0\r\n\r\n", 5) == 0;
}

static size_t occurrences(const char *text, size_t len)
{
    size_t count = 0;
    const char *at = text;
    while ((at = memmem(at, len - (size_t)(at - text), needle, needle_len)) != NULL) {
        count++;
        at += needle_len;
    }
    return count;
}

static void count_needles(struct connection *c, const char *bytes, size_t len)
{
    char joined[64];
    received += len;
    if (needle == NULL)
        return;
    size_t before = c->carried, part = len < needle_len - 1 ? len : needle_len - 1;
    memcpy(joined, c->carry, before);
    memcpy(joined + before, bytes, part);
    events += occurrences(joined, before + part) + occurrences(bytes, len);
    c->carried = part;
    memcpy(c->carry, bytes + len - part, part);
}

static void answered(struct connection *c, bool complete)
{
    if (complete)
        finish(c, memcmp(c->head, "HTTP/1.1 200", 12) == 0);
}

static void readable(struct connection *c)
{
    ssize_t got = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close(c->fd);
        c->fd = -1;
        if (!churn)
            open_connection(c);
        if (c->busy)
            finish(c, false);
        return;
    }
    count_needles(c, scratch, (size_t)got);
    if (c->in_body) {
        answered(c, body_bytes(c, scratch, (size_t)got));
        return;
    }
    size_t room = HEAD_MAX - 1 - c->head_len, part = (size_t)got < room ? (size_t)got : room;
    memcpy(c->head + c->head_len, scratch, part);
    c->head[c->head_len + part] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
        c->head_len += part;
        return;
    }
    size_t used = (size_t)(end + 4 - c->head) - c->head_len;
    begin_body(c);
    answered(c, body_bytes(c, scratch + used, (size_t)got - used));
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double at(const uint32_t *sorted, double share)
{
    return done == 0 ? 0 : (double)sorted[(size_t)(share * (double)(done - 1))] / 10.0;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(path);
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*len + 1);
    if (text == NULL || fread(text, 1, *len, file) != *len)
        die(path);
    fclose(file);
    return text;
}

static void build_request(int argc, char **argv)
{
    size_t body_len, headers = 0;
    char *body = read_file(argv[4], &body_len);
    for (int i = 7; i < argc; i++)
        headers += strlen(argv[i]) + 2;
    request = malloc(body_len + headers + 1024);
    int at_byte = snprintf(request, 1024,
                           "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: "
                           "application/json\r\nContent-Length: %zu\r\n",
                           argv[3], argv[1], argv[2], body_len);
    request_len = (size_t)at_byte;
    for (int i = 7; i < argc; i++)
        request_len += (size_t)sprintf(request + request_len, "%s\r\n", argv[i]);
    memcpy(request + request_len, "\r\n", 2);
    memcpy(request + request_len + 2, body, body_len);
    request_len += 2 + body_len;
    free(body);
}

static void turn(int timeout_ms)
{
    struct epoll_event ready[256];
    int count = epoll_wait(epoll_fd, ready, 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct connection *c = ready[i].data.ptr;
        if (ready[i].events & EPOLLOUT)
            push(c);
        if (c->fd >= 0 && (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            readable(c);
    }
}

static volatile sig_atomic_t interrupted, asked;

static void on_signal(int number)
{
    if (number == SIGINT)
        interrupted = 1;
    else
        asked = 1;
}

static void print_held(uint64_t begun)
{
    printf("{\"streams\":%zu,\"errors\":%zu,\"ended\":%zu,\"seconds\":%.6f,\"events\":%zu,"
           "\"bytes\":%zu}\n",
           begun_answers, errors, done, (double)(now_ns() - begun) / 1e9, events, received);
    fflush(stdout);
}

// Opens all streams, a hundred at a time so that no backlog overflows, then listens.
static int hold(struct connection *all, size_t connections)
{
    uint64_t limit = now_ns() + 120ull * 1000000000u;
    total = connections;
    signal(SIGINT, on_signal);
    signal(SIGUSR1, on_signal);
    for (size_t i = 0; i < connections; i++) {
        open_connection(&all[i]);
        next_request(&all[i]);
        while (started > begun_answers + errors + 100 && now_ns() < limit)
            turn(10);
    }
    while (begun_answers + errors < connections && now_ns() < limit)
        turn(10);
    events = received = 0;
    uint64_t begun = now_ns(), until = begun + (uint64_t)(hold_seconds * 1e9);
    printf("{\"streams\":%zu,\"errors\":%zu}\n", begun_answers, errors);
    fflush(stdout);
    while (now_ns() < until && !interrupted) {
        turn(10);
        if (asked) {
            asked = 0;
            print_held(begun);
        }
    }
    print_held(begun);
    return errors == 0 && begun_answers == connections ? 0 : 1;
}

static int options(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "+cs:n:")) != -1) {
        if (option == 'c')
            churn = true;
        else if (option == 's')
            hold_seconds = strtod(optarg, NULL);
        else if (option == 'n')
            needle = optarg;
        else
            return -1;
    }
    needle_len = needle == NULL ? 0 : strlen(needle);
    return needle_len >= sizeof(((struct connection *)0)->carry) ? -1 : optind - 1;
}

int main(int argc, char **argv)
{
    int skip = options(argc, argv);
    argc -= skip;
    argv += skip;
    if (skip < 0 || argc < 7) {
        fprintf(stderr, "usage: bench_load [-c] [-s SECONDS] [-n NEEDLE] HOST PORT PATH BODY "
                        "CONNECTIONS REQUESTS [HEADER...]\n");
        return 2;
    }
    size_t connections = strtoul(argv[5], NULL, 10);
    total = strtoul(argv[6], NULL, 10);
    build_request(argc, argv);
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    latencies = calloc(total + 1, sizeof(*latencies));
    firsts = calloc(total + 1, sizeof(*firsts));
    struct connection *all = calloc(connections, sizeof(*all));
    epoll_fd = epoll_create1(0);
    if (hold_seconds > 0)
        return hold(all, connections);
    for (size_t i = 0; i < connections; i++)
        open_connection(&all[i]);
    uint64_t begun = now_ns(), limit = begun + 120ull * 1000000000u;
    for (size_t i = 0; i < connections; i++)
        next_request(&all[i]);
    while (done + errors < total && now_ns() < limit)
        turn(1000);
    double seconds = (double)(now_ns() - begun) / 1e9;
    qsort(latencies, done, sizeof(*latencies), ascending);
    qsort(firsts, done, sizeof(*firsts), ascending);
    printf("{\"requests\":%zu,\"errors\":%zu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"first_p50_us\":%.1f,\"first_p99_us\":%.1f}\n",
           done, errors + (total - done - errors), seconds, at(latencies, 0.5), at(latencies, 0.99),
           at(firsts, 0.5), at(firsts, 0.99));
    return errors == 0 && done == total ? 0 : 1;
}
