// Usage as providers report it: each field replaces, none adds.
#include "../../support/test.h"

#include "prompt/usage.h"

static struct wp_usage applied(const char *const *objects, size_t count)
{
    struct wp_usage usage = {0};
    for (size_t i = 0; i < count; i++)
        wp_usage_apply(&usage, wp_view_of(objects[i]));
    return usage;
}

#define APPLY(...)                              \
    applied((const char *const[]){__VA_ARGS__}, \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

// message_delta repeats the totals of message_start: the last word counts.
static void test_cumulative(void **state)
{
    (void)state;
    struct wp_usage usage =
        APPLY("{\"input_tokens\":10,\"cache_read_input_tokens\":500,\"output_tokens\":1}",
              "{\"output_tokens\":40}", "{\"input_tokens\":12,\"output_tokens\":90}");
    assert_true(usage.seen);
    assert_int_equal(usage.input, 12);
    assert_int_equal(usage.cache_read, 500);
    assert_int_equal(usage.output, 90);
    assert_int_equal(wp_usage_prompt(&usage), 512);
}

static void test_writes(void **state)
{
    (void)state;
    struct wp_usage usage =
        APPLY("{\"cache_creation_input_tokens\":300,\"cache_creation\":{"
              "\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":200}}");
    assert_int_equal(usage.cache_write_5m, 100);
    assert_int_equal(usage.cache_write_1h, 200);
    // the same total again, without its parts, leaves them; another total is five minutes'
    wp_usage_apply(&usage, WP_VIEW("{\"cache_creation_input_tokens\":300}"));
    assert_int_equal(usage.cache_write_1h, 200);
    wp_usage_apply(&usage, WP_VIEW("{\"cache_creation_input_tokens\":50}"));
    assert_int_equal(usage.cache_write_5m, 50);
    assert_int_equal(usage.cache_write_1h, 0);
}

static void test_names_and_tools(void **state)
{
    (void)state;
    struct wp_usage usage =
        APPLY("{\"input_tokens\":1,\"service_tier\":\"priority\",\"speed\":\"fast\","
              "\"inference_geo\":\"us\",\"server_tool_use\":{\"web_search_requests\":3,"
              "\"web_fetch_requests\":2}}",
              "{\"output_tokens\":null,\"speed\":\"\",\"service_tier\":"
              "\"a name that is longer than its room\"}");
    assert_string_equal(usage.service_tier, "a name that is ");
    assert_string_equal(usage.speed, "fast");
    assert_string_equal(usage.inference_geo, "us");
    assert_int_equal(usage.web_search_requests, 3);
    assert_int_equal(usage.web_fetch_requests, 2);
}

// The message is in the totals; the rest is not, and the last list replaces the one before.
static void test_iterations(void **state)
{
    (void)state;
    static const char first[] =
        "{\"input_tokens\":10,\"iterations\":[{\"type\":\"compaction\",\"input_tokens\":1000,"
        "\"output_tokens\":70},{\"type\":\"message\",\"input_tokens\":10,\"output_tokens\":5}]}";
    struct wp_usage usage = APPLY(first, first);
    assert_int_equal(usage.input, 10);
    assert_int_equal(usage.side.input, 1000);
    assert_int_equal(usage.side.output, 70);
    usage = APPLY("{\"iterations\":[{\"type\":\"advisor\",\"cache_read_input_tokens\":7,"
                  "\"cache_creation_input_tokens\":30,\"cache_creation\":{"
                  "\"ephemeral_1h_input_tokens\":20}}]}");
    assert_int_equal(usage.side.cache_read, 7);
    assert_int_equal(usage.side.cache_write_5m, 10);
    assert_int_equal(usage.side.cache_write_1h, 20);
}

// Fractions and powers count as far as they go; what is too large for a count is none.
static void test_numbers(void **state)
{
    (void)state;
    struct wp_usage usage = APPLY("{\"input_tokens\":12.9,\"output_tokens\":1e3,"
                                  "\"cache_read_input_tokens\":99999999999999999999}");
    assert_int_equal(usage.input, 12);
    assert_int_equal(usage.output, 1000);
    assert_int_equal(usage.cache_read, 0);
}

// In the middle of a document: the scanner stands behind the value afterwards, whatever it was.
static void test_in_place(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null", "7", "[{\"input_tokens\":1}]",
        "{\"input_tokens\":3,\"cache_creation\":null,\"server_tool_use\":[1],\"speed\":1}"};
    for (size_t i = 0; i < WP_COUNT_OF(values); i++) {
        char text[256];
        struct wp_usage usage = {0};
        struct wp_json_scan scan;
        wp_view key;
        snprintf(text, sizeof(text), "{\"usage\": %s ,\"id\":\"x\"}", values[i]);
        wp_json_scan_init(&scan, wp_view_of(text));
        assert_true(wp_json_enter_object(&scan) && wp_json_next_key(&scan, &key));
        wp_usage_read(&usage, &scan);
        assert_int_equal(usage.seen, values[i][0] == '{');
        assert_true(wp_json_next_key(&scan, &key));
        assert_true(wp_view_is(key, "id"));
        assert_true(wp_view_is(wp_json_value(&scan), "\"x\""));
        assert_false(wp_json_next_key(&scan, &key));
        assert_true(wp_json_scan_finish(&scan));
    }
}

static void test_what_is_no_usage(void **state)
{
    (void)state;
    struct wp_usage usage = APPLY("null", "[1]", "7", "\"x\"");
    assert_false(usage.seen);
    usage = APPLY("{\"input_tokens\":-5,\"output_tokens\":\"many\",\"iterations\":{},"
                  "\"cache_creation\":[]}");
    assert_int_equal(usage.input, 0);
    assert_int_equal(usage.output, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cumulative),       cmocka_unit_test(test_writes),
        cmocka_unit_test(test_names_and_tools),  cmocka_unit_test(test_iterations),
        cmocka_unit_test(test_what_is_no_usage), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
