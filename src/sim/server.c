// The endpoints of the simulated provider: who calls, what is asked, and what it costs the cache.
#include <stdio.h>

#include "aws/sigv4.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/random.h"
#include "sim/private.h"

int64_t sim_now_ms(const struct wp_sim *sim)
{
    return (int64_t)(wp_now_ns() / 1000000u) + sim->clock_offset_ms;
}

// Who calls ------------------------------------------------------------------------------------

static wp_view secret_of(void *arg, wp_view access_key_id)
{
    struct wp_sim *sim = arg;
    for (size_t i = 0; i < sim->account_count; i++)
        if (wp_view_is(access_key_id, sim->accounts[i].config.access_key_id))
            return wp_view_of(sim->accounts[i].config.secret_access_key);
    return (wp_view){NULL, 0};
}

// AWS accepts a signature for five minutes around its own clock. The date is "20261124T083000Z".
static bool is_skewed(wp_view date)
{
    enum { ACCEPTED_MS = 300000 };
    char text[32];
    int64_t signed_ms;
    if (date.len != 16)
        return true;
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date.ptr, date.ptr + 4,
             date.ptr + 6, date.ptr + 9, date.ptr + 11, date.ptr + 13);
    if (!wp_parse_time(wp_view_of(text), &signed_ms))
        return true;
    int64_t apart = signed_ms - wp_wall_ms();
    return apart > ACCEPTED_MS || apart < -ACCEPTED_MS;
}

static struct sim_account *by_signature(struct sim_call *call, const char **reason)
{
    struct wp_sim *sim = call->sim;
    wp_view access_key_id;
    size_t question = wp_view_find_char(call->head->target, '?');
    struct wp_sigv4_request request = {
        .method = call->head->method,
        .host = wp_headers_get(&call->head->headers, "host"),
        .path = wp_view_sub(call->head->target, 0, question),
        .query = call->head->query,
    };
    wp_sha256_hex(wp_buf_view(&call->body), request.payload_hash);
    if (!wp_sigv4_verify(&request, &call->head->headers, secret_of, sim, call->arena,
                         &access_key_id, reason))
        return NULL;
    if (!wp_view_contains(
            wp_headers_get(&call->head->headers, "authorization"),
            wp_arena_printf(call->arena, "/%s/aws4_request", sim_front_service(call->front)))) {
        *reason = "Credential should be scoped to correct service";
        return NULL;
    }
    if (is_skewed(wp_headers_get(&call->head->headers, "x-amz-date"))) {
        *reason = "Signature expired or not yet current";
        return NULL;
    }
    for (size_t i = 0; i < sim->account_count; i++)
        if (wp_view_is(access_key_id, sim->accounts[i].config.access_key_id))
            return &sim->accounts[i];
    return NULL;
}

static struct sim_account *by_key(struct sim_call *call)
{
    wp_view authorization = wp_headers_get(&call->head->headers, "authorization");
    wp_view key = wp_headers_get(&call->head->headers, "x-api-key");
    if (key.len == 0)
        key = wp_headers_get(&call->head->headers, "api-key");
    if (wp_view_starts_with_nocase(authorization, WP_VIEW("Bearer ")))
        key = wp_view_trim(wp_view_skip(authorization, 7));
    for (size_t i = 0; i < call->sim->account_count && key.len > 0; i++) {
        const struct wp_sim_account_config *config = &call->sim->accounts[i].config;
        const char *wanted = call->platform == SIM_ANTHROPIC ? config->api_key : config->bearer;
        bool mantle = call->platform == SIM_ANTHROPIC && wp_view_is(key, config->bearer);
        if (mantle || wp_view_is(key, wanted))
            return &call->sim->accounts[i];
    }
    return NULL;
}

static bool authenticate(struct sim_call *call)
{
    const char *reason = NULL;
    wp_view authorization = wp_headers_get(&call->head->headers, "authorization");
    if (wp_view_starts_with(authorization, WP_VIEW("AWS4-HMAC-SHA256")))
        call->account = by_signature(call, &reason);
    else
        call->account = by_key(call);
    if (call->account != NULL)
        return true;
    call->sim->unauthorized++;
    if (sim_front_service(call->front) != NULL)
        sim_send_error(
            call, 403,
            reason != NULL
                ? wp_arena_printf(call->arena,
                                  "The request signature we calculated does not match the "
                                  "signature you provided. (%s)",
                                  reason)
                : WP_VIEW("The security token included in the request is invalid."),
            reason != NULL ? "InvalidSignatureException" : "UnrecognizedClientException", NULL);
    else
        sim_send_error(call, 401, WP_VIEW("invalid x-api-key"), NULL, NULL);
    return false;
}

// What was received ----------------------------------------------------------------------------

static void copy_text(char *out, size_t size, wp_view text)
{
    snprintf(out, size, "%.*s", WP_VIEW_ARG(text));
}

static void log_call(struct sim_call *call)
{
    struct sim_account *account = call->account;
    account->requests++;
    call->log_index = SIZE_MAX;
    if (account->log_count == SIM_LOG_MAX)
        return;
    if (account->log_count == account->log_capacity) {
        size_t capacity = account->log_capacity == 0 ? 64 : account->log_capacity * 2;
        struct sim_logged *more = wp_realloc(account->log, capacity * sizeof(*more));
        if (more == NULL)
            return;
        account->log = more;
        account->log_capacity = capacity;
    }
    call->log_index = account->log_count++;
    struct sim_logged *row = &account->log[call->log_index];
    *row = (struct sim_logged){.number = ++call->sim->numbers, .body_len = call->body.len};
    row->stream = call->endpoint == SIM_INVOKE_STREAM;
    copy_text(row->path, sizeof(row->path), call->head->target);
    copy_text(row->session, sizeof(row->session),
              wp_headers_get(&call->head->headers, "x-claude-code-session-id"));
    copy_text(row->betas, sizeof(row->betas),
              wp_headers_get(&call->head->headers, "anthropic-beta"));
    wp_sha256_hex(wp_buf_view(&call->body), row->body_sha256);
    if (call->sim->keep_bodies && (row->body = wp_alloc(call->body.len + 1)) != NULL &&
        call->body.len > 0)
        memcpy(row->body, call->body.ptr, call->body.len);
}

// Requests -------------------------------------------------------------------------------------

// True if the door has turned the call away.
static bool turned_away(struct sim_call *call)
{
    int status;
    const char *refusal = sim_front_refusal(call, &status);
    if (refusal == NULL)
        return false;
    call->account->rejected++;
    sim_send_error(call, status, wp_view_of(refusal), NULL, NULL);
    return true;
}

static struct sim_reading reading_of(const struct sim_call *call)
{
    return (struct sim_reading){
        .platform = call->platform,
        .model = call->model,
        .betas = wp_headers_get(&call->head->headers, "anthropic-beta"),
        .account = wp_view_of(call->account->config.name),
        .rules = call->account->rules,
    };
}

static void serve_inference(struct sim_call *call)
{
    int status;
    wp_view message;
    uint64_t number = call->sim->numbers;
    call->faulty = sim_fault_take(call->account, wp_buf_view(&call->body), &call->fault);
    if (sim_fault_before_head(call))
        return;
    const struct sim_reading reading = reading_of(call);
    if (!sim_request_parse(call->arena, &reading, wp_buf_view(&call->body), &call->parsed, &status,
                           &message)) {
        call->account->rejected++;
        sim_send_error(call, status, message, NULL, NULL);
        return;
    }
    if (turned_away(call))
        return;
    struct sim_logged *row = sim_call_logged(call);
    if (row != NULL) {
        copy_text(row->model, sizeof(row->model), call->parsed.model);
        row->stream = call->parsed.stream || call->endpoint == SIM_INVOKE_STREAM;
    }
    sim_cache_request(&call->account->cache, call->parsed.model,
                      sim_minimum_tokens(call->platform, call->parsed.model), &call->parsed.prompt,
                      sim_now_ms(call->sim), &call->usage, &call->use);
    if (!sim_answer_build(call->arena, &call->parsed, &call->usage,
                          wp_view_of(call->account->config.name), number,
                          call->platform == SIM_BEDROCK, &call->answer)) {
        sim_send_error(call, 500, WP_VIEW("the script is too long"), NULL, NULL);
        return;
    }
    uint32_t wait_ms = call->sim->ttft_ms;
    if (call->faulty && call->fault.kind == SIM_FAULT_SLOW)
        wait_ms += call->fault.delay_ms;
    wp_timer_init(&call->timer, call->sim->loop, sim_answer_send, call);
    if (wait_ms == 0)
        sim_answer_send(call);
    else
        wp_timer_start(&call->timer, wait_ms);
}

static void serve_count(struct sim_call *call)
{
    int status;
    wp_view message, body = wp_buf_view(&call->body);
    size_t len;
    call->faulty = sim_fault_take(call->account, wp_buf_view(&call->body), &call->fault);
    if (sim_fault_before_head(call))
        return;
    if (call->endpoint == SIM_BEDROCK_COUNT) {
        const struct wp_json_val *root = wp_json_parse(call->arena, body);
        wp_view encoded = wp_json_str(wp_json_path(root, "input.invokeModel.body"));
        char *decoded = wp_arena_alloc(call->arena, encoded.len + 4);
        if (decoded == NULL || encoded.len == 0 || !wp_base64_decode(encoded, decoded, &len)) {
            sim_send_error(call, 400, WP_VIEW("input.invokeModel.body is not base64"), NULL, NULL);
            return;
        }
        body = wp_view_make(decoded, len);
    }
    const struct sim_reading reading = reading_of(call);
    if (!sim_request_parse(call->arena, &reading, body, &call->parsed, &status, &message)) {
        sim_send_error(call, status, message, NULL, NULL);
        return;
    }
    const char *field = call->endpoint == SIM_BEDROCK_COUNT ? "inputTokens" : "input_tokens";
    sim_send_whole(call, 200, "application/json",
                   wp_arena_printf(call->arena, "{\"%s\":%u}", field, call->parsed.prompt.tokens),
                   NULL, 0);
}

static void serve(struct sim_call *call)
{
    if (call->endpoint == SIM_CONTROL) {
        call->ended = true;
        sim_control(call->sim, call->request, call->head, wp_buf_view(&call->body), call->arena);
        return;
    }
    if (!authenticate(call))
        return;
    log_call(call);
    switch (call->endpoint) {
    case SIM_INVOKE:
    case SIM_INVOKE_STREAM:
    case SIM_MESSAGES:
        serve_inference(call);
        return;
    case SIM_BEDROCK_COUNT:
    case SIM_COUNT:
        serve_count(call);
        return;
    case SIM_MODELS:
        sim_send_whole(call, 200, "application/json",
                       WP_VIEW("{\"data\":[{\"type\":\"model\",\"id\":\"claude-sonnet-4-5\","
                               "\"display_name\":\"Claude Sonnet 4.5\",\"created_at\":"
                               "\"2025-09-29T00:00:00Z\"}],\"has_more\":false}"),
                       NULL, 0);
        return;
    default:
        sim_send_error(call, 404, WP_VIEW("not found"), NULL, NULL);
    }
}

// /v1/projects/P/locations/L/publishers/anthropic/models/M:rawPredict
static void route_vertex(struct sim_call *call, wp_view path)
{
    size_t at = wp_view_find(path, WP_VIEW("/publishers/anthropic/models/"));
    size_t colon = wp_view_rfind_char(path, ':');
    if (at == WP_NOT_FOUND || colon == WP_NOT_FOUND || colon < at + 29)
        return;
    wp_view method = wp_view_skip(path, colon + 1);
    call->platform = SIM_VERTEX;
    call->model = wp_view_sub(path, at + 29, colon);
    if (wp_view_is(call->model, "count-tokens"))
        call->endpoint = SIM_COUNT;
    else if (wp_view_is(method, "rawPredict") || wp_view_is(method, "streamRawPredict"))
        call->endpoint = SIM_MESSAGES;
}

// Which endpoint; the model id of a Bedrock path is percent-encoded in the target.
static void route(struct sim_call *call)
{
    wp_view path = wp_view_sub(call->head->target, 0, wp_view_find_char(call->head->target, '?'));
    call->platform = SIM_ANTHROPIC;
    call->endpoint = SIM_UNKNOWN;
    if (wp_view_starts_with(path, WP_VIEW("/_sim/")))
        call->endpoint = SIM_CONTROL;
    else if (wp_view_is(path, "/v1/messages") || wp_view_is(path, "/anthropic/v1/messages"))
        call->endpoint = SIM_MESSAGES;
    else if (wp_view_is(path, "/v1/messages/count_tokens") ||
             wp_view_is(path, "/anthropic/v1/messages/count_tokens"))
        call->endpoint = SIM_COUNT;
    else if (wp_view_is(path, "/v1/models"))
        call->endpoint = SIM_MODELS;
    else if (wp_view_starts_with(path, WP_VIEW("/v1/projects/")))
        route_vertex(call, path);
    if (!wp_view_starts_with(path, WP_VIEW("/model/")))
        return;
    static const struct {
        const char *suffix;
        enum sim_endpoint endpoint;
    } rows[] = {{"/invoke", SIM_INVOKE},
                {"/invoke-with-response-stream", SIM_INVOKE_STREAM},
                {"/count-tokens", SIM_BEDROCK_COUNT}};
    call->platform = SIM_BEDROCK;
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        wp_view suffix = wp_view_of(rows[i].suffix);
        char *decoded = wp_arena_alloc(call->arena, path.len + 1);
        size_t len;
        if (decoded == NULL || !wp_view_ends_with(path, suffix) || path.len < 7 + suffix.len ||
            !wp_percent_decode(wp_view_sub(path, 7, path.len - suffix.len), decoded, &len))
            continue;
        call->endpoint = rows[i].endpoint;
        call->model = wp_view_make(decoded, len);
    }
}

// wp_server_handler ----------------------------------------------------------------------------

static void *on_head(void *context, struct wp_server_request *request,
                     const struct wp_request_head *head)
{
    struct wp_sim *sim = context;
    struct wp_arena *arena = wp_request_arena(request);
    struct sim_call *call = WP_ARENA_NEW(arena, struct sim_call);
    WP_CHECK_MAGIC(sim, SIM_MAGIC);
    if (call == NULL)
        return NULL;
    call->magic = SIM_CALL_MAGIC;
    call->sim = sim;
    call->request = request;
    call->head = head;
    call->arena = arena;
    call->log_index = SIZE_MAX;
    call->body = wp_buf_make(64 * 1024 * 1024);
    wp_timer_init(&call->timer, sim->loop, sim_answer_send, call);
    route(call);
    sim_front_choose(call);
    if (head->has_body)
        wp_request_read_body(request);
    else
        serve(call);
    return call;
}

static void on_body(void *state, wp_view bytes)
{
    wp_buf_append(&sim_call_of(state)->body, bytes);
}

static void on_body_end(void *state)
{
    struct sim_call *call = sim_call_of(state);
    if (call->head->has_body && !call->ended)
        serve(call);
}

static void on_drain(void *state)
{
    (void)sim_call_of(state);
}

static void on_abort(void *state, enum wp_err err)
{
    (void)err;
    sim_call_of(state)->ended = true;
}

static void on_closed(void *state)
{
    struct sim_call *call = sim_call_of(state);
    wp_timer_stop(&call->timer);
    if (!call->begun && call->account != NULL && call->use.count > 0)
        sim_cache_failed(&call->account->cache, call->parsed.model, &call->use);
    wp_buf_free(&call->body);
    call->magic = 0;
}

static void error_body(void *context, enum wp_err err, wp_view peer, struct wp_arena *arena,
                       wp_view *body)
{
    (void)peer;
    (void)context;
    *body = wp_arena_printf(arena,
                            "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"}}",
                            wp_err_info(err)->type, wp_err_info(err)->sentence);
}

static const struct wp_server_handler HANDLER = {
    .on_head = on_head,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_drain = on_drain,
    .on_abort = on_abort,
    .on_closed = on_closed,
    .error_body = error_body,
};

// The provider ---------------------------------------------------------------------------------

void wp_sim_default_accounts(struct wp_sim_account_config *accounts, size_t count)
{
    static char names[WP_SIM_ACCOUNTS_MAX][16], ids[WP_SIM_ACCOUNTS_MAX][24],
        secrets[WP_SIM_ACCOUNTS_MAX][48], bearers[WP_SIM_ACCOUNTS_MAX][48],
        keys[WP_SIM_ACCOUNTS_MAX][48], workspaces[WP_SIM_ACCOUNTS_MAX][32];
    for (size_t i = 0; i < count && i < WP_SIM_ACCOUNTS_MAX; i++) {
        unsigned number = (unsigned)i + 1;
        snprintf(names[i], sizeof(names[i]), "account-%u", number);
        snprintf(ids[i], sizeof(ids[i]), "AKIASIMULATED%07u", number);
        snprintf(secrets[i], sizeof(secrets[i]), "simulated/secret/access/key/of/account/%03u",
                 number);
        snprintf(bearers[i], sizeof(bearers[i]), "simulated-bedrock-api-key-%u", number);
        snprintf(keys[i], sizeof(keys[i]), "sk-ant-api03-simulated-%u", number);
        snprintf(workspaces[i], sizeof(workspaces[i]), "wrkspc_simulated_%u", number);
        accounts[i] = (struct wp_sim_account_config){names[i],   ids[i],  secrets[i],
                                                     bearers[i], keys[i], workspaces[i]};
    }
}

enum wp_err wp_sim_start(struct wp_loop *loop, const struct wp_sim_config *config,
                         struct wp_sim **out, char *error, size_t error_size)
{
    struct wp_sim *sim = wp_alloc_or_die(sizeof(*sim));
    sim->magic = SIM_MAGIC;
    sim->loop = loop;
    sim->ttft_ms = config->ttft_ms;
    sim->event_ms = config->event_ms;
    sim->keep_bodies = config->keep_bodies;
    sim->account_count =
        config->account_count < WP_SIM_ACCOUNTS_MAX ? config->account_count : WP_SIM_ACCOUNTS_MAX;
    for (size_t i = 0; i < sim->account_count; i++) {
        sim->accounts[i].config = config->accounts[i];
        sim->accounts[i].cache.entries = wp_map_make(1000000);
    }
    struct wp_server_config server = {
        .host = wp_view_of(config->host),
        .port = config->port,
        .handler = &HANDLER,
        .context = sim,
    };
    wp_server_limits_default(&server.limits);
    enum wp_err err = wp_server_start(loop, &server, &sim->server, error, error_size);
    if (err != WP_OK) {
        wp_sim_free(sim);
        return err;
    }
    *out = sim;
    return WP_OK;
}

uint16_t wp_sim_port(const struct wp_sim *sim)
{
    return wp_server_port(sim->server);
}

void wp_sim_stop(struct wp_sim *sim, void (*stopped)(void *arg), void *arg)
{
    wp_server_drain(sim->server, 0, stopped, arg);
}

void wp_sim_free(struct wp_sim *sim)
{
    if (sim == NULL)
        return;
    if (sim->server != NULL)
        wp_server_destroy(sim->server);
    for (size_t i = 0; i < sim->account_count; i++) {
        struct sim_account *account = &sim->accounts[i];
        sim_cache_free(&account->cache);
        for (size_t k = 0; k < account->log_count; k++)
            wp_free(account->log[k].body);
        wp_free(account->log);
    }
    sim->magic = 0;
    wp_free(sim);
}
