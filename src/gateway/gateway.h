// The process's shared heart: the configuration in force with what was compiled from it, the
// router, the ledger, the data tables, counters. Workers (worker.h) hold it by reference.
#ifndef WP_GATEWAY_GATEWAY_H
#define WP_GATEWAY_GATEWAY_H

#include <stdatomic.h>

#include "aws/credentials.h"
#include "config/snapshot.h"
#include "gateway/budget.h"
#include "gateway/guard.h"
#include "gateway/keeper.h"
#include "gateway/tables.h"
#include "google/credentials.h"
#include "provider/provider.h"
#include "route/history.h"
#include "route/router.h"
#include "store/ledger.h"

// A snapshot with what was compiled from it. Immutable, reference-counted: an exchange keeps the
// one it began with, a reload puts another in force for those that come after.
struct wp_runtime {
    uint32_t magic;
    _Atomic uint32_t references;
    struct wp_snapshot *snapshot;
    struct wp_deployment_runtime {
        struct wp_model_info model; // of the upstream model; wildcards: looked up per request
        const struct wp_endpoint *endpoint;
        struct wp_aws_source *aws;       // NULL where SigV4 is not used
        struct wp_google_source *google; // Vertex without a token of its own
        wp_view bearer;                  // api_key or AWS_BEARER_TOKEN_BEDROCK for AWS platforms
        wp_view region;                  // empty: asked of the AWS source
    } * deployments;                     // one per snapshot->deployments
    struct wp_model_table *models;
    struct wp_provider_tables *tables;
    struct wp_arena *arena;
    uint8_t master_key_digest[WP_SHA256_LEN];
    char master_key_hash[WP_SHA256_HEX_LEN + 1]; // hex of it
    bool identity_required;
};

struct wp_gateway_options {
    // The views must outlive the gateway. Files named here come before those of the configuration.
    struct wp_table_sources tables;
    wp_view cache_json;       // data/cache.json
    struct wp_ledger *ledger; // may be NULL (disable_spend_logs)
    const char *version;
};

// Counters of the whole process, read by /metrics and the console.
struct wp_gateway_counters {
    _Atomic uint64_t requests, failures, in_flight;
    _Atomic uint64_t rejected_head; // requests that the HTTP layer refused before routing
    _Atomic uint64_t retries, fallbacks;
    _Atomic uint64_t input_tokens, cache_read_tokens, cache_write_tokens, output_tokens;
    _Atomic uint64_t spend_nano_usd, overhead_us_sum;
};

struct wp_admin;

struct wp_gateway {
    uint32_t magic;
    struct wp_router *router;
    struct wp_history *history;      // what each session sent last
    struct wp_keeper *keeper;        // conversations that are kept warm
    bool renewal[WP_PLATFORM_COUNT]; // the platform takes renewals (data/cache.json)
    struct wp_ledger *ledger;
    struct wp_table_sources table_sources;
    struct wp_gateway_counters counters;
    struct wp_retry_budget retry_budget;
    struct wp_guard *guard;
    char instance[17]; // random, hex: by which this process recognises its own requests
    const char *version;
    int64_t started_ms;
    struct wp_admin *admin; // of admin/; NULL without it
    _Atomic bool draining;
    struct wp_gateway_private *hidden;
};

// `error` gets a sentence on failure.
enum wp_err wp_gateway_create(const struct wp_gateway_options *options, struct wp_gateway **out,
                              char *error, size_t error_size) WP_WARN_UNUSED;
void wp_gateway_destroy(struct wp_gateway *gateway);

// Puts a snapshot in force (takes a reference of its own). Running exchanges keep the old one.
enum wp_err wp_gateway_configure(struct wp_gateway *gateway, struct wp_snapshot *snapshot,
                                 char *error, size_t error_size) WP_WARN_UNUSED;
// The runtime in force with a reference for the caller; any thread.
struct wp_runtime *wp_gateway_runtime(struct wp_gateway *gateway);
void wp_runtime_unref(struct wp_runtime *runtime);

// Model facts of one deployment for a resolved name, with its own prices applied.
void wp_runtime_model(const struct wp_runtime *runtime,
                      const struct wp_deployment_config *deployment, wp_view upstream_model,
                      struct wp_model_info *out);

// Submits a record to the ledger, if there is one, and counts it.
void wp_gateway_submit(struct wp_gateway *gateway, const struct wp_record *record);

#endif
