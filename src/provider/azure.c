// Claude in Microsoft Foundry: the first-party protocol below /anthropic (wire.md 3.9). The model
// is the name of the Foundry deployment.
#include "provider/build.h"

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_API_KEY : WP_AUTH_NONE;
}

// api_base as LiteLLM's users write it: the resource, with or without the path below it.
static wp_view base_url(wp_view base)
{
    static const wp_view tails[] = {{"/v1/messages", 12}, {"/v1", 3}, {"/anthropic", 10}};
    while (wp_view_ends_with(base, WP_VIEW("/")))
        base.len--;
    for (size_t i = 0; i < WP_COUNT_OF(tails); i++)
        if (wp_view_ends_with(base, tails[i]))
            base.len -= tails[i].len;
    return base;
}

static enum wp_err build(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view path = input->operation == WP_OP_COUNT_TOKENS
                       ? WP_VIEW("/anthropic/v1/messages/count_tokens")
                       : WP_VIEW("/anthropic/v1/messages");
    wp_view key = input->deployment->api_key;
    if (input->deployment->api_base.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS,
                             "set api_base: https://RESOURCE.services.ai.azure.com");
    if (key.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS, "the deployment has no api_key");
    enum wp_err err = wp_build_target(build, base_url(input->deployment->api_base), WP_VIEW(""),
                                      path, input->client_query);
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
    wp_build_header(build, "content-type", WP_VIEW("application/json"));
    wp_build_header(build, "accept", WP_VIEW("application/json"));
    wp_build_header(build, "accept-encoding", WP_VIEW("identity"));
    wp_build_header(build, "anthropic-version", WP_VIEW("2023-06-01"));
    wp_build_client_headers(build);
    wp_build_header(build, "anthropic-beta", wp_build_beta_list(build));
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
    .build = build,
};
