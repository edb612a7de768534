#include "aws/sigv4.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/codec.h"

enum { SIGNED_MAX = 64, CANONICAL_MAX = 256 * 1024 };

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

wp_view wp_aws_encode_segment(struct wp_arena *arena, wp_view segment)
{
    struct wp_buf buf = wp_buf_make(64 * 1024);
    wp_percent_append(&buf, segment, false);
    wp_view text = wp_buf_ok(&buf) ? wp_arena_copy(arena, wp_buf_view(&buf)) : (wp_view){NULL, 0};
    wp_buf_free(&buf);
    return text;
}

struct signing {
    const struct wp_sigv4_request *request;
    struct wp_header headers[SIGNED_MAX]; // lower-case names, sorted
    size_t count;
    char names[4096]; // "content-type;host;…"
    struct wp_buf canonical;
};

static int compare(wp_view a, wp_view b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool add_header(struct signing *s, struct wp_arena *arena, wp_view name, wp_view value)
{
    char *lower = wp_arena_cstring(arena, name);
    if (lower == NULL || s->count == SIGNED_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + 32);
    wp_view low = wp_view_make(lower, name.len);
    size_t at = s->count++;
    while (at > 0 && compare(s->headers[at - 1].name, low) > 0) {
        s->headers[at] = s->headers[at - 1];
        at--;
    }
    s->headers[at] = (struct wp_header){low, value};
    return true;
}

// Trimmed, with inner runs of spaces as one.
static void append_value(struct wp_buf *out, wp_view value)
{
    value = wp_view_trim(value);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
            wp_buf_append_char(out, value.ptr[i]);
}

// By name, then value ("a=2" before "a-b=1").
static int compare_pairs(wp_view a, wp_view b)
{
    size_t a_name = wp_view_find_char(a, '='), b_name = wp_view_find_char(b, '=');
    int order = compare(wp_view_sub(a, 0, a_name), wp_view_sub(b, 0, b_name));
    return order != 0 ? order : compare(a, b);
}

// Parameters are sent encoded; "=" is added where it is missing.
static void append_query(struct wp_buf *out, wp_view query)
{
    wp_view pairs[64], rest = query, pair;
    size_t count = 0;
    while (rest.len > 0 && count < 64 && wp_view_next_token(&rest, '&', &pair)) {
        size_t at = count++;
        while (at > 0 && compare_pairs(pairs[at - 1], pair) > 0) {
            pairs[at] = pairs[at - 1];
            at--;
        }
        pairs[at] = pair;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            wp_buf_append_char(out, '&');
        wp_buf_append(out, pairs[i]);
        if (wp_view_find_char(pairs[i], '=') == WP_NOT_FOUND)
            wp_buf_append_char(out, '=');
    }
}

static void build_canonical(struct signing *s)
{
    struct wp_buf *out = &s->canonical;
    size_t used = 0;
    wp_buf_append(out, s->request->method);
    wp_buf_append_char(out, '\n');
    // The path that is sent is encoded once; every service but S3 signs it encoded twice.
    wp_percent_append(out, s->request->path.len > 0 ? s->request->path : WP_VIEW("/"), true);
    wp_buf_append_char(out, '\n');
    append_query(out, s->request->query);
    wp_buf_append_char(out, '\n');
    for (size_t i = 0; i < s->count; i++) {
        wp_buf_append(out, s->headers[i].name);
        wp_buf_append_char(out, ':');
        append_value(out, s->headers[i].value);
        wp_buf_append_char(out, '\n');
        used += (size_t)snprintf(s->names + used, sizeof(s->names) - used, "%s%.*s",
                                 i > 0 ? ";" : "", WP_VIEW_ARG(s->headers[i].name));
        if (used >= sizeof(s->names))
            out->failed = true;
        if (out->failed)
            return;
    }
    wp_buf_append_char(out, '\n');
    wp_buf_append_cstring(out, s->names);
    wp_buf_append_char(out, '\n');
    wp_buf_append_cstring(out, s->request->payload_hash);
}

static void signing_key(wp_view secret, wp_view date, wp_view region, wp_view service,
                        uint8_t out[WP_SHA256_LEN])
{
    char first[256];
    int len = snprintf(first, sizeof(first), "AWS4%.*s", WP_VIEW_ARG(secret));
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(first) ? (size_t)len : sizeof(first) - 1;
    const wp_view parts[] = {date, region, service, WP_VIEW("aws4_request")};
    wp_view key = wp_view_make(first, used);
    uint8_t next[WP_SHA256_LEN];
    for (size_t i = 0; i < 4; i++) {
        wp_hmac_sha256(key, parts[i], next);
        memcpy(out, next, sizeof(next));
        key = wp_view_make((const char *)out, WP_SHA256_LEN);
    }
    memset(first, 0, sizeof(first));
}

// Hex signature of the canonical request.
static void sign(struct signing *s, wp_view amz_date, wp_view region, wp_view service,
                 wp_view secret, char out[WP_SHA256_HEX_LEN + 1])
{
    char hash[WP_SHA256_HEX_LEN + 1], text[512];
    uint8_t key[WP_SHA256_LEN], mac[WP_SHA256_LEN];
    wp_view date = wp_view_sub(amz_date, 0, 8);
    wp_sha256_hex(wp_buf_view(&s->canonical), hash);
    int len = snprintf(text, sizeof(text), "%s\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%s", ALGORITHM,
                       WP_VIEW_ARG(amz_date), WP_VIEW_ARG(date), WP_VIEW_ARG(region),
                       WP_VIEW_ARG(service), hash);
    signing_key(secret, date, region, service, key);
    wp_hmac_sha256(wp_view_make((const char *)key, sizeof(key)),
                   wp_view_make(text, len < 0 ? 0 : (size_t)len), mac);
    wp_hex_encode(mac, sizeof(mac), out);
}

static bool never_signed(wp_view name)
{
    static const char *const names[] = {
        "authorization",   "connection",        "expect",        "te",
        "trailer",         "transfer-encoding", "upgrade",       "user-agent",
        "x-amzn-trace-id", "traceparent",       "content-length"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (wp_view_eq_nocase(name, wp_view_of(names[i])))
            return true;
    return wp_view_starts_with_nocase(name, WP_VIEW("proxy-")) ||
           wp_view_starts_with_nocase(name, WP_VIEW("sec-"));
}

static enum wp_err add_own(struct wp_headers *out, struct signing *s, const char *name,
                           wp_view value)
{
    wp_view copy = wp_arena_copy(out->arena, value);
    if (copy.ptr == NULL || !add_header(s, out->arena, wp_view_of(name), copy))
        return WP_ERR_NO_MEMORY;
    return wp_headers_add(out, wp_view_of(name), copy);
}

enum wp_err wp_sigv4_sign(const struct wp_sigv4_request *request, const struct wp_aws_keys *keys,
                          struct wp_headers *out)
{
    char amz_date[17], signature[WP_SHA256_HEX_LEN + 1];
    struct signing *s = WP_ARENA_NEW(out->arena, struct signing);
    if (s == NULL)
        return WP_ERR_NO_MEMORY;
    s->request = request;
    s->canonical = wp_buf_make(CANONICAL_MAX);
    wp_format_amz_date(request->wall_ms, amz_date);
    bool ok = add_header(s, out->arena, WP_VIEW("host"), request->host);
    for (size_t i = 0; i < request->header_count && ok; i++)
        if (!never_signed(request->headers[i].name))
            ok = add_header(s, out->arena, request->headers[i].name, request->headers[i].value);
    enum wp_err err = ok ? WP_OK : WP_ERR_NO_MEMORY;
    if (err == WP_OK)
        err = add_own(out, s, "x-amz-date", wp_view_of(amz_date));
    if (err == WP_OK)
        err = add_own(out, s, "x-amz-content-sha256", wp_view_of(request->payload_hash));
    if (err == WP_OK && keys->session_token.len > 0)
        err = add_own(out, s, "x-amz-security-token", keys->session_token);
    if (err == WP_OK)
        build_canonical(s);
    if (err == WP_OK && !wp_buf_ok(&s->canonical))
        err = WP_ERR_NO_MEMORY;
    if (err == WP_OK) {
        sign(s, wp_view_of(amz_date), request->region, request->service, keys->secret_access_key,
             signature);
        wp_view value = wp_arena_printf(
            out->arena,
            "%s Credential=%.*s/%.8s/%.*s/%.*s/aws4_request, SignedHeaders=%s, "
            "Signature=%s",
            ALGORITHM, WP_VIEW_ARG(keys->access_key_id), amz_date, WP_VIEW_ARG(request->region),
            WP_VIEW_ARG(request->service), s->names, signature);
        err = value.ptr == NULL ? WP_ERR_NO_MEMORY
                                : wp_headers_add(out, WP_VIEW("authorization"), value);
    }
    wp_buf_free(&s->canonical);
    return err;
}

// Verification -----------------------------------------------------------------------------------

static wp_view parameter(wp_view authorization, const char *name)
{
    wp_view rest = wp_view_skip(authorization, sizeof(ALGORITHM)), part;
    while (rest.len > 0 && wp_view_next_token(&rest, ',', &part)) {
        part = wp_view_trim(part);
        size_t equals = wp_view_find_char(part, '=');
        if (equals != WP_NOT_FOUND && wp_view_is(wp_view_sub(part, 0, equals), name))
            return wp_view_skip(part, equals + 1);
    }
    return (wp_view){NULL, 0};
}

static bool collect_signed(struct signing *s, struct wp_arena *arena,
                           const struct wp_headers *headers, wp_view names, wp_view host)
{
    wp_view name;
    bool host_signed = false;
    while (names.len > 0 && wp_view_next_token(&names, ';', &name)) {
        const char *text = wp_arena_cstring(arena, name);
        if (text == NULL)
            return false;
        bool is_host = wp_view_is(name, "host");
        host_signed = host_signed || is_host;
        wp_view value = is_host ? host : wp_headers_joined(headers, text, arena);
        if (value.ptr == NULL || !add_header(s, arena, name, value))
            return false;
    }
    return host_signed;
}

bool wp_sigv4_verify(const struct wp_sigv4_request *request, const struct wp_headers *headers,
                     wp_view (*secret_of)(void *arg, wp_view access_key_id), void *arg,
                     struct wp_arena *arena, wp_view *access_key_id, const char **reason)
{
    wp_view authorization = wp_headers_get(headers, "authorization");
    wp_view credential = parameter(authorization, "Credential"), date, region, service;
    wp_view amz_date = wp_headers_get(headers, "x-amz-date");
    wp_view content = wp_headers_get(headers, "x-amz-content-sha256");
    char signature[WP_SHA256_HEX_LEN + 1];
    *access_key_id = (wp_view){NULL, 0};
    *reason = "no AWS4-HMAC-SHA256 authorization";
    if (!wp_view_starts_with(authorization, wp_view_of(ALGORITHM)) || credential.len == 0)
        return false;
    wp_view_next_token(&credential, '/', access_key_id);
    wp_view_next_token(&credential, '/', &date);
    wp_view_next_token(&credential, '/', &region);
    wp_view_next_token(&credential, '/', &service);
    wp_view secret = secret_of(arg, *access_key_id);
    *reason = "unknown access key";
    if (secret.len == 0)
        return false;
    *reason = "date missing or not that of the credential scope";
    if (amz_date.len != 16 || !wp_view_eq(wp_view_sub(amz_date, 0, 8), date))
        return false;
    *reason = "x-amz-content-sha256 is not the body's";
    if (content.len > 0 && !wp_view_is(content, request->payload_hash))
        return false;
    struct signing *s = WP_ARENA_NEW(arena, struct signing);
    *reason = "a signed header is missing";
    if (s == NULL)
        return false;
    s->request = request;
    s->canonical = wp_buf_make(CANONICAL_MAX);
    bool ok =
        collect_signed(s, arena, headers, parameter(authorization, "SignedHeaders"), request->host);
    if (ok) {
        build_canonical(s);
        *reason = "signatures differ";
        sign(s, amz_date, region, service, secret, signature);
        wp_view given = parameter(authorization, "Signature");
        ok = wp_buf_ok(&s->canonical) && given.len == WP_SHA256_HEX_LEN &&
             wp_equal_constant_time(given.ptr, signature, WP_SHA256_HEX_LEN);
    }
    wp_buf_free(&s->canonical);
    return ok;
}
