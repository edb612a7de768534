// data/betas.json and what may stand in it.
#include "tests/support/test.h"

#include "provider/tables.h"

static struct wp_provider_tables *load(const char *text, const char *override, char *error)
{
    error[0] = '\0';
    return wp_provider_tables_load(wp_view_of(text), wp_view_of(override), error, 256);
}

static void bad(const char *text, const char *message)
{
    char error[256];
    struct wp_provider_tables *tables = load(text, NULL, error);
    assert_null(tables);
    assert_view(wp_view_of(error), message);
}

static void test_bad_data(void **state)
{
    (void)state;
    bad("{", "betas: not valid JSON");
    bad("{}", "betas: an object \"platforms\" is missing");
    bad("{\"platforms\":{\"bedrock\":1}}", "betas: platforms.bedrock..: expected an object");
    bad("{\"platforms\":{\"bedrock\":{\"beta\":{}}}}",
        "betas: platforms.bedrock.beta.: unknown rule set");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":[]}}}",
        "betas: platforms.bedrock.betas.: expected an object");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":1}}}}",
        "betas: platforms.bedrock.betas.x: expected true or false");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":null}}}}",
        "betas: platforms.bedrock.betas.x: expected true or false");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":\"\"}}}}",
        "betas: platforms.bedrock.betas.x: an empty name");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":{\"capability\":\"speech\"}}}}}",
        "betas: platforms.bedrock.betas.x: unknown capability");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":{\"modles\":[]}}}}}",
        "betas: platforms.bedrock.betas.x: unknown condition");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":{\"models\":[]}}}}}",
        "betas: platforms.bedrock.betas.x: expected a list of names");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":{\"models\":[1]}}}}}",
        "betas: platforms.bedrock.betas.x: expected a list of names");
    bad("{\"platforms\":{\"bedrock\":{\"betas\":{\"x\":{\"otherwise\":\"magic\"}}}}}",
        "betas: platforms.bedrock.betas.x: otherwise is \"inline\" or \"breakpoint\"");
}

static void test_override(void **state)
{
    (void)state;
    char error[256];
    struct wp_provider_tables *tables = load(
        "{\"platforms\":{\"bedrock\":{\"betas\":{\"*\":false,\"a\":true,\"b\":\"c\"}}}}",
        "{\"platforms\":{\"bedrock\":{\"betas\":{\"a\":false,\"d\":true}},\"vertex\":{}}}", error);
    assert_non_null(tables);
    const struct wp_platform_rules *rules = wp_tables_platform(tables, "bedrock");
    assert_non_null(rules);
    assert_false(wp_rules_find(&rules->betas, WP_VIEW("a"))->keep);
    assert_view(wp_rules_find(&rules->betas, WP_VIEW("b"))->send, "c");
    assert_true(wp_rules_find(&rules->betas, WP_VIEW("d"))->keep);
    assert_false(wp_rules_find(&rules->betas, WP_VIEW("unheard-of"))->keep);
    assert_non_null(wp_tables_platform(tables, "vertex"));
    assert_null(wp_tables_platform(tables, "anthropic"));
    assert_null(wp_rules_find(&wp_tables_platform(tables, "vertex")->betas, WP_VIEW("a")));
    wp_provider_tables_free(tables);
    assert_null(load("{\"platforms\":{}}", "[]", error));
    assert_view(wp_view_of(error), "override of betas: an object \"platforms\" is missing");
}

// The exact name wins, then the longest prefix, whatever their order.
static void test_longest_prefix(void **state)
{
    (void)state;
    char error[256];
    struct wp_provider_tables *tables = load(
        "{\"platforms\":{\"p\":{\"tools\":{\"bash_2*\":\"two\",\"bash_*\":\"any\",\"*\":\"rest\","
        "\"bash_25\":\"exact\"}}}}",
        NULL, error);
    const struct wp_rules *rules = &wp_tables_platform(tables, "p")->tools;
    assert_view(wp_rules_find(rules, WP_VIEW("bash_25"))->send, "exact");
    assert_view(wp_rules_find(rules, WP_VIEW("bash_26"))->send, "two");
    assert_view(wp_rules_find(rules, WP_VIEW("bash_1"))->send, "any");
    assert_view(wp_rules_find(rules, WP_VIEW("bas"))->send, "rest");
    assert_view(wp_rules_find(rules, WP_VIEW(""))->send, "rest");
    wp_provider_tables_free(tables);
}

// Models that the data does not know are taken for current ones, but not for listed ones.
static void test_model_conditions(void **state)
{
    (void)state;
    char error[256];
    struct wp_provider_tables *tables =
        load("{\"platforms\":{\"p\":{\"fields\":{\"effort\":{\"capability\":\"effort\"},"
             "\"format\":{\"models\":[\"claude-opus-4-6\",\"claude-sonnet-5*\"]},"
             "\"million\":{\"except\":[\"claude-3*\"]}}}}}",
             NULL, error);
    assert_non_null(tables);
    const struct wp_rules *rules = &wp_tables_platform(tables, "p")->fields;
    const struct wp_rule *effort = wp_rules_find(rules, WP_VIEW("effort"));
    const struct wp_rule *format = wp_rules_find(rules, WP_VIEW("format"));
    const struct wp_rule *million = wp_rules_find(rules, WP_VIEW("million"));
    struct wp_model_info model = {.family = WP_VIEW("claude-opus-4-6")};
    assert_true(wp_rule_fits_model(effort, &model));
    assert_false(wp_rule_fits_model(format, &model));
    assert_true(wp_rule_fits_model(million, &model));
    model.price.known = true;
    assert_false(wp_rule_fits_model(effort, &model));
    assert_true(wp_rule_fits_model(format, &model));
    model.effort = WP_EFFORT_ALL;
    assert_true(wp_rule_fits_model(effort, &model));
    model.family = WP_VIEW("claude-sonnet-5-5");
    assert_true(wp_rule_fits_model(format, &model));
    model.family = WP_VIEW("claude-3-haiku");
    assert_false(wp_rule_fits_model(million, &model));
    assert_false(wp_rule_fits_model(format, &model));
    assert_true(wp_rule_fits_model(NULL, &model));
    wp_provider_tables_free(tables);
}

static void test_shipped_data(void **state)
{
    (void)state;
    size_t len;
    char error[256] = "";
    char *text = test_read_file(WP_SOURCE_DIR "/data/betas.json", &len);
    struct wp_provider_tables *tables =
        wp_provider_tables_load(wp_view_make(text, len), (wp_view){NULL, 0}, error, sizeof(error));
    assert_view(wp_view_of(error), "");
    assert_non_null(tables);
    assert_non_null(wp_tables_platform(tables, "bedrock"));
    assert_non_null(wp_tables_platform(tables, "bedrock_mantle"));
    assert_null(wp_tables_platform(tables, "anthropic")); // towards Anthropic nothing is filtered
    wp_provider_tables_free(tables);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_data),       cmocka_unit_test(test_override),
        cmocka_unit_test(test_longest_prefix), cmocka_unit_test(test_model_conditions),
        cmocka_unit_test(test_shipped_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
