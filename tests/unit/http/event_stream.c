// AWS event stream frames: every split, every flipped bit, lengths that lie.
#include "tests/support/test.h"

#include <arpa/inet.h>

#include "base/codec.h"
#include "http/event_stream.h"

struct log {
    struct wp_buf text;
    size_t count;
};

static bool note(void *arg, const struct wp_event_message *m)
{
    struct log *log = arg;
    log->count++;
    wp_buf_printf(&log->text, "[%.*s|%.*s|%.*s|%.*s]", WP_VIEW_ARG(m->message_type),
                  WP_VIEW_ARG(m->event_type), WP_VIEW_ARG(m->exception_type),
                  WP_VIEW_ARG(m->payload));
    return true;
}

static void sample(struct wp_buf *out)
{
    const struct wp_event_header chunk[] = {
        {WP_VIEW(":message-type"), WP_VIEW("event")},
        {WP_VIEW(":event-type"), WP_VIEW("chunk")},
        {WP_VIEW(":content-type"), WP_VIEW("application/json")},
    };
    const struct wp_event_header exception[] = {
        {WP_VIEW(":message-type"), WP_VIEW("exception")},
        {WP_VIEW(":exception-type"), WP_VIEW("throttlingException")},
    };
    *out = wp_buf_make(65536);
    wp_event_stream_encode(out, chunk, 3, WP_VIEW("{\"bytes\":\"YQ==\"}"));
    wp_event_stream_encode(out, chunk, 3, WP_VIEW(""));
    wp_event_stream_encode(out, exception, 2, WP_VIEW("{\"message\":\"slow\"}"));
    assert_true(wp_buf_ok(out));
}

static const char *const expected = "[event|chunk||{\"bytes\":\"YQ==\"}][event|chunk||]"
                                    "[exception||throttlingException|{\"message\":\"slow\"}]";

static void test_every_split(void **state)
{
    (void)state;
    struct wp_buf frames;
    sample(&frames);
    wp_view all = wp_buf_view(&frames);
    for (size_t cut = 0; cut <= all.len; cut++) {
        struct wp_event_stream stream;
        struct log log = {.text = wp_buf_make(4096)};
        wp_event_stream_init(&stream);
        assert_ok(wp_event_stream_feed(&stream, wp_view_sub(all, 0, cut), note, &log));
        assert_ok(wp_event_stream_feed(&stream, wp_view_skip(all, cut), note, &log));
        assert_view(wp_buf_view(&log.text), expected);
        assert_false(wp_event_stream_partial(&stream));
        wp_event_stream_free(&stream);
        wp_buf_free(&log.text);
    }
    wp_buf_free(&frames);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    struct wp_buf frames;
    struct wp_event_stream stream;
    struct log log = {.text = wp_buf_make(4096)};
    sample(&frames);
    wp_event_stream_init(&stream);
    for (size_t i = 0; i < frames.len; i++) {
        assert_ok(wp_event_stream_feed(&stream, wp_view_make(frames.ptr + i, 1), note, &log));
        if (i + 1 < frames.len && log.count == 0)
            assert_true(wp_event_stream_partial(&stream));
    }
    assert_view(wp_buf_view(&log.text), expected);
    wp_event_stream_free(&stream);
    wp_buf_free(&log.text);
    wp_buf_free(&frames);
}

// A flipped bit anywhere in the first frame is found by one of its two checksums; the frame is
// never reported.
static void test_every_flipped_bit(void **state)
{
    (void)state;
    struct wp_buf frames;
    sample(&frames);
    size_t first = (size_t)ntohl(*(const uint32_t *)(const void *)frames.ptr);
    for (size_t bit = 0; bit < first * 8; bit++) {
        struct wp_event_stream stream;
        struct log log = {.text = wp_buf_make(4096)};
        char *copy = malloc(frames.len);
        assert_non_null(copy);
        memcpy(copy, frames.ptr, frames.len);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
        wp_event_stream_init(&stream);
        enum wp_err err = wp_event_stream_feed(&stream, wp_view_make(copy, frames.len), note, &log);
        assert_true(err == WP_ERR_PROTOCOL || log.count == 0);
        assert_int_equal(log.count, 0);
        wp_event_stream_free(&stream);
        wp_buf_free(&log.text);
        free(copy);
    }
    wp_buf_free(&frames);
}

static void put_u32(struct wp_buf *buf, uint32_t value)
{
    uint32_t big = htonl(value);
    wp_buf_append(buf, wp_view_make((const char *)&big, 4));
}

// A frame by hand: total and header length as told, with a right prelude checksum.
static void check_lie(uint32_t total, uint32_t header_len)
{
    struct wp_event_stream stream;
    struct log log = {.text = wp_buf_make(4096)};
    struct wp_buf frame = wp_buf_make(4096);
    put_u32(&frame, total);
    put_u32(&frame, header_len);
    put_u32(&frame, wp_crc32(0, wp_buf_view(&frame)));
    for (int i = 0; i < 64; i++)
        wp_buf_append_char(&frame, 'x');
    wp_event_stream_init(&stream);
    assert_err(wp_event_stream_feed(&stream, wp_buf_view(&frame), note, &log), WP_ERR_PROTOCOL);
    assert_int_equal(log.count, 0);
    wp_event_stream_free(&stream);
    wp_buf_free(&frame);
    wp_buf_free(&log.text);
}

static void test_lengths_that_lie(void **state)
{
    (void)state;
    check_lie(0, 0);
    check_lie(15, 0);
    check_lie(UINT32_MAX, 0);
    check_lie(WP_EVENT_STREAM_FRAME_MAX + 1, 0);
    check_lie(32, 17);
    check_lie(WP_EVENT_STREAM_FRAME_MAX, WP_EVENT_STREAM_HEADERS_MAX + 1);
    check_lie(64, 48); // headers that are no headers
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_lengths_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
