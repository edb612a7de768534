// Roles, assumed one after another at the Security Token Service.
#include <stdio.h>
#include <stdlib.h>

#include "aws/private.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/url.h"

enum { STS_MS = 10000, TOKEN_MAX = 16 * 1024 };

// Text between <tag> and </tag>; the answer's only element of that name.
static wp_view element(wp_view xml, const char *tag)
{
    char open[64], close[64];
    snprintf(open, sizeof(open), "<%s>", tag);
    snprintf(close, sizeof(close), "</%s>", tag);
    size_t from = wp_view_find(xml, wp_view_of(open));
    wp_view rest = from == WP_NOT_FOUND ? WP_VIEW("") : wp_view_skip(xml, from + strlen(open));
    size_t to = wp_view_find(rest, wp_view_of(close));
    return to == WP_NOT_FOUND ? (wp_view){NULL, 0} : wp_view_sub(rest, 0, to);
}

static void answered(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    const char *arn = fetch->roles[fetch->role_count].arn;
    wp_view xml = wp_buf_view(&fetch->common.answer);
    wp_view id = element(xml, "AccessKeyId"), secret = element(xml, "SecretAccessKey");
    if (fetch->common.status == 0) {
        wp_fetch_fail(&fetch->common, "STS could not be asked for the role %s: %s", arn,
                      fetch->common.call_error);
    } else if (fetch->common.status != 200 || id.len == 0 || secret.len == 0) {
        wp_fetch_fail(&fetch->common,
                      "STS refused the role %s with %d %.*s; check its trust policy", arn,
                      fetch->common.status, WP_VIEW_ARG(wp_view_sub(element(xml, "Code"), 0, 80)));
    } else {
        wp_aws_set_keys(fetch, id, secret, element(xml, "SessionToken"));
        if (!wp_parse_time(element(xml, "Expiration"), &fetch->keys.expires_ms))
            fetch->keys.expires_ms = wp_wall_ms() + 3600 * 1000LL;
    }
    wp_aws_next_role(fetch);
}

static void form_field(struct wp_buf *out, const char *name, wp_view value)
{
    if (value.len == 0)
        return;
    wp_buf_printf(out, "&%s=", name);
    wp_percent_append(out, value, false);
}

static bool read_token(struct wp_aws_fetch *fetch, const struct wp_aws_role *role, wp_view *out)
{
    struct wp_buf text = wp_buf_make(TOKEN_MAX);
    if (wp_file_read(role->web_token_file, &text))
        *out = wp_arena_copy(fetch->common.arena, wp_view_trim(wp_buf_view(&text)));
    wp_buf_free(&text);
    return out->len > 0;
}

static wp_view region_for_sts(const struct wp_aws_fetch *fetch)
{
    const char *env = getenv("AWS_REGION");
    if (fetch->source->config.region.len > 0)
        return fetch->source->config.region;
    if (fetch->region[0] != '\0')
        return wp_view_of(fetch->region);
    return env != NULL ? wp_view_of(env) : WP_VIEW("us-east-1");
}

static wp_view sts_endpoint(struct wp_aws_fetch *fetch)
{
    const char *own = getenv("AWS_ENDPOINT_URL_STS"), *any = getenv("AWS_ENDPOINT_URL");
    if (fetch->source->config.sts_endpoint.len > 0)
        return fetch->source->config.sts_endpoint;
    if (own != NULL || any != NULL)
        return wp_view_of(own != NULL ? own : any);
    return wp_arena_printf(fetch->common.arena, "https://sts.%.*s.amazonaws.com",
                           WP_VIEW_ARG(region_for_sts(fetch)));
}

static bool build_form(struct wp_aws_fetch *fetch, const struct wp_aws_role *role)
{
    struct wp_buf form = wp_buf_make(64 * 1024);
    wp_view token = {NULL, 0};
    bool web = role->web_token_file[0] != '\0';
    if (web && !read_token(fetch, role, &token)) {
        wp_fetch_fail(&fetch->common, "the web identity token file %s cannot be read",
                      role->web_token_file);
        return false;
    }
    wp_buf_printf(&form, "Action=%s&Version=2011-06-15",
                  web ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    form_field(&form, "RoleArn", wp_view_of(role->arn));
    form_field(&form, "RoleSessionName", wp_view_of(role->session));
    form_field(&form, "WebIdentityToken", token);
    if (!web)
        form_field(&form, "ExternalId", wp_view_of(role->external_id));
    wp_buf_printf(&form, "&DurationSeconds=%u", role->duration_s);
    fetch->common.body = wp_buf_ok(&form) ? wp_arena_copy(fetch->common.arena, wp_buf_view(&form))
                                          : (wp_view){NULL, 0};
    wp_buf_free(&form);
    return fetch->common.body.ptr != NULL;
}

static enum wp_err build_headers(struct wp_aws_fetch *fetch, const struct wp_aws_role *role,
                                 const struct wp_url *url, wp_view region)
{
    const struct wp_header type = {WP_VIEW("content-type"),
                                   WP_VIEW("application/x-www-form-urlencoded; charset=utf-8")};
    struct wp_sigv4_request request = {.method = WP_VIEW("POST"),
                                       .host = url->authority,
                                       .path = WP_VIEW("/"),
                                       .headers = &type,
                                       .header_count = 1,
                                       .region = region,
                                       .service = WP_VIEW("sts"),
                                       .wall_ms = wp_wall_ms()};
    const struct wp_aws_keys keys = {wp_view_of(fetch->keys.id), wp_view_of(fetch->keys.secret),
                                     wp_view_of(fetch->keys.token)};
    wp_headers_init(&fetch->common.headers, fetch->common.arena);
    enum wp_err err = wp_headers_add(&fetch->common.headers, WP_VIEW("host"), url->authority);
    if (err == WP_OK)
        err = wp_headers_add(&fetch->common.headers, type.name, type.value);
    wp_sha256_hex(fetch->common.body, request.payload_hash);
    if (err == WP_OK && role->web_token_file[0] == '\0')
        err = wp_sigv4_sign(&request, &keys, &fetch->common.headers);
    return err;
}

void wp_aws_next_role(struct wp_aws_fetch *fetch)
{
    struct wp_url url;
    if (fetch->common.failed || fetch->role_count == 0) {
        wp_aws_finish(fetch);
        return;
    }
    const struct wp_aws_role *role = &fetch->roles[--fetch->role_count];
    wp_view endpoint = sts_endpoint(fetch);
    if (!wp_url_parse(endpoint, &url))
        wp_fetch_fail(&fetch->common, "the STS endpoint is not a URL");
    if (!fetch->common.failed && (!build_form(fetch, role) ||
                                  build_headers(fetch, role, &url, region_for_sts(fetch)) != WP_OK))
        wp_fetch_fail(&fetch->common, "out of memory");
    if (fetch->common.failed)
        wp_aws_finish(fetch);
    else
        wp_aws_call(fetch, "POST", endpoint, STS_MS, answered);
}
