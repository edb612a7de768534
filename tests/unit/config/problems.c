// What is said about a file with mistakes: all at once, each with its place and what is expected.
#include "tests/unit/config/support.h"

#include <unistd.h>

#define ONE_DEPLOYMENT \
    "model_list:\n  - model_name: a\n    litellm_params: {model: anthropic/claude-sonnet-4-5}\n"

static void every_mistake_has_its_place_and_what_is_expected(void **state)
{
    (void)state;
    struct loaded loaded = load("model_list:\n"
                                "  - model_name: a\n"
                                "    litellm_params:\n"
                                "      model: bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                                "      rpm: many\n"
                                "      weight: .nan\n"
                                "      timeout: .inf\n"
                                "      order: 1.5\n"
                                "      billing_header: maybe\n"
                                "      tags: one\n"
                                "      extra_headers: {\"bad name\": x, good: \"a\\nb\"}\n"
                                "      api_base: ftp://x\n"
                                "    model_info: {blocked: 3}\n"
                                "  - model_name: b\n"
                                "    litellm_params: {}\n"
                                "  - litellm_params: {model: anthropic/x}\n"
                                "  - 7\n"
                                "router_settings:\n"
                                "  routing_strategy: random\n"
                                "  optional_pre_call_checks: [prompt_cashing]\n"
                                "  retry_policy: {RateLimitErrorRetries: x}\n"
                                "  fallbacks: {a: [b]}\n"
                                "  default_fallbacks: a\n"
                                "  cooldown_time: -1\n"
                                "general_settings:\n"
                                "  max_request_size_mb: 0\n"
                                "  maximum_spend_logs_retention_period: soon\n"
                                "  tls_key_file: /k.pem\n"
                                "environment_variables: [A]\n");
    static const char *const lines[] = {
        "test.yaml:5:12: error: model_list[0].litellm_params.rpm: expected a whole number of at "
        "least 0, got \"many\"",
        "test.yaml:6:15: error: model_list[0].litellm_params.weight: expected a number",
        "test.yaml:7:16: error: model_list[0].litellm_params.timeout: expected a number of seconds",
        "test.yaml:8:14: error: model_list[0].litellm_params.order: expected a whole number",
        "test.yaml:9:23: error: model_list[0].litellm_params.billing_header: expected keep or drop",
        "test.yaml:10:13: error: model_list[0].litellm_params.tags: expected a list, got \"one\"",
        "test.yaml:11:23: error: model_list[0].litellm_params.extra_headers: expected the name of",
        "test.yaml:11:44: error: model_list[0].litellm_params.extra_headers: good: expected text",
        "test.yaml:12:17: error: model_list[0].litellm_params.api_base: expected a URL",
        "test.yaml:13:27: error: model_list[0].model_info.blocked: expected true or false, got 3",
        "test.yaml:15:21: error: model_list[1].litellm_params: model is missing",
        "test.yaml:16:5: error: model_list[2]: model_name is missing",
        "test.yaml:17:5: error: model_list[3]: expected a mapping",
        "test.yaml:19:21: error: router_settings.routing_strategy: expected simple-shuffle, "
        "least-busy",
        "test.yaml:20:30: error: router_settings.optional_pre_call_checks: there is no check "
        "prompt_cashing; known: prompt_caching",
        "test.yaml:21:41: error: router_settings.retry_policy: RateLimitErrorRetries: expected",
        "test.yaml:22:14: error: router_settings.fallbacks: expected a list, got a mapping",
        "test.yaml:23:22: error: router_settings.default_fallbacks: expected a list",
        "test.yaml:24:18: error: router_settings.cooldown_time: expected a number of seconds, got "
        "-1",
        "test.yaml:26:24: error: general_settings.max_request_size_mb: expected a number of",
        "test.yaml:27:40: error: general_settings.maximum_spend_logs_retention_period: expected an "
        "age such as 30d",
        "test.yaml:28:17: error: general_settings: tls_certificate_file is missing",
        "test.yaml:29:24: error: environment_variables: expected a mapping, got a list",
    };
    for (size_t i = 0; i < WP_COUNT_OF(lines); i++)
        assert_says(&loaded, lines[i]);
    assert_int_equal(loaded.diagnostics->errors, WP_COUNT_OF(lines));
    for (size_t i = 1; i < loaded.diagnostics->count; i++)
        assert_true(loaded.diagnostics->list[i - 1].line <= loaded.diagnostics->list[i].line);
    unload(&loaded);
}

static void broken_yaml_has_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *line;
    } rows[] = {
        {"model_list:\n  - model_name: \"x\n", "test.yaml:3:1: error: YAML syntax"},
        {"a: 1\nb: [1, 2\nc: 3\n", "test.yaml:3:"},
        {"a: 1\n\tb: 2\n", "test.yaml:2:1: error: YAML syntax"},
        {"model_list: []\nmodel_list: []\n",
         "test.yaml:2:1: error: the key \"model_list\" was already given on line 1"},
        {"- a\n- b\n", "test.yaml:1:1: error: expected a mapping with model_list"},
        {"", "error: model_list holds no deployment that can be served"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct loaded loaded = load(rows[i].yaml);
        assert_says(&loaded, rows[i].line);
        unload(&loaded);
    }
}

static void unknown_keys_are_named_with_the_nearest(void **state)
{
    (void)state;
    struct loaded loaded = load(ONE_DEPLOYMENT "    model_inof: {}\n"
                                               "router_settings:\n"
                                               "  num_retrys: 3\n"
                                               "  redis_host: here\n"
                                               "litellm_settings:\n"
                                               "  routing_strategi: least-busy\n"
                                               "general_settings: {something_else_entirely: 1}\n"
                                               "general_setings: {}\n");
    assert_non_null(loaded.snapshot);
    assert_says(&loaded, "test.yaml:4:5: warning: model_list[0].model_inof: unknown key; did you "
                         "mean model_info?");
    assert_says(&loaded, "router_settings.num_retrys: unknown key; did you mean num_retries?");
    assert_says(&loaded, "router_settings.redis_host: a key of LiteLLM that has no effect here");
    assert_says(&loaded, "litellm_settings.routing_strategi: unknown key; did you mean "
                         "routing_strategy?");
    assert_says(&loaded, "general_settings.something_else_entirely: unknown key\n");
    assert_says(&loaded, "general_setings: unknown key; did you mean general_settings?");
    assert_int_equal(loaded.diagnostics->warnings, 6);
    unload(&loaded);
    loaded = load("model_list:\n  - model_name: a\n    litellm_params:\n"
                  "      model: bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                  "      aws_region: us-west-2\n      input_cost_per_image: 1\n");
    assert_says(&loaded, "aws_region: unknown key; did you mean aws_region_name?");
    assert_says(&loaded, "input_cost_per_image: a key of LiteLLM that has no effect here");
    unload(&loaded);
}

// Keys whose loss would open something are errors, unless they are switched off anyway.
static void security_is_never_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *section, *on, *off;
    } rows[] = {
        {"general_settings", "allowed_ips: [\"10.0.0.1\"]", "allowed_ips: []"},
        {"general_settings", "custom_auth: my.module", "custom_auth:"},
        {"general_settings", "enable_jwt_auth: true", "enable_jwt_auth: false"},
        {"general_settings", "public_routes: [/x]", "public_routes: []"},
        {"general_settings", "enforce_user_param: true", "enforce_user_param: false"},
        {"general_settings", "key_management_system: aws_kms", "key_management_system: \"\""},
        {"router_settings", "enable_tag_filtering: true", "enable_tag_filtering: false"},
        {"router_settings", "provider_budget_config: {openai: {}}", "provider_budget_config: {}"},
        {"litellm_settings", "max_budget: 5", "max_budget: 0"},
        {"litellm_settings", "guardrails: [x]", "guardrails: []"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        char yaml[512];
        snprintf(yaml, sizeof(yaml), ONE_DEPLOYMENT "%s:\n  %s\n", rows[i].section, rows[i].on);
        struct loaded loaded = load(yaml);
        assert_null(loaded.snapshot);
        assert_says(&loaded, "test.yaml:5:3: error: ");
        assert_says(&loaded, "not supported, and not ignored: ");
        unload(&loaded);
        snprintf(yaml, sizeof(yaml), ONE_DEPLOYMENT "%s:\n  %s\n", rows[i].section, rows[i].off);
        loaded = load_clean(yaml);
        unload(&loaded);
    }
    struct loaded loaded = load(ONE_DEPLOYMENT "guardrails: [{guardrail_name: x}]\n");
    assert_says(&loaded, "test.yaml:4:1: error: guardrails: not supported, and not ignored");
    unload(&loaded);
}

static void messages_show_no_secret(void **state)
{
    (void)state;
    setenv("WARMPATH_TEST_SECRET", "value-from-environment", 1);
    struct loaded loaded = load("model_list:\n  - model_name: a\n    litellm_params:\n"
                                "      model: anthropic/claude-sonnet-4-5\n"
                                "      api_key: [sk-ant-in-a-list]\n"
                                "      aws_secret_access_key: {a: secret-in-a-mapping}\n"
                                "      api_base: https://user:password-in-url@host/\n"
                                "      rpm: os.environ/WARMPATH_TEST_SECRET\n"
                                "  - model_name: b\n    litellm_params:\n"
                                "      model: anthropic/claude-sonnet-4-5\n"
                                "      api_key: sk-ant-known-secret\n"
                                "      tpm: sk-ant-known-secret\n"
                                "general_settings: {master_key: [sk-master-in-a-list]}\n"
                                "environment_variables: {SOME_API_KEY: key-of-the-environment}\n"
                                "router_settings: {routing_strategy: key-of-the-environment}\n");
    static const char *const secrets[] = {
        "sk-ant-in-a-list",    "secret-in-a-mapping", "password-in-url",       "value-from-env",
        "sk-ant-known-secret", "sk-master-in-a-list", "key-of-the-environment"};
    assert_int_equal(loaded.diagnostics->errors, 7);
    for (size_t i = 0; i < WP_COUNT_OF(secrets); i++)
        assert_silent_about(&loaded, secrets[i]);
    unload(&loaded);
}

static void two_deployments_never_share_an_id(void **state)
{
    (void)state;
    struct loaded loaded = load("model_list:\n"
                                "  - {model_name: a, litellm_params: {model: anthropic/x}}\n"
                                "  - {model_name: a, litellm_params: {model: anthropic/x}}\n");
    assert_says(&loaded, "test.yaml:3:5: error: two deployments have the id");
    unload(&loaded);
    loaded =
        load("model_list:\n"
             "  - {model_name: a, litellm_params: {model: anthropic/x}, model_info: {id: i}}\n"
             "  - {model_name: b, litellm_params: {model: anthropic/y}, model_info: {id: i}}\n");
    assert_says(&loaded, "test.yaml:3:5: error: two deployments have the id i");
    unload(&loaded);
}

// Files --------------------------------------------------------------------------------------

static void write_file(const char *directory, const char *name, const char *text, char path[256])
{
    snprintf(path, 256, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void included_files_keep_their_places(void **state)
{
    (void)state;
    char directory[] = "/tmp/warmpath-config-XXXXXX", main_file[256], other[256], circle[256];
    assert_non_null(mkdtemp(directory));
    write_file(directory, "main.yaml",
               "include: [other.yaml]\nmodel_list:\n  - model_name: a\n    litellm_params: "
               "{model: anthropic/claude-sonnet-4-5, rpm: x}\n",
               main_file);
    write_file(directory, "other.yaml",
               "model_list:\n  - model_name: b\n    litellm_params: {model: anthropic/b, tpm: y}\n"
               "router_settings: {num_retries: 7}\n",
               other);
    write_file(directory, "circle.yaml", "include: [circle.yaml]\nmodel_list: []\n", circle);
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    struct wp_snapshot *snapshot = NULL;
    struct wp_buf text = wp_buf_make(1 << 20);
    assert_err(wp_config_load_file(main_file, diagnostics, &snapshot), WP_ERR_INVALID);
    wp_diagnostics_print(diagnostics, &text);
    char line[512];
    snprintf(line, sizeof(line), "%s:4:63: error: model_list[0].litellm_params.rpm", main_file);
    assert_true(wp_view_contains(wp_buf_view(&text), wp_view_of(line)));
    snprintf(line, sizeof(line), "%s:3:47: error: model_list[0].litellm_params.tpm", other);
    assert_true(wp_view_contains(wp_buf_view(&text), wp_view_of(line)));
    wp_diagnostics_free(diagnostics);
    wp_buf_clear(&text);

    diagnostics = wp_diagnostics_create();
    assert_err(wp_config_load_file(circle, diagnostics, &snapshot), WP_ERR_INVALID);
    wp_diagnostics_print(diagnostics, &text);
    assert_true(wp_view_contains(wp_buf_view(&text), WP_VIEW("the files include each other")));
    wp_diagnostics_free(diagnostics);
    wp_buf_clear(&text);

    diagnostics = wp_diagnostics_create();
    assert_err(wp_config_load_file("/nonexistent.yaml", diagnostics, &snapshot), WP_ERR_INVALID);
    wp_diagnostics_print(diagnostics, &text);
    assert_view(wp_buf_view(&text),
                "error: /nonexistent.yaml cannot be read: No such file or directory\n");
    wp_diagnostics_free(diagnostics);
    wp_buf_free(&text);
    unlink(main_file);
    unlink(other);
    unlink(circle);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_has_its_place_and_what_is_expected),
        cmocka_unit_test(broken_yaml_has_its_place),
        cmocka_unit_test(unknown_keys_are_named_with_the_nearest),
        cmocka_unit_test(security_is_never_ignored),
        cmocka_unit_test(messages_show_no_secret),
        cmocka_unit_test(two_deployments_never_share_an_id),
        cmocka_unit_test(included_files_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
