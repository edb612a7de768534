#include "gateway/gateway.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/random.h"
#include "json/doc.h"

enum {
    GATEWAY_MAGIC = 0x47415445,
    RUNTIME_MAGIC = 0x52554e54,
    HISTORY_BYTES = 32 * 1024 * 1024, // what sessions sent last: some 8,000 long ones
};

struct wp_gateway_private {
    pthread_mutex_t lock; // guards `runtime`
    struct wp_runtime *runtime;
};

static void name_instance(struct wp_gateway *gateway)
{
    uint8_t bytes[8];
    wp_random_bytes(bytes, sizeof(bytes));
    wp_hex_encode(bytes, sizeof(bytes), gateway->instance);
}

static enum wp_err load_cache_facts(struct wp_gateway *gateway, wp_view json, char *error,
                                    size_t error_size)
{
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *root = arena == NULL ? NULL : wp_json_parse(arena, json);
    const struct wp_json_val *platforms = wp_json_get(root, "platforms");
    for (int i = 0; i < WP_PLATFORM_COUNT; i++)
        gateway->renewal[i] = wp_json_bool(
            wp_json_get(wp_json_get(platforms, wp_platform_name((enum wp_platform)i)), "renewal"),
            false);
    bool sound = wp_json_is_object(platforms);
    wp_arena_destroy(arena);
    if (!sound)
        snprintf(error, error_size, "cache facts: not a JSON object with platforms");
    return sound ? WP_OK : WP_ERR_INVALID;
}

enum wp_err wp_gateway_create(const struct wp_gateway_options *options, struct wp_gateway **out,
                              char *error, size_t error_size)
{
    struct wp_gateway *gateway = wp_alloc_or_die(sizeof(*gateway));
    gateway->magic = GATEWAY_MAGIC;
    gateway->hidden = wp_alloc_or_die(sizeof(*gateway->hidden));
    pthread_mutex_init(&gateway->hidden->lock, NULL);
    gateway->ledger = options->ledger;
    gateway->version = options->version;
    gateway->started_ms = wp_wall_ms();
    name_instance(gateway);
    wp_retry_budget_init(&gateway->retry_budget, wp_now_ns());
    gateway->table_sources = options->tables;
    enum wp_err err = load_cache_facts(gateway, options->cache_json, error, error_size);
    if (err == WP_OK) {
        gateway->router = wp_router_create();
        gateway->keeper = wp_keeper_create();
        gateway->history = wp_history_create(HISTORY_BYTES);
        gateway->guard = wp_guard_create();
        if (gateway->router == NULL || gateway->history == NULL || gateway->keeper == NULL ||
            gateway->guard == NULL)
            err = WP_ERR_NO_MEMORY;
    }
    if (err != WP_OK) {
        wp_gateway_destroy(gateway);
        return err;
    }
    *out = gateway;
    return WP_OK;
}

void wp_gateway_destroy(struct wp_gateway *gateway)
{
    if (gateway == NULL)
        return;
    WP_CHECK_MAGIC(gateway, GATEWAY_MAGIC);
    wp_runtime_unref(gateway->hidden->runtime);
    wp_router_destroy(gateway->router);
    wp_history_destroy(gateway->history);
    wp_guard_destroy(gateway->guard);
    wp_keeper_destroy(gateway->keeper);
    pthread_mutex_destroy(&gateway->hidden->lock);
    wp_free(gateway->hidden);
    gateway->magic = 0;
    wp_free(gateway);
}

static void runtime_free(struct wp_runtime *runtime)
{
    size_t count = runtime->deployments == NULL ? 0 : runtime->snapshot->deployment_count;
    for (size_t i = 0; i < count; i++) {
        wp_aws_source_unref(runtime->deployments[i].aws);
        wp_google_source_unref(runtime->deployments[i].google);
    }
    wp_provider_tables_free(runtime->tables);
    wp_model_table_free(runtime->models);
    wp_snapshot_unref(runtime->snapshot);
    wp_arena_destroy(runtime->arena);
    runtime->magic = 0;
    wp_free(runtime);
}

void wp_runtime_unref(struct wp_runtime *runtime)
{
    if (runtime == NULL)
        return;
    WP_CHECK_MAGIC(runtime, RUNTIME_MAGIC);
    if (atomic_fetch_sub(&runtime->references, 1) == 1)
        runtime_free(runtime);
}

struct wp_runtime *wp_gateway_runtime(struct wp_gateway *gateway)
{
    pthread_mutex_lock(&gateway->hidden->lock);
    struct wp_runtime *runtime = gateway->hidden->runtime;
    if (runtime != NULL)
        atomic_fetch_add(&runtime->references, 1);
    pthread_mutex_unlock(&gateway->hidden->lock);
    return runtime;
}

// api_key beats AWS_BEARER_TOKEN_BEDROCK; the environment's token serves only deployments that
// name no credentials of their own (in the AWS SDKs it beats the default chain, not explicit ones).
static wp_view bearer_of(const struct wp_deployment_config *deployment)
{
    if (deployment->api_key.len > 0)
        return deployment->api_key;
    bool own = deployment->aws.access_key_id.len > 0 || deployment->aws.profile.len > 0 ||
               deployment->aws.role_arn.len > 0 || deployment->aws.web_identity_token.len > 0;
    return own ? (wp_view){NULL, 0} : wp_view_of(getenv("AWS_BEARER_TOKEN_BEDROCK"));
}

static bool same_aws(const struct wp_deployment_config *a, const struct wp_deployment_config *b)
{
    return wp_view_eq(a->aws.access_key_id, b->aws.access_key_id) &&
           wp_view_eq(a->aws.secret_access_key, b->aws.secret_access_key) &&
           wp_view_eq(a->aws.session_token, b->aws.session_token) &&
           wp_view_eq(a->aws.region, b->aws.region) && wp_view_eq(a->aws.profile, b->aws.profile) &&
           wp_view_eq(a->aws.role_arn, b->aws.role_arn) &&
           wp_view_eq(a->aws.session_name, b->aws.session_name) &&
           wp_view_eq(a->aws.external_id, b->aws.external_id) &&
           wp_view_eq(a->aws.web_identity_token, b->aws.web_identity_token) &&
           wp_view_eq(a->aws.sts_endpoint, b->aws.sts_endpoint);
}

static struct wp_aws_source *new_source(const struct wp_deployment_config *deployment)
{
    const struct wp_aws_source_config config = {
        .access_key_id = deployment->aws.access_key_id,
        .secret_access_key = deployment->aws.secret_access_key,
        .session_token = deployment->aws.session_token,
        .region = deployment->aws.region,
        .profile = deployment->aws.profile,
        .role_arn = deployment->aws.role_arn,
        .session_name = deployment->aws.session_name,
        .external_id = deployment->aws.external_id,
        .web_identity_token = deployment->aws.web_identity_token,
        .sts_endpoint = deployment->aws.sts_endpoint,
    };
    return wp_aws_source_create(&config);
}

// Deployments with the same credentials share one source, so that one refresh serves them all.
static bool attach_source(struct wp_runtime *runtime, size_t index)
{
    const struct wp_deployment_config *deployments = runtime->snapshot->deployments;
    for (size_t i = 0; i < index; i++) {
        if (runtime->deployments[i].aws == NULL || !same_aws(&deployments[i], &deployments[index]))
            continue;
        runtime->deployments[index].aws = runtime->deployments[i].aws;
        wp_aws_source_ref(runtime->deployments[index].aws);
        return true;
    }
    runtime->deployments[index].aws = new_source(&deployments[index]);
    return runtime->deployments[index].aws != NULL;
}

static bool attach_google(struct wp_runtime *runtime, size_t index)
{
    const struct wp_deployment_config *deployments = runtime->snapshot->deployments;
    wp_view credentials = deployments[index].vertex.credentials;
    for (size_t i = 0; i < index; i++) {
        if (runtime->deployments[i].google == NULL ||
            !wp_view_eq(deployments[i].vertex.credentials, credentials))
            continue;
        runtime->deployments[index].google = runtime->deployments[i].google;
        wp_google_source_ref(runtime->deployments[index].google);
        return true;
    }
    runtime->deployments[index].google = wp_google_source_create(credentials);
    return runtime->deployments[index].google != NULL;
}

static wp_view model_name_for_facts(const struct wp_deployment_config *deployment,
                                    wp_view upstream_model)
{
    return deployment->base_model.len > 0 ? deployment->base_model : upstream_model;
}

static void override_prices(const struct wp_price_override *own, struct wp_price *price)
{
    const struct {
        double from, *to;
    } rows[] = {
        {own->input, &price->input},
        {own->output, &price->output},
        {own->cache_read, &price->cache_read},
        {own->cache_write_5m, &price->cache_write_5m},
        {own->cache_write_1h, &price->cache_write_1h},
        {own->input_above_200k, &price->input_above_200k},
        {own->output_above_200k, &price->output_above_200k},
        {own->cache_read_above_200k, &price->cache_read_above_200k},
        {own->cache_write_5m_above_200k, &price->cache_write_5m_above_200k},
        {own->cache_write_1h_above_200k, &price->cache_write_1h_above_200k},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (rows[i].from >= 0)
            *rows[i].to = rows[i].from;
    if (own->input_above_200k >= 0 && price->long_context_above == 0)
        price->long_context_above = 200000;
    if (own->input >= 0 && own->output >= 0)
        price->known = true;
}

static void lookup_model(const struct wp_runtime *runtime,
                         const struct wp_deployment_config *deployment, wp_view upstream_model,
                         struct wp_model_info *out)
{
    wp_model_lookup(runtime->models, wp_view_of(wp_platform_name(deployment->platform)),
                    model_name_for_facts(deployment, upstream_model), out);
    wp_view location = deployment->vertex.location;
    if (deployment->platform == WP_PLATFORM_VERTEX && location.len > 0 &&
        !wp_view_is(location, "global"))
        wp_model_regional(out);
    override_prices(&deployment->price, &out->price);
    if (deployment->max_input_tokens > 0)
        out->max_input_tokens = deployment->max_input_tokens;
    if (deployment->max_output_tokens > 0)
        out->max_output_tokens = deployment->max_output_tokens;
}

void wp_runtime_model(const struct wp_runtime *runtime,
                      const struct wp_deployment_config *deployment, wp_view upstream_model,
                      struct wp_model_info *out)
{
    if (deployment->wildcard)
        lookup_model(runtime, deployment, upstream_model, out);
    else
        *out = runtime->deployments[deployment->index].model;
}

static bool attach_credentials(struct wp_runtime *runtime,
                               const struct wp_deployment_config *deployment, size_t index)
{
    if (deployment->platform == WP_PLATFORM_VERTEX)
        return deployment->api_key.len > 0 || attach_google(runtime, index);
    if (!wp_platform_is_aws(deployment->platform))
        return true;
    runtime->deployments[index].bearer = bearer_of(deployment);
    return runtime->deployments[index].bearer.len > 0 || attach_source(runtime, index);
}

static enum wp_err load_tables(const struct wp_gateway *gateway, struct wp_runtime *runtime,
                               char *error, size_t error_size)
{
    const struct wp_general_settings *general = &runtime->snapshot->general;
    struct wp_table_sources sources = gateway->table_sources;
    if (sources.models_file.len == 0)
        sources.models_file = general->models_file;
    if (sources.betas_file.len == 0)
        sources.betas_file = general->betas_file;
    return wp_tables_load(&sources, &runtime->models, &runtime->tables, error, error_size);
}

static enum wp_err compile(struct wp_gateway *gateway, struct wp_runtime *runtime)
{
    const struct wp_snapshot *snapshot = runtime->snapshot;
    runtime->deployments = wp_arena_array(runtime->arena, snapshot->deployment_count + 1,
                                          sizeof(*runtime->deployments));
    if (runtime->deployments == NULL)
        return WP_ERR_NO_MEMORY;
    for (size_t i = 0; i < snapshot->deployment_count; i++) {
        const struct wp_deployment_config *deployment = &snapshot->deployments[i];
        lookup_model(runtime, deployment, deployment->upstream_model,
                     &runtime->deployments[i].model);
        runtime->deployments[i].region = deployment->aws.region;
        if (deployment->keep_warm && !gateway->renewal[deployment->platform])
            wp_log(WP_LOG_WARN, "keep_warm",
                   "%.*s: keep_warm has no effect: it is not known that %s takes renewals "
                   "(max_tokens 0)",
                   WP_VIEW_ARG(deployment->model_name), wp_platform_name(deployment->platform));
        runtime->deployments[i].endpoint = wp_provider_prepare(deployment, runtime->arena);
        if (runtime->deployments[i].endpoint == NULL || !attach_credentials(runtime, deployment, i))
            return WP_ERR_NO_MEMORY;
        if (!deployment->wildcard && !runtime->deployments[i].model.price.known)
            wp_log(WP_LOG_WARN, "prices",
                   "no price is known for %.*s: a conservative one is used; give it under "
                   "litellm_params (input_cost_per_token …) or set model_info.base_model",
                   WP_VIEW_ARG(deployment->upstream_model));
    }
    runtime->identity_required = snapshot->general.master_key.len > 0;
    if (runtime->identity_required) {
        wp_sha256(snapshot->general.master_key, runtime->master_key_digest);
        wp_hex_encode(runtime->master_key_digest, WP_SHA256_LEN, runtime->master_key_hash);
    }
    return WP_OK;
}

enum wp_err wp_gateway_configure(struct wp_gateway *gateway, struct wp_snapshot *snapshot,
                                 char *error, size_t error_size)
{
    uint64_t failures = wp_alloc_failures();
    struct wp_runtime *runtime = wp_alloc(sizeof(*runtime));
    struct wp_arena *arena = wp_arena_create(0);
    if (runtime == NULL || arena == NULL) {
        wp_free(runtime);
        wp_arena_destroy(arena);
        return WP_ERR_NO_MEMORY;
    }
    runtime->magic = RUNTIME_MAGIC;
    runtime->references = 1;
    runtime->arena = arena;
    runtime->snapshot = snapshot;
    wp_snapshot_ref(snapshot);
    enum wp_err err = load_tables(gateway, runtime, error, error_size);
    if (err == WP_OK)
        err = compile(gateway, runtime);
    if (wp_alloc_failures() != failures) { // a part may be missing, or nothing else be wrong
        err = WP_ERR_NO_MEMORY;
        snprintf(error, error_size, "%s", wp_err_info(err)->sentence);
    }
    if (err == WP_OK)
        err = wp_router_configure(gateway->router, snapshot);
    if (err != WP_OK) {
        if (error_size > 0 && error[0] == '\0')
            strncat(error, wp_err_info(err)->sentence, error_size - 1);
        runtime_free(runtime);
        return err;
    }
    const struct wp_router_settings *router = &snapshot->router;
    wp_keeper_configure(gateway->keeper, router->keep_warm_bytes,
                        (double)router->keep_warm_guard_ms / 1000, router->keep_warm_usd_per_day);
    pthread_mutex_lock(&gateway->hidden->lock);
    struct wp_runtime *old = gateway->hidden->runtime;
    gateway->hidden->runtime = runtime;
    pthread_mutex_unlock(&gateway->hidden->lock);
    wp_runtime_unref(old);
    return WP_OK;
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    if (value != 0) // a locked instruction for nothing
        atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void wp_gateway_submit(struct wp_gateway *gateway, const struct wp_record *record)
{
    struct wp_gateway_counters *counters = &gateway->counters;
    add(&counters->requests, 1);
    if (!wp_view_is(record->status, "success"))
        add(&counters->failures, 1);
    add(&counters->retries, record->attempted_retries);
    add(&counters->fallbacks, record->attempted_fallbacks);
    add(&counters->input_tokens, record->input_tokens);
    add(&counters->cache_read_tokens, record->cache_read_tokens);
    add(&counters->cache_write_tokens,
        record->cache_write_5m_tokens + record->cache_write_1h_tokens);
    add(&counters->output_tokens, record->output_tokens);
    add(&counters->spend_nano_usd, (uint64_t)(record->spend * 1e9));
    add(&counters->overhead_us_sum, record->overhead_us);
    if (gateway->ledger != NULL)
        (void)wp_ledger_submit(gateway->ledger, record); // a full queue is counted by the ledger
}
