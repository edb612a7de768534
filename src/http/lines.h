// Header fields as they stand on the wire: "name: value" and CRLF.
#ifndef WP_HTTP_LINES_H
#define WP_HTTP_LINES_H

#include "base/buf.h"
#include "http/headers.h"

// A field whose name or value would end its line early, or begin another one, is left out.
void wp_header_lines_append(struct wp_buf *out, const struct wp_header *headers, size_t count);
// Bytes that those take at most.
size_t wp_header_lines_size(const struct wp_header *headers, size_t count);

// For heads that begin alike: fields that were written, and looked over, once.
struct wp_header_lines {
    wp_view text;
    size_t count; // of fields
};
// In the arena. text.ptr NULL: memory is short.
struct wp_header_lines wp_header_lines_make(struct wp_arena *arena, const struct wp_header *headers,
                                            size_t count);

#endif
