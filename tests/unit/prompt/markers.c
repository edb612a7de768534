// Changes to cache markers, byte for byte: nothing but the marker changes, and no prefix hash does.
#include "prompt/markers.h"

#include "tests/support/test.h"

struct subject {
    struct wp_arena *arena;
    struct wp_hash_key key;
    struct wp_request request;
    struct wp_prompt prompt;
    struct wp_marker_edits edits;
};

static struct subject read(const char *body)
{
    struct subject s = {.arena = wp_arena_create(0)};
    const char *detail;
    size_t offset;
    wp_hash_key_init(&s.key, WP_VIEW("a seed of thirty-two bytes, fixed"));
    assert_ok(wp_request_scan(s.arena, wp_view_of(body), &s.request, &detail, &offset));
    const struct wp_chain_options options = {.key = &s.key};
    assert_ok(wp_chain_build(s.arena, &s.request, &options, &s.prompt));
    return s;
}

static wp_view spliced(struct subject *s, uint32_t target)
{
    struct wp_splice splice;
    struct wp_spans spans;
    wp_splice_init(&splice, s->arena, s->request.body);
    wp_markers_splice(&s->edits, &s->request, target, &splice);
    assert_ok(wp_splice_spans(&splice, &spans));
    return wp_arena_concat(s->arena, spans.list, spans.count);
}

// The edited body's chain: the same hashes, and the breakpoints that the edits promised.
static void same_prompt(struct subject *s, wp_view body)
{
    char text[4096];
    assert_true(body.len < sizeof(text));
    memcpy(text, body.ptr, body.len);
    text[body.len] = '\0';
    struct subject after = read(text);
    assert_int_equal(after.prompt.count, s->prompt.count);
    for (uint32_t i = 0; i < s->prompt.count; i++) {
        assert_true(wp_hash128_eq(after.prompt.blocks[i].prefix, s->prompt.blocks[i].prefix));
        assert_int_equal(after.prompt.blocks[i].ttl, s->prompt.blocks[i].ttl);
    }
    assert_int_equal(after.prompt.breakpoint_count, s->prompt.breakpoint_count);
    for (uint32_t i = 0; i < s->prompt.breakpoint_count; i++)
        assert_int_equal(after.prompt.breakpoints[i], s->prompt.breakpoints[i]);
    wp_arena_destroy(after.arena);
}

enum { ALL = WP_MARKERS_TTL | WP_MARKERS_TOP };

static void an_hour_for_every_marker(void **state)
{
    (void)state;
    struct subject s =
        read("{\"model\":\"m\", \"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_control\":"
             "{\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
             "\"text\",\"text\":\"a\",\"cache_control\": {\"type\":\"ephemeral\", \"ttl\":\"5m\"} "
             "}]}]}");
    wp_markers_set_ttl(&s.edits, &s.prompt, WP_TTL_1H);
    wp_view body = spliced(&s, ALL);
    assert_view(
        body,
        "{\"model\":\"m\", \"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_control\":"
        "{\"ttl\":\"1h\",\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"a\",\"cache_control\": {\"type\":\"ephemeral\", "
        "\"ttl\":\"1h\"} }]}]}");
    same_prompt(&s, body);
    // A platform without lifetimes gets the client's bytes.
    assert_true(wp_view_eq(spliced(&s, 0), s.request.body));
    wp_arena_destroy(s.arena);
}

static void five_minutes_where_an_hour_does_not_pay(void **state)
{
    (void)state;
    struct subject s = read(
        "{\"model\":\"m\",\"cache_control\":{\"ttl\":\"1h\",\"type\":\"ephemeral\"},\"messages\":"
        "[{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_int_equal(s.prompt.breakpoint_count, 1);
    wp_markers_set_ttl(&s.edits, &s.prompt, WP_TTL_5M);
    wp_view body = spliced(&s, ALL);
    assert_view(body, "{\"model\":\"m\",\"cache_control\":{\"ttl\":\"5m\",\"type\":\"ephemeral\"},"
                      "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    same_prompt(&s, body);
    wp_arena_destroy(s.arena);
}

static void a_marker_on_an_object_and_on_a_string(void **state)
{
    (void)state;
    struct subject s = read("{\"model\":\"m\",\"system\":\"S\",\"messages\":[{\"role\":\"user\","
                            "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\"}]}]}");
    assert_true(wp_markers_add(&s.edits, &s.request, &s.prompt, 1));
    assert_true(wp_markers_add(&s.edits, &s.request, &s.prompt, 0));
    assert_false(wp_markers_add(&s.edits, &s.request, &s.prompt, 0)); // it has one
    wp_view body = spliced(&s, ALL);
    assert_view(
        body, "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_control\":"
              "{\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{"
              "\"cache_control\":{\"type\":\"ephemeral\"},\"type\":\"tool_result\",\"tool_use_id\":"
              "\"t\"}]}]}");
    same_prompt(&s, body);
    // Both opt-ins together.
    wp_markers_set_ttl(&s.edits, &s.prompt, WP_TTL_1H);
    body = spliced(&s, ALL);
    assert_true(wp_view_contains(body, WP_VIEW("\"ttl\":\"1h\"}}],\"messages\"")));
    same_prompt(&s, body);
    wp_arena_destroy(s.arena);
}

static void longer_lives_stay_first(void **state)
{
    (void)state;
    struct subject s = read(
        "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"S\"}],\"messages\":[{\"role\":"
        "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
        "\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"text\",\"text\":\"b\"}]}]}");
    assert_true(wp_markers_add(&s.edits, &s.request, &s.prompt, 0));
    assert_int_equal(s.prompt.blocks[0].ttl, WP_TTL_1H); // as what follows it
    assert_true(wp_markers_add(&s.edits, &s.request, &s.prompt, 2));
    assert_int_equal(s.prompt.blocks[2].ttl, WP_TTL_5M);
    same_prompt(&s, spliced(&s, ALL));
    wp_arena_destroy(s.arena);
}

static void four_at_most_and_none_where_none_may_stand(void **state)
{
    (void)state;
#define MARKED "{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\"}},"
    struct subject s =
        read("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[" MARKED MARKED MARKED
             "{\"type\":\"thinking\",\"thinking\":\"t\"},"
             "{\"type\":\"text\",\"text\":\"\"},{\"type\":\"server_tool_use\"},"
             "{\"type\":\"text\",\"text\":\"y\"},{\"type\":\"text\",\"text\":\"z\"}"
             "]}]}");
    for (uint32_t i = 3; i < 6; i++)
        assert_false(wp_markers_add(&s.edits, &s.request, &s.prompt, i));
    assert_true(wp_markers_add(&s.edits, &s.request, &s.prompt, 6));
    assert_false(wp_markers_add(&s.edits, &s.request, &s.prompt, 7)); // the fifth
    same_prompt(&s, spliced(&s, ALL));
    wp_arena_destroy(s.arena);
    // The automatic marker takes one of the four; those inside a tool_result do not.
    struct subject t = read(
        "{\"model\":\"m\",\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[{\"role\":"
        "\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":"
        "[" MARKED "{\"type\":\"text\",\"text\":\"x\"}]},{\"type\":\"text\",\"text\":\"y\"}]}]}");
    assert_int_equal(wp_markers_used(&t.request), 1);
    wp_arena_destroy(t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_for_every_marker),
        cmocka_unit_test(five_minutes_where_an_hour_does_not_pay),
        cmocka_unit_test(a_marker_on_an_object_and_on_a_string),
        cmocka_unit_test(longer_lives_stay_first),
        cmocka_unit_test(four_at_most_and_none_where_none_may_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
