// AWS event stream (application/vnd.amazon.eventstream): incremental decoder with both CRC
// checks, and encoder (for the simulated provider and for Bedrock-dialect clients). Pure.
#ifndef WP_HTTP_EVENT_STREAM_H
#define WP_HTTP_EVENT_STREAM_H

#include "base/buf.h"
#include "base/err.h"

enum { WP_EVENT_STREAM_FRAME_MAX = 16 * 1024 * 1024, WP_EVENT_STREAM_HEADERS_MAX = 128 * 1024 };

// One message; views valid during the callback. Absent headers are empty.
struct wp_event_message {
    wp_view message_type;   // event | exception | error
    wp_view event_type;     // chunk, …
    wp_view exception_type; // throttlingException, …
    wp_view error_code, error_message;
    wp_view content_type;
    wp_view payload;
};

struct wp_event_stream {
    struct wp_buf pending;
};

void wp_event_stream_init(struct wp_event_stream *stream);
void wp_event_stream_free(struct wp_event_stream *stream);
// Any splitting of bytes; on_message returns false to stop. WP_ERR_PROTOCOL on a wrong CRC, a
// length that lies, an unknown header type; the stream is dead then.
enum wp_err wp_event_stream_feed(struct wp_event_stream *stream, wp_view bytes,
                                 bool (*on_message)(void *arg, const struct wp_event_message *),
                                 void *arg) WP_WARN_UNUSED;
// True when bytes of an unfinished frame are left.
bool wp_event_stream_partial(const struct wp_event_stream *stream);

struct wp_event_header {
    wp_view name, value; // string headers (type 7)
};
void wp_event_stream_encode(struct wp_buf *out, const struct wp_event_header *headers, size_t count,
                            wp_view payload);

#endif
