#include "http/server.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/server_private.h"

enum {
    SERVER_MAGIC = 0x48535256,
    CLIENT_MAGIC = 0x48434c49,
    REQUEST_MAGIC = 0x48524551,
    PIPELINE_MAX = 64 * 1024, // bytes kept of requests that follow
    LINGER_MS = 2000,
    LATE_MS = 50, // what a timer may be late by
    ARENA_MAX = 256 * 1024 * 1024,
    ARENA_FIRST = 4096, // most of a request without its body
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
        wp_listener_full(server->listener, false);
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

void wp_server_let_go(struct wp_server_request *request)
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
    wp_server_let_go(request);
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

void wp_server_cut(struct client *client)
{
    wp_timer_stop(&client->timer);
    wp_conn_reset(client->conn);
    wp_timer_stop(&client->write_timer);
    wp_deferred_cancel(&client->next);
    client->conn = NULL;
    wp_list_unlink(&client->link);
    wp_loop_defer(client->server->loop, &client->gone);
}

static void linger(struct client *client)
{
    client->phase = LINGER;
    wp_buf_free(&client->ahead);
    wp_conn_finish(client->conn);
    wp_conn_read_enable(client->conn, true);
    wp_timer_start(&client->timer, LINGER_MS);
}

// Answers of the server itself ----------------------------------------------------------------

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
                       info->status, wp_status_reason(info->status), date, body.len);
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
    // A thread that stood still sees the time first and what came meanwhile next: one more look.
    if (wp_now_ns() > client->timer.due_ns + LATE_MS * (uint64_t)1000000) {
        wp_timer_start(&client->timer, 1);
        return;
    }
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
    struct wp_arena *arena = wp_arena_create_with(ARENA_MAX, ARENA_FIRST);
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
    wp_deferred_init(&request->closed, WP_STAGE_LAST, request_closed, request);
    client->request = request;
    client->server->request_count++;
    wp_message_begin(&client->message, arena);
    return true;
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
        uint64_t allowed_ms =
            limits->body_idle_ms + request->body_seen * 1000 / limits->body_rate_min;
        if (allowed_ms < passed_ms + wait_ms)
            wait_ms = allowed_ms > passed_ms ? allowed_ms - passed_ms : 0;
    }
    wp_timer_start(&client->timer, wait_ms);
}

static bool on_head(void *arg, struct wp_message *message)
{
    struct client *client = arg;
    struct wp_server_request *request = client->request;
    enum wp_err err = wp_request_head_read(request, message);
    if (err != WP_OK) {
        message->err = err;
        return false;
    }
    client->close_after = !llhttp_should_keep_alive(&message->parser) || client->server->draining;
    client->phase = request->head.has_body ? READ_BODY : RESPOND;
    wp_timer_rest(&client->timer);
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
    request->body_seen += bytes.len;
    if (request->head.content_length == UINT64_MAX &&
        request->body_seen > client->server->limits.body_max) {
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
    wp_timer_rest(&client->timer);
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
    uint64_t left = request->head.content_length - request->body_seen;
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
    wp_deferred_init(&client->next, WP_STAGE_CLIENTS, parse_later, client);
    wp_deferred_init(&client->gone, WP_STAGE_LAST, free_client, client);
    wp_list_append(&server->connections, &client->link);
    server->connection_count++;
    if (server->connection_count >= server->limits.connections_max)
        wp_listener_full(server->listener, true);
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
    wp_timer_rest(&client->timer);
    wp_conn_read_enable(client->conn, false);
}

void wp_server_response_sent(struct client *client, bool body_done)
{
    if (client->close_after || !body_done) {
        // While on_head runs the parser is on the stack; it stops at the pause and all is over.
        linger(client);
        return;
    }
    client->phase = IDLE;
    wp_timer_start(&client->timer, client->server->limits.idle_timeout_ms);
    wp_conn_read_enable(client->conn, true);
    if (client->ahead.len > 0)
        wp_loop_defer(client->server->loop, &client->next);
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

// For connections that there is no room for: nothing of them is read, so they leave no row.
static const char REFUSAL[] =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Content-Length: 111\r\nConnection: close\r\n\r\n"
    "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"The gateway has no "
    "room "
    "for another connection\"}}";

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
    wp_deferred_init(&server->drained_later, WP_STAGE_LAST, tell_drained, server);
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
    if (server->tls == NULL)
        wp_listener_refuse_with(server->listener, REFUSAL);
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

void wp_server_set_tls(struct wp_server *server, struct wp_tls_context *context)
{
    WP_CHECK(server->tls != NULL);
    wp_tls_context_unref(server->tls);
    server->tls = context;
}
