// HTTP/1 heads and bodies, requests and answers: however the bytes are cut into reads, the same
// heads, the same body and the same end come out of them.
//
// Input: one byte of options (bit 0: answer, bit 1: the body is paused for once, bit 2: small
// limits), one byte that cuts, then the bytes of the peer.
#include "fuzz/support.h"

#include "http/message.h"

struct witness {
    struct wp_buf log; // what came out, in order
    bool stop_once;
};

static bool on_head(void *arg, struct wp_message *message)
{
    struct witness *witness = arg;
    wp_buf_printf(&witness->log, "head %u ", (unsigned)message->parser.status_code);
    wp_buf_append(&witness->log, message->target.here);
    for (size_t i = 0; i < message->headers.count; i++) {
        const struct wp_header *header = &message->headers.list[i];
        FUZZ_CHECK(header->name.len > 0);
        FUZZ_CHECK(wp_header_value_valid(header->name) && wp_header_value_valid(header->value));
        wp_buf_append(&witness->log, header->name);
        wp_buf_append(&witness->log, header->value);
    }
    FUZZ_CHECK(message->headers.count <= message->header_count_max);
    wp_buf_append_cstring(&witness->log, "\nbody ");
    bool stop = witness->stop_once;
    witness->stop_once = false;
    return !stop;
}

static void on_body(void *arg, wp_view bytes)
{
    wp_buf_append(&((struct witness *)arg)->log, bytes);
}

static void on_complete(void *arg)
{
    wp_buf_append_cstring(&((struct witness *)arg)->log, "\nend\n");
}

static const struct wp_message_events EVENTS = {on_head, on_body, on_complete};

// All messages of `bytes`, at most `step` bytes at a time.
static void parse(wp_view bytes, size_t step, uint8_t options, struct witness *witness)
{
    struct wp_message message;
    struct wp_arena *arena = wp_arena_create(16 * 1024 * 1024);
    bool small = (options & 4) != 0;
    enum wp_err err = WP_OK;
    wp_message_init(&message, (options & 1) == 0, &EVENTS, witness, small ? 200 : 64 * 1024,
                    small ? 4 : 128);
    wp_message_begin(&message, arena);
    witness->log = wp_buf_make(64 * 1024 * 1024);
    witness->stop_once = (options & 2) != 0;
    while (bytes.len > 0 && err == WP_OK) {
        size_t used = 0;
        wp_view piece = fuzz_copy(wp_view_sub(bytes, 0, step));
        err = wp_message_feed(&message, piece, &used);
        FUZZ_CHECK(used <= piece.len);
        FUZZ_CHECK(err != WP_OK || used == piece.len || message.paused);
        fuzz_free(piece);
        bytes = wp_view_skip(bytes, used);
        if (!message.paused || err != WP_OK)
            continue;
        if (message.state == WP_MESSAGE_DONE)
            wp_message_begin(&message, arena);
        else
            wp_message_resume(&message);
    }
    if (err == WP_OK)
        wp_buf_append_cstring(&witness->log, wp_message_finish(&message) ? "whole" : "cut");
    else
        wp_buf_append_cstring(&witness->log, "refused"); // which of two errors depends on the cuts
    wp_message_free(&message);
    wp_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct witness whole, pieces;
    wp_view bytes = fuzz_view(data, size);
    uint8_t options = fuzz_byte(&bytes), cut = fuzz_byte(&bytes);
    parse(bytes, SIZE_MAX, options, &whole);
    parse(bytes, 1 + cut % 16, options, &pieces);
    FUZZ_CHECK(wp_view_eq(wp_buf_view(&whole.log), wp_buf_view(&pieces.log)));
    wp_buf_free(&whole.log);
    wp_buf_free(&pieces.log);
    return 0;
}
