// Vertex AI: rawPredict and streamRawPredict of Anthropic's models. The model stands
// in the URL, betas stay in the header, answers are the first-party form.
#include "provider/build.h"

#include "base/codec.h"

static const char version[] = "vertex-2023-10-16";

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    (void)deployment;
    return WP_AUTH_BEARER;
}

// global, the multi-regions us and eu, and regions have hosts of three kinds.
static wp_view endpoint(struct wp_build *build, wp_view location)
{
    if (wp_view_is(location, "global"))
        return WP_VIEW("https://aiplatform.googleapis.com");
    if (wp_view_is(location, "us") || wp_view_is(location, "eu"))
        return wp_arena_printf(build->arena, "https://aiplatform.%.*s.rep.googleapis.com",
                               WP_VIEW_ARG(location));
    return wp_arena_printf(build->arena, "https://%.*s-aiplatform.googleapis.com",
                           WP_VIEW_ARG(location));
}

static bool is_name(wp_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == ':';
        if (!ok)
            return false;
    }
    return text.len > 0;
}

static const char *method(const struct wp_provider_input *input)
{
    bool stream = input->operation == WP_OP_MESSAGES && input->request->stream;
    return stream ? "streamRawPredict" : "rawPredict";
}

// api_base may be the host, or LiteLLM's form with the whole path up to the model.
static enum wp_err set_target(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view project = input->deployment->vertex.project;
    wp_view location = input->deployment->vertex.location;
    if (location.len == 0)
        location = WP_VIEW("global");
    if (!is_name(project) || !is_name(location))
        return wp_build_fail(build, WP_ERR_CREDENTIALS,
                             "set vertex_project and vertex_location of the deployment");
    wp_view model = input->operation == WP_OP_COUNT_TOKENS
                        ? WP_VIEW("count-tokens")
                        : wp_aws_encode_segment(build->arena, input->upstream_model);
    wp_view path = wp_arena_printf(
        build->arena, "/v1/projects/%.*s/locations/%.*s/publishers/anthropic/models/%.*s:%s",
        WP_VIEW_ARG(project), WP_VIEW_ARG(location), WP_VIEW_ARG(model), method(input));
    wp_view fallback = endpoint(build, location);
    if (model.ptr == NULL || path.ptr == NULL || fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    return wp_build_target(build, input->deployment->api_base, fallback, path, (wp_view){NULL, 0});
}

static enum wp_err edit_body(struct wp_build *build)
{
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    if (build->input->operation == WP_OP_COUNT_TOKENS)
        wp_build_replace_model(build, build->input->upstream_model);
    else
        wp_build_remove_member(build, "model");
    wp_build_billing_block(build, &wp_vertex_ops);
    enum wp_err err = wp_build_adapt(build, &wp_vertex_ops);
    if (err != WP_OK)
        return err;
    wp_view member = wp_arena_printf(build->arena, "\"anthropic_version\":\"%s\"", version);
    if (member.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_splice_insert_first(&build->splice, build->object, member);
    return wp_build_finish_body(build);
}

static enum wp_err build(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view token = input->deployment->api_key.len > 0 ? input->deployment->api_key : input->bearer;
    if (token.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS, "no Google credentials");
    enum wp_err err = set_target(build);
    if (err == WP_OK)
        err = edit_body(build);
    if (err != WP_OK)
        return err;
    const wp_view parts[] = {WP_VIEW("Bearer "), token};
    wp_view authorization = wp_arena_concat(build->arena, parts, 2);
    if (authorization.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_build_header(build, "content-type", WP_VIEW("application/json"));
    wp_build_header(build, "accept", WP_VIEW("application/json"));
    wp_build_header(build, "accept-encoding", WP_VIEW("identity"));
    wp_build_client_headers(build);
    wp_build_header(build, "anthropic-beta", wp_build_beta_list(build));
    wp_build_extra_headers(build);
    wp_build_header(build, "authorization", authorization);
    return WP_OK;
}

const struct wp_provider_ops wp_vertex_ops = {
    .title = "Vertex AI",
    .rules = "vertex",
    .stream = WP_STREAM_SSE,
    .drops_billing_block = true,
    .relays_errors = true,
    .auth = auth,
    .build = build,
};
