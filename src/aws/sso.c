// IAM Identity Center: the token that `aws sso login` left in its cache, refreshed where it can be,
// and the role's keys for it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "aws/ini.h"
#include "aws/private.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "crypto/digest.h"
#include "json/doc.h"
#include "json/writer.h"

enum { SSO_MS = 10000, CACHE_MAX = 256 * 1024, REFRESH_AHEAD_MS = 5 * 60 * 1000 };

static void take(char *out, size_t size, wp_view value)
{
    snprintf(out, size, "%.*s", WP_VIEW_ARG(value));
}

static wp_view keep(struct wp_aws_fetch *fetch, const struct wp_json_val *root, const char *name)
{
    return wp_arena_copy(fetch->common.arena, wp_json_str(wp_json_get(root, name)));
}

static bool load_cache(struct wp_aws_fetch *fetch)
{
    struct wp_buf text = wp_buf_make(CACHE_MAX);
    bool ok = wp_file_read(fetch->sso.cache_file, &text);
    const struct wp_json_val *root =
        ok ? wp_json_parse(fetch->common.arena, wp_buf_view(&text)) : NULL;
    fetch->sso.access_token = keep(fetch, root, "accessToken");
    fetch->sso.refresh_token = keep(fetch, root, "refreshToken");
    fetch->sso.client_id = keep(fetch, root, "clientId");
    fetch->sso.client_secret = keep(fetch, root, "clientSecret");
    if (!wp_parse_time(wp_json_str(wp_json_get(root, "expiresAt")), &fetch->sso.expires_ms))
        fetch->sso.expires_ms = 0;
    wp_buf_free(&text);
    return fetch->sso.access_token.len > 0;
}

static void ask_to_log_in(struct wp_aws_fetch *fetch, const char *why)
{
    wp_fetch_fail(&fetch->common,
                  "the SSO session of profile %s %s; run: aws sso login --profile %s",
                  fetch->sso.profile, why, fetch->sso.profile);
}

// The role's keys.

static void keys_answered(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    const struct wp_json_val *root =
        wp_json_parse(fetch->common.arena, wp_buf_view(&fetch->common.answer));
    const struct wp_json_val *keys = wp_json_get(root, "roleCredentials");
    wp_view id = wp_json_str(wp_json_get(keys, "accessKeyId"));
    wp_view secret = wp_json_str(wp_json_get(keys, "secretAccessKey"));
    if (fetch->common.status == 0)
        wp_fetch_fail(&fetch->common, "the SSO portal did not answer: %s",
                      fetch->common.call_error);
    else if (fetch->common.status == 401)
        ask_to_log_in(fetch, "has expired");
    else if (fetch->common.status != 200 || id.len == 0 || secret.len == 0)
        wp_fetch_fail(&fetch->common, "the SSO portal answered %d for role %s of account %s",
                      fetch->common.status, fetch->sso.role, fetch->sso.account);
    else
        wp_aws_set_keys(fetch, id, secret, wp_json_str(wp_json_get(keys, "sessionToken")));
    fetch->keys.expires_ms = wp_json_i64(wp_json_get(keys, "expiration"), 0);
    wp_aws_next_role(fetch);
}

static wp_view endpoint(struct wp_aws_fetch *fetch, const char *name, const char *host)
{
    const char *own = getenv(name);
    if (own != NULL && own[0] != '\0')
        return wp_view_of(own);
    return wp_arena_printf(fetch->common.arena, "https://%s.%s.amazonaws.com", host,
                           fetch->sso.region);
}

static void ask_for_keys(struct wp_aws_fetch *fetch)
{
    struct wp_buf url = wp_buf_make(8192);
    wp_buf_append(&url, endpoint(fetch, "AWS_ENDPOINT_URL_SSO", "portal.sso"));
    wp_buf_append_cstring(&url, "/federation/credentials?role_name=");
    wp_percent_append(&url, wp_view_of(fetch->sso.role), false);
    wp_buf_append_cstring(&url, "&account_id=");
    wp_percent_append(&url, wp_view_of(fetch->sso.account), false);
    wp_view text = wp_arena_copy(fetch->common.arena, wp_buf_view(&url));
    wp_buf_free(&url);
    fetch->common.body = WP_VIEW("");
    if (!wp_fetch_begin(&fetch->common, text)) {
        wp_aws_next_role(fetch);
        return;
    }
    wp_fetch_add_header(&fetch->common, "x-amz-sso_bearer_token", fetch->sso.access_token);
    wp_aws_call(fetch, "GET", text, SSO_MS, keys_answered);
}

// The token.

// Written beside the old file and moved over it, so that no reader sees half of it. The other
// members of the cache stay as they are.
static void write_cache(const struct wp_aws_fetch *fetch)
{
    struct wp_buf old = wp_buf_make(CACHE_MAX), text = wp_buf_make(CACHE_MAX);
    char path[1100], when[WP_RFC3339_LEN + 1];
    const struct wp_json_val *root = wp_file_read(fetch->sso.cache_file, &old)
                                         ? wp_json_parse(fetch->common.arena, wp_buf_view(&old))
                                         : NULL;
    struct wp_json_writer w = wp_json_writer(&text);
    struct wp_json_iter iter = {0};
    const struct wp_json_val *value;
    wp_view key;
    wp_json_open_object(&w, NULL);
    while (wp_json_each(root, &iter, &key, &value))
        if (wp_json_is_str(value) && !wp_view_is(key, "accessToken") &&
            !wp_view_is(key, "refreshToken") && !wp_view_is(key, "expiresAt"))
            wp_json_put_str(&w, wp_arena_cstring(fetch->common.arena, key), wp_json_str(value));
    wp_format_rfc3339(fetch->sso.expires_ms, when);
    wp_json_put_str(&w, "accessToken", fetch->sso.access_token);
    wp_json_put_str(&w, "refreshToken", fetch->sso.refresh_token);
    wp_json_put_cstr(&w, "expiresAt", when);
    wp_json_close(&w);
    snprintf(path, sizeof(path), "%s.warmpath", fetch->sso.cache_file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && wp_buf_ok(&text) && write(fd, text.ptr, text.len) == (ssize_t)text.len;
    if (fd >= 0)
        close(fd);
    if (!ok || rename(path, fetch->sso.cache_file) != 0)
        unlink(path); // the token still serves this process
    wp_buf_free(&old);
    wp_buf_free(&text);
}

static void token_answered(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    const struct wp_json_val *root =
        wp_json_parse(fetch->common.arena, wp_buf_view(&fetch->common.answer));
    wp_view token = keep(fetch, root, "accessToken"), refresh = keep(fetch, root, "refreshToken");
    if (fetch->common.status == 200 && token.len > 0) {
        fetch->sso.access_token = token;
        if (refresh.len > 0)
            fetch->sso.refresh_token = refresh;
        fetch->sso.expires_ms =
            wp_wall_ms() + wp_json_i64(wp_json_get(root, "expiresIn"), 3600) * 1000;
        write_cache(fetch);
    } else if (fetch->sso.expires_ms <= wp_wall_ms()) {
        ask_to_log_in(fetch, "has expired and could not be refreshed");
        wp_aws_next_role(fetch);
        return;
    }
    ask_for_keys(fetch);
}

static void refresh_token(struct wp_aws_fetch *fetch)
{
    struct wp_buf body = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&body);
    wp_view url =
        wp_arena_printf(fetch->common.arena, "%.*s/token",
                        WP_VIEW_ARG(endpoint(fetch, "AWS_ENDPOINT_URL_SSO_OIDC", "oidc")));
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "clientId", fetch->sso.client_id);
    wp_json_put_str(&w, "clientSecret", fetch->sso.client_secret);
    wp_json_put_cstr(&w, "grantType", "refresh_token");
    wp_json_put_str(&w, "refreshToken", fetch->sso.refresh_token);
    wp_json_close(&w);
    fetch->common.body = wp_arena_copy(fetch->common.arena, wp_buf_view(&body));
    wp_buf_free(&body);
    if (!wp_fetch_begin(&fetch->common, url)) {
        wp_aws_next_role(fetch);
        return;
    }
    wp_fetch_add_header(&fetch->common, "content-type", WP_VIEW("application/json"));
    wp_aws_call(fetch, "POST", url, SSO_MS, token_answered);
}

static void from_sso(struct wp_aws_fetch *fetch)
{
    int64_t now = wp_wall_ms();
    bool refreshable = fetch->sso.refresh_token.len > 0 && fetch->sso.client_id.len > 0;
    if (fetch->sso.expires_ms < now + REFRESH_AHEAD_MS && refreshable) {
        refresh_token(fetch);
    } else if (fetch->sso.expires_ms <= now) {
        ask_to_log_in(fetch, "has expired");
        wp_aws_next_role(fetch);
    } else {
        ask_for_keys(fetch);
    }
}

// The profile, on the pool.

static void cache_path(struct wp_aws_fetch *fetch, wp_view name)
{
    char hex[2 * WP_SHA1_LEN + 1];
    const char *home = getenv("HOME");
    wp_sha1_hex(name, hex);
    snprintf(fetch->sso.cache_file, sizeof(fetch->sso.cache_file), "%s/.aws/sso/cache/%s.json",
             home != NULL ? home : "", hex);
}

bool wp_aws_sso_profile(struct wp_aws_fetch *fetch, const struct wp_ini *config, wp_view section,
                        wp_view profile)
{
    wp_view session = wp_ini_get(config, section, "sso_session");
    wp_view start_url = wp_ini_get(config, section, "sso_start_url");
    wp_view where = section;
    if (session.len == 0 && start_url.len == 0)
        return false;
    if (session.len > 0)
        where = wp_arena_printf(fetch->common.arena, "sso-session %.*s", WP_VIEW_ARG(session));
    take(fetch->sso.profile, sizeof(fetch->sso.profile), profile);
    take(fetch->sso.region, sizeof(fetch->sso.region), wp_ini_get(config, where, "sso_region"));
    take(fetch->sso.account, sizeof(fetch->sso.account),
         wp_ini_get(config, section, "sso_account_id"));
    take(fetch->sso.role, sizeof(fetch->sso.role), wp_ini_get(config, section, "sso_role_name"));
    cache_path(fetch, session.len > 0 ? session : start_url);
    if (fetch->sso.region[0] == '\0' || fetch->sso.account[0] == '\0' || fetch->sso.role[0] == '\0')
        wp_fetch_fail(&fetch->common,
                      "profile %.*s is an SSO profile without sso_region, sso_account_id or "
                      "sso_role_name; run: aws configure sso --profile %.*s",
                      WP_VIEW_ARG(profile), WP_VIEW_ARG(profile));
    else if (!load_cache(fetch))
        ask_to_log_in(fetch, "has not been opened on this machine");
    fetch->base = from_sso;
    return true;
}
