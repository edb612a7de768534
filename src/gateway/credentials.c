#include "gateway/credentials.h"

enum wp_renewal_state wp_credentials_get(const struct wp_deployment_runtime *compiled,
                                         struct wp_worker *worker, struct wp_arena *arena,
                                         void (*ready)(void *arg), void *arg,
                                         struct wp_credentials *out, char *error, size_t error_size)
{
    *out = (struct wp_credentials){0};
    if (compiled->aws != NULL)
        return wp_aws_source_get(compiled->aws, worker->loop, worker->client, arena, ready, arg,
                                 &out->keys, &out->wait, error, error_size);
    if (compiled->google != NULL)
        return wp_google_source_get(compiled->google, worker->loop, worker->client, arena, ready,
                                    arg, &out->access_token, &out->wait, error, error_size);
    return WP_RENEWAL_READY;
}

wp_view wp_credentials_region(const struct wp_deployment_runtime *compiled, struct wp_arena *arena)
{
    return compiled->region.len > 0 || compiled->aws == NULL
               ? compiled->region
               : wp_aws_source_region(compiled->aws, arena);
}
