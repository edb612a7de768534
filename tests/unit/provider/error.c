// Every way an upstream refuses, as a status, and what becomes of it.
#include "support.h"

struct fixture {
    struct wp_arena *arena;
    struct wp_deployment_config deployment;
    struct wp_headers headers;
    struct wp_upstream_error error;
};

static void begin(struct fixture *f, enum wp_platform platform)
{
    *f = (struct fixture){.arena = wp_arena_create(0)};
    f->deployment.platform = platform;
    f->deployment.api_key = WP_VIEW("sk-ant-api03-secret");
    wp_headers_init(&f->headers, f->arena);
}

static void header(struct fixture *f, const char *name, const char *value)
{
    assert_ok(wp_headers_add(&f->headers, wp_view_of(name), wp_view_of(value)));
}

static void refuse(struct fixture *f, int status, const char *body)
{
    wp_provider_error(&f->deployment, status, &f->headers, wp_view_of(body), f->arena, &f->error);
}

static void end(struct fixture *f)
{
    wp_arena_destroy(f->arena);
}

#define ENVELOPE(type, message) \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}}"

// Its message stands outside too: the client's SDK takes that for the text of the error, in which
// it then finds no overloaded_error and does not give up.
#define OVERLOADED(text)                                                                     \
    "{\"message\":\"" text "\",\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"," \
    "\"message\":\"" text "\"}}"

struct row {
    int status;
    const char *body;
    enum wp_err err;
    int client_status;
    const char *type;
};

// Anthropic's bodies reach the client byte for byte, odd spacing included.
static void test_anthropic_rows(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {400,
         " { \"type\" : \"error\", \"error\":{\"type\":\"invalid_request_error\",\"message\":\"x: "
         "\\u00e9\"} }\n",
         WP_ERR_UPSTREAM_REFUSED, 400, "invalid_request_error"},
        {402, ENVELOPE("billing_error", "no money"), WP_ERR_RATE_LIMITED, 402, "billing_error"},
        {404, ENVELOPE("not_found_error", "model: claude-x"), WP_ERR_UPSTREAM_NOT_FOUND, 404,
         "not_found_error"},
        {409, ENVELOPE("conflict_error", "busy"), WP_ERR_UPSTREAM_REFUSED, 409, "conflict_error"},
        {413, ENVELOPE("request_too_large", "big"), WP_ERR_UPSTREAM_REFUSED, 413,
         "request_too_large"},
        {422, ENVELOPE("invalid_request_error", "odd"), WP_ERR_UPSTREAM_REFUSED, 422,
         "invalid_request_error"},
        {429, ENVELOPE("rate_limit_error", "slow down"), WP_ERR_RATE_LIMITED, 429,
         "rate_limit_error"},
        {500, ENVELOPE("api_error", "oops"), WP_ERR_UPSTREAM_ERROR, 500, "api_error"},
        {503, ENVELOPE("api_error", "away"), WP_ERR_OVERLOADED, 503, "api_error"},
        {504, ENVELOPE("timeout_error", "slow"), WP_ERR_UPSTREAM_TIMEOUT, 504, "timeout_error"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_ANTHROPIC);
        refuse(&f, rows[i].status, rows[i].body);
        assert_err(f.error.err, rows[i].err);
        assert_int_equal(f.error.status, rows[i].client_status);
        assert_view(f.error.body, rows[i].body);
        assert_view(f.error.type, rows[i].type);
        assert_int_equal(f.error.retry_after_ms, -1);
        assert_false(f.error.credentials);
        end(&f);
    }
}

// A 529 would make the client give up within two seconds, and so would its type in the text.
static void test_overloaded(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    refuse(&f, 529, ENVELOPE("overloaded_error", "Overloaded \\u00e9"));
    assert_err(f.error.err, WP_ERR_OVERLOADED);
    assert_int_equal(f.error.status, 503);
    assert_view(f.error.type, "overloaded_error");
    assert_view(f.error.body, "{\"message\":\"Overloaded \xc3\xa9\",\"type\":\"error\",\"error\":{"
                              "\"type\":\"overloaded_error\",\"message\":\"Overloaded \\u00e9\"}}");
    refuse(&f, 529, OVERLOADED("has it"));
    assert_view(f.error.body, OVERLOADED("has it"));
    end(&f);
}

// What the upstream says about trying again is for the client; so is that the operator must act.
static void test_never_retry(void **state)
{
    (void)state;
    static const struct {
        enum wp_platform platform;
        int status;
        const char *upstream;
        bool never;
    } rows[] = {
        {WP_PLATFORM_ANTHROPIC, 429, "false", true}, {WP_PLATFORM_ANTHROPIC, 429, "true", false},
        {WP_PLATFORM_ANTHROPIC, 500, "false", true}, {WP_PLATFORM_ANTHROPIC, 402, "true", true},
        {WP_PLATFORM_BEDROCK, 429, "false", false},  {WP_PLATFORM_ANTHROPIC, 401, "true", true},
        {WP_PLATFORM_BEDROCK, 403, "true", true},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, rows[i].platform);
        header(&f, "x-should-retry", rows[i].upstream);
        refuse(&f, rows[i].status, ENVELOPE("api_error", "m"));
        assert_int_equal(f.error.never_retry, rows[i].never);
        end(&f);
    }
}

// 4xx of a compatible server with an envelope of its own: its bytes too.
static void test_foreign_json_is_relayed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    refuse(&f, 400, "{\"detail\":\"nope\"}");
    assert_err(f.error.err, WP_ERR_UPSTREAM_REFUSED);
    assert_view(f.error.body, "{\"detail\":\"nope\"}");
    refuse(&f, 500, "{\"detail\":\"nope\"}");
    assert_view(f.error.body, ENVELOPE("api_error", "The upstream failed"));
    end(&f);
}

// What the clouds' own front doors say reaches the client in the envelope that it knows.
static void test_cloud_envelopes(void **state)
{
    (void)state;
    static const struct {
        enum wp_platform platform;
        int status;
        const char *body;
        enum wp_err err;
        int client_status;
        const char *client_body;
    } rows[] = {
        {WP_PLATFORM_VERTEX, 429,
         "[{\"error\":{\"code\":429,\"message\":\"Quota exceeded\",\"status\":"
         "\"RESOURCE_EXHAUSTED\"}}]",
         WP_ERR_RATE_LIMITED, 429, ENVELOPE("rate_limit_error", "Quota exceeded")},
        {WP_PLATFORM_VERTEX, 503,
         "{\"error\":{\"code\":503,\"message\":\"away\",\"status\":\"UNAVAILABLE\"}}",
         WP_ERR_OVERLOADED, 503, OVERLOADED("away")},
        {WP_PLATFORM_VERTEX, 400,
         "[{\"error\":{\"code\":400,\"message\":\"Project `1` is not allowed to use Publisher "
         "Model `m`\",\"status\":\"FAILED_PRECONDITION\"}}]",
         WP_ERR_UPSTREAM_NOT_FOUND, 404,
         ENVELOPE("not_found_error", "Project `1` is not allowed to use Publisher Model `m`")},
        {WP_PLATFORM_VERTEX, 400, " " ENVELOPE("invalid_request_error", "max_tokens: \\u00e9"),
         WP_ERR_UPSTREAM_REFUSED, 400,
         " " ENVELOPE("invalid_request_error", "max_tokens: \\u00e9")},
        {WP_PLATFORM_AZURE, 404,
         "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"no such deployment\"}}",
         WP_ERR_UPSTREAM_NOT_FOUND, 404, ENVELOPE("not_found_error", "no such deployment")},
        {WP_PLATFORM_AZURE, 429, "{\"statusCode\":429,\"message\":\"Rate limit is exceeded\"}",
         WP_ERR_RATE_LIMITED, 429, ENVELOPE("rate_limit_error", "Rate limit is exceeded")},
        {WP_PLATFORM_BEDROCK_MANTLE, 400, "{\"message\":\"no such model\"}",
         WP_ERR_UPSTREAM_REFUSED, 400, ENVELOPE("invalid_request_error", "no such model")},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, rows[i].platform);
        refuse(&f, rows[i].status, rows[i].body);
        assert_err(f.error.err, rows[i].err);
        assert_int_equal(f.error.status, rows[i].client_status);
        assert_view(f.error.body, rows[i].client_body);
        assert_false(f.error.credentials);
        end(&f);
    }
}

// Google has the same words for a token that lapsed and for one that was withdrawn: a new one may
// do. A permission that is missing stays so.
static void test_google_tokens(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool refreshes;
    } rows[] = {{401, true}, {403, false}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_VERTEX);
        refuse(&f, rows[i].status,
               "{\"error\":{\"code\":401,\"message\":\"Request had invalid authentication "
               "credentials.\",\"status\":\"UNAUTHENTICATED\"}}");
        assert_err(f.error.err, WP_ERR_UPSTREAM_AUTH);
        assert_int_equal(f.error.status, 502);
        assert_int_equal(f.error.credentials, rows[i].refreshes);
        end(&f);
    }
}

static void test_unreadable_bodies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {502, "<html><h1>502 Bad Gateway</h1></html>", WP_ERR_UPSTREAM_ERROR, 502,
         ENVELOPE("api_error", "The upstream failed")},
        {503, "<html>", WP_ERR_OVERLOADED, 503, OVERLOADED("The upstream is overloaded")},
        {522, "error code: 522", WP_ERR_UPSTREAM_ERROR, 502,
         ENVELOPE("api_error", "The upstream failed")},
        {400, "", WP_ERR_UPSTREAM_REFUSED, 400,
         ENVELOPE("invalid_request_error", "The upstream refused the request")},
        {301, "moved", WP_ERR_PROTOCOL, 502,
         ENVELOPE("api_error", "The upstream's answer could not be understood")},
        {404, "[]", WP_ERR_UPSTREAM_NOT_FOUND, 404,
         ENVELOPE("not_found_error", "The upstream lacks this model")},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_ANTHROPIC);
        refuse(&f, rows[i].status, rows[i].body);
        assert_err(f.error.err, rows[i].err);
        assert_int_equal(f.error.status, rows[i].client_status);
        assert_view(f.error.body, rows[i].type);
        end(&f);
    }
}

static void test_encoded_body_is_not_relayed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    header(&f, "Content-Encoding", "gzip");
    header(&f, "request-id", "req_1");
    refuse(&f, 400, "{\"type\":\"error\"}");
    assert_view(
        f.error.body,
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"The "
        "upstream refused the request\"},\"request_id\":\"req_1\"}");
    end(&f);
}

// Neither key nor account may reach the client or the log row.
static void test_auth_is_generic(void **state)
{
    (void)state;
    static const int statuses[] = {401, 403};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_ANTHROPIC);
        refuse(&f, statuses[i], ENVELOPE("authentication_error", "invalid x-api-key sk-ant-a"));
        assert_err(f.error.err, WP_ERR_UPSTREAM_AUTH);
        assert_int_equal(f.error.status, 502);
        assert_view(f.error.type, "api_error");
        assert_view(f.error.body, ENVELOPE("api_error", "The upstream refused the credentials"));
        assert_view(f.error.words, "The upstream refused the credentials");
        end(&f);
    }
}

// The caller's own token was refused: the caller must hear it.
static void test_callers_own_token(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    f.deployment.api_key = (wp_view){NULL, 0};
    refuse(&f, 401, ENVELOPE("authentication_error", "OAuth token has expired"));
    assert_err(f.error.err, WP_ERR_UPSTREAM_AUTH);
    assert_int_equal(f.error.status, 401);
    assert_view(f.error.body, ENVELOPE("authentication_error", "OAuth token has expired"));
    end(&f);
}

struct aws_row {
    const char *type; // header
    int status;
    const char *body;
    enum wp_err err;
    int client_status;
    const char *client_body;
};

static void test_bedrock_rows(void **state)
{
    (void)state;
    static const struct aws_row rows[] = {
        {"ThrottlingException", 429, "{\"message\":\"Too many requests\"}", WP_ERR_RATE_LIMITED,
         429, ENVELOPE("rate_limit_error", "Too many requests")},
        {"ModelNotReadyException", 429, "{\"message\":\"warming\"}", WP_ERR_RATE_LIMITED, 429,
         ENVELOPE("rate_limit_error", "warming")},
        {"ServiceUnavailableException:http://internal.amazon.com/coral/", 503,
         "{\"message\":\"busy\"}", WP_ERR_OVERLOADED, 503, OVERLOADED("busy")},
        {"ModelErrorException", 424, "{\"message\":\"m\",\"originalMessage\":\"inner\"}",
         WP_ERR_OVERLOADED, 503, OVERLOADED("inner")},
        {"ModelTimeoutException", 408, "{\"message\":\"late\"}", WP_ERR_UPSTREAM_TIMEOUT, 408,
         ENVELOPE("timeout_error", "late")},
        {"ServiceQuotaExceededException", 400, "{\"message\":\"quota\"}", WP_ERR_RATE_LIMITED, 400,
         ENVELOPE("invalid_request_error", "quota")},
        {"ValidationException", 400,
         "{\"message\":\"context_management: Extra inputs are not permitted\"}",
         WP_ERR_UPSTREAM_REFUSED, 400,
         ENVELOPE("invalid_request_error", "context_management: Extra inputs are not permitted")},
        {"ConflictException", 400, "{\"message\":\"c\"}", WP_ERR_UPSTREAM_REFUSED, 400,
         ENVELOPE("invalid_request_error", "c")},
        {"ResourceNotFoundException", 404,
         "{\"message\":\"no arn:aws:bedrock:us-west-2:123456789012:inference-profile/x\"}",
         WP_ERR_UPSTREAM_NOT_FOUND, 404,
         ENVELOPE("not_found_error",
                  "no arn:aws:bedrock:us-west-2:************:inference-profile/x")},
        {"InternalServerException", 500, "{\"message\":\"i\"}", WP_ERR_UPSTREAM_ERROR, 500,
         ENVELOPE("api_error", "i")},
        {"ValidationException", 400, "{\"message\":\"The provided model identifier is invalid.\"}",
         WP_ERR_UPSTREAM_NOT_FOUND, 404,
         ENVELOPE("not_found_error", "The provided model identifier is invalid.")},
        {"AccessDeniedException", 403,
         "{\"message\":\"User: arn:aws:sts::123456789012:assumed-role/x is not authorized\"}",
         WP_ERR_UPSTREAM_AUTH, 502, ENVELOPE("api_error", "The upstream refused the credentials")},
        {"ValidationException", 400, "{\"message\":\"Operation not allowed\"}",
         WP_ERR_UPSTREAM_AUTH, 502, ENVELOPE("api_error", "The upstream refused the credentials")},
        {"ExpiredTokenException", 403, "{\"message\":\"The security token included is expired\"}",
         WP_ERR_CREDENTIALS, 502,
         ENVELOPE("api_error", "The deployment's credentials are not usable")},
        // No header: by the body's own name, then by the status.
        {NULL, 400, "{\"__type\":\"com.amazon.coral#ThrottlingException\",\"message\":\"t\"}",
         WP_ERR_RATE_LIMITED, 429, ENVELOPE("rate_limit_error", "t")},
        {NULL, 503, "", WP_ERR_OVERLOADED, 503, OVERLOADED("The upstream is overloaded")},
        {NULL, 403, "{\"Message\":\"Missing Authentication Token\"}", WP_ERR_UPSTREAM_AUTH, 502,
         ENVELOPE("api_error", "The upstream refused the credentials")},
        {"BrandNewException", 418, "{\"message\":\"teapot\"}", WP_ERR_UPSTREAM_REFUSED, 418,
         ENVELOPE("invalid_request_error", "teapot")},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_BEDROCK);
        if (rows[i].type != NULL)
            header(&f, "x-amzn-ErrorType", rows[i].type);
        refuse(&f, rows[i].status, rows[i].body);
        assert_err(f.error.err, rows[i].err);
        assert_int_equal(f.error.status, rows[i].client_status);
        assert_view(f.error.body, rows[i].client_body);
        assert_int_equal(f.error.credentials, rows[i].err == WP_ERR_CREDENTIALS);
        assert_false(wp_view_contains(f.error.message, WP_VIEW("123456789012")));
        end(&f);
    }
}

// Claude Code matches these words in a 400.
static void test_recovery_wordings(void **state)
{
    (void)state;
    static const struct {
        const char *said, *told;
        bool context_window;
    } rows[] = {
        {"Input is too long for requested model.",
         "prompt is too long: Input is too long for requested model.", true},
        {"prompt is too long: 208310 tokens > 200000 maximum",
         "prompt is too long: 208310 tokens > 200000 maximum", true},
        {"input length and `max_tokens` exceed context limit: 1 + 2 > 3",
         "input length and `max_tokens` exceed context limit: 1 + 2 > 3", true},
        {"messages.1.role: Input should be 'user' or 'assistant'",
         "role 'system' is not supported on this model: messages.1.role: Input should be 'user' or "
         "'assistant'",
         false},
        {"thinking: Input tag 'adaptive' found using 'type' does not match any of the expected "
         "tags: 'disabled', 'enabled'",
         "thinking.type adaptive is not supported on this model: thinking: Input tag 'adaptive' "
         "found using 'type' does not match any of the expected tags: 'disabled', 'enabled'",
         false},
        {"role 'system' is not supported", "role 'system' is not supported", false},
        {"messages.3: signature in thinking block is invalid",
         "messages.3: signature in thinking block is invalid", false},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_BEDROCK);
        header(&f, "x-amzn-errortype", "ValidationException");
        wp_view body = wp_arena_printf(f.arena, "{\"message\":\"%s\"}", rows[i].said);
        wp_view told =
            wp_arena_printf(f.arena, ENVELOPE("invalid_request_error", "%s"), rows[i].told);
        refuse(&f, 400, body.ptr);
        assert_view(f.error.body, told.ptr);
        assert_int_equal(f.error.context_window, rows[i].context_window);
        assert_int_equal(f.error.status, 400);
        end(&f);
    }
}

// Anthropic's texts are never touched, not even those that Bedrock's would be helped with.
static void test_anthropic_words_stay(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    const char *body =
        ENVELOPE("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum");
    refuse(&f, 400, body);
    assert_view(f.error.body, body);
    assert_true(f.error.context_window);
    body =
        ENVELOPE("invalid_request_error", "messages.1.role: Input should be 'user' or 'assistant'");
    refuse(&f, 400, body);
    assert_view(f.error.body, body);
    assert_false(f.error.context_window);
    end(&f);
}

static void test_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *ms, *seconds, *date;
        int64_t expected;
    } rows[] = {
        {NULL, NULL, NULL, -1},
        {NULL, "7", NULL, 7000},
        {NULL, "0", NULL, 0},
        {NULL, "1.5", NULL, 1500},
        {"250", "7", NULL, 250},
        {"x", "7", NULL, 7000},
        {NULL, "-3", NULL, 0},
        {NULL, "99999999999", NULL, 86400000},
        {NULL, "soon", NULL, -1},
        {NULL, "Tue, 24 Nov 2026 01:55:12 GMT", "Tue, 24 Nov 2026 01:54:42 GMT", 30000},
        {NULL, "Tue, 24 Nov 2026 01:54:12 GMT", "Tue, 24 Nov 2026 01:54:42 GMT", 0},
        {NULL, "Fri, 01 Jan 2027 00:00:10 GMT", "Thu, 31 Dec 2026 23:59:50 GMT", 20000},
        {NULL, "Tue, 24 Nov 2026 01:55:12 GMT", NULL, -1},
        {NULL, "Tue, 24 Foo 2026 01:55:12 GMT", "Tue, 24 Nov 2026 01:54:42 GMT", -1},
        {NULL, "Tue, 24 ovD 2026 01:55:12 GMT", "Tue, 24 Nov 2026 01:54:42 GMT", -1},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct fixture f;
        begin(&f, WP_PLATFORM_ANTHROPIC);
        if (rows[i].ms != NULL)
            header(&f, "Retry-After-Ms", rows[i].ms);
        if (rows[i].seconds != NULL)
            header(&f, "Retry-After", rows[i].seconds);
        if (rows[i].date != NULL)
            header(&f, "Date", rows[i].date);
        refuse(&f, 429, "{}");
        assert_int_equal(f.error.retry_after_ms, rows[i].expected);
        assert_false(f.error.spend_cap);
        end(&f);
    }
}

#define CAPPED                                                                          \
    "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"cap\"," \
    "\"details\":{"                                                                     \
    "\"error_code\":\"enforced_spend_limit_reached\"}}}"

static void test_spend_cap(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_ANTHROPIC);
    refuse(&f, 429, CAPPED);
    assert_true(f.error.spend_cap);
    assert_view(f.error.body, CAPPED);
    refuse(&f, 429,
           "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"\","
           "\"details\":{"
           "\"error_code\":\"ramp_limit_exceeded\"}}}");
    assert_false(f.error.spend_cap);
    refuse(&f, 400,
           ENVELOPE("invalid_request_error", "Your credit balance is too low to access the API"));
    assert_true(f.error.spend_cap);
    assert_err(f.error.err, WP_ERR_RATE_LIMITED); // another deployment may pay
    assert_int_equal(f.error.status, 400);
    header(&f, "retry-after", "3");
    refuse(&f, 429, CAPPED);
    assert_false(f.error.spend_cap);
    end(&f);
}

static void test_long_and_hostile_texts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, WP_PLATFORM_BEDROCK);
    struct wp_buf body = wp_buf_make(1 << 20);
    wp_buf_append_cstring(&body, "{\"message\":\"");
    for (int i = 0; i < 20000; i++)
        wp_buf_append_cstring(&body, "\xc3\xa9");
    wp_buf_append_cstring(&body, "\\u001b[31m\"}");
    wp_buf_append_char(&body, '\0');
    refuse(&f, 400, body.ptr);
    assert_true(f.error.message.len < 1024);
    assert_true(f.error.body.len < 5000);
    wp_buf_free(&body);
    refuse(&f, 400, "{\"message\":\"a\\u001b[31mb\"}");
    assert_true(wp_view_find_char(f.error.message, '\x1b') == WP_NOT_FOUND);
    end(&f);
}

static void test_envelope_and_event(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    assert_view(wp_anthropic_error_body(arena, "api_error", WP_VIEW("a \"b\"\n"), WP_VIEW("r1")),
                "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a "
                "\\\"b\\\"\\n\"},\"request_id\":\"r1\"}");
    assert_view(
        wp_anthropic_error_event(arena, "overloaded_error", WP_VIEW("x"), (wp_view){NULL, 0}),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
        "\"message\":\"x\"}}\n\n");
    wp_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anthropic_rows),
        cmocka_unit_test(test_overloaded),
        cmocka_unit_test(test_never_retry),
        cmocka_unit_test(test_foreign_json_is_relayed),
        cmocka_unit_test(test_cloud_envelopes),
        cmocka_unit_test(test_google_tokens),
        cmocka_unit_test(test_unreadable_bodies),
        cmocka_unit_test(test_encoded_body_is_not_relayed),
        cmocka_unit_test(test_auth_is_generic),
        cmocka_unit_test(test_callers_own_token),
        cmocka_unit_test(test_bedrock_rows),
        cmocka_unit_test(test_recovery_wordings),
        cmocka_unit_test(test_anthropic_words_stay),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_spend_cap),
        cmocka_unit_test(test_long_and_hostile_texts),
        cmocka_unit_test(test_envelope_and_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
