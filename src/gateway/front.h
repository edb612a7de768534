// The HTTP face of a worker: one table of routes (method, path, who may, what serves it). The
// same parsed path decides authorisation and dispatch. Identity is settled before a byte of the
// body is read.
#ifndef WP_GATEWAY_FRONT_H
#define WP_GATEWAY_FRONT_H

#include "gateway/gateway.h"
#include "http/server.h"

struct wp_worker;
struct wp_front;

enum wp_access {
    WP_ACCESS_PUBLIC,
    WP_ACCESS_CALLER, // a valid key
    WP_ACCESS_ADMIN,  // the master key, or a console session
};

enum { WP_METHOD_GET = 1, WP_METHOD_POST = 2, WP_METHOD_DELETE = 4, WP_METHOD_HEAD = 8 };

// Who asks.
struct wp_caller {
    bool known;                          // a valid key was shown, or none is required
    bool shown;                          // a key was shown, right or wrong
    bool contradiction;                  // two different keys were shown
    uint8_t shown_digest[WP_SHA256_LEN]; // of that key
    bool session;                        // by console cookie
    const uint8_t *digest; // SHA-256 of the key, in the runtime; NULL without identity
    const char *key_hash;  // hex of it; "" without identity
    wp_view oauth;         // the caller's own Anthropic OAuth token, if Authorization carries one
};

// What serves a request from its head on. `state` is what begin returned.
struct wp_service {
    // Answers at once, or keeps `front` and answers later. NULL: it has answered already.
    void *(*begin)(struct wp_front *front);
    char *(*body_room)(void *state, size_t *room); // may be NULL; see wp_server_handler
    void (*body)(void *state, wp_view bytes);
    void (*body_end)(void *state);
    void (*drain)(void *state);
    void (*abort)(void *state, enum wp_err err);
    void (*closed)(void *state); // frees the state
};

struct wp_route {
    uint32_t methods; // WP_METHOD_*; GET includes HEAD
    const char *path; // exact, or a prefix that ends in "/*"
    enum wp_access access;
    const struct wp_service *service;
    // For the services that share code: what this route is about.
    int kind;
    void (*serve)(struct wp_front *front); // wp_simple_service
};

// Names the gateways that a request has passed, so that one which points at itself notices.
#define WP_HOP_HEADER "x-warmpath-hops"
enum { WP_HOPS_MAX = 8 };

enum { WP_SIMPLE_BODY_MAX = 256 * 1024 };

// One request at the face. Lives in the request's arena until closed.
struct wp_front {
    uint32_t magic;
    struct wp_worker *worker;
    struct wp_gateway *gateway;
    struct wp_runtime *runtime;
    struct wp_server_request *request;
    const struct wp_request_head *head;
    struct wp_arena *arena;
    const struct wp_route *route;
    wp_view path_rest; // what "/*" stood for
    struct wp_caller caller;
    char call_id[37];
    uint64_t accepted_ns; // monotonic
    int64_t accepted_ms;  // wall
    void *state;
    bool aborted; // no response can be sent any more
    // wp_simple_service
    struct wp_buf body;
    // What a serve function that answers later holds on to: told when the front goes.
    void (*on_closed)(struct wp_front *front);
    void (*on_drain)(struct wp_front *front); // may be NULL; after wp_response_write said to pause
    void *data;
};

// Serves small requests: reads the body (at most WP_SIMPLE_BODY_MAX), then calls route->serve,
// which answers at once or later (while !front->aborted; front->on_closed tells it to let go).
extern const struct wp_service wp_simple_service;

// The routes of one process: added before workers start; first match wins.
struct wp_route_table {
    const struct wp_route *groups[8];
    size_t counts[8];
    size_t group_count;
};
void wp_routes_add(struct wp_route_table *table, const struct wp_route *routes, size_t count);
// The route for a path and method; *allowed gets the methods the path has (0: unknown path).
const struct wp_route *wp_routes_find(const struct wp_route_table *table, wp_view method,
                                      wp_view path, wp_view *rest, uint32_t *allowed);

// LLM routes of the gateway itself.
extern const struct wp_route wp_gateway_routes[];
extern const size_t wp_gateway_route_count;

extern const struct wp_server_handler wp_front_handler; // context: struct wp_worker

// The caller's address for the ledger; empty if addresses are not to be recorded.
wp_view wp_front_recorded_address(const struct wp_front *front);

// Answers. Nothing is sent when front->aborted. Headers: x-litellm-call-id is added.
void wp_front_send(struct wp_front *front, int status, wp_view content_type, wp_view body,
                   const struct wp_header *extra, size_t extra_count);
void wp_front_json(struct wp_front *front, int status, wp_view json);
// Anthropic's error envelope. `message` empty: the sentence of `err`. retry_after_s < 0: none.
void wp_front_error(struct wp_front *front, enum wp_err err, wp_view message,
                    int64_t retry_after_s);
// Value of a query parameter, percent- and plus-decoded, in the arena; ptr NULL if absent.
wp_view wp_front_query(struct wp_front *front, const char *name);

#endif
