#include "http/client.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "http/message.h"
#include "net/conn.h"
#include "net/resolver.h"

enum {
    POOL_MAGIC = 0x48504f4f,
    LINK_MAGIC = 0x484c494e,
    CALL_MAGIC = 0x4843414c,
    ORIGINS_MAX = 4096,
    HEADERS_MAX = 256,
    ARENA_MAX = 16 * 1024 * 1024,
    ARENA_FIRST = 1024, // the call and a short head
    CONNECT_MS = 10000,
    HOST_MAX = 255,
    HEAD_MAX = 1024 * 1024,
    HEAD_ROOM = 96, // for what a head has besides target and fields
    AHEAD_MAX = 4 * 1024 * 1024,
    SLICE_MS = 250,
    LATE_MS = 50,   // what a timer may be late by
    STALLS_MAX = 3, // times the time to connect, however late this thread is
};

struct origin {
    struct wp_list idle; // newest first
    size_t idle_count;
    size_t host_len;
    char host[]; // what calls dial; stays as long as the client
};

struct wp_client {
    uint32_t magic;
    struct wp_loop *loop;
    uint32_t idle_timeout_ms, idle_per_origin;
    size_t head_max;
    struct wp_tls_context *tls;
    struct wp_resolver *resolver;
    struct wp_map origins; // kind, port, host → struct origin
    struct wp_list calls, links;
};

// One connection to an upstream.
struct link {
    uint32_t magic;
    struct wp_list all, idle;
    struct wp_client *client;
    struct origin *origin;
    struct wp_conn *conn;
    struct wp_call *call;
    struct wp_timer idle_timer;
    struct wp_deferred gone;
};

struct wp_call {
    uint32_t magic;
    struct wp_list all;
    struct wp_client *client;
    struct origin *origin;
    struct link *link;
    const struct wp_call_events *events;
    void *state;
    struct wp_arena *arena;
    struct wp_message message;
    bool message_ready;
    struct wp_buf ahead;  // bytes kept while paused
    const wp_view *spans; // of the request, until its answer begins
    size_t span_count;
    bool tls, is_head, retry_stale, allow_link_local, reused, answered, paused, done, ended;
    struct wp_addresses *addresses; // while a connection is being opened
    size_t address;                 // being tried
    struct wp_lookup *lookup;
    uint16_t port;
    uint32_t connect_ms, first_byte_ms, idle_ms;
    uint32_t connect_left_ms; // of the time to connect, and when it began
    uint64_t connect_begun_ns;
    struct wp_timer timer;
    enum wp_err timer_err;
    struct wp_call_timing timing;
    enum wp_err fail_err;
    const char *fail_detail;
    struct wp_deferred later, gone;
};

void wp_client_config_default(struct wp_client_config *config)
{
    *config = (struct wp_client_config){.idle_timeout_ms = 60000,
                                        .idle_per_origin = 1024,
                                        .tls_verify = true,
                                        .head_max = 128 * 1024};
}

static wp_view host_of(const struct wp_call *call)
{
    return wp_view_make(call->origin->host, call->origin->host_len);
}

// Links ----------------------------------------------------------------------------------------

static void free_link(void *arg)
{
    struct link *link = arg;
    WP_CHECK_MAGIC(link, LINK_MAGIC);
    link->magic = 0;
    wp_free(link);
}

static void close_link(struct link *link)
{
    if (link->conn == NULL)
        return;
    wp_timer_stop(&link->idle_timer);
    if (!wp_list_empty(&link->idle))
        link->origin->idle_count--;
    wp_list_unlink(&link->idle);
    wp_list_unlink(&link->all);
    wp_conn_close(link->conn);
    link->conn = NULL;
    if (link->call != NULL)
        link->call->link = NULL;
    link->call = NULL;
    wp_loop_defer(link->client->loop, &link->gone);
}

static void idle_expired(void *arg)
{
    struct link *link = arg;
    WP_CHECK_MAGIC(link, LINK_MAGIC);
    close_link(link);
}

// An idle connection that says anything is not to be trusted any more.
static void idle_data(void *arg, wp_view bytes)
{
    (void)bytes;
    close_link(arg);
}

static void idle_end(void *arg, enum wp_err err, const char *detail)
{
    (void)err;
    (void)detail;
    close_link(arg);
}

static void idle_nothing(void *arg)
{
    (void)arg;
}

static const struct wp_conn_events IDLE_EVENTS = {
    .on_open = idle_nothing, .on_data = idle_data, .on_writable = idle_nothing, .on_end = idle_end};

static void keep_link(struct link *link)
{
    struct wp_client *client = link->client;
    link->call = NULL;
    if (link->origin->idle_count >= client->idle_per_origin) {
        close_link(link);
        return;
    }
    wp_conn_set_events(link->conn, &IDLE_EVENTS, link);
    wp_conn_read_enable(link->conn, true);
    wp_list_prepend(&link->origin->idle, &link->idle);
    link->origin->idle_count++;
    wp_timer_start(&link->idle_timer, client->idle_timeout_ms);
}

// Calls: the end -------------------------------------------------------------------------------

static void connect_next(void *arg);

static void free_call(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    wp_message_free(&call->message);
    wp_buf_free(&call->ahead);
    wp_free(call->addresses);
    call->magic = 0;
    wp_arena_destroy(call->arena); // with the call in it
}

// Nothing is called any more; the memory goes at the end of the turn.
static void retire(struct wp_call *call)
{
    call->done = true;
    wp_timer_stop(&call->timer);
    wp_deferred_cancel(&call->later);
    wp_resolve_cancel(call->lookup);
    call->lookup = NULL;
    wp_list_unlink(&call->all);
    wp_loop_defer(call->client->loop, &call->gone);
}

static void fail(struct wp_call *call, enum wp_err err, const char *detail)
{
    if (call->done)
        return;
    struct link *link = call->link;
    retire(call);
    if (link != NULL)
        close_link(link);
    call->events->on_error(call->state, err, detail);
}

static void fail_now(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    fail(call, call->fail_err, call->fail_detail);
}

static void fail_later(struct wp_call *call, enum wp_err err, const char *detail)
{
    call->fail_err = err;
    call->fail_detail = detail;
    call->later.fn = fail_now;
    wp_loop_defer(call->client->loop, &call->later);
}

void wp_call_cancel(struct wp_call *call)
{
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->done)
        return;
    struct link *link = call->link;
    retire(call);
    if (link != NULL)
        close_link(link);
}

// The time to connect passes in slices: one that was late (this thread had no processor, or was
// busy) counts no more than any other, and what has happened meanwhile is looked at before anybody
// is blamed.
static void next_slice(struct wp_call *call)
{
    uint32_t ms = call->connect_left_ms < SLICE_MS ? call->connect_left_ms : SLICE_MS;
    call->connect_left_ms -= ms;
    wp_timer_start(&call->timer, ms == 0 ? 1 : ms);
}

static bool goes_on_connecting(struct wp_call *call)
{
    uint64_t now = wp_now_ns(), late_ns = now - call->timer.due_ns;
    uint64_t passed_ms = (now - call->connect_begun_ns) / 1000000;
    bool late = late_ns > LATE_MS * (uint64_t)1000000;
    if (passed_ms >= STALLS_MAX * (uint64_t)call->connect_ms)
        return false;
    if (call->connect_left_ms == 0 && !late)
        return false;
    next_slice(call);
    return true;
}

static void connecting_took_too_long(struct wp_call *call)
{
    uint64_t passed_ms = (wp_now_ns() - call->connect_begun_ns) / 1000000;
    if (passed_ms > call->connect_ms + call->connect_ms / 4)
        fail(call, WP_ERR_STALLED, "connecting took too long, on a machine that is too busy");
    else
        fail(call, WP_ERR_CONNECT_TIMEOUT, "connecting took too long");
}

static void timed_out(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->timer_err == WP_ERR_CONNECT_TIMEOUT) {
        if (!goes_on_connecting(call))
            connecting_took_too_long(call);
        return;
    }
    fail(call, call->timer_err,
         call->answered ? "the answer fell silent" : "no answer came in time");
}

static void arm(struct wp_call *call, uint32_t ms, enum wp_err err)
{
    call->timer_err = err;
    if (ms > 0)
        wp_timer_start(&call->timer, ms);
    else
        wp_timer_stop(&call->timer);
}

// The answer -----------------------------------------------------------------------------------

static bool message_head(void *arg, struct wp_message *message)
{
    struct wp_call *call = arg;
    int status = message->parser.status_code;
    if (status == 101 || status < 100) // nothing was asked to be switched; no status at all
        message->err = WP_ERR_PROTOCOL;
    if (status < 200)
        return true;
    call->answered = true;
    message->no_body = call->is_head || status == 204 || status == 304;
    arm(call, call->idle_ms, WP_ERR_UPSTREAM_TIMEOUT);
    call->events->on_head(call->state, status, &message->headers);
    return !call->done;
}

static void message_body(void *arg, wp_view bytes)
{
    struct wp_call *call = arg;
    if (call->done)
        return;
    if (call->paused) {
        wp_buf_append(&call->ahead, bytes);
        if (!wp_buf_ok(&call->ahead))
            call->message.err = WP_ERR_NO_MEMORY;
        return;
    }
    call->events->on_body(call->state, bytes);
}

static void message_complete(void *arg)
{
    struct wp_call *call = arg;
    call->ended = true;
}

static const struct wp_message_events MESSAGE_EVENTS = {message_head, message_body,
                                                        message_complete};

// The whole answer has been delivered: the connection goes back if nothing is left on it.
static void finish(struct wp_call *call, bool reusable)
{
    struct link *link = call->link;
    if (call->done)
        return;
    retire(call);
    call->link = NULL;
    if (link != NULL) {
        link->call = NULL;
        if (reusable && !wp_conn_sending(link->conn))
            keep_link(link);
        else
            close_link(link);
    }
    call->events->on_end(call->state);
}

static bool keeps_alive(struct wp_call *call)
{
    return llhttp_should_keep_alive(&call->message.parser) != 0;
}

static void conn_data(void *arg, wp_view bytes)
{
    struct wp_call *call = arg;
    size_t used = 0;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->timing.first_byte == 0)
        call->timing.first_byte = wp_loop_now_ns(call->client->loop);
    if (call->answered && call->idle_ms > 0)
        arm(call, call->idle_ms, WP_ERR_UPSTREAM_TIMEOUT);
    enum wp_err err = wp_message_feed(&call->message, bytes, &used);
    if (call->done)
        return;
    if (err != WP_OK) {
        fail(call, err == WP_ERR_NO_MEMORY ? err : WP_ERR_PROTOCOL,
             "the answer is not valid HTTP/1.1");
        return;
    }
    if (call->ended && call->ahead.len == 0 && !call->paused)
        finish(call, keeps_alive(call) && used == bytes.len);
}

// A kept-alive connection that the peer had closed before it saw this request.
static bool retry_fresh(struct wp_call *call);

static void conn_end(void *arg, enum wp_err err, const char *detail)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    if (err == WP_ERR_CONNECT || err == WP_ERR_TLS) {
        if (err == WP_ERR_CONNECT && call->addresses != NULL &&
            call->address + 1 < call->addresses->count) {
            close_link(call->link);
            call->address++;
            call->later.fn = connect_next;
            wp_loop_defer(call->client->loop, &call->later);
            return;
        }
        fail(call, err, detail);
        return;
    }
    if (call->timing.first_byte == 0 && retry_fresh(call))
        return;
    if (call->message_ready && call->answered && wp_message_finish(&call->message)) {
        if (!call->done && call->ahead.len == 0 && !call->paused)
            finish(call, false);
        return;
    }
    if (!call->done)
        fail(call, call->answered ? WP_ERR_INCOMPLETE : WP_ERR_RESET, detail);
}

static void conn_writable(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    call->timing.sent = wp_loop_now_ns(call->client->loop);
    if (!call->answered)
        arm(call, call->first_byte_ms, WP_ERR_UPSTREAM_TIMEOUT);
}

static void send_request(struct wp_call *call)
{
    call->timing.connected = wp_loop_now_ns(call->client->loop);
    call->timing.sent = 0; // of this connection
    wp_message_begin(&call->message, call->arena);
    call->message_ready = true;
    wp_conn_write_spans(call->link->conn, call->spans, call->span_count);
    arm(call, call->first_byte_ms, WP_ERR_UPSTREAM_TIMEOUT);
}

static void conn_open(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    wp_free(call->addresses);
    call->addresses = NULL;
    send_request(call);
}

static const struct wp_conn_events CALL_EVENTS = {
    .on_open = conn_open, .on_data = conn_data, .on_writable = conn_writable, .on_end = conn_end};

// Calls: the beginning ---------------------------------------------------------------------------

static void connect_next(void *arg)
{
    struct wp_call *call = arg;
    struct wp_client *client = call->client;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    const struct wp_address *address = &call->addresses->list[call->address];
    struct link *link = wp_alloc(sizeof(*link));
    struct wp_conn *conn =
        link == NULL ? NULL
                     : wp_conn_connect(client->loop, (const struct sockaddr *)&address->storage,
                                       address->len, call->tls ? client->tls : NULL, host_of(call),
                                       &CALL_EVENTS, call);
    if (conn == NULL) {
        wp_free(link);
        fail_later(call, WP_ERR_NO_MEMORY, "opening a connection");
        return;
    }
    link->magic = LINK_MAGIC;
    link->client = client;
    link->origin = call->origin;
    link->conn = conn;
    link->call = call;
    wp_list_init(&link->idle);
    wp_list_append(&client->links, &link->all);
    wp_timer_init(&link->idle_timer, client->loop, idle_expired, link);
    wp_deferred_init(&link->gone, WP_STAGE_LAST, free_link, link);
    call->link = link;
}

// Names may lead anywhere (and elsewhere at the next lookup): what counts is the address that is
// dialled.
static bool drop_forbidden(struct wp_call *call)
{
    struct wp_addresses *addresses = call->addresses;
    size_t kept = 0;
    for (size_t i = 0; i < addresses->count; i++)
        if (call->allow_link_local || !wp_address_is_link_local(&addresses->list[i]))
            addresses->list[kept++] = addresses->list[i];
    bool all = kept == 0 && addresses->count > 0;
    addresses->count = kept;
    return all;
}

static const char forbidden[] = "a link-local or metadata address, which only allow_link_local "
                                "opens";

static void resolved(void *arg, const struct wp_addresses *addresses)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    call->lookup = NULL;
    *call->addresses = *addresses;
    if (drop_forbidden(call))
        fail(call, WP_ERR_CONNECT, forbidden);
    else if (call->addresses->count == 0)
        fail(call, WP_ERR_RESOLVE, "the name could not be resolved");
    else
        connect_next(call);
}

static void resolve(struct wp_call *call)
{
    call->timer_err = WP_ERR_CONNECT_TIMEOUT;
    call->connect_left_ms = call->connect_ms;
    call->connect_begun_ns = wp_now_ns();
    next_slice(call);
    call->address = 0;
    if (call->addresses == NULL)
        call->addresses = wp_alloc(sizeof(*call->addresses));
    if (call->addresses == NULL) {
        fail_later(call, WP_ERR_NO_MEMORY, "resolving the name");
        return;
    }
    if (!wp_resolve(call->client->resolver, host_of(call), call->port, call->addresses, resolved,
                    call, &call->lookup))
        return;
    if (drop_forbidden(call))
        fail_later(call, WP_ERR_CONNECT, forbidden);
    else if (call->addresses->count == 0)
        fail_later(call, WP_ERR_RESOLVE, "the name could not be resolved");
    else
        connect_next(call);
}

static bool retry_fresh(struct wp_call *call)
{
    if (!call->reused || !call->retry_stale)
        return false;
    call->reused = false;
    call->timing.reused = false;
    close_link(call->link);
    call->message_ready = false;
    resolve(call);
    return true;
}

static struct link *take_idle(struct origin *origin)
{
    if (wp_list_empty(&origin->idle))
        return NULL;
    struct link *link = WP_CONTAINER_OF(origin->idle.next, struct link, idle);
    wp_list_unlink(&link->idle);
    origin->idle_count--;
    wp_timer_stop(&link->idle_timer);
    return link;
}

static struct origin *origin_of(struct wp_client *client, const struct wp_call_request *request)
{
    char key[4 + HOST_MAX];
    if (request->host.len > HOST_MAX)
        return NULL;
    key[0] = request->tls ? 't' : 'p';
    key[1] = request->allow_link_local ? 'l' : '-';
    key[2] = (char)(request->port >> 8);
    key[3] = (char)request->port;
    memcpy(key + 4, request->host.ptr, request->host.len);
    wp_view name = wp_view_make(key, 4 + request->host.len);
    struct origin *origin = wp_map_get(&client->origins, name);
    if (origin != NULL)
        return origin;
    origin = wp_alloc(sizeof(*origin) + request->host.len);
    if (origin == NULL || !wp_map_set(&client->origins, name, origin)) {
        wp_free(origin);
        return NULL;
    }
    origin->host_len = request->host.len;
    memcpy(origin->host, request->host.ptr, request->host.len);
    wp_list_init(&origin->idle);
    return origin;
}

static void append_length(struct wp_buf *head, const struct wp_call_request *request)
{
    size_t length = 0;
    if (request->body_count == 0 && !wp_view_is(request->method, "POST") &&
        !wp_view_is(request->method, "PUT"))
        return;
    for (size_t i = 0; i < request->body_count; i++)
        length += request->body[i].len;
    wp_buf_append(head, WP_VIEW("Content-Length: "));
    wp_buf_append_u64(head, length);
    wp_buf_append(head, WP_VIEW("\r\n"));
}

// ptr NULL: memory is short.
static wp_view build_head(const struct wp_call_request *request)
{
    const struct wp_header *headers = request->headers + request->lines.count;
    size_t count = request->header_count - request->lines.count;
    size_t size = HEAD_ROOM + request->method.len + request->target.len + request->lines.text.len +
                  wp_header_lines_size(headers, count);
    char *room = size > HEAD_MAX ? NULL : wp_arena_raw(request->arena, size);
    if (room == NULL)
        return (wp_view){NULL, 0};
    struct wp_buf head = wp_buf_make_in(room, size, size);
    wp_buf_append(&head, request->method);
    wp_buf_append(&head, WP_VIEW(" "));
    wp_buf_append(&head, request->target);
    wp_buf_append(&head, WP_VIEW(" HTTP/1.1\r\n"));
    wp_buf_append(&head, request->lines.text);
    wp_header_lines_append(&head, headers, count);
    append_length(&head, request);
    wp_buf_append(&head, WP_VIEW("\r\n"));
    WP_CHECK(wp_buf_ok(&head));
    return wp_buf_view(&head);
}

// What is sent: the head, and the body behind it.
static bool lay_out(struct wp_call *call, const struct wp_call_request *request)
{
    wp_view head = build_head(request);
    size_t size = (request->body_count + 1) * sizeof(wp_view);
    wp_view *spans = head.ptr == NULL ? NULL : wp_arena_raw(request->arena, size);
    if (spans == NULL)
        return false;
    spans[0] = head;
    if (request->body_count > 0)
        memcpy(spans + 1, request->body, request->body_count * sizeof(*spans));
    call->spans = spans;
    call->span_count = request->body_count + 1;
    return true;
}

static struct wp_call *new_call(struct wp_client *client, const struct wp_call_request *request,
                                const struct wp_call_events *events, void *state)
{
    struct wp_arena *arena = wp_arena_create_with(ARENA_MAX, ARENA_FIRST);
    struct wp_call *call = arena == NULL ? NULL : WP_ARENA_NEW(arena, struct wp_call);
    if (call == NULL) {
        wp_arena_destroy(arena);
        return NULL;
    }
    call->magic = CALL_MAGIC;
    call->client = client;
    call->arena = arena;
    call->events = events;
    call->state = state;
    call->tls = request->tls;
    call->port = request->port;
    call->is_head = wp_view_is(request->method, "HEAD");
    call->retry_stale = request->retry_stale;
    call->connect_ms = request->connect_timeout_ms != 0 ? request->connect_timeout_ms : CONNECT_MS;
    call->first_byte_ms = request->first_byte_timeout_ms;
    call->idle_ms = request->idle_timeout_ms;
    call->allow_link_local = request->allow_link_local;
    call->ahead = wp_buf_make(AHEAD_MAX);
    wp_list_init(&call->all);
    wp_message_init(&call->message, false, &MESSAGE_EVENTS, call, client->head_max, HEADERS_MAX);
    wp_timer_init(&call->timer, client->loop, timed_out, call);
    wp_deferred_init(&call->later, WP_STAGE_UPSTREAMS, connect_next, call);
    wp_deferred_init(&call->gone, WP_STAGE_LAST, free_call, call);
    return call;
}

enum wp_err wp_call_start(struct wp_client *client, const struct wp_call_request *request,
                          const struct wp_call_events *events, void *state, struct wp_call **out)
{
    WP_CHECK_MAGIC(client, POOL_MAGIC);
    struct origin *origin = origin_of(client, request);
    struct wp_call *call = origin == NULL ? NULL : new_call(client, request, events, state);
    if (call == NULL)
        return WP_ERR_NO_MEMORY;
    call->origin = origin;
    if (!lay_out(call, request)) {
        free_call(call);
        return WP_ERR_NO_MEMORY;
    }
    wp_list_append(&client->calls, &call->all);
    call->timing.started = wp_loop_now_ns(client->loop);
    *out = call;
    struct link *link = take_idle(origin);
    if (link == NULL) {
        resolve(call);
        return WP_OK;
    }
    call->link = link;
    call->reused = call->timing.reused = true;
    link->call = call;
    wp_conn_set_events(link->conn, &CALL_EVENTS, call);
    send_request(call);
    return WP_OK;
}

void wp_call_pause(struct wp_call *call)
{
    if (call->done || call->paused)
        return;
    call->paused = true;
    wp_timer_stop(&call->timer);
    if (call->link != NULL)
        wp_conn_read_enable(call->link->conn, false);
}

static void deliver_ahead(void *arg)
{
    struct wp_call *call = arg;
    WP_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->done || call->paused)
        return;
    if (call->ahead.len > 0) {
        struct wp_buf bytes = call->ahead;
        call->ahead = wp_buf_make(AHEAD_MAX);
        call->events->on_body(call->state, wp_buf_view(&bytes));
        wp_buf_free(&bytes);
    }
    if (call->done || call->paused)
        return;
    if (call->ended) {
        finish(call, false);
        return;
    }
    if (call->link != NULL)
        wp_conn_read_enable(call->link->conn, true);
    arm(call, call->idle_ms, WP_ERR_UPSTREAM_TIMEOUT);
}

void wp_call_resume(struct wp_call *call)
{
    if (call->done || !call->paused)
        return;
    call->paused = false;
    call->later.fn = deliver_ahead;
    wp_loop_defer(call->client->loop, &call->later);
}

const struct wp_call_timing *wp_call_timing(const struct wp_call *call)
{
    return &call->timing;
}

// The pool -------------------------------------------------------------------------------------

enum wp_err wp_client_create(struct wp_loop *loop, const struct wp_client_config *config,
                             struct wp_client **out)
{
    char error[256] = "";
    struct wp_client *client = wp_alloc(sizeof(*client));
    if (client == NULL)
        return WP_ERR_NO_MEMORY;
    client->magic = POOL_MAGIC;
    client->loop = loop;
    client->idle_timeout_ms = config->idle_timeout_ms;
    client->idle_per_origin = config->idle_per_origin;
    client->head_max = config->head_max;
    client->origins = wp_map_make(ORIGINS_MAX);
    wp_list_init(&client->calls);
    wp_list_init(&client->links);
    client->resolver = wp_resolver_create(loop);
    if (!config->tls_verify)
        wp_log(WP_LOG_WARN, "tls", "upstream certificates are not verified");
    enum wp_err err = wp_tls_client_create(config->ca_file, config->tls_verify, &client->tls, error,
                                           sizeof(error));
    if (err != WP_OK)
        wp_log(WP_LOG_ERROR, "tls", "%s", error);
    if (err == WP_OK && client->resolver == NULL)
        err = WP_ERR_NO_MEMORY;
    if (err != WP_OK) {
        wp_client_destroy(client);
        return err;
    }
    *out = client;
    return WP_OK;
}

void wp_client_destroy(struct wp_client *client)
{
    size_t cursor = 0;
    wp_view key;
    void *origin;
    if (client == NULL)
        return;
    WP_LIST_FOREACH(node, &client->calls)
    wp_call_cancel(WP_CONTAINER_OF(node, struct wp_call, all));
    WP_LIST_FOREACH(node, &client->links)
    close_link(WP_CONTAINER_OF(node, struct link, all));
    wp_loop_flush_deferred(client->loop);
    while (wp_map_next(&client->origins, &cursor, &key, &origin))
        wp_free(origin);
    wp_map_free(&client->origins);
    wp_resolver_destroy(client->resolver);
    wp_tls_context_unref(client->tls);
    client->magic = 0;
    wp_free(client);
}
