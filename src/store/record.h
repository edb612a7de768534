// Everything that is logged about one request: filled while it lives, emitted exactly once.
#ifndef WP_STORE_RECORD_H
#define WP_STORE_RECORD_H

#include "base/view.h"

// Names follow LiteLLM's SpendLogs; *_ms are wall-clock milliseconds since the epoch, *_us
// durations in microseconds.
struct wp_record {
    wp_view request_id;      // uuid, = x-litellm-call-id
    wp_view call_type;       // "anthropic_messages" | "count_tokens"
    wp_view model;           // what the deployment was asked for (upstream model)
    wp_view requested_model; // what the client asked for
    wp_view model_group;
    wp_view model_id; // deployment id; empty if none was chosen
    wp_view provider; // wp_platform_name
    wp_view api_base;
    wp_view api_key_hash; // hex SHA-256 of the caller's key; empty without identity
    wp_view session_id, agent_id;
    wp_view user_agent, requester_ip_address;
    wp_view status;     // "success" | "failure"
    wp_view error_code; // wp_err name, empty on success
    wp_view error_message;
    wp_view stop_reason;
    wp_view message_id;
    wp_view service_tier, speed;
    wp_view detail; // store/detail.h: the plan, the attempts, what was dropped, the headers
    wp_view request_body, response_body; // only with store_prompts_in_spend_logs
    int64_t start_ms;
    uint64_t input_tokens; // uncached
    uint64_t cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens;
    uint64_t output_tokens;
    uint64_t predicted_read_tokens;
    uint64_t request_bytes, response_bytes;
    uint64_t overhead_us, ttft_us, duration_us; // ttft 0: no byte was sent
    uint32_t http_status;                       // sent to the client; 0 if the client left before
    uint32_t attempted_retries, attempted_fallbacks;
    double spend;           // USD
    double saved;           // USD against reading nothing from cache
    double kept_warm_saved; // USD that renewals before this request saved it; theirs is not taken
                            // off: they have rows of their own
    bool stream;
    bool estimated; // usage is incomplete: the stream was cut
};

#endif
