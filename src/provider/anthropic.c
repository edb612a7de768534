// Anthropic's own API and servers compatible with it. The body goes byte for byte but for the
// model's name; no beta, header or field is ever filtered. Only behind an alias
// for an older model the body is adapted to it.
#include "provider/build.h"

static const char default_base[] = "https://api.anthropic.com";
static const char oauth_prefix[] = "sk-ant-oat";
static const char oauth_beta[] = "oauth-2025-04-20";

static bool is_oauth(wp_view token)
{
    return wp_view_starts_with(token, wp_view_of(oauth_prefix));
}

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    if (deployment->api_key.len == 0)
        return WP_AUTH_NONE;
    return is_oauth(deployment->api_key) ? WP_AUTH_BEARER : WP_AUTH_API_KEY;
}

static wp_view bearer(struct wp_arena *arena, wp_view token)
{
    const wp_view parts[] = {WP_VIEW("Bearer "), token};
    return wp_arena_concat(arena, parts, 2);
}

static enum wp_err key_header(struct wp_endpoint *endpoint, struct wp_arena *arena, wp_view key)
{
    if (!is_oauth(key))
        return wp_endpoint_header(endpoint, "x-api-key", key);
    wp_view value = bearer(arena, key);
    return value.ptr == NULL ? WP_ERR_NO_MEMORY
                             : wp_endpoint_header(endpoint, "authorization", value);
}

static enum wp_err prepare(const struct wp_deployment_config *deployment, struct wp_arena *arena,
                           struct wp_endpoint *out)
{
    wp_view base = wp_build_messages_base(deployment->api_base, false);
    enum wp_err err =
        wp_endpoint_destinations(out, arena, base.len > 0 ? base : wp_view_of(default_base), false);
    if (err == WP_OK)
        err = key_header(out, arena, deployment->api_key);
    return err == WP_OK ? wp_endpoint_messages_headers(out) : err;
}

static bool operator_authenticates(const struct wp_deployment_config *deployment)
{
    for (size_t i = 0; i < deployment->extra_header_count; i++) {
        wp_view name = deployment->extra_headers[i].name;
        if (wp_view_eq_nocase(name, WP_VIEW("authorization")) ||
            wp_view_eq_nocase(name, WP_VIEW("x-api-key")))
            return true;
    }
    return false;
}

static enum wp_err begin_as_caller(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view value = bearer(build->arena, input->caller_oauth);
    if (value.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_build_header(build, "host", input->endpoint->destinations[input->operation].authority);
    wp_build_header(build, "authorization", value);
    wp_build_messages_headers(build);
    wp_build_add_beta(build, wp_view_of(oauth_beta));
    return WP_OK;
}

// The caller's own subscription token serves messages; counting tokens uses the configured key
// where there is one, as LiteLLM does it.
static enum wp_err begin_headers(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view key = input->deployment->api_key;
    bool counting = input->operation == WP_OP_COUNT_TOKENS;
    if (input->caller_oauth.len > 0 && !(counting && key.len > 0))
        return begin_as_caller(build);
    if (key.len == 0 && !operator_authenticates(input->deployment))
        return wp_build_fail(build, WP_ERR_CREDENTIALS, "the deployment has no api_key");
    if (is_oauth(key))
        wp_build_add_beta(build, wp_view_of(oauth_beta));
    return wp_build_begin_headers(build);
}

static enum wp_err build(struct wp_build *build)
{
    enum wp_err err = wp_build_destination(build);
    if (err != WP_OK)
        return err;
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    err = begin_headers(build);
    if (err != WP_OK)
        return err;
    wp_build_client_fields(build);
    wp_build_extra_headers(build);
    wp_build_replace_model(build, build->input->upstream_model);
    wp_build_markers(build, WP_MARKERS_TTL | WP_MARKERS_TOP);
    wp_build_billing_block(build, &wp_anthropic_ops);
    err = wp_build_adapt_alias(build, &wp_anthropic_ops);
    return err != WP_OK ? err : wp_build_finish_body(build);
}

const struct wp_provider_ops wp_anthropic_ops = {
    .title = "The Anthropic API",
    .stream = WP_STREAM_SSE,
    .relays_errors = true,
    .auth = auth,
    .prepare = prepare,
    .build = build,
};
