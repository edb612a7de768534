// AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"). Pure.
#ifndef WP_AWS_SIGV4_H
#define WP_AWS_SIGV4_H

#include "crypto/digest.h"
#include "http/headers.h"

struct wp_aws_keys {
    wp_view access_key_id, secret_access_key, session_token; // session_token may be empty
};

struct wp_sigv4_request {
    wp_view method;
    wp_view host;
    wp_view path;  // as sent, already encoded once; the canonical path encodes it again
    wp_view query; // as sent, without '?'; may be empty
    const struct wp_header *headers; // to be signed besides host, x-amz-*: e.g. content-type
    size_t header_count;
    char payload_hash[WP_SHA256_HEX_LEN + 1]; // hex SHA-256 of the body
    wp_view region, service;
    int64_t wall_ms;
};

// Adds x-amz-date, x-amz-content-sha256, x-amz-security-token (with a session token) and
// authorization to `out` (strings in out->arena).
enum wp_err wp_sigv4_sign(const struct wp_sigv4_request *request, const struct wp_aws_keys *keys,
                          struct wp_headers *out) WP_WARN_UNUSED;

// For simulated providers: checks the Authorization header of a received request against the
// secret. `headers` are all received fields; the signed ones are taken from SignedHeaders. The
// access key id found is returned through *access_key_id even when verification fails. *reason gets
// a static sentence.
bool wp_sigv4_verify(const struct wp_sigv4_request *request, const struct wp_headers *headers,
                     wp_view (*secret_of)(void *arg, wp_view access_key_id), void *arg,
                     struct wp_arena *arena, wp_view *access_key_id, const char **reason);

// Encodes one path segment (a model id or ARN): RFC 3986 unreserved characters stay.
wp_view wp_aws_encode_segment(struct wp_arena *arena, wp_view segment);

#endif
