// A body that arrives in pieces is read as the whole is, wherever they end.
#include "prompt/request.h"

#include "base/buf.h"
#include "tests/support/same_request.h"
#include "tests/support/test.h"

static const char *const BODIES[] = {
    "{\"model\":\"m\",\"max_tokens\":1024,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
    " { \"max_tokens\" : 10 , \"model\" : \"m\\u00e9\" , \"stream\" : true , \"messages\" : [ { "
    "\"content\" : [ ] , \"role\" : \"user\" } ] } ",
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a \\\"b\\\" "
    "\\\\\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"image\","
    "\"source\":{}}]},{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"input\":{\"a\":[1,2.5e3,"
    "null]}}],\"role\":\"assistant\"},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
    "\"content\":[{\"type\":\"text\",\"text\":\"\xC3\xA9\",\"cache_control\":{\"type\":"
    "\"ephemeral\"}}]},{\"type\":\"document\",\"citations\":{\"enabled\":true}}]}],\"system\":[{"
    "\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\",\"scope\":"
    "\"global\"}}],\"tools\":[{\"name\":\"x\",\"input_schema\":{}},{\"name\":\"y\"}],\"metadata\":{"
    "\"user_id\":\"{\\\"session_id\\\":\\\"abcdefgh\\\"}\"},\"thinking\":{\"type\":\"enabled\"},"
    "\"cache_control\":{\"type\":\"ephemeral\"},\"model\":\"m\",\"model\":\"n\",\"messages\":["
    "{\"role\":\"user\",\"content\":\"again\"}],\"stream\":false,\"max_tokens\":12}",
    // what is wrong is wrong in the same place
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"},,]}]}",
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"max_tokens\":01}",
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}",
    "{\"model\":\"m\",\"messages\":{},\"system\":7,\"tools\":nul}",
    "{\"model\":\"m\",\"tools\":null,\"system\":null,\"messages\":[1,{\"content\":2}]}",
    "[{\"model\":\"m\"}]",
    "{\"model\":\"m\",\"messages\":[]} x",
    "{\"model\":\"m\",\"messages\":[",
    "",
};

static void pieces_read_as_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < WP_COUNT_OF(BODIES); i++) {
        wp_view body = wp_view_of(BODIES[i]);
        for (size_t first = 0; first <= body.len; first++) // two pieces
            if (!same_in_pieces(body, first, body.len + 1))
                fail_msg("body %zu differs when cut at %zu", i, first);
        for (size_t every = 1; every < 40; every++) // many
            for (size_t first = 1; first <= every; first++)
                if (!same_in_pieces(body, first, every))
                    fail_msg("body %zu differs in pieces of %zu from %zu on", i, every, first);
    }
}

// What is there is read when it comes: little is left for the end, and nothing is read again and
// again while one large block arrives.
static void most_is_read_before_the_end(void **state)
{
    (void)state;
    enum { BLOCKS = 200, TEXT = 1000 };
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_buf body = wp_buf_make(1024 * 1024);
    char text[TEXT + 1];
    memset(text, 'x', TEXT);
    text[TEXT] = '\0';
    wp_buf_append_cstring(&body,
                          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}");
    for (int i = 0; i < BLOCKS; i++)
        wp_buf_printf(
            &body, ",{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}", text);
    wp_buf_append_cstring(&body, "]}");
    struct wp_request_reader *reader = wp_request_begin(arena, body.ptr);
    assert_non_null(reader);
    size_t before = wp_arena_used(arena);
    wp_request_more(reader, body.len - 10);
    size_t found = wp_arena_used(arena) - before;
    assert_true(found > BLOCKS * sizeof(struct wp_request_block)); // all blocks but the last
    for (size_t at = body.len - 9; at < body.len; at++)
        wp_request_more(reader, at);
    assert_int_equal(wp_arena_used(arena) - before, found);
    struct wp_request request;
    const char *detail;
    size_t offset;
    assert_ok(wp_request_end(reader, body.len, &request, &detail, &offset));
    assert_int_equal(request.block_count, BLOCKS + 1);
    wp_buf_free(&body);
    wp_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_read_as_the_whole),
        cmocka_unit_test(most_is_read_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
