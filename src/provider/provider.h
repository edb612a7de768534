// One ops table per platform: how a Messages request becomes an upstream request, and how the
// upstream's answer becomes a Messages answer. Nothing here knows an exchange, a socket or a
// clock.
#ifndef WP_PROVIDER_PROVIDER_H
#define WP_PROVIDER_PROVIDER_H

#include "aws/sigv4.h"
#include "config/snapshot.h"
#include "http/client.h"
#include "http/headers.h"
#include "prompt/markers.h"
#include "prompt/model_table.h"
#include "prompt/request.h"
#include "prompt/usage.h"
#include "json/splice.h"

enum wp_operation { WP_OP_MESSAGES, WP_OP_COUNT_TOKENS, WP_OPERATION_COUNT };

// Beta and field rules per platform, from data/betas.json (dated, overridable).
struct wp_provider_tables;
struct wp_provider_tables *wp_provider_tables_load(wp_view text, wp_view override, char *error,
                                                   size_t error_size); // NULL on bad data
void wp_provider_tables_free(struct wp_provider_tables *tables);

// What all requests to one deployment have in common: where they go, and the fields that are the
// same in each. Immutable.
struct wp_endpoint;
// Made once, when the configuration is compiled; lives in the arena. What it holds of the
// deployment are views. NULL: memory is short.
struct wp_endpoint *wp_provider_prepare(const struct wp_deployment_config *deployment,
                                        struct wp_arena *arena);

struct wp_provider_input {
    enum wp_operation operation;
    const struct wp_deployment_config *deployment;
    const struct wp_endpoint *endpoint; // the deployment's
    wp_view upstream_model;             // '*' filled in
    const struct wp_request *request;
    const struct wp_headers *client_headers;
    wp_view client_query;                  // "beta=true"
    const struct wp_marker_edits *markers; // changes to the cache markers; NULL: none
    const struct wp_model_info *model;
    const struct wp_provider_tables *tables;
    const struct wp_aws_keys *keys; // for SigV4 platforms without bearer; else NULL
    wp_view bearer; // AWS_BEARER_TOKEN_BEDROCK, Vertex access token …; may be empty; the
                    // deployment's api_key comes before it, SigV4 after it
    wp_view
        caller_oauth; // the caller's own sk-ant-oat… token, for anthropic deployments; may be empty
    wp_view region;   // resolved
    int64_t wall_ms;
};

// Everything lives in the arena, in the client's request or in the deployment's endpoint.
struct wp_upstream_request {
    bool tls;
    wp_view host;
    uint16_t port;
    wp_view target;
    wp_view api_base;    // scheme://authority/path without query, for logs and headers
    bool api_base_stays; // it is the endpoint's
    struct wp_headers headers;
    struct wp_header_lines lines; // the first of `headers`, as they are written
    struct wp_spans body;
    const wp_view *dropped; // "beta:prompt-caching-scope-2026-01-05", "field:context_management", …
    size_t dropped_count;
};

// The call that sends it. Its views are those of `upstream`; no timeout is set: those, and what the
// deployment allows, are the caller's.
struct wp_call_request wp_upstream_call(const struct wp_upstream_request *upstream);

// WP_ERR_NO_MEMORY; WP_ERR_NOT_SUPPORTED (with *detail) where the platform cannot serve the
// operation (count_tokens without a call of its own: the gateway estimates) or feature;
// WP_ERR_CREDENTIALS without usable ones.
enum wp_err wp_provider_build(const struct wp_provider_input *input, struct wp_arena *arena,
                              struct wp_upstream_request *out, const char **detail) WP_WARN_UNUSED;

// How the deployment authenticates.
enum wp_auth_kind { WP_AUTH_API_KEY, WP_AUTH_BEARER, WP_AUTH_SIGV4, WP_AUTH_NONE };
enum wp_auth_kind wp_provider_auth(const struct wp_deployment_config *deployment);

// What an upstream error means.
struct wp_upstream_error {
    enum wp_err err; // retry class and default status
    int status;      // for the client
    wp_view body; // for the client: the upstream's own bytes for the same dialect, else Anthropic's
                  // envelope
    wp_view words;          // for the client where `body` is of no use: another dialect, an event
    wp_view message;        // for the log row (bounded, no secrets)
    wp_view type;           // anthropic error type
    int64_t retry_after_ms; // -1: none given
    bool spend_cap;         // retrying is futile until the operator acts
    bool never_retry;       // the client's trying again is futile: the upstream said so, or its
                            // refusal is of the operator's credentials
    bool credentials;       // refresh credentials and retry once
    bool context_window;    // prompt too long: context_window_fallbacks apply
};
// A whole non-2xx answer. `status` is the client's, already mapped (529 → 503; a refusal of the
// deployment's credentials is 502, but the caller's own token's keeps its 401). retry_after_ms
// from a date counts from the answer's own Date field.
void wp_provider_error(const struct wp_deployment_config *deployment, int status,
                       const struct wp_headers *headers, wp_view body, struct wp_arena *arena,
                       struct wp_upstream_error *out);
// The answer's Date field. False: it has none, or it is malformed.
bool wp_answer_date(const struct wp_headers *headers, int64_t *wall_ms);
// Anthropic's envelope with a request id; in the arena. That of an overloaded_error has its message
// once more beside it: Claude Code takes every error whose text names that type for a 529, on which
// it gives up within two seconds; the SDKs' text of an error is the outer message where there is
// one.
wp_view wp_anthropic_error_body(struct wp_arena *arena, const char *type, wp_view message,
                                wp_view request_id);
// The SSE form: "event: error\ndata: {...}\n\n".
wp_view wp_anthropic_error_event(struct wp_arena *arena, const char *type, wp_view message,
                                 wp_view request_id);

// A 2xx answer, translated as it arrives.
enum wp_answer_phase {
    WP_ANSWER_EMPTY,    // nothing yet
    WP_ANSWER_STARTED,  // message_start seen (streams)
    WP_ANSWER_CONTENT,  // a content block has begun: no other deployment may answer any more
    WP_ANSWER_COMPLETE, // message_stop, or the whole JSON
    WP_ANSWER_FAILED,   // see .error
};

struct wp_answer_options {
    const struct wp_deployment_config *deployment;
    bool stream;             // the client asked for SSE
    wp_view requested_model; // put into the answer's "model"; lives as long as the answer
    int status;
    const struct wp_headers *headers; // upstream's
    struct wp_arena *arena;
};

struct wp_answer {
    enum wp_answer_phase phase;
    struct wp_usage usage;
    wp_view message_id;              // "msg_…"; may be empty
    wp_view stop_reason;             // may be empty
    wp_view upstream_model;          // as the upstream named it; may be empty
    uint64_t output_bytes;           // bytes of text and JSON deltas sent so far, for estimates
    bool in_event;                   // between the bytes of one SSE event: no ping may be inserted
    struct wp_upstream_error error;  // FAILED: an error event, exception frame, bad CRC, early end
    const struct wp_answer_ops *ops; // private
    void *impl;
};

// Bytes for the client; valid during the call, those of a JSON answer as long as the answer.
typedef void (*wp_answer_write)(void *arg, wp_view bytes);

// WP_ERR_PROTOCOL when status and content type do not fit (HTML with 200 …), WP_ERR_NO_MEMORY.
enum wp_err wp_answer_create(const struct wp_answer_options *options,
                             struct wp_answer **out) WP_WARN_UNUSED;
// Feeds upstream bytes; writes client bytes. Sets phase; once FAILED or COMPLETE further bytes are
// ignored. Nothing is written while EMPTY (pings wait for message_start), and nothing for an error
// itself: the exchange decides what becomes of it.
void wp_answer_feed(struct wp_answer *answer, wp_view bytes, wp_answer_write write, void *arg);
// The upstream's body has ended: a stream without message_stop becomes FAILED (INCOMPLETE); a JSON
// answer is written now, COMPLETE, in at most WP_ANSWER_PARTS pieces.
enum { WP_ANSWER_PARTS = 3 };
void wp_answer_finish(struct wp_answer *answer, wp_answer_write write, void *arg);
// Response headers for the client taken from the upstream (request-id, also from x-amzn-requestid;
// anthropic-*; hop-by-hop, length, encoding, rate-limit and account headers left out; content-type
// is the exchange's), appended to `out`.
enum wp_err wp_answer_headers(const struct wp_answer_options *options,
                              struct wp_headers *out) WP_WARN_UNUSED;

#endif
