// URLs, request targets, percent encoding, SigV4: canonical forms are stable, and a signature fits
// exactly what was signed.
//
// Input: parts that a line feed separates: URL or target, query, header value, secret.
#include "fuzz/support.h"

#include "aws/sigv4.h"
#include "base/codec.h"
#include "base/url.h"
#include "http/target.h"

static void check_url(wp_view text)
{
    struct wp_url url;
    if (!wp_url_parse(text, &url))
        return;
    FUZZ_CHECK(url.host.len > 0 && url.port > 0);
    FUZZ_CHECK(wp_view_contains(text, url.authority) && wp_view_contains(text, url.path));
    FUZZ_CHECK(wp_header_value_valid(url.authority) && wp_header_value_valid(url.path));
    FUZZ_CHECK(!wp_view_ends_with(url.path, WP_VIEW("/")));
    FUZZ_CHECK(wp_view_find_char(url.authority, '@') == WP_NOT_FOUND);
    FUZZ_CHECK(wp_view_find_char(url.authority, '/') == WP_NOT_FOUND);
}

// One path for authorisation and dispatch: encoding it and parsing it again gives it back.
static void check_target(struct wp_arena *arena, wp_view raw)
{
    struct wp_request_head head = {0}, again = {0};
    if (!wp_target_parse(arena, raw, &head))
        return;
    FUZZ_CHECK(head.path.len > 0);
    FUZZ_CHECK(!wp_view_contains(head.path, WP_VIEW("//")));
    FUZZ_CHECK(!wp_view_contains(head.path, WP_VIEW("/../")) &&
               !wp_view_ends_with(head.path, WP_VIEW("/..")));
    FUZZ_CHECK(memchr(head.path.ptr, 0, head.path.len) == NULL);
    if (wp_view_is(head.path, "*") || wp_view_starts_with(head.path, WP_VIEW("/model/")) ||
        wp_view_starts_with(head.path, WP_VIEW("/inference-profiles/")))
        return; // those stay as they were sent
    struct wp_buf encoded = wp_buf_make(64 * 1024);
    wp_percent_append(&encoded, head.path, true);
    if (wp_buf_ok(&encoded)) {
        FUZZ_CHECK(wp_target_parse(arena, wp_buf_view(&encoded), &again));
        FUZZ_CHECK(wp_view_eq(head.path, again.path));
    }
    wp_buf_free(&encoded);
}

static void check_codec(wp_view text)
{
    struct wp_buf encoded = wp_buf_make(64 * 1024), packed = wp_buf_make(64 * 1024);
    size_t len = 0;
    wp_percent_append(&encoded, text, false);
    wp_base64_append(&packed, text);
    char *plain = malloc(encoded.len + packed.len + 1);
    FUZZ_CHECK(plain != NULL && wp_buf_ok(&encoded) && wp_buf_ok(&packed));
    FUZZ_CHECK(wp_percent_decode(wp_buf_view(&encoded), plain, &len));
    FUZZ_CHECK(wp_view_eq(text, wp_view_make(plain, len)));
    FUZZ_CHECK(wp_base64_decode(wp_buf_view(&packed), plain, &len));
    FUZZ_CHECK(wp_view_eq(text, wp_view_make(plain, len)));
    if (wp_base64_decode(text, plain, &len)) { // of one value there is one text
        wp_buf_clear(&packed);
        wp_base64_append(&packed, wp_view_make(plain, len));
        FUZZ_CHECK(wp_view_eq(text, wp_buf_view(&packed)));
    }
    (void)wp_percent_decode(text, plain, &len);
    free(plain);
    wp_buf_free(&encoded);
    wp_buf_free(&packed);
}

static wp_view secret_of(void *arg, wp_view access_key_id)
{
    return wp_view_is(access_key_id, "AKIDEXAMPLE") ? *(wp_view *)arg : (wp_view){NULL, 0};
}

static void check_signature(struct wp_arena *arena, wp_view path, wp_view query, wp_view value,
                            wp_view secret)
{
    const struct wp_header own[] = {{WP_VIEW("content-type"), wp_view_trim(value)}};
    struct wp_sigv4_request request = {.method = WP_VIEW("POST"),
                                       .host = WP_VIEW("bedrock-runtime.us-west-2.amazonaws.com"),
                                       .path = path,
                                       .query = query,
                                       .headers = own,
                                       .header_count = 1,
                                       .region = WP_VIEW("us-west-2"),
                                       .service = WP_VIEW("bedrock"),
                                       .wall_ms = 1700000000000};
    const struct wp_aws_keys keys = {WP_VIEW("AKIDEXAMPLE"), secret, WP_VIEW("")};
    struct wp_headers headers;
    wp_view id;
    const char *reason = "";
    memset(request.payload_hash, 'a', WP_SHA256_HEX_LEN);
    request.payload_hash[WP_SHA256_HEX_LEN] = '\0';
    wp_headers_init(&headers, arena);
    FUZZ_CHECK(wp_headers_add(&headers, WP_VIEW("host"), request.host) == WP_OK);
    FUZZ_CHECK(wp_headers_add(&headers, own[0].name, own[0].value) == WP_OK);
    FUZZ_CHECK(wp_sigv4_sign(&request, &keys, &headers) == WP_OK);
    FUZZ_CHECK(wp_sigv4_verify(&request, &headers, secret_of, &secret, arena, &id, &reason));
    request.payload_hash[7] = 'b';
    FUZZ_CHECK(!wp_sigv4_verify(&request, &headers, secret_of, &secret, arena, &id, &reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wp_view text = fuzz_copy(fuzz_view(data, size)), rest = text;
    struct wp_arena *arena = wp_arena_create(0);
    wp_view target = fuzz_part(&rest, '\n'), query = fuzz_part(&rest, '\n');
    wp_view value = fuzz_part(&rest, '\n'), secret = fuzz_part(&rest, '\n');
    check_url(target);
    check_target(arena, target);
    check_codec(text);
    (void)wp_host_valid(value);
    FUZZ_CHECK(
        wp_view_eq(wp_aws_encode_segment(arena, wp_aws_encode_segment(arena, WP_VIEW("a-b"))),
                   WP_VIEW("a-b")));
    if (wp_header_value_valid(value) && secret.len > 0)
        check_signature(arena, target, query, value, secret);
    wp_arena_destroy(arena);
    fuzz_free(text);
    return 0;
}
