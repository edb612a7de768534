// Where keys come from, step by step: files and processes on the pool, STS on the worker's loop.
#include "aws/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/ini.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/url.h"
#include "json/doc.h"

enum {
    SOURCE_MAGIC = 0x41575353,
    AHEAD_MS = 5 * 60 * 1000, // refresh so long before expiry
    FAILURE_MS = 5000,        // a failure is remembered so long
    PROCESS_MS = 60000,
    PROCESS_OUTPUT_MAX = 256 * 1024,
    ROLES_MAX = 5,
    ERROR_SIZE = 512,
};

extern char **environ;

struct keys {
    char id[160], secret[256], token[4096];
    int64_t expires_ms; // 0: never
};

struct wp_aws_wait {
    struct wp_aws_wait *next;
    struct wp_loop *loop;
    void (*done)(void *arg);
    void *arg;
    bool cancelled;
};

struct wp_aws_source {
    uint32_t magic;
    _Atomic uint32_t references;
    struct wp_arena *arena;
    struct wp_aws_source_config config;
    pthread_mutex_t lock;
    struct keys keys; // valid when id is not empty
    bool refreshing;
    int64_t failed_until_ms;
    char error[ERROR_SIZE];
    char description[160];
    char region[64];
    struct wp_aws_wait *waiting;
};

struct role {
    char arn[512], session[128], external_id[256], web_token_file[512];
    uint32_t duration_s;
};

// One refresh under way.
struct refresh {
    struct wp_aws_source *source;
    struct wp_loop *loop;
    struct wp_client *client;
    struct wp_arena *arena;
    struct keys keys;
    struct role roles[ROLES_MAX]; // to assume, last first
    size_t role_count;
    char region[64], description[160], error[ERROR_SIZE];
    bool failed;
    struct wp_call *call;
    struct wp_buf answer;
    struct wp_headers headers;
    wp_view body;
    int status;
};

// Sources ----------------------------------------------------------------------------------------

static bool copy_config(struct wp_aws_source *source, const struct wp_aws_source_config *config)
{
    const wp_view *from = &config->access_key_id;
    wp_view *to = &source->config.access_key_id;
    for (size_t i = 0; i < sizeof(*config) / sizeof(wp_view); i++) {
        to[i] = wp_arena_copy(source->arena, from[i]);
        if (to[i].ptr == NULL)
            return false;
    }
    return true;
}

struct wp_aws_source *wp_aws_source_create(const struct wp_aws_source_config *config)
{
    struct wp_aws_source *source = wp_alloc(sizeof(*source));
    if (source == NULL)
        return NULL;
    source->magic = SOURCE_MAGIC;
    source->references = 1;
    source->arena = wp_arena_create(0);
    pthread_mutex_init(&source->lock, NULL);
    if (source->arena == NULL || !copy_config(source, config)) {
        wp_aws_source_unref(source);
        return NULL;
    }
    if (config->profile.len > 0)
        snprintf(source->description, sizeof(source->description), "profile %.*s",
                 WP_VIEW_ARG(config->profile));
    else
        snprintf(source->description, sizeof(source->description), "%s",
                 config->access_key_id.len > 0 ? "explicit keys" : "default chain");
    return source;
}

void wp_aws_source_ref(struct wp_aws_source *source)
{
    atomic_fetch_add(&source->references, 1);
}

void wp_aws_source_unref(struct wp_aws_source *source)
{
    if (source == NULL || atomic_fetch_sub(&source->references, 1) != 1)
        return;
    pthread_mutex_destroy(&source->lock);
    wp_arena_destroy(source->arena);
    source->magic = 0;
    wp_free(source);
}

// Step 1, on the pool: environment, files, processes ----------------------------------------------

static void fail(struct refresh *r, const char *format, ...) WP_PRINTF(2, 3);

static void fail(struct refresh *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!r->failed)
        vsnprintf(r->error, sizeof(r->error), format, args);
    va_end(args);
    r->failed = true;
}

static void set_keys(struct keys *keys, wp_view id, wp_view secret, wp_view token)
{
    *keys = (struct keys){.expires_ms = 0};
    snprintf(keys->id, sizeof(keys->id), "%.*s", WP_VIEW_ARG(id));
    snprintf(keys->secret, sizeof(keys->secret), "%.*s", WP_VIEW_ARG(secret));
    snprintf(keys->token, sizeof(keys->token), "%.*s", WP_VIEW_ARG(token));
    wp_log_register_secret(secret);
    wp_log_register_secret(token);
}

static const char *file_of(const char *variable, const char *name, char *out, size_t size)
{
    const char *path = getenv(variable), *home = getenv("HOME");
    if (path != NULL && path[0] != '\0')
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s/.aws/%s", home != NULL ? home : "", name);
    return out;
}

// Words as a shell splits them, with quotes; no expansion (the AWS CLI does the same).
static size_t split_words(char *text, char **words, size_t most)
{
    size_t count = 0;
    char *to = text;
    for (char *at = text; *at != '\0' && count + 1 < most;) {
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '\0')
            break;
        words[count++] = to;
        char quote = '\0';
        for (; *at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')); at++) {
            if (quote == '\0' && (*at == '"' || *at == '\''))
                quote = *at;
            else if (*at == quote)
                quote = '\0';
            else if (*at == '\\' && quote != '\'' && at[1] != '\0')
                *to++ = *++at;
            else
                *to++ = *at;
        }
        bool more = *at != '\0';
        *to++ = '\0';
        if (more)
            at++;
    }
    words[count] = NULL;
    return count;
}

static bool read_output(int fd, struct wp_buf *out)
{
    uint64_t limit = wp_now_ns() + (uint64_t)PROCESS_MS * 1000000u;
    char part[4096];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        uint64_t now = wp_now_ns();
        if (now >= limit || poll(&ready, 1, (int)((limit - now) / 1000000u) + 1) == 0)
            return false;
        ssize_t got = read(fd, part, sizeof(part));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 && wp_buf_ok(out);
        wp_buf_append(out, wp_view_make(part, (size_t)got));
    }
}

static bool run_process(const char *command, struct wp_buf *out)
{
    char line[4096], *words[64];
    int pipes[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(line, sizeof(line), "%s", command);
    if (split_words(line, words, WP_COUNT_OF(words)) == 0 || pipe2(pipes, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    bool ok = posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (ok) {
        ok = read_output(pipes[0], out);
        if (!ok)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        ok = ok && status == 0;
    }
    close(pipes[0]);
    return ok;
}

static void from_process(struct refresh *r, wp_view profile, wp_view command)
{
    struct wp_buf out = wp_buf_make(PROCESS_OUTPUT_MAX);
    const char *text = wp_arena_cstring(r->arena, command);
    if (text == NULL || !run_process(text, &out)) {
        fail(r,
             "credential_process of profile %.*s failed or took longer than 60 s; run it by "
             "hand to see why",
             WP_VIEW_ARG(profile));
        wp_buf_free(&out);
        return;
    }
    const struct wp_json_val *root = wp_json_parse(r->arena, wp_buf_view(&out));
    wp_view id = wp_json_str(wp_json_get(root, "AccessKeyId"));
    wp_view secret = wp_json_str(wp_json_get(root, "SecretAccessKey"));
    wp_view expiration = wp_json_str(wp_json_get(root, "Expiration"));
    int64_t expires = 0;
    if (wp_json_u64(wp_json_get(root, "Version"), 0) != 1 || id.len == 0 || secret.len == 0)
        fail(r, "credential_process of profile %.*s printed no Version 1 credentials",
             WP_VIEW_ARG(profile));
    else if (expiration.len > 0 &&
             (!wp_parse_time(expiration, &expires) || expires <= wp_wall_ms()))
        fail(r, "credential_process of profile %.*s printed expired credentials",
             WP_VIEW_ARG(profile));
    else
        set_keys(&r->keys, id, secret, wp_json_str(wp_json_get(root, "SessionToken")));
    r->keys.expires_ms = expires;
    wp_buf_free(&out);
}

static void push_role(struct refresh *r, wp_view arn, wp_view session, wp_view external_id,
                      wp_view web_token_file)
{
    if (r->role_count == ROLES_MAX) {
        fail(r, "too many roles in a chain (%d at most)", ROLES_MAX);
        return;
    }
    struct role *role = &r->roles[r->role_count++];
    *role = (struct role){.duration_s = 3600};
    snprintf(role->arn, sizeof(role->arn), "%.*s", WP_VIEW_ARG(arn));
    snprintf(role->session, sizeof(role->session), "%.*s",
             WP_VIEW_ARG(session.len > 0 ? session : WP_VIEW("warmpath")));
    snprintf(role->external_id, sizeof(role->external_id), "%.*s", WP_VIEW_ARG(external_id));
    snprintf(role->web_token_file, sizeof(role->web_token_file), "%.*s",
             WP_VIEW_ARG(web_token_file));
}

static bool from_environment(struct refresh *r)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    if (id == NULL || secret == NULL || id[0] == '\0' || secret[0] == '\0')
        return false;
    set_keys(&r->keys, wp_view_of(id), wp_view_of(secret), wp_view_of(getenv("AWS_SESSION_TOKEN")));
    return true;
}

// The section of a profile in the config file is "profile NAME", but "default" stands alone.
static wp_view config_section(struct refresh *r, wp_view profile)
{
    if (wp_view_is(profile, "default"))
        return profile;
    return wp_arena_printf(r->arena, "profile %.*s", WP_VIEW_ARG(profile));
}

static void from_profile(struct refresh *r, const struct wp_ini *config,
                         const struct wp_ini *credentials, wp_view profile, int depth);

static void from_role_profile(struct refresh *r, const struct wp_ini *config,
                              const struct wp_ini *credentials, wp_view section, wp_view profile,
                              int depth)
{
    wp_view source = wp_ini_get(config, section, "source_profile");
    wp_view kind = wp_ini_get(config, section, "credential_source");
    wp_view token_file = wp_ini_get(config, section, "web_identity_token_file");
    if (wp_ini_get(config, section, "mfa_serial").len > 0)
        fail(r, "profile %.*s asks for MFA, which a service cannot enter; use a role without it",
             WP_VIEW_ARG(profile));
    push_role(r, wp_ini_get(config, section, "role_arn"),
              wp_ini_get(config, section, "role_session_name"),
              wp_ini_get(config, section, "external_id"), token_file);
    if (token_file.len > 0)
        return;
    if (source.len > 0)
        from_profile(r, config, credentials, source, depth + 1);
    else if (!wp_view_is(kind, "Environment") || !from_environment(r))
        fail(r,
             "profile %.*s has role_arn, but neither a usable source_profile nor "
             "credential_source = Environment",
             WP_VIEW_ARG(profile));
}

static void from_profile(struct refresh *r, const struct wp_ini *config,
                         const struct wp_ini *credentials, wp_view profile, int depth)
{
    wp_view section = config_section(r, profile);
    wp_view id = wp_ini_get(credentials, profile, "aws_access_key_id");
    const struct wp_ini *file = id.len > 0 ? credentials : config;
    wp_view where = id.len > 0 ? profile : section;
    if (r->region[0] == '\0')
        snprintf(r->region, sizeof(r->region), "%.*s",
                 WP_VIEW_ARG(wp_ini_get(config, section, "region")));
    if (id.len == 0)
        id = wp_ini_get(config, section, "aws_access_key_id");
    if (!wp_ini_has_section(config, section) && !wp_ini_has_section(credentials, profile))
        fail(r, "the AWS files have no profile %.*s; see: aws configure --profile %.*s",
             WP_VIEW_ARG(profile), WP_VIEW_ARG(profile));
    else if (depth > ROLES_MAX)
        fail(r, "source_profile goes in a circle at profile %.*s", WP_VIEW_ARG(profile));
    // a source profile with static keys is used as such even if it has role_arn
    else if (wp_ini_get(config, section, "role_arn").len > 0 && !(depth > 0 && id.len > 0))
        from_role_profile(r, config, credentials, section, profile, depth);
    else if (id.len > 0)
        set_keys(&r->keys, id, wp_ini_get(file, where, "aws_secret_access_key"),
                 wp_ini_get(file, where, "aws_session_token"));
    else if (wp_ini_get(config, section, "credential_process").len > 0)
        from_process(r, profile, wp_ini_get(config, section, "credential_process"));
    else if (wp_ini_get(credentials, profile, "credential_process").len > 0)
        from_process(r, profile, wp_ini_get(credentials, profile, "credential_process"));
    else
        fail(r,
             "profile %.*s holds no credentials that can be used here (static keys, role_arn "
             "with source_profile, credential_process)",
             WP_VIEW_ARG(profile));
}

static void from_files(struct refresh *r, wp_view profile)
{
    char path[1024];
    struct wp_ini *config = wp_ini_create(), *credentials = wp_ini_create();
    if (config == NULL || credentials == NULL) {
        fail(r, "out of memory");
    } else {
        wp_ini_load(config, file_of("AWS_CONFIG_FILE", "config", path, sizeof(path)));
        wp_ini_load(credentials,
                    file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials", path, sizeof(path)));
        from_profile(r, config, credentials, profile, 0);
    }
    wp_ini_free(config);
    wp_ini_free(credentials);
}

static void gather(void *arg)
{
    struct refresh *r = arg;
    const struct wp_aws_source_config *config = &r->source->config;
    const char *profile = getenv("AWS_PROFILE"), *role = getenv("AWS_ROLE_ARN"),
               *token_file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (config->role_arn.len > 0)
        push_role(r, config->role_arn, config->session_name, config->external_id,
                  config->web_identity_token);
    if (config->role_arn.len > 0 && config->web_identity_token.len > 0)
        return;
    if (config->profile.len > 0) {
        from_files(r, config->profile);
    } else if (config->access_key_id.len > 0) {
        set_keys(&r->keys, config->access_key_id, config->secret_access_key, config->session_token);
    } else if (from_environment(r)) {
        snprintf(r->description, sizeof(r->description), "environment");
    } else if (profile == NULL && role != NULL && token_file != NULL) {
        push_role(r, wp_view_of(role), wp_view_of(getenv("AWS_ROLE_SESSION_NAME")), WP_VIEW(""),
                  wp_view_of(token_file));
    } else {
        from_files(r, profile != NULL ? wp_view_of(profile) : WP_VIEW("default"));
    }
}

// Step 2, on the loop: roles ----------------------------------------------------------------------

static void next_role(struct refresh *r);

static void wake(void *arg)
{
    struct wp_aws_wait *wait = arg;
    if (!wait->cancelled)
        wait->done(wait->arg);
    wp_free(wait);
}

static void finish(struct refresh *r)
{
    struct wp_aws_source *source = r->source;
    pthread_mutex_lock(&source->lock);
    source->refreshing = false;
    struct wp_aws_wait *waiting = source->waiting;
    source->waiting = NULL;
    if (!r->failed) {
        source->keys = r->keys;
        source->failed_until_ms = 0;
    } else {
        source->failed_until_ms = wp_wall_ms() + FAILURE_MS;
        snprintf(source->error, sizeof(source->error), "%s", r->error);
    }
    if (source->region[0] == '\0')
        snprintf(source->region, sizeof(source->region), "%s", r->region);
    pthread_mutex_unlock(&source->lock);
    if (r->failed)
        wp_log(WP_LOG_ERROR, "aws", "credentials (%s): %s", source->description, r->error);
    while (waiting != NULL) {
        struct wp_aws_wait *wait = waiting;
        waiting = wait->next;
        if (wait->loop == r->loop || wp_loop_post(wait->loop, wake, wait) != WP_OK)
            wake(wait);
    }
    wp_buf_free(&r->answer);
    wp_arena_destroy(r->arena);
    wp_aws_source_unref(source);
    wp_free(r);
}

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

static void sts_head(void *state, int status, const struct wp_headers *headers)
{
    (void)headers;
    ((struct refresh *)state)->status = status;
}

static void sts_body(void *state, wp_view bytes)
{
    wp_buf_append(&((struct refresh *)state)->answer, bytes);
}

static void sts_end(void *state)
{
    struct refresh *r = state;
    wp_view xml = wp_buf_view(&r->answer);
    wp_view id = element(xml, "AccessKeyId"), secret = element(xml, "SecretAccessKey");
    r->call = NULL;
    if (r->status != 200 || id.len == 0 || secret.len == 0) {
        wp_view code = element(xml, "Code");
        fail(r, "STS refused the role %s with %d %.*s; check its trust policy",
             r->roles[r->role_count].arn, r->status, WP_VIEW_ARG(wp_view_sub(code, 0, 80)));
        finish(r);
        return;
    }
    set_keys(&r->keys, id, secret, element(xml, "SessionToken"));
    if (!wp_parse_time(element(xml, "Expiration"), &r->keys.expires_ms))
        r->keys.expires_ms = wp_wall_ms() + 3600 * 1000LL;
    next_role(r);
}

static void sts_error(void *state, enum wp_err err, const char *detail)
{
    struct refresh *r = state;
    r->call = NULL;
    fail(r, "STS could not be asked for the role %s: %s (%s)", r->roles[r->role_count].arn,
         wp_err_info(err)->sentence, detail == NULL ? "" : detail);
    finish(r);
}

static const struct wp_call_events STS_EVENTS = {sts_head, sts_body, sts_end, sts_error};

static void form_field(struct wp_buf *out, const char *name, wp_view value)
{
    if (value.len == 0)
        return;
    wp_buf_printf(out, "&%s=", name);
    wp_percent_append(out, value, false);
}

static bool read_token(struct refresh *r, const struct role *role, wp_view *out)
{
    char text[16384];
    FILE *file = fopen(role->web_token_file, "rb");
    size_t got = file == NULL ? 0 : fread(text, 1, sizeof(text), file);
    if (file != NULL)
        fclose(file);
    *out = wp_arena_copy(r->arena, wp_view_trim(wp_view_make(text, got)));
    return out->len > 0;
}

static wp_view region_for_sts(const struct refresh *r)
{
    const char *env = getenv("AWS_REGION");
    if (r->source->config.region.len > 0)
        return r->source->config.region;
    if (r->region[0] != '\0')
        return wp_view_of(r->region);
    return env != NULL ? wp_view_of(env) : WP_VIEW("us-east-1");
}

static wp_view sts_endpoint(struct refresh *r)
{
    const char *own = getenv("AWS_ENDPOINT_URL_STS"), *any = getenv("AWS_ENDPOINT_URL");
    if (r->source->config.sts_endpoint.len > 0)
        return r->source->config.sts_endpoint;
    if (own != NULL || any != NULL)
        return wp_view_of(own != NULL ? own : any);
    return wp_arena_printf(r->arena, "https://sts.%.*s.amazonaws.com",
                           WP_VIEW_ARG(region_for_sts(r)));
}

static bool build_form(struct refresh *r, const struct role *role)
{
    struct wp_buf form = wp_buf_make(64 * 1024);
    wp_view token = {NULL, 0};
    bool web = role->web_token_file[0] != '\0';
    if (web && !read_token(r, role, &token)) {
        fail(r, "the web identity token file %s cannot be read", role->web_token_file);
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
    r->body = wp_buf_ok(&form) ? wp_arena_copy(r->arena, wp_buf_view(&form)) : (wp_view){NULL, 0};
    wp_buf_free(&form);
    return r->body.ptr != NULL;
}

static enum wp_err build_headers(struct refresh *r, const struct role *role,
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
    const struct wp_aws_keys keys = {wp_view_of(r->keys.id), wp_view_of(r->keys.secret),
                                     wp_view_of(r->keys.token)};
    wp_headers_init(&r->headers, r->arena);
    enum wp_err err = wp_headers_add(&r->headers, WP_VIEW("host"), url->authority);
    if (err == WP_OK)
        err = wp_headers_add(&r->headers, type.name, type.value);
    wp_sha256_hex(r->body, request.payload_hash);
    if (err == WP_OK && role->web_token_file[0] == '\0')
        err = wp_sigv4_sign(&request, &keys, &r->headers);
    return err;
}

static void next_role(struct refresh *r)
{
    struct wp_url url;
    if (r->failed || r->role_count == 0) {
        finish(r);
        return;
    }
    const struct role *role = &r->roles[--r->role_count];
    if (!wp_url_parse(sts_endpoint(r), &url))
        fail(r, "the STS endpoint is not a URL");
    if (!r->failed &&
        (!build_form(r, role) || build_headers(r, role, &url, region_for_sts(r)) != WP_OK))
        fail(r, "out of memory");
    if (r->failed) {
        finish(r);
        return;
    }
    wp_buf_clear(&r->answer);
    const struct wp_call_request request = {
        .tls = url.tls,
        .host = url.host,
        .port = url.port,
        .method = WP_VIEW("POST"),
        .target = WP_VIEW("/"),
        .headers = r->headers.list,
        .header_count = r->headers.count,
        .body = &r->body,
        .body_count = 1,
        .first_byte_timeout_ms = 10000,
        .idle_timeout_ms = 10000,
        .retry_stale = true,
    };
    if (wp_call_start(r->client, &request, &STS_EVENTS, r, &r->call) != WP_OK) {
        fail(r, "out of memory");
        finish(r);
    }
}

static void gathered(void *arg)
{
    next_role(arg);
}

static bool start_refresh(struct wp_aws_source *source, struct wp_loop *loop,
                          struct wp_client *client)
{
    struct refresh *r = wp_alloc(sizeof(*r));
    struct wp_arena *arena = wp_arena_create(0);
    if (r == NULL || arena == NULL) {
        wp_free(r);
        wp_arena_destroy(arena);
        return false;
    }
    r->source = source;
    r->loop = loop;
    r->client = client;
    r->arena = arena;
    r->answer = wp_buf_make(256 * 1024);
    wp_aws_source_ref(source);
    if (wp_loop_work(loop, gather, gathered, r) == WP_OK)
        return true;
    wp_aws_source_unref(source);
    wp_arena_destroy(arena);
    wp_free(r);
    return false;
}

// Asking ---------------------------------------------------------------------------------------

static bool copy_keys(struct wp_aws_source *source, struct wp_arena *arena,
                      struct wp_aws_keys *keys)
{
    keys->access_key_id = wp_arena_copy(arena, wp_view_of(source->keys.id));
    keys->secret_access_key = wp_arena_copy(arena, wp_view_of(source->keys.secret));
    keys->session_token = wp_arena_copy(arena, wp_view_of(source->keys.token));
    return keys->session_token.ptr != NULL && keys->secret_access_key.ptr != NULL &&
           keys->access_key_id.ptr != NULL;
}

// Under the lock: begins a refresh unless one runs.
static bool ensure_refresh(struct wp_aws_source *source, struct wp_loop *loop,
                           struct wp_client *client)
{
    if (!source->refreshing)
        source->refreshing = start_refresh(source, loop, client);
    return source->refreshing;
}

static enum wp_aws_state wait_for(struct wp_aws_source *source, struct wp_loop *loop,
                                  void (*done)(void *arg), void *arg, struct wp_aws_wait **wait)
{
    struct wp_aws_wait *waiter = wp_alloc(sizeof(*waiter));
    if (waiter == NULL)
        return WP_AWS_FAILED;
    *waiter = (struct wp_aws_wait){.next = source->waiting, .loop = loop, .done = done, .arg = arg};
    source->waiting = waiter;
    *wait = waiter;
    return WP_AWS_PENDING;
}

enum wp_aws_state wp_aws_source_get(struct wp_aws_source *source, struct wp_loop *loop,
                                    struct wp_client *client, struct wp_arena *arena,
                                    void (*done)(void *arg), void *arg, struct wp_aws_keys *keys,
                                    struct wp_aws_wait **wait, char *error, size_t error_size)
{
    enum wp_aws_state state = WP_AWS_FAILED;
    int64_t now = wp_wall_ms();
    WP_CHECK_MAGIC(source, SOURCE_MAGIC);
    *wait = NULL;
    pthread_mutex_lock(&source->lock);
    bool have = source->keys.id[0] != '\0';
    bool alive = have && (source->keys.expires_ms == 0 || source->keys.expires_ms > now + 1000);
    if (alive) {
        state = copy_keys(source, arena, keys) ? WP_AWS_READY : WP_AWS_FAILED;
        if (source->keys.expires_ms != 0 && source->keys.expires_ms < now + AHEAD_MS &&
            source->failed_until_ms <= now)
            (void)ensure_refresh(source, loop, client); // the old keys serve while they live
    } else if (source->failed_until_ms > now) {
        snprintf(error, error_size, "%s", source->error);
    } else if (ensure_refresh(source, loop, client)) {
        state = wait_for(source, loop, done, arg, wait);
    } else {
        snprintf(error, error_size, "out of memory");
    }
    pthread_mutex_unlock(&source->lock);
    return state;
}

void wp_aws_wait_cancel(struct wp_aws_wait *wait)
{
    if (wait != NULL)
        wait->cancelled = true; // freed when it is woken, on this thread
}

void wp_aws_source_invalidate(struct wp_aws_source *source, wp_view access_key_id)
{
    pthread_mutex_lock(&source->lock);
    if (wp_view_is(access_key_id, source->keys.id))
        source->keys = (struct keys){.expires_ms = 0};
    pthread_mutex_unlock(&source->lock);
}

wp_view wp_aws_source_region(struct wp_aws_source *source, struct wp_arena *arena)
{
    const char *env = getenv("AWS_REGION");
    if (env == NULL || env[0] == '\0')
        env = getenv("AWS_DEFAULT_REGION");
    if (source->config.region.len > 0)
        return wp_arena_copy(arena, source->config.region);
    pthread_mutex_lock(&source->lock);
    wp_view region = wp_arena_copy(arena, wp_view_of(source->region));
    pthread_mutex_unlock(&source->lock);
    if (region.len > 0)
        return region;
    return env != NULL ? wp_arena_copy(arena, wp_view_of(env)) : WP_VIEW("us-west-2");
}

void wp_aws_source_describe(struct wp_aws_source *source, char *out, size_t size)
{
    pthread_mutex_lock(&source->lock);
    snprintf(out, size, "%s%s%s", source->description,
             source->config.role_arn.len > 0 ? " with a role" : "",
             source->failed_until_ms > wp_wall_ms() ? " (failed)" : "");
    pthread_mutex_unlock(&source->lock);
}
