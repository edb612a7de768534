// /metrics in Prometheus' text format (0.0.4), with LiteLLM's names where they mean the same.
#include <stdio.h>

#include "admin/private.h"
#include "base/alloc.h"
#include "base/clock.h"

static void head(struct wp_buf *out, const char *name, const char *type, const char *help)
{
    wp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void scalar(struct wp_buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    head(out, name, type, help);
    wp_buf_printf(out, "%s %.17g\n", name, value);
}

// A label value: backslash, quote and line feed are escaped.
static void label(struct wp_buf *out, const char *name, wp_view value, bool last)
{
    wp_buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\n') {
            wp_buf_append_cstring(out, "\\n");
            continue;
        }
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            wp_buf_append_char(out, '\\');
        wp_buf_append_char(out, value.ptr[i]);
    }
    wp_buf_append_cstring(out, last ? "\"" : "\",");
}

static double get_in_flight(const struct wp_deployment_status *s)
{
    return s->in_flight;
}
static double get_requests(const struct wp_deployment_status *s)
{
    return (double)s->requests;
}
static double get_failures(const struct wp_deployment_status *s)
{
    return (double)s->failures;
}
static double get_cooling(const struct wp_deployment_status *s)
{
    return s->cooling_until_ns > wp_now_ns() ? 2 : 0; // LiteLLM: 0 healthy, 1 partial, 2 outage
}
static double get_entries(const struct wp_deployment_status *s)
{
    return (double)s->cache_entries;
}
static double get_predicted(const struct wp_deployment_status *s)
{
    return (double)s->predicted_read;
}
static double get_read(const struct wp_deployment_status *s)
{
    return (double)s->actual_read;
}
static double get_write(const struct wp_deployment_status *s)
{
    return (double)s->actual_write;
}
static double get_uncached(const struct wp_deployment_status *s)
{
    return (double)s->actual_uncached;
}

static const struct {
    const char *name, *type, *help;
    double (*get)(const struct wp_deployment_status *status);
} PER_DEPLOYMENT[] = {
    {"litellm_deployment_total_requests_total", "counter", "Attempts on the deployment",
     get_requests},
    {"litellm_deployment_failure_responses_total", "counter", "Failed attempts", get_failures},
    {"litellm_deployment_state", "gauge", "0 healthy, 2 cooling down", get_cooling},
    {"warmpath_deployment_in_flight", "gauge", "Attempts under way", get_in_flight},
    {"warmpath_deployment_cache_entries", "gauge", "Cache entries believed to live", get_entries},
    {"warmpath_predicted_cache_read_tokens_total", "counter",
     "Tokens that the router expected to be read from cache", get_predicted},
    {"warmpath_cache_read_tokens_total", "counter", "Tokens read from cache, as reported",
     get_read},
    {"warmpath_cache_write_tokens_total", "counter", "Tokens written to cache, as reported",
     get_write},
    {"warmpath_uncached_input_tokens_total", "counter", "Input tokens outside the cache",
     get_uncached},
};

static void per_deployment(struct wp_front *front, struct wp_buf *out)
{
    const struct wp_snapshot *snapshot = front->runtime->snapshot;
    uint64_t now = wp_now_ns();
    for (size_t m = 0; m < WP_COUNT_OF(PER_DEPLOYMENT); m++) {
        head(out, PER_DEPLOYMENT[m].name, PER_DEPLOYMENT[m].type, PER_DEPLOYMENT[m].help);
        for (size_t i = 0; i < snapshot->deployment_count; i++) {
            const struct wp_deployment_config *deployment = &snapshot->deployments[i];
            struct wp_deployment_status status;
            wp_router_status(front->gateway->router, deployment, now, &status);
            wp_buf_printf(out, "%s{", PER_DEPLOYMENT[m].name);
            label(out, "model_id", deployment->id, false);
            label(out, "litellm_model_name", deployment->upstream_model, false);
            label(out, "api_provider", wp_view_of(wp_platform_name(deployment->platform)), false);
            label(out, "requested_model", deployment->model_name, true);
            wp_buf_printf(out, "} %.17g\n", PER_DEPLOYMENT[m].get(&status));
        }
    }
}

static void cache_metrics(struct wp_front *front, struct wp_buf *out)
{
    struct wp_router_totals totals;
    struct wp_keeper_stats kept;
    wp_router_totals(front->gateway->router, &totals);
    wp_keeper_stats(front->gateway->keeper, &kept);
    scalar(out, "warmpath_cache_model_bytes", "gauge", "Memory of the cache model's entries",
           (double)totals.entry_bytes);
    scalar(out, "warmpath_single_flight_waits_total", "counter",
           "Requests that waited for another's cache write", (double)totals.waits);
    scalar(out, "warmpath_single_flight_waiting", "gauge", "Requests that wait now",
           totals.waiting);
    scalar(out, "warmpath_keep_warm_renewals_total", "counter", "Cache entries renewed",
           (double)kept.renewals);
    scalar(out, "warmpath_keep_warm_spend_usd_total", "counter", "What renewals cost", kept.spent);
    scalar(out, "warmpath_keep_warm_put_off_total", "counter",
           "Renewals that waited for room on their deployment", (double)kept.put_off);
    scalar(out, "warmpath_keep_warm_capped_total", "counter",
           "Renewals that a key's daily cap refused", (double)kept.refused_by_cap);
    scalar(out, "warmpath_keep_warm_conversations", "gauge", "Conversations that are followed",
           kept.conversations);
    scalar(out, "warmpath_keep_warm_retained_bytes", "gauge", "Memory of retained requests",
           (double)kept.bytes);
}

static void memory_metrics(struct wp_buf *out)
{
    struct wp_arena_totals arenas;
    struct wp_alloc_totals heap;
    wp_arena_totals(&arenas);
    wp_alloc_totals(&heap);
    scalar(out, "warmpath_arena_bytes", "gauge", "Memory of arenas that live", (double)arenas.live);
    scalar(out, "warmpath_arena_idle_bytes", "gauge", "Memory kept for arenas to come",
           (double)arenas.idle);
    scalar(out, "warmpath_heap_bytes", "gauge", "Memory of the heap in use", (double)heap.used);
    scalar(out, "warmpath_heap_idle_bytes", "gauge", "Memory that the heap keeps free",
           (double)heap.idle);
}

static void ledger_metrics(struct wp_front *front, struct wp_buf *out)
{
    struct wp_ledger_stats stats = {0};
    if (front->gateway->ledger == NULL)
        return;
    wp_ledger_stats(front->gateway->ledger, &stats);
    scalar(out, "warmpath_ledger_rows_written_total", "counter", "Rows committed",
           (double)stats.written);
    scalar(out, "warmpath_ledger_rows_dropped_total", "counter", "Rows lost to a full queue",
           (double)stats.dropped);
    scalar(out, "warmpath_ledger_queue", "gauge", "Rows waiting", (double)stats.queued);
    scalar(out, "warmpath_ledger_degraded", "gauge", "1 while commits fail", stats.degraded);
}

void wp_admin_metrics(struct wp_front *front)
{
    struct wp_gateway_counters *c = &front->gateway->counters;
    struct wp_buf out = wp_buf_make(16 * 1024 * 1024);
    static const struct wp_header fresh = {WP_VIEW("cache-control"), WP_VIEW("no-store")};
    scalar(&out, "litellm_proxy_total_requests_metric_total", "counter", "Requests answered",
           (double)atomic_load(&c->requests));
    scalar(&out, "litellm_proxy_failed_requests_metric_total", "counter", "Requests that failed",
           (double)atomic_load(&c->failures));
    scalar(&out, "litellm_in_flight_requests", "gauge", "Requests under way",
           (double)atomic_load(&c->in_flight));
    scalar(&out, "litellm_input_tokens_metric_total", "counter", "Input tokens outside the cache",
           (double)atomic_load(&c->input_tokens));
    scalar(&out, "litellm_input_cached_tokens_metric_total", "counter", "Tokens read from cache",
           (double)atomic_load(&c->cache_read_tokens));
    scalar(&out, "litellm_input_cache_creation_tokens_metric_total", "counter",
           "Tokens written to cache", (double)atomic_load(&c->cache_write_tokens));
    scalar(&out, "litellm_output_tokens_metric_total", "counter", "Output tokens",
           (double)atomic_load(&c->output_tokens));
    scalar(&out, "litellm_spend_metric_total", "counter", "USD",
           (double)atomic_load(&c->spend_nano_usd) / 1e9);
    scalar(&out, "warmpath_retries_total", "counter", "Further attempts within a group",
           (double)atomic_load(&c->retries));
    scalar(&out, "warmpath_retries_denied_total", "counter",
           "Further attempts that the retry budget did not allow",
           (double)atomic_load(&front->gateway->retry_budget.denied));
    scalar(&out, "warmpath_fallbacks_total", "counter", "Groups entered as fallback",
           (double)atomic_load(&c->fallbacks));
    scalar(&out, "warmpath_overhead_seconds_total", "counter", "Time taken by the gateway itself",
           (double)atomic_load(&c->overhead_us_sum) / 1e6);
    scalar(&out, "warmpath_rejected_before_routing_total", "counter",
           "Requests that HTTP framing or limits refused", (double)atomic_load(&c->rejected_head));
    per_deployment(front, &out);
    cache_metrics(front, &out);
    ledger_metrics(front, &out);
    memory_metrics(&out);
    if (wp_buf_ok(&out))
        wp_front_send(front, 200, WP_VIEW("text/plain; version=0.0.4; charset=utf-8"),
                      wp_buf_view(&out), &fresh, 1);
    else
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
    wp_buf_free(&out);
}
