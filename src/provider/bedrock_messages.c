// The Messages API of Amazon Bedrock: Anthropic's JSON and SSE behind AWS credentials, on two hosts
// (wire.md 3.3). bedrock-runtime has it below /anthropic for models that an inference profile
// names; bedrock-mantle is an endpoint of its own, with ids and a signature of its own.
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_BEARER : WP_AUTH_SIGV4;
}

static bool is_counting(const struct wp_build *build)
{
    return build->input->operation == WP_OP_COUNT_TOKENS;
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

static void set_headers(struct wp_build *build)
{
    wp_build_header(build, "content-type", WP_VIEW("application/json"));
    wp_build_header(build, "accept", WP_VIEW("application/json"));
    wp_build_header(build, "accept-encoding", WP_VIEW("identity"));
    wp_build_header(build, "anthropic-version", WP_VIEW("2023-06-01"));
    wp_build_client_headers(build);
    wp_build_header(build, "anthropic-beta", wp_build_beta_list(build));
}

// --- bedrock-runtime

// The endpoint as AWS's own variables name it, the host, or with the path that SDKs want below it.
static wp_view runtime_base(wp_view base)
{
    static const wp_view tails[] = {{"/v1/messages", 12}, {"/v1", 3}, {"/anthropic", 10}};
    while (wp_view_ends_with(base, WP_VIEW("/")))
        base.len--;
    for (size_t i = 0; i < WP_COUNT_OF(tails); i++)
        if (wp_view_ends_with(base, tails[i]))
            base.len -= tails[i].len;
    return base;
}

static enum wp_err runtime_target(struct wp_build *build, wp_view region)
{
    bool china = wp_view_starts_with(region, WP_VIEW("cn-"));
    wp_view fallback = wp_arena_printf(build->arena, "https://bedrock-runtime.%.*s.amazonaws.com%s",
                                       WP_VIEW_ARG(region), china ? ".cn" : "");
    if (fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_view path = is_counting(build) ? WP_VIEW("/anthropic/v1/messages/count_tokens")
                                      : WP_VIEW("/anthropic/v1/messages");
    return wp_build_target(build, runtime_base(configured_base(build->input->deployment)), fallback,
                           path, build->input->client_query);
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
    set_headers(build);
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
    wp_view path =
        is_counting(build) ? WP_VIEW("/v1/messages/count_tokens") : WP_VIEW("/v1/messages");
    return wp_build_target(build, configured_base(build->input->deployment), fallback, path,
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
    set_headers(build);
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
