// AWS credentials of one deployment: where they come from, when they are refreshed. A source is
// shared by all workers; at most one refresh runs at a time, ahead of expiry, and the old keys
// serve while they live.
#ifndef WP_AWS_CREDENTIALS_H
#define WP_AWS_CREDENTIALS_H

#include "aws/sigv4.h"
#include "http/renewal.h"

// All views are copied. Order of precedence, LiteLLM's and then the AWS SDKs': web identity with
// role → role_arn (assumed from the keys, profile or chain below) → profile → explicit keys →
// default chain (environment, default profile, container, IMDS).
struct wp_aws_source_config {
    wp_view access_key_id, secret_access_key, session_token;
    wp_view region;
    wp_view profile;
    wp_view role_arn, session_name, external_id, web_identity_token;
    wp_view sts_endpoint; // http(s)://host[:port], for tests and VPC endpoints
};

struct wp_aws_source;

struct wp_aws_source *
wp_aws_source_create(const struct wp_aws_source_config *config); // NULL: no memory
void wp_aws_source_ref(struct wp_aws_source *source);
void wp_aws_source_unref(struct wp_aws_source *source); // any thread

// `keys` live in `arena` when READY. PENDING: done(arg) is called later on this loop's thread, and
// the caller asks again. FAILED with `error` (no secrets; the step that failed and the command
// that mends it). `client` (of this loop) is used for STS, SSO and the metadata services.
enum wp_renewal_state wp_aws_source_get(struct wp_aws_source *source, struct wp_loop *loop,
                                        struct wp_client *client, struct wp_arena *arena,
                                        void (*done)(void *arg), void *arg,
                                        struct wp_aws_keys *keys, struct wp_renewal_wait **wait,
                                        char *error, size_t error_size);
// The provider said ExpiredToken or 403: forget these keys if they are still the current ones.
void wp_aws_source_invalidate(struct wp_aws_source *source, wp_view access_key_id);
// Region from the profile or environment, for deployments that name none; empty if unknown.
wp_view wp_aws_source_region(struct wp_aws_source *source, struct wp_arena *arena);
// "profile account-1 (static keys)", for check, health and logs.
void wp_aws_source_describe(struct wp_aws_source *source, char *out, size_t size);

#endif
