// Server-sent events: the raw bytes of all events and what is left over are the input, whatever the
// cuts, and name and data do not depend on the cuts.
//
// Input: one byte that cuts, one byte of options (bit 0: a small maximum), then the stream.
#include "fuzz/support.h"

#include "http/sse.h"

struct witness {
    struct wp_buf raw, content;
};

static bool on_event(void *arg, const struct wp_sse_event *event)
{
    struct witness *witness = arg;
    FUZZ_CHECK(event->raw.len > 0);
    wp_buf_append(&witness->raw, event->raw);
    wp_buf_append(&witness->content, event->name);
    wp_buf_append_char(&witness->content, '\x01');
    wp_buf_append(&witness->content, event->data);
    wp_buf_append_char(&witness->content, '\x02');
    return true;
}

static enum wp_err parse(wp_view bytes, size_t step, size_t max, struct witness *witness)
{
    struct wp_sse sse;
    enum wp_err err = WP_OK;
    wp_view rest = bytes;
    wp_sse_init(&sse, max);
    *witness = (struct witness){wp_buf_make(64 * 1024 * 1024), wp_buf_make(64 * 1024 * 1024)};
    while (rest.len > 0 && err == WP_OK) {
        wp_view piece = fuzz_copy(wp_view_sub(rest, 0, step));
        err = wp_sse_feed(&sse, piece, on_event, witness);
        rest = wp_view_skip(rest, piece.len);
        fuzz_free(piece);
    }
    if (err == WP_OK) {
        wp_buf_append(&witness->raw, wp_sse_pending(&sse));
        // a byte order mark at the very beginning belongs to no event
        bool bom = wp_view_starts_with(bytes, WP_VIEW("\xEF\xBB\xBF"));
        FUZZ_CHECK(wp_view_eq(bytes, wp_buf_view(&witness->raw)) ||
                   (bom && wp_view_eq(wp_view_skip(bytes, 3), wp_buf_view(&witness->raw))));
    }
    wp_sse_free(&sse);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct witness whole, pieces;
    wp_view bytes = fuzz_view(data, size);
    uint8_t cut = fuzz_byte(&bytes), options = fuzz_byte(&bytes);
    size_t max = (options & 1) != 0 ? 64 : 1024 * 1024;
    enum wp_err one = parse(bytes, SIZE_MAX, max, &whole);
    enum wp_err two = parse(bytes, 1 + cut % 16, max, &pieces);
    // the maximum is on what is held back, so large events may pass in one piece
    FUZZ_CHECK(one == two || max == 64);
    if (one == WP_OK && two == WP_OK)
        FUZZ_CHECK(wp_view_eq(wp_buf_view(&whole.content), wp_buf_view(&pieces.content)));
    wp_buf_free(&whole.raw);
    wp_buf_free(&whole.content);
    wp_buf_free(&pieces.raw);
    wp_buf_free(&pieces.content);
    return 0;
}
