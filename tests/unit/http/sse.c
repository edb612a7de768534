// Server-sent events in any splitting.
#include "tests/support/test.h"

#include "http/sse.h"

struct log {
    struct wp_buf text;
    size_t stop_after, events;
};

static bool note(void *arg, const struct wp_sse_event *event)
{
    struct log *log = arg;
    wp_buf_printf(&log->text, "[%.*s|%.*s|%zu]", WP_VIEW_ARG(event->name), WP_VIEW_ARG(event->data),
                  event->raw.len);
    return ++log->events != log->stop_after;
}

static void check_cut(wp_view all, size_t first, size_t second, const char *expected)
{
    struct wp_sse sse;
    struct log log = {.text = wp_buf_make(4096)};
    wp_sse_init(&sse, 4096);
    assert_ok(wp_sse_feed(&sse, wp_view_sub(all, 0, first), note, &log));
    assert_ok(wp_sse_feed(&sse, wp_view_sub(all, first, second), note, &log));
    assert_ok(wp_sse_feed(&sse, wp_view_skip(all, second), note, &log));
    assert_view(wp_buf_view(&log.text), expected);
    wp_sse_free(&sse);
    wp_buf_free(&log.text);
}

static void check(const char *stream, const char *expected)
{
    wp_view all = wp_view_of(stream);
    for (size_t first = 0; first <= all.len; first++)
        for (size_t second = first; second <= all.len; second++)
            check_cut(all, first, second, expected);
}

static void test_forms(void **state)
{
    (void)state;
    check("event: a\ndata: 1\n\n", "[a|1|18]");
    check("event: a\r\ndata: 1\r\n\r\nx", "[a|1|21]");
    check("data:1\n\ndata: 2\n\n", "[|1|8][|2|9]");
    check("data: 1\ndata: 2\n\n", "[|1\n2|17]");
    check("\xEF\xBB\xBF"
          "data: 1\n\n",
          "[|1|9]");
    check(": a comment\n\n", "[||13]");
    check("id: 7\nretry: 5\nevent:b\ndata\n\n", "[b||29]");
    check("data: no end\n", "");
    check("data: 1\r\rdata: 2\r\rx", "[|1|9][|2|9]");
    check("data: 1\n\rdata\rdata:\r\n\n\n", "[|1|9][|\n|13][||1]");
    check("event\ndatas: 1\ndat: 2\neventually: 3\n data: 4\n\n", "[||46]");
    check("event: a\ndata: {\"t\":\"x: y\"}\n\n", "[a|{\"t\":\"x: y\"}|29]");
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    const char *stream = "event: one\r\ndata: 1\r\n\r\nevent: two\ndata: 2\ndata: 3\n\n";
    struct wp_sse sse;
    struct log log = {.text = wp_buf_make(4096)};
    wp_sse_init(&sse, 4096);
    for (size_t i = 0; stream[i] != '\0'; i++)
        assert_ok(wp_sse_feed(&sse, wp_view_make(stream + i, 1), note, &log));
    assert_view(wp_buf_view(&log.text), "[one|1|23][two|2\n3|28]");
    assert_int_equal(wp_sse_pending(&sse).len, 0);
    wp_sse_free(&sse);
    wp_buf_free(&log.text);
}

static void test_bounds(void **state)
{
    (void)state;
    struct wp_sse sse;
    struct log log = {.text = wp_buf_make(4096)};
    char long_line[64];
    memset(long_line, 'x', sizeof(long_line));
    wp_sse_init(&sse, 32);
    assert_err(wp_sse_feed(&sse, wp_view_make(long_line, sizeof(long_line)), note, &log),
               WP_ERR_PROTOCOL);
    wp_sse_free(&sse);
    wp_sse_init(&sse, 32);
    assert_ok(wp_sse_feed(&sse, wp_view_make(long_line, 20), note, &log));
    assert_err(wp_sse_feed(&sse, wp_view_make(long_line, 20), note, &log), WP_ERR_PROTOCOL);
    wp_sse_free(&sse);
    // The callback stops: what follows is dropped.
    wp_sse_init(&sse, 4096);
    log.stop_after = 1;
    assert_ok(wp_sse_feed(&sse, WP_VIEW("data: 1\n\ndata: 2\n\n"), note, &log));
    assert_int_equal(log.events, 1);
    wp_sse_free(&sse);
    wp_buf_free(&log.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
