// Requests towards Bedrock: each splice by itself, literal bytes before and after.
#include "support.h"

#include "base/codec.h"

#define VERSION  "\"anthropic_version\":\"bedrock-2023-05-31\""
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void expect(struct bench *bench, const char *body, const char *sent)
{
    bench_build(bench, body);
    assert_view(bench->body, sent);
}

static void test_envelope(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(&bench, "{\"model\":\"m\",\"max_tokens\":5," MESSAGES ",\"stream\":true}",
           "{" VERSION ",\"max_tokens\":5," MESSAGES "}");
    assert_int_equal(bench.out.dropped_count, 0);
    // White space stays, wherever it is.
    bench_build(&bench, " {\n \"model\" : \"m\" , \"max_tokens\" : 5 ,\n" MESSAGES "\n}\n");
    assert_true(wp_view_contains(bench.body, WP_VIEW("\"max_tokens\" : 5 ,\n" MESSAGES "\n}\n")));
    assert_true(wp_view_starts_with(bench.body, WP_VIEW(" {" VERSION ",")));
    assert_false(wp_view_contains(bench.body, WP_VIEW("model")));
    bench_free(&bench);
}

static void test_target(void **state)
{
    (void)state;
    static const struct {
        const char *model, *model_id, *region, *endpoint;
        bool stream;
        const char *host, *target;
    } rows[] = {
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", "us-west-2", "", true,
         "bedrock-runtime.us-west-2.amazonaws.com",
         "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream"},
        {"anthropic.claude-opus-4-8", "", "eu-central-1", "", false,
         "bedrock-runtime.eu-central-1.amazonaws.com", "/model/anthropic.claude-opus-4-8/invoke"},
        {"anthropic.claude-opus-4-8",
         "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "us-east-1",
         "", false, "bedrock-runtime.us-east-1.amazonaws.com",
         "/model/"
         "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/"
         "invoke"},
        {"m", "", "cn-north-1", "", false, "bedrock-runtime.cn-north-1.amazonaws.com.cn",
         "/model/m/invoke"},
        {"m", "", "us-east-1", "http://127.0.0.1:9000/base", false, "127.0.0.1",
         "/base/model/m/invoke"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct bench bench;
        bench_init(&bench, WP_PLATFORM_BEDROCK);
        bench.input.upstream_model = wp_view_of(rows[i].model);
        bench.deployment.model_id = wp_view_of(rows[i].model_id);
        bench.deployment.aws.runtime_endpoint = wp_view_of(rows[i].endpoint);
        bench.input.region = wp_view_of(rows[i].region);
        bench.input.client_query = WP_VIEW("beta=true"); // Anthropic's own: not sent
        bench_build(&bench, rows[i].stream ? "{\"model\":\"m\"," MESSAGES ",\"stream\":true}"
                                           : "{\"model\":\"m\"," MESSAGES "}");
        assert_view(bench.out.host, rows[i].host);
        assert_view(bench.out.target, rows[i].target);
        assert_view(bench_sent(&bench, "accept"),
                    rows[i].stream ? "application/vnd.amazon.eventstream" : "application/json");
        assert_int_equal(wp_headers_has(&bench.out.headers, "x-amzn-bedrock-accept"),
                         rows[i].stream);
        bench_free(&bench);
    }
}

static void test_api_base_override(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench.input.upstream_model = WP_VIEW("m");
    bench.deployment.api_base = WP_VIEW("https://vpce.example");
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench.out.api_base, "https://vpce.example/model/m/invoke");
    bench.deployment.aws.runtime_endpoint = WP_VIEW("https://first.example");
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench.out.host, "first.example");
    bench.deployment.aws.runtime_endpoint = WP_VIEW("ftp://x");
    assert_err(bench_try(&bench, "{\"model\":\"m\"," MESSAGES "}"), WP_ERR_INTERNAL);
    bench_free(&bench);
}

static void test_credentials(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    assert_int_equal(wp_provider_auth(&bench.deployment), WP_AUTH_SIGV4);
    bench.keys.session_token = WP_VIEW("token-1");
    bench_header(&bench, "Authorization", "Bearer sk-gateway");
    bench_header(&bench, "anthropic-version", "2023-06-01");
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    wp_view authorization = bench_sent(&bench, "authorization");
    assert_true(wp_view_starts_with(
        authorization,
        WP_VIEW(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-west-2/bedrock/aws4_request")));
    assert_view(bench_sent(&bench, "x-amz-date"), "20261123T000000Z");
    assert_view(bench_sent(&bench, "x-amz-security-token"), "token-1");
    char hash[WP_SHA256_HEX_LEN + 1];
    wp_sha256_hex(bench.body, hash);
    assert_view(bench_sent(&bench, "x-amz-content-sha256"), hash);
    assert_false(wp_headers_has(&bench.out.headers, "anthropic-version"));
    bench.input.bearer = WP_VIEW("bedrock-key");
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench_sent(&bench, "authorization"), "Bearer bedrock-key");
    assert_false(wp_headers_has(&bench.out.headers, "x-amz-date"));
    bench.deployment.api_key = WP_VIEW("own-key"); // the deployment's beats the environment's
    assert_int_equal(wp_provider_auth(&bench.deployment), WP_AUTH_BEARER);
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench_sent(&bench, "authorization"), "Bearer own-key");
    bench_free(&bench);
}

static void test_missing_credentials(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench.keys.access_key_id = (wp_view){NULL, 0};
    assert_err(bench_try(&bench, "{\"model\":\"m\"," MESSAGES "}"), WP_ERR_CREDENTIALS);
    bench.input.region = WP_VIEW("us-west-2/../x");
    assert_err(bench_try(&bench, "{\"model\":\"m\"," MESSAGES "}"), WP_ERR_CREDENTIALS);
    assert_view(wp_view_of(bench.detail), "no valid AWS region: set aws_region_name or AWS_REGION");
    bench_free(&bench);
}

// The golden vector of the signature, through the builder: body {} cannot be built, so the host
// and path are what is checked; the vector itself is sigv4's own test.
static void test_guardrail_header_is_signed(void **state)
{
    (void)state;
    static const struct wp_name_value extra = {{"X-Amzn-Bedrock-Trace", 20}, {"ENABLED", 7}};
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench.deployment.extra_headers = &extra;
    bench.deployment.extra_header_count = 1;
    bench_build(&bench, "{\"model\":\"m\"," MESSAGES "}");
    assert_view(bench_sent(&bench, "x-amzn-bedrock-trace"), "ENABLED");
    assert_true(
        wp_view_contains(bench_sent(&bench, "authorization"),
                         WP_VIEW("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-"
                                 "date;x-amzn-bedrock-trace")));
    bench_free(&bench);
}

// --- versions and betas

static void test_version(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench_header(&bench, "anthropic-version", "2026-10-21");
    expect(&bench, "{\"model\":\"m\"," MESSAGES "}",
           "{\"anthropic_version\":\"2026-10-21\"," MESSAGES "}");
    bench.model.anthropic_version_2026 = false;
    expect(&bench, "{\"model\":\"m\"," MESSAGES "}", "{" VERSION "," MESSAGES "}");
    bench_free(&bench);
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(&bench, "{\"model\":\"m\",\"anthropic_version\":\"2026-10-21\"," MESSAGES "}",
           "{\"anthropic_version\":\"2026-10-21\"," MESSAGES "}");
    expect(&bench, "{\"model\":\"m\",\"anthropic_version\":\"bedrock-2023-05-31\"," MESSAGES "}",
           "{" VERSION "," MESSAGES "}");
    bench_free(&bench);
}

static void test_betas(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench_header(&bench, "anthropic-beta",
                 "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,"
                 "advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19,effort-2025-11-24,"
                 "context-management-2025-06-27,my-beta-2026-01-01");
    expect(&bench, "{\"model\":\"m\"," MESSAGES "}",
           "{" VERSION ",\"anthropic_beta\":[\"context-1m-2025-08-07\",\"interleaved-thinking-2025-"
           "05-14\",\"tool-search-tool-2025-10-19\",\"effort-2025-11-24\"]," MESSAGES "}");
    assert_true(bench_dropped(&bench, "beta:claude-code-20250219"));
    assert_true(bench_dropped(&bench, "beta:my-beta-2026-01-01"));
    assert_true(bench_dropped(&bench, "beta:context-management-2025-06-27"));
    assert_int_equal(bench.out.dropped_count, 3);
    bench_older_model(&bench); // no effort
    expect(&bench, "{\"model\":\"m\"," MESSAGES "}",
           "{" VERSION ",\"anthropic_beta\":[\"context-1m-2025-08-07\",\"interleaved-thinking-2025-"
           "05-14\",\"tool-search-tool-2025-10-19\"]," MESSAGES "}");
    bench.model.family = WP_VIEW("claude-haiku-4-5"); // no million tokens
    expect(&bench, "{\"model\":\"m\"," MESSAGES "}",
           "{" VERSION
           ",\"anthropic_beta\":[\"interleaved-thinking-2025-05-14\",\"tool-search-tool-"
           "2025-10-19\"]," MESSAGES "}");
    bench_free(&bench);
}

static void test_betas_of_the_body(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(
        &bench,
        "{\"model\":\"m\",\"anthropic_beta\":[\"interleaved-thinking-2025-05-14\",\"x\"]," MESSAGES
        "}",
        "{" VERSION ",\"anthropic_beta\":[\"interleaved-thinking-2025-05-14\"]," MESSAGES "}");
    assert_true(bench_dropped(&bench, "beta:x"));
    bench_free(&bench);
}

// Header and field go together, in both directions.
static void test_pairs(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench_header(&bench, "anthropic-beta", "context-management-2025-06-27,compact-2026-01-12");
    expect(
        &bench,
        "{\"model\":\"m\",\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_20251015\","
        "\"keep\":\"all\"}]}," MESSAGES "}",
        "{" VERSION "," MESSAGES "}");
    assert_true(bench_dropped(&bench, "field:context_management"));
    assert_true(bench_dropped(&bench, "edit:clear_thinking_20251015"));
    assert_true(bench_dropped(&bench, "beta:context-management-2025-06-27"));
    assert_true(bench_dropped(&bench, "beta:compact-2026-01-12"));
    expect(
        &bench,
        "{\"model\":\"m\",\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_20251015\"}"
        ",{\"type\":\"compact_20260112\"},{\"type\":\"unheard_of\"}]}," MESSAGES "}",
        "{" VERSION ",\"anthropic_beta\":[\"context-management-2025-06-27\",\"compact-2026-01-12\"]"
        ",\"context_management\":{\"edits\":[{\"type\":\"compact_20260112\"}]}," MESSAGES "}");
    // The memory tool needs the beta without the field.
    bench_build(&bench,
                "{\"model\":\"m\",\"tools\":[{\"type\":\"memory_20250818\",\"name\":\"memory\"}],"
                "" MESSAGES "}");
    assert_true(wp_view_contains(
        bench.body, WP_VIEW("\"anthropic_beta\":[\"context-management-2025-06-27\"]")));
    bench_free(&bench);
    bench_init(&bench, WP_PLATFORM_BEDROCK); // the field without the beta
    expect(&bench,
           "{\"model\":\"m\",\"context_management\":{\"edits\":[{\"type\":\"compact_20260112\"}]},"
           "" MESSAGES "}",
           "{" VERSION "," MESSAGES "}");
    bench_free(&bench);
}

// --- fields

static void test_fields(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(
        &bench,
        "{\"model\":\"m\",\"speed\":\"fast\"," MESSAGES ",\"metadata\":{\"user_id\":\"u\"},\"mcp_"
        "servers\":[{}],\"container\":null,\"stop_sequences\":[\"x\"],\"service_tier\":\"auto\"}",
        "{" VERSION "," MESSAGES ",\"metadata\":{\"user_id\":\"u\"},\"stop_sequences\":[\"x\"]}");
    assert_true(bench_dropped(&bench, "field:speed"));
    assert_true(bench_dropped(&bench, "field:mcp_servers"));
    assert_true(bench_dropped(&bench, "field:container"));
    assert_true(bench_dropped(&bench, "field:service_tier"));
    bench_free(&bench);
}

// Of two members with one name the provider takes the last: so does what is decided here.
static void test_names_given_twice(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench_older_model(&bench);
    expect(&bench,
           "{\"model\":\"m\",\"max_tokens\":3000,\"thinking\":{\"type\":\"adaptive\",\"type\":"
           "\"disabled\"}," MESSAGES "}",
           "{" VERSION ",\"max_tokens\":3000,\"thinking\":{\"type\":\"adaptive\",\"type\":"
           "\"disabled\"}," MESSAGES "}");
    expect(&bench,
           "{\"model\":\"m\",\"max_tokens\":3000,\"thinking\":{\"type\":\"disabled\",\"type\":"
           "\"adaptive\"}," MESSAGES "}",
           "{" VERSION ",\"max_tokens\":3000,\"thinking\":{\"type\":\"enabled\","
           "\"budget_tokens\":2999}," MESSAGES "}");
    bench_free(&bench);
}

// A level that the model does not take becomes the next lower one; without a lower one, its lowest.
static void test_effort_levels(void **state)
{
    (void)state;
    enum {
        LOW = 1u << WP_EFFORT_low,
        MEDIUM = 1u << WP_EFFORT_medium,
        HIGH = 1u << WP_EFFORT_high
    };
    enum { MAX = 1u << WP_EFFORT_max };
    static const struct {
        uint8_t taken;
        const char *asked, *sent;
    } rows[] = {
        {LOW | MEDIUM | HIGH | MAX, "xhigh", "high"},
        {LOW | MEDIUM | HIGH | MAX, "max", "max"},
        {LOW | MEDIUM | HIGH, "max", "high"},
        {LOW | MEDIUM | HIGH, "high", "high"},
        {MEDIUM | HIGH, "low", "medium"},
        {WP_EFFORT_ALL, "max", "max"},
        {LOW, "of another time", "of another time"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct bench bench;
        char body[256], wanted[256];
        bench_init(&bench, WP_PLATFORM_BEDROCK);
        bench.model.effort = rows[i].taken;
        snprintf(body, sizeof(body),
                 "{\"model\":\"m\",\"output_config\":{\"effort\":\"%s\"}," MESSAGES "}",
                 rows[i].asked);
        snprintf(wanted, sizeof(wanted),
                 "{" VERSION ",\"output_config\":{\"effort\":\"%s\"}," MESSAGES "}", rows[i].sent);
        expect(&bench, body, wanted);
        bool lowered = strcmp(rows[i].asked, rows[i].sent) != 0;
        snprintf(body, sizeof(body), "effort:%s", rows[i].asked);
        assert_int_equal(bench_dropped(&bench, body), lowered);
        bench_free(&bench);
    }
}

static void test_output_config(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    const char *both =
        "{\"model\":\"m\",\"output_config\":{\"effort\":\"high\",\"format\":{\"type\":"
        "\"json_schema\",\"schema\":{\"type\":\"object\"}}}," MESSAGES "}";
    expect(&bench, both,
           "{" VERSION
           ",\"output_config\":{\"effort\":\"high\",\"format\":{\"type\":\"json_schema\","
           "\"schema\":{\"type\":\"object\"}}}," MESSAGES "}");
    // Opus 4.8 takes effort and no format: the schema is asked for in words.
    bench.model.family = WP_VIEW("claude-opus-4-8");
    expect(
        &bench, both,
        "{" VERSION ",\"output_config\":{\"effort\":\"high\"},\"messages\":[{\"role\":\"user\","
        "\"content\":\"hi\\n\\nAnswer with one JSON value that matches this JSON schema, and with "
        "nothing else:\\n{\\\"type\\\":\\\"object\\\"}\"}]}");
    assert_true(bench_dropped(&bench, "field:output_config.format"));
    assert_false(bench_dropped(&bench, "field:output_config"));
    // Sonnet 4.5 takes neither: the whole field goes.
    bench_older_model(&bench);
    expect(&bench, "{\"model\":\"m\",\"output_config\":{\"effort\":\"high\"}," MESSAGES "}",
           "{" VERSION "," MESSAGES "}");
    assert_true(bench_dropped(&bench, "field:output_config"));
    expect(&bench, "{\"model\":\"m\",\"output_config\":{}," MESSAGES "}",
           "{" VERSION "," MESSAGES "}");
    bench_free(&bench);
}

static void test_schema_after_a_block_without_text(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(
        &bench,
        "{\"model\":\"m\",\"output_format\":{\"type\":\"json_schema\",\"schema\":[]},\"messages\":["
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\"}]},"
        "{\"role\":\"assistant\",\"content\":\"{\"}]}",
        "{" VERSION
        ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_"
        "use_id\":\"t\"},{\"type\":\"text\",\"text\":\"\\n\\nAnswer with one JSON value that "
        "matches "
        "this JSON schema, and with nothing else:\\n[]\"}]},{\"role\":\"assistant\",\"content\":"
        "\"{\"}]}");
    bench_free(&bench);
}

// --- billing block and markers

static void test_billing_block(void **state)
{
    (void)state;
    struct bench bench;
    const char *body =
        "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: "
        "cc_version=2.1.197.123; cc_entrypoint=sdk-cli;\"},{\"type\":\"text\",\"text\":\"s\"}],"
        "" MESSAGES "}";
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(&bench, body,
           "{" VERSION ",\"system\":[{\"type\":\"text\",\"text\":\"s\"}]," MESSAGES "}");
    assert_true(bench_dropped(&bench, "billing_header"));
    bench.deployment.billing_header = WP_BILLING_KEEP;
    bench_build(&bench, body);
    assert_true(wp_view_contains(bench.body, WP_VIEW("cc_version=2.1.197.123")));
    assert_int_equal(bench.out.dropped_count, 0);
    bench_free(&bench);
}

static void test_markers(void **state)
{
    (void)state;
    struct bench bench;
    const char *body =
        "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{"
        "\"type\":"
        "\"ephemeral\",\"scope\":\"global\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":\"user\","
        "\"content\":[{\"type\":\"text\",\"text\":\"hi\",\"cache_control\":{\"scope\":\"global\","
        "\"type\":\"ephemeral\"}}]}]}";
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(
        &bench, body,
        "{" VERSION ",\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":"
        "\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"hi\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
    assert_true(bench_dropped(&bench, "cache_control:scope"));
    assert_int_equal(bench.out.dropped_count, 1);
    bench.model.cache_ttl_1h = false;
    expect(&bench, body,
           "{" VERSION ",\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":"
           "\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
           "\"text\":"
           "\"hi\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
    assert_true(bench_dropped(&bench, "cache_control:ttl"));
    bench_free(&bench);
}

// A marker that only has what is taken away, on a block that goes: nothing to trip over.
static void test_marker_on_the_billing_block(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(&bench,
           "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: "
           "a\","
           "\"cache_control\":{\"type\":\"ephemeral\",\"scope\":\"global\"}}]," MESSAGES "}",
           "{" VERSION "," MESSAGES "}");
    bench_free(&bench);
}

static void test_top_level_marker(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    // On a plain string.
    expect(&bench, "{\"model\":\"m\",\"cache_control\":{\"type\":\"ephemeral\"}," MESSAGES "}",
           "{" VERSION ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
           "\"hi\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
    // On a block; the scope is not taken over, the TTL is.
    expect(&bench,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
           "\"text\":"
           "\"hi\"}]}],\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\",\"scope\":"
           "\"global\"}}",
           "{" VERSION
           ",\"messages\":[{\"role\":\"user\",\"content\":[{\"cache_control\":{\"type\":"
           "\"ephemeral\",\"ttl\":\"1h\"},\"type\":\"text\",\"text\":\"hi\"}]}]}");
    // The last block has one already.
    expect(&bench,
           "{\"model\":\"m\",\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[{\"role\":"
           "\"user\","
           "\"content\":[{\"type\":\"text\",\"text\":\"hi\",\"cache_control\":{\"type\":"
           "\"ephemeral\"}}]"
           "}]}",
           "{" VERSION ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
           "\"hi\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
    // A thinking block cannot carry it: walk back.
    expect(&bench,
           "{\"model\":\"m\",\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[{\"role\":"
           "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"thinking\","
           "\"thinking\":\"t\",\"signature\":\"s\"}]}]}",
           "{" VERSION
           ",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"cache_control\":{\"type\":"
           "\"ephemeral\"},\"type\":\"text\",\"text\":\"a\"},{\"type\":\"thinking\",\"thinking\":"
           "\"t\","
           "\"signature\":\"s\"}]}]}");
    bench_free(&bench);
}

// --- tools

static void test_tool_fields(void **state)
{
    (void)state;
    struct bench bench;
    const char *body =
        "{\"model\":\"m\",\"tools\":[{\"eager_input_streaming\":true,\"name\":\"a\",\"defer_"
        "loading\":"
        "true},{\"name\":\"b\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"strict\":{},"
        "\"eager_input_streaming\":{}}},\"strict\":true}]," MESSAGES "}";
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    expect(&bench, body,
           "{" VERSION
           ",\"tools\":[{\"name\":\"a\"},{\"name\":\"b\",\"input_schema\":{\"type\":\"object\""
           ",\"properties\":{\"strict\":{},\"eager_input_streaming\":{}}}}]," MESSAGES "}");
    assert_true(bench_dropped(&bench, "tool_field:eager_input_streaming"));
    assert_true(bench_dropped(&bench, "tool_field:defer_loading"));
    assert_true(bench_dropped(&bench, "tool_field:strict"));
    assert_int_equal(bench.out.dropped_count, 3);
    bench_header(&bench, "anthropic-beta",
                 "advanced-tool-use-2025-11-20,structured-outputs-2025-12-15");
    expect(&bench, body,
           "{" VERSION
           ",\"anthropic_beta\":[\"tool-search-tool-2025-10-19\",\"structured-outputs-2025-"
           "12-15\"],\"tools\":[{\"name\":\"a\",\"defer_loading\":true},{\"name\":\"b\",\"input_"
           "schema\":"
           "{\"type\":\"object\",\"properties\":{\"strict\":{},\"eager_input_streaming\":{}}},"
           "\"strict\":"
           "true}]," MESSAGES "}");
    bench_free(&bench);
}

static void test_server_tools_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    assert_err(bench_try(&bench,
                         "{\"model\":\"m\",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":"
                         "\"web_search\",\"max_uses\":8}]," MESSAGES "}"),
               WP_ERR_NOT_SUPPORTED);
    assert_view(
        wp_view_of(bench.detail),
        "tools: Amazon Bedrock does not offer the tool type 'web_search_20250305'; it needs a "
        "deployment of the Anthropic API");
    static const char *const fine[] = {"custom", "bash_20250124", "text_editor_20250728",
                                       "computer_20251124", "memory_20250818"};
    for (size_t i = 0; i < WP_COUNT_OF(fine); i++) {
        wp_view body = wp_arena_printf(
            bench.arena,
            "{\"model\":\"m\",\"tools\":[{\"type\":\"%s\",\"name\":\"n\"}]," MESSAGES "}", fine[i]);
        bench_build(&bench, body.ptr);
    }
    bench_free(&bench);
}

// --- what the model lacks

static void test_thinking(void **state)
{
    (void)state;
    static const struct {
        bool adaptive, budget, known;
        const char *given, *sent;
    } rows[] = {
        {true, false, true, "{\"type\":\"adaptive\"}", "{\"type\":\"adaptive\"}"},
        {false, true, true, "{\"type\":\"adaptive\"}",
         "{\"type\":\"enabled\",\"budget_tokens\":3999}"},
        {true, false, true, "{\"type\":\"enabled\",\"budget_tokens\":9}",
         "{\"type\":\"adaptive\"}"},
        {false, false, true, "{\"type\":\"adaptive\"}", "{\"type\":\"disabled\"}"},
        {false, false, true, "{\"type\":\"disabled\"}", "{\"type\":\"disabled\"}"},
        {false, false, false, "{\"type\":\"adaptive\"}", "{\"type\":\"adaptive\"}"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct bench bench;
        bench_init(&bench, WP_PLATFORM_BEDROCK);
        bench.model.adaptive_thinking = rows[i].adaptive;
        bench.model.budget_thinking = rows[i].budget;
        bench.model.price.known = rows[i].known;
        wp_view given = wp_arena_printf(
            bench.arena, "{\"model\":\"m\",\"max_tokens\":4000,\"thinking\":%s," MESSAGES "}",
            rows[i].given);
        wp_view sent = wp_arena_printf(
            bench.arena, "{" VERSION ",\"max_tokens\":4000,\"thinking\":%s," MESSAGES "}",
            rows[i].sent);
        bench_build(&bench, given.ptr);
        assert_view(bench.body, sent.ptr);
        bench_free(&bench);
    }
}

static void test_system_messages(void **state)
{
    (void)state;
    struct bench bench;
    const char *body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{"
                       "\"role\":\"system\","
                       "\"content\":\"agents\"},{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
                       "\"type\":\"text\","
                       "\"text\":\"b\"}],\"role\":\"system\"}]}";
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench_build(&bench, body);
    assert_true(
        wp_view_contains(bench.body, WP_VIEW("{\"role\":\"system\",\"content\":\"agents\"}")));
    bench_older_model(&bench);
    expect(
        &bench, body,
        "{" VERSION ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"user\","
        "\"content\":\"<system-reminder>\\nagents\\n</system-reminder>\"},{\"content\":[{\"type\":"
        "\"text\",\"text\":\"<system-reminder>\\na\\n</system-reminder>\"},{\"type\":\"text\","
        "\"text\":\"<system-reminder>\\nb\\n</system-reminder>\"}],\"role\":\"user\"}]}");
    assert_true(bench_dropped(&bench, "role:system"));
    bench_free(&bench);
}

// --- counting

static void expect_count(struct bench *bench, const char *body, const char *inner)
{
    bench->input.operation = WP_OP_COUNT_TOKENS;
    bench_build(bench, body);
    wp_view prefix = WP_VIEW("{\"input\":{\"invokeModel\":{\"body\":\""), suffix = WP_VIEW("\"}}}");
    assert_true(wp_view_starts_with(bench->body, prefix));
    assert_true(wp_view_ends_with(bench->body, suffix));
    wp_view encoded = wp_view_sub(bench->body, prefix.len, bench->body.len - suffix.len);
    char *decoded = wp_arena_alloc(bench->arena, encoded.len + 1);
    size_t len;
    assert_true(wp_base64_decode(encoded, decoded, &len));
    assert_view(wp_view_make(decoded, len), inner);
}

static void test_count_tokens(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench.input.upstream_model = WP_VIEW("us.x:0");
    expect_count(&bench, "{\"model\":\"m\"," MESSAGES "}",
                 "{" VERSION ",\"max_tokens\":1," MESSAGES "}");
    assert_view(bench.out.target, "/model/us.x%3A0/count-tokens");
    assert_view(bench_sent(&bench, "accept"), "application/json");
    expect_count(&bench, "{\"model\":\"m\",\"max_tokens\":7," MESSAGES "}",
                 "{" VERSION ",\"max_tokens\":7," MESSAGES "}");
    expect_count(
        &bench,
        "{\"model\":\"m\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":31999}," MESSAGES
        "}",
        "{" VERSION ",\"max_tokens\":32000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":"
        "31999}," MESSAGES "}");
    bench_free(&bench);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    const char *body = "{\"model\":\"m\",\"max_tokens\":4000,\"thinking\":{\"type\":\"adaptive\"},"
                       "\"output_config\":{"
                       "\"format\":{\"schema\":{}}},\"cache_control\":{\"type\":\"ephemeral\"},"
                       "\"tools\":[{\"name\":"
                       "\"a\",\"strict\":true}]," MESSAGES "}";
    for (uint64_t n = 1;; n++) {
        struct bench bench;
        bench_init(&bench, WP_PLATFORM_BEDROCK);
        bench_older_model(&bench);
        bench_header(&bench, "anthropic-beta", "a,context-1m-2025-08-07");
        const char *detail = NULL;
        size_t offset;
        assert_ok(wp_request_scan(bench.arena, wp_view_of(body), &bench.request, &detail, &offset));
        bench.input.deployment = &bench.deployment;
        bench.input.endpoint = wp_provider_prepare(&bench.deployment, bench.arena);
        bench.input.upstream_model = bench.deployment.upstream_model;
        bench.input.request = &bench.request;
        bench.input.client_headers = &bench.client;
        bench.input.model = &bench.model;
        bench.input.tables = bench.tables;
        bench.input.keys = &bench.keys;
        bench.input.operation = n % 2 == 0 ? WP_OP_COUNT_TOKENS : WP_OP_MESSAGES;
        uint64_t before = wp_alloc_count();
        wp_alloc_fail_after(n);
        struct wp_arena *arena = wp_arena_create(0);
        enum wp_err err = WP_ERR_NO_MEMORY;
        if (arena != NULL)
            err = wp_provider_build(&bench.input, arena, &bench.out, &detail);
        bool reached = wp_alloc_count() - before >= n;
        wp_alloc_fail_after(0);
        wp_arena_destroy(arena);
        bench_free(&bench);
        if (!reached) {
            assert_ok(err);
            break;
        }
        assert_err(err, WP_ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_api_base_override),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_missing_credentials),
        cmocka_unit_test(test_guardrail_header_is_signed),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_betas),
        cmocka_unit_test(test_betas_of_the_body),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_names_given_twice),
        cmocka_unit_test(test_effort_levels),
        cmocka_unit_test(test_output_config),
        cmocka_unit_test(test_schema_after_a_block_without_text),
        cmocka_unit_test(test_billing_block),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_marker_on_the_billing_block),
        cmocka_unit_test(test_top_level_marker),
        cmocka_unit_test(test_tool_fields),
        cmocka_unit_test(test_server_tools_are_refused),
        cmocka_unit_test(test_thinking),
        cmocka_unit_test(test_system_messages),
        cmocka_unit_test(test_count_tokens),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
