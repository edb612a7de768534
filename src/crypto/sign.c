#include "crypto/sign.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

static EVP_PKEY *read_key(wp_view pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (key != NULL && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
                        (size_t)EVP_PKEY_get_size(key) > WP_RS256_MAX)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool wp_rs256_sign(wp_view pem, wp_view data, uint8_t out[WP_RS256_MAX], size_t *len)
{
    EVP_PKEY *key = pem.len > INT32_MAX ? NULL : read_key(pem);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *len = WP_RS256_MAX;
    bool ok = key != NULL && context != NULL &&
              EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(context, out, len, (const unsigned char *)data.ptr, data.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}
