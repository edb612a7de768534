// Private to server.c, request_head.c and response.c: what they know of a connection and a request.
#ifndef WP_HTTP_SERVER_PRIVATE_H
#define WP_HTTP_SERVER_PRIVATE_H

#include "http/message.h"
#include "http/server.h"
#include "net/conn.h"
#include "net/listener.h"

struct wp_server {
    uint32_t magic;
    struct wp_loop *loop;
    struct wp_server_limits limits;
    const struct wp_server_handler *handler;
    void *context;
    struct wp_listener *listener;
    struct wp_tls_context *tls;
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
    bool close_after, parsing;
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
    uint64_t body_seen;     // bytes of it
    struct wp_deferred closed;
};

// request_head.c: fills request->head from a parsed head, or says why it is refused.
enum wp_err wp_request_head_read(struct wp_server_request *request,
                                 const struct wp_message *message) WP_WARN_UNUSED;

// response.c: "Not Found" for 404; "Status" for what it does not know.
const char *wp_status_reason(int status);

// server.c ------------------------------------------------------------------------------------

// The request has nothing more to do with its connection.
void wp_server_let_go(struct wp_server_request *request);
// The response is sent: the connection waits for the next request, or closes.
void wp_server_response_sent(struct client *client, bool body_done);
// Closes with RST: no one may take what was sent for a whole answer.
void wp_server_cut(struct client *client);

#endif
