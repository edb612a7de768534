#include "http/server.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/message.h"
#include "http/target.h"
#include "net/conn.h"
#include "net/listener.h"

enum {
    SERVER_MAGIC = 0x48535256,
    CLIENT_MAGIC = 0x48434c49,
    REQUEST_MAGIC = 0x48524551,
    PIPELINE_MAX = 64 * 1024, // bytes kept of requests that follow
    LINGER_MS = 2000,
    HEAD_ROOM = 2048, // most response heads fit
    ARENA_MAX = 256 * 1024 * 1024,
};

struct wp_server {
    uint32_t magic;
    struct wp_loop *loop;
    struct wp_server_limits limits;
    const struct wp_server_handler *handler;
    void *context;
    struct wp_listener *listener;
    struct wp_tls_context *tls;
    char certificate[1024], key[1024];
    struct wp_list connections;
    size_t connection_count, request_count;
    bool draining, drained_told;
    struct wp_timer deadline;
    struct wp_deferred drained_later;
    void (*drained)(void *arg);
    void *drained_arg;
};

enum phase {
    IDLE,      // between requests
    READ_HEAD, // bytes of a head have come
    READ_BODY,
    RESPOND, // the request is whole (or will not be read), the response is not
    LINGER,  // the response is sent; what the client still sends is discarded
};

// One connection from a client.
struct client {
    uint32_t magic;
    struct wp_list link;
    struct wp_server *server;
    struct wp_conn *conn;
    struct wp_peer peer;
    struct wp_message message;
    struct wp_buf ahead; // bytes that arrived but may not be parsed yet
    struct wp_timer timer, write_timer;
    struct wp_server_request *request;
    enum phase phase;
    bool close_after, parsing, ended; // ended: the peer has sent FIN
    struct wp_deferred next, gone;
};

struct wp_server_request {
    uint32_t magic;
    struct client *client; // NULL once the connection is gone
    struct wp_server *server;
    struct wp_arena *arena;
    struct wp_request_head head;
    void *state;
    bool in_head;   // on_head is running
    bool want_body; // the handler has asked for it
    bool body_done; // the whole request has been read
    bool body_paused;
    bool continue_sent;
    bool started, ended, aborted, chunked, silent; // silent: a body is not sent (HEAD, 204, 304)
    bool want_drain;
    uint64_t body_begin_ns; // when its reading began
    uint64_t left;          // of a response with Content-Length
    struct wp_deferred closed;
};

void wp_server_limits_default(struct wp_server_limits *limits)
{
    *limits = (struct wp_server_limits){
        .head_max = 64 * 1024,
        .header_count_max = 128,
        .body_max = 32u * 1024 * 1024,
        .head_timeout_ms = 10000,
        .body_idle_ms = 60000,
        .body_rate_min = 500,
        .idle_timeout_ms = 620000,
        .tls_handshake_ms = 10000,
        .write_idle_ms = 300000,
        .connections_max = 20000,
    };
}

// Ends -----------------------------------------------------------------------------------------

static void check_drained(struct wp_server *server)
{
    if (server->draining && !server->drained_told && server->connection_count == 0) {
        server->drained_told = true;
        wp_timer_stop(&server->deadline);
        wp_loop_defer(server->loop, &server->drained_later);
    }
}

static void tell_drained(void *arg)
{
    struct wp_server *server = arg;
    server->drained(server->drained_arg);
}

static void free_client(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    struct wp_server *server = client->server;
    wp_message_free(&client->message);
    wp_buf_free(&client->ahead);
    client->magic = 0;
    wp_free(client);
    server->connection_count--;
    if (server->connection_count + 1 == server->limits.connections_max && !server->draining)
        wp_listener_pause(server->listener, false);
    check_drained(server);
}

static void request_closed(void *arg)
{
    struct wp_server_request *request = arg;
    WP_CHECK_MAGIC(request, REQUEST_MAGIC);
    request->server->request_count--;
    if (request->state != NULL)
        request->server->handler->on_closed(request->state);
    request->magic = 0;
    wp_arena_destroy(request->arena);
}

// The request has nothing more to do with its connection.
static void let_go(struct wp_server_request *request)
{
    if (request->client != NULL)
        request->client->request = NULL;
    request->client = NULL;
    wp_loop_defer(request->server->loop, &request->closed);
}

static void abort_request(struct wp_server_request *request, enum wp_err err)
{
    bool tell = !request->ended && !request->aborted && request->state != NULL;
    request->aborted = true;
    let_go(request);
    if (tell)
        request->server->handler->on_abort(request->state, err);
}

static void drop(struct client *client, enum wp_err err)
{
    if (client->conn == NULL)
        return;
    wp_timer_stop(&client->timer);
    wp_timer_stop(&client->write_timer);
    wp_deferred_cancel(&client->next);
    wp_conn_close(client->conn);
    client->conn = NULL;
    wp_list_unlink(&client->link);
    if (client->request != NULL)
        abort_request(client->request, err);
    wp_loop_defer(client->server->loop, &client->gone);
}

static void linger(struct client *client)
{
    client->phase = LINGER;
    wp_buf_free(&client->ahead);
    wp_conn_finish(client->conn);
    wp_conn_read_enable(client->conn, true);
    wp_timer_start(&client->timer, LINGER_MS);
    if (client->ended)
        drop(client, WP_ERR_CLIENT_GONE);
}

// Answers of the server itself ----------------------------------------------------------------

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {{100, "Continue"},
                {200, "OK"},
                {204, "No Content"},
                {301, "Moved Permanently"},
                {302, "Found"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {417, "Expectation Failed"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {499, "Client Closed Request"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {508, "Loop Detected"},
                {529, "Overloaded"}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

// Refuses what is on the connection and closes it.
static void refuse(struct client *client, enum wp_err err)
{
    char head[256], date[30];
    wp_view body = {NULL, 0};
    struct wp_arena *arena = wp_arena_create(64 * 1024);
    const struct wp_err_info *info = wp_err_info(err);
    if (client->request != NULL)
        abort_request(client->request, err);
    if (arena != NULL)
        client->server->handler->error_body(client->server->context, err,
                                            wp_view_of(client->peer.address), arena, &body);
    wp_format_http_date(wp_wall_ms(), date);
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                       info->status, reason(info->status), date, body.len);
    const wp_view parts[] = {wp_view_make(head, (size_t)len), body};
    client->close_after = true;
    bool sent = wp_conn_write(client->conn, parts, 2) == WP_OK;
    wp_arena_destroy(arena);
    if (sent)
        linger(client);
    else
        drop(client, err);
}

static void on_timer(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    bool answered = client->request != NULL && client->request->started;
    if ((client->phase == READ_HEAD || client->phase == READ_BODY) && !answered)
        refuse(client, WP_ERR_TIMEOUT_CLIENT);
    else
        drop(client, WP_ERR_TIMEOUT_CLIENT);
}

static void on_write_timer(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    drop(client, WP_ERR_CLIENT_GONE);
}

// Requests ---------------------------------------------------------------------------------------

static bool begin_message(struct client *client)
{
    struct wp_arena *arena = wp_arena_create(ARENA_MAX);
    struct wp_server_request *request =
        arena == NULL ? NULL : WP_ARENA_NEW(arena, struct wp_server_request);
    if (request == NULL) {
        wp_arena_destroy(arena);
        return false;
    }
    request->magic = REQUEST_MAGIC;
    request->client = client;
    request->server = client->server;
    request->arena = arena;
    wp_deferred_init(&request->closed, request_closed, request);
    client->request = request;
    client->server->request_count++;
    wp_message_begin(&client->message, arena);
    return true;
}

static size_t count_headers(const struct wp_headers *headers, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++)
        count += wp_view_eq_nocase(headers->list[i].name, wp_view_of(name)) ? 1 : 0;
    return count;
}

// Fields that mean one thing: two of them mean two things to two readers.
static bool has_doubles(const struct wp_headers *headers)
{
    static const char *const single[] = {"authorization", "content-type", "content-encoding",
                                         "expect"};
    for (size_t i = 0; i < WP_COUNT_OF(single); i++)
        if (count_headers(headers, single[i]) > 1)
            return true;
    return false;
}

// Digits without a leading zero: some read "010" as eight.
static bool parse_length(wp_view text, uint64_t *out)
{
    return !(text.len > 1 && text.ptr[0] == '0') && wp_view_parse_u64(text, out);
}

static enum wp_err check_framing(const struct wp_message *message, struct wp_request_head *head)
{
    const struct wp_headers *headers = &head->headers;
    wp_view coding = wp_headers_get(headers, "transfer-encoding");
    wp_view length = wp_headers_get(headers, "content-length");
    bool http10 = message->parser.http_major == 1 && message->parser.http_minor == 0;
    if (message->parser.http_major != 1)
        return WP_ERR_INVALID;
    if (count_headers(headers, "transfer-encoding") > 1 ||
        count_headers(headers, "content-length") > 1 || (coding.ptr != NULL && length.ptr != NULL))
        return WP_ERR_INVALID;
    if (coding.ptr != NULL && (http10 || !wp_view_eq_nocase(coding, WP_VIEW("chunked"))))
        return http10 ? WP_ERR_INVALID : WP_ERR_NOT_SUPPORTED;
    if (length.ptr != NULL && !parse_length(length, &head->content_length))
        return WP_ERR_INVALID;
    if (has_doubles(headers))
        return WP_ERR_INVALID;
    if (coding.ptr != NULL)
        head->content_length = UINT64_MAX;
    head->has_body = coding.ptr != NULL || head->content_length > 0;
    size_t hosts = count_headers(headers, "host");
    if (hosts > 1 || (hosts == 0 && !http10))
        return WP_ERR_INVALID;
    if (hosts == 1 && !wp_host_valid(wp_headers_get(headers, "host")))
        return WP_ERR_INVALID;
    return WP_OK;
}

static enum wp_err read_head(struct client *client, const struct wp_message *message)
{
    struct wp_server_request *request = client->request;
    struct wp_request_head *head = &request->head;
    wp_view raw = wp_arena_copy(request->arena, wp_buf_view(&message->target));
    head->method = wp_view_of(llhttp_method_name(message->parser.method));
    head->headers = message->headers;
    head->peer_address = wp_view_of(client->peer.address);
    head->peer_port = client->peer.port;
    head->tls = client->server->tls != NULL;
    if (raw.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    enum wp_err err = check_framing(message, head);
    if (err == WP_OK && !wp_target_parse(request->arena, raw, head))
        err = WP_ERR_INVALID;
    if (err == WP_OK && head->path.ptr == NULL)
        err = WP_ERR_NO_MEMORY;
    if (err == WP_OK && wp_view_is(head->path, "*") && !wp_view_is(head->method, "OPTIONS"))
        err = WP_ERR_INVALID;
    wp_view expect = wp_headers_get(&head->headers, "expect");
    bool http10 = message->parser.http_minor == 0; // its expectations are ignored (RFC 9110 10.1.1)
    if (err == WP_OK && expect.ptr != NULL && !http10) {
        head->expect_continue = wp_view_eq_nocase(expect, WP_VIEW("100-continue"));
        err = head->expect_continue ? WP_OK : WP_ERR_EXPECTATION;
    }
    if (err == WP_OK && head->has_body && head->content_length != UINT64_MAX &&
        head->content_length > client->server->limits.body_max)
        err = WP_ERR_TOO_LARGE;
    return err;
}

static void send_continue(struct wp_server_request *request)
{
    const wp_view line = WP_VIEW("HTTP/1.1 100 Continue\r\n\r\n");
    if (!request->head.expect_continue || request->continue_sent || request->started)
        return;
    request->continue_sent = true;
    if (wp_conn_write(request->client->conn, &line, 1) != WP_OK)
        wp_log(WP_LOG_DEBUG, "http", "100 Continue could not be sent");
}

// The body may be silent for body_idle_ms, and after as much time must have come at body_rate_min.
static void await_body(struct client *client)
{
    struct wp_server_request *request = client->request;
    const struct wp_server_limits *limits = &client->server->limits;
    uint64_t now = wp_loop_now_ns(client->server->loop), wait_ms = limits->body_idle_ms;
    if (request->body_begin_ns == 0)
        request->body_begin_ns = now;
    if (limits->body_rate_min > 0) {
        uint64_t passed_ms = (now - request->body_begin_ns) / 1000000;
        uint64_t allowed_ms = limits->body_idle_ms + request->left * 1000 / limits->body_rate_min;
        if (allowed_ms < passed_ms + wait_ms)
            wait_ms = allowed_ms > passed_ms ? allowed_ms - passed_ms : 0;
    }
    wp_timer_start(&client->timer, wait_ms);
}

static bool on_head(void *arg, struct wp_message *message)
{
    struct client *client = arg;
    struct wp_server_request *request = client->request;
    enum wp_err err = read_head(client, message);
    if (err != WP_OK) {
        message->err = err;
        return false;
    }
    client->close_after = !llhttp_should_keep_alive(&message->parser) || client->server->draining;
    client->phase = request->head.has_body ? READ_BODY : RESPOND;
    wp_timer_stop(&client->timer);
    request->in_head = true;
    request->state =
        client->server->handler->on_head(client->server->context, request, &request->head);
    request->in_head = false;
    if (request->state == NULL && !request->ended) {
        message->err = WP_ERR_NO_MEMORY;
        return false;
    }
    if (!request->head.has_body)
        return true;
    if (request->want_body)
        await_body(client);
    return request->want_body && !request->body_paused && !request->ended;
}

static void on_body(void *arg, wp_view bytes)
{
    struct client *client = arg;
    struct wp_server_request *request = client->request;
    if (request == NULL || request->ended || request->aborted)
        return;
    request->left += bytes.len; // counts the request's body until the response begins
    if (request->head.content_length == UINT64_MAX &&
        request->left > client->server->limits.body_max) {
        client->message.err = WP_ERR_TOO_LARGE;
        return;
    }
    request->server->handler->on_body(request->state, bytes);
}

static void on_complete(void *arg)
{
    struct client *client = arg;
    struct wp_server_request *request = client->request;
    if (request == NULL)
        return; // answered already: the timer is the kept connection's
    wp_timer_stop(&client->timer);
    request->body_done = true;
    if (client->phase == READ_BODY)
        client->phase = RESPOND;
    if (!request->ended && !request->aborted)
        request->server->handler->on_body_end(request->state);
}

static const struct wp_message_events MESSAGE_EVENTS = {on_head, on_body, on_complete};

static void keep_ahead(struct client *client, wp_view rest)
{
    wp_buf_append(&client->ahead, rest);
    if (!wp_buf_ok(&client->ahead)) {
        drop(client, WP_ERR_INVALID);
        return;
    }
    // While a request is answered the socket stays watched: that is how a client that leaves is
    // noticed. What it pipelines is kept, within bounds.
    bool waiting_for_body =
        client->request != NULL && client->request->head.has_body && !client->request->body_done;
    if (client->ahead.len >= PIPELINE_MAX / 2 || (waiting_for_body && client->ahead.len > 0))
        wp_conn_read_enable(client->conn, false);
}

// Feeds what is there as far as the state allows; returns how much was used.
static size_t feed(struct client *client, wp_view bytes)
{
    size_t total = 0;
    while (client->conn != NULL && total < bytes.len && client->phase != LINGER) {
        size_t used = 0;
        if (client->phase == IDLE) {
            // empty lines between requests are allowed (RFC 9112 2.2)
            if (bytes.ptr[total] == '\r' || bytes.ptr[total] == '\n') {
                total++;
                continue;
            }
            if (!begin_message(client)) {
                drop(client, WP_ERR_NO_MEMORY);
                return bytes.len;
            }
            client->phase = READ_HEAD;
            wp_timer_start(&client->timer, client->server->limits.head_timeout_ms);
        }
        if (client->message.paused || client->phase == RESPOND)
            break;
        enum wp_err err = wp_message_feed(&client->message, wp_view_skip(bytes, total), &used);
        total += used;
        if (client->conn == NULL)
            return bytes.len;
        if (err != WP_OK) {
            bool answered = client->request != NULL && client->request->started;
            if (answered)
                drop(client, err);
            else
                refuse(client, err);
            return bytes.len;
        }
        if (used == 0 && client->message.paused)
            break;
    }
    return total;
}

static void parse(struct client *client)
{
    if (client->parsing || client->conn == NULL)
        return;
    client->parsing = true;
    // `ahead` may grow only through on_data, which does not run inside feed.
    wp_view bytes = wp_buf_view(&client->ahead);
    size_t used = feed(client, bytes);
    client->parsing = false;
    if (client->conn == NULL || client->phase == LINGER)
        return;
    wp_buf_consume(&client->ahead, used < client->ahead.len ? used : client->ahead.len);
    if (client->ahead.len == 0)
        wp_buf_free(&client->ahead);
    if (client->ahead.len < PIPELINE_MAX / 2 &&
        !(client->request != NULL && client->request->body_paused))
        wp_conn_read_enable(client->conn, true);
}

static void parse_later(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    parse(client);
    if (client->conn != NULL && client->ended && client->request == NULL)
        drop(client, WP_ERR_CLIENT_GONE);
}

// Connection events --------------------------------------------------------------------------

static void conn_open(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    wp_timer_start(&client->timer, client->server->limits.head_timeout_ms);
}

static void conn_data(void *arg, wp_view bytes)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    if (client->phase == LINGER)
        return;
    if (client->ahead.len > 0 || client->parsing) {
        keep_ahead(client, bytes);
        if (client->conn != NULL)
            parse(client);
    } else {
        client->parsing = true;
        size_t used = feed(client, bytes);
        client->parsing = false;
        if (client->conn != NULL && client->phase != LINGER && used < bytes.len)
            keep_ahead(client, wp_view_skip(bytes, used));
    }
    if (client->conn != NULL && client->phase == READ_BODY && client->request != NULL &&
        wp_timer_active(&client->timer))
        await_body(client);
}

static void conn_writable(void *arg)
{
    struct client *client = arg;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    wp_timer_stop(&client->write_timer);
    struct wp_server_request *request = client->request;
    if (request == NULL || !request->want_drain || request->ended)
        return;
    request->want_drain = false;
    request->server->handler->on_drain(request->state);
}

static void conn_end(void *arg, enum wp_err err, const char *detail)
{
    struct client *client = arg;
    (void)err;
    (void)detail;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    drop(client, WP_ERR_CLIENT_GONE);
}

// Body bytes go straight to the handler's buffer while nothing stands between it and the socket.
static char *conn_room(void *arg, size_t *room)
{
    struct client *client = arg;
    struct wp_server_request *request = client->request;
    WP_CHECK_MAGIC(client, CLIENT_MAGIC);
    if (client->phase != READ_BODY || client->ahead.len > 0 || client->parsing ||
        client->message.paused || request == NULL || request->ended || request->aborted ||
        request->started || request->head.content_length == UINT64_MAX ||
        client->server->handler->body_room == NULL)
        return NULL;
    uint64_t left = request->head.content_length - request->left;
    char *at = client->server->handler->body_room(request->state, room);
    *room = *room < left ? *room : (size_t)left;
    return at;
}

static const struct wp_conn_events CONN_EVENTS = {.on_open = conn_open,
                                                  .on_room = conn_room,
                                                  .on_data = conn_data,
                                                  .on_writable = conn_writable,
                                                  .on_end = conn_end};

static void on_accept(void *arg, int fd, const struct wp_peer *peer)
{
    struct wp_server *server = arg;
    WP_CHECK_MAGIC(server, SERVER_MAGIC);
    struct client *client = wp_alloc(sizeof(*client));
    struct wp_conn *conn = wp_conn_accept(server->loop, fd, server->tls, &CONN_EVENTS, client);
    if (client == NULL || conn == NULL) {
        wp_conn_close(conn);
        wp_free(client);
        return;
    }
    client->magic = CLIENT_MAGIC;
    client->server = server;
    client->conn = conn;
    client->peer = *peer;
    client->ahead = wp_buf_make(PIPELINE_MAX + 64 * 1024);
    wp_message_init(&client->message, true, &MESSAGE_EVENTS, client, server->limits.head_max,
                    server->limits.header_count_max);
    wp_timer_init(&client->timer, server->loop, on_timer, client);
    wp_timer_init(&client->write_timer, server->loop, on_write_timer, client);
    wp_deferred_init(&client->next, parse_later, client);
    wp_deferred_init(&client->gone, free_client, client);
    wp_list_append(&server->connections, &client->link);
    server->connection_count++;
    if (server->connection_count >= server->limits.connections_max)
        wp_listener_pause(server->listener, true);
    wp_timer_start(&client->timer, server->tls != NULL ? server->limits.tls_handshake_ms
                                                       : server->limits.head_timeout_ms);
}

// The handler's side -------------------------------------------------------------------------

struct wp_arena *wp_request_arena(struct wp_server_request *request)
{
    return request->arena;
}

struct wp_loop *wp_request_loop(struct wp_server_request *request)
{
    return request->server->loop;
}

void wp_request_read_body(struct wp_server_request *request)
{
    struct client *client = request->client;
    request->want_body = true;
    request->body_paused = false;
    if (client == NULL || !request->head.has_body || request->body_done)
        return;
    send_continue(request);
    if (request->in_head)
        return;
    await_body(client);
    if (client->message.paused)
        wp_message_resume(&client->message);
    wp_conn_read_enable(client->conn, true);
    wp_loop_defer(request->server->loop, &client->next);
}

void wp_request_pause_body(struct wp_server_request *request)
{
    struct client *client = request->client;
    if (client == NULL || request->body_done)
        return;
    request->body_paused = true;
    wp_timer_stop(&client->timer);
    wp_conn_read_enable(client->conn, false);
}

static void append_header(struct wp_buf *out, wp_view name, wp_view value)
{
    if (!wp_header_value_valid(value) || !wp_header_value_valid(name))
        return;
    wp_buf_append(out, name);
    wp_buf_append_cstring(out, ": ");
    wp_buf_append(out, value);
    wp_buf_append_cstring(out, "\r\n");
}

static void build_head(struct wp_server_request *request, int status,
                       const struct wp_headers *headers, uint64_t content_length,
                       struct wp_buf *out)
{
    struct client *client = request->client;
    char date[30];
    bool http10 = client->message.parser.http_minor == 0;
    wp_format_http_date(wp_wall_ms(), date);
    wp_buf_append_cstring(out, "HTTP/1.1 ");
    wp_buf_append_u64(out, (uint64_t)status);
    wp_buf_append_char(out, ' ');
    wp_buf_append_cstring(out, reason(status));
    wp_buf_append_cstring(out, "\r\nDate: ");
    wp_buf_append_cstring(out, date);
    wp_buf_append_cstring(out, "\r\n");
    for (size_t i = 0; i < headers->count; i++)
        append_header(out, headers->list[i].name, headers->list[i].value);
    request->silent = wp_view_is(request->head.method, "HEAD") || status == 204 || status == 304;
    if (content_length != UINT64_MAX && status != 204) {
        wp_buf_append_cstring(out, "Content-Length: ");
        wp_buf_append_u64(out, content_length);
        wp_buf_append_cstring(out, "\r\n");
    } else if (content_length == UINT64_MAX && !request->silent) {
        request->chunked = !http10;
        if (request->chunked)
            wp_buf_append_cstring(out, "Transfer-Encoding: chunked\r\n");
        else
            client->close_after = true;
    }
    // A body that nobody will read: the connection cannot be used again.
    if (request->head.has_body && !request->body_done)
        client->close_after = true;
    if (client->server->draining)
        client->close_after = true;
    if (client->close_after)
        wp_buf_append_cstring(out, "Connection: close\r\n");
    else if (http10)
        wp_buf_append_cstring(out, "Connection: keep-alive\r\n");
    wp_buf_append_cstring(out, "\r\n");
}

static enum wp_err write_parts(struct wp_server_request *request, const wp_view *parts,
                               size_t count)
{
    struct client *client = request->client;
    enum wp_err err = wp_conn_write(client->conn, parts, count);
    if (err == WP_OK && wp_conn_sending(client->conn) && !wp_timer_active(&client->write_timer) &&
        wp_conn_queued(client->conn) > WP_CONN_HIGH)
        wp_timer_start(&client->write_timer, client->server->limits.write_idle_ms);
    return err == WP_OK ? WP_OK : WP_ERR_CLIENT_GONE;
}

enum wp_err wp_response_head(struct wp_server_request *request, int status,
                             const struct wp_headers *headers, uint64_t content_length)
{
    char room[HEAD_ROOM];
    struct wp_buf head = wp_buf_make_in(room, sizeof(room), 1024 * 1024);
    if (request->client == NULL || request->aborted)
        return WP_ERR_CLIENT_GONE;
    WP_CHECK(!request->started);
    request->started = true;
    build_head(request, status, headers, content_length, &head);
    wp_view part = wp_buf_view(&head);
    enum wp_err err = wp_buf_ok(&head) ? write_parts(request, &part, 1) : WP_ERR_NO_MEMORY;
    wp_buf_free(&head);
    return err;
}

enum wp_err wp_response_write(struct wp_server_request *request, wp_view bytes, bool *pause)
{
    char size[24];
    size_t at = sizeof(size);
    *pause = false;
    if (request->client == NULL || request->aborted || request->ended)
        return WP_ERR_CLIENT_GONE;
    if (request->silent || bytes.len == 0)
        return WP_OK;
    size[--at] = '\n';
    size[--at] = '\r';
    for (size_t rest = bytes.len; rest > 0; rest >>= 4)
        size[--at] = "0123456789abcdef"[rest & 15];
    const wp_view chunk[] = {wp_view_make(size + at, sizeof(size) - at), bytes, WP_VIEW("\r\n")};
    enum wp_err err =
        request->chunked ? write_parts(request, chunk, 3) : write_parts(request, &bytes, 1);
    if (err == WP_OK && wp_conn_queued(request->client->conn) > WP_CONN_HIGH) {
        *pause = true;
        request->want_drain = true;
    }
    return err;
}

static void after_response(struct client *client, bool body_done)
{
    if (client->close_after || !body_done) {
        // While on_head runs the parser is on the stack; it stops at the pause and all is over.
        linger(client);
        return;
    }
    client->phase = IDLE;
    wp_timer_start(&client->timer, client->server->limits.idle_timeout_ms);
    wp_conn_read_enable(client->conn, true);
    wp_loop_defer(client->server->loop, &client->next);
}

void wp_response_end(struct wp_server_request *request)
{
    const wp_view last = WP_VIEW("0\r\n\r\n");
    struct client *client = request->client;
    if (request->ended || request->aborted)
        return;
    request->ended = true;
    if (client == NULL)
        return;
    wp_timer_stop(&client->timer);
    if (request->chunked && !request->silent && write_parts(request, &last, 1) != WP_OK)
        client->close_after = true;
    bool body_done = !request->head.has_body || request->body_done;
    let_go(request);
    after_response(client, body_done);
}

void wp_response_abort(struct wp_server_request *request)
{
    struct client *client = request->client;
    if (request->aborted || request->ended)
        return;
    request->ended = true;
    if (client == NULL)
        return;
    let_go(request);
    wp_timer_stop(&client->timer);
    // RST: no one may take what came for a whole answer
    wp_conn_reset(client->conn);
    wp_timer_stop(&client->write_timer);
    wp_deferred_cancel(&client->next);
    client->conn = NULL;
    wp_list_unlink(&client->link);
    wp_loop_defer(client->server->loop, &client->gone);
}

void wp_response_send(struct wp_server_request *request, int status,
                      const struct wp_headers *headers, wp_view body)
{
    char room[HEAD_ROOM];
    struct wp_buf head = wp_buf_make_in(room, sizeof(room), 1024 * 1024);
    if (request->client == NULL || request->aborted || request->ended)
        return;
    WP_CHECK(!request->started);
    request->started = true;
    build_head(request, status, headers, body.len, &head);
    const wp_view parts[] = {wp_buf_view(&head), request->silent ? WP_VIEW("") : body};
    if (!wp_buf_ok(&head) || write_parts(request, parts, 2) != WP_OK) {
        wp_buf_free(&head);
        wp_response_abort(request);
        return;
    }
    wp_buf_free(&head);
    wp_response_end(request);
}

bool wp_response_started(const struct wp_server_request *request)
{
    return request->started;
}

uint64_t wp_response_bytes_queued(const struct wp_server_request *request)
{
    return request->client == NULL ? 0 : wp_conn_queued(request->client->conn);
}

// The server -------------------------------------------------------------------------------------

static void deadline_passed(void *arg)
{
    struct wp_server *server = arg;
    WP_CHECK_MAGIC(server, SERVER_MAGIC);
    WP_LIST_FOREACH(node, &server->connections)
    drop(WP_CONTAINER_OF(node, struct client, link), WP_ERR_SHUTTING_DOWN);
    check_drained(server);
}

enum wp_err wp_server_start(struct wp_loop *loop, const struct wp_server_config *config,
                            struct wp_server **out, char *error, size_t error_size)
{
    struct wp_server *server = wp_alloc(sizeof(*server));
    if (server == NULL)
        return WP_ERR_NO_MEMORY;
    server->magic = SERVER_MAGIC;
    server->loop = loop;
    server->limits = config->limits;
    server->handler = config->handler;
    server->context = config->context;
    wp_list_init(&server->connections);
    wp_timer_init(&server->deadline, loop, deadline_passed, server);
    wp_deferred_init(&server->drained_later, tell_drained, server);
    snprintf(server->certificate, sizeof(server->certificate), "%.*s",
             WP_VIEW_ARG(config->tls_certificate_file));
    snprintf(server->key, sizeof(server->key), "%.*s", WP_VIEW_ARG(config->tls_key_file));
    enum wp_err err = WP_OK;
    if (config->tls_certificate_file.len > 0)
        err = wp_tls_server_create(config->tls_certificate_file, config->tls_key_file, &server->tls,
                                   error, error_size);
    if (err == WP_OK)
        err = wp_listener_start(loop, config->host, config->port, on_accept, server,
                                &server->listener, error, error_size);
    if (err != WP_OK) {
        wp_server_destroy(server);
        return err;
    }
    *out = server;
    return WP_OK;
}

uint16_t wp_server_port(const struct wp_server *server)
{
    return wp_listener_port(server->listener);
}

void wp_server_drain(struct wp_server *server, uint32_t deadline_ms, void (*drained)(void *arg),
                     void *arg)
{
    server->draining = true;
    server->drained = drained;
    server->drained_arg = arg;
    wp_listener_pause(server->listener, true);
    WP_LIST_FOREACH(node, &server->connections)
    {
        struct client *client = WP_CONTAINER_OF(node, struct client, link);
        client->close_after = true;
        if (client->request == NULL && client->phase == IDLE)
            drop(client, WP_ERR_SHUTTING_DOWN);
    }
    wp_timer_start(&server->deadline, deadline_ms);
    check_drained(server);
}

void wp_server_destroy(struct wp_server *server)
{
    if (server == NULL)
        return;
    WP_CHECK_MAGIC(server, SERVER_MAGIC);
    server->draining = server->drained_told = true;
    WP_LIST_FOREACH(node, &server->connections)
    drop(WP_CONTAINER_OF(node, struct client, link), WP_ERR_SHUTTING_DOWN);
    wp_timer_stop(&server->deadline);
    wp_deferred_cancel(&server->drained_later);
    wp_listener_close(server->listener);
    wp_loop_flush_deferred(server->loop);
    wp_tls_context_unref(server->tls);
    server->magic = 0;
    wp_free(server);
}

void wp_server_counts(const struct wp_server *server, size_t *connections, size_t *requests)
{
    *connections = server->connection_count;
    *requests = server->request_count;
}

enum wp_err wp_server_reload_tls(struct wp_server *server, char *error, size_t error_size)
{
    struct wp_tls_context *fresh = NULL;
    if (server->tls == NULL)
        return WP_OK;
    enum wp_err err = wp_tls_server_create(wp_view_of(server->certificate), wp_view_of(server->key),
                                           &fresh, error, error_size);
    if (err != WP_OK)
        return err;
    wp_tls_context_unref(server->tls);
    server->tls = fresh;
    return WP_OK;
}
