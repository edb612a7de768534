// The prefix hash once more, compiled for AVX2; XXH3 gives the same values at every width.
#include "crypto/private.h"

#ifdef WP_HASH_WIDE
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#define XXH_VECTOR 2 // XXH_AVX2
#include <xxhash.h>

#include <immintrin.h>

struct wp_hash128 wp_hash128_wide(const struct wp_hash_key *key, wp_view data)
{
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(data.ptr, data.len, key->secret, WP_HASH_SECRET_LEN);
    // gcc forgets it under the pragma; without it all SSE code that follows is slowed down.
    _mm256_zeroupper();
    return (struct wp_hash128){hash.low64, hash.high64};
}
#endif
