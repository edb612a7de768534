// A connection: a non-blocking socket, TLS on top of it if wanted, a bounded queue of bytes to
// send. All calls on the loop's thread. Callbacks run while the connection is held: it may be
// closed from within any of them; nothing is called after wp_conn_close.
#ifndef WP_NET_CONN_H
#define WP_NET_CONN_H

#include <sys/socket.h>

#include "net/loop.h"
#include "net/tls.h"

struct wp_conn;

struct wp_conn_events {
    // Connected, and the TLS handshake is done.
    void (*on_open)(void *arg);
    // Where the next bytes had best be put, and how many at most; NULL: anywhere. on_data follows
    // at once, with a view of what was put there. Spares large bodies a copy. May be NULL.
    char *(*on_room)(void *arg, size_t *room);
    // Bytes; valid during the call; the callee takes all of them.
    void (*on_data)(void *arg, wp_view bytes);
    // The queue has fallen below the low-water mark, or a span list has been sent whole.
    void (*on_writable)(void *arg);
    // The peer has ended (WP_ERR_RESET with detail "end of stream"), or an error; the callee
    // closes. CONNECT, TLS, RESET.
    void (*on_end)(void *arg, enum wp_err err, const char *detail);
};

enum { WP_CONN_QUEUE_MAX = 8 * 1024 * 1024, WP_CONN_HIGH = 256 * 1024, WP_CONN_LOW = 64 * 1024 };

// Takes over an accepted descriptor; tls may be NULL. NULL (descriptor closed) when memory is
// short.
struct wp_conn *wp_conn_accept(struct wp_loop *loop, int fd, struct wp_tls_context *tls,
                               const struct wp_conn_events *events, void *arg);
// Connects; on_open or on_end follows, never from within. tls may be NULL; host is what to verify.
struct wp_conn *wp_conn_connect(struct wp_loop *loop, const struct sockaddr *address, socklen_t len,
                                struct wp_tls_context *tls, wp_view host,
                                const struct wp_conn_events *events, void *arg);
// Changes who is told.
void wp_conn_set_events(struct wp_conn *conn, const struct wp_conn_events *events, void *arg);
// Queues bytes; small ones of one turn leave together at its end. WP_ERR_NO_MEMORY past the bound,
// WP_ERR_RESET when the connection has failed (on_end follows).
enum wp_err wp_conn_write(struct wp_conn *conn, const wp_view *parts, size_t count) WP_WARN_UNUSED;
// Sends spans after what is queued, without copying: list and bytes live until on_writable or
// close. One list at a time.
void wp_conn_write_spans(struct wp_conn *conn, const wp_view *spans, size_t count);
bool wp_conn_sending(const struct wp_conn *conn); // queue or spans not empty
size_t wp_conn_queued(const struct wp_conn *conn);
void wp_conn_read_enable(struct wp_conn *conn, bool enabled);
// Ends our direction once everything is sent (TCP FIN).
void wp_conn_finish(struct wp_conn *conn);
// At once; NULL allowed.
void wp_conn_close(struct wp_conn *conn);
// Closes with RST (SO_LINGER 0).
void wp_conn_reset(struct wp_conn *conn);

#endif
