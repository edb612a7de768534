// What a good file becomes: deployments with LiteLLM's ids, settings, groups, names, fallbacks.
#include "tests/unit/config/support.h"

// The ids are those that LiteLLM 1.110.2 gives to the same entries.
static void ids_are_those_of_litellm(void **state)
{
    (void)state;
    setenv("WARMPATH_TEST_KEY", "sk-ant-secret-value", 1);
    static const struct {
        const char *entry, *id;
    } rows[] = {
        {"litellm_params:\n"
         "      model: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
         "      aws_profile_name: account-1\n"
         "      aws_region_name: us-west-2\n"
         "    model_info:\n"
         "      litellm_provider: bedrock\n"
         "    model_name: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n",
         "383534f9e78f85efbf65f663acabcd3e75a45b490e302ba912d9723d8de5cca7"},
        {"litellm_params:\n"
         "      model: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
         "      aws_profile_name: account-2\n"
         "      aws_region_name: us-west-2\n"
         "    model_info:\n"
         "      litellm_provider: bedrock\n"
         "    model_name: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n",
         "2a6e6d8aab824883c0fe437bbde4ba6f4caf1112a0bc9a79921d9ea86951e0a4"},
        {"model_name: mixed\n"
         "    litellm_params:\n"
         "      model: bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0\n"
         "      rpm: 1_000\n"
         "      tpm: 0x10\n"
         "      weight: 0.1\n"
         "      order: 010\n"
         "      timeout: 600.0\n"
         "      stream_timeout: 1e3\n"
         "      input_cost_per_token: 3.0e-06\n"
         "      output_cost_per_token: 1.5e-5\n"
         "      cache_read_input_token_cost: 3e-07\n"
         "      use_in_pass_through: yes\n"
         "      drop_params: false\n"
         "      api_base:\n"
         "      tags: [a, \"b'c\", 1, 2.50, true, null, {k: v}]\n"
         "      extra_headers: {x-one: \"\\u00e9 \\u2603 \\U0001F600\", two: 2, three: 3.0, on: "
         "no}\n"
         "      max_retries: ~\n",
         "1fce1c5084dd8fa56e87104f122c8bc0fbb38cd9138bc4a9ba6baa160ca464a7"},
        {"model_name: from-environment\n"
         "    litellm_params:\n"
         "      model: anthropic/claude-sonnet-4-5\n"
         "      api_key: os.environ/WARMPATH_TEST_KEY\n"
         "      api_base: \"https://api.example/\"\n",
         "72764a315187b30bfd66fdfc20d2c50d89166f72fd9ea5064ad4ccc531c1095f"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        char yaml[2048];
        snprintf(yaml, sizeof(yaml), "model_list:\n  - %s", rows[i].entry);
        struct loaded loaded = load_clean(yaml);
        assert_int_equal(loaded.snapshot->deployment_count, 1);
        assert_view(loaded.snapshot->deployments[0].id, rows[i].id);
        unload(&loaded);
    }
}

static void the_two_account_file_is_what_it_says(void **state)
{
    (void)state;
    struct loaded loaded =
        load_clean("router_settings:\n"
                   "  optional_pre_call_checks: [\"prompt_caching\"]\n"
                   "model_list:\n"
                   "  - litellm_params:\n"
                   "      model: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                   "      aws_profile_name: account-1\n"
                   "      aws_region_name: us-west-2\n"
                   "    model_info:\n"
                   "      litellm_provider: bedrock\n"
                   "    model_name: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                   "  - litellm_params:\n"
                   "      model: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                   "      aws_profile_name: account-2\n"
                   "      aws_region_name: us-west-2\n"
                   "    model_info:\n"
                   "      litellm_provider: bedrock\n"
                   "    model_name: us.anthropic.claude-sonnet-4-5-20250929-v1:0\n");
    const struct wp_snapshot *snapshot = loaded.snapshot;
    assert_int_equal(snapshot->router.pre_call_checks, WP_CHECK_PROMPT_CACHING);
    assert_int_equal(snapshot->group_count, 1);
    assert_int_equal(snapshot->groups[0].count, 2);
    const struct wp_deployment_config *second = &snapshot->deployments[1];
    assert_int_equal(second->platform, WP_PLATFORM_BEDROCK);
    assert_view(second->upstream_model, "us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_view(second->aws.profile, "account-2");
    assert_view(second->aws.region, "us-west-2");
    assert_int_equal(snapshot->router.num_retries, 2);
    assert_int_equal(snapshot->router.cooldown_ms, 5000);
    assert_int_equal(snapshot->router.timeout_ms, 600000);
    struct wp_resolved resolved;
    assert_true(wp_snapshot_resolve(
        snapshot, WP_VIEW("us.anthropic.claude-sonnet-4-5-20250929-v1:0[1m]"), &resolved));
    assert_int_equal(resolved.count, 2);
    assert_true(wp_snapshot_resolve(snapshot, second->id, &resolved));
    assert_true(resolved.exact_deployment);
    assert_int_equal(resolved.count, 1);
    assert_false(wp_snapshot_resolve(snapshot, WP_VIEW("gpt-4"), &resolved));
    unload(&loaded);
}

static void platforms_come_from_names(void **state)
{
    (void)state;
    static const struct {
        const char *model, *more;
        enum wp_platform platform;
        const char *upstream, *region;
    } rows[] = {
        {"anthropic/claude-sonnet-4-5", "", WP_PLATFORM_ANTHROPIC, "claude-sonnet-4-5", ""},
        {"claude-sonnet-4-5", "", WP_PLATFORM_ANTHROPIC, "claude-sonnet-4-5", ""},
        {"bedrock/anthropic.claude-x-v1:0", "", WP_PLATFORM_BEDROCK, "anthropic.claude-x-v1:0", ""},
        {"bedrock/invoke/us.anthropic.claude-x", "", WP_PLATFORM_BEDROCK, "us.anthropic.claude-x",
         ""},
        {"bedrock/converse/eu.anthropic.claude-x", "", WP_PLATFORM_BEDROCK, "eu.anthropic.claude-x",
         ""},
        {"bedrock/eu-west-1/anthropic.claude-x", "", WP_PLATFORM_BEDROCK, "anthropic.claude-x",
         "eu-west-1"},
        {"bedrock/arn:aws:bedrock:eu-north-1:1:inference-profile/x", "", WP_PLATFORM_BEDROCK,
         "arn:aws:bedrock:eu-north-1:1:inference-profile/x", "eu-north-1"},
        {"global.anthropic.claude-x", "", WP_PLATFORM_BEDROCK, "global.anthropic.claude-x", ""},
        {"some-alias", ", custom_llm_provider: bedrock", WP_PLATFORM_BEDROCK, "some-alias", ""},
        {"bedrock/messages/us.anthropic.claude-x", "", WP_PLATFORM_BEDROCK_MESSAGES,
         "us.anthropic.claude-x", ""},
        {"bedrock/mantle/anthropic.claude-x", "", WP_PLATFORM_BEDROCK_MANTLE, "anthropic.claude-x",
         ""},
        {"vertex_ai/claude-sonnet-4-5@20250929", "", WP_PLATFORM_VERTEX,
         "claude-sonnet-4-5@20250929", ""},
        {"azure_ai/claude-sonnet-4-5", "", WP_PLATFORM_AZURE, "claude-sonnet-4-5", ""},
    };
    unsetenv("AWS_REGION_NAME");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        char yaml[512];
        snprintf(yaml, sizeof(yaml),
                 "model_list:\n  - {model_name: a, litellm_params: {model: \"%s\"%s}}\n",
                 rows[i].model, rows[i].more);
        struct loaded loaded = load_clean(yaml);
        const struct wp_deployment_config *deployment = &loaded.snapshot->deployments[0];
        assert_int_equal(deployment->platform, rows[i].platform);
        assert_view(deployment->upstream_model, rows[i].upstream);
        assert_view(deployment->aws.region, rows[i].region);
        unload(&loaded);
    }
}

static void every_setting_lands(void **state)
{
    (void)state;
    setenv("WARMPATH_TEST_MASTER", "sk-master-from-environment", 1);
    struct loaded loaded = load_clean(
        "environment_variables: {WARMPATH_TEST_REGION: ap-southeast-2}\n"
        "credential_list:\n"
        "  - {credential_name: shared, credential_values: {api_key: sk-shared-credential}}\n"
        "model_list:\n"
        "  - model_name: a\n"
        "    litellm_params:\n"
        "      model: bedrock/anthropic.claude-x\n"
        "      aws_region_name: os.environ/WARMPATH_TEST_REGION\n"
        "      aws_role_name: arn:aws:iam::1:role/r\n"
        "      aws_bedrock_runtime_endpoint: http://127.0.0.1:9/\n"
        "      litellm_credential_name: shared\n"
        "      weight: 0.25\n      rpm: 60\n      tpm: \"100000\"\n      order: 2\n"
        "      timeout: 1.5\n      stream_timeout: 20\n      max_parallel_requests: 4\n"
        "      num_retries: 1\n      cooldown_time: 9\n      extra_headers: {x-a: b}\n"
        "      input_cost_per_token: 3.0e-06\n"
        "      input_cost_per_token_above_200k_tokens: 6.0e-06\n"
        "    model_info:\n"
        "      id: mine\n      base_model: claude-sonnet-4-5\n      cooldown_time: 3\n"
        "      output_cost_per_token: 0.00002\n      allowed_fails: 4\n      blocked: true\n"
        "litellm_settings:\n"
        "  num_retries: 9\n  request_timeout: 30\n  allowed_fails: 8\n"
        "  routing_strategy: cost-based-routing\n"
        "router_settings:\n"
        "  num_retries: 5\n  routing_strategy: least-busy\n  cooldown_time: 0\n"
        "  enable_pre_call_checks: true\n"
        "  optional_pre_call_checks: [session_affinity, deployment_affinity]\n"
        "  retry_policy: {RateLimitErrorRetries: 4, TimeoutErrorRetries: 0}\n"
        "  allowed_fails_policy: {InternalServerErrorAllowedFails: 6}\n"
        "general_settings:\n"
        "  master_key: os.environ/WARMPATH_TEST_MASTER\n  store_prompts_in_spend_logs: true\n"
        "  max_request_size_mb: 2\n  maximum_spend_logs_retention_period: 36h\n"
        "  disable_requester_ip_address_logging: true\n");
    const struct wp_deployment_config *d = &loaded.snapshot->deployments[0];
    assert_view(d->id, "mine");
    assert_view(d->aws.region, "ap-southeast-2");
    assert_view(d->aws.role_arn, "arn:aws:iam::1:role/r");
    assert_view(d->aws.runtime_endpoint, "http://127.0.0.1:9/");
    assert_view(d->api_key, "sk-shared-credential");
    assert_true(d->weight == 0.25);
    assert_int_equal(d->rpm, 60);
    assert_int_equal(d->tpm, 100000);
    assert_int_equal(d->order, 2);
    assert_int_equal(d->timeout_ms, 1500);
    assert_int_equal(d->stream_timeout_ms, 20000);
    assert_int_equal(d->max_parallel_requests, 4);
    assert_int_equal(d->num_retries, 1);
    assert_int_equal(d->cooldown_ms, 3000); // model_info wins
    assert_int_equal(d->allowed_fails, 4);
    assert_true(d->blocked);
    assert_true(d->price.input == 3.0e-06 && d->price.input_above_200k == 6.0e-06);
    assert_true(d->price.output == 0.00002 && d->price.cache_read < 0);
    assert_int_equal(d->extra_header_count, 1);
    const struct wp_router_settings *router = &loaded.snapshot->router;
    assert_int_equal(router->num_retries, 5); // router_settings win
    assert_int_equal(router->strategy, WP_STRATEGY_LEAST_BUSY);
    assert_int_equal(router->timeout_ms, 30000);
    assert_int_equal(router->allowed_fails, 8);
    assert_int_equal(router->cooldown_ms, 0);
    assert_true(router->enable_pre_call_checks);
    assert_int_equal(router->pre_call_checks,
                     WP_CHECK_SESSION_AFFINITY | WP_CHECK_DEPLOYMENT_AFFINITY);
    assert_int_equal(router->retry_policy[WP_KIND_RATE_LIMIT], 4);
    assert_int_equal(router->retry_policy[WP_KIND_TIMEOUT], 0);
    assert_int_equal(router->retry_policy[WP_KIND_BAD_REQUEST], -1);
    assert_int_equal(router->allowed_fails_policy[WP_KIND_INTERNAL_SERVER], 6);
    const struct wp_general_settings *general = &loaded.snapshot->general;
    assert_view(general->master_key, "sk-master-from-environment");
    assert_true(general->store_prompts && general->hide_addresses);
    assert_int_equal(general->max_request_bytes, 2 << 20);
    assert_int_equal(general->retention_days, 2);
    // model_info as /model/info shows it has no value of the environment
    assert_view(d->model_info_json,
                "{\"id\": \"mine\", \"base_model\": \"claude-sonnet-4-5\", \"cooldown_time\": 3, "
                "\"output_cost_per_token\": 2e-05, \"allowed_fails\": 4, \"blocked\": true}");
    unload(&loaded);
}

static void names_lead_to_groups(void **state)
{
    (void)state;
    struct loaded loaded =
        load("model_list:\n"
             "  - {model_name: exact, litellm_params: {model: anthropic/one}}\n"
             "  - {model_name: \"claude-*\", litellm_params: {model: \"anthropic/claude-*\"}}\n"
             "  - {model_name: \"claude-sonnet-*\", litellm_params: {model: \"anthropic/s-*\"}}\n"
             "  - {model_name: \"*\", litellm_params: {model: \"anthropic/*\"}}\n"
             "router_settings:\n"
             "  model_group_alias: {short: exact, quiet: {model: exact, hidden: true}}\n"
             "  fallbacks: [{exact: [\"claude-a\", nowhere-else]}]\n"
             "  context_window_fallbacks: [{exact: [\"claude-big\"]}]\n"
             "  default_fallbacks: [exact]\n");
    const struct wp_snapshot *snapshot = loaded.snapshot;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_resolved resolved;
    static const struct {
        const char *name, *group, *upstream;
    } rows[] = {
        {"exact", "exact", "one"},
        {"short", "exact", "one"},
        {"quiet", "exact", "one"},
        {"exact[1m]", "exact", "one"},
        {"claude-opus", "claude-*", "claude-opus"},
        {"claude-sonnet-9", "claude-sonnet-*", "s-9"},
        {"else", "*", "else"},
    };
    assert_non_null(snapshot);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        assert_true(wp_snapshot_resolve(snapshot, wp_view_of(rows[i].name), &resolved));
        assert_view(resolved.deployments[0]->model_name, rows[i].group);
        assert_view(wp_resolved_upstream_model(arena, &resolved, resolved.deployments[0]),
                    rows[i].upstream);
    }
    size_t count;
    const wp_view *names = wp_snapshot_public_models(snapshot, &count);
    assert_int_equal(count, 2); // no wildcards, no hidden alias
    assert_view(names[0], "exact");
    assert_view(names[1], "short");
    names = wp_snapshot_fallbacks(snapshot, WP_VIEW("exact"), WP_FALLBACK_GENERAL, &count);
    assert_int_equal(count, 2);
    assert_view(names[0], "claude-a");
    names = wp_snapshot_fallbacks(snapshot, WP_VIEW("claude-*"), WP_FALLBACK_GENERAL, &count);
    assert_int_equal(count, 1); // groups without their own
    assert_view(names[0], "exact");
    names = wp_snapshot_fallbacks(snapshot, WP_VIEW("exact"), WP_FALLBACK_CONTEXT_WINDOW, &count);
    assert_int_equal(count, 1);
    assert_view(names[0], "claude-big");
    wp_snapshot_fallbacks(snapshot, WP_VIEW("other"), WP_FALLBACK_CONTEXT_WINDOW, &count);
    assert_int_equal(count, 0);
    struct wp_buf told = wp_buf_make(1 << 16);
    wp_config_describe(snapshot, &told);
    static const char *const lines[] = {
        "\n  fallbacks: claude-a, nowhere-else\n", "\n  context_window_fallbacks: claude-big\n",
        "\n  fallbacks: exact\nclaude-sonnet-*\n", "\nquiet -> exact (hidden)\nshort -> exact\n"};
    for (size_t i = 0; i < WP_COUNT_OF(lines); i++)
        assert_true(wp_view_contains(wp_buf_view(&told), wp_view_of(lines[i])));
    wp_buf_free(&told);
    wp_arena_destroy(arena);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_litellm),
        cmocka_unit_test(the_two_account_file_is_what_it_says),
        cmocka_unit_test(platforms_come_from_names),
        cmocka_unit_test(every_setting_lands),
        cmocka_unit_test(names_lead_to_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
