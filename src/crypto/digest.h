// SHA-256, HMAC-SHA-256, SHA-1 (names of SSO cache files only), constant-time comparison, and
// the keyed 128-bit hash of prompt prefixes (XXH3-128 with a secret). Adapter of OpenSSL's EVP
// and xxHash; all functions are thread-safe.
#ifndef WP_CRYPTO_DIGEST_H
#define WP_CRYPTO_DIGEST_H

#include "base/view.h"

enum { WP_SHA256_LEN = 32, WP_SHA256_HEX_LEN = 64, WP_SHA1_LEN = 20 };

void wp_sha256(wp_view data, uint8_t out[WP_SHA256_LEN]);
// Over the concatenation of `count` spans (a spliced body), without joining them.
void wp_sha256_spans(const wp_view *spans, size_t count, uint8_t out[WP_SHA256_LEN]);
// Lower-case hex and NUL.
void wp_sha256_hex(wp_view data, char out[WP_SHA256_HEX_LEN + 1]);
void wp_sha1_hex(wp_view data, char out[2 * WP_SHA1_LEN + 1]);
void wp_hmac_sha256(wp_view key, wp_view data, uint8_t out[WP_SHA256_LEN]);
// Time depends on len only.
bool wp_equal_constant_time(const void *a, const void *b, size_t len);

// 128 bits that name a prompt prefix. All-zero means "none".
struct wp_hash128 {
    uint64_t low, high;
};
static inline bool wp_hash128_eq(struct wp_hash128 a, struct wp_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

enum { WP_HASH_SECRET_LEN = 192 };
struct wp_hash_key { // by wp_hash_key_init or wp_hash_key_set
    uint8_t secret[WP_HASH_SECRET_LEN];
    struct wp_hash128 nothing; // the hash of no bytes
};
// Derives the secret from a seed of any length (replicas that share the seed agree on hashes).
void wp_hash_key_init(struct wp_hash_key *key, wp_view seed);
// A key whose secret was kept.
void wp_hash_key_set(struct wp_hash_key *key, const uint8_t secret[WP_HASH_SECRET_LEN]);
struct wp_hash128 wp_hash128(const struct wp_hash_key *key, wp_view data);
// One link of a chain: the hash of (previous, tag, data). O(data.len), no allocation.
struct wp_hash128 wp_hash128_link(const struct wp_hash_key *key, struct wp_hash128 previous,
                                  uint32_t tag, wp_view data);

#endif
