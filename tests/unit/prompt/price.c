// What every class of tokens and calls costs, by a table of the test's own and by the shipped one.
#include "../../support/test.h"

#include "prompt/model_table.h"

static const char table_text[] =
    "{\"date\":\"2026-11-24\",\"defaults\":{\"fast_factor\":4,\"web_fetch_request\":0.001},"
    "\"unknown_model\":{\"price\":{\"input\":5,\"output\":25}},\"models\":{"
    "\"claude-plain-4-5\":{\"price\":{\"input\":3,\"output\":15},\"regional_factor\":1.1},"
    "\"claude-own-4-5\":{\"price\":{\"input\":1,\"output\":2,\"cache_read\":0.01,"
    "\"cache_write_5m\":1.5,\"cache_write_1h\":1.75,\"web_search_request\":0.02,\"fast_factor\":3}}"
    ","
    "\"claude-long-4-5\":{\"price\":{\"input\":3,\"output\":15,\"long_context\":{\"above\":200000,"
    "\"input\":6,\"output\":22.5,\"cache_read\":0.6,\"cache_write_5m\":7.5,\"cache_write_1h\":12}}}"
    "}}";

static struct wp_model_table *table_of(const char *text, const char *override)
{
    char error[256] = "";
    struct wp_model_table *table =
        wp_model_table_load(wp_view_of(text), wp_view_of(override), error, sizeof(error));
    assert_string_equal(error, "");
    assert_non_null(table);
    return table;
}

static double cost(const struct wp_model_table *table, const char *platform, const char *model,
                   const struct wp_usage *usage)
{
    struct wp_model_info info;
    wp_model_lookup(table, wp_view_of(platform), wp_view_of(model), &info);
    return wp_price_usage(&info.price, usage);
}

#define MILLION 1000000u

static void assert_cost(double actual, double expected)
{
    assert_float_equal((float)actual, (float)expected, (float)(1e-6 * expected + 1e-9));
}

static void test_classes(void **state)
{
    (void)state;
    struct wp_model_table *table = table_of(table_text, "");
    const struct {
        struct wp_usage usage;
        double plain, own;
    } rows[] = {
        {{.input = MILLION}, 3, 1},
        {{.output = MILLION}, 15, 2},
        {{.cache_read = MILLION}, 0.3, 0.01},
        {{.cache_write_5m = MILLION}, 3.75, 1.5},
        {{.cache_write_1h = MILLION}, 6, 1.75},
        {{.web_search_requests = 10}, 0.1, 0.2},
        {{.web_fetch_requests = 10}, 0.01, 0.01},
        {{.side = {.input = MILLION, .output = MILLION}}, 18, 3},
        {{.side = {.cache_read = MILLION, .cache_write_5m = MILLION, .cache_write_1h = MILLION}},
         10.05,
         3.26},
        {{.input = MILLION, .speed = "fast"}, 12, 3},
        {{.output = MILLION, .speed = "standard"}, 15, 2},
        {{.cache_read = MILLION, .inference_geo = "us"}, 0.33, 0.011},
        {{.input = MILLION, .inference_geo = "global"}, 3, 1},
        {{.input = MILLION, .web_search_requests = 10, .speed = "fast", .inference_geo = "us"},
         13.3,
         3.5}, // calls are not multiplied
        {{.seen = true}, 0, 0},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        assert_cost(cost(table, "anthropic", "claude-plain-4-5", &rows[i].usage), rows[i].plain);
        assert_cost(cost(table, "anthropic", "claude-own-4-5", &rows[i].usage), rows[i].own);
    }
    wp_model_table_free(table);
}

// The tier is the whole prompt's, cached parts included, and applies to all of it.
static void test_long_context(void **state)
{
    (void)state;
    struct wp_model_table *table = table_of(table_text, "");
    const struct {
        struct wp_usage usage;
        double cost;
    } rows[] = {
        {{.input = 200000}, 0.6},
        {{.input = 200001}, 200001 * 6e-6},
        {{.input = 1, .cache_read = 200000, .output = 1000}, 6e-6 + 0.12 + 0.0225},
        {{.cache_write_5m = 100000, .cache_write_1h = 100001}, 0.75 + 100001 * 12e-6},
        {{.input = 1000, .output = 300000}, 0.003 + 4.5},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_cost(cost(table, "anthropic", "claude-long-4-5", &rows[i].usage), rows[i].cost);
    wp_model_table_free(table);
}

static void test_regions(void **state)
{
    (void)state;
    static const struct {
        const char *platform, *model;
        double cost;
    } rows[] = {
        {"bedrock", "us.anthropic.claude-plain-4-5-20250929-v1:0", 3.3},
        {"bedrock", "eu.anthropic.claude-plain-4-5-20250929-v1:0", 3.3},
        {"bedrock", "apac.anthropic.claude-plain-4-5-v1:0", 3.3},
        {"bedrock", "jp.anthropic.claude-plain-4-5-v1:0", 3.3},
        {"bedrock", "au.anthropic.claude-plain-4-5-v1:0", 3.3},
        {"bedrock", "us-gov.anthropic.claude-plain-4-5-v1:0", 3.3},
        {"bedrock", "global.anthropic.claude-plain-4-5-v1:0", 3},
        {"bedrock", "anthropic.claude-plain-4-5-20250929-v1:0", 3},
        {"bedrock",
         "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-plain-4-5",
         3.3},
        {"anthropic", "claude-plain-4-5", 3},
        {"anthropic", "claude-plain-4-5[1m]", 3},
        {"vertex_ai", "claude-plain-4-5@20250929", 3},
    };
    const struct wp_usage usage = {.input = MILLION};
    struct wp_model_table *table = table_of(table_text, "");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        assert_cost(cost(table, rows[i].platform, rows[i].model, &usage), rows[i].cost);
    struct wp_model_info info; // a regional host of Vertex AI: the id does not say so
    wp_model_lookup(table, WP_VIEW("vertex_ai"), WP_VIEW("claude-plain-4-5@20250929"), &info);
    wp_model_regional(&info);
    assert_cost(wp_price_usage(&info.price, &usage), 3.3);
    wp_model_table_free(table);
}

// Never free, and marked so that the operator is told.
static void test_unknown(void **state)
{
    (void)state;
    const struct wp_usage usage = {.input = MILLION, .output = MILLION};
    static const char *const names[] = {
        "", "gpt-9", "claude-plain-4-5-8", "claude-plain",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"};
    struct wp_model_table *table = table_of(table_text, "");
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        struct wp_model_info info;
        wp_model_lookup(table, WP_VIEW("bedrock"), wp_view_of(names[i]), &info);
        assert_false(info.price.known);
        assert_cost(wp_price_usage(&info.price, &usage), 30);
    }
    wp_model_table_free(table);
}

// An operator's file replaces whole rows and adds models; the rest stays.
static void test_override(void **state)
{
    (void)state;
    const struct wp_usage usage = {.input = MILLION};
    struct wp_model_table *table = table_of(
        table_text, "{\"date\":\"2027-01-01\",\"models\":{\"claude-plain-4-5\":{\"price\":{"
                    "\"input\":7,\"output\":8}},\"claude-new-6\":{\"price\":{\"input\":9,"
                    "\"output\":9}}}}");
    assert_cost(cost(table, "anthropic", "claude-plain-4-5", &usage), 7);
    assert_cost(cost(table, "anthropic", "claude-new-6", &usage), 9);
    assert_cost(cost(table, "anthropic", "claude-own-4-5", &usage), 1);
    wp_model_table_free(table);
    static const char *const bad[] = {
        "{", "[]", "{\"models\":{}}", "{\"date\":\"d\",\"models\":{\"m\":{}}}",
        "{\"date\":\"d\",\"models\":{\"m\":{\"price\":{\"input\":0,\"output\":1}}}}"};
    for (size_t i = 0; i < WP_COUNT_OF(bad); i++) {
        char error[256] = "";
        assert_null(wp_model_table_load(WP_VIEW("{\"date\":\"d\"}"), wp_view_of(bad[i]), error,
                                        sizeof(error)));
        assert_true(strlen(error) > 0);
    }
}

// No row of the shipped table gives anything away.
static uint8_t effort_of(const char *can, char *error, size_t error_size)
{
    char text[512];
    struct wp_model_info info = {.effort = 0};
    snprintf(
        text, sizeof(text),
        "{\"date\":\"2026-11-28\",\"models\":{\"claude-x\":{\"price\":{\"input\":1,\"output\":2},"
        "\"can\":{%s}}}}",
        can);
    struct wp_model_table *table =
        wp_model_table_load(wp_view_of(text), (wp_view){NULL, 0}, error, error_size);
    if (table != NULL)
        wp_model_lookup(table, WP_VIEW("anthropic"), WP_VIEW("claude-x"), &info);
    wp_model_table_free(table);
    return info.effort;
}

static void test_effort(void **state)
{
    (void)state;
    char error[256] = "";
    assert_int_equal(effort_of("", error, sizeof(error)), 0);
    assert_int_equal(effort_of("\"effort\":false", error, sizeof(error)), 0);
    assert_int_equal(effort_of("\"effort\":true", error, sizeof(error)), WP_EFFORT_ALL);
    assert_int_equal(effort_of("\"effort\":[\"low\",\"max\"]", error, sizeof(error)),
                     1u << WP_EFFORT_low | 1u << WP_EFFORT_max);
    assert_string_equal(error, "");
    assert_int_equal(effort_of("\"effort\":[\"lwo\"]", error, sizeof(error)), 0);
    assert_non_null(strstr(error, "can.effort"));
}

// What the newest facts say (their sources stand in the file).
static void test_shipped_facts(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        double input, fast;
        unsigned effort;
    } rows[] = {
        {"claude-fable-5-2", 8e-6, 2, WP_EFFORT_ALL},
        {"claude-opus-5-5", 4e-6, 2, WP_EFFORT_ALL},
        {"claude-opus-4-8", 5e-6, 2, WP_EFFORT_ALL},
        {"claude-opus-4-6", 5e-6, 6, WP_EFFORT_ALL & ~(1u << WP_EFFORT_xhigh)},
        {"claude-opus-4-5", 5e-6, 6, 0x7},
        {"claude-sonnet-4-5", 3e-6, 6, 0},
    };
    size_t len;
    char error[256] = "";
    char *text = test_read_file(WP_SOURCE_DIR "/data/models.json", &len);
    struct wp_model_table *table =
        wp_model_table_load(wp_view_make(text, len), (wp_view){NULL, 0}, error, sizeof(error));
    assert_string_equal(error, "");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_model_info info;
        wp_model_lookup(table, WP_VIEW("anthropic"), wp_view_of(rows[i].model), &info);
        assert_float_equal((float)info.price.input, (float)rows[i].input, 1e-9f);
        assert_float_equal((float)info.price.fast_factor, (float)rows[i].fast, 1e-6f);
        assert_int_equal(info.effort, rows[i].effort);
    }
    wp_model_table_free(table);
    free(text);
}

static void test_shipped(void **state)
{
    (void)state;
    size_t len;
    char error[256] = "";
    char *text = test_read_file(WP_SOURCE_DIR "/data/models.json", &len);
    struct wp_model_table *table =
        wp_model_table_load(wp_view_make(text, len), (wp_view){NULL, 0}, error, sizeof(error));
    assert_string_equal(error, "");
    static const char *const names[] = {"claude-fable-5-1",  "claude-opus-4-8",  "claude-sonnet-5",
                                        "claude-sonnet-4-5", "claude-haiku-4-5", "no-such-model"};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        struct wp_model_info info;
        wp_model_lookup(table, WP_VIEW("anthropic"), wp_view_of(names[i]), &info);
        const struct wp_price *p = &info.price;
        assert_true(p->cache_read > 0 && p->cache_read < p->input);
        assert_true(p->cache_write_5m > p->input && p->cache_write_1h > p->cache_write_5m);
        assert_true(p->output > p->input && p->web_search_request > 0);
        assert_true(p->fast_factor > 1 && p->us_only_factor > 1);
        assert_true(info.regional_factor > 1);
    }
    wp_model_table_free(table);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),  cmocka_unit_test(test_long_context),
        cmocka_unit_test(test_regions),  cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_override), cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_effort),   cmocka_unit_test(test_shipped_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
