// Signing in to the console with the master key.
#include <stdio.h>

#include "admin/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/identity.h"
#include "json/doc.h"
#include "json/writer.h"

static bool signed_in(struct wp_front *front)
{
    if (!front->runtime->identity_required || front->caller.known)
        return true;
    wp_view rest = wp_headers_get(&front->head->headers, "cookie"), pair;
    while (rest.len > 0 && wp_view_next_token(&rest, ';', &pair)) {
        pair = wp_view_trim(pair);
        if (wp_view_starts_with(pair, WP_VIEW(WP_SESSION_COOKIE "=")) &&
            wp_session_valid(front->runtime, wp_view_skip(pair, sizeof(WP_SESSION_COOKIE)),
                             front->accepted_ms))
            return true;
    }
    return false;
}

void wp_admin_session_get(struct wp_front *front)
{
    struct wp_ledger_stats stats = {0};
    struct wp_buf buf = wp_buf_make(4096);
    struct wp_json_writer w = wp_json_writer(&buf);
    bool in = signed_in(front);
    if (front->gateway->ledger != NULL)
        wp_ledger_stats(front->gateway->ledger, &stats);
    wp_json_open_object(&w, NULL);
    wp_json_put_bool(&w, "authenticated", in);
    wp_json_put_bool(&w, "identity_required", front->runtime->identity_required);
    if (in) {
        wp_json_put_cstr(&w, "version", front->gateway->version);
        wp_json_open_object(&w, "ledger");
        wp_json_put_bool(&w, "enabled", front->gateway->ledger != NULL);
        wp_json_put_bool(&w, "degraded", stats.degraded);
        wp_json_put_cstr(&w, "last_error", stats.last_error);
        wp_json_put_u64(&w, "dropped", stats.dropped);
        wp_json_close(&w);
    }
    wp_json_close(&w);
    wp_admin_send(front, &buf);
}

static void send_cookie(struct wp_front *front, const char *token, int64_t max_age_s)
{
    wp_view cookie = wp_arena_printf(
        front->arena, WP_SESSION_COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
        token, (long long)max_age_s, front->head->tls ? "; Secure" : "");
    const struct wp_header extra[] = {{WP_VIEW("set-cookie"), cookie},
                                      {WP_VIEW("cache-control"), WP_VIEW("no-store")}};
    if (cookie.ptr == NULL)
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
    else
        wp_front_send(front, 204, (wp_view){NULL, 0}, (wp_view){NULL, 0}, extra, 2);
}

void wp_admin_session_post(struct wp_front *front)
{
    char token[WP_SESSION_TOKEN_MAX];
    uint8_t digest[WP_SHA256_LEN];
    struct wp_guard *guard = front->gateway->guard;
    wp_view address = front->head->peer_address;
    const struct wp_json_val *root;
    if (wp_json_read(front->arena, wp_buf_view(&front->body), &root) == WP_ERR_NO_MEMORY) {
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return;
    }
    wp_view key = wp_json_str(wp_json_get(root, "key"));
    wp_sha256(key, digest);
    bool right =
        !front->runtime->identity_required || wp_identity_is_master_key(front->runtime, key);
    if (!wp_guard_admits(guard, address, digest, right,
                         front->runtime->snapshot->general.failed_keys_per_minute,
                         front->accepted_ns)) {
        wp_front_error(front, WP_ERR_TOO_MANY_FAILURES, (wp_view){NULL, 0}, 60);
        return;
    }
    if (!right) {
        wp_log(WP_LOG_WARN, "console", "a sign-in from %.*s failed",
               WP_VIEW_ARG(front->head->peer_address));
        wp_front_error(front, WP_ERR_UNAUTHORIZED, WP_VIEW("That is not the master key"), -1);
        return;
    }
    wp_session_issue(front->runtime, wp_wall_ms(), token);
    send_cookie(front, token, WP_SESSION_TTL_S);
}

void wp_admin_session_delete(struct wp_front *front)
{
    send_cookie(front, "", 0);
}
