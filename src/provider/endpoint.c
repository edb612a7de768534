// Where a deployment's requests go and what they begin with: made once, or for each request where
// the platform needs more than the configuration says.
#include "provider/build.h"

static const char no_url[] = "api_base is not an http(s) URL";

// --- destination ------------------------------------------------------------------------------

// host.ptr NULL: `base` is no URL.
static enum wp_err make_destination(struct wp_arena *arena, wp_view base, wp_view path,
                                    struct wp_destination *out)
{
    struct wp_url url;
    *out = (struct wp_destination){0};
    if (!wp_url_parse(wp_view_trim(base), &url))
        return WP_OK;
    const wp_view target[] = {url.path, path};
    const wp_view api_base[] = {url.tls ? WP_VIEW("https://") : WP_VIEW("http://"), url.authority,
                                url.path, path};
    *out = (struct wp_destination){
        .tls = url.tls,
        .host = url.host,
        .port = url.port,
        .authority = url.authority,
        .target = wp_arena_concat(arena, target, WP_COUNT_OF(target)),
        .api_base = wp_arena_concat(arena, api_base, WP_COUNT_OF(api_base)),
    };
    return out->target.ptr == NULL || out->api_base.ptr == NULL ? WP_ERR_NO_MEMORY : WP_OK;
}

static enum wp_err take_destination(struct wp_build *build, const struct wp_destination *to,
                                    wp_view query)
{
    struct wp_upstream_request *out = build->out;
    const wp_view with_query[] = {to->target, WP_VIEW("?"), query};
    if (to->host.ptr == NULL)
        return wp_build_fail(build, WP_ERR_INTERNAL, no_url);
    out->tls = to->tls;
    out->host = to->host;
    out->port = to->port;
    out->api_base = to->api_base;
    out->target = query.len == 0 ? to->target : wp_arena_concat(build->arena, with_query, 3);
    return out->target.ptr == NULL ? WP_ERR_NO_MEMORY : WP_OK;
}

enum wp_err wp_build_target(struct wp_build *build, wp_view base, wp_view fallback, wp_view path,
                            wp_view query)
{
    struct wp_destination to;
    enum wp_err err = make_destination(build->arena, base.len > 0 ? base : fallback, path, &to);
    if (err == WP_OK)
        err = take_destination(build, &to, query);
    if (err == WP_OK)
        wp_build_header(build, "host", to.authority);
    return err;
}

enum wp_err wp_build_destination(struct wp_build *build)
{
    const struct wp_provider_input *input = build->input;
    build->out->api_base_stays = true;
    return take_destination(build, &input->endpoint->destinations[input->operation],
                            input->client_query);
}

// --- fields -----------------------------------------------------------------------------------

static const struct wp_header messages_headers[] = {
    {{"content-type", 12}, {"application/json", 16}},
    {{"accept", 6}, {"application/json", 16}},
    {{"accept-encoding", 15}, {"identity", 8}},
    {{"anthropic-version", 17}, {"2023-06-01", 10}},
};

void wp_build_messages_headers(struct wp_build *build)
{
    for (size_t i = 0; i < WP_COUNT_OF(messages_headers); i++)
        wp_build_set_header(build, messages_headers[i].name, messages_headers[i].value);
}

// --- what is made beforehand ------------------------------------------------------------------

struct wp_endpoint *wp_provider_prepare(const struct wp_deployment_config *deployment,
                                        struct wp_arena *arena)
{
    const struct wp_provider_ops *ops = wp_provider_ops(deployment->platform);
    struct wp_endpoint *endpoint = WP_ARENA_NEW(arena, struct wp_endpoint);
    if (endpoint == NULL)
        return NULL;
    wp_headers_init(&endpoint->headers, arena);
    if (ops->prepare != NULL && ops->prepare(deployment, arena, endpoint) != WP_OK)
        return NULL;
    endpoint->lines = wp_header_lines_make(arena, endpoint->headers.list, endpoint->headers.count);
    return endpoint->lines.text.ptr == NULL ? NULL : endpoint;
}

enum wp_err wp_endpoint_destinations(struct wp_endpoint *endpoint, struct wp_arena *arena,
                                     wp_view base, bool below_anthropic)
{
    enum wp_err err = WP_OK;
    for (int i = 0; i < WP_OPERATION_COUNT && err == WP_OK; i++)
        err = make_destination(arena, base,
                               wp_build_messages_path((enum wp_operation)i, below_anthropic),
                               &endpoint->destinations[i]);
    return err == WP_OK ? wp_endpoint_header(endpoint, "host", endpoint->destinations[0].authority)
                        : err;
}

enum wp_err wp_endpoint_header(struct wp_endpoint *endpoint, const char *name, wp_view value)
{
    if (value.len == 0 || !wp_header_value_valid(value))
        return WP_OK;
    return wp_headers_add(&endpoint->headers, wp_view_of(name), value);
}

enum wp_err wp_endpoint_messages_headers(struct wp_endpoint *endpoint)
{
    enum wp_err err = WP_OK;
    for (size_t i = 0; i < WP_COUNT_OF(messages_headers) && err == WP_OK; i++)
        err =
            wp_headers_add(&endpoint->headers, messages_headers[i].name, messages_headers[i].value);
    return err;
}

enum wp_err wp_build_begin_headers(struct wp_build *build)
{
    enum { MORE = 8 }; // the gateway's own that follow, mostly
    const struct wp_provider_input *input = build->input;
    struct wp_upstream_request *out = build->out;
    out->lines = input->endpoint->lines;
    return wp_headers_copy(&out->headers, &input->endpoint->headers,
                           input->client_headers->count + MORE);
}
