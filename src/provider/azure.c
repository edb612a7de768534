// Claude in Microsoft Foundry: the first-party protocol below /anthropic. The model
// is the name of the Foundry deployment.
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_API_KEY : WP_AUTH_NONE;
}

static enum wp_err prepare(const struct wp_deployment_config *deployment, struct wp_arena *arena,
                           struct wp_endpoint *out)
{
    wp_view base = wp_build_messages_base(deployment->api_base, true);
    enum wp_err err = wp_endpoint_destinations(out, arena, base, true);
    return err == WP_OK ? wp_endpoint_messages_headers(out) : err;
}

static enum wp_err build(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view key = input->deployment->api_key;
    if (input->deployment->api_base.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS,
                             "set api_base: https://RESOURCE.services.ai.azure.com");
    if (key.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS, "the deployment has no api_key");
    enum wp_err err = wp_build_destination(build);
    if (err == WP_OK)
        err = wp_build_begin_headers(build);
    if (err != WP_OK)
        return err;
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    wp_build_replace_model(build, build->input->upstream_model);
    wp_build_billing_block(build, &wp_azure_ops);
    err = wp_build_adapt(build, &wp_azure_ops);
    if (err == WP_OK)
        err = wp_build_finish_body(build);
    if (err != WP_OK)
        return err;
    wp_build_client_fields(build);
    wp_build_extra_headers(build);
    wp_build_header(build, "x-api-key", key);
    return WP_OK;
}

const struct wp_provider_ops wp_azure_ops = {
    .title = "Microsoft Foundry",
    .rules = "azure",
    .stream = WP_STREAM_SSE,
    .drops_billing_block = true,
    .relays_errors = true,
    .auth = auth,
    .prepare = prepare,
    .build = build,
};
