// Target, headers, betas and credentials of an upstream request.
#include "provider/build.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/codec.h"
#include "json/doc.h"

enum { HEADER_VALUE_MAX = 64 * 1024 };

enum wp_err wp_build_fail(struct wp_build *build, enum wp_err err, const char *detail)
{
    build->detail = detail;
    return err;
}

// --- headers ----------------------------------------------------------------------------------

static struct wp_header *find_header(struct wp_headers *headers, wp_view name)
{
    if ((headers->names & wp_header_bit(name)) == 0)
        return NULL;
    for (size_t i = 0; i < headers->count; i++) {
        if (wp_view_eq_nocase(headers->list[i].name, name))
            return &headers->list[i];
    }
    return NULL;
}

static void replace_value(struct wp_upstream_request *out, struct wp_header *header, wp_view value)
{
    if (wp_view_eq(header->value, value))
        return;
    header->value = value;
    if ((size_t)(header - out->headers.list) < out->lines.count)
        out->lines = (struct wp_header_lines){0}; // they say something else now
}

void wp_build_set_header(struct wp_build *build, wp_view name, wp_view value)
{
    if (value.len == 0 || !wp_header_value_valid(value))
        return;
    struct wp_header *present = find_header(&build->out->headers, name);
    if (present != NULL)
        replace_value(build->out, present, value);
    else if (wp_headers_add(&build->out->headers, name, value) != WP_OK)
        build->no_memory = true;
}

// An open list on purpose: new anthropic-* fields must pass without a new release.
static bool is_protocol_header(wp_view name)
{
    switch (name.len == 0 ? 0 : name.ptr[0] | 0x20) {
    case 'a':
        return (wp_view_starts_with_nocase(name, WP_VIEW("anthropic-")) &&
                !wp_view_eq_nocase(name, WP_VIEW("anthropic-beta"))) ||
               wp_view_eq_nocase(name, WP_VIEW("accept"));
    case 'u':
        return wp_view_eq_nocase(name, WP_VIEW("user-agent"));
    case 'x':
        return wp_view_starts_with_nocase(name, WP_VIEW("x-claude-code-")) ||
               wp_view_starts_with_nocase(name, WP_VIEW("x-stainless-")) ||
               wp_view_eq_nocase(name, WP_VIEW("x-app"));
    default:
        return false;
    }
}

void wp_build_client_headers(struct wp_build *build)
{
    const struct wp_headers *client = build->input->client_headers;
    for (size_t i = 0; i < client->count; i++) {
        const struct wp_header *header = &client->list[i];
        if (is_protocol_header(header->name) && !wp_headers_in_connection(client, header->name))
            wp_build_set_header(build, header->name, header->value);
    }
}

// Framing and routing fields are the connection's, not the operator's.
static bool is_reserved(wp_view name)
{
    static const wp_view names[] = {
        {"host", 4},
        {"content-length", 14},
        {"transfer-encoding", 17},
        {"connection", 10},
        {"keep-alive", 10},
        {"upgrade", 7},
        {"te", 2},
        {"trailer", 7},
        {"content-type", 12},
        {"accept-encoding", 15},
        {"anthropic-beta", 14},
    };
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        if (wp_view_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

void wp_build_client_fields(struct wp_build *build)
{
    wp_build_client_headers(build);
    wp_build_header(build, "anthropic-beta", wp_build_beta_list(build));
}

wp_view wp_build_messages_path(enum wp_operation operation, bool below_anthropic)
{
    wp_view path = operation == WP_OP_COUNT_TOKENS ? WP_VIEW("/anthropic/v1/messages/count_tokens")
                                                   : WP_VIEW("/anthropic/v1/messages");
    return below_anthropic ? path : wp_view_skip(path, WP_VIEW("/anthropic").len);
}

wp_view wp_build_messages_base(wp_view base, bool below_anthropic)
{
    const wp_view tails[] = {WP_VIEW("/v1/messages"), WP_VIEW("/v1"), WP_VIEW("/anthropic")};
    while (wp_view_ends_with(base, WP_VIEW("/")))
        base.len--;
    for (size_t i = 0; i < WP_COUNT_OF(tails) - (below_anthropic ? 0 : 1); i++)
        if (wp_view_ends_with(base, tails[i]))
            base.len -= tails[i].len;
    return base;
}

void wp_build_extra_headers(struct wp_build *build)
{
    const struct wp_deployment_config *deployment = build->input->deployment;
    for (size_t i = 0; i < deployment->extra_header_count; i++) {
        const struct wp_name_value *extra = &deployment->extra_headers[i];
        if (!is_reserved(extra->name))
            wp_build_set_header(build, extra->name, extra->value);
    }
}

// --- betas ------------------------------------------------------------------------------------

bool wp_build_has_beta(const struct wp_build *build, wp_view name)
{
    for (size_t i = 0; i < build->beta_count; i++) {
        if (wp_view_eq(build->betas[i], name))
            return true;
    }
    return false;
}

void wp_build_add_beta(struct wp_build *build, wp_view name)
{
    if (name.len == 0 || wp_build_has_beta(build, name))
        return;
    if (build->beta_count < WP_BUILD_BETAS_MAX)
        build->betas[build->beta_count++] = name;
    else
        wp_build_drop(build, "beta", name);
}

static void add_beta_list(struct wp_build *build, wp_view list)
{
    wp_view name;
    while (wp_view_next_token(&list, ',', &name))
        wp_build_add_beta(build, wp_view_trim(name));
}

void wp_build_collect_betas(struct wp_build *build)
{
    const struct wp_headers *client = build->input->client_headers;
    for (size_t i = 0; i < client->count; i++) {
        if (wp_view_eq_nocase(client->list[i].name, WP_VIEW("anthropic-beta")))
            add_beta_list(build, client->list[i].value);
    }
    const struct wp_deployment_config *deployment = build->input->deployment;
    for (size_t i = 0; i < deployment->extra_header_count; i++) {
        if (wp_view_eq_nocase(deployment->extra_headers[i].name, WP_VIEW("anthropic-beta")))
            add_beta_list(build, deployment->extra_headers[i].value);
    }
}

void wp_build_unframe(struct wp_build *build)
{
    const struct wp_member *member = wp_request_member(build->input->request, "anthropic_beta");
    const struct wp_json_val *list =
        member == NULL ? NULL : wp_json_parse(build->arena, member->value);
    build->no_memory |= member != NULL && list == NULL; // the body is known to be valid
    for (size_t i = 0; i < wp_json_count(list); i++)
        wp_build_add_beta(build, wp_json_str(wp_json_at(list, i)));
    wp_build_remove_member(build, "anthropic_version");
    wp_build_remove_member(build, "anthropic_beta");
}

wp_view wp_build_beta_list(struct wp_build *build)
{
    if (build->beta_count == 0)
        return (wp_view){NULL, 0};
    wp_view parts[2 * WP_BUILD_BETAS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < build->beta_count; i++) {
        if (i > 0)
            parts[count++] = WP_VIEW(",");
        parts[count++] = build->betas[i];
    }
    wp_view list = wp_arena_concat(build->arena, parts, count);
    build->no_memory |= list.ptr == NULL;
    return list;
}

void wp_build_drop(struct wp_build *build, const char *kind, wp_view name)
{
    wp_view note = name.len == 0
                       ? wp_view_of(kind)
                       : wp_arena_printf(build->arena, "%s:%.*s", kind,
                                         (int)(name.len < 128 ? name.len : 128), name.ptr);
    if (note.ptr == NULL) {
        build->no_memory = true;
        return;
    }
    for (size_t i = 0; i < build->dropped_count; i++) {
        if (wp_view_eq(build->dropped[i], note))
            return;
    }
    if (build->dropped_count < WP_BUILD_DROPPED_MAX)
        build->dropped[build->dropped_count++] = note;
}

// --- AWS --------------------------------------------------------------------------------------

static bool is_region(wp_view region)
{
    for (size_t i = 0; i < region.len; i++) {
        char c = region.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return region.len > 0 && region.len <= 32;
}

enum wp_err wp_build_region(struct wp_build *build, wp_view *region)
{
    wp_view found = build->input->region;
    if (found.len == 0)
        found = build->input->deployment->aws.region;
    if (!is_region(found))
        return wp_build_fail(build, WP_ERR_CREDENTIALS,
                             "no valid AWS region: set aws_region_name or AWS_REGION");
    *region = found;
    return WP_OK;
}

// content-type and every x-amz-* field are signed; SigV4 forbids nothing else to go unsigned, and
// an unsigned user-agent survives proxies.
static size_t signed_headers(const struct wp_headers *headers, struct wp_header *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count && count < max; i++) {
        wp_view name = headers->list[i].name;
        if (wp_view_eq_nocase(name, WP_VIEW("content-type")) ||
            wp_view_starts_with_nocase(name, WP_VIEW("x-amz")))
            out[count++] = headers->list[i];
    }
    return count;
}

enum wp_err wp_build_sign(struct wp_build *build, wp_view region, const char *service)
{
    struct wp_upstream_request *out = build->out;
    struct wp_header chosen[32];
    wp_view target = out->target, path;
    (void)wp_view_next_token(&target, '?', &path);
    struct wp_sigv4_request request = {
        .method = WP_VIEW("POST"),
        .host = wp_headers_get(&out->headers, "host"),
        .path = path,
        .query = target,
        .headers = chosen,
        .header_count = signed_headers(&out->headers, chosen, WP_COUNT_OF(chosen)),
        .region = region,
        .service = wp_view_of(service),
        .wall_ms = build->input->wall_ms,
    };
    uint8_t digest[WP_SHA256_LEN];
    wp_sha256_spans(out->body.list, out->body.count, digest);
    wp_hex_encode(digest, sizeof(digest), request.payload_hash);
    return wp_sigv4_sign(&request, build->input->keys, &out->headers);
}

enum wp_err wp_build_aws_auth(struct wp_build *build, wp_view region, const char *service)
{
    const struct wp_provider_input *input = build->input;
    wp_view bearer =
        input->deployment->api_key.len > 0 ? input->deployment->api_key : input->bearer;
    if (bearer.len > 0) {
        const wp_view parts[] = {WP_VIEW("Bearer "), bearer};
        wp_view value = wp_arena_concat(build->arena, parts, 2);
        if (value.ptr == NULL)
            return WP_ERR_NO_MEMORY;
        wp_build_header(build, "authorization", value);
        return WP_OK;
    }
    if (input->keys == NULL || input->keys->access_key_id.len == 0)
        return wp_build_fail(build, WP_ERR_CREDENTIALS, "no AWS credentials");
    return wp_build_sign(build, region, service);
}
