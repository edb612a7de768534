// The Messages API of Amazon Bedrock: Anthropic's JSON and SSE behind AWS credentials, on two
// hosts. bedrock-runtime has it below /anthropic for models that an inference profile names;
// bedrock-mantle is an endpoint of its own, with ids and a signature of its own.
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_BEARER : WP_AUTH_SIGV4;
}

static wp_view configured_base(const struct wp_deployment_config *deployment)
{
    return deployment->aws.runtime_endpoint.len > 0 ? deployment->aws.runtime_endpoint
                                                    : deployment->api_base;
}

static enum wp_err edit_body(struct wp_build *build, const struct wp_provider_ops *ops,
                             wp_view model)
{
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    wp_build_replace_model(build, model);
    wp_build_billing_block(build, ops);
    enum wp_err err = wp_build_adapt(build, ops);
    return err != WP_OK ? err : wp_build_finish_body(build);
}

// --- bedrock-runtime

static enum wp_err runtime_target(struct wp_build *build, wp_view region)
{
    bool china = wp_view_starts_with(region, WP_VIEW("cn-"));
    wp_view fallback = wp_arena_printf(build->arena, "https://bedrock-runtime.%.*s.amazonaws.com%s",
                                       WP_VIEW_ARG(region), china ? ".cn" : "");
    if (fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_view base = wp_build_messages_base(configured_base(build->input->deployment), true);
    return wp_build_target(build, base, fallback,
                           wp_build_messages_path(build->input->operation, true),
                           build->input->client_query);
}

static enum wp_err build_runtime(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view region, id = input->deployment->model_id;
    enum wp_err err = wp_build_region(build, &region);
    if (err == WP_OK)
        err = runtime_target(build, region);
    if (err == WP_OK)
        err = edit_body(build, &wp_bedrock_messages_ops, id.len > 0 ? id : input->upstream_model);
    if (err != WP_OK)
        return err;
    wp_build_messages_headers(build);
    wp_build_client_fields(build);
    wp_build_extra_headers(build);
    return wp_build_aws_auth(build, region, "bedrock");
}

const struct wp_provider_ops wp_bedrock_messages_ops = {
    .title = "Amazon Bedrock's Messages route",
    .rules = "bedrock_messages",
    .stream = WP_STREAM_SSE,
    .drops_billing_block = true,
    .relays_errors = true,
    .auth = auth,
    .build = build_runtime,
};

// --- bedrock-mantle

static enum wp_err mantle_target(struct wp_build *build, wp_view region)
{
    wp_view fallback = wp_arena_printf(
        build->arena, "https://bedrock-mantle.%.*s.api.aws/anthropic", WP_VIEW_ARG(region));
    if (fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    return wp_build_target(build, configured_base(build->input->deployment), fallback,
                           wp_build_messages_path(build->input->operation, false),
                           build->input->client_query);
}

static enum wp_err build_mantle(struct wp_build *build)
{
    wp_view region;
    enum wp_err err = wp_build_region(build, &region);
    if (err == WP_OK)
        err = mantle_target(build, region);
    if (err == WP_OK)
        err = edit_body(build, &wp_mantle_ops, build->input->upstream_model);
    if (err != WP_OK)
        return err;
    wp_build_messages_headers(build);
    wp_build_client_fields(build);
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
    .build = build_mantle,
};
