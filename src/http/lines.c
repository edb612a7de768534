#include "http/lines.h"

enum { LINES_MAX = 1024 * 1024 };

void wp_header_lines_append(struct wp_buf *out, const struct wp_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wp_header_write(out, headers[i].name, headers[i].value);
}

size_t wp_header_lines_size(const struct wp_header *headers, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.len + headers[i].value.len + WP_VIEW(": \r\n").len;
    return size;
}

struct wp_header_lines wp_header_lines_make(struct wp_arena *arena, const struct wp_header *headers,
                                            size_t count)
{
    struct wp_buf text = wp_buf_make(LINES_MAX);
    wp_header_lines_append(&text, headers, count);
    wp_view copy = wp_buf_ok(&text) ? wp_arena_copy(arena, wp_buf_view(&text)) : (wp_view){NULL, 0};
    wp_buf_free(&text);
    return (struct wp_header_lines){copy, count};
}
