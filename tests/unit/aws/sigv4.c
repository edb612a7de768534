// Signatures against vectors that other signers agree on, and the verifier that simulated accounts
// use.
#include "tests/support/test.h"

#include "aws/sigv4.h"
#include "base/clock.h"

static const struct wp_aws_keys suite_keys = {
    WP_VIEW("AKIDEXAMPLE"), WP_VIEW("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {NULL, 0}};

static int64_t wall(const char *text)
{
    int64_t ms;
    assert_true(wp_parse_time(wp_view_of(text), &ms));
    return ms;
}

static struct wp_sigv4_request invoke_of(struct wp_arena *arena, wp_view path, wp_view body,
                                         struct wp_header *type)
{
    struct wp_sigv4_request request = {
        .method = WP_VIEW("POST"),
        .host = WP_VIEW("bedrock-runtime.us-east-1.amazonaws.com"),
        .path = path,
        .headers = type,
        .header_count = 1,
        .region = WP_VIEW("us-east-1"),
        .service = WP_VIEW("bedrock"),
        .wall_ms = wall("2026-11-23T00:00:00Z"),
    };
    (void)arena;
    *type = (struct wp_header){WP_VIEW("Content-Type"), WP_VIEW("application/json")};
    wp_sha256_hex(body, request.payload_hash);
    return request;
}

static void assert_signature(const struct wp_headers *headers, const char *names,
                             const char *signature)
{
    wp_view authorization = wp_headers_get(headers, "authorization");
    size_t at = wp_view_find(authorization, WP_VIEW("SignedHeaders="));
    assert_true(at != WP_NOT_FOUND);
    char expected[512];
    snprintf(expected, sizeof(expected), "SignedHeaders=%s, Signature=%s", names, signature);
    assert_view(wp_view_skip(authorization, at), expected);
}

static void model_ids_are_encoded_twice_in_the_canonical_path(void **state)
{
    (void)state;
    static const struct {
        const char *model, *segment, *signature;
    } rows[] = {
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
         "227b320134bccadd284e9bcfe3255ad0bb01a9a2265616a2529fb50a55f26910"},
        {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
         "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F"
         "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
         "084321be37870e18fb56b8fa91cd9e41184e19fb3a46fe0a4479d968565bc000"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_arena *arena = wp_arena_create(0);
        struct wp_headers out;
        struct wp_header type;
        wp_view segment = wp_aws_encode_segment(arena, wp_view_of(rows[i].model));
        assert_view(segment, rows[i].segment);
        wp_view path =
            wp_arena_printf(arena, "/model/%.*s/invoke-with-response-stream", WP_VIEW_ARG(segment));
        struct wp_sigv4_request request = invoke_of(arena, path, WP_VIEW("{}"), &type);
        wp_headers_init(&out, arena);
        assert_ok(wp_sigv4_sign(&request, &suite_keys, &out));
        assert_signature(&out, "content-type;host;x-amz-content-sha256;x-amz-date",
                         rows[i].signature);
        assert_view(wp_headers_get(&out, "x-amz-date"), "20261123T000000Z");
        assert_false(wp_headers_has(&out, "x-amz-security-token"));
        wp_arena_destroy(arena);
    }
}

static void session_token_and_sorted_query_are_signed(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_headers out;
    struct wp_aws_keys keys = suite_keys;
    struct wp_sigv4_request request = {
        .method = WP_VIEW("GET"),
        .host = WP_VIEW("sts.eu-west-1.amazonaws.com"),
        .path = WP_VIEW("/"),
        .query = WP_VIEW("Version=2011-06-15&Action=GetCallerIdentity"),
        .region = WP_VIEW("eu-west-1"),
        .service = WP_VIEW("sts"),
        .wall_ms = wall("2026-11-24T01:54:42Z"),
    };
    static const char names[] = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    keys.session_token = WP_VIEW("a/token+=");
    wp_sha256_hex(WP_VIEW(""), request.payload_hash);
    wp_headers_init(&out, arena);
    assert_ok(wp_sigv4_sign(&request, &keys, &out));
    assert_signature(&out, names,
                     "33748703f6a3584ef772d6d6168482ff0c794548a52b3f818235506fd3772e62");
    assert_view(wp_headers_get(&out, "x-amz-security-token"), "a/token+=");

    // names decide before values, and "=" stands behind a name without a value
    request.query = WP_VIEW("b&a-b=1&a=2");
    wp_headers_init(&out, arena);
    assert_ok(wp_sigv4_sign(&request, &keys, &out));
    assert_signature(&out, names,
                     "b9183e35f149c34d54afcee5fa8d66f1942881e61b3109b443f40fd09c0f23e4");
    wp_arena_destroy(arena);
}

static void values_are_folded_and_hop_headers_left_out(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_headers out;
    struct wp_header type;
    struct wp_sigv4_request request =
        invoke_of(arena, WP_VIEW("/model/m/invoke"), WP_VIEW("{\"a\":1}"), &type);
    struct wp_header headers[] = {
        type,
        {WP_VIEW("x-amzn-bedrock-trace"), WP_VIEW("  a   b ")},
        {WP_VIEW("User-Agent"), WP_VIEW("curl")},
        {WP_VIEW("Connection"), WP_VIEW("close")},
        {WP_VIEW("traceparent"), WP_VIEW("00-1")},
        {WP_VIEW("x-amzn-trace-id"), WP_VIEW("Root=1")},
        {WP_VIEW("Proxy-Connection"), WP_VIEW("x")},
        {WP_VIEW("Sec-Fetch-Mode"), WP_VIEW("cors")},
        {WP_VIEW("Transfer-Encoding"), WP_VIEW("chunked")},
        {WP_VIEW("Expect"), WP_VIEW("100-continue")},
    };
    request.headers = headers;
    request.header_count = WP_COUNT_OF(headers);
    wp_headers_init(&out, arena);
    assert_ok(wp_sigv4_sign(&request, &suite_keys, &out));
    assert_signature(&out, "content-type;host;x-amz-content-sha256;x-amz-date;x-amzn-bedrock-trace",
                     "60723979f3d4903f0c6f41cf50585e0dbe8ff23dc6ad19e20357bf82409dec3b");
    wp_arena_destroy(arena);
}

static wp_view secret_of(void *arg, wp_view access_key_id)
{
    (void)arg;
    return wp_view_is(access_key_id, "AKIDEXAMPLE") ? suite_keys.secret_access_key
                                                    : (wp_view){NULL, 0};
}

static bool verify(struct wp_arena *arena, const struct wp_sigv4_request *request,
                   const struct wp_headers *headers, const char **reason)
{
    wp_view id;
    return wp_sigv4_verify(request, headers, secret_of, NULL, arena, &id, reason);
}

static void a_verifier_takes_nothing_that_was_changed(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_headers out;
    struct wp_header type;
    const char *reason;
    struct wp_sigv4_request request =
        invoke_of(arena, WP_VIEW("/model/a%3A0/invoke"), WP_VIEW("{}"), &type);
    wp_headers_init(&out, arena);
    assert_ok(wp_sigv4_sign(&request, &suite_keys, &out));
    assert_ok(wp_headers_add(&out, type.name, type.value));
    assert_true(verify(arena, &request, &out, &reason));

    struct wp_sigv4_request changed = request;
    changed.path = WP_VIEW("/model/b%3A0/invoke");
    assert_false(verify(arena, &changed, &out, &reason));
    assert_string_equal(reason, "signatures differ");
    changed = request;
    wp_sha256_hex(WP_VIEW("{ }"), changed.payload_hash);
    assert_false(verify(arena, &changed, &out, &reason));
    assert_string_equal(reason, "x-amz-content-sha256 is not the body's");
    changed = request;
    changed.host = WP_VIEW("elsewhere.example");
    assert_false(verify(arena, &changed, &out, &reason));
    for (size_t i = 0; i < out.count; i++) { // every header that the signature names
        struct wp_header kept = out.list[i];
        out.list[i].value = WP_VIEW("20270101T000000Z");
        assert_false(verify(arena, &request, &out, &reason));
        out.list[i] = kept;
    }
    struct wp_aws_keys other = suite_keys;
    other.access_key_id = WP_VIEW("AKIDSOMEBODYELSE");
    wp_headers_init(&out, arena);
    assert_ok(wp_sigv4_sign(&request, &other, &out));
    assert_false(verify(arena, &request, &out, &reason));
    assert_string_equal(reason, "unknown access key");
    wp_headers_init(&out, arena);
    assert_false(verify(arena, &request, &out, &reason));
    wp_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_ids_are_encoded_twice_in_the_canonical_path),
        cmocka_unit_test(session_token_and_sorted_query_are_signed),
        cmocka_unit_test(values_are_folded_and_hop_headers_left_out),
        cmocka_unit_test(a_verifier_takes_nothing_that_was_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
