// Private to aws/: one fetch of credentials, step by step.
//
//   gather (on the pool: environment, files, processes) → base (SSO, container, IMDS) → roles (STS)
#ifndef WP_AWS_PRIVATE_H
#define WP_AWS_PRIVATE_H

#include <stdatomic.h>

#include "aws/credentials.h"
#include "http/fetch.h"

enum { WP_AWS_ROLES_MAX = 5, WP_AWS_SOURCE_MAGIC = 0x41575353 };

struct wp_aws_stored {
    char id[160], secret[256], token[4096];
    int64_t expires_ms; // 0: never
};

struct wp_aws_source {
    uint32_t magic;
    _Atomic uint32_t references;
    struct wp_arena *arena;
    struct wp_aws_source_config config;
    struct wp_renewal renewal; // its lock guards what follows
    struct wp_aws_stored keys;
    char description[160];
    char region[64];
};

struct wp_aws_role {
    char arn[512], session[128], external_id[256], web_token_file[512];
    uint32_t duration_s;
};

struct wp_aws_fetch {
    struct wp_fetch common; // must be the first
    struct wp_aws_source *source;
    struct wp_aws_stored keys;
    struct wp_aws_role roles[WP_AWS_ROLES_MAX]; // to assume, last first
    size_t role_count;
    char region[64];
    // What fetches the keys that gather did not find itself; it ends in wp_aws_next_role.
    void (*base)(struct wp_aws_fetch *fetch);
    struct { // of an SSO profile
        char profile[128], region[64], account[64], role[128], cache_file[1024];
        wp_view access_token, refresh_token, client_id, client_secret;
        int64_t expires_ms;
    } sso;
    wp_view metadata_token; // of IMDSv2
};

void wp_aws_set_keys(struct wp_aws_fetch *fetch, wp_view id, wp_view secret, wp_view token);
// {"AccessKeyId":…,"SecretAccessKey":…,"Token":…,"Expiration":…} as container and IMDS answer.
bool wp_aws_set_keys_json(struct wp_aws_fetch *fetch);

// wp_fetch_call; a failure to begin ends the fetch.
void wp_aws_call(struct wp_aws_fetch *fetch, const char *method, wp_view url, uint32_t timeout_ms,
                 void (*answered)(void *fetch));

// chain.c, on the pool
void wp_aws_gather(struct wp_aws_fetch *fetch);
// process.c, on the pool
void wp_aws_run_credential_process(struct wp_aws_fetch *fetch, wp_view profile, wp_view command);
// sts.c: assumes what is left of the roles, then ends the fetch.
void wp_aws_next_role(struct wp_aws_fetch *fetch);
// credentials.c
void wp_aws_finish(struct wp_aws_fetch *fetch);
// sso.c: the profile's section; false if it is no SSO profile. Then the base.
struct wp_ini;
bool wp_aws_sso_profile(struct wp_aws_fetch *fetch, const struct wp_ini *config, wp_view section,
                        wp_view profile);
// metadata.c
bool wp_aws_container_configured(void);
void wp_aws_from_container(struct wp_aws_fetch *fetch);
void wp_aws_from_instance(struct wp_aws_fetch *fetch);

#endif
