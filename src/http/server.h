// HTTP/1.1 server (RFC 9112): framing, limits, keep-alive and backpressure. It knows nothing of
// routes. All calls and callbacks on the worker's loop thread.
//
// Order of callbacks for one request: on_head → on_body* → on_body_end, and on_abort at any time
// until the response has ended. After on_abort, or after wp_response_end has been called, the
// request handle is dead once the current callback returns: on_closed is the last callback, in
// every case exactly once, and there the handler frees its state.
#ifndef WP_HTTP_SERVER_H
#define WP_HTTP_SERVER_H

#include "http/headers.h"
#include "net/loop.h"
#include "net/tls.h"

struct wp_server;         // one listener of one worker
struct wp_server_request; // one request and its response

struct wp_server_limits {
    size_t head_max;           // bytes of request line and fields: 431, 414 (default 64 KiB)
    size_t header_count_max;   // fields: 431 (default 128)
    uint64_t body_max;         // bytes: 413 before buffering when Content-Length says so (32 MiB)
    uint32_t head_timeout_ms;  // from first byte of the head (or accept) to its end: 408 (10 s)
    uint32_t body_idle_ms;     // between reads of a body: 408 (60 s)
    uint32_t body_rate_min;    // bytes per second of a body once body_idle_ms have gone by: 408
                               // (500; 0: none)
    uint32_t idle_timeout_ms;  // keep-alive without a request (75 s... default 620 s)
    uint32_t tls_handshake_ms; // (10 s)
    uint32_t write_idle_ms;    // a client that reads nothing for so long is closed (300 s)
    uint32_t connections_max;  // per worker; beyond it accepting pauses
};
void wp_server_limits_default(struct wp_server_limits *limits);

// What a handler sees of a request head. Views live until on_closed.
struct wp_request_head {
    wp_view method;
    wp_view target; // as received (origin-form; absolute-form is reduced to it)
    wp_view path; // percent-decoded canonical path: no "..", no "//", no %2f or %00 (400 otherwise)
    wp_view query; // after '?', raw; may be empty
    struct wp_headers headers;
    bool has_body;
    uint64_t content_length; // UINT64_MAX when chunked
    wp_view peer_address;    // "127.0.0.1", "::1"
    uint16_t peer_port;
    bool tls;
    bool expect_continue; // 100 Continue is sent when the handler calls wp_request_read_body
};

// The handler: one table for the server. `context` is wp_server_config.context; the void* that
// on_head returns is handed to all further callbacks. Returning NULL closes the connection with
// 503.
struct wp_server_handler {
    void *(*on_head)(void *context, struct wp_server_request *request,
                     const struct wp_request_head *head);
    // Where body bytes had best be put, and how many at most; on_body follows with a view of them.
    // NULL (also for the function): anywhere. Only asked for bodies of announced length.
    char *(*body_room)(void *state, size_t *room);
    // Body bytes after transfer decoding; valid during the call.
    void (*on_body)(void *state, wp_view bytes);
    void (*on_body_end)(void *state);
    // The response queue fell below its low-water mark after wp_response_write said to pause.
    void (*on_drain)(void *state);
    // The client went away, broke the framing of its body, or timed out; no response can be sent
    // (err says why: CLIENT_GONE, TIMEOUT_CLIENT, INVALID, TOO_LARGE).
    void (*on_abort)(void *state, enum wp_err err);
    void (*on_closed)(void *state);
    // Writes the JSON envelope for errors that the server itself answers (400 framing, 408, 413,
    // 414, 417, 431, 501) into `body`; the server adds head and closes. `peer` is the caller's
    // address.
    void (*error_body)(void *context, enum wp_err err, wp_view peer, struct wp_arena *arena,
                       wp_view *body);
};

struct wp_server_config {
    wp_view host;                               // "127.0.0.1", "::1", "0.0.0.0"
    uint16_t port;                              // 0: chosen by the kernel, see wp_server_port
    wp_view tls_certificate_file, tls_key_file; // PEM; both empty for plain HTTP
    struct wp_server_limits limits;
    const struct wp_server_handler *handler;
    void *context;
};

// Binds with SO_REUSEPORT and starts accepting. On failure *error gets a sentence (static or in
// the arena of the caller).
enum wp_err wp_server_start(struct wp_loop *loop, const struct wp_server_config *config,
                            struct wp_server **out, char *error, size_t error_size) WP_WARN_UNUSED;
uint16_t wp_server_port(const struct wp_server *server);
// Stops accepting, closes idle connections, lets running requests finish with "Connection:
// close", then calls drained(arg) once. After `deadline_ms` what is left is aborted.
void wp_server_drain(struct wp_server *server, uint32_t deadline_ms, void (*drained)(void *arg),
                     void *arg);
// Only after drained was called.
void wp_server_destroy(struct wp_server *server);
// Open connections and requests in flight.
void wp_server_counts(const struct wp_server *server, size_t *connections, size_t *requests);
// New connections use this context from now on; the reference goes to the server. Only for a server
// that was started with TLS.
void wp_server_set_tls(struct wp_server *server, struct wp_tls_context *context);

// The arena of the request: born with it, destroyed after on_closed.
struct wp_arena *wp_request_arena(struct wp_server_request *request);
struct wp_loop *wp_request_loop(struct wp_server_request *request);
// The body is not read before the handler asks (so that identity is checked first). A handler
// that answers without having asked gets the connection closed if a body was announced.
void wp_request_read_body(struct wp_server_request *request);
// Stop and resume the delivery of body bytes (backpressure towards the client).
void wp_request_pause_body(struct wp_server_request *request);

// The response. HEAD requests and 204/304 get no body whatever is written.
// `content_length` UINT64_MAX: chunked (or close-delimited for HTTP/1.0). Adds Date, Content-
// Length or Transfer-Encoding, Connection. 1xx via expect only. Values are checked: a control
// byte in a value drops that field.
enum wp_err wp_response_head(struct wp_server_request *request, int status,
                             const struct wp_headers *headers,
                             uint64_t content_length) WP_WARN_UNUSED;
// Queues and sends body bytes (copies what the socket does not take). *pause is set when more
// than the high-water mark is queued: stop until on_drain. WP_ERR_CLIENT_GONE when nobody reads any
// more.
enum wp_err wp_response_write(struct wp_server_request *request, wp_view bytes,
                              bool *pause) WP_WARN_UNUSED;
// Ends the response; keep-alive continues unless the request body was not read to its end.
void wp_response_end(struct wp_server_request *request);
// Drops the connection without ending the response (an upstream that broke off mid-stream).
void wp_response_abort(struct wp_server_request *request);
// Head, body and end in one (one send). Copies `body` if needed.
void wp_response_send(struct wp_server_request *request, int status,
                      const struct wp_headers *headers, wp_view body);
// The same of a body in at most WP_RESPONSE_PARTS pieces.
enum { WP_RESPONSE_PARTS = 3 };
void wp_response_send_parts(struct wp_server_request *request, int status,
                            const struct wp_headers *headers, const wp_view *body, size_t count);
bool wp_response_started(const struct wp_server_request *request);
uint64_t wp_response_bytes_queued(const struct wp_server_request *request);

#endif
