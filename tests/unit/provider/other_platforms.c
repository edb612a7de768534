// Bedrock's Messages API on both its hosts, Microsoft Foundry, Claude Platform on AWS.
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

static void test_bedrock_messages(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK_MESSAGES);
    bench.deployment.upstream_model = WP_VIEW("us.anthropic.claude-opus-5");
    bench_header(&bench, "anthropic-beta",
                 "claude-code-20250219,prompt-caching-scope-2026-01-05,web-search-2025-03-05");
    bench_header(&bench, "authorization", "Bearer sk-gateway");
    bench.input.client_query = WP_VIEW("beta=true");
    bench_build(&bench,
                "{\"model\":\"opus\"," BILLING "\"speed\":\"fast\"," MESSAGES ",\"stream\":true}");
    assert_view(bench.body,
                "{\"model\":\"us.anthropic.claude-opus-5\",\"system\":[{\"type\":\"text\","
                "\"text\":\"s\"}]," MESSAGES ",\"stream\":true}");
    assert_view(bench.out.host, "bedrock-runtime.us-west-2.amazonaws.com");
    assert_view(bench.out.target, "/anthropic/v1/messages?beta=true");
    assert_view(bench_sent(&bench, "anthropic-beta"), "claude-code-20250219");
    assert_view(bench_sent(&bench, "anthropic-version"), "2023-06-01");
    assert_false(wp_headers_has(&bench.out.headers, "anthropic-workspace"));
    assert_true(wp_view_contains(bench_sent(&bench, "authorization"),
                                 WP_VIEW("/us-west-2/bedrock/aws4_request")));
    assert_true(bench_dropped(&bench, "beta:web-search-2025-03-05"));
    assert_true(bench_dropped(&bench, "field:speed"));
    bench_free(&bench);
}

// An application profile in model_id; the endpoint as AWS's variables or an SDK's base URL name it.
static void test_bedrock_messages_endpoints(void **state)
{
    (void)state;
    static const char *const bases[] = {"http://127.0.0.1:1", "http://127.0.0.1:1/",
                                        "http://127.0.0.1:1/anthropic",
                                        "http://127.0.0.1:1/anthropic/v1/messages"};
    for (size_t i = 0; i < WP_COUNT_OF(bases); i++) {
        struct bench bench;
        bench_init(&bench, WP_PLATFORM_BEDROCK_MESSAGES);
        bench.deployment.upstream_model = WP_VIEW("us.anthropic.claude-opus-5");
        bench.deployment.model_id = WP_VIEW("arn:aws:bedrock:us-west-2:1:p/x");
        bench.deployment.api_key = WP_VIEW("bedrock-api-key-1");
        bench.deployment.aws.runtime_endpoint = wp_view_of(bases[i]);
        bench.input.operation = WP_OP_COUNT_TOKENS;
        bench_build(&bench, "{\"model\":\"opus\"," MESSAGES "}");
        assert_view(bench.out.target, "/anthropic/v1/messages/count_tokens");
        assert_view(bench.body, "{\"model\":\"arn:aws:bedrock:us-west-2:1:p/x\"," MESSAGES "}");
        assert_view(bench_sent(&bench, "authorization"), "Bearer bedrock-api-key-1");
        bench_free(&bench);
    }
}

static void test_foundry(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_AZURE);
    bench.deployment.api_key = WP_VIEW("azure-key");
    bench.deployment.api_base = WP_VIEW("https://r.services.ai.azure.com/anthropic/v1/messages/");
    bench.input.client_query = WP_VIEW("beta=true");
    bench_header(&bench, "User-Agent", "claude-cli/2.1.197");
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench.out.host, "r.services.ai.azure.com");
    assert_view(bench.out.target, "/anthropic/v1/messages?beta=true");
    assert_view(bench.out.api_base, "https://r.services.ai.azure.com/anthropic/v1/messages");
    assert_view(bench_fields(&bench),
                "host: r.services.ai.azure.com\r\ncontent-type: application/json\r\n"
                "accept: application/json\r\naccept-encoding: identity\r\n"
                "anthropic-version: 2023-06-01\r\nUser-Agent: claude-cli/2.1.197\r\n"
                "x-api-key: azure-key\r\n");
    bench.input.operation = WP_OP_COUNT_TOKENS;
    bench.input.client_query = (wp_view){NULL, 0};
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench.out.target, "/anthropic/v1/messages/count_tokens");
    bench.deployment.api_base = WP_VIEW("r.services.ai.azure.com");
    assert_err(bench_try(&bench, "{\"model\":\"m\"," MESSAGES "}"), WP_ERR_INTERNAL);
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
        cmocka_unit_test(test_bedrock_messages),
        cmocka_unit_test(test_bedrock_messages_endpoints),
        cmocka_unit_test(test_foundry),
        cmocka_unit_test(test_claude_aws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
