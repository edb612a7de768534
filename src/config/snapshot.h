// The configuration as requests see it: immutable, reference-counted, compiled from LiteLLM's
// YAML vocabulary by config/load. Views live as long as the snapshot.
#ifndef WP_CONFIG_SNAPSHOT_H
#define WP_CONFIG_SNAPSHOT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/view.h"

enum wp_platform {
    WP_PLATFORM_ANTHROPIC,        // api.anthropic.com or compatible
    WP_PLATFORM_BEDROCK,          // bedrock-runtime InvokeModel
    WP_PLATFORM_BEDROCK_MESSAGES, // bedrock-runtime's Messages route
    WP_PLATFORM_BEDROCK_MANTLE,   // bedrock-mantle Messages
    WP_PLATFORM_CLAUDE_AWS,       // aws-external-anthropic
    WP_PLATFORM_VERTEX,
    WP_PLATFORM_AZURE, // AI Foundry
    WP_PLATFORM_OPENAI,
    WP_PLATFORM_COUNT,
};
// "anthropic", "bedrock", "bedrock_mantle", … as logs and metrics name it.
const char *wp_platform_name(enum wp_platform platform);
// Does AWS serve it, so that AWS credentials and a region belong to it?
bool wp_platform_is_aws(enum wp_platform platform);

enum wp_billing_header { WP_BILLING_DEFAULT, WP_BILLING_KEEP, WP_BILLING_DROP };

struct wp_name_value {
    wp_view name, value;
};

// USD per token; < 0 where the configuration is silent.
struct wp_price_override {
    double input, output, cache_read, cache_write_5m, cache_write_1h;
    double input_above_200k, output_above_200k, cache_read_above_200k, cache_write_5m_above_200k,
        cache_write_1h_above_200k;
};

struct wp_deployment_config {
    wp_view id;         // model_info.id, or LiteLLM's own (64 hex characters)
    wp_view model_name; // the public group; may hold '*'
    wp_view model;      // litellm_params.model as written
    enum wp_platform platform;
    wp_view upstream_model; // id for the provider: prefixes removed; may hold '*'
    wp_view model_id;       // ARN or profile that replaces it in the URL; may be empty
    wp_view base_model;     // for prices; may be empty
    uint32_t index;         // in wp_snapshot.deployments

    wp_view api_key, api_base, api_version; // may be empty
    struct {
        wp_view access_key_id, secret_access_key, session_token, region, profile, role_arn,
            session_name, external_id, web_identity_token, sts_endpoint, runtime_endpoint,
            project_id;
    } aws;
    struct {
        wp_view project, location, credentials;
    } vertex;
    const struct wp_name_value *extra_headers;
    size_t extra_header_count;
    const wp_view *tags;
    size_t tag_count;

    uint32_t timeout_ms;        // whole non-streamed answer; first byte of a stream; 0: router's
    uint32_t stream_timeout_ms; // 0: timeout_ms
    uint32_t stream_idle_timeout_ms; // upstream silence inside a stream (default 300,000)
    uint32_t keepalive_ms;           // ping after so much downstream silence (default 15,000)
    int32_t num_retries;             // -1: router's
    uint64_t rpm, tpm, itpm, otpm;   // 0: no limit known
    double weight;                   // < 0: not given
    int32_t order;                   // 0: not given; lower first
    uint32_t max_parallel_requests;  // 0: none
    int64_t cooldown_ms;             // -1: router's
    int32_t allowed_fails;           // -1: router's
    enum wp_billing_header billing_header;
    bool allow_link_local; // 169.254.0.0/16, fe80::/10, metadata services
    bool blocked;
    bool keep_warm;         // renew the cache entries of its quiet conversations where it pays
    bool auto_ttl;          // choose 5 m or 1 h for the client's markers
    bool breakpoint_repair; // use free markers where the lookback would miss, or none were set
    struct wp_price_override price;
    uint32_t max_input_tokens, max_output_tokens; // 0: from data
    wp_view cache_domain, rate_domain;            // operator's names; empty: derived
    wp_view model_info_json; // the whole model_info mapping as JSON, for /model/info (no secrets)
    uint32_t line;           // of the list entry in its file
    bool wildcard;
};

enum wp_strategy {
    WP_STRATEGY_SIMPLE_SHUFFLE,
    WP_STRATEGY_LEAST_BUSY,
    WP_STRATEGY_USAGE_BASED, // usage-based-routing(-v2)
    WP_STRATEGY_LATENCY_BASED,
    WP_STRATEGY_COST_BASED,
};

enum { // flags of optional_pre_call_checks
    WP_CHECK_PROMPT_CACHING = 1,
    WP_CHECK_SESSION_AFFINITY = 2,
    WP_CHECK_DEPLOYMENT_AFFINITY = 4,
};

// Error kinds of retry_policy and allowed_fails_policy. -1: not given.
enum wp_error_kind {
    WP_KIND_BAD_REQUEST,
    WP_KIND_AUTHENTICATION,
    WP_KIND_TIMEOUT,
    WP_KIND_RATE_LIMIT,
    WP_KIND_CONTENT_POLICY,
    WP_KIND_INTERNAL_SERVER,
    WP_KIND_SERVICE_UNAVAILABLE,
    WP_KIND_NOT_FOUND,
    WP_KIND_BAD_GATEWAY,
    WP_KIND_DEFAULT,
    WP_KIND_COUNT,
};

struct wp_router_settings {
    enum wp_strategy strategy;
    uint32_t pre_call_checks;    // WP_CHECK_*
    bool enable_pre_call_checks; // context window checks
    uint32_t num_retries;        // default 2
    uint32_t retry_after_ms;     // minimum wait between attempts on one deployment
    int32_t retry_policy[WP_KIND_COUNT];
    int32_t allowed_fails; // -1: LiteLLM's default rules
    int32_t allowed_fails_policy[WP_KIND_COUNT];
    uint32_t cooldown_ms; // default 5,000
    bool disable_cooldowns;
    uint32_t timeout_ms;        // default 600,000
    uint32_t stream_timeout_ms; // 0: timeout_ms
    uint32_t max_fallbacks;     // default 5
    uint32_t affinity_ttl_ms;   // deployment_affinity_ttl_seconds, default 3,600,000
    uint32_t default_max_parallel_requests;
    double retry_budget;          // further attempts as a share of requests, default 0.2
    uint32_t single_flight_ms;    // longest wait for another request's cache write, default 5,000
    double keep_warm_usd_per_day; // per key; default 5
    uint64_t keep_warm_bytes;     // of requests retained for renewals; default 64 MiB
    uint32_t keep_warm_guard_ms;  // how long before an expiry a renewal is decided; 20,000
};

// Limits on callers' connections; 0: the default of http/server.h.
struct wp_listen_settings {
    uint32_t head_bytes_max, header_count_max, body_rate_min, connections_max;
    uint32_t head_timeout_ms, body_idle_ms, idle_timeout_ms, write_idle_ms, tls_handshake_ms;
    uint32_t upstream_head_bytes_max; // of an upstream's answer
};

// Where something stands in the configuration's files; file empty: nowhere.
struct wp_place {
    wp_view file;
    uint32_t line, column;
};

struct wp_general_settings {
    wp_view master_key; // empty: loopback only, no identity
    bool store_prompts;
    bool store_prompt_hashes; // of each prompt's new blocks, in the ledger
    bool store_cache_state;   // over restarts; default true
    bool disable_spend_logs;
    bool hide_addresses;             // callers' addresses are not recorded
    uint64_t max_request_bytes;      // 0: default
    uint32_t retention_days;         // 0: keep all
    uint32_t failed_keys_per_minute; // of one address; 0: no limit; default 30
    struct wp_listen_settings listen;
    wp_view tls_certificate_file, tls_key_file;
    struct wp_place tls_place;       // of the certificate, for what only its file can tell
    wp_view state_dir;               // empty: chosen by cli
    wp_view models_file, betas_file; // on top of the built-in tables; empty: none
};

struct wp_model_group {
    wp_view name;
    const struct wp_deployment_config *const *deployments;
    size_t count;
    bool wildcard; // name holds '*'
    bool hidden;   // an alias marked hidden
};

struct wp_snapshot {
    uint32_t magic;
    const struct wp_deployment_config *deployments;
    size_t deployment_count;
    const struct wp_model_group *groups; // in file order
    size_t group_count;
    struct wp_router_settings router;
    struct wp_general_settings general;
    uint64_t generation; // grows with every load
    // further fields are private to config/
    struct wp_snapshot_private *hidden;
};

void wp_snapshot_ref(struct wp_snapshot *snapshot);   // any thread
void wp_snapshot_unref(struct wp_snapshot *snapshot); // any thread; NULL allowed

// What a client's model name stands for.
struct wp_resolved {
    wp_view group; // name under which it is logged and cooled
    const struct wp_deployment_config *const *deployments;
    size_t count;
    wp_view wildcard;      // what '*' stood for; empty otherwise
    bool exact_deployment; // the client named a deployment id
};
// Order: strip "[1m]" → deployment id → alias → exact group → most specific wildcard. False if
// nothing matches. Views live as long as the snapshot or `model`.
bool wp_snapshot_resolve(const struct wp_snapshot *snapshot, wp_view model,
                         struct wp_resolved *out);
// The upstream model of a deployment for a resolved name (fills '*' in); in the arena if it had to
// be built, ptr NULL when memory is short.
wp_view wp_resolved_upstream_model(struct wp_arena *arena, const struct wp_resolved *resolved,
                                   const struct wp_deployment_config *deployment);

enum wp_fallback_kind {
    WP_FALLBACK_GENERAL,
    WP_FALLBACK_CONTEXT_WINDOW,
    WP_FALLBACK_CONTENT_POLICY
};
// Names of the fallback groups of `group`, in order (default_fallbacks for groups without general
// ones of their own).
const wp_view *wp_snapshot_fallbacks(const struct wp_snapshot *snapshot, wp_view group,
                                     enum wp_fallback_kind kind, size_t *count);
// Names that /v1/models lists: groups and visible aliases, without wildcards.
const wp_view *wp_snapshot_public_models(const struct wp_snapshot *snapshot, size_t *count);

#endif
