// Incremental parser of server-sent events (WHATWG HTML 9.2), for tapping: it reports each
// event with the exact bytes that carried it, so that a relay can forward those bytes untouched.
// Pure.
#ifndef WP_HTTP_SSE_H
#define WP_HTTP_SSE_H

#include "base/buf.h"
#include "base/err.h"

struct wp_sse_event {
    wp_view name; // of the last "event:" line; empty if none
    wp_view data; // "data:" lines joined with LF
    wp_view raw;  // all bytes of the event with its blank line (LF, CR or CRLF), comments included
};

struct wp_sse {
    struct wp_buf pending; // bytes of an event that has not ended yet
    size_t scanned;        // bytes of pending already searched for the blank line
    bool in_line;          // and they end within a line
    bool has_cr;           // the stream has been seen to end lines with CR
    bool started;          // a leading BOM has been handled
};

void wp_sse_init(struct wp_sse *sse, size_t event_max); // bytes of one event at most
void wp_sse_free(struct wp_sse *sse);
// Feeds bytes in any splitting; on_event is called for each complete event, views valid during
// the call; it returns false to stop (the rest of `bytes` is dropped). Blocks of comments only are
// reported with empty data. WP_ERR_PROTOCOL when an event passes the maximum, WP_ERR_NO_MEMORY.
enum wp_err wp_sse_feed(struct wp_sse *sse, wp_view bytes,
                        bool (*on_event)(void *arg, const struct wp_sse_event *event),
                        void *arg) WP_WARN_UNUSED;
// Bytes held back that belong to an unfinished event.
wp_view wp_sse_pending(const struct wp_sse *sse);

#endif
