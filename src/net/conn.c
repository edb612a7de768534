#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/private.h"

enum {
    CONN_MAGIC = 0x434f4e4e,
    VECTORS = 16,
    DIRECT_MIN = 16 * 1024,
    READS_PER_TURN = 4,
    READ_MAX = 256 * 1024
};

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct wp_conn {
    uint32_t magic;
    enum state state;
    struct wp_loop *loop;
    struct wp_poll *poll;
    int fd;
    struct wp_tls *tls;
    const struct wp_conn_events *events;
    void *arg;
    struct wp_bufq queue;
    const wp_view *spans; // being sent
    size_t span_count, span_index, span_offset;
    bool read_enabled, read_wants_write, write_wants_read, above_high, finishing, finished, failed;
    bool readable, writable; // what the descriptor was last said to be
    struct wp_deferred ready, flush, gone;
    enum wp_err end_err;
    const char *end_detail;
};

static void update_interest(struct wp_conn *conn)
{
    bool sending = wp_conn_sending(conn);
    if (conn->state == CLOSED)
        return;
    if (conn->state == CONNECTING)
        wp_poll_set(conn->poll, false, true);
    else if (conn->state == HANDSHAKE)
        wp_poll_set(conn->poll, !conn->read_wants_write, conn->read_wants_write);
    else
        wp_poll_set(conn->poll, (conn->read_enabled && !conn->failed) || conn->write_wants_read,
                    !conn->failed && (sending || conn->read_wants_write));
}

// on_end comes at the end of the turn: the writer that noticed is still on the stack.
static void end_later(struct wp_conn *conn, enum wp_err err, const char *detail)
{
    if (conn->failed || conn->state == CLOSED)
        return;
    conn->failed = true;
    conn->end_err = err;
    conn->end_detail = detail;
    wp_loop_defer(conn->loop, &conn->gone);
    update_interest(conn);
}

static void tell_end(void *arg)
{
    struct wp_conn *conn = arg;
    WP_CHECK_MAGIC(conn, CONN_MAGIC);
    if (conn->state != CLOSED)
        conn->events->on_end(conn->arg, conn->end_err, conn->end_detail);
}

// Writing --------------------------------------------------------------------------------------

static ssize_t write_vectors(struct wp_conn *conn, const struct iovec *vectors, size_t count)
{
    if (conn->tls != NULL) {
        ssize_t sent = wp_tls_write(conn->tls, vectors[0].iov_base, vectors[0].iov_len, count > 1);
        conn->write_wants_read = sent == WP_IO_AGAIN_READ;
        return sent;
    }
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vectors, .msg_iovlen = count};
    for (;;) {
        ssize_t sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN || errno == EWOULDBLOCK ? WP_IO_AGAIN_WRITE : WP_IO_FAILED;
    }
}

static size_t span_vectors(const struct wp_conn *conn, struct iovec *vectors, size_t room)
{
    size_t count = 0;
    for (size_t i = conn->span_index; i < conn->span_count && count < room; i++) {
        size_t skip = i == conn->span_index ? conn->span_offset : 0;
        vectors[count++] = (struct iovec){(void *)(uintptr_t)(conn->spans[i].ptr + skip),
                                          conn->spans[i].len - skip};
    }
    return count;
}

static void consume(struct wp_conn *conn, size_t sent)
{
    size_t queued = sent < conn->queue.len ? sent : conn->queue.len;
    wp_bufq_consume(&conn->queue, queued);
    sent -= queued;
    while (sent > 0) {
        size_t left = conn->spans[conn->span_index].len - conn->span_offset;
        if (sent < left) {
            conn->span_offset += sent;
            return;
        }
        sent -= left;
        conn->span_index++;
        conn->span_offset = 0;
    }
    while (conn->span_index < conn->span_count && conn->spans[conn->span_index].len == 0)
        conn->span_index++;
}

bool wp_conn_sending(const struct wp_conn *conn)
{
    return conn->queue.len > 0 || conn->span_index < conn->span_count;
}

// Sends what the socket takes.
static void send_queued(struct wp_conn *conn)
{
    struct iovec vectors[VECTORS];
    while (wp_conn_sending(conn) && !conn->failed) {
        size_t count = wp_bufq_peek(&conn->queue, vectors, VECTORS);
        count += span_vectors(conn, vectors + count, VECTORS - count);
        ssize_t sent = write_vectors(conn, vectors, count);
        if (sent == WP_IO_FAILED || sent == 0) {
            end_later(conn, WP_ERR_RESET, "writing");
            return;
        }
        if (sent < 0)
            break;
        consume(conn, (size_t)sent);
    }
}

static void finish_now(struct wp_conn *conn)
{
    if (!conn->finishing || conn->finished || wp_conn_sending(conn))
        return;
    conn->finished = true;
    shutdown(conn->fd, SHUT_WR);
}

static void after_sending(struct wp_conn *conn, bool had_spans)
{
    bool spans_done = had_spans && conn->span_index == conn->span_count;
    bool drained = conn->above_high && conn->queue.len <= WP_CONN_LOW;
    if (spans_done) {
        conn->spans = NULL;
        conn->span_count = conn->span_index = 0;
    }
    finish_now(conn);
    update_interest(conn);
    if (drained)
        conn->above_high = false;
    if ((drained || spans_done) && !conn->failed && conn->state == OPEN)
        conn->events->on_writable(conn->arg);
}

static void flush(void *arg)
{
    struct wp_conn *conn = arg;
    WP_CHECK_MAGIC(conn, CONN_MAGIC);
    bool had_spans = conn->span_count > 0;
    if (conn->state != OPEN || conn->failed)
        return;
    send_queued(conn);
    after_sending(conn, had_spans);
}

static size_t total_of(const wp_view *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    return total;
}

// Large writes to an empty queue go straight to the socket; *sent tells how much it took.
static void write_direct(struct wp_conn *conn, const wp_view *parts, size_t count, size_t *sent)
{
    struct iovec vectors[VECTORS];
    size_t used = 0;
    for (size_t i = 0; i < count && used < VECTORS; i++)
        if (parts[i].len > 0)
            vectors[used++] = (struct iovec){(void *)(uintptr_t)parts[i].ptr, parts[i].len};
    ssize_t result = write_vectors(conn, vectors, used);
    if (result > 0)
        *sent = (size_t)result;
    else if (result == WP_IO_FAILED)
        end_later(conn, WP_ERR_RESET, "writing");
}

enum wp_err wp_conn_write(struct wp_conn *conn, const wp_view *parts, size_t count)
{
    size_t sent = 0;
    if (conn->failed || conn->state == CLOSED)
        return WP_ERR_RESET;
    bool idle = conn->state == OPEN && !wp_conn_sending(conn) && conn->tls == NULL;
    if (idle && total_of(parts, count) >= DIRECT_MIN)
        write_direct(conn, parts, count, &sent);
    if (conn->failed)
        return WP_ERR_RESET;
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < parts[i].len ? sent : parts[i].len;
        sent -= skip;
        if (!wp_bufq_append(&conn->queue, wp_view_skip(parts[i], skip)))
            return WP_ERR_NO_MEMORY;
    }
    if (conn->queue.len > WP_CONN_HIGH)
        conn->above_high = true;
    if (wp_conn_sending(conn))
        wp_loop_defer(conn->loop, &conn->flush);
    return WP_OK;
}

void wp_conn_write_spans(struct wp_conn *conn, const wp_view *spans, size_t count)
{
    WP_CHECK(conn->span_index == conn->span_count);
    conn->spans = spans;
    conn->span_count = count;
    conn->span_index = conn->span_offset = 0;
    consume(conn, 0); // skips empty ones
    wp_loop_defer(conn->loop, &conn->flush);
}

size_t wp_conn_queued(const struct wp_conn *conn)
{
    return conn->queue.len;
}

// Reading ----------------------------------------------------------------------------------------

static char *room_of(struct wp_conn *conn, size_t *size)
{
    *size = 0;
    char *room = conn->events->on_room == NULL ? NULL : conn->events->on_room(conn->arg, size);
    if (room != NULL && *size > 0) {
        *size = *size < READ_MAX ? *size : READ_MAX;
        return room;
    }
    *size = WP_READ_BUFFER;
    return conn->loop->read_buffer;
}

static ssize_t read_some(struct wp_conn *conn, char *room, size_t size)
{
    if (conn->tls != NULL) {
        ssize_t got = wp_tls_read(conn->tls, room, size);
        conn->read_wants_write = got == WP_IO_AGAIN_WRITE;
        return got;
    }
    for (;;) {
        ssize_t got = recv(conn->fd, room, size, 0);
        if (got >= 0)
            return got;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN || errno == EWOULDBLOCK ? WP_IO_AGAIN_READ : WP_IO_FAILED;
    }
}

static void read_ready(struct wp_conn *conn)
{
    for (int i = 0; i < READS_PER_TURN || (conn->tls != NULL && wp_tls_pending(conn->tls)); i++) {
        if (!conn->read_enabled || conn->state != OPEN || conn->failed)
            return;
        size_t size;
        char *room = room_of(conn, &size);
        ssize_t got = read_some(conn, room, size);
        if (got == WP_IO_AGAIN_READ || got == WP_IO_AGAIN_WRITE)
            return;
        if (got <= 0) {
            conn->failed = true;
            update_interest(conn);
            conn->events->on_end(conn->arg, WP_ERR_RESET,
                                 got == 0 ? "end of stream" : "connection reset");
            return;
        }
        conn->events->on_data(conn->arg, wp_view_make(room, (size_t)got));
        // A room that was filled was the body's end rather than a full socket.
        bool taken = (size_t)got < size || (room != conn->loop->read_buffer && size < READ_MAX);
        if (taken && (conn->tls == NULL || !wp_tls_pending(conn->tls)))
            return;
    }
}

// Opening ----------------------------------------------------------------------------------------

static void opened(struct wp_conn *conn)
{
    conn->state = OPEN;
    update_interest(conn);
    if (wp_conn_sending(conn))
        wp_loop_defer(conn->loop, &conn->flush);
    conn->events->on_open(conn->arg);
}

static void handshake(struct wp_conn *conn)
{
    int result = wp_tls_handshake(conn->tls);
    conn->read_wants_write = result == WP_IO_AGAIN_WRITE;
    if (result == 1) {
        conn->read_wants_write = false;
        opened(conn);
    } else if (result == WP_IO_FAILED) {
        end_later(conn, WP_ERR_TLS, wp_tls_error(conn->tls));
    } else {
        update_interest(conn);
    }
}

static void connected(struct wp_conn *conn)
{
    int problem = 0;
    socklen_t len = sizeof(problem);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0 || problem != 0) {
        end_later(conn, WP_ERR_CONNECT,
                  problem == ECONNREFUSED ? "connection refused" : "connecting");
        return;
    }
    conn->state = conn->tls != NULL ? HANDSHAKE : OPEN;
    if (conn->tls != NULL)
        handshake(conn);
    else
        opened(conn);
}

static void work(void *arg)
{
    struct wp_conn *conn = arg;
    bool readable = conn->readable, writable = conn->writable;
    WP_CHECK_MAGIC(conn, CONN_MAGIC);
    conn->readable = conn->writable = false;
    if (conn->state == CONNECTING) {
        connected(conn);
        return;
    }
    if (conn->state == HANDSHAKE) {
        handshake(conn);
        // What came with the handshake's last bytes has been taken from the socket already.
        if (conn->state != OPEN || conn->failed || !wp_tls_pending(conn->tls))
            return;
        readable = true;
    }
    if ((writable || conn->write_wants_read) && conn->state == OPEN && !conn->failed)
        flush(conn);
    if ((readable || conn->read_wants_write) && conn->state == OPEN && !conn->failed)
        read_ready(conn);
    update_interest(conn);
}

static void on_ready(void *arg, bool readable, bool writable)
{
    struct wp_conn *conn = arg;
    WP_CHECK_MAGIC(conn, CONN_MAGIC);
    conn->readable = conn->readable || readable;
    conn->writable = conn->writable || writable;
    wp_loop_defer(conn->loop, &conn->ready);
}

static struct wp_conn *create(struct wp_loop *loop, int fd, enum wp_stage stage,
                              const struct wp_conn_events *events, void *arg)
{
    int one = 1;
    struct wp_conn *conn = wp_alloc(sizeof(*conn));
    if (conn == NULL || (conn->poll = wp_poll_create(loop, fd, on_ready, conn)) == NULL) {
        wp_free(conn);
        close(fd);
        return NULL;
    }
    conn->magic = CONN_MAGIC;
    conn->loop = loop;
    conn->fd = fd;
    conn->events = events;
    conn->arg = arg;
    conn->read_enabled = true;
    wp_bufq_init(&conn->queue, wp_loop_chunks(loop), WP_CONN_QUEUE_MAX);
    wp_deferred_init(&conn->ready, stage, work, conn);
    wp_deferred_init(&conn->flush, WP_STAGE_SEND, flush, conn);
    wp_deferred_init(&conn->gone, WP_STAGE_LAST, tell_end, conn);
    // without it answers wait 40 ms for the peer's delayed acknowledgement
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return conn;
}

static void begin_handshake(void *arg)
{
    struct wp_conn *conn = arg;
    conn->flush.fn = flush;
    handshake(conn);
}

struct wp_conn *wp_conn_accept(struct wp_loop *loop, int fd, struct wp_tls_context *tls,
                               const struct wp_conn_events *events, void *arg)
{
    struct wp_conn *conn = create(loop, fd, WP_STAGE_CLIENTS, events, arg);
    if (conn == NULL)
        return NULL;
    conn->state = OPEN;
    if (tls != NULL) {
        conn->state = HANDSHAKE;
        conn->tls = wp_tls_create(tls, fd, (wp_view){NULL, 0}, true);
        if (conn->tls == NULL) {
            wp_conn_close(conn);
            return NULL;
        }
    }
    update_interest(conn);
    return conn;
}

struct wp_conn *wp_conn_connect(struct wp_loop *loop, const struct sockaddr *address, socklen_t len,
                                struct wp_tls_context *tls, wp_view host,
                                const struct wp_conn_events *events, void *arg)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct wp_conn *conn = fd < 0 ? NULL : create(loop, fd, WP_STAGE_UPSTREAMS, events, arg);
    if (conn == NULL)
        return NULL;
    if (tls != NULL && (conn->tls = wp_tls_create(tls, fd, host, false)) == NULL) {
        wp_conn_close(conn);
        return NULL;
    }
    conn->state = CONNECTING;
    int problem = connect(fd, address, len) == 0 ? 0 : errno;
    if (problem == 0 && tls != NULL) {
        conn->state = HANDSHAKE;
        conn->flush.fn = begin_handshake;
        wp_loop_defer(loop, &conn->flush);
    } else if (problem != 0 && problem != EINPROGRESS && problem != EINTR) {
        end_later(conn, WP_ERR_CONNECT, "connecting");
    }
    update_interest(conn);
    return conn;
}

void wp_conn_set_events(struct wp_conn *conn, const struct wp_conn_events *events, void *arg)
{
    conn->events = events;
    conn->arg = arg;
}

void wp_conn_read_enable(struct wp_conn *conn, bool enabled)
{
    if (conn->read_enabled == enabled || conn->state == CLOSED)
        return;
    conn->read_enabled = enabled;
    update_interest(conn);
    // What TLS has decrypted already makes no descriptor readable.
    if (enabled && conn->tls != NULL && conn->state == OPEN && wp_tls_pending(conn->tls))
        wp_poll_set(conn->poll, true, true);
}

void wp_conn_finish(struct wp_conn *conn)
{
    conn->finishing = true;
    finish_now(conn);
}

// Freed at the end of the turn: a callback of this connection may be on the stack.
static void free_conn(void *arg)
{
    struct wp_conn *conn = arg;
    WP_CHECK_MAGIC(conn, CONN_MAGIC);
    wp_deferred_cancel(&conn->flush);
    wp_bufq_clear(&conn->queue);
    conn->magic = 0;
    wp_free(conn);
}

void wp_conn_close(struct wp_conn *conn)
{
    if (conn == NULL || conn->state == CLOSED)
        return;
    conn->state = CLOSED;
    conn->span_count = conn->span_index = 0;
    wp_tls_free(conn->tls);
    conn->tls = NULL;
    wp_poll_close(conn->poll);
    conn->poll = NULL;
    wp_deferred_cancel(&conn->ready);
    wp_deferred_cancel(&conn->flush);
    wp_deferred_cancel(&conn->gone);
    conn->gone.fn = free_conn;
    wp_loop_defer(conn->loop, &conn->gone);
}

void wp_conn_reset(struct wp_conn *conn)
{
    const struct linger now = {1, 0};
    if (conn == NULL || conn->state == CLOSED)
        return;
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    wp_conn_close(conn);
}
