// A fake upstream that costs next to nothing: one thread, epoll, canned answers. It reads each
// request to its Content-Length. On Anthropic's path it answers with JSON, or with an SSE stream
// when the body holds "stream":true; on Bedrock's (/model/ID/invoke…) with JSON or event-stream
// frames. Not a model of a provider: see src/sim for that.
//
//   bench_upstream PORT [EVENTS [EVENT_INTERVAL_US [CERTIFICATE KEY]]]
//
// EVENTS content_block_delta events per stream (default 20), sent at once, or one per interval.
// With certificate and key it speaks TLS.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, HEAD_MAX = 4 * 1024, EVENTS_MAX = 1000000, CANNED_MAX = 4096 };

// One dialect's canned stream.
struct canned {
    char *begin, *event, *end, *all; // all: begin, CANNED_MAX events at most, end
    size_t begin_len, event_len, end_len, all_len;
};

struct connection {
    int fd;
    SSL *ssl;
    const struct canned *canned; // of the stream under way
    char head[HEAD_MAX];
    size_t head_len;
    size_t body_left;
    bool in_body, stream;
    int events_left; // of a timed stream
    char tail[16];   // of the body seen so far, to find "stream":true across reads
    size_t tail_len;
    struct connection *next_timed;
    bool timed;
};

static char scratch[READ_SIZE];
static char *json_answer;
static size_t json_len;
static struct canned sse, frames;
static SSL_CTX *tls;
static int event_count = 20;
static long interval_us;
static struct connection *timed_list;
static int epoll_fd;

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

static uint32_t crc32_of(const char *bytes, size_t len)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static size_t put_u32(char *out, uint32_t value)
{
    value = htonl(value);
    memcpy(out, &value, sizeof(value));
    return sizeof(value);
}

static size_t put_header(char *out, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    out[0] = (char)name_len;
    memcpy(out + 1, name, name_len);
    out[1 + name_len] = 7; // string
    out[2 + name_len] = (char)(value_len >> 8);
    out[3 + name_len] = (char)value_len;
    memcpy(out + 4 + name_len, value, value_len);
    return 4 + name_len + value_len;
}

// One event as Bedrock sends it: {"bytes":"base64 of the JSON"} in an event-stream frame.
static size_t frame(char *out, const char *json)
{
    char headers[256], payload[2048];
    size_t header_len = put_header(headers, ":event-type", "chunk");
    header_len += put_header(headers + header_len, ":content-type", "application/json");
    header_len += put_header(headers + header_len, ":message-type", "event");
    size_t payload_len = (size_t)sprintf(payload, "{\"bytes\":\"");
    payload_len += (size_t)EVP_EncodeBlock((unsigned char *)payload + payload_len,
                                           (const unsigned char *)json, (int)strlen(json));
    payload_len += (size_t)sprintf(payload + payload_len, "\",\"p\":\"abcdefghijkl\"}");
    size_t total = 12 + header_len + payload_len + 4, at = 0;
    at += put_u32(out, (uint32_t)total);
    at += put_u32(out + at, (uint32_t)header_len);
    at += put_u32(out + at, crc32_of(out, 8));
    memcpy(out + at, headers, header_len);
    memcpy(out + at + header_len, payload, payload_len);
    at += header_len + payload_len;
    return at + put_u32(out + at, crc32_of(out, at));
}

static size_t sse_event(char *out, const char *json)
{
    char name[64] = "";
    sscanf(strstr(json, "\"type\":\"") + 8, "%63[a-z_]", name);
    return (size_t)sprintf(out, "event: %s\ndata: %s\n\n", name, json);
}

static const char START[] =
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\"type\":\"message\","
    "\"role\":\"assistant\",\"model\":\"bench-model\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":0,"
    "\"cache_read_input_tokens\":200,\"output_tokens\":1}}}";
static const char BLOCK[] = "{\"type\":\"content_block_start\",\"index\":0,"
                            "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}";
static const char DELTA[] = "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                            "{\"type\":\"text_delta\",\"text\":\"some words of an answer, \"}}";
static const char *const STOP[] = {
    "{\"type\":\"content_block_stop\",\"index\":0}",
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
    "\"usage\":{\"output_tokens\":42}}",
    "{\"type\":\"message_stop\"}"};

static void build_stream(struct canned *out, const char *type,
                         size_t (*encode)(char *out, const char *json))
{
    char text[8192];
    int count = event_count < CANNED_MAX ? event_count : CANNED_MAX;
    out->begin = malloc(8192);
    out->event = malloc(2048);
    out->end = malloc(8192);
    out->begin_len = (size_t)sprintf(out->begin,
                                     "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: "
                                     "chunked\r\nrequest-id: req_1\r\n\r\n",
                                     type);
    size_t len = encode(text, START);
    len += encode(text + len, BLOCK);
    out->begin_len += chunk(out->begin + out->begin_len, text, len);
    out->event_len = chunk(out->event, text, encode(text, DELTA));
    len = 0;
    for (size_t i = 0; i < 3; i++)
        len += encode(text + len, STOP[i]);
    out->end_len = chunk(out->end, text, len);
    memcpy(out->end + out->end_len, "0\r\n\r\n", 5);
    out->end_len += 5;
    out->all = malloc(out->begin_len + out->end_len + (size_t)count * out->event_len);
    memcpy(out->all, out->begin, out->begin_len);
    out->all_len = out->begin_len;
    for (int i = 0; i < count; i++, out->all_len += out->event_len)
        memcpy(out->all + out->all_len, out->event, out->event_len);
    memcpy(out->all + out->all_len, out->end, out->end_len);
    out->all_len += out->end_len;
}

static void build_answers(void)
{
    static const char body[] =
        "{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\","
        "\"content\":[{\"type\":\"text\",\"text\":\"Hello from the bench upstream.\"}],"
        "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":200,\"output_tokens\":8}}";
    json_answer = malloc(4096);
    json_len = (size_t)sprintf(json_answer,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: "
                               "req_1\r\nContent-Length: %zu\r\n\r\n%s",
                               sizeof(body) - 1, body);
    build_stream(&sse, "text/event-stream", sse_event);
    build_stream(&frames, "application/vnd.amazon.eventstream", frame);
}

// 1: some bytes went; 0: the connection is gone; -1: the socket is full.
static int send_some(struct connection *c, const char **bytes, size_t *len)
{
    ssize_t sent;
    if (c->ssl != NULL) {
        int result = SSL_write(c->ssl, *bytes, (int)*len);
        if (result <= 0)
            return SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_WRITE ? -1 : 0;
        sent = result;
    } else {
        sent = send(c->fd, *bytes, *len, MSG_NOSIGNAL);
        if (sent <= 0)
            return sent < 0 && errno == EAGAIN ? -1 : 0;
    }
    *bytes += sent;
    *len -= (size_t)sent;
    return 1;
}

static void send_all(struct connection *c, const char *bytes, size_t len)
{
    bool waited = false;
    while (len > 0) {
        int result = send_some(c, &bytes, &len);
        if (result == 0)
            break;
        if (result < 0) {
            // canned answers are small: wait for the reader
            fcntl(c->fd, F_SETFL, 0);
            waited = true;
        }
    }
    if (waited)
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void answer(struct connection *c)
{
    bool bedrock = strstr(c->head, " /model/") != NULL;
    bool stream = bedrock ? strstr(c->head, "/invoke-with-response-stream ") != NULL : c->stream;
    c->canned = bedrock ? &frames : &sse;
    if (!stream) {
        send_all(c, json_answer, json_len);
    } else if (interval_us == 0) {
        send_all(c, c->canned->all, c->canned->all_len);
    } else {
        send_all(c, c->canned->begin, c->canned->begin_len);
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
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

// As recv: 0 the end or an error, -1 nothing now.
static ssize_t receive(struct connection *c)
{
    ssize_t got;
    if (c->ssl == NULL) {
        got = recv(c->fd, scratch, sizeof(scratch), 0);
        return got < 0 && errno != EAGAIN ? 0 : got;
    }
    int result = SSL_read(c->ssl, scratch, sizeof(scratch));
    if (result > 0)
        return result;
    return SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void readable(struct connection *c)
{
    for (;;) {
        ssize_t got = receive(c);
        if (got < 0)
            return;
        if (got == 0) {
            drop(c);
            return;
        }
        consume(c, scratch, (size_t)got);
        if (c->ssl == NULL && (size_t)got < sizeof(scratch))
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
        if (tls != NULL) {
            c->ssl = SSL_new(tls);
            SSL_set_fd(c->ssl, fd);
            SSL_set_accept_state(c->ssl);
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void tick(void)
{
    struct connection **at = &timed_list;
    while (*at != NULL) {
        struct connection *c = *at;
        if (c->events_left > 0) {
            c->events_left--;
            send_all(c, c->canned->event, c->canned->event_len);
            at = &c->next_timed;
            continue;
        }
        send_all(c, c->canned->end, c->canned->end_len);
        c->timed = false;
        *at = c->next_timed;
    }
}

static void open_tls(const char *certificate, const char *key)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        die("certificate or key");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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
        fprintf(stderr, "usage: bench_upstream PORT [EVENTS [INTERVAL_US [CERTIFICATE KEY]]]\n");
        return 2;
    }
    if (argc > 2)
        event_count = (int)strtol(argv[2], NULL, 10);
    if (argc > 3)
        interval_us = strtol(argv[3], NULL, 10);
    if (event_count < 0 || event_count > EVENTS_MAX)
        event_count = 20;
    if (argc > 5)
        open_tls(argv[4], argv[5]);
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
