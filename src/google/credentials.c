#include "google/credentials.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/sign.h"
#include "http/fetch.h"
#include "json/doc.h"
#include "json/writer.h"

enum {
    SOURCE_MAGIC = 0x474f4f47,
    TOKEN_MAX = 8192,
    FILE_MAX = 256 * 1024,
    CALL_MS = 10000,
    METADATA_MS = 3000,
    ASSERTION_S = 3600,
};

static const char scope[] = "https://www.googleapis.com/auth/cloud-platform";
static const char default_token_uri[] = "https://oauth2.googleapis.com/token";

struct wp_google_source {
    uint32_t magic;
    _Atomic uint32_t references;
    struct wp_renewal renewal; // its lock guards what follows
    char *credentials;         // a path or JSON; "" for the default chain
    char token[TOKEN_MAX];
    char description[256];
};

struct fetch {
    struct wp_fetch common; // must be the first
    struct wp_google_source *source;
    wp_view url; // of the request for a token; without a body it is a GET
    bool at_metadata;
    char token[TOKEN_MAX], description[256];
    int64_t expires_ms;
};

struct wp_google_source *wp_google_source_create(wp_view credentials)
{
    struct wp_google_source *source = wp_alloc(sizeof(*source));
    if (source == NULL)
        return NULL;
    source->magic = SOURCE_MAGIC;
    source->references = 1;
    wp_renewal_init(&source->renewal);
    source->credentials = wp_alloc(credentials.len + 1);
    if (source->credentials == NULL) {
        wp_google_source_unref(source);
        return NULL;
    }
    memcpy(source->credentials, credentials.ptr == NULL ? "" : credentials.ptr, credentials.len);
    snprintf(source->description, sizeof(source->description), "Google credentials");
    return source;
}

void wp_google_source_ref(struct wp_google_source *source)
{
    atomic_fetch_add(&source->references, 1);
}

void wp_google_source_unref(struct wp_google_source *source)
{
    if (source == NULL || atomic_fetch_sub(&source->references, 1) != 1)
        return;
    wp_renewal_free(&source->renewal);
    wp_free(source->credentials);
    source->magic = 0;
    wp_free(source);
}

// Step 1, on the pool: which credentials there are, and the request for a token.

static wp_view part_of(struct fetch *fetch, wp_view json)
{
    char *text = wp_arena_alloc(fetch->common.arena, wp_base64_encoded_len(json.len) + 1);
    struct wp_buf buf = wp_buf_make(FILE_MAX);
    size_t len = 0;
    wp_base64_append(&buf, json);
    for (size_t i = 0; text != NULL && i < buf.len; i++) {
        char c = buf.ptr[i];
        if (c != '=')
            text[len++] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    wp_buf_free(&buf);
    return text == NULL ? (wp_view){NULL, 0} : wp_view_make(text, len);
}

static wp_view claims(struct fetch *fetch, wp_view email, wp_view token_uri)
{
    struct wp_buf buf = wp_buf_make(FILE_MAX);
    struct wp_json_writer w = wp_json_writer(&buf);
    int64_t now_s = wp_wall_ms() / 1000;
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "iss", email);
    wp_json_put_cstr(&w, "scope", scope);
    wp_json_put_str(&w, "aud", token_uri);
    wp_json_put_i64(&w, "iat", now_s);
    wp_json_put_i64(&w, "exp", now_s + ASSERTION_S);
    wp_json_close(&w);
    wp_view copy = wp_arena_copy(fetch->common.arena, wp_buf_view(&buf));
    wp_buf_free(&buf);
    return copy;
}

// RFC 7523: a JWT signed with the account's key is the grant.
static void from_service_account(struct fetch *fetch, const struct wp_json_val *root)
{
    wp_view email = wp_json_str(wp_json_get(root, "client_email"));
    wp_view key = wp_json_str(wp_json_get(root, "private_key"));
    wp_view uri = wp_json_str(wp_json_get(root, "token_uri"));
    uint8_t signature[WP_RS256_MAX];
    size_t signature_len;
    fetch->url =
        wp_arena_copy(fetch->common.arena, uri.len > 0 ? uri : wp_view_of(default_token_uri));
    snprintf(fetch->description, sizeof(fetch->description), "service account %.*s",
             WP_VIEW_ARG(email));
    wp_view head = part_of(fetch, WP_VIEW("{\"alg\":\"RS256\",\"typ\":\"JWT\"}"));
    wp_view middle = part_of(fetch, claims(fetch, email, fetch->url));
    wp_view signed_part =
        wp_arena_printf(fetch->common.arena, "%.*s.%.*s", WP_VIEW_ARG(head), WP_VIEW_ARG(middle));
    wp_log_register_secret(key);
    if (email.len == 0 || !wp_rs256_sign(key, signed_part, signature, &signature_len)) {
        wp_fetch_fail(
            &fetch->common,
            "the service account's JSON has no client_email, or its private_key is no RSA "
            "key; create a new key for the account");
        return;
    }
    wp_view tail = part_of(fetch, wp_view_make((const char *)signature, signature_len));
    fetch->common.body = wp_arena_printf(
        fetch->common.arena,
        "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer&assertion=%.*s.%.*s",
        WP_VIEW_ARG(signed_part), WP_VIEW_ARG(tail));
}

static void form_field(struct wp_buf *form, const char *name, wp_view value)
{
    wp_buf_printf(form, "&%s=", name);
    wp_percent_append(form, value, false);
}

static void from_user(struct fetch *fetch, const struct wp_json_val *root)
{
    struct wp_buf form = wp_buf_make(FILE_MAX);
    wp_view uri = wp_json_str(wp_json_get(root, "token_uri"));
    wp_buf_append_cstring(&form, "grant_type=refresh_token");
    form_field(&form, "client_id", wp_json_str(wp_json_get(root, "client_id")));
    form_field(&form, "client_secret", wp_json_str(wp_json_get(root, "client_secret")));
    form_field(&form, "refresh_token", wp_json_str(wp_json_get(root, "refresh_token")));
    fetch->url =
        wp_arena_copy(fetch->common.arena, uri.len > 0 ? uri : wp_view_of(default_token_uri));
    fetch->common.body = wp_arena_copy(fetch->common.arena, wp_buf_view(&form));
    wp_buf_free(&form);
    wp_log_register_secret(wp_json_str(wp_json_get(root, "refresh_token")));
    wp_log_register_secret(wp_json_str(wp_json_get(root, "client_secret")));
    snprintf(fetch->description, sizeof(fetch->description), "the user's own Google credentials");
}

static void from_json(struct fetch *fetch, wp_view text, const char *where)
{
    const struct wp_json_val *root = wp_json_parse(fetch->common.arena, text);
    wp_view type = wp_json_str(wp_json_get(root, "type"));
    if (wp_view_is(type, "service_account"))
        from_service_account(fetch, root);
    else if (wp_view_is(type, "authorized_user"))
        from_user(fetch, root);
    else
        wp_fetch_fail(
            &fetch->common,
            "%s holds Google credentials of the type \"%.*s\"; a service account's key or "
            "gcloud's own credentials are understood",
            where, WP_VIEW_ARG(wp_view_sub(type, 0, 40)));
}

static void from_file(struct fetch *fetch, const char *path)
{
    struct wp_buf text = wp_buf_make(FILE_MAX);
    if (wp_file_read(path, &text))
        from_json(fetch, wp_buf_view(&text), path);
    else
        wp_fetch_fail(&fetch->common, "the Google credentials %s cannot be read", path);
    wp_buf_free(&text);
}

static void from_metadata(struct fetch *fetch)
{
    const char *host = getenv("GCE_METADATA_HOST");
    fetch->at_metadata = true;
    fetch->url =
        wp_arena_printf(fetch->common.arena,
                        "http://%s/computeMetadata/v1/instance/service-accounts/default/"
                        "token",
                        host != NULL && host[0] != '\0' ? host : "metadata.google.internal");
    snprintf(fetch->description, sizeof(fetch->description), "the machine's service account");
}

static bool gcloud_file(char *out, size_t size)
{
    const char *folder = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");
    if (folder != NULL && folder[0] != '\0')
        snprintf(out, size, "%s/application_default_credentials.json", folder);
    else
        snprintf(out, size, "%s/.config/gcloud/application_default_credentials.json",
                 home != NULL ? home : "");
    FILE *file = fopen(out, "rb");
    if (file != NULL)
        fclose(file);
    return file != NULL;
}

static void gather(void *arg)
{
    struct fetch *fetch = arg;
    const char *own = fetch->source->credentials;
    const char *named = getenv("GOOGLE_APPLICATION_CREDENTIALS");
    char path[1024];
    if (wp_view_starts_with(wp_view_trim(wp_view_of(own)), WP_VIEW("{")))
        from_json(fetch, wp_view_of(own), "vertex_credentials");
    else if (own[0] != '\0')
        from_file(fetch, own);
    else if (named != NULL && named[0] != '\0')
        from_file(fetch, named);
    else if (gcloud_file(path, sizeof(path)))
        from_file(fetch, path);
    else
        from_metadata(fetch);
}

// Step 2, on the loop: the call.

static void store(void *owner, void *value)
{
    struct wp_google_source *source = owner;
    const struct fetch *fetch = value;
    snprintf(source->token, sizeof(source->token), "%s", fetch->token);
    snprintf(source->description, sizeof(source->description), "%s", fetch->description);
}

static void finish(struct fetch *fetch)
{
    struct wp_google_source *source = fetch->source;
    if (fetch->common.failed)
        wp_log(WP_LOG_ERROR, "google", "%s", fetch->common.error);
    wp_fetch_end(&fetch->common, store, source, fetch, fetch->expires_ms);
    wp_google_source_unref(source);
}

static void take_token(struct fetch *fetch)
{
    const struct wp_json_val *root =
        wp_json_parse(fetch->common.arena, wp_buf_view(&fetch->common.answer));
    wp_view token = wp_json_str(wp_json_get(root, "access_token"));
    wp_view reason = wp_json_str(wp_json_get(root, "error"));
    if (fetch->common.status != 200 || token.len == 0 || token.len >= TOKEN_MAX) {
        wp_fetch_fail(&fetch->common, "%s: the token endpoint answered %d %.*s%s",
                      fetch->description, fetch->common.status,
                      WP_VIEW_ARG(wp_view_sub(reason, 0, 80)),
                      wp_view_is(reason, "invalid_grant")
                          ? "; the key was revoked or the clock is wrong (gcloud auth "
                            "application-default login)"
                          : "");
        return;
    }
    snprintf(fetch->token, sizeof(fetch->token), "%.*s", WP_VIEW_ARG(token));
    fetch->expires_ms = wp_wall_ms() + wp_json_i64(wp_json_get(root, "expires_in"), 3600) * 1000;
    wp_log_register_secret(token);
}

static void answered(void *arg)
{
    struct fetch *fetch = arg;
    if (fetch->common.status != 0)
        take_token(fetch);
    else
        wp_fetch_fail(&fetch->common, "%s: %s",
                      fetch->at_metadata
                          ? "no Google credentials: set vertex_credentials or "
                            "GOOGLE_APPLICATION_CREDENTIALS; the metadata server did not answer"
                          : "the token endpoint did not answer",
                      fetch->common.call_error);
    finish(fetch);
}

static void gathered(void *arg)
{
    struct fetch *fetch = arg;
    struct wp_fetch *common = &fetch->common;
    if (!common->failed && wp_fetch_begin(common, fetch->url)) {
        if (fetch->at_metadata)
            wp_fetch_add_header(common, "metadata-flavor", WP_VIEW("Google"));
        else
            wp_fetch_add_header(common, "content-type",
                                WP_VIEW("application/x-www-form-urlencoded"));
    }
    common->metadata = fetch->at_metadata;
    if (!wp_fetch_call(common, fetch->at_metadata ? "GET" : "POST", fetch->url,
                       fetch->at_metadata ? METADATA_MS : CALL_MS, answered))
        finish(fetch);
}

static bool start(void *owner, struct wp_loop *loop, struct wp_client *client)
{
    struct wp_google_source *source = owner;
    struct fetch *fetch = wp_fetch_create(sizeof(*fetch), &source->renewal, loop, client);
    if (fetch == NULL)
        return false;
    fetch->source = source;
    wp_google_source_ref(source);
    if (wp_fetch_start(&fetch->common, gather, gathered))
        return true;
    wp_google_source_unref(source);
    return false;
}

// Asking.

struct copy_to {
    struct wp_arena *arena;
    wp_view *token;
};

static bool copy(void *owner, void *to)
{
    const struct wp_google_source *source = owner;
    const struct copy_to *target = to;
    *target->token = wp_arena_copy(target->arena, wp_view_of(source->token));
    return target->token->ptr != NULL;
}

enum wp_renewal_state wp_google_source_get(struct wp_google_source *source, struct wp_loop *loop,
                                           struct wp_client *client, struct wp_arena *arena,
                                           void (*done)(void *arg), void *arg, wp_view *token,
                                           struct wp_renewal_wait **wait, char *error,
                                           size_t error_size)
{
    static const struct wp_renewal_ops ops = {copy, start};
    struct copy_to target = {arena, token};
    const struct wp_renewal_request request = {loop, client, &target, done, arg};
    WP_CHECK_MAGIC(source, SOURCE_MAGIC);
    return wp_renewal_get(&source->renewal, &ops, source, &request, wait, error, error_size);
}

void wp_google_source_invalidate(struct wp_google_source *source)
{
    pthread_mutex_lock(&source->renewal.lock);
    source->renewal.have = false;
    pthread_mutex_unlock(&source->renewal.lock);
}

void wp_google_source_describe(struct wp_google_source *source, char *out, size_t size)
{
    pthread_mutex_lock(&source->renewal.lock);
    snprintf(out, size, "%s%s", source->description,
             source->renewal.failed_until_ms > wp_wall_ms() ? " (failed)" : "");
    pthread_mutex_unlock(&source->renewal.lock);
}
