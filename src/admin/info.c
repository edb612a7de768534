// Health, models and deployments, as LiteLLM's users ask for them. Never a secret.
#include <stdio.h>

#include "admin/private.h"
#include "base/clock.h"
#include "base/url.h"
#include "route/model.h"
#include "json/writer.h"

enum { INFO_MAX = 16 * 1024 * 1024 };

static void put_api_base(struct wp_json_writer *w, const struct wp_deployment_config *deployment)
{
    wp_view base =
        deployment->api_base.len > 0 ? deployment->api_base : deployment->aws.runtime_endpoint;
    struct wp_url url;
    // user info cannot be in it (wp_url_parse refuses that); a query may hold anything
    if (base.len > 0 && wp_url_parse(base, &url))
        wp_json_put_str(w, "api_base", wp_view_sub(base, 0, wp_view_find_char(base, '?')));
    if (deployment->aws.region.len > 0)
        wp_json_put_str(w, "aws_region_name", deployment->aws.region);
    if (deployment->aws.profile.len > 0)
        wp_json_put_str(w, "aws_profile_name", deployment->aws.profile);
}

static bool healthy(const struct wp_deployment_config *deployment,
                    const struct wp_deployment_status *status, uint64_t now_ns)
{
    return !deployment->blocked && status->cooling_until_ns <= now_ns;
}

static size_t write_endpoints(struct wp_front *front, struct wp_json_writer *w, const char *key,
                              bool wanted)
{
    const struct wp_snapshot *snapshot = front->runtime->snapshot;
    uint64_t now = wp_now_ns();
    size_t count = 0;
    wp_json_open_array(w, key);
    for (size_t i = 0; i < snapshot->deployment_count; i++) {
        const struct wp_deployment_config *deployment = &snapshot->deployments[i];
        struct wp_deployment_status status;
        wp_router_status(front->gateway->router, deployment, now, &status);
        if (healthy(deployment, &status, now) != wanted)
            continue;
        count++;
        wp_json_open_object(w, NULL);
        wp_json_put_str(w, "model", deployment->model);
        wp_json_put_str(w, "model_id", deployment->id);
        wp_json_put_str(w, "model_group", deployment->model_name);
        put_api_base(w, deployment);
        if (!wanted)
            wp_json_put_cstr(w, "error", status.cooling_reason);
        wp_json_close(w);
    }
    wp_json_close(w);
    return count;
}

// From what real traffic has shown: no request is made, so asking costs nothing.
void wp_admin_health(struct wp_front *front)
{
    struct wp_buf buf = wp_buf_make(INFO_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    size_t good = write_endpoints(front, &w, "healthy_endpoints", true);
    size_t bad = write_endpoints(front, &w, "unhealthy_endpoints", false);
    wp_json_put_u64(&w, "healthy_count", good);
    wp_json_put_u64(&w, "unhealthy_count", bad);
    wp_json_close(&w);
    wp_admin_send(front, &buf);
}

void wp_admin_liveliness(struct wp_front *front)
{
    wp_front_json(front, 200, WP_VIEW("\"I'm alive!\""));
}

void wp_admin_readiness(struct wp_front *front)
{
    struct wp_ledger_stats stats = {0};
    struct wp_buf buf = wp_buf_make(4096);
    struct wp_json_writer w = wp_json_writer(&buf);
    bool draining = atomic_load(&front->gateway->draining);
    if (front->gateway->ledger != NULL)
        wp_ledger_stats(front->gateway->ledger, &stats);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "status", draining ? "draining" : "healthy");
    wp_json_put_cstr(&w, "db",
                     front->gateway->ledger == NULL ? "Not connected"
                     : stats.degraded               ? "degraded"
                                                    : "connected");
    wp_json_put_null(&w, "cache");
    wp_json_put_cstr(&w, "version", front->gateway->version);
    wp_json_close(&w);
    if (!draining) {
        wp_admin_send(front, &buf);
        return;
    }
    wp_front_json(front, 503, wp_buf_view(&buf));
    wp_buf_free(&buf);
}

static void write_model_info(struct wp_front *front, struct wp_json_writer *w,
                             const struct wp_deployment_config *deployment)
{
    const struct wp_model_info *model = &front->runtime->deployments[deployment->index].model;
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "model_name", deployment->model_name);
    wp_json_open_object(w, "litellm_params");
    wp_json_put_str(w, "model", deployment->model);
    put_api_base(w, deployment);
    wp_json_close(w);
    wp_json_open_object(w, "model_info");
    wp_json_put_str(w, "id", deployment->id);
    wp_json_put_cstr(w, "litellm_provider", wp_platform_name(deployment->platform));
    wp_json_put_cstr(w, "mode", "chat");
    wp_json_put_bool(w, "db_model", false);
    wp_json_put_bool(w, "supports_prompt_caching", true);
    wp_json_put_u64(w, "prompt_cache_min_tokens", model->min_cache_tokens);
    wp_json_put_double(w, "input_cost_per_token", model->price.input);
    wp_json_put_double(w, "output_cost_per_token", model->price.output);
    wp_json_put_double(w, "cache_read_input_token_cost", model->price.cache_read);
    wp_json_put_double(w, "cache_creation_input_token_cost", model->price.cache_write_5m);
    wp_json_put_double(w, "cache_creation_input_token_cost_above_1hr", model->price.cache_write_1h);
    if (model->max_input_tokens > 0)
        wp_json_put_u64(w, "max_input_tokens", model->max_input_tokens);
    if (model->max_output_tokens > 0)
        wp_json_put_u64(w, "max_output_tokens", model->max_output_tokens);
    wp_json_close(w);
    wp_json_close(w);
}

void wp_admin_model_info(struct wp_front *front)
{
    const struct wp_snapshot *snapshot = front->runtime->snapshot;
    wp_view wanted = wp_front_query(front, "litellm_model_id");
    struct wp_buf buf = wp_buf_make(INFO_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_open_array(&w, "data");
    for (size_t i = 0; i < snapshot->deployment_count; i++)
        if (wanted.len == 0 || wp_view_eq(wanted, snapshot->deployments[i].id))
            write_model_info(front, &w, &snapshot->deployments[i]);
    wp_json_close(&w);
    wp_json_close(&w);
    wp_admin_send(front, &buf);
}

// Equal where deployments share a cache; a name for people to compare, not the key itself.
static void put_cache_domain(struct wp_json_writer *w, const struct wp_hash128 *domain)
{
    char text[17] = "";
    if (domain->low != 0 || domain->high != 0)
        snprintf(text, sizeof(text), "%012llx", (unsigned long long)(domain->low >> 16));
    wp_json_put_cstr(w, "cache_domain", text);
}

static void put_anomalies(struct wp_json_writer *w, uint8_t anomalies)
{
    static const struct {
        enum wp_anomaly anomaly;
        const char *name;
    } rows[] = {{WP_ANOMALY_STRIPPED, "markers_stripped"},
                {WP_ANOMALY_SHORTENED, "ttl_shortened"},
                {WP_ANOMALY_THINKING, "thinking_dropped"}};
    wp_json_open_array(w, "cache_anomalies");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if ((anomalies & rows[i].anomaly) != 0)
            wp_json_put_cstr(w, NULL, rows[i].name);
    wp_json_close(w);
}

static void put_limit(struct wp_json_writer *w, const char *kind, const char *source,
                      uint64_t limit, uint64_t used)
{
    if (limit == 0)
        return;
    wp_json_open_object(w, NULL);
    wp_json_put_cstr(w, "kind", kind);
    wp_json_put_cstr(w, "source", source);
    wp_json_put_u64(w, "limit", limit);
    wp_json_put_u64(w, "used", used);
    wp_json_close(w);
}

// Of the last minute: what the configuration sets, and what the provider last said of its own.
static void put_limits(struct wp_json_writer *w, const struct wp_deployment_config *deployment,
                       const struct wp_deployment_status *status)
{
    wp_json_open_array(w, "limits");
    put_limit(w, "requests", "configured", deployment->rpm, status->minute_requests);
    put_limit(w, "tokens", "configured", deployment->tpm, status->minute_tokens);
    put_limit(w, "uncached tokens", "configured", deployment->itpm, status->minute_input);
    put_limit(w, "in flight", "configured", deployment->max_parallel_requests, status->in_flight);
    put_limit(w, "requests", "provider", status->reported_requests_limit,
              status->reported_requests_limit - status->reported_requests_left);
    put_limit(w, "tokens", "provider", status->reported_tokens_limit,
              status->reported_tokens_limit - status->reported_tokens_left);
    wp_json_close(w);
}

static void write_deployment(struct wp_front *front, struct wp_json_writer *w,
                             const struct wp_deployment_config *deployment, uint64_t now)
{
    const struct wp_deployment_runtime *compiled = &front->runtime->deployments[deployment->index];
    struct wp_deployment_status status;
    char credentials[200] = "api key";
    wp_router_status(front->gateway->router, deployment, now, &status);
    if (compiled->aws != NULL)
        wp_aws_source_describe(compiled->aws, credentials, sizeof(credentials));
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "model_id", deployment->id);
    wp_json_put_str(w, "model_group", deployment->model_name);
    wp_json_put_str(w, "model", deployment->upstream_model);
    wp_json_put_cstr(w, "provider", wp_platform_name(deployment->platform));
    put_api_base(w, deployment);
    wp_json_put_str(w, "region", compiled->region);
    wp_json_put_bool(w, "healthy", healthy(deployment, &status, now));
    wp_json_put_u64(w, "cooling_ms",
                    status.cooling_until_ns > now ? (status.cooling_until_ns - now) / 1000000u : 0);
    wp_json_put_cstr(w, "cooling_reason", status.cooling_reason);
    wp_json_put_u64(w, "in_flight", status.in_flight);
    wp_json_put_u64(w, "requests", status.requests);
    wp_json_put_u64(w, "failures", status.failures);
    wp_json_put_double(w, "latency_ms", status.latency_ms);
    wp_json_put_u64(w, "cache_entries", status.cache_entries);
    wp_json_put_u64(w, "predicted_read", status.predicted_read);
    wp_json_put_u64(w, "actual_read", status.actual_read);
    wp_json_put_u64(w, "actual_write", status.actual_write);
    wp_json_put_u64(w, "actual_uncached", status.actual_uncached);
    wp_json_put_decimal(w, "hit_odds", status.hit_odds, 3);
    wp_json_put_decimal(w, "token_scale", status.token_scale, 3);
    wp_json_put_u64(w, "minute_requests", status.minute_requests);
    wp_json_put_u64(w, "minute_tokens", status.minute_tokens);
    put_limits(w, deployment, &status);
    put_cache_domain(w, &status.cache_domain);
    put_anomalies(w, status.anomalies);
    wp_json_put_cstr(w, "credentials", credentials);
    wp_json_close(w);
}

void wp_admin_deployments(struct wp_front *front)
{
    const struct wp_snapshot *snapshot = front->runtime->snapshot;
    uint64_t now = wp_now_ns();
    struct wp_buf buf = wp_buf_make(INFO_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_open_array(&w, "data");
    for (size_t i = 0; i < snapshot->deployment_count; i++)
        write_deployment(front, &w, &snapshot->deployments[i], now);
    wp_json_close(&w);
    wp_json_close(&w);
    wp_admin_send(front, &buf);
}
