// RSASSA-PKCS1-v1_5 with SHA-256 (RS256), for the assertions of Google service accounts. Adapter of
// OpenSSL.
#ifndef WP_CRYPTO_SIGN_H
#define WP_CRYPTO_SIGN_H

#include "base/view.h"

enum { WP_RS256_MAX = 1024 }; // bytes of a signature by an 8,192-bit key

// `pem` is an unencrypted private key (PKCS #8 or PKCS #1). False if it is no RSA key, or memory is
// short.
bool wp_rs256_sign(wp_view pem, wp_view data, uint8_t out[WP_RS256_MAX], size_t *len);

#endif
