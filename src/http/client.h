// HTTP/1.1 client of one worker with a pool of kept-alive connections per origin. All calls and
// callbacks on the loop's thread.
//
// Callbacks of one call: on_head → on_body* → on_end, or on_error at any time; exactly one of
// on_end and on_error is the last. No callback follows wp_call_cancel. The call frees itself
// after its last callback (or after cancel): the pointer is dead then.
#ifndef WP_HTTP_CLIENT_H
#define WP_HTTP_CLIENT_H

#include "http/lines.h"
#include "net/loop.h"

struct wp_client; // pool
struct wp_call;   // one request in flight

struct wp_client_config {
    uint32_t idle_timeout_ms; // kept-alive connections close after so long unused (default 60 s)
    uint32_t idle_per_origin; // kept at most (default 1024)
    wp_view ca_file;          // PEM bundle; empty: the system's
    bool tls_verify;          // default true; false is logged as a warning
    size_t head_max;          // bytes of a response head (default 128 KiB)
};
void wp_client_config_default(struct wp_client_config *config);
enum wp_err wp_client_create(struct wp_loop *loop, const struct wp_client_config *config,
                             struct wp_client **out) WP_WARN_UNUSED;
// Cancels every call and closes every connection.
void wp_client_destroy(struct wp_client *client);

struct wp_call_timing { // ns on the monotonic clock; 0 if it did not happen
    uint64_t started, connected, sent, first_byte;
    bool reused; // a kept-alive connection was used
};

struct wp_call_events {
    // Views live until the last callback. `headers` excludes nothing.
    void (*on_head)(void *state, int status, const struct wp_headers *headers);
    // Bytes after transfer decoding (not content decoding); valid during the call.
    void (*on_body)(void *state, wp_view bytes);
    void (*on_end)(void *state);
    // RESOLVE, CONNECT, CONNECT_TIMEOUT, TLS, RESET (before the head), INCOMPLETE (after it),
    // UPSTREAM_TIMEOUT (first byte or idle), PROTOCOL, NO_MEMORY. `detail` names what was going on,
    // without secrets.
    void (*on_error)(void *state, enum wp_err err, const char *detail);
};

struct wp_call_request {
    bool tls;
    wp_view host; // name or address, without brackets; also SNI and the name to verify
    uint16_t port;
    wp_view method;
    wp_view target;                  // exact bytes of the request target
    const struct wp_header *headers; // in order, including Host; Content-Length is added
    size_t header_count;
    struct wp_header_lines lines; // of the first of `headers`; none: they are written here
    const wp_view *body;          // spans; must live until on_head or the last callback
    size_t body_count;
    struct wp_arena *arena;         // where the head is written; must live as long
    uint32_t connect_timeout_ms;    // TCP and TLS (default 10 s when 0)
    uint32_t first_byte_timeout_ms; // from request sent to head complete (0: none)
    uint32_t idle_timeout_ms;       // between reads of the body (0: none)
    // Without it nothing is dialled at link-local and metadata addresses, whatever name led there
    // (wp_address_is_link_local): WP_ERR_CONNECT.
    bool allow_link_local;
    bool retry_stale; // one transparent retry on a fresh connection when a reused one was closed
                      // before any byte of the answer (RFC 9110 9.2.2 leaves open whether a POST
                      // was processed; a provider that closes an idle connection has not seen it)
};

// Starts it. The request struct, its strings and headers are read during this call, except the
// spans' bytes. Callbacks come later, never from within. WP_ERR_NO_MEMORY.
enum wp_err wp_call_start(struct wp_client *client, const struct wp_call_request *request,
                          const struct wp_call_events *events, void *state,
                          struct wp_call **out) WP_WARN_UNUSED;
// Closes the connection at once; no further callback.
void wp_call_cancel(struct wp_call *call);
// Backpressure: no on_body between pause and resume (bytes already read are kept). The idle
// timeout stands still while paused.
void wp_call_pause(struct wp_call *call);
void wp_call_resume(struct wp_call *call);
const struct wp_call_timing *wp_call_timing(const struct wp_call *call);

#endif
