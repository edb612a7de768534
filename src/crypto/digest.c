#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/codec.h"
#include "crypto/private.h"

// Fetched once: EVP_sha256() looks its provider up anew in every EVP_DigestInit.
static EVP_MD *sha256, *sha1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    WP_CHECK(sha256 != NULL && sha1 != NULL);
}

static _Thread_local EVP_MD_CTX *thread_context;
static pthread_key_t context_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void make_key(void)
{
    WP_CHECK(pthread_key_create(&context_key, free_context) == 0);
}

// One context per thread, reused; freed with the thread.
static EVP_MD_CTX *context(void)
{
    pthread_once(&once, fetch);
    if (thread_context == NULL) {
        pthread_once(&key_once, make_key);
        thread_context = EVP_MD_CTX_new();
        WP_CHECK(thread_context != NULL);
        pthread_setspecific(context_key, thread_context);
    }
    return thread_context;
}

static void digest_spans(const EVP_MD *md, const wp_view *spans, size_t count, uint8_t *out)
{
    EVP_MD_CTX *ctx = context();
    bool ok = EVP_DigestInit_ex2(ctx, md, NULL) == 1;
    for (size_t i = 0; i < count && ok; i++)
        ok = EVP_DigestUpdate(ctx, spans[i].ptr, spans[i].len) == 1;
    WP_CHECK(ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

void wp_sha256_spans(const wp_view *spans, size_t count, uint8_t out[WP_SHA256_LEN])
{
    pthread_once(&once, fetch);
    digest_spans(sha256, spans, count, out);
}

void wp_sha256(wp_view data, uint8_t out[WP_SHA256_LEN])
{
    wp_sha256_spans(&data, 1, out);
}

void wp_sha256_hex(wp_view data, char out[WP_SHA256_HEX_LEN + 1])
{
    uint8_t bytes[WP_SHA256_LEN];
    wp_sha256(data, bytes);
    wp_hex_encode(bytes, sizeof(bytes), out);
}

void wp_sha1_hex(wp_view data, char out[2 * WP_SHA1_LEN + 1])
{
    uint8_t bytes[WP_SHA1_LEN];
    pthread_once(&once, fetch);
    digest_spans(sha1, &data, 1, bytes);
    wp_hex_encode(bytes, sizeof(bytes), out);
}

// RFC 2104 on the digest above: OpenSSL's own MAC objects allocate per call, this does not.
void wp_hmac_sha256(wp_view key, wp_view data, uint8_t out[WP_SHA256_LEN])
{
    enum { BLOCK = 64 };
    uint8_t padded[BLOCK] = {0}, inner[BLOCK], outer[BLOCK], middle[WP_SHA256_LEN];
    if (key.len > BLOCK)
        wp_sha256(key, padded);
    else if (key.len > 0)
        memcpy(padded, key.ptr, key.len);
    for (size_t i = 0; i < BLOCK; i++) {
        inner[i] = padded[i] ^ 0x36;
        outer[i] = padded[i] ^ 0x5c;
    }
    const wp_view first[] = {wp_view_make((const char *)inner, BLOCK), data};
    wp_sha256_spans(first, 2, middle);
    const wp_view second[] = {wp_view_make((const char *)outer, BLOCK),
                              wp_view_make((const char *)middle, sizeof(middle))};
    wp_sha256_spans(second, 2, out);
    OPENSSL_cleanse(padded, sizeof(padded));
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
}

bool wp_equal_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void wp_hash_key_set(struct wp_hash_key *key, const uint8_t secret[WP_HASH_SECRET_LEN])
{
    memcpy(key->secret, secret, sizeof(key->secret));
    key->nothing = wp_hash128(key, WP_VIEW(""));
}

void wp_hash_key_init(struct wp_hash_key *key, wp_view seed)
{
    uint8_t secret[WP_HASH_SECRET_LEN];
    for (size_t i = 0; i < WP_HASH_SECRET_LEN / WP_SHA256_LEN; i++) {
        const char number = (char)i;
        const wp_view parts[] = {WP_VIEW("warmpath prefix hash"), wp_view_make(&number, 1), seed};
        wp_sha256_spans(parts, 3, secret + i * WP_SHA256_LEN);
    }
    wp_hash_key_set(key, secret);
}

struct wp_hash128 wp_hash128(const struct wp_hash_key *key, wp_view data)
{
#ifdef WP_HASH_WIDE
    if (data.len >= WP_HASH_WIDE_MIN && __builtin_cpu_supports("avx2"))
        return wp_hash128_wide(key, data);
#endif
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(data.ptr, data.len, key->secret, WP_HASH_SECRET_LEN);
    return (struct wp_hash128){hash.low64, hash.high64};
}

// The same for what XXH3 hashes without a loop.
static inline __attribute__((flatten)) struct wp_hash128 hash_short(const struct wp_hash_key *key,
                                                                    wp_view data)
{
    if (data.len == 0 || data.len > 16)
        __builtin_unreachable();
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(data.ptr, data.len, key->secret, WP_HASH_SECRET_LEN);
    return (struct wp_hash128){hash.low64, hash.high64};
}

static struct wp_hash128 hash_data(const struct wp_hash_key *key, wp_view data)
{
    if (data.len == 0)
        return key->nothing;
    return data.len <= 16 ? hash_short(key, data) : wp_hash128(key, data);
}

struct link {
    struct wp_hash128 previous, data;
    uint64_t tag, len;
};

// Inlined with its length known, XXH3 is four multiplications and what mixes them.
static __attribute__((flatten)) struct wp_hash128 hash_link(const struct wp_hash_key *key,
                                                            const struct link *link)
{
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(link, sizeof(*link), key->secret, WP_HASH_SECRET_LEN);
    return (struct wp_hash128){hash.low64, hash.high64};
}

struct wp_hash128 wp_hash128_link(const struct wp_hash_key *key, struct wp_hash128 previous,
                                  uint32_t tag, wp_view data)
{
    // Hash the data, then the fixed-size tuple: no streaming state, nothing allocated.
    const struct link link = {previous, hash_data(key, data), tag, data.len};
    return hash_link(key, &link);
}
