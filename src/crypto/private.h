// Private to crypto/.
#ifndef WP_CRYPTO_PRIVATE_H
#define WP_CRYPTO_PRIVATE_H

#include "crypto/digest.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) // by a pragma of gcc
#define WP_HASH_WIDE
enum { WP_HASH_WIDE_MIN = 512 }; // shorter data gain nothing
// wp_hash128 with AVX2: the same values, twice as fast. Only where the processor has it.
struct wp_hash128 wp_hash128_wide(const struct wp_hash_key *key, wp_view data);
#endif

#endif
