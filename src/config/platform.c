#include "config/private.h"

const char *wp_platform_name(enum wp_platform platform)
{
    static const char *const names[WP_PLATFORM_COUNT] = {
        "anthropic",  "bedrock",   "bedrock_messages", "bedrock_mantle",
        "claude_aws", "vertex_ai", "azure_ai",         "openai"};
    return (unsigned)platform < WP_PLATFORM_COUNT ? names[platform] : "unknown";
}

bool wp_platform_is_aws(enum wp_platform platform)
{
    return platform == WP_PLATFORM_BEDROCK || platform == WP_PLATFORM_BEDROCK_MESSAGES ||
           platform == WP_PLATFORM_BEDROCK_MANTLE || platform == WP_PLATFORM_CLAUDE_AWS;
}

static bool cut_prefix(wp_view *model, const char *prefix)
{
    if (!wp_view_starts_with(*model, wp_view_of(prefix)))
        return false;
    *model = wp_view_skip(*model, strlen(prefix));
    return true;
}

// "us-west-2/anthropic.claude…": the region before the id.
static void cut_region(struct wp_deployment_config *deployment, wp_view *model)
{
    size_t slash = wp_view_find_char(*model, '/');
    wp_view head = wp_view_sub(*model, 0, slash);
    size_t dash = wp_view_find_char(head, '-');
    bool looks = slash != WP_NOT_FOUND && dash != WP_NOT_FOUND && head.len >= 9 && head.len <= 16 &&
                 head.ptr[head.len - 1] >= '0' && head.ptr[head.len - 1] <= '9' &&
                 wp_view_find_char(head, '.') == WP_NOT_FOUND;
    if (!looks)
        return;
    if (deployment->aws.region.len == 0)
        deployment->aws.region = head;
    *model = wp_view_skip(*model, slash + 1);
}

// arn:aws:bedrock:REGION:ACCOUNT:…
static void region_of_arn(struct wp_deployment_config *deployment, wp_view arn)
{
    wp_view rest = arn, part = {NULL, 0};
    if (!wp_view_starts_with(arn, WP_VIEW("arn:")) || deployment->aws.region.len > 0)
        return;
    for (int i = 0; i < 4; i++)
        wp_view_next_token(&rest, ':', &part);
    deployment->aws.region = part;
}

static bool bedrock(struct wp_deployment_config *deployment, wp_view model)
{
    deployment->platform = WP_PLATFORM_BEDROCK;
    if (cut_prefix(&model, "messages/"))
        deployment->platform = WP_PLATFORM_BEDROCK_MESSAGES;
    else if (cut_prefix(&model, "mantle/"))
        deployment->platform = WP_PLATFORM_BEDROCK_MANTLE;
    else if (cut_prefix(&model, "claude_platform/"))
        deployment->platform = WP_PLATFORM_CLAUDE_AWS;
    else if (!cut_prefix(&model, "converse/") && !cut_prefix(&model, "invoke/"))
        cut_prefix(&model, "converse_like/");
    cut_region(deployment, &model);
    region_of_arn(deployment, model);
    region_of_arn(deployment, deployment->model_id);
    deployment->upstream_model = model;
    return true;
}

static bool is_bedrock_id(wp_view model)
{
    static const char *const prefixes[] = {"us.",     "eu.",     "apac.",   "jp.",
                                           "au.",     "us-gov.", "global.", "anthropic.",
                                           "arn:aws", "amazon."};
    for (size_t i = 0; i < WP_COUNT_OF(prefixes); i++)
        if (wp_view_starts_with(model, wp_view_of(prefixes[i])))
            return true;
    return false;
}

bool wp_config_platform(struct wp_arena *arena, struct wp_deployment_config *deployment,
                        wp_view provider)
{
    static const struct {
        const char *prefix, *provider;
        enum wp_platform platform;
    } rows[] = {{"anthropic/", "anthropic", WP_PLATFORM_ANTHROPIC},
                {"vertex_ai/", "vertex_ai", WP_PLATFORM_VERTEX},
                {"azure_ai/", "azure_ai", WP_PLATFORM_AZURE},
                {"openai/", "openai", WP_PLATFORM_OPENAI}};
    wp_view model = deployment->model;
    (void)arena;
    if (cut_prefix(&model, "bedrock/") || wp_view_is(provider, "bedrock") ||
        wp_view_is(provider, "bedrock_converse"))
        return bedrock(deployment, model);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        if (!cut_prefix(&model, rows[i].prefix) && !wp_view_is(provider, rows[i].provider))
            continue;
        deployment->platform = rows[i].platform;
        deployment->upstream_model = model;
        return true;
    }
    if (is_bedrock_id(model))
        return bedrock(deployment, model);
    deployment->platform = WP_PLATFORM_ANTHROPIC;
    deployment->upstream_model = model;
    return wp_view_starts_with(model, WP_VIEW("claude"));
}
