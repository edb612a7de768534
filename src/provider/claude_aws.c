// Claude Platform on AWS: the first-party API behind AWS credentials, with a workspace. Nothing is
// filtered.
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_API_KEY : WP_AUTH_SIGV4;
}

static enum wp_err set_target(struct wp_build *build, wp_view region)
{
    wp_view fallback = wp_arena_printf(build->arena, "https://aws-external-anthropic.%.*s.api.aws",
                                       WP_VIEW_ARG(region));
    if (fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    return wp_build_target(build, build->input->deployment->api_base, fallback,
                           wp_build_messages_path(build->input->operation, false),
                           build->input->client_query);
}

static void set_headers(struct wp_build *build)
{
    wp_build_messages_headers(build);
    wp_build_client_fields(build);
    wp_build_header(build, "anthropic-workspace-id", build->input->deployment->aws.project_id);
    wp_build_extra_headers(build);
}

static enum wp_err build(struct wp_build *build)
{
    wp_view region;
    enum wp_err err = wp_build_region(build, &region);
    if (err == WP_OK)
        err = set_target(build, region);
    if (err != WP_OK)
        return err;
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    wp_build_replace_model(build, build->input->upstream_model);
    wp_build_markers(build, WP_MARKERS_TTL | WP_MARKERS_TOP);
    wp_build_billing_block(build, &wp_claude_aws_ops);
    err = wp_build_adapt_alias(build, &wp_claude_aws_ops);
    if (err == WP_OK)
        err = wp_build_finish_body(build);
    if (err != WP_OK)
        return err;
    set_headers(build);
    if (!wp_headers_has(&build->out->headers, "anthropic-workspace-id"))
        return wp_build_fail(build, WP_ERR_CREDENTIALS,
                             "no workspace: set extra_headers.anthropic-workspace-id");
    wp_view key = build->input->deployment->api_key;
    if (key.len > 0) {
        wp_build_header(build, "x-api-key", key);
        return build->no_memory ? WP_ERR_NO_MEMORY : WP_OK;
    }
    return wp_build_aws_auth(build, region, "aws-external-anthropic");
}

const struct wp_provider_ops wp_claude_aws_ops = {
    .title = "Claude Platform on AWS",
    .stream = WP_STREAM_SSE,
    .drops_billing_block = true,
    .relays_errors = true,
    .auth = auth,
    .build = build,
};
