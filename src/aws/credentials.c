// Sources of keys, shared by all workers, and one fetch of them: what is found on the pool is
// completed on the worker's loop.
#include "aws/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "json/doc.h"

static bool copy_config(struct wp_aws_source *source, const struct wp_aws_source_config *config)
{
    const wp_view *from = &config->access_key_id;
    wp_view *to = &source->config.access_key_id;
    for (size_t i = 0; i < sizeof(*config) / sizeof(wp_view); i++) {
        to[i] = wp_arena_copy(source->arena, from[i]);
        if (to[i].ptr == NULL)
            return false;
    }
    return true;
}

struct wp_aws_source *wp_aws_source_create(const struct wp_aws_source_config *config)
{
    struct wp_aws_source *source = wp_alloc(sizeof(*source));
    if (source == NULL)
        return NULL;
    source->magic = WP_AWS_SOURCE_MAGIC;
    source->references = 1;
    source->arena = wp_arena_create(0);
    wp_renewal_init(&source->renewal);
    if (source->arena == NULL || !copy_config(source, config)) {
        wp_aws_source_unref(source);
        return NULL;
    }
    if (config->profile.len > 0)
        snprintf(source->description, sizeof(source->description), "profile %.*s",
                 WP_VIEW_ARG(config->profile));
    else
        snprintf(source->description, sizeof(source->description), "%s",
                 config->access_key_id.len > 0 ? "explicit keys" : "default chain");
    return source;
}

void wp_aws_source_ref(struct wp_aws_source *source)
{
    atomic_fetch_add(&source->references, 1);
}

void wp_aws_source_unref(struct wp_aws_source *source)
{
    if (source == NULL || atomic_fetch_sub(&source->references, 1) != 1)
        return;
    wp_renewal_free(&source->renewal);
    wp_arena_destroy(source->arena);
    source->magic = 0;
    wp_free(source);
}

// One fetch.

void wp_aws_set_keys(struct wp_aws_fetch *fetch, wp_view id, wp_view secret, wp_view token)
{
    struct wp_aws_stored *keys = &fetch->keys;
    *keys = (struct wp_aws_stored){.expires_ms = 0};
    snprintf(keys->id, sizeof(keys->id), "%.*s", WP_VIEW_ARG(id));
    snprintf(keys->secret, sizeof(keys->secret), "%.*s", WP_VIEW_ARG(secret));
    snprintf(keys->token, sizeof(keys->token), "%.*s", WP_VIEW_ARG(token));
    wp_log_register_secret(secret);
    wp_log_register_secret(token);
}

bool wp_aws_set_keys_json(struct wp_aws_fetch *fetch)
{
    const struct wp_json_val *root =
        wp_json_parse(fetch->common.arena, wp_buf_view(&fetch->common.answer));
    wp_view id = wp_json_str(wp_json_get(root, "AccessKeyId"));
    wp_view secret = wp_json_str(wp_json_get(root, "SecretAccessKey"));
    if (id.len == 0 || secret.len == 0)
        return false;
    wp_aws_set_keys(fetch, id, secret, wp_json_str(wp_json_get(root, "Token")));
    if (!wp_parse_time(wp_json_str(wp_json_get(root, "Expiration")), &fetch->keys.expires_ms))
        fetch->keys.expires_ms = wp_wall_ms() + 900 * 1000LL;
    return true;
}

static void store(void *owner, void *value)
{
    struct wp_aws_source *source = owner;
    source->keys = *(const struct wp_aws_stored *)value;
}

void wp_aws_finish(struct wp_aws_fetch *fetch)
{
    struct wp_aws_source *source = fetch->source;
    if (fetch->common.failed)
        wp_log(WP_LOG_ERROR, "aws", "credentials (%s): %s", source->description,
               fetch->common.error);
    pthread_mutex_lock(&source->renewal.lock);
    if (source->region[0] == '\0')
        snprintf(source->region, sizeof(source->region), "%s", fetch->region);
    pthread_mutex_unlock(&source->renewal.lock);
    wp_fetch_end(&fetch->common, store, source, &fetch->keys, fetch->keys.expires_ms);
    wp_aws_source_unref(source);
}

static void gather(void *arg)
{
    wp_aws_gather(arg);
}

static void gathered(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    if (fetch->base != NULL && !fetch->common.failed)
        fetch->base(fetch);
    else
        wp_aws_next_role(fetch);
}

static bool start(void *owner, struct wp_loop *loop, struct wp_client *client)
{
    struct wp_aws_source *source = owner;
    struct wp_aws_fetch *fetch = wp_fetch_create(sizeof(*fetch), &source->renewal, loop, client);
    if (fetch == NULL)
        return false;
    fetch->source = source;
    wp_aws_source_ref(source);
    if (wp_fetch_start(&fetch->common, gather, gathered))
        return true;
    wp_aws_source_unref(source);
    return false;
}

void wp_aws_call(struct wp_aws_fetch *fetch, const char *method, wp_view url, uint32_t timeout_ms,
                 void (*answered)(void *fetch))
{
    if (wp_fetch_call(&fetch->common, method, url, timeout_ms, answered))
        return;
    fetch->role_count = 0;
    wp_aws_finish(fetch);
}

// Asking.

struct copy_to {
    struct wp_arena *arena;
    struct wp_aws_keys *keys;
};

static bool copy(void *owner, void *to)
{
    const struct wp_aws_source *source = owner;
    const struct copy_to *target = to;
    struct wp_aws_keys *keys = target->keys;
    keys->access_key_id = wp_arena_copy(target->arena, wp_view_of(source->keys.id));
    keys->secret_access_key = wp_arena_copy(target->arena, wp_view_of(source->keys.secret));
    keys->session_token = wp_arena_copy(target->arena, wp_view_of(source->keys.token));
    return keys->session_token.ptr != NULL && keys->secret_access_key.ptr != NULL &&
           keys->access_key_id.ptr != NULL;
}

enum wp_renewal_state wp_aws_source_get(struct wp_aws_source *source, struct wp_loop *loop,
                                        struct wp_client *client, struct wp_arena *arena,
                                        void (*done)(void *arg), void *arg,
                                        struct wp_aws_keys *keys, struct wp_renewal_wait **wait,
                                        char *error, size_t error_size)
{
    static const struct wp_renewal_ops ops = {copy, start};
    struct copy_to target = {arena, keys};
    const struct wp_renewal_request request = {loop, client, &target, done, arg};
    WP_CHECK_MAGIC(source, WP_AWS_SOURCE_MAGIC);
    return wp_renewal_get(&source->renewal, &ops, source, &request, wait, error, error_size);
}

void wp_aws_source_invalidate(struct wp_aws_source *source, wp_view access_key_id)
{
    pthread_mutex_lock(&source->renewal.lock);
    if (wp_view_is(access_key_id, source->keys.id))
        source->renewal.have = false;
    pthread_mutex_unlock(&source->renewal.lock);
}

wp_view wp_aws_source_region(struct wp_aws_source *source, struct wp_arena *arena)
{
    const char *env = getenv("AWS_REGION");
    if (env == NULL || env[0] == '\0')
        env = getenv("AWS_DEFAULT_REGION");
    if (source->config.region.len > 0)
        return wp_arena_copy(arena, source->config.region);
    pthread_mutex_lock(&source->renewal.lock);
    wp_view region = wp_arena_copy(arena, wp_view_of(source->region));
    pthread_mutex_unlock(&source->renewal.lock);
    if (region.len > 0)
        return region;
    return env != NULL ? wp_arena_copy(arena, wp_view_of(env)) : WP_VIEW("us-west-2");
}

void wp_aws_source_describe(struct wp_aws_source *source, char *out, size_t size)
{
    pthread_mutex_lock(&source->renewal.lock);
    snprintf(out, size, "%s%s%s", source->description,
             source->config.role_arn.len > 0 ? " with a role" : "",
             source->renewal.failed_until_ms > wp_wall_ms() ? " (failed)" : "");
    pthread_mutex_unlock(&source->renewal.lock);
}
