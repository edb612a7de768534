// One request on its way to a platform: what the builders of all platforms share. Private to the
// room.
#ifndef WP_PROVIDER_BUILD_H
#define WP_PROVIDER_BUILD_H

#include "base/url.h"
#include "provider/tables.h"

enum { WP_BUILD_BETAS_MAX = 64, WP_BUILD_DROPPED_MAX = 96 };

// Where an operation goes. host.ptr NULL: it is settled for each request, or the base is no URL.
struct wp_destination {
    bool tls;
    wp_view host;
    uint16_t port;
    wp_view authority;        // for the Host field
    wp_view target, api_base; // without query
};

struct wp_endpoint {
    struct wp_destination destinations[WP_OPERATION_COUNT];
    struct wp_headers headers; // that begin every request, Host first; may be none
    struct wp_header_lines lines;
};

struct wp_build {
    const struct wp_provider_input *input;
    struct wp_arena *arena;
    struct wp_upstream_request *out;
    struct wp_splice splice; // of the client's body
    wp_view object;          // the body without surrounding white space: {…}
    wp_view *betas;          // to be sent, in the client's order; room for WP_BUILD_BETAS_MAX
    size_t beta_count;
    wp_view *dropped; // room for WP_BUILD_DROPPED_MAX
    size_t dropped_count;
    const char *detail; // of an error
    bool no_memory;
};

// What a platform does with a request, in its own file.
enum wp_stream_form { WP_STREAM_SSE, WP_STREAM_EVENT_STREAM };

struct wp_provider_ops {
    const char *title;          // as error details name it
    const char *rules;          // its entry in the tables; NULL: nothing is filtered
    enum wp_stream_form stream; // of its 2xx streams
    bool drops_billing_block;   // unless the deployment says otherwise
    bool relays_errors;         // its JSON error bodies go to the client byte for byte
    enum wp_auth_kind (*auth)(const struct wp_deployment_config *deployment);
    // Fills in what is known beforehand; NULL: nothing is. WP_ERR_NO_MEMORY.
    enum wp_err (*prepare)(const struct wp_deployment_config *deployment, struct wp_arena *arena,
                           struct wp_endpoint *out);
    enum wp_err (*build)(struct wp_build *build); // NULL: not served
};

const struct wp_provider_ops *wp_provider_ops(enum wp_platform platform);

extern const struct wp_provider_ops wp_anthropic_ops;
extern const struct wp_provider_ops wp_bedrock_ops;
extern const struct wp_provider_ops wp_bedrock_messages_ops;
extern const struct wp_provider_ops wp_mantle_ops;
extern const struct wp_provider_ops wp_claude_aws_ops;
extern const struct wp_provider_ops wp_vertex_ops;
extern const struct wp_provider_ops wp_azure_ops;

// Where the request goes (endpoint.c). `base` is an absolute URL or empty (then fallback); `path`
// is appended, and the query if there is one.
enum wp_err wp_build_target(struct wp_build *build, wp_view base, wp_view fallback, wp_view path,
                            wp_view query) WP_WARN_UNUSED;
// Both operations below `base`, as far as it is a URL. WP_ERR_NO_MEMORY.
enum wp_err wp_endpoint_destinations(struct wp_endpoint *endpoint, struct wp_arena *arena,
                                     wp_view base, bool below_anthropic) WP_WARN_UNUSED;
// A field that every request begins with; one that may not be sent is left out.
enum wp_err wp_endpoint_header(struct wp_endpoint *endpoint, const char *name,
                               wp_view value) WP_WARN_UNUSED;
// Those of the Messages form that the gateway itself sets.
enum wp_err wp_endpoint_messages_headers(struct wp_endpoint *endpoint) WP_WARN_UNUSED;
// Takes the endpoint's place, with the client's query.
enum wp_err wp_build_destination(struct wp_build *build) WP_WARN_UNUSED;
// Begins the fields with those of the endpoint.
enum wp_err wp_build_begin_headers(struct wp_build *build) WP_WARN_UNUSED;

// Replaces the field of that name, or adds it. Empty values are left out.
void wp_build_set_header(struct wp_build *build, wp_view name, wp_view value);
static inline void wp_build_header(struct wp_build *build, const char *name, wp_view value)
{
    wp_build_set_header(build, wp_view_of(name), value);
}
// Client fields that belong to the Messages protocol (anthropic-*, x-claude-code-*, x-app,
// x-stainless-*, user-agent, accept): the rest stays here, credentials and cookies above all.
void wp_build_client_headers(struct wp_build *build);
// Those of the Messages form that the gateway sets; the client's own come behind them.
void wp_build_messages_headers(struct wp_build *build);
// The client's fields and the betas collected so far; after it extra headers and credentials.
void wp_build_client_fields(struct wp_build *build);
// /v1/messages or /v1/messages/count_tokens, on some hosts below /anthropic.
wp_view wp_build_messages_path(enum wp_operation operation, bool below_anthropic);
// api_base as people write it: the host, or with a part or the whole of the path that is appended.
wp_view wp_build_messages_base(wp_view base, bool below_anthropic);
// litellm_params.extra_headers, after everything else but the signature.
void wp_build_extra_headers(struct wp_build *build);
// The beta names of the client's header, of the operator's extra header and of the body.
void wp_build_collect_betas(struct wp_build *build);
// A client of Bedrock's own dialect brings version and betas in the body: they leave it, and the
// betas join those of the header.
void wp_build_unframe(struct wp_build *build);
void wp_build_add_beta(struct wp_build *build, wp_view name);
bool wp_build_has_beta(const struct wp_build *build, wp_view name);
// "a,b" for the header; empty if there are none.
wp_view wp_build_beta_list(struct wp_build *build);
// Notes what was left out, once: kind "beta", "field", … and the name.
void wp_build_drop(struct wp_build *build, const char *kind, wp_view name);
// Region of the deployment, or WP_ERR_CREDENTIALS.
enum wp_err wp_build_region(struct wp_build *build, wp_view *region) WP_WARN_UNUSED;
// Signs headers, target and body for `service`.
enum wp_err wp_build_sign(struct wp_build *build, wp_view region,
                          const char *service) WP_WARN_UNUSED;
// Bearer key or SigV4, whichever the deployment has.
enum wp_err wp_build_aws_auth(struct wp_build *build, wp_view region,
                              const char *service) WP_WARN_UNUSED;
// An error with its detail for the log and the client.
enum wp_err wp_build_fail(struct wp_build *build, enum wp_err err, const char *detail);

// Body edits (adapt.c).
// Every "model" of the body becomes `name` (every one: a second one must not reach the provider
// unseen).
void wp_build_replace_model(struct wp_build *build, wp_view name);
void wp_build_remove_member(struct wp_build *build, const char *name);
// The gateway's own changes to the cache markers; `target`: enum wp_markers_target.
void wp_build_markers(struct wp_build *build, uint32_t target);
// Claude Code's billing block, where the platform or the deployment wants it out.
void wp_build_billing_block(struct wp_build *build, const struct wp_provider_ops *ops);
// Betas, fields, tools and markers by the platform's rules; thinking and system messages by the
// model's capabilities. WP_ERR_NOT_SUPPORTED with a detail where nothing can replace a feature.
enum wp_err wp_build_adapt(struct wp_build *build,
                           const struct wp_provider_ops *ops) WP_WARN_UNUSED;
// For platforms that filter nothing: a client takes a name that it does not know for a current
// model. Behind such an alias the body is adapted to what the model lacks; behind the model's own
// name it goes as it is.
enum wp_err wp_build_adapt_alias(struct wp_build *build,
                                 const struct wp_provider_ops *ops) WP_WARN_UNUSED;
// The spans of the edited body.
enum wp_err wp_build_finish_body(struct wp_build *build) WP_WARN_UNUSED;

#endif
