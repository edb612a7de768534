// Requests towards Anthropic: the body byte for byte but for the model, the protocol's headers as
// they came, none of the gateway's own.
#include "support.h"

#define BODY                                                                                      \
    " {\"model\" : \"sonnet\",\n \"max_tokens\":5,\"system\":[{\"type\":\"text\",\"text\":\"x-"   \
    "anthropic-billing-header: cc_version=2.1;\"},{\"type\":\"text\",\"text\":\"s\",\"cache_"     \
    "control\":{\"type\":\"ephemeral\",\"scope\":\"global\"}}],\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"h\\u00e9\"}],\"speed\":\"fast\",\"stream\":true}\n"

static void begin(struct bench *bench)
{
    bench_init(bench, WP_PLATFORM_ANTHROPIC);
    bench->deployment.upstream_model = WP_VIEW("claude-sonnet-4-5");
    bench->deployment.api_key = WP_VIEW("sk-ant-api03-k");
}

static void test_only_the_model_changes(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench_build(&bench, BODY);
    const char *at = strstr(BODY, "\"sonnet\"");
    struct wp_buf expected = wp_buf_make(4096);
    wp_buf_append(&expected, wp_view_make(BODY, (size_t)(at - BODY)));
    wp_buf_append_cstring(&expected, "\"claude-sonnet-4-5\"");
    wp_buf_append_cstring(&expected, at + strlen("\"sonnet\""));
    wp_buf_append_char(&expected, '\0');
    assert_view(bench.body, expected.ptr);
    wp_buf_free(&expected);
    assert_int_equal(bench.out.dropped_count, 0);
    bench_free(&bench);
}

static void test_same_model_same_bytes(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.deployment.upstream_model = WP_VIEW("sonnet");
    bench_build(&bench, BODY);
    assert_view(bench.body, BODY);
    assert_int_equal(bench.out.body.count, 1);
    assert_ptr_equal(bench.out.body.list[0].ptr, bench.request.body.ptr); // nothing was copied
    bench_free(&bench);
}

// A provider takes the last of two models, a gateway might check the first.
static void test_every_model_is_replaced(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.deployment.upstream_model = WP_VIEW("claude-sonnet-4-5");
    bench_build(&bench, "{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\","
                        "\"content\":\"q\"}],\"model\":\"claude-opus-4-8\","
                        "\"mod\\u0065l\":\"claude-fable-5\"}");
    assert_view(bench.body, "{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\","
                            "\"content\":\"q\"}],\"model\":\"claude-"
                            "sonnet-4-5\",\"mod\\u0065l\":\"claude-sonnet-4-5\"}");
    bench_free(&bench);
}

static void test_billing_block(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.deployment.upstream_model = WP_VIEW("m");
    bench.deployment.billing_header = WP_BILLING_DROP;
    bench_build(
        &bench,
        "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: "
        "a\"}, "
        "{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]"
        "}");
    assert_view(bench.body, "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"s\"}],"
                            "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    assert_true(bench_dropped(&bench, "billing_header"));
    bench_build(&bench,
                "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-"
                "header: a\"}],\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    assert_view(bench.body,
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    bench_free(&bench);
}

static void test_target(void **state)
{
    (void)state;
    static const struct {
        const char *base, *query, *host, *target, *api_base, *authority;
        uint16_t port;
        bool tls;
    } rows[] = {
        {"", "beta=true", "api.anthropic.com", "/v1/messages?beta=true",
         "https://api.anthropic.com/v1/messages", "api.anthropic.com", 443, true},
        {"", "", "api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages",
         "api.anthropic.com", 443, true},
        {"http://127.0.0.1:8080/gw/", "a=b&c", "127.0.0.1", "/gw/v1/messages?a=b&c",
         "http://127.0.0.1:8080/gw/v1/messages", "127.0.0.1:8080", 8080, false},
        {"https://h/v1", "", "h", "/v1/messages", "https://h/v1/messages", "h", 443, true},
        {"https://h/v1/messages", "", "h", "/v1/messages", "https://h/v1/messages", "h", 443, true},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct bench bench;
        begin(&bench);
        bench.deployment.api_base = wp_view_of(rows[i].base);
        bench.input.client_query = wp_view_of(rows[i].query);
        bench_build(&bench, BODY);
        assert_view(bench.out.host, rows[i].host);
        assert_view(bench.out.target, rows[i].target);
        assert_view(bench.out.api_base, rows[i].api_base);
        assert_int_equal(bench.out.port, rows[i].port);
        assert_int_equal(bench.out.tls, rows[i].tls);
        assert_view(bench_sent(&bench, "host"), rows[i].authority);
        bench_free(&bench);
    }
}

static void test_headers(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    static const struct {
        const char *name, *value;
        bool passes;
    } rows[] = {
        {"anthropic-version", "2026-10-21", true},
        {"Anthropic-Never-Heard-Of", "v", true},
        {"anthropic-dangerous-direct-browser-access", "true", true},
        {"X-Claude-Code-Session-Id", "s-1", true},
        {"x-app", "cli", true},
        {"X-Stainless-Lang", "js", true},
        {"User-Agent", "claude-cli/2.1.197", true},
        {"Cookie", "a=b", false},
        {"x-litellm-api-key", "sk-gateway", false},
        {"x-litellm-tags", "t", false},
        {"x-forwarded-for", "10.0.0.1", false},
        {"content-length", "5", false},
        {"traceparent", "00-1-2-3", false},
        {"x-goog-api-key", "k", false},
        {"x-claude-code-hop", "dropped by Connection", false},
        {"Connection", "keep-alive, X-Claude-Code-Hop", false},
        {"anthropic-bad",
         "a\x01"
         "b",
         false},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        bench_header(&bench, rows[i].name, rows[i].value);
    bench_header(&bench, "Authorization", "Bearer sk-gateway");
    bench_header(&bench, "X-Api-Key", "sk-gateway");
    bench_header(&bench, "Accept-Encoding", "gzip, br");
    bench_build(&bench, BODY);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        if (rows[i].passes)
            assert_view(bench_sent(&bench, rows[i].name), rows[i].value);
        else
            assert_false(wp_headers_has(&bench.out.headers, rows[i].name));
    }
    assert_view(bench_sent(&bench, "x-api-key"), "sk-ant-api03-k");
    assert_false(wp_headers_has(&bench.out.headers, "authorization"));
    assert_view(bench_sent(&bench, "accept-encoding"), "identity");
    assert_view(bench_sent(&bench, "content-type"), "application/json");
    assert_view(bench_sent(&bench, "accept"), "application/json");
    assert_false(wp_headers_has(&bench.out.headers, "anthropic-beta"));
    for (size_t i = 0; i < bench.out.headers.count; i++)
        assert_false(wp_view_contains(bench.out.headers.list[i].value, WP_VIEW("sk-gateway")));
    bench_free(&bench);
}

// In this order, whatever was written when the configuration was compiled.
static void test_fields_on_the_wire(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value; // of the client
        const char *fields;
    } rows[] = {
        {"Anthropic-Version", "2023-06-01",
         "host: api.anthropic.com\r\nx-api-key: sk-ant-api03-k\r\ncontent-type: "
         "application/json\r\n"
         "accept: application/json\r\naccept-encoding: identity\r\n"
         "anthropic-version: 2023-06-01\r\n"},
        {"anthropic-version", "2026-10-21",
         "host: api.anthropic.com\r\nx-api-key: sk-ant-api03-k\r\ncontent-type: "
         "application/json\r\n"
         "accept: application/json\r\naccept-encoding: identity\r\n"
         "anthropic-version: 2026-10-21\r\n"},
        {"X-App", "cli",
         "host: api.anthropic.com\r\nx-api-key: sk-ant-api03-k\r\ncontent-type: "
         "application/json\r\n"
         "accept: application/json\r\naccept-encoding: identity\r\n"
         "anthropic-version: 2023-06-01\r\nX-App: cli\r\n"},
    };
    static const struct wp_name_value extra[] = {{WP_VIEW("accept"), WP_VIEW("text/plain")}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct bench bench;
        begin(&bench);
        bench_header(&bench, rows[i].name, rows[i].value);
        bench_build(&bench, BODY);
        assert_view(bench_fields(&bench), rows[i].fields);
        bench_build(&bench, BODY); // nothing of it has changed meanwhile
        assert_view(bench_fields(&bench), rows[i].fields);
        bench.deployment.extra_headers = extra;
        bench.deployment.extra_header_count = 1;
        bench_build(&bench, BODY);
        assert_true(wp_view_contains(bench_fields(&bench), WP_VIEW("\r\naccept: text/plain\r\n")));
        bench_free(&bench);
    }
}

static void test_callers_token_on_the_wire(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.input.caller_oauth = WP_VIEW("sk-ant-oat01-t");
    bench_header(&bench, "anthropic-beta", "b");
    bench_build(&bench, BODY);
    assert_view(bench_fields(&bench),
                "host: api.anthropic.com\r\nauthorization: Bearer sk-ant-oat01-t\r\n"
                "content-type: application/json\r\naccept: application/json\r\n"
                "accept-encoding: identity\r\nanthropic-version: 2023-06-01\r\n"
                "anthropic-beta: b,oauth-2025-04-20\r\n");
    bench_free(&bench);
}

static void test_betas_are_never_filtered(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench_header(&bench, "anthropic-beta", "claude-code-20250219, my-beta-2026-01-01");
    bench_header(&bench, "Anthropic-Beta", "prompt-caching-scope-2026-01-05,,my-beta-2026-01-01");
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "anthropic-beta"),
                "claude-code-20250219,my-beta-2026-01-01,prompt-caching-scope-2026-01-05");
    bench_free(&bench);
}

static void test_extra_headers(void **state)
{
    (void)state;
    static const struct wp_name_value extra[] = {
        {{"X-Team", 6}, {"blue", 4}},
        {{"anthropic-beta", 14}, {"extra-1", 7}},
        {{"Host", 4}, {"evil", 4}},
        {{"User-Agent", 10}, {"mine", 4}},
    };
    struct bench bench;
    begin(&bench);
    bench.deployment.extra_headers = extra;
    bench.deployment.extra_header_count = WP_COUNT_OF(extra);
    bench_header(&bench, "anthropic-beta", "b");
    bench_header(&bench, "user-agent", "theirs");
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "x-team"), "blue");
    assert_view(bench_sent(&bench, "anthropic-beta"), "b,extra-1");
    assert_view(bench_sent(&bench, "host"), "api.anthropic.com");
    assert_view(bench_sent(&bench, "user-agent"), "mine");
    bench_free(&bench);
}

static void test_oauth(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.deployment.api_key = WP_VIEW("sk-ant-oat01-deployment");
    bench_header(&bench, "anthropic-beta", "a");
    assert_int_equal(wp_provider_auth(&bench.deployment), WP_AUTH_BEARER);
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "authorization"), "Bearer sk-ant-oat01-deployment");
    assert_view(bench_sent(&bench, "anthropic-beta"), "a,oauth-2025-04-20");
    assert_false(wp_headers_has(&bench.out.headers, "x-api-key"));
    bench_free(&bench);
}

static void test_callers_own_token(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.input.caller_oauth = WP_VIEW("sk-ant-oat01-caller");
    bench_header(&bench, "anthropic-beta", "oauth-2025-04-20");
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "authorization"), "Bearer sk-ant-oat01-caller");
    assert_view(bench_sent(&bench, "anthropic-beta"), "oauth-2025-04-20");
    assert_false(wp_headers_has(&bench.out.headers, "x-api-key"));
    bench.input.operation = WP_OP_COUNT_TOKENS; // counting uses the configured key
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "x-api-key"), "sk-ant-api03-k");
    assert_view(bench.out.target, "/v1/messages/count_tokens");
    bench.deployment.api_key = (wp_view){NULL, 0};
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "authorization"), "Bearer sk-ant-oat01-caller");
    bench_free(&bench);
}

static void test_without_credentials(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.deployment.api_key = (wp_view){NULL, 0};
    assert_int_equal(wp_provider_auth(&bench.deployment), WP_AUTH_NONE);
    assert_err(bench_try(&bench, BODY), WP_ERR_CREDENTIALS);
    assert_view(wp_view_of(bench.detail), "the deployment has no api_key");
    static const struct wp_name_value extra = {{"Authorization", 13}, {"Bearer t", 8}};
    bench.deployment.extra_headers = &extra;
    bench.deployment.extra_header_count = 1;
    bench_build(&bench, BODY);
    assert_view(bench_sent(&bench, "authorization"), "Bearer t");
    bench_free(&bench);
}

// An alias that the client does not know hides an older model: it asks as it would a current one.
static void test_alias(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"%s\",\"max_tokens\":4000,\"thinking\":{\"type\":\"adaptive\"},"
        "\"output_config\":{\"effort\":\"high\"},\"new_field\":1,\"messages\":[{\"role\":\"user\","
        "\"content\":\"hi\"},{\"role\":\"system\",\"content\":\"agents\"}]}";
    static const char adapted[] =
        "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":4000,\"thinking\":{\"type\":\"enabled\","
        "\"budget_tokens\":3999},\"new_field\":1,\"messages\":[{\"role\":\"user\",\"content\":"
        "\"hi\"},"
        "{\"role\":\"user\",\"content\":\"<system-reminder>\\nagents\\n</system-reminder>\"}]}";
    const enum wp_platform platforms[] = {WP_PLATFORM_ANTHROPIC, WP_PLATFORM_CLAUDE_AWS};
    static const struct {
        const char *asked;
        bool known, adapts;
    } rows[] = {{"team-claude", true, true},
                {"claude-opus-4-8", true, true},
                {"claude-sonnet-4-5", true, false},
                {"claude-sonnet-4-5-20250929", true, false},
                {"team-claude", false, false}};
    for (size_t i = 0; i < WP_COUNT_OF(rows) * WP_COUNT_OF(platforms); i++) {
        struct bench bench;
        size_t row = i / WP_COUNT_OF(platforms);
        bench_init(&bench, platforms[i % WP_COUNT_OF(platforms)]);
        bench_older_model(&bench);
        bench.model.budget_thinking = true;
        bench.model.price.known = rows[row].known;
        bench.model.family = WP_VIEW("claude-sonnet-4-5");
        bench.input.upstream_model = WP_VIEW("claude-sonnet-4-5");
        bench.deployment.api_key = WP_VIEW("sk-ant-api03-k");
        bench.deployment.aws.region = WP_VIEW("us-west-2");
        bench.deployment.aws.project_id = WP_VIEW("wrkspc_1");
        bench.deployment.billing_header = WP_BILLING_KEEP;
        bench_build(&bench, wp_arena_printf(bench.arena, body, rows[row].asked).ptr);
        wp_view as_it_was = wp_arena_printf(bench.arena, body, "claude-sonnet-4-5");
        assert_view(bench.body, rows[row].adapts ? adapted : as_it_was.ptr);
        assert_int_equal(bench_dropped(&bench, "thinking:adaptive"), rows[row].adapts);
        assert_int_equal(bench_dropped(&bench, "field:output_config.effort"), rows[row].adapts);
        assert_int_equal(bench_dropped(&bench, "role:system"), rows[row].adapts);
        bench_free(&bench);
    }
}

static void test_platforms_to_come(void **state)
{
    (void)state;
    static const enum wp_platform platforms[] = {WP_PLATFORM_OPENAI};
    for (size_t i = 0; i < WP_COUNT_OF(platforms); i++) {
        struct bench bench;
        begin(&bench);
        bench.deployment.platform = platforms[i];
        assert_err(bench_try(&bench, BODY), WP_ERR_NOT_SUPPORTED);
        assert_non_null(bench.detail);
        bench_free(&bench);
    }
}

// The n-th allocation fails, for every n: an error each time, never a wrong request.
static void test_allocation_failures(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct bench bench;
        begin(&bench);
        bench_header(&bench, "anthropic-beta", "a,b");
        const char *detail = NULL;
        size_t offset;
        assert_ok(wp_request_scan(bench.arena, wp_view_of(BODY), &bench.request, &detail, &offset));
        // An arena of its own, so that its chunks are part of the test.
        uint64_t before = wp_alloc_count();
        wp_alloc_fail_after(n);
        struct wp_arena *arena = wp_arena_create(0);
        enum wp_err err = WP_ERR_NO_MEMORY;
        bench.input.endpoint = arena == NULL ? NULL : wp_provider_prepare(&bench.deployment, arena);
        bench.input.deployment = &bench.deployment;
        bench.input.upstream_model = bench.deployment.upstream_model;
        bench.input.request = &bench.request;
        bench.input.client_headers = &bench.client;
        bench.input.model = &bench.model;
        bench.input.tables = bench.tables;
        if (bench.input.endpoint != NULL)
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
        cmocka_unit_test(test_only_the_model_changes),
        cmocka_unit_test(test_same_model_same_bytes),
        cmocka_unit_test(test_every_model_is_replaced),
        cmocka_unit_test(test_billing_block),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_fields_on_the_wire),
        cmocka_unit_test(test_callers_token_on_the_wire),
        cmocka_unit_test(test_betas_are_never_filtered),
        cmocka_unit_test(test_extra_headers),
        cmocka_unit_test(test_oauth),
        cmocka_unit_test(test_callers_own_token),
        cmocka_unit_test(test_without_credentials),
        cmocka_unit_test(test_alias),
        cmocka_unit_test(test_platforms_to_come),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
