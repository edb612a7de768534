#include "gateway/identity.h"

#include <stdio.h>

#include "base/codec.h"
#include "base/random.h"

#define OAUTH_PREFIX "sk-ant-oat"

bool wp_identity_is_master_key(const struct wp_runtime *runtime, wp_view key)
{
    uint8_t digest[WP_SHA256_LEN];
    if (!runtime->identity_required || key.len == 0)
        return false;
    wp_sha256(key, digest);
    return wp_equal_constant_time(digest, runtime->master_key_digest, WP_SHA256_LEN);
}

// "Bearer KEY" or the bare key. Another scheme (a client's own SigV4 signature) is no key.
static wp_view bearer_key(wp_view value)
{
    if (wp_view_starts_with_nocase(value, WP_VIEW("Bearer ")))
        return wp_view_trim(wp_view_skip(value, 7));
    return wp_view_find_char(value, ' ') == WP_NOT_FOUND ? value : (wp_view){NULL, 0};
}

// As the clients of Anthropic, Azure and Google name it.
static wp_view first_api_key(const struct wp_headers *headers)
{
    static const wp_view names[] = {{"x-api-key", 9}, {"api-key", 7}, {"x-goog-api-key", 14}};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        wp_view key = wp_headers_find(headers, names[i]);
        if (key.len > 0)
            return key;
    }
    return (wp_view){NULL, 0};
}

// The key to judge; empty: none. An OAuth token of Anthropic's is no key of this gateway.
static wp_view shown_key(const struct wp_request_head *head, wp_view authorization,
                         bool *contradiction)
{
    wp_view own = bearer_key(wp_headers_get(&head->headers, "x-litellm-api-key"));
    wp_view api_key = first_api_key(&head->headers);
    if (own.len > 0)
        return own;
    if (wp_view_starts_with(authorization, WP_VIEW(OAUTH_PREFIX)) && api_key.len > 0)
        return api_key;
    *contradiction =
        authorization.len > 0 && api_key.len > 0 && !wp_view_eq(authorization, api_key);
    return authorization.len > 0 ? authorization : api_key;
}

// The key that was right last, and its digest: callers mostly come again, and a digest costs as
// much as reading their heads.
struct last_key {
    size_t len;
    char key[256];
    uint8_t digest[WP_SHA256_LEN];
};

static void digest_of(const struct wp_runtime *runtime, wp_view key, struct wp_caller *out)
{
    static _Thread_local struct last_key last;
    bool same = key.len == last.len && wp_equal_constant_time(key.ptr, last.key, key.len);
    if (same)
        memcpy(out->shown_digest, last.digest, WP_SHA256_LEN);
    else
        wp_sha256(key, out->shown_digest);
    // Of the key that was right last there is nothing to be learnt any more.
    out->known =
        same ? memcmp(out->shown_digest, runtime->master_key_digest, WP_SHA256_LEN) == 0
             : wp_equal_constant_time(out->shown_digest, runtime->master_key_digest, WP_SHA256_LEN);
    if (same || !out->known || key.len > sizeof(last.key))
        return;
    last.len = key.len;
    memcpy(last.key, key.ptr, key.len);
    memcpy(last.digest, out->shown_digest, WP_SHA256_LEN);
}

void wp_identify(const struct wp_runtime *runtime, const struct wp_request_head *head,
                 struct wp_caller *out)
{
    *out = (struct wp_caller){.key_hash = ""};
    wp_view authorization = bearer_key(wp_headers_get(&head->headers, "authorization"));
    if (wp_view_starts_with(authorization, WP_VIEW(OAUTH_PREFIX)))
        out->oauth = authorization;
    if (!runtime->identity_required) {
        out->known = true;
        return;
    }
    wp_view key = shown_key(head, authorization, &out->contradiction);
    out->shown = key.len > 0;
    if (!out->shown)
        return;
    digest_of(runtime, key, out);
    out->known = out->known && !out->contradiction;
    if (!out->known)
        return;
    out->digest = runtime->master_key_digest;
    out->key_hash = runtime->master_key_hash;
}

// HMAC over "expiry.nonce" under a key that only the master key yields.
static void session_mac(const struct wp_runtime *runtime, wp_view payload,
                        char out[WP_SHA256_HEX_LEN + 1])
{
    static const char label[] = "warmpath console session";
    uint8_t key[WP_SHA256_LEN], mac[WP_SHA256_LEN];
    wp_hmac_sha256(wp_view_make((const char *)runtime->master_key_digest, WP_SHA256_LEN),
                   wp_view_make(label, sizeof(label) - 1), key);
    wp_hmac_sha256(wp_view_make((const char *)key, sizeof(key)), payload, mac);
    wp_hex_encode(mac, sizeof(mac), out);
}

void wp_session_issue(const struct wp_runtime *runtime, int64_t now_ms,
                      char out[WP_SESSION_TOKEN_MAX])
{
    char nonce[33], payload[64], mac[WP_SHA256_HEX_LEN + 1];
    uint8_t bytes[16];
    wp_random_bytes(bytes, sizeof(bytes));
    wp_hex_encode(bytes, sizeof(bytes), nonce);
    snprintf(payload, sizeof(payload), "%lld.%s", (long long)(now_ms / 1000 + WP_SESSION_TTL_S),
             nonce);
    session_mac(runtime, wp_view_of(payload), mac);
    snprintf(out, WP_SESSION_TOKEN_MAX, "%s.%s", payload, mac);
}

bool wp_session_valid(const struct wp_runtime *runtime, wp_view token, int64_t now_ms)
{
    char mac[WP_SHA256_HEX_LEN + 1];
    uint64_t expiry;
    size_t first = wp_view_find_char(token, '.'), last = wp_view_rfind_char(token, '.');
    if (!runtime->identity_required || first == WP_NOT_FOUND || first == last ||
        token.len >= WP_SESSION_TOKEN_MAX || token.len - last - 1 != WP_SHA256_HEX_LEN)
        return false;
    if (!wp_view_parse_u64(wp_view_sub(token, 0, first), &expiry))
        return false;
    session_mac(runtime, wp_view_sub(token, 0, last), mac);
    return wp_equal_constant_time(mac, token.ptr + last + 1, WP_SHA256_HEX_LEN) &&
           expiry > (uint64_t)(now_ms / 1000);
}
