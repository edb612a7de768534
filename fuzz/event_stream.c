// AWS event stream: arbitrary frames in any cutting; and what the encoder writes the decoder reads.
//
// Input: one byte that cuts, then frames. The mutator gives mutated frames right checksums most of
// the time, so that what lies behind the checks is reached.
#include "fuzz/support.h"

#include "base/codec.h"
#include "http/event_stream.h"

enum { PRELUDE = 12, TRAILER = 4 };

struct witness {
    struct wp_buf log;
};

static bool on_message(void *arg, const struct wp_event_message *message)
{
    struct witness *witness = arg;
    const wp_view fields[] = {
        message->message_type,  message->event_type,   message->exception_type, message->error_code,
        message->error_message, message->content_type, message->payload};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        wp_buf_append(&witness->log, fields[i]);
        wp_buf_append_char(&witness->log, '\x01');
    }
    return true;
}

static enum wp_err parse(wp_view bytes, size_t step, struct witness *witness)
{
    struct wp_event_stream stream;
    enum wp_err err = WP_OK;
    wp_event_stream_init(&stream);
    witness->log = wp_buf_make(64 * 1024 * 1024);
    while (bytes.len > 0 && err == WP_OK) {
        wp_view piece = fuzz_copy(wp_view_sub(bytes, 0, step));
        err = wp_event_stream_feed(&stream, piece, on_message, witness);
        bytes = wp_view_skip(bytes, piece.len);
        fuzz_free(piece);
    }
    if (err == WP_OK)
        wp_buf_append_cstring(&witness->log, wp_event_stream_partial(&stream) ? "cut" : "whole");
    wp_event_stream_free(&stream);
    return err;
}

// A message with the input as its payload comes back as it was.
static void round_trip(wp_view bytes)
{
    struct wp_buf frame = wp_buf_make(64 * 1024 * 1024), expected = wp_buf_make(64 * 1024 * 1024);
    struct witness seen;
    wp_view type = wp_view_sub(bytes, 0, bytes.len % 200);
    const struct wp_event_header headers[] = {{WP_VIEW(":event-type"), type},
                                              {WP_VIEW(":message-type"), WP_VIEW("event")}};
    const struct wp_event_message message = {
        .message_type = WP_VIEW("event"), .event_type = type, .payload = bytes};
    struct witness wanted = {.log = expected};
    wp_event_stream_encode(&frame, headers, 2, bytes);
    on_message(&wanted, &message);
    wp_buf_append_cstring(&wanted.log, "whole");
    FUZZ_CHECK(parse(wp_buf_view(&frame), SIZE_MAX, &seen) == WP_OK);
    FUZZ_CHECK(wp_view_eq(wp_buf_view(&seen.log), wp_buf_view(&wanted.log)));
    wp_buf_free(&frame);
    wp_buf_free(&seen.log);
    wp_buf_free(&wanted.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct witness whole, pieces;
    wp_view bytes = fuzz_view(data, size);
    uint8_t cut = fuzz_byte(&bytes);
    enum wp_err one = parse(bytes, SIZE_MAX, &whole);
    enum wp_err two = parse(bytes, 1 + cut % 16, &pieces);
    FUZZ_CHECK(one == two);
    FUZZ_CHECK(wp_view_eq(wp_buf_view(&whole.log), wp_buf_view(&pieces.log)));
    wp_buf_free(&whole.log);
    wp_buf_free(&pieces.log);
    round_trip(bytes);
    return 0;
}

#ifdef __clang__ // the mutator belongs to libFuzzer
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// Makes the first frame's lengths plausible and the checksums of all frames right.
static void repair(uint8_t *data, size_t size)
{
    while (size >= PRELUDE + TRAILER) {
        uint32_t total = get_u32(data), headers = get_u32(data + 4);
        if (total < PRELUDE + TRAILER || total > size)
            put_u32(data, total = (uint32_t)size);
        if (headers > total - PRELUDE - TRAILER)
            put_u32(data + 4, headers % (total - PRELUDE - TRAILER + 1));
        put_u32(data + 8, wp_crc32(0, fuzz_view(data, 8)));
        put_u32(data + total - TRAILER, wp_crc32(0, fuzz_view(data, total - TRAILER)));
        data += total;
        size -= total;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    if (size > 1 && seed % 8 != 0)
        repair(data + 1, size - 1);
    return size;
}
#endif
