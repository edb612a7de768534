// The console's files: pre-compressed, content-hashed names, a strict content security policy.
#include "admin/private.h"

#define CSP                                                                             \
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " \
    "object-src 'none'; img-src 'self' data:"

static const struct wp_asset *find(const struct wp_admin *admin, wp_view path)
{
    for (size_t i = 0; i < admin->asset_count; i++)
        if (wp_view_is(path, admin->assets[i].path))
            return &admin->assets[i];
    return NULL;
}

// The encoding is named, and not with a weight of zero.
static bool accepts(const struct wp_front *front, const char *encoding)
{
    wp_view rest = wp_headers_joined(&front->head->headers, "accept-encoding", front->arena), item;
    while (rest.len > 0 && wp_view_next_token(&rest, ',', &item)) {
        item = wp_view_trim(item);
        size_t semicolon = wp_view_find_char(item, ';');
        wp_view weight = semicolon == WP_NOT_FOUND ? WP_VIEW("") : wp_view_skip(item, semicolon);
        if (wp_view_eq_nocase(wp_view_trim(wp_view_sub(item, 0, semicolon)), wp_view_of(encoding)))
            return !wp_view_is(weight, ";q=0") && !wp_view_is(weight, "; q=0");
    }
    return false;
}

static void send_asset(struct wp_front *front, const struct wp_asset *asset)
{
    struct wp_header extra[8];
    size_t count = 0;
    wp_view body = asset->plain;
    wp_view encoding = {NULL, 0};
    if (asset->brotli.len > 0 && accepts(front, "br")) {
        body = asset->brotli;
        encoding = WP_VIEW("br");
    } else if (asset->gzip.len > 0 && accepts(front, "gzip")) {
        body = asset->gzip;
        encoding = WP_VIEW("gzip");
    }
    if (encoding.len > 0)
        extra[count++] = (struct wp_header){WP_VIEW("content-encoding"), encoding};
    extra[count++] = (struct wp_header){WP_VIEW("vary"), WP_VIEW("accept-encoding")};
    extra[count++] = (struct wp_header){
        WP_VIEW("cache-control"),
        asset->immutable ? WP_VIEW("public, max-age=31536000, immutable") : WP_VIEW("no-cache")};
    extra[count++] = (struct wp_header){WP_VIEW("content-security-policy"), WP_VIEW(CSP)};
    extra[count++] = (struct wp_header){WP_VIEW("x-content-type-options"), WP_VIEW("nosniff")};
    extra[count++] = (struct wp_header){WP_VIEW("x-frame-options"), WP_VIEW("DENY")};
    extra[count++] = (struct wp_header){WP_VIEW("referrer-policy"), WP_VIEW("no-referrer")};
    wp_front_send(front, 200, wp_view_of(asset->content_type), body, extra, count);
}

void wp_admin_serve_asset(struct wp_front *front)
{
    const struct wp_admin *admin = front->gateway->admin;
    if (wp_view_is(front->head->path, "/ui")) {
        static const struct wp_header location = {WP_VIEW("location"), WP_VIEW("/ui/")};
        wp_front_send(front, 301, WP_VIEW("text/plain"), WP_VIEW(""), &location, 1);
        return;
    }
    const struct wp_asset *asset = find(admin, front->path_rest);
    // Views are paths of the page; files have an extension, and an unknown call is no page.
    if (asset == NULL && !wp_view_starts_with(front->path_rest, WP_VIEW("api/")) &&
        wp_view_find_char(front->path_rest, '.') == WP_NOT_FOUND)
        asset = find(admin, WP_VIEW("index.html"));
    if (asset != NULL)
        send_asset(front, asset);
    else if (admin->asset_count == 0)
        wp_front_error(front, WP_ERR_NOT_FOUND,
                       WP_VIEW("This program was built without the console; build with Node.js "
                               "installed"),
                       -1);
    else
        wp_front_error(front, WP_ERR_NOT_FOUND, (wp_view){NULL, 0}, -1);
}
