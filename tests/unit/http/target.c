// Request targets: one canonical path, whatever the spelling; what hides its meaning is refused.
#include "http/target.h"

#include "tests/support/test.h"

static const struct {
    const char *raw, *path, *query; // path NULL: refused
} ROWS[] = {
    {"/", "/", ""},
    {"/v1/messages", "/v1/messages", ""},
    {"/v1/messages?beta=true", "/v1/messages", "beta=true"},
    {"/v1/messages?", "/v1/messages", ""},
    {"/v1/messages?a=1?b#c", NULL, NULL},
    {"/v1/messages?a=1?b", "/v1/messages", "a=1?b"},
    {"/v1/messages/", "/v1/messages/", ""},
    {"/a-b_c.d:e/f", "/a-b_c.d:e/f", ""},
    {"/v1/%6dessages?x=%20", "/v1/messages", "x=%20"},
    {"/a%20b~c", "/a b~c", ""},
    {"/a b", "/a b", ""}, // llhttp lets no space through
    {"/a/.hidden", "/a/.hidden", ""},
    {"/a/..b/c", "/a/..b/c", ""},
    {"/a/./b", NULL, NULL},
    {"/a/../b", NULL, NULL},
    {"/a/..", NULL, NULL},
    {"/.", NULL, NULL},
    {"/..?x", NULL, NULL},
    {"/%2e%2e/b", NULL, NULL},
    {"/a/%2E./b", NULL, NULL},
    {"//a", NULL, NULL},
    {"/a//b", NULL, NULL},
    {"/a//", NULL, NULL},
    {"/a%2fb", NULL, NULL},
    {"/a%2Fb", NULL, NULL},
    {"/a%5cb", NULL, NULL},
    {"/a\\b", NULL, NULL},
    {"/a%00", NULL, NULL},
    {"/a%0ab", NULL, NULL},
    {"/a%7fb", NULL, NULL},
    {"/a%g0", NULL, NULL},
    {"/a%2", NULL, NULL},
    {"/a#b", NULL, NULL},
    {"/a?b#c", NULL, NULL},
    {"", NULL, NULL},
    {"a/b", NULL, NULL},
    {"?a", NULL, NULL},
    {".", NULL, NULL},
    {"*", "*", ""},
    {"http://host/a?b", "/a", "b"},
    {"HTTPS://host:1/a//b", NULL, NULL},
    {"http://host", "/", ""},
    {"http://u@host/a", NULL, NULL},
    {"http:///a", NULL, NULL},
    {"/model/arn%3Aaws%2Fx/invoke", "/model/arn%3Aaws%2Fx/invoke", ""},
    {"/model/a.b-c:0/invoke", "/model/a.b-c:0/invoke", ""},
    {"/bedrock/model/a%2Fb/invoke", "/bedrock/model/a%2Fb/invoke", ""},
    {"/model/a%00/invoke", NULL, NULL},
    {"/model/../v1/messages", NULL, NULL},
};

static void test_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < WP_COUNT_OF(ROWS); i++) {
        struct wp_arena *arena = wp_arena_create(64 * 1024);
        struct wp_request_head head = {0};
        wp_view raw = wp_arena_copy(arena, wp_view_of(ROWS[i].raw));
        bool taken = wp_target_parse(arena, raw, &head);
        if (taken != (ROWS[i].path != NULL))
            fail_msg("%s: %s", ROWS[i].raw, taken ? "taken" : "refused");
        if (taken) {
            assert_view(head.path, ROWS[i].path);
            assert_view(head.query, ROWS[i].query);
        }
        wp_arena_destroy(arena);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"x", "localhost:4000", "a-b_c.example", "[::1]:80",
                                       "10.0.0.1"};
    static const char *const bad[] = {"",      "a/b", "u@h",   "a b",      "a,b",
                                      "a\\b",  "a?",  "a#",    "a%41",     "a;b",
                                      "\"a\"", "a\t", "a\x7f", "\xc3\xa9", "<a>"};
    for (size_t i = 0; i < WP_COUNT_OF(good); i++)
        assert_true(wp_host_valid(wp_view_of(good[i])));
    for (size_t i = 0; i < WP_COUNT_OF(bad); i++)
        assert_false(wp_host_valid(wp_view_of(bad[i])));
    assert_false(wp_host_valid((wp_view){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
