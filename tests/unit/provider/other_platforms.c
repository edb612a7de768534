// bedrock-mantle and Claude Platform on AWS.
#include "support.h"

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define BILLING                                                              \
    "\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: " \
    "a\"},{\"type\":\"text\","                                               \
    "\"text\":\"s\"}],"

static void test_mantle(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK_MANTLE);
    bench.deployment.upstream_model = WP_VIEW("anthropic.claude-opus-4-8");
    bench.deployment.aws.project_id = WP_VIEW("proj-1");
    bench_header(&bench, "anthropic-beta",
                 "claude-code-20250219,prompt-caching-scope-2026-01-05,"
                 "advanced-tool-use-2025-11-20");
    bench_header(&bench, "anthropic-version", "2026-10-21");
    bench_header(&bench, "authorization", "Bearer sk-gateway");
    bench.input.client_query = WP_VIEW("beta=true");
    bench_build(&bench,
                "{\"model\":\"opus\"," BILLING "\"speed\":\"fast\"," MESSAGES ",\"stream\":true}");
    assert_view(bench.body,
                "{\"model\":\"anthropic.claude-opus-4-8\",\"system\":[{\"type\":\"text\","
                "\"text\":\"s\"}]," MESSAGES ",\"stream\":true}");
    assert_view(bench.out.host, "bedrock-mantle.us-west-2.api.aws");
    assert_view(bench.out.target, "/anthropic/v1/messages?beta=true");
    assert_view(bench_sent(&bench, "anthropic-beta"),
                "claude-code-20250219,tool-search-tool-2025-10-19");
    assert_view(bench_sent(&bench, "anthropic-version"), "2026-10-21");
    assert_view(bench_sent(&bench, "anthropic-workspace"), "proj-1");
    assert_true(wp_view_contains(bench_sent(&bench, "authorization"),
                                 WP_VIEW("/us-west-2/bedrock-mantle/aws4_request")));
    assert_true(bench_dropped(&bench, "beta:prompt-caching-scope-2026-01-05"));
    assert_true(bench_dropped(&bench, "field:speed"));
    bench.input.operation = WP_OP_COUNT_TOKENS;
    bench_build(&bench, "{\"model\":\"opus\"," MESSAGES "}");
    assert_view(bench.out.target, "/anthropic/v1/messages/count_tokens?beta=true");
    bench_free(&bench);
}

static void test_claude_aws(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_CLAUDE_AWS);
    bench.deployment.upstream_model = WP_VIEW("claude-opus-4-8");
    const char *body = "{\"model\":\"opus\"," BILLING "\"speed\":\"fast\"," MESSAGES "}";
    assert_err(bench_try(&bench, body), WP_ERR_CREDENTIALS); // the workspace is required
    bench.deployment.aws.project_id = WP_VIEW("wrkspc_1");
    bench_header(&bench, "anthropic-beta", "prompt-caching-scope-2026-01-05");
    bench_build(&bench, body);
    assert_view(bench.body,
                "{\"model\":\"claude-opus-4-8\",\"system\":[{\"type\":\"text\",\"text\":"
                "\"s\"}],\"speed\":\"fast\"," MESSAGES "}");
    assert_view(bench.out.host, "aws-external-anthropic.us-west-2.api.aws");
    assert_view(bench_sent(&bench, "anthropic-workspace-id"), "wrkspc_1");
    assert_view(bench_sent(&bench, "anthropic-beta"), "prompt-caching-scope-2026-01-05");
    assert_true(wp_view_contains(bench_sent(&bench, "authorization"),
                                 WP_VIEW("/us-west-2/aws-external-anthropic/aws4_request")));
    bench.deployment.api_key = WP_VIEW("k");
    bench_build(&bench, body);
    assert_view(bench_sent(&bench, "x-api-key"), "k");
    assert_false(wp_headers_has(&bench.out.headers, "authorization"));
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mantle),
        cmocka_unit_test(test_claude_aws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
