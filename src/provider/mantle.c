// The Messages API of bedrock-mantle: Anthropic's JSON and SSE behind AWS credentials (wire.md
// 3.3).
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_BEARER : WP_AUTH_SIGV4;
}

static enum wp_err set_target(struct wp_build *build, wp_view region)
{
    const struct wp_deployment_config *deployment = build->input->deployment;
    wp_view fallback = wp_arena_printf(
        build->arena, "https://bedrock-mantle.%.*s.api.aws/anthropic", WP_VIEW_ARG(region));
    if (fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_view path = build->input->operation == WP_OP_COUNT_TOKENS
                       ? WP_VIEW("/v1/messages/count_tokens")
                       : WP_VIEW("/v1/messages");
    wp_view base = deployment->aws.runtime_endpoint.len > 0 ? deployment->aws.runtime_endpoint
                                                            : deployment->api_base;
    return wp_build_target(build, base, fallback, path, build->input->client_query);
}

static enum wp_err edit_body(struct wp_build *build)
{
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    wp_build_replace_model(build);
    wp_build_billing_block(build, &wp_mantle_ops);
    enum wp_err err = wp_build_adapt(build, &wp_mantle_ops);
    return err != WP_OK ? err : wp_build_finish_body(build);
}

static enum wp_err build(struct wp_build *build)
{
    wp_view region;
    enum wp_err err = wp_build_region(build, &region);
    if (err == WP_OK)
        err = set_target(build, region);
    if (err == WP_OK)
        err = edit_body(build);
    if (err != WP_OK)
        return err;
    wp_build_header(build, "content-type", WP_VIEW("application/json"));
    wp_build_header(build, "accept", WP_VIEW("application/json"));
    wp_build_header(build, "accept-encoding", WP_VIEW("identity"));
    wp_build_header(build, "anthropic-version", WP_VIEW("2023-06-01"));
    wp_build_client_headers(build);
    wp_build_header(build, "anthropic-beta", wp_build_beta_list(build));
    wp_build_header(build, "anthropic-workspace", build->input->deployment->aws.project_id);
    wp_build_extra_headers(build);
    return wp_build_aws_auth(build, region, "bedrock-mantle");
}

const struct wp_provider_ops wp_mantle_ops = {
    .title = "Amazon Bedrock's Messages endpoint",
    .rules = "bedrock_mantle",
    .stream = WP_STREAM_SSE,
    .drops_billing_block = true,
    .relays_errors = true,
    .auth = auth,
    .build = build,
};
