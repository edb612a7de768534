#include "config/descriptors.h"

#define D(member) offsetof(struct wp_deployment_config, member)
#define R(member) offsetof(struct wp_router_settings, member)
#define G(member) offsetof(struct wp_general_settings, member)

#define ROW(level, key, type, offset, fallback, doc)                                      \
    {                                                                                     \
        WP_LEVEL_##level, key, WP_TYPE_##type, offset, WP_SUPPORTED, fallback, doc, false \
    }
#define OWN(level, key, type, offset, fallback, doc)                                \
    {                                                                               \
        WP_LEVEL_##level, key, WP_TYPE_##type, offset, WP_OWN, fallback, doc, false \
    }
#define SECRET(level, key, offset, doc)                                          \
    {                                                                            \
        WP_LEVEL_##level, key, WP_TYPE_TEXT, offset, WP_SUPPORTED, "", doc, true \
    }
#define IGNORE(level, key)                                                     \
    {                                                                          \
        WP_LEVEL_##level, key, WP_TYPE_ELSEWHERE, 0, WP_IGNORED, "", "", false \
    }
#define QUIET(level, key, doc)                                                \
    {                                                                         \
        WP_LEVEL_##level, key, WP_TYPE_ELSEWHERE, 0, WP_QUIET, "", doc, false \
    }
#define REFUSE(level, key, why)                                                 \
    {                                                                           \
        WP_LEVEL_##level, key, WP_TYPE_ELSEWHERE, 0, WP_REFUSED, "", why, false \
    }

const struct wp_descriptor wp_descriptors[] = {
    ROW(TOP, "model_list", LIST, 0, "", "the deployments"),
    ROW(TOP, "router_settings", MAP, 0, "", "routing, retries, cooldown, fallbacks"),
    ROW(TOP, "litellm_settings", MAP, 0, "", "some router settings may stand here too"),
    ROW(TOP, "general_settings", MAP, 0, "", "key, ledger, limits"),
    ROW(TOP, "environment_variables", MAP, 0, "", "set before anything else is read"),
    ROW(TOP, "include", LIST, 0, "", "files to read too, relative to this one"),
    ROW(TOP, "credential_list", LIST, 0, "", "named credentials for litellm_credential_name"),
    IGNORE(TOP, "callback_settings"),
    IGNORE(TOP, "mcp_servers"),
    IGNORE(TOP, "worker_registry"),
    IGNORE(TOP, "assistant_settings"),
    REFUSE(TOP, "guardrails", "requests would pass without the checks that it asks for"),

    ROW(ENTRY, "model_name", TEXT, D(model_name), "", "public name of the group; may hold *"),
    ROW(ENTRY, "litellm_params", MAP, 0, "", "how the deployment is reached"),
    ROW(ENTRY, "model_info", MAP, 0, "", "facts about it"),

    ROW(PARAMS, "model", TEXT, D(model), "",
        "provider/model, or a bare Bedrock id; the prefix selects the platform"),
    ROW(PARAMS, "custom_llm_provider", NAME, 0, "", "platform, instead of a prefix"),
    SECRET(PARAMS, "api_key", D(api_key), "Anthropic key, or Bedrock API key (bearer)"),
    ROW(PARAMS, "api_base", URL, D(api_base), "the provider's own", "base URL"),
    ROW(PARAMS, "base_url", URL, D(api_base), "", "the same as api_base"),
    ROW(PARAMS, "api_version", TEXT, D(api_version), "", "version for platforms that ask for one"),
    ROW(PARAMS, "model_id", TEXT, D(model_id), "", "ARN that replaces the model in Bedrock's URL"),
    SECRET(PARAMS, "aws_access_key_id", D(aws.access_key_id), "explicit AWS key"),
    SECRET(PARAMS, "aws_secret_access_key", D(aws.secret_access_key), "explicit AWS secret"),
    SECRET(PARAMS, "aws_session_token", D(aws.session_token), "session token of explicit keys"),
    ROW(PARAMS, "aws_region_name", TEXT, D(aws.region), "AWS_REGION, profile, us-west-2", "region"),
    ROW(PARAMS, "region_name", TEXT, D(aws.region), "", "the same as aws_region_name"),
    ROW(PARAMS, "aws_profile_name", TEXT, D(aws.profile), "", "profile of the AWS files"),
    ROW(PARAMS, "aws_role_name", TEXT, D(aws.role_arn), "", "role to assume"),
    ROW(PARAMS, "aws_session_name", TEXT, D(aws.session_name), "warmpath", "session of the role"),
    ROW(PARAMS, "aws_external_id", TEXT, D(aws.external_id), "", "external id of the role"),
    ROW(PARAMS, "aws_web_identity_token", TEXT, D(aws.web_identity_token), "",
        "file with a web identity token"),
    ROW(PARAMS, "aws_sts_endpoint", URL, D(aws.sts_endpoint), "the region's", "STS endpoint"),
    ROW(PARAMS, "aws_bedrock_runtime_endpoint", URL, D(aws.runtime_endpoint),
        "AWS_BEDROCK_RUNTIME_ENDPOINT, AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "Bedrock runtime endpoint"),
    ROW(PARAMS, "aws_bedrock_project_id", TEXT, D(aws.project_id), "", "workspace on AWS"),
    ROW(PARAMS, "vertex_project", TEXT, D(vertex.project), "", "Google project"),
    ROW(PARAMS, "vertex_location", TEXT, D(vertex.location), "", "Google location"),
    SECRET(PARAMS, "vertex_credentials", D(vertex.credentials), "service account file or JSON"),
    ROW(PARAMS, "extra_headers", MAP, 0, "", "headers added to each upstream request"),
    ROW(PARAMS, "tags", LIST, 0, "", "labels, shown only"),
    ROW(PARAMS, "timeout", SECONDS, D(timeout_ms), "router's", "whole answer, seconds"),
    ROW(PARAMS, "stream_timeout", SECONDS, D(stream_timeout_ms), "timeout",
        "first byte of a stream, seconds"),
    ROW(PARAMS, "ttft_timeout", SECONDS, D(stream_timeout_ms), "", "the same as stream_timeout"),
    ROW(PARAMS, "stream_idle_timeout", SECONDS, D(stream_idle_timeout_ms), "300",
        "silence inside a stream, seconds"),
    ROW(PARAMS, "keepalive_seconds", SECONDS, D(keepalive_ms), "15",
        "ping after so much silence towards the client"),
    ROW(PARAMS, "num_retries", INT32, D(num_retries), "router's", "further attempts"),
    QUIET(PARAMS, "max_retries", "LiteLLM's router ignores it too"),
    ROW(PARAMS, "rpm", UINT64, D(rpm), "", "requests per minute"),
    ROW(PARAMS, "tpm", UINT64, D(tpm), "", "tokens per minute"),
    ROW(PARAMS, "itpm", UINT64, D(itpm), "", "uncached input tokens per minute"),
    ROW(PARAMS, "otpm", UINT64, D(otpm), "", "output tokens per minute"),
    ROW(PARAMS, "weight", NUMBER, D(weight), "", "share in simple-shuffle"),
    ROW(PARAMS, "order", INT32, D(order), "", "lower first"),
    ROW(PARAMS, "max_parallel_requests", UINT32, D(max_parallel_requests), "",
        "requests in flight at most"),
    ROW(PARAMS, "cooldown_time", SECONDS64, D(cooldown_ms), "router's", "seconds"),
    ROW(PARAMS, "litellm_credential_name", NAME, 0, "", "entry of credential_list"),
    ROW(PARAMS, "input_cost_per_token", NUMBER, D(price.input), "data/models.json", "USD"),
    ROW(PARAMS, "output_cost_per_token", NUMBER, D(price.output), "data/models.json", "USD"),
    ROW(PARAMS, "cache_read_input_token_cost", NUMBER, D(price.cache_read), "data/models.json",
        "USD"),
    ROW(PARAMS, "cache_creation_input_token_cost", NUMBER, D(price.cache_write_5m),
        "data/models.json", "USD, 5 minutes"),
    ROW(PARAMS, "cache_creation_input_token_cost_above_1hr", NUMBER, D(price.cache_write_1h),
        "data/models.json", "USD, one hour"),
    ROW(PARAMS, "input_cost_per_token_above_200k_tokens", NUMBER, D(price.input_above_200k),
        "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(PARAMS, "output_cost_per_token_above_200k_tokens", NUMBER, D(price.output_above_200k),
        "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(PARAMS, "cache_read_input_token_cost_above_200k_tokens", NUMBER,
        D(price.cache_read_above_200k), "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(PARAMS, "cache_creation_input_token_cost_above_200k_tokens", NUMBER,
        D(price.cache_write_5m_above_200k), "data/models.json",
        "USD, 5 minutes, of prompts above 200,000 tokens"),
    ROW(PARAMS, "cache_creation_input_token_cost_above_1hr_above_200k_tokens", NUMBER,
        D(price.cache_write_1h_above_200k), "data/models.json",
        "USD, one hour, of prompts above 200,000 tokens"),
    OWN(PARAMS, "billing_header", BILLING, D(billing_header), "drop, except on Anthropic",
        "Claude Code's attribution block: keep or drop"),
    OWN(PARAMS, "allow_link_local", BOOL, D(allow_link_local), "false",
        "let api_base lead to link-local and metadata addresses (169.254.0.0/16, fe80::/10)"),
    QUIET(PARAMS, "drop_params", "unsupported fields are always dropped"),
    QUIET(PARAMS, "rust", "there is no other engine"),
    QUIET(PARAMS, "use_in_pass_through", ""),
    QUIET(PARAMS, "stream_options", ""),
    IGNORE(PARAMS, "organization"),
    IGNORE(PARAMS, "additional_drop_params"),
    IGNORE(PARAMS, "allow_client_keepalive_override"),
    IGNORE(PARAMS, "tag_regex"),
    IGNORE(PARAMS, "cache_control_injection_points"),
    IGNORE(PARAMS, "mock_response"),
    IGNORE(PARAMS, "provider_affinity_header"),
    IGNORE(PARAMS, "aws_session_tags"),
    IGNORE(PARAMS, "azure_ad_token"),
    IGNORE(PARAMS, "tenant_id"),
    IGNORE(PARAMS, "client_id"),
    IGNORE(PARAMS, "client_secret"),
    IGNORE(PARAMS, "default_api_key_tpm_limit"),
    IGNORE(PARAMS, "default_api_key_rpm_limit"),
    IGNORE(PARAMS, "rpd"),
    IGNORE(PARAMS, "tpd"),
    IGNORE(PARAMS, "stream_timeout_by_service_tier"),
    IGNORE(PARAMS, "timeout_by_service_tier"),
    IGNORE(PARAMS, "anthropic_*"),
    IGNORE(PARAMS, "aws_batch_role_arn"),
    IGNORE(PARAMS, "aws_bedrock_control_plane_endpoint"),
    IGNORE(PARAMS, "bedrock_tags"),
    IGNORE(PARAMS, "azure_*"),
    IGNORE(PARAMS, "s3_*"),
    IGNORE(PARAMS, "token_exchange_*"),
    IGNORE(PARAMS, "auto_router_*"),
    IGNORE(PARAMS, "adaptive_router_*"),
    IGNORE(PARAMS, "complexity_router_*"),
    IGNORE(PARAMS, "quality_router_*"),
    IGNORE(PARAMS, "merge_reasoning_content_in_choices"),
    IGNORE(PARAMS, "use_litellm_proxy"),
    IGNORE(PARAMS, "tiered_pricing"),
    IGNORE(PARAMS, "input_cost_per_*"),
    IGNORE(PARAMS, "output_cost_per_*"),
    IGNORE(PARAMS, "cache_read_input_*"),
    IGNORE(PARAMS, "cache_creation_input_*"),
    IGNORE(PARAMS, "search_context_cost_per_query"),
    REFUSE(PARAMS, "configurable_clientside_auth_params",
           "callers may never choose where a request goes"),
    REFUSE(PARAMS, "max_budget", "spending would not be limited"),
    REFUSE(PARAMS, "budget_duration", "spending would not be limited"),

    ROW(INFO, "id", TEXT, D(id), "LiteLLM's hash of the parameters", "deployment id"),
    QUIET(INFO, "mode", ""),
    ROW(INFO, "base_model", TEXT, D(base_model), "", "model whose prices and facts apply"),
    ROW(INFO, "litellm_provider", NAME, 0, "", "platform, where the model does not tell"),
    ROW(INFO, "max_input_tokens", UINT32, D(max_input_tokens), "data/models.json",
        "context window"),
    ROW(INFO, "max_output_tokens", UINT32, D(max_output_tokens), "data/models.json", ""),
    QUIET(INFO, "max_tokens", ""),
    ROW(INFO, "blocked", BOOL, D(blocked), "false", "takes the deployment out of use"),
    ROW(INFO, "allowed_fails", INT32, D(allowed_fails), "router's",
        "failures in a minute before it cools down"),
    ROW(INFO, "cooldown_time", SECONDS64, D(cooldown_ms), "router's", "seconds"),
    ROW(INFO, "input_cost_per_token", NUMBER, D(price.input), "data/models.json", "USD"),
    ROW(INFO, "output_cost_per_token", NUMBER, D(price.output), "data/models.json", "USD"),
    ROW(INFO, "cache_read_input_token_cost", NUMBER, D(price.cache_read), "data/models.json",
        "USD"),
    ROW(INFO, "cache_creation_input_token_cost", NUMBER, D(price.cache_write_5m),
        "data/models.json", "USD, 5 minutes"),
    ROW(INFO, "cache_creation_input_token_cost_above_1hr", NUMBER, D(price.cache_write_1h),
        "data/models.json", "USD, one hour"),
    ROW(INFO, "input_cost_per_token_above_200k_tokens", NUMBER, D(price.input_above_200k),
        "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(INFO, "output_cost_per_token_above_200k_tokens", NUMBER, D(price.output_above_200k),
        "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(INFO, "cache_read_input_token_cost_above_200k_tokens", NUMBER,
        D(price.cache_read_above_200k), "data/models.json", "USD, of prompts above 200,000 tokens"),
    ROW(INFO, "cache_creation_input_token_cost_above_200k_tokens", NUMBER,
        D(price.cache_write_5m_above_200k), "data/models.json",
        "USD, 5 minutes, of prompts above 200,000 tokens"),
    ROW(INFO, "cache_creation_input_token_cost_above_1hr_above_200k_tokens", NUMBER,
        D(price.cache_write_1h_above_200k), "data/models.json",
        "USD, one hour, of prompts above 200,000 tokens"),
    OWN(INFO, "cache_domain", TEXT, D(cache_domain),
        "credential, region, model; anthropic-workspace-id",
        "deployments with one name share a prompt cache"),
    OWN(INFO, "rate_domain", TEXT, D(rate_domain), "learnt from anthropic-organization-id",
        "deployments with one name share their limits"),
    OWN(INFO, "keep_warm", BOOL, D(keep_warm), "false",
        "renew the cache entries of quiet conversations where it pays (docs/idle-economics.md)"),
    OWN(INFO, "auto_ttl", BOOL, D(auto_ttl), "false",
        "choose 5 minutes or 1 hour for the client's cache markers; on all of a group to count"),
    OWN(INFO, "breakpoint_repair", BOOL, D(breakpoint_repair), "false",
        "set free cache markers where the lookback would miss, or the client set none; on all of "
        "a group to count"),
    QUIET(INFO, "db_model", ""),
    QUIET(INFO, "tier", ""),
    QUIET(INFO, "supports_prompt_caching", ""),
    QUIET(INFO, "supports_vision", ""),
    QUIET(INFO, "supports_function_calling", ""),
    IGNORE(INFO, "supported_environments"),
    IGNORE(INFO, "health_check_model"),
    IGNORE(INFO, "health_check_timeout"),
    IGNORE(INFO, "health_check_max_tokens"),
    QUIET(INFO, "disable_background_health_check", ""),
    IGNORE(INFO, "allowed_fails_policy"),
    IGNORE(INFO, "enable_tag_filtering"),
    IGNORE(INFO, "tiered_pricing"),
    IGNORE(INFO, "ptu_*"),
    IGNORE(INFO, "input_cost_per_*"),
    IGNORE(INFO, "output_cost_per_*"),
    IGNORE(INFO, "cache_read_input_*"),
    IGNORE(INFO, "cache_creation_input_*"),
    IGNORE(INFO, "member_auto_router"),
    IGNORE(INFO, "pricing_provider"),
    QUIET(INFO, "created_at", ""),
    QUIET(INFO, "created_by", ""),
    QUIET(INFO, "updated_at", ""),
    QUIET(INFO, "updated_by", ""),
    QUIET(INFO, "discoverable", ""),
    REFUSE(INFO, "enforce_supported_endpoints", "callers could use more endpoints than it allows"),
    REFUSE(INFO, "team_id", "other teams could use the deployment"),
    REFUSE(INFO, "team_public_model_name", "other teams could use the deployment"),
    REFUSE(INFO, "access_windows", "the deployment would be open at all times"),
    REFUSE(INFO, "access_groups", "everybody could use the deployment"),

    ROW(ROUTER, "routing_strategy", STRATEGY, R(strategy), "simple-shuffle",
        "for requests without a warm cache"),
    ROW(ROUTER, "optional_pre_call_checks", CHECKS, R(pre_call_checks), "none",
        "prompt_caching, session_affinity, deployment_affinity"),
    ROW(ROUTER, "enable_pre_call_checks", BOOL, R(enable_pre_call_checks), "false",
        "skip deployments whose context window is too small"),
    ROW(ROUTER, "num_retries", UINT32, R(num_retries), "2", "further attempts within a group"),
    ROW(ROUTER, "retry_after", SECONDS, R(retry_after_ms), "0", "least wait between attempts"),
    ROW(ROUTER, "retry_policy", POLICY, R(retry_policy), "", "attempts per kind of error"),
    ROW(ROUTER, "allowed_fails", INT32, R(allowed_fails), "LiteLLM's rules",
        "failures in a minute before a deployment cools down"),
    ROW(ROUTER, "allowed_fails_policy", POLICY, R(allowed_fails_policy), "",
        "the same per kind of error"),
    ROW(ROUTER, "cooldown_time", SECONDS, R(cooldown_ms), "5", "seconds"),
    ROW(ROUTER, "disable_cooldowns", BOOL, R(disable_cooldowns), "false", ""),
    ROW(ROUTER, "timeout", SECONDS, R(timeout_ms), "600", "seconds"),
    ROW(ROUTER, "stream_timeout", SECONDS, R(stream_timeout_ms), "timeout", "seconds"),
    ROW(ROUTER, "max_fallbacks", UINT32, R(max_fallbacks), "5", ""),
    ROW(ROUTER, "deployment_affinity_ttl_seconds", SECONDS, R(affinity_ttl_ms), "3600",
        "how long a pin lives without use"),
    ROW(ROUTER, "default_max_parallel_requests", UINT32, R(default_max_parallel_requests), "", ""),
    OWN(ROUTER, "retry_budget", NUMBER, R(retry_budget), "0.2",
        "further attempts in all, as a share of requests (10 and one per second are always "
        "allowed)"),
    OWN(ROUTER, "single_flight_seconds", SECONDS, R(single_flight_ms), "5",
        "longest wait for another request that writes the same cold prefix; 0: never wait"),
    OWN(ROUTER, "keep_warm_usd_per_day", NUMBER, R(keep_warm_usd_per_day), "5",
        "most that renewals may cost per key and UTC day; 0: none are sent"),
    OWN(ROUTER, "keep_warm_memory_mb", MEGABYTES, R(keep_warm_bytes), "64",
        "memory for the requests that renewals are made of"),
    OWN(ROUTER, "keep_warm_guard_seconds", SECONDS, R(keep_warm_guard_ms), "20",
        "how long before an entry's expiry its renewal is decided"),
    ROW(ROUTER, "fallbacks", LIST, 0, "", "[{group: [group, …]}]"),
    ROW(ROUTER, "context_window_fallbacks", LIST, 0, "", "the same, when the prompt is too long"),
    ROW(ROUTER, "content_policy_fallbacks", LIST, 0, "", "the same, on refusals"),
    ROW(ROUTER, "default_fallbacks", LIST, 0, "", "[group, …] for groups without their own"),
    ROW(ROUTER, "model_group_alias", MAP, 0, "", "{alias: group} or {alias: {model, hidden}}"),
    IGNORE(ROUTER, "routing_strategy_args"),
    IGNORE(ROUTER, "routing_groups"),
    IGNORE(ROUTER, "model_group_retry_policy"),
    IGNORE(ROUTER, "model_group_affinity_config"),
    IGNORE(ROUTER, "enable_weighted_failover"),
    IGNORE(ROUTER, "redis_url"),
    IGNORE(ROUTER, "redis_host"),
    IGNORE(ROUTER, "redis_port"),
    IGNORE(ROUTER, "redis_password"),
    IGNORE(ROUTER, "redis_db"),
    IGNORE(ROUTER, "cache_responses"),
    IGNORE(ROUTER, "cache_kwargs"),
    QUIET(ROUTER, "client_ttl", ""),
    QUIET(ROUTER, "set_verbose", ""),
    QUIET(ROUTER, "debug_level", ""),
    IGNORE(ROUTER, "enable_health_check_routing"),
    IGNORE(ROUTER, "health_check_staleness_threshold"),
    QUIET(ROUTER, "ignore_invalid_deployments", ""),
    IGNORE(ROUTER, "default_litellm_params"),
    IGNORE(ROUTER, "weights"),
    IGNORE(ROUTER, "default_priority"),
    IGNORE(ROUTER, "alerting_config"),
    IGNORE(ROUTER, "assistants_config"),
    IGNORE(ROUTER, "plugins"),
    IGNORE(ROUTER, "search_tools"),
    IGNORE(ROUTER, "enable_mid_stream_fallback_continuation"),
    IGNORE(ROUTER, "fallback_on_unsupported_params"),
    IGNORE(ROUTER, "session_affinity_repin_on_failover"),
    IGNORE(ROUTER, "health_check_ignore_transient_errors"),
    IGNORE(ROUTER, "background_health_check_model_groups"),
    QUIET(ROUTER, "max_retries", "LiteLLM's router ignores it too"),
    QUIET(ROUTER, "caching_groups", ""),
    QUIET(ROUTER, "polling_interval", ""),
    REFUSE(ROUTER, "guardrail_list", "requests would pass without the checks that it asks for"),
    REFUSE(ROUTER, "fallback_access_check", "fallbacks would reach models that it closes"),
    REFUSE(ROUTER, "fallback_budget_check", "spending would not be limited"),
    REFUSE(ROUTER, "enable_tag_filtering", "requests would reach deployments outside their tags"),
    IGNORE(ROUTER, "tag_filtering_match_any"),
    IGNORE(ROUTER, "tag_routing_prefix"),
    REFUSE(ROUTER, "provider_budget_config", "spending would not be limited"),

    ROW(LITELLM, "num_retries", UINT32, R(num_retries), "2", "as in router_settings"),
    ROW(LITELLM, "allowed_fails", INT32, R(allowed_fails), "", "as in router_settings"),
    ROW(LITELLM, "cooldown_time", SECONDS, R(cooldown_ms), "5", "as in router_settings"),
    ROW(LITELLM, "request_timeout", SECONDS, R(timeout_ms), "600", "seconds"),
    ROW(LITELLM, "fallbacks", LIST, 0, "", "as in router_settings"),
    ROW(LITELLM, "context_window_fallbacks", LIST, 0, "", "as in router_settings"),
    ROW(LITELLM, "content_policy_fallbacks", LIST, 0, "", "as in router_settings"),
    ROW(LITELLM, "default_fallbacks", LIST, 0, "", "as in router_settings"),
    ROW(LITELLM, "model_group_alias", MAP, 0, "", "as in router_settings"),
    QUIET(LITELLM, "drop_params", ""),
    QUIET(LITELLM, "modify_params", ""),
    QUIET(LITELLM, "set_verbose", ""),
    QUIET(LITELLM, "json_logs", "use --log-json"),
    QUIET(LITELLM, "turn_off_message_logging", "prompts are not stored unless asked for"),
    QUIET(LITELLM, "redact_user_api_key_info", ""),
    QUIET(LITELLM, "telemetry", "there is none"),
    QUIET(LITELLM, "http2", ""),
    IGNORE(LITELLM, "callbacks"),
    IGNORE(LITELLM, "success_callback"),
    IGNORE(LITELLM, "failure_callback"),
    IGNORE(LITELLM, "service_callback"),
    IGNORE(LITELLM, "cache"),
    IGNORE(LITELLM, "cache_params"),
    IGNORE(LITELLM, "enable_anthropic_prompt_caching"),
    IGNORE(LITELLM, "anthropic_prompt_caching_ttl"),
    IGNORE(LITELLM, "force_ipv4"),
    IGNORE(LITELLM, "ssl_verify"),
    IGNORE(LITELLM, "default_team_params"),
    IGNORE(LITELLM, "default_internal_user_params"),
    IGNORE(LITELLM, "default_key_generate_params"),
    IGNORE(LITELLM, "cost_discount_config"),
    IGNORE(LITELLM, "cost_margin_config"),
    IGNORE(LITELLM, "timezone"),
    REFUSE(LITELLM, "max_budget", "spending would not be limited"),
    REFUSE(LITELLM, "budget_duration", "spending would not be limited"),
    REFUSE(LITELLM, "upperbound_key_generate_params", "there are no virtual keys to bound"),
    REFUSE(LITELLM, "guardrails", "requests would pass without the checks that it asks for"),

    SECRET(GENERAL, "master_key", G(master_key),
           "the key that callers and the console use; without it only loopback is served"),
    ROW(GENERAL, "store_prompts_in_spend_logs", BOOL, G(store_prompts), "false",
        "keep prompts and answers in the ledger"),
    OWN(GENERAL, "store_prompt_hashes", BOOL, G(store_prompt_hashes), "false",
        "keep hashes and sizes of prompts' blocks in the ledger, for warmpath export"),
    OWN(GENERAL, "store_cache_state", BOOL, G(store_cache_state), "true",
        "keep what is believed of the caches over a restart: keyed hashes and their key, no text"),
    ROW(GENERAL, "disable_spend_logs", BOOL, G(disable_spend_logs), "false", "no ledger"),
    ROW(GENERAL, "max_request_size_mb", MEGABYTES, G(max_request_bytes), "32", "body limit"),
    ROW(GENERAL, "maximum_spend_logs_retention_period", DAYS, G(retention_days), "forever",
        "age at which rows are deleted, such as 30d"),
    ROW(GENERAL, "disable_requester_ip_address_logging", BOOL, G(hide_addresses), "false",
        "keep callers' addresses out of the ledger"),
    OWN(GENERAL, "failed_keys_per_minute", UINT32, G(failed_keys_per_minute), "30",
        "wrong keys and sign-ins of one address before it has to wait; 0: no limit"),
    OWN(GENERAL, "header_bytes_max", UINT32, G(listen.head_bytes_max), "65536",
        "request line and header fields: 414 or 431 beyond; read at start, as all to the next TLS"),
    OWN(GENERAL, "header_count_max", UINT32, G(listen.header_count_max), "128",
        "header fields of a request: 431 beyond"),
    OWN(GENERAL, "header_timeout", SECONDS, G(listen.head_timeout_ms), "10",
        "from the connection or the first byte to the end of the head: 408"),
    OWN(GENERAL, "body_idle_timeout", SECONDS, G(listen.body_idle_ms), "60",
        "silence within a body: 408"),
    OWN(GENERAL, "body_bytes_per_second_min", UINT32, G(listen.body_rate_min), "500",
        "rate that a body must keep once body_idle_timeout has gone by: 408"),
    OWN(GENERAL, "idle_timeout", SECONDS, G(listen.idle_timeout_ms), "620",
        "a kept connection without a request is closed"),
    OWN(GENERAL, "write_timeout", SECONDS, G(listen.write_idle_ms), "300",
        "a caller that does not take what is queued for it is closed"),
    OWN(GENERAL, "connections_per_worker_max", UINT32, G(listen.connections_max), "20000",
        "beyond it accepting pauses; never more than the descriptors allow"),
    OWN(GENERAL, "upstream_header_bytes_max", UINT32, G(listen.upstream_head_bytes_max), "131072",
        "head of an upstream's answer: a protocol error beyond"),
    OWN(GENERAL, "tls_handshake_timeout", SECONDS, G(listen.tls_handshake_ms), "10",
        "from the connection to the end of its TLS handshake"),
    OWN(GENERAL, "tls_certificate_file", TEXT, G(tls_certificate_file), "", "PEM; serve HTTPS"),
    OWN(GENERAL, "tls_key_file", TEXT, G(tls_key_file), "", "PEM"),
    OWN(GENERAL, "models_file", TEXT, G(models_file), "",
        "JSON of the shape of data/models.json: prices and model facts on top of the built-in "
        "table"),
    OWN(GENERAL, "betas_file", TEXT, G(betas_file), "",
        "JSON of the shape of data/betas.json: beta and field rules on top of the built-in table"),
    OWN(GENERAL, "state_dir", TEXT, G(state_dir), "XDG state directory", "where the ledger lives"),
    QUIET(GENERAL, "database_url", "the ledger is SQLite"),
    QUIET(GENERAL, "database_connection_pool_limit", ""),
    QUIET(GENERAL, "store_model_in_db", ""),
    QUIET(GENERAL, "proxy_batch_write_at", ""),
    QUIET(GENERAL, "cancel_on_disconnect", "always"),
    QUIET(GENERAL, "background_health_checks", ""),
    QUIET(GENERAL, "health_check_interval", ""),
    QUIET(GENERAL, "health_check_details", ""),
    QUIET(GENERAL, "disable_error_logs", ""),
    QUIET(GENERAL, "disable_spend_updates", ""),
    QUIET(GENERAL, "sse_keepalive_ping_interval_seconds", "see keepalive_seconds"),
    IGNORE(GENERAL, "alerting"),
    IGNORE(GENERAL, "alerting_threshold"),
    IGNORE(GENERAL, "alert_types"),
    IGNORE(GENERAL, "maximum_spend_logs_retention_interval"),
    IGNORE(GENERAL, "forward_client_headers_to_llm_api"),
    IGNORE(GENERAL, "max_parallel_requests"),
    IGNORE(GENERAL, "global_max_parallel_requests"),
    IGNORE(GENERAL, "completion_model"),
    IGNORE(GENERAL, "enable_drain_endpoint"),
    IGNORE(GENERAL, "ui_access_mode"),
    IGNORE(GENERAL, "user_header_name"),
    IGNORE(GENERAL, "use_redis_transaction_buffer"),
    IGNORE(GENERAL, "alerting_args"),
    IGNORE(GENERAL, "alert_to_webhook_url"),
    IGNORE(GENERAL, "max_response_size_mb"),
    IGNORE(GENERAL, "max_in_flight_requests_per_worker"),
    IGNORE(GENERAL, "max_queued_requests_per_worker"),
    IGNORE(GENERAL, "admission_queue_timeout_seconds"),
    IGNORE(GENERAL, "maximum_spend_logs_cleanup_*"),
    IGNORE(GENERAL, "maximum_spend_logs_size*"),
    IGNORE(GENERAL, "use_x_forwarded_for"),
    IGNORE(GENERAL, "trusted_proxy_ranges"),
    IGNORE(GENERAL, "user_header_mappings"),
    IGNORE(GENERAL, "request_tag_mappings"),
    IGNORE(GENERAL, "custom_sso"),
    IGNORE(GENERAL, "custom_ui_sso_sign_in_handler"),
    IGNORE(GENERAL, "control_plane_url"),
    IGNORE(GENERAL, "coordination_redis"),
    IGNORE(GENERAL, "proxy_config_reload_interval_seconds"),
    IGNORE(GENERAL, "enable_claude_code_gateway"),
    IGNORE(GENERAL, "claude_code_gateway_managed_settings"),
    IGNORE(GENERAL, "pass_through_request_timeout"),
    IGNORE(GENERAL, "plugins"),
    IGNORE(GENERAL, "otel"),
    IGNORE(GENERAL, "mcp_*"),
    IGNORE(GENERAL, "include_call_id_in_error_body"),
    IGNORE(GENERAL, "disable_fallbacks_on_per_model_rate_limits"),
    IGNORE(GENERAL, "spend_logs_*"),
    QUIET(GENERAL, "database_*", "the ledger is SQLite"),
    QUIET(GENERAL, "user_api_key_cache_ttl", "there is one key"),
    QUIET(GENERAL, "user_api_key_cache_max_size", "there is one key"),
    QUIET(GENERAL, "infer_model_from_keys", ""),
    QUIET(GENERAL, "allow_requests_on_db_unavailable", "requests never wait for the ledger"),
    QUIET(GENERAL, "disable_master_key_return", "it is never returned"),
    QUIET(GENERAL, "failed_login_block_seconds", "see failed_keys_per_minute"),
    QUIET(GENERAL, "failed_login_window_seconds", "see failed_keys_per_minute"),
    QUIET(GENERAL, "password_policy_*", "there are no passwords"),
    QUIET(GENERAL, "health_check_*", ""),
    REFUSE(GENERAL, "allowed_ips", "any address could connect; use a firewall"),
    REFUSE(GENERAL, "custom_auth", "callers would not be checked by it"),
    REFUSE(GENERAL, "enable_jwt_auth", "callers would not be checked by it"),
    REFUSE(GENERAL, "litellm_jwtauth", "callers would not be checked by it"),
    REFUSE(GENERAL, "enable_oauth2_auth", "callers would not be checked by it"),
    REFUSE(GENERAL, "public_routes", "routes are public by a fixed table"),
    REFUSE(GENERAL, "admin_only_routes", "routes are administrative by a fixed table"),
    REFUSE(GENERAL, "allowed_routes", "callers could use more routes than it allows"),
    REFUSE(GENERAL, "pass_through_endpoints", "the endpoints would be missing"),
    REFUSE(GENERAL, "litellm_key_header_name", "keys in that header would not be read"),
    REFUSE(GENERAL, "forward_llm_provider_auth_headers",
           "callers' provider keys are not forwarded"),
    REFUSE(GENERAL, "key_management_system", "secrets would not be fetched from it"),
    REFUSE(GENERAL, "key_management_settings", "secrets would not be fetched from it"),
    REFUSE(GENERAL, "fail_closed_budget_enforcement", "there are no budgets"),
    REFUSE(GENERAL, "use_azure_key_vault", "secrets would not be fetched from it"),
    REFUSE(GENERAL, "use_google_kms", "secrets would not be fetched from it"),
    REFUSE(GENERAL, "enforce_user_param", "requests without a user would not be rejected"),
    REFUSE(GENERAL, "enforced_params", "requests without them would not be rejected"),
    REFUSE(GENERAL, "enforce_rbac", "roles would not be enforced"),
    REFUSE(GENERAL, "role_permissions", "roles would not be enforced"),
    REFUSE(GENERAL, "provider_url_destination_allowed_hosts",
           "upstreams would not be restricted to it"),
    REFUSE(GENERAL, "fail_closed_rate_limit_enforcement", "there are no limits per key"),
    REFUSE(GENERAL, "missing_session_id", "requests without a session would not be rejected"),
};
const size_t wp_descriptor_count = sizeof(wp_descriptors) / sizeof(wp_descriptors[0]);

const char *wp_level_name(enum wp_level level)
{
    static const char *const names[] = {"",
                                        "model_list[]",
                                        "model_list[].litellm_params",
                                        "model_list[].model_info",
                                        "router_settings",
                                        "litellm_settings",
                                        "general_settings"};
    return names[level];
}

static bool stands_for(const struct wp_descriptor *row, wp_view key)
{
    wp_view name = wp_view_of(row->key);
    if (!wp_view_ends_with(name, WP_VIEW("*")))
        return wp_view_eq(key, name);
    return wp_view_starts_with(key, wp_view_sub(name, 0, name.len - 1));
}

// Exact rows go before patterns.
const struct wp_descriptor *wp_descriptor_find(enum wp_level level, wp_view key)
{
    const struct wp_descriptor *found = NULL;
    for (size_t i = 0; i < wp_descriptor_count; i++) {
        const struct wp_descriptor *row = &wp_descriptors[i];
        if (row->level != level || !stands_for(row, key))
            continue;
        if (wp_view_is(key, row->key))
            return row;
        found = found == NULL ? row : found;
    }
    if (found == NULL && level == WP_LEVEL_LITELLM)
        return wp_descriptor_find(WP_LEVEL_ROUTER, key);
    return found;
}

// "aws_region" for aws_region_name: one begins with the other.
static bool shortened(wp_view key, wp_view name)
{
    return key.len >= 5 && name.len >= 5 &&
           (wp_view_starts_with(name, key) || wp_view_starts_with(key, name));
}

static void nearest(enum wp_level level, wp_view key, size_t *least, const char **best)
{
    for (size_t i = 0; i < wp_descriptor_count; i++) {
        wp_view name = wp_view_of(wp_descriptors[i].key);
        if (wp_descriptors[i].level != level || wp_view_ends_with(name, WP_VIEW("*")))
            continue;
        size_t distance = wp_view_distance(key, name);
        size_t limit = key.len / 3 + 2;
        if (distance >= limit && shortened(key, name))
            distance = limit - 1;
        if (distance < *least) {
            *least = distance;
            *best = wp_descriptors[i].key;
        }
    }
}

const char *wp_descriptor_nearest(enum wp_level level, wp_view key)
{
    const char *best = NULL;
    size_t least = key.len / 3 + 2;
    nearest(level, key, &least, &best);
    if (level == WP_LEVEL_LITELLM)
        nearest(WP_LEVEL_ROUTER, key, &least, &best);
    return best;
}

const char *wp_type_expected(enum wp_type type)
{
    switch (type) {
    case WP_TYPE_TEXT:
        return "text";
    case WP_TYPE_BOOL:
        return "true or false";
    case WP_TYPE_UINT32:
    case WP_TYPE_UINT64:
        return "a whole number of at least 0";
    case WP_TYPE_INT32:
        return "a whole number";
    case WP_TYPE_SECONDS:
    case WP_TYPE_SECONDS64:
        return "a number of seconds";
    case WP_TYPE_NUMBER:
        return "a number of at least 0";
    case WP_TYPE_MEGABYTES:
        return "a number of megabytes";
    case WP_TYPE_DAYS:
        return "an age such as 30d or 12h";
    case WP_TYPE_STRATEGY:
        return "simple-shuffle, least-busy, usage-based-routing, usage-based-routing-v2, "
               "latency-based-routing or cost-based-routing";
    case WP_TYPE_CHECKS:
        return "a list of check names";
    case WP_TYPE_BILLING:
        return "keep or drop";
    case WP_TYPE_POLICY:
        return "a mapping such as {RateLimitErrorRetries: 3}";
    case WP_TYPE_URL:
        return "a URL such as https://host:8443/path, without user info";
    case WP_TYPE_LIST:
        return "a list";
    case WP_TYPE_MAP:
        return "a mapping";
    case WP_TYPE_NAME:
        return "text";
    case WP_TYPE_ELSEWHERE:
        return "";
    }
    return "";
}
