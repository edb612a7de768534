// HTTP/1 messages: adapter of llhttp (strict mode) that hands over a whole head at once and
// bodies in pieces. Private to http/.
#ifndef WP_HTTP_MESSAGE_H
#define WP_HTTP_MESSAGE_H

#include <llhttp.h>

#include "base/buf.h"
#include "http/headers.h"

struct wp_message;

struct wp_message_events {
    // The head is complete (status 1xx included). Returns false to pause before the body.
    bool (*on_head)(void *arg, struct wp_message *message);
    void (*on_body)(void *arg, wp_view bytes);
    // Parsing pauses here.
    void (*on_complete)(void *arg);
};

enum wp_message_state { WP_MESSAGE_HEAD, WP_MESSAGE_BODY, WP_MESSAGE_DONE };

// A name or value: where it lies in what is being fed, or kept once that has ended within it.
struct wp_field {
    wp_view here;
    struct wp_buf *kept; // NULL mostly
};

struct wp_message {
    llhttp_t parser;
    const struct wp_message_events *events;
    void *arg;
    struct wp_arena *arena; // of the message under way: names and values live there
    struct wp_headers headers;
    size_t settled;              // headers that lie in the arena; others in what is being fed
    struct wp_field target;      // complete with the head; then `here` lies in the arena
    struct wp_field name, value; // being read
    size_t head_bytes, head_max, header_count_max;
    size_t extension_bytes; // of chunk extensions so far
    enum wp_message_state state;
    enum wp_err err; // why parsing failed
    bool request, no_body, paused;
};

void wp_message_init(struct wp_message *message, bool request,
                     const struct wp_message_events *events, void *arg, size_t head_max,
                     size_t header_count_max);
void wp_message_free(struct wp_message *message);
// Begins a new message whose strings live in `arena`.
void wp_message_begin(struct wp_message *message, struct wp_arena *arena);
// *used bytes were taken; less than given when parsing paused (head or end). Errors: INVALID,
// HEAD_TOO_LARGE, URI_TOO_LONG, NO_MEMORY.
enum wp_err wp_message_feed(struct wp_message *message, wp_view bytes, size_t *used) WP_WARN_UNUSED;
void wp_message_resume(struct wp_message *message);
// The stream has ended: true if that ends the message (close-delimited bodies).
bool wp_message_finish(struct wp_message *message);

#endif
