// Amazon Bedrock, InvokeModel and InvokeModelWithResponseStream on bedrock-runtime, and
// CountTokens.
#include "provider/build.h"

#include "base/buf.h"
#include "base/codec.h"
#include "json/doc.h"
#include "json/writer.h"

static const char version_2023[] = "bedrock-2023-05-31";
static const char version_2026[] = "2026-10-21";

enum { BETA_MEMBER_MAX = 64 * 1024, COUNT_BODY_MAX = 64 * 1024 * 1024 };

static enum wp_auth_kind auth(const struct wp_deployment_config *deployment)
{
    return deployment->api_key.len > 0 ? WP_AUTH_BEARER : WP_AUTH_SIGV4;
}

// --- target

static wp_view endpoint(struct wp_build *build, wp_view region)
{
    bool china = wp_view_starts_with(region, WP_VIEW("cn-"));
    return wp_arena_printf(build->arena, "https://bedrock-runtime.%.*s.amazonaws.com%s",
                           WP_VIEW_ARG(region), china ? ".cn" : "");
}

static const char *action(const struct wp_provider_input *input)
{
    if (input->operation == WP_OP_COUNT_TOKENS)
        return "count-tokens";
    return input->request->stream ? "invoke-with-response-stream" : "invoke";
}

static enum wp_err set_target(struct wp_build *build, wp_view region)
{
    const struct wp_deployment_config *deployment = build->input->deployment;
    wp_view id = deployment->model_id.len > 0 ? deployment->model_id : build->input->upstream_model;
    wp_view segment = wp_aws_encode_segment(build->arena, id);
    wp_view fallback = endpoint(build, region);
    if (segment.ptr == NULL || fallback.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_view path =
        wp_arena_printf(build->arena, "/model/%.*s/%s", WP_VIEW_ARG(segment), action(build->input));
    if (path.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    wp_view base = deployment->aws.runtime_endpoint.len > 0 ? deployment->aws.runtime_endpoint
                                                            : deployment->api_base;
    return wp_build_target(build, base, fallback, path, (wp_view){NULL, 0});
}

// --- body

// The new version only where the client speaks it and the model takes it: models with a date in
// their id answer 400 to it.
static const char *version(const struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    wp_view asked = wp_headers_get(input->client_headers, "anthropic-version");
    const struct wp_member *member = wp_request_member(input->request, "anthropic_version");
    bool wanted = wp_view_is(asked, version_2026) ||
                  (member != NULL && wp_view_is(member->value, "\"2026-10-21\""));
    return wanted && input->model != NULL && input->model->anthropic_version_2026 ? version_2026
                                                                                  : version_2023;
}

// CountTokens checks the body as InvokeModel does: max_tokens is required, and must exceed a
// thinking budget.
static uint64_t count_max_tokens(struct wp_build *build)
{
    wp_view text = build->input->request->thinking;
    if (text.len == 0)
        return 1;
    const struct wp_json_val *thinking = wp_json_parse(build->arena, text);
    build->no_memory |= thinking == NULL; // the body is known to be valid
    return wp_json_u64(wp_json_get(thinking, "budget_tokens"), 0) + 1;
}

static void insert_members(struct wp_build *build)
{
    struct wp_buf text = wp_buf_make(BETA_MEMBER_MAX);
    wp_buf_printf(&text, "\"anthropic_version\":\"%s\"", version(build));
    if (build->beta_count > 0)
        wp_buf_append_cstring(&text, ",\"anthropic_beta\":[");
    for (size_t i = 0; i < build->beta_count; i++) {
        if (i > 0)
            wp_buf_append_char(&text, ',');
        wp_json_append_string(&text, build->betas[i]);
    }
    if (build->beta_count > 0)
        wp_buf_append_char(&text, ']');
    if (build->input->operation == WP_OP_COUNT_TOKENS && !build->input->request->has_max_tokens)
        wp_buf_printf(&text, ",\"max_tokens\":%llu", (unsigned long long)count_max_tokens(build));
    wp_view copy =
        wp_buf_ok(&text) ? wp_arena_copy(build->arena, wp_buf_view(&text)) : (wp_view){NULL, 0};
    wp_buf_free(&text);
    if (copy.ptr == NULL)
        build->no_memory = true;
    else
        wp_splice_insert_first(&build->splice, build->object, copy);
}

static enum wp_err edit_body(struct wp_build *build)
{
    wp_build_collect_betas(build);
    wp_build_unframe(build);
    wp_build_remove_member(build, "model");
    wp_build_remove_member(build, "stream");
    wp_build_billing_block(build, &wp_bedrock_ops);
    enum wp_err err = wp_build_adapt(build, &wp_bedrock_ops);
    if (err != WP_OK)
        return err;
    insert_members(build);
    return wp_build_finish_body(build);
}

// {"input":{"invokeModel":{"body":"<base64 of the body>"}}}
static enum wp_err wrap_count_body(struct wp_build *build)
{
    const struct wp_spans *inner = &build->out->body;
    struct wp_buf joined = wp_buf_make(COUNT_BODY_MAX), wrapped = wp_buf_make(COUNT_BODY_MAX);
    for (size_t i = 0; i < inner->count; i++)
        wp_buf_append(&joined, inner->list[i]);
    wp_buf_append_cstring(&wrapped, "{\"input\":{\"invokeModel\":{\"body\":\"");
    wp_base64_append(&wrapped, wp_buf_view(&joined));
    wp_buf_append_cstring(&wrapped, "\"}}}");
    wp_view *span = WP_ARENA_NEW(build->arena, wp_view);
    if (span != NULL && wp_buf_ok(&joined) && wp_buf_ok(&wrapped))
        *span = wp_arena_copy(build->arena, wp_buf_view(&wrapped));
    wp_buf_free(&joined);
    wp_buf_free(&wrapped);
    if (span == NULL || span->ptr == NULL)
        return WP_ERR_NO_MEMORY;
    build->out->body = (struct wp_spans){.list = span, .count = 1, .total = span->len};
    return WP_OK;
}

// --- request

static void set_headers(struct wp_build *build)
{
    bool stream = build->input->operation == WP_OP_MESSAGES && build->input->request->stream;
    wp_build_header(build, "content-type", WP_VIEW("application/json"));
    wp_build_header(build, "accept",
                    stream ? WP_VIEW("application/vnd.amazon.eventstream")
                           : WP_VIEW("application/json"));
    if (stream)
        wp_build_header(build, "x-amzn-bedrock-accept", WP_VIEW("application/json"));
    wp_build_header(build, "accept-encoding", WP_VIEW("identity"));
    wp_build_header(build, "user-agent", WP_VIEW("warmpath/" WP_VERSION));
    wp_build_extra_headers(build);
}

static enum wp_err build(struct wp_build *build)
{
    wp_view region;
    enum wp_err err = wp_build_region(build, &region);
    if (err == WP_OK)
        err = set_target(build, region);
    if (err == WP_OK)
        err = edit_body(build);
    if (err == WP_OK && build->input->operation == WP_OP_COUNT_TOKENS)
        err = wrap_count_body(build);
    if (err != WP_OK)
        return err;
    set_headers(build);
    return wp_build_aws_auth(build, region, "bedrock");
}

const struct wp_provider_ops wp_bedrock_ops = {
    .title = "Amazon Bedrock",
    .rules = "bedrock",
    .stream = WP_STREAM_EVENT_STREAM,
    .drops_billing_block = true,
    .auth = auth,
    .build = build,
};
