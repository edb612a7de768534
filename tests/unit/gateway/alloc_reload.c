// Fails each allocation of a reload in turn: either the new configuration is in force and whole, or
// the old one is; requests are served as before; nothing leaks. Needs a build with WP_ALLOC_FAULTS.
#include "tests/support/gateway.h"

enum { MOST = 20000 };

static const char SETTINGS[] = "general_settings: {master_key: " TEST_MASTER_KEY "}\n";

// Of everything that is kept: texts, lists, maps, credentials, overrides.
static const char TEXT[] =
    "model_list:\n"
    "  - model_name: bedrock\n"
    "    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0,"
    " aws_access_key_id: AKIA1, aws_secret_access_key: one, aws_region_name: us-west-2,"
    " tags: [a, b], extra_headers: {x-one: two}}\n"
    "  - model_name: bedrock\n"
    "    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0,"
    " aws_role_name: 'arn:aws:iam::1:role/x', aws_region_name: us-east-1, rpm: 10}\n"
    "  - model_name: vertex\n"
    "    litellm_params: {model: vertex_ai/claude-sonnet-4-5, vertex_project: p,"
    " vertex_location: us-east5, vertex_credentials: '{\"type\":\"none\"}'}\n"
    "  - model_name: claude\n"
    "    litellm_params: {model: anthropic/claude-sonnet-4-5, litellm_credential_name: named}\n"
    "  - model_name: 'any/*'\n"
    "    litellm_params: {model: 'anthropic/*', api_key: sk-ant-2}\n"
    "credential_list:\n"
    "  - credential_name: named\n"
    "    credential_values: {api_key: sk-ant-1}\n"
    "router_settings:\n"
    "  model_group_alias: {sonnet: claude}\n"
    "  fallbacks: [{claude: [bedrock, vertex]}]\n"
    "  optional_pre_call_checks: [prompt_caching]\n"
    "general_settings: {master_key: sk-new-key}\n";

static struct test_gateway gateway;

static enum wp_err reload(void)
{
    char error[256] = "";
    struct wp_snapshot *snapshot = NULL;
    struct wp_diagnostics diagnostics;
    wp_diagnostics_init(&diagnostics);
    enum wp_err err =
        wp_config_load_text(wp_view_of(TEXT), WP_VIEW("test"), &diagnostics, &snapshot);
    assert_true(err == WP_OK || diagnostics.errors > 0);
    wp_diagnostics_clear(&diagnostics);
    if (err == WP_OK)
        err = wp_gateway_configure(gateway.gateway, snapshot, error, sizeof(error));
    wp_snapshot_unref(snapshot);
    return err;
}

static void describe(char *out, size_t size)
{
    struct wp_runtime *runtime = wp_gateway_runtime(gateway.gateway);
    struct wp_buf text = wp_buf_make(1024 * 1024);
    wp_config_describe(runtime->snapshot, &text);
    snprintf(out, size, "%.*s|%.*s", WP_VIEW_ARG(wp_buf_view(&text)),
             WP_VIEW_ARG(runtime->snapshot->general.master_key));
    wp_buf_free(&text);
    wp_runtime_unref(runtime);
}

static void restore(void)
{
    char error[256] = "";
    struct wp_snapshot *snapshot = test_snapshot(&gateway, SETTINGS);
    assert_ok(wp_gateway_configure(gateway.gateway, snapshot, error, sizeof(error)));
    wp_snapshot_unref(snapshot);
}

static void check_served(uint64_t n)
{
    static struct test_answer answer;
    test_ask(gateway.port, "POST", "/v1/messages", "x-api-key: " TEST_MASTER_KEY "\r\n",
             "{\"model\":\"anthropic\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\","
             "\"content\":\"hello\"}]}",
             &answer);
    if (answer.status != 200)
        fail_msg("after allocation %llu: %.400s", (unsigned long long)n, answer.text);
}

static void sweep(void **state)
{
    (void)state;
    static char old[8192], new[8192], now[8192];
    uint64_t n = 1, refused = 0;
    wp_alloc_count_only_here();
    describe(old, sizeof(old));
    assert_ok(reload());
    describe(new, sizeof(new));
    assert_string_not_equal(old, new);
    for (bool fired = true; fired; n++) {
        restore();
        uint64_t made = wp_alloc_count();
        wp_alloc_fail_after(n);
        enum wp_err err = reload();
        fired = wp_alloc_count() - made >= n;
        wp_alloc_fail_after(0);
        describe(now, sizeof(now));
        if (err != WP_OK && err != WP_ERR_NO_MEMORY)
            fail_msg("allocation %llu: %s", (unsigned long long)n, wp_err_info(err)->name);
        assert_string_equal(now, err == WP_OK ? new : old);
        assert_true(fired || err == WP_OK);
        refused += err != WP_OK ? 1 : 0;
        if (n % 16 == 0 && err != WP_OK)
            check_served(n);
        assert_true(n < MOST);
    }
    restore();
    check_served(n);
#ifdef WP_ALLOC_FAULTS
    assert_true(refused > 100);
#endif
    print_message("# measured: %llu allocations of a reload failed in turn, %llu refused it\n",
                  (unsigned long long)n - 2, (unsigned long long)refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sweep)};
    test_gateway_start(&gateway, SETTINGS);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_gateway_stop(&gateway);
    return failed;
}
