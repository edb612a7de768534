// The prompt as a chain of prefix hashes: what counts, and what does not.
#include "prompt/chain.h"

#include "tests/support/test.h"

static struct wp_hash_key key;

static struct wp_prompt chain(struct wp_arena *arena, const char *body)
{
    struct wp_request *request = wp_arena_alloc(arena, sizeof(*request));
    struct wp_prompt prompt;
    const char *detail;
    size_t offset;
    enum wp_err err = wp_request_scan(arena, wp_view_of(body), request, &detail, &offset);
    if (err != WP_OK)
        print_error("%s at %zu\n", detail, offset);
    assert_ok(err);
    const struct wp_chain_options options = {.key = &key, .collapse_tool_runs = true};
    assert_ok(wp_chain_build(arena, request, &options, &prompt));
    return prompt;
}

static struct wp_hash128 last(const struct wp_prompt *prompt)
{
    assert_true(prompt->count > 0);
    return prompt->blocks[prompt->count - 1].prefix;
}

#define USER(content)          "{\"role\":\"user\",\"content\":" content "}"
#define BODY(before, messages) "{\"model\":\"m\"," before "\"messages\":[" messages "]}"
#define MARK                   "\"cache_control\":{\"type\":\"ephemeral\"}"

static bool same(const char *one, const char *two)
{
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt a = chain(arena, one), b = chain(arena, two);
    bool equal = wp_hash128_eq(last(&a), last(&b));
    wp_arena_destroy(arena);
    return equal;
}

static void a_marker_is_not_hashed_wherever_it_stands(void **state)
{
    (void)state;
    const char *bare = BODY("", USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"a\"}]"));
    assert_true(
        same(bare, BODY("", USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"a\"," MARK "}]"))));
    assert_true(
        same(bare, BODY("", USER("[{" MARK ",\"type\":\"tool_result\",\"tool_use_id\":\"a\"}]"))));
    assert_true(
        same(bare, BODY("", USER("[{\"type\":\"tool_result\"," MARK ",\"tool_use_id\":\"a\"}]"))));
    assert_true(same(bare, BODY(MARK ",", USER("[{\"type\":\"tool_result\",\"tool_use_id\":"
                                               "\"a\"}]"))));
    assert_false(same(bare, BODY("", USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"b\"}]"))));
}

static void a_string_equals_its_one_block_form(void **state)
{
    (void)state;
    const char *string = BODY("\"system\":\"S\",", USER("\"hello\""));
    assert_true(same(string, BODY("\"system\":[{\"type\":\"text\",\"text\":\"S\"}],",
                                  USER("[{\"type\":\"text\",\"text\":\"hello\"}]"))));
    assert_true(same(string, BODY("\"system\":[{\"type\":\"text\",\"text\":\"S\"," MARK "}],",
                                  USER("[{\"text\":\"hello\",\"type\":\"text\"," MARK "}]"))));
    assert_false(same(string, BODY("\"system\":\"S\",", USER("\"hello!\""))));
    // A further member makes it another block.
    assert_false(same(string, BODY("\"system\":\"S\",", USER("[{\"type\":\"text\",\"text\":"
                                                             "\"hello\",\"citations\":[]}]"))));
}

static void the_billing_block_is_not_hashed(void **state)
{
    (void)state;
#define BILLING "{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=1\"}"
    const char *without = BODY("\"system\":[{\"type\":\"text\",\"text\":\"S\"}],", USER("\"a\""));
    assert_true(same(without, BODY("\"system\":[" BILLING ",{\"type\":\"text\",\"text\":\"S\"}],",
                                   USER("\"a\""))));
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt prompt = chain(
        arena, BODY("\"system\":[" BILLING ",{\"type\":\"text\",\"text\":\"S\"}],", USER("\"a\"")));
    assert_int_equal(prompt.count, 2);
    assert_int_equal(prompt.system_end, 1);
    wp_arena_destroy(arena);
}

static void provider_order_whatever_the_bodys(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt prompt = chain(
        arena, "{\"messages\":[" USER("\"a\"") "],\"system\":\"S\",\"tools\":[{\"name\":\"t\"}],"
                                               "\"model\":\"m\"}");
    assert_int_equal(prompt.count, 3);
    assert_int_equal(prompt.blocks[0].tier, WP_TIER_TOOLS);
    assert_int_equal(prompt.blocks[1].tier, WP_TIER_SYSTEM);
    assert_int_equal(prompt.blocks[2].tier, WP_TIER_MESSAGES);
    assert_int_equal(prompt.system_end, 2);
    assert_true(wp_hash128_eq(prompt.head, prompt.blocks[1].prefix));
    assert_true(wp_hash128_eq(prompt.first_user, prompt.blocks[2].prefix));
    wp_arena_destroy(arena);
    assert_true(same("{\"messages\":[" USER("\"a\"") "],\"system\":\"S\",\"model\":\"m\"}",
                     "{\"model\":\"m\",\"system\":\"S\",\"messages\":[" USER("\"a\"") "]}"));
}

static void tiers_and_roles_are_apart(void **state)
{
    (void)state;
    assert_false(same(BODY("\"system\":\"S\",", USER("\"a\"")),
                      BODY("", USER("[{\"type\":\"text\",\"text\":\"S\"},{\"type\":\"text\","
                                    "\"text\":\"a\"}]"))));
    assert_false(same(BODY("", USER("\"a\"") ",{\"role\":\"assistant\",\"content\":\"b\"}"),
                      BODY("", USER("\"a\"") "," USER("\"b\""))));
    // Two texts that run together are not one.
    assert_false(same(BODY("", USER("[{\"type\":\"text\",\"text\":\"ab\"},{\"type\":\"text\","
                                    "\"text\":\"c\"}]")),
                      BODY("", USER("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
                                    "\"text\":\"bc\"}]"))));
}

static void an_earlier_prefix_is_the_same_prefix(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt one = chain(arena, BODY("\"system\":\"S\",", USER("\"a\"")));
    struct wp_prompt two = chain(
        arena, BODY("\"system\":\"S\",\"max_tokens\":5,\"metadata\":{\"user_id\":\"u\"},\"stream\":"
                    "true,",
                    USER("\"a\"") ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
                                  "\"thinking\":\"t\"},{\"type\":\"text\",\"text\":\"b\"}]}," USER(
                                      "[{\"type\":\"tool_result\",\"tool_use_id\":\"x\"}]")));
    assert_true(wp_hash128_eq(last(&one), two.blocks[1].prefix));
    assert_true(wp_hash128_eq(one.first_user, two.first_user));
    assert_false(one.has_thinking_in_history || one.in_tool_loop);
    assert_true(two.has_thinking_in_history && two.in_tool_loop);
    assert_true(two.thinking_tokens > 5);
    for (uint32_t i = 1; i < two.count; i++)
        assert_true(two.blocks[i].tokens >= two.blocks[i - 1].tokens);
    wp_arena_destroy(arena);
}

static void breakpoints_are_what_the_provider_sees(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    // Tools, system, a marker inside a tool_result (which is none) and one of an hour.
    struct wp_prompt prompt = chain(
        arena,
        BODY("\"tools\":[{\"name\":\"t\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}"
             "],\"system\":[{\"type\":\"text\",\"text\":\"S\"," MARK "}],",
             USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"x\",\"content\":[{\"type\":"
                  "\"text\",\"text\":\"r\"," MARK "}]},{\"type\":\"text\",\"text\":\"a\"," MARK
                  "}]")));
    assert_int_equal(prompt.breakpoint_count, 3);
    assert_int_equal(prompt.breakpoints[0], 0);
    assert_int_equal(prompt.breakpoints[1], 1);
    assert_int_equal(prompt.breakpoints[2], 3);
    assert_int_equal(prompt.blocks[0].ttl, WP_TTL_1H);
    assert_int_equal(prompt.blocks[1].ttl, WP_TTL_5M);
    assert_int_equal(prompt.blocks[2].ttl, WP_TTL_NONE);
    // The automatic one stands on the last block that can carry one.
    prompt = chain(arena, BODY(MARK ",", USER("\"a\"") ",{\"role\":\"assistant\",\"content\":[{"
                                                       "\"type\":\"text\",\"text\":\"b\"},{"
                                                       "\"type\":\"thinking\",\"thinking\":\"t\"}"
                                                       "]}"));
    assert_int_equal(prompt.breakpoint_count, 1);
    assert_int_equal(prompt.breakpoints[0], 1);
    wp_arena_destroy(arena);
}

static void runs_of_tool_blocks_share_a_position(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
#define USE    "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\",\"input\":{}}"
#define RESULT "{\"type\":\"tool_result\",\"tool_use_id\":\"a\"}"
    struct wp_prompt prompt = chain(
        arena, BODY("", USER("\"a\"") ",{\"role\":\"assistant\",\"content\":[" USE "," USE "," USE
                                      "]}," USER("[" RESULT "," RESULT ",{\"type\":\"text\","
                                                 "\"text\":\"b\"}," RESULT "]")));
    static const bool joins[] = {false, false, true, true, false, true, false, false};
    static const uint32_t positions[] = {1, 2, 2, 2, 3, 3, 4, 5};
    assert_int_equal(prompt.count, WP_COUNT_OF(joins));
    for (uint32_t i = 0; i < prompt.count; i++) {
        assert_int_equal(prompt.blocks[i].joins, joins[i]);
        assert_int_equal(prompt.blocks[i].position, positions[i]);
    }
    wp_arena_destroy(arena);
}

static void another_seed_names_them_otherwise(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt one = chain(arena, BODY("", USER("\"a\"")));
    wp_hash_key_init(&key, WP_VIEW("another seed of thirty-two bytes"));
    struct wp_prompt two = chain(arena, BODY("", USER("\"a\"")));
    assert_false(wp_hash128_eq(last(&one), last(&two)));
    wp_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_is_not_hashed_wherever_it_stands),
        cmocka_unit_test(a_string_equals_its_one_block_form),
        cmocka_unit_test(the_billing_block_is_not_hashed),
        cmocka_unit_test(provider_order_whatever_the_bodys),
        cmocka_unit_test(tiers_and_roles_are_apart),
        cmocka_unit_test(an_earlier_prefix_is_the_same_prefix),
        cmocka_unit_test(breakpoints_are_what_the_provider_sees),
        cmocka_unit_test(runs_of_tool_blocks_share_a_position),
        cmocka_unit_test(another_seed_names_them_otherwise),
    };
    wp_hash_key_init(&key, WP_VIEW("thirty-two bytes of a fixed seed"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
