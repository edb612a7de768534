// Lists of header fields: names in any case, what belongs to one connection, what a value may hold.
#include "tests/support/test.h"

#include "http/headers.h"

static struct wp_headers list_of(struct wp_arena *arena, const char *const (*fields)[2],
                                 size_t count)
{
    struct wp_headers headers;
    wp_headers_init(&headers, arena);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            wp_headers_add(&headers, wp_view_of(fields[i][0]), wp_view_of(fields[i][1])), WP_OK);
    return headers;
}

static void test_names_in_any_case(void **state)
{
    (void)state;
    static const char *const fields[][2] = {
        {"Host", "a"},       {"X-Api-Key", "k"},    {"CONTENT-LENGTH", "5"},
        {"accept", "first"}, {"Accept", "later"},   {"x-[", "b"},
        {"te", ""},          {"Content-Type", "t"}, {"X-Ninth", "9"},
        {"x-tenth", "10"}};
    struct wp_arena *arena = wp_arena_create(64 * 1024);
    struct wp_headers headers = list_of(arena, fields, WP_COUNT_OF(fields));
    assert_view(wp_headers_get(&headers, "host"), "a");
    assert_view(wp_headers_get(&headers, "HOST"), "a");
    assert_view(wp_headers_get(&headers, "x-api-key"), "k");
    assert_view(wp_headers_get(&headers, "content-length"), "5");
    assert_view(wp_headers_get(&headers, "accept"), "first");
    assert_view(wp_headers_get(&headers, "x-ninth"), "9");
    assert_view(wp_headers_get(&headers, "x-tenth"), "10");
    assert_false(wp_headers_has(&headers, "x-{")); // a letter's bit, but no letter
    assert_true(wp_headers_has(&headers, "TE"));
    assert_false(wp_headers_has(&headers, "tee"));
    assert_false(wp_headers_has(&headers, ""));
    assert_view(wp_headers_joined(&headers, "ACCEPT", arena), "first,later");
    wp_headers_clear(&headers);
    assert_false(wp_headers_has(&headers, "host"));
    assert_int_equal(wp_headers_add(&headers, WP_VIEW("via"), WP_VIEW("1")), WP_OK);
    assert_view(wp_headers_get(&headers, "Via"), "1");
    wp_arena_destroy(arena);
}

static void test_hop_by_hop(void **state)
{
    (void)state;
    static const char *const fields[][2] = {
        {"Connection", "keep-alive, X-Mine"}, {"x-other", "1"}, {"connection", "x-also"}};
    static const char *const own[] = {"Connection",
                                      "Keep-Alive",
                                      "TE",
                                      "trailer",
                                      "Upgrade",
                                      "transfer-encoding",
                                      "proxy-authorization",
                                      "Proxy-Connection",
                                      "proxy-authenticate"};
    struct wp_arena *arena = wp_arena_create(64 * 1024);
    struct wp_headers headers = list_of(arena, fields, WP_COUNT_OF(fields)), none;
    wp_headers_init(&none, arena);
    for (size_t i = 0; i < WP_COUNT_OF(own); i++)
        assert_true(wp_headers_is_hop_by_hop(&none, wp_view_of(own[i])));
    assert_true(wp_headers_is_hop_by_hop(&headers, WP_VIEW("x-mine")));
    assert_true(wp_headers_is_hop_by_hop(&headers, WP_VIEW("X-Also")));
    assert_false(wp_headers_is_hop_by_hop(&headers, WP_VIEW("x-other")));
    assert_false(wp_headers_is_hop_by_hop(&none, WP_VIEW("x-mine")));
    wp_arena_destroy(arena);
}

// Each byte in each place of values of each length up to some words.
static void test_control_bytes(void **state)
{
    (void)state;
    char text[40];
    assert_true(wp_header_value_valid(WP_VIEW("")));
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(text, 'x', len);
                text[at] = (char)byte;
                bool valid = (byte >= 0x20 || byte == '\t') && byte != 0x7f;
                assert_int_equal(wp_header_value_valid(wp_view_make(text, len)), valid);
            }
        }
    }
}

// A field that would end its line early is left out, the others are not touched by it.
static void test_written(void **state)
{
    (void)state;
    struct wp_buf out = wp_buf_make(256);
    wp_header_write(&out, WP_VIEW("a"), WP_VIEW("1"));
    wp_header_write(&out, WP_VIEW("bad"), WP_VIEW("x\r\ninjected: 1"));
    wp_header_write(&out, WP_VIEW("bad\nname"), WP_VIEW("x"));
    wp_header_write(&out, WP_VIEW("empty"), (wp_view){NULL, 0});
    wp_header_write(&out, WP_VIEW("nul"), wp_view_make("a\0b", 3));
    wp_header_write(&out, WP_VIEW("long"), WP_VIEW("tab\tand \xc3\xa9 in a value of some words"));
    assert_view(wp_buf_view(&out),
                "a: 1\r\nempty: \r\nlong: tab\tand \xc3\xa9 in a value of some words\r\n");
    wp_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_in_any_case),
        cmocka_unit_test(test_hop_by_hop),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
