// Dispatch over the platforms.
#include "provider/build.h"

static enum wp_auth_kind no_auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_API_KEY : WP_AUTH_NONE;
}

static const struct wp_provider_ops not_served = {
    .title = "This platform",
    .stream = WP_STREAM_SSE,
    .relays_errors = true,
    .auth = no_auth,
};

const struct wp_provider_ops *wp_provider_ops(enum wp_platform platform)
{
    static const struct wp_provider_ops *const table[WP_PLATFORM_COUNT] = {
        [WP_PLATFORM_ANTHROPIC] = &wp_anthropic_ops,
        [WP_PLATFORM_BEDROCK] = &wp_bedrock_ops,
        [WP_PLATFORM_BEDROCK_MESSAGES] = &wp_bedrock_messages_ops,
        [WP_PLATFORM_BEDROCK_MANTLE] = &wp_mantle_ops,
        [WP_PLATFORM_CLAUDE_AWS] = &wp_claude_aws_ops,
        [WP_PLATFORM_VERTEX] = &wp_vertex_ops,
        [WP_PLATFORM_AZURE] = &wp_azure_ops,
    };
    WP_CHECK((unsigned)platform < WP_PLATFORM_COUNT);
    return table[platform] == NULL ? &not_served : table[platform];
}

enum wp_auth_kind wp_provider_auth(const struct wp_deployment_config *deployment)
{
    return wp_provider_ops(deployment->platform)->auth(deployment);
}

static enum wp_err publish_dropped(struct wp_build *build)
{
    if (build->dropped_count == 0)
        return WP_OK;
    wp_view *list = wp_arena_array(build->arena, build->dropped_count, sizeof(*list));
    if (list == NULL)
        return WP_ERR_NO_MEMORY;
    memcpy(list, build->dropped, build->dropped_count * sizeof(*list));
    build->out->dropped = list;
    build->out->dropped_count = build->dropped_count;
    return WP_OK;
}

enum wp_err wp_provider_build(const struct wp_provider_input *input, struct wp_arena *arena,
                              struct wp_upstream_request *out, const char **detail)
{
    const struct wp_provider_ops *ops = wp_provider_ops(input->deployment->platform);
    *out = (struct wp_upstream_request){0};
    *detail = NULL;
    if (ops->build == NULL) {
        *detail = "requests to this platform are not supported";
        return WP_ERR_NOT_SUPPORTED;
    }
    wp_view betas[WP_BUILD_BETAS_MAX], dropped[WP_BUILD_DROPPED_MAX]; // not zeroed: mostly unused
    struct wp_build build = {
        .input = input,
        .betas = betas,
        .dropped = dropped,
        .arena = arena,
        .out = out,
        .object = wp_view_trim(input->request->body),
    };
    wp_headers_init(&out->headers, arena);
    wp_splice_init(&build.splice, arena, input->request->body);
    enum wp_err err = ops->build(&build);
    if (err == WP_OK && build.no_memory)
        err = WP_ERR_NO_MEMORY;
    if (err == WP_OK)
        err = publish_dropped(&build);
    *detail = err == WP_OK ? NULL : build.detail;
    return err;
}

struct wp_call_request wp_upstream_call(const struct wp_upstream_request *upstream)
{
    return (struct wp_call_request){
        .tls = upstream->tls,
        .host = upstream->host,
        .port = upstream->port,
        .method = WP_VIEW("POST"),
        .target = upstream->target,
        .headers = upstream->headers.list,
        .header_count = upstream->headers.count,
        .lines = upstream->lines,
        .body = upstream->body.list,
        .body_count = upstream->body.count,
        .retry_stale = true,
    };
}
