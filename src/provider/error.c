// What an upstream's refusal means: for the retry, for the deployment's health, for the client.
//
// The words are part of the contract: Claude Code recovers from some refusals by matching their
// text. Anthropic's own bodies go through byte for byte; Bedrock's texts are
// kept, with the wording that the client knows put before them where it differs.
#include "base/buf.h"
#include "base/log.h"
#include "provider/build.h"
#include "provider/errors.h"
#include "json/doc.h"
#include "json/writer.h"

enum { CLIENT_MESSAGE_MAX = 4096, LOG_MESSAGE_MAX = 512 };

struct verdict {
    enum wp_err err;
    int status; // for the client; 0: the table's
};

// The refusal as it came.
struct refusal {
    struct wp_error_source source;
    const struct wp_provider_ops *ops;
    int status;
    wp_view body;          // readable bytes; empty when encoded
    bool is_object;        // body is a JSON object
    wp_view envelope_type; // error.type; empty without Anthropic's envelope
    wp_view code;          // error.details.error_code
    wp_view aws_name;      // "ThrottlingException", without suffixes
    wp_view message;
    bool has_outer_message; // beside the envelope
    struct verdict verdict;
};

// --- tables

struct aws_row {
    const char *name; // without "Exception", any case
    struct verdict verdict;
};

static const struct aws_row aws_rows[] = {
    {"AccessDenied", {WP_ERR_UPSTREAM_AUTH, 0}},
    // Keys that were replaced or have lapsed look like this: they are fetched anew once.
    {"UnrecognizedClient", {WP_ERR_CREDENTIALS, 0}},
    {"InvalidSignature", {WP_ERR_CREDENTIALS, 0}},
    {"IncompleteSignature", {WP_ERR_UPSTREAM_AUTH, 0}},
    {"SignatureDoesNotMatch", {WP_ERR_CREDENTIALS, 0}},
    {"MissingAuthenticationToken", {WP_ERR_UPSTREAM_AUTH, 0}},
    {"InvalidClientTokenId", {WP_ERR_CREDENTIALS, 0}},
    {"NotAuthorized", {WP_ERR_UPSTREAM_AUTH, 0}},
    {"ExpiredToken", {WP_ERR_CREDENTIALS, 0}},
    {"RequestExpired", {WP_ERR_CREDENTIALS, 0}},
    {"Validation", {WP_ERR_UPSTREAM_REFUSED, 400}},
    {"Conflict", {WP_ERR_UPSTREAM_REFUSED, 400}},
    // The account's quota, not the request, is at fault: another account may serve it.
    {"ServiceQuotaExceeded", {WP_ERR_RATE_LIMITED, 400}},
    {"ResourceNotFound", {WP_ERR_UPSTREAM_NOT_FOUND, 404}},
    {"ModelTimeout", {WP_ERR_UPSTREAM_TIMEOUT, 408}},
    {"ModelError", {WP_ERR_OVERLOADED, 503}},
    {"ModelStreamError", {WP_ERR_OVERLOADED, 503}},
    {"Throttling", {WP_ERR_RATE_LIMITED, 429}},
    {"TooManyRequests", {WP_ERR_RATE_LIMITED, 429}},
    {"ModelNotReady", {WP_ERR_RATE_LIMITED, 429}},
    {"InternalServer", {WP_ERR_UPSTREAM_ERROR, 500}},
    {"InternalFailure", {WP_ERR_UPSTREAM_ERROR, 500}},
    {"ServiceUnavailable", {WP_ERR_OVERLOADED, 503}},
};

// Statuses whose meaning is not their class's. A 529 becomes 503: the client gives up on a 529
// within two seconds.
static const struct {
    int from, to;
    struct verdict verdict;
} status_rows[] = {
    {300, 399, {WP_ERR_PROTOCOL, 502}},           {401, 401, {WP_ERR_UPSTREAM_AUTH, 0}},
    {402, 402, {WP_ERR_RATE_LIMITED, 402}},       {403, 403, {WP_ERR_UPSTREAM_AUTH, 0}},
    {404, 404, {WP_ERR_UPSTREAM_NOT_FOUND, 404}}, {407, 407, {WP_ERR_UPSTREAM_AUTH, 0}},
    {408, 408, {WP_ERR_UPSTREAM_TIMEOUT, 408}},   {424, 424, {WP_ERR_OVERLOADED, 503}},
    {429, 429, {WP_ERR_RATE_LIMITED, 429}},       {500, 500, {WP_ERR_UPSTREAM_ERROR, 500}},
    {502, 502, {WP_ERR_UPSTREAM_ERROR, 502}},     {503, 503, {WP_ERR_OVERLOADED, 503}},
    {504, 504, {WP_ERR_UPSTREAM_TIMEOUT, 504}},   {508, 508, {WP_ERR_LOOP, 508}},
    {529, 529, {WP_ERR_OVERLOADED, 503}},
};

// Error types of events, which have no status of their own.
static const struct {
    const char *type;
    int status;
} type_rows[] = {
    {"invalid_request_error", 400}, {"authentication_error", 401}, {"billing_error", 402},
    {"permission_error", 403},      {"not_found_error", 404},      {"conflict_error", 409},
    {"request_too_large", 413},     {"rate_limit_error", 429},     {"api_error", 500},
    {"timeout_error", 504},         {"overloaded_error", 529},
};

// --- reading

static bool contains(wp_view text, const char *part)
{
    return wp_view_contains(text, wp_view_of(part));
}

// "com.amazonaws#ThrottlingException:http://…" → "ThrottlingException".
static wp_view bare_name(wp_view name)
{
    size_t hash = wp_view_find_char(name, '#');
    size_t colon = wp_view_find_char(name, ':');
    if (colon != WP_NOT_FOUND && (hash == WP_NOT_FOUND || hash < colon))
        name = wp_view_sub(name, 0, colon);
    return wp_view_trim(hash == WP_NOT_FOUND ? name : wp_view_skip(name, hash + 1));
}

static bool is_encoded(const struct wp_headers *headers)
{
    wp_view encoding =
        headers == NULL ? (wp_view){NULL, 0} : wp_headers_get(headers, "content-encoding");
    return encoding.len > 0 && !wp_view_eq_nocase(encoding, WP_VIEW("identity"));
}

static wp_view first_str(const struct wp_json_val *object, const char *a, const char *b)
{
    wp_view text = wp_json_str(wp_json_get(object, a));
    return text.len > 0 ? text : wp_json_str(wp_json_get(object, b));
}

static void read_body(struct refusal *refusal, wp_view body)
{
    if (is_encoded(refusal->source.headers))
        return;
    refusal->body = body;
    const struct wp_json_val *root = wp_json_parse(refusal->source.arena, body);
    refusal->is_object = wp_json_is_object(root);
    if (wp_json_is_array(root)) // Vertex AI answers a streamed request with a list of its refusal
        root = wp_json_at(root, 0);
    if (!wp_json_is_object(root))
        return;
    const struct wp_json_val *error = wp_json_get(root, "error");
    if (wp_json_is_object(error)) {
        if (wp_view_is(wp_json_str(wp_json_get(root, "type")), "error"))
            refusal->envelope_type = wp_json_str(wp_json_get(error, "type"));
        refusal->message = wp_json_str(wp_json_get(error, "message"));
        refusal->has_outer_message = wp_json_get(root, "message") != NULL;
        refusal->code = wp_json_str(wp_json_path(error, "details.error_code"));
        return;
    }
    refusal->message = first_str(root, "message", "Message");
    wp_view original = wp_json_str(wp_json_get(root, "originalMessage"));
    if (original.len > 0)
        refusal->message = original;
    if (refusal->aws_name.len == 0)
        refusal->aws_name = bare_name(first_str(root, "__type", "code"));
}

static wp_view request_id(const struct wp_headers *headers)
{
    if (headers == NULL)
        return (wp_view){NULL, 0};
    wp_view id = wp_headers_get(headers, "request-id");
    return id.len > 0 ? id : wp_headers_get(headers, "x-amzn-requestid");
}

// --- verdict

static bool verdict_of_aws(wp_view name, struct verdict *out)
{
    wp_view suffix = WP_VIEW("Exception");
    if (wp_view_ends_with(name, suffix))
        name.len -= suffix.len;
    else if (wp_view_ends_with(name, WP_VIEW("Error")) && name.len > 5 &&
             !wp_view_eq_nocase(name, WP_VIEW("ModelError")))
        name.len -= 5;
    for (size_t i = 0; i < WP_COUNT_OF(aws_rows); i++) {
        if (!wp_view_eq_nocase(name, wp_view_of(aws_rows[i].name)))
            continue;
        *out = aws_rows[i].verdict;
        return true;
    }
    return false;
}

static struct verdict verdict_of_status(int status)
{
    for (size_t i = 0; i < WP_COUNT_OF(status_rows); i++) {
        if (status >= status_rows[i].from && status <= status_rows[i].to)
            return status_rows[i].verdict;
    }
    if (status >= 400 && status < 500)
        return (struct verdict){WP_ERR_UPSTREAM_REFUSED, status};
    return (struct verdict){WP_ERR_UPSTREAM_ERROR, 502};
}

static int status_of_type(wp_view type)
{
    for (size_t i = 0; i < WP_COUNT_OF(type_rows); i++) {
        if (wp_view_is(type, type_rows[i].type))
            return type_rows[i].status;
    }
    return 500;
}

// Texts that say more than the status: the deployment, not the request, is at fault.
static void refine_refused(struct refusal *refusal)
{
    wp_view text = refusal->message;
    if (refusal->verdict.err != WP_ERR_UPSTREAM_REFUSED || refusal->verdict.status != 400)
        return;
    if (contains(text, "model identifier is invalid") || contains(text, "on-demand throughput"))
        refusal->verdict = (struct verdict){WP_ERR_UPSTREAM_NOT_FOUND, 404};
    else if (contains(text, "is not allowed to use Publisher Model"))
        refusal->verdict = (struct verdict){WP_ERR_UPSTREAM_NOT_FOUND, 404};
    else if (wp_view_is(text, "Operation not allowed"))
        refusal->verdict = (struct verdict){WP_ERR_UPSTREAM_AUTH, 0};
}

static bool is_spend_cap(const struct refusal *refusal, int64_t retry_after_ms)
{
    if (refusal->status == 402)
        return true;
    if (refusal->status == 400)
        return contains(refusal->message, "credit balance is too low") ||
               contains(refusal->message, "specified API usage limits");
    return refusal->status == 429 && retry_after_ms < 0 &&
           wp_view_ends_with(refusal->code, WP_VIEW("spend_limit_reached"));
}

static bool is_too_long(wp_view message)
{
    return contains(message, "prompt is too long") || contains(message, "Input is too long") ||
           contains(message, "exceed context limit");
}

// --- texts

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// ARNs hold account ids: twelve digits after a colon. The words stay.
static wp_view without_accounts(struct wp_arena *arena, wp_view text)
{
    enum { ACCOUNT_LEN = 12 };
    if (wp_view_find_char(text, ':') == WP_NOT_FOUND)
        return text;
    char *copy = wp_arena_cstring(arena, text);
    if (copy == NULL)
        return (wp_view){NULL, 0};
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && is_digit(copy[end]))
            end++;
        if (end - i == ACCOUNT_LEN && i > 0 && copy[i - 1] == ':')
            memset(copy + i, '*', ACCOUNT_LEN);
        i = end + 1;
    }
    return wp_view_make(copy, text.len);
}

// At most `max` bytes, cut between characters.
static wp_view bounded(wp_view text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
        max--;
    return wp_view_sub(text, 0, max);
}

// The client's recoveries match the words of Anthropic's API; Bedrock says the same otherwise.
static const char *recovery_wording(wp_view text)
{
    if (contains(text, "Input is too long") && !contains(text, "prompt is too long"))
        return "prompt is too long: ";
    if (contains(text, ".role") && contains(text, "Input should be 'user' or 'assistant'"))
        return "role 'system' is not supported on this model: ";
    if (contains(text, "thinking") && contains(text, "'adaptive'") &&
        contains(text, "does not match any of the expected tags"))
        return "thinking.type adaptive is not supported on this model: ";
    if (contains(text, "thinking") && contains(text, "'enabled'") &&
        contains(text, "does not match any of the expected tags"))
        return "thinking.type enabled is not supported on this model: ";
    return "";
}

// What goes to the client: an upstream that quotes a credential must not have it passed on.
static wp_view masked(struct wp_arena *arena, wp_view text)
{
    char *copy = wp_arena_cstring(arena, text);
    if (copy == NULL)
        return (wp_view){NULL, 0};
    (void)wp_log_mask_secrets(copy, text.len);
    return wp_view_make(copy, text.len);
}

static wp_view client_message(const struct refusal *refusal)
{
    struct wp_arena *arena = refusal->source.arena;
    wp_view text =
        masked(arena, without_accounts(arena, bounded(refusal->message, CLIENT_MESSAGE_MAX)));
    if (text.len == 0)
        return wp_view_of(wp_err_info(refusal->verdict.err)->sentence);
    const char *wording =
        refusal->verdict.err == WP_ERR_UPSTREAM_REFUSED ? recovery_wording(text) : "";
    if (wording[0] == '\0')
        return text;
    wp_view whole = wp_arena_printf(arena, "%s%.*s", wording, WP_VIEW_ARG(text));
    return whole.ptr == NULL ? text : whole;
}

static wp_view log_message(const struct refusal *refusal)
{
    char text[LOG_MESSAGE_MAX];
    wp_view source = refusal->message;
    if (source.len == 0)
        source = wp_view_of(wp_err_info(refusal->verdict.err)->sentence);
    source = without_accounts(refusal->source.arena, bounded(source, LOG_MESSAGE_MAX - 1));
    wp_log_sanitize(source, text, sizeof(text));
    return wp_arena_copy(refusal->source.arena, wp_view_of(text));
}

// --- answer

static bool is_auth(enum wp_err err)
{
    return err == WP_ERR_UPSTREAM_AUTH || err == WP_ERR_CREDENTIALS;
}

// Credentials that another try with new ones may mend. Google says 401 of every token that has
// lapsed or was withdrawn, in the same words.
static bool may_be_stale(const struct refusal *refusal)
{
    bool google = refusal->source.deployment->platform == WP_PLATFORM_VERTEX;
    return contains(refusal->message, "expired") || (google && refusal->status == 401);
}

// A caller whose own token was refused must see that refusal; nobody may see the deployment's.
static bool is_callers_own(const struct refusal *refusal)
{
    const struct wp_deployment_config *deployment = refusal->source.deployment;
    return deployment->platform == WP_PLATFORM_ANTHROPIC && deployment->api_key.len == 0;
}

static bool hides(const struct refusal *refusal)
{
    return is_auth(refusal->verdict.err) && !is_callers_own(refusal);
}

static const char *client_type(const struct refusal *refusal)
{
    int status = refusal->verdict.status;
    if (status == 402)
        return "billing_error";
    if (status == 413)
        return "request_too_large";
    if (status == 400)
        return "invalid_request_error";
    return wp_err_info(refusal->verdict.err)->type;
}

// The upstream's bytes. Of an overload with its message once more outside: see
// wp_anthropic_error_body.
static wp_view relayed_body(const struct refusal *refusal)
{
    struct wp_arena *arena = refusal->source.arena;
    size_t brace = wp_view_find_char(refusal->body, '{');
    if (!wp_view_is(refusal->envelope_type, "overloaded_error") || refusal->has_outer_message)
        return masked(arena, refusal->body);
    struct wp_buf text = wp_buf_make(8 * CLIENT_MESSAGE_MAX);
    wp_buf_append_cstring(&text, "\"message\":");
    wp_json_append_string(&text, bounded(refusal->message, CLIENT_MESSAGE_MAX));
    wp_buf_append_char(&text, ',');
    const wp_view parts[] = {wp_view_sub(refusal->body, 0, brace + 1), wp_buf_view(&text),
                             wp_view_skip(refusal->body, brace + 1)};
    wp_view body = wp_buf_ok(&text) ? wp_arena_concat(arena, parts, 3) : (wp_view){NULL, 0};
    wp_buf_free(&text);
    return body.ptr == NULL ? body : masked(arena, body);
}

// Anthropic's envelope from whoever speaks its protocol, and what a server that is compatible with
// Anthropic's says instead. The clouds' own front doors (quota, identity, names) speak other
// envelopes, which a client of the Messages API need not know.
static bool is_relayed(const struct refusal *refusal)
{
    if (!refusal->ops->relays_errors || !refusal->is_object)
        return false;
    return refusal->envelope_type.len > 0 ||
           (refusal->source.deployment->platform == WP_PLATFORM_ANTHROPIC && refusal->status < 500);
}

static wp_view client_words(const struct refusal *refusal)
{
    return hides(refusal) ? wp_view_of(wp_err_info(refusal->verdict.err)->sentence)
                          : client_message(refusal);
}

static wp_view client_body(const struct refusal *refusal, const char *type, wp_view words)
{
    struct wp_arena *arena = refusal->source.arena;
    wp_view id = request_id(refusal->source.headers);
    if (is_relayed(refusal) && !hides(refusal)) {
        wp_view copy = relayed_body(refusal);
        if (copy.ptr != NULL)
            return copy;
    }
    return wp_anthropic_error_body(arena, type, words, id);
}

// Words of an upstream that speaks Anthropic's protocol are for the client.
static bool says_never(const struct refusal *refusal)
{
    const struct wp_headers *headers = refusal->source.headers;
    return headers != NULL && refusal->ops->relays_errors &&
           wp_view_eq_nocase(wp_headers_get(headers, "x-should-retry"), WP_VIEW("false"));
}

static void conclude(struct refusal *refusal, struct wp_upstream_error *out)
{
    const struct wp_headers *headers = refusal->source.headers;
    refine_refused(refusal);
    *out = (struct wp_upstream_error){0};
    out->retry_after_ms = wp_error_retry_after(headers);
    out->spend_cap = is_spend_cap(refusal, out->retry_after_ms);
    if (out->spend_cap)
        refusal->verdict.err = WP_ERR_RATE_LIMITED;
    enum wp_err err = refusal->verdict.err;
    if (is_auth(err) && is_callers_own(refusal))
        refusal->verdict.status = refusal->status;
    if (refusal->verdict.status == 0)
        refusal->verdict.status = wp_err_info(err)->status;
    const char *type = client_type(refusal);
    bool own_words = refusal->envelope_type.len > 0 && !hides(refusal);
    out->err = err;
    out->status = refusal->verdict.status;
    out->type = own_words
                    ? wp_arena_copy(refusal->source.arena, bounded(refusal->envelope_type, 64))
                    : wp_view_of(type);
    out->message = log_message(refusal);
    out->credentials =
        err == WP_ERR_CREDENTIALS || (err == WP_ERR_UPSTREAM_AUTH && may_be_stale(refusal));
    out->never_retry = out->spend_cap || says_never(refusal) || hides(refusal);
    out->context_window = err == WP_ERR_UPSTREAM_REFUSED && is_too_long(refusal->message);
    out->words = client_words(refusal);
    out->body = client_body(refusal, type, out->words);
}

void wp_provider_error(const struct wp_deployment_config *deployment, int status,
                       const struct wp_headers *headers, wp_view body, struct wp_arena *arena,
                       struct wp_upstream_error *out)
{
    struct refusal refusal = {
        .source = {deployment, headers, arena},
        .ops = wp_provider_ops(deployment->platform),
        .status = status,
    };
    if (headers != NULL)
        refusal.aws_name = bare_name(wp_headers_get(headers, "x-amzn-errortype"));
    read_body(&refusal, body);
    if (refusal.envelope_type.len > 0 || !verdict_of_aws(refusal.aws_name, &refusal.verdict))
        refusal.verdict = verdict_of_status(status);
    conclude(&refusal, out);
}

void wp_error_from_envelope(const struct wp_error_source *source, wp_view envelope,
                            struct wp_upstream_error *out)
{
    // The headers belong to a 200: their encoding was checked when the answer began.
    struct refusal refusal = {.source = *source,
                              .ops = wp_provider_ops(source->deployment->platform)};
    read_body(&refusal, envelope);
    refusal.status = status_of_type(refusal.envelope_type);
    refusal.verdict = verdict_of_status(refusal.status);
    conclude(&refusal, out);
}

void wp_error_from_exception(const struct wp_error_source *source, wp_view name, wp_view payload,
                             struct wp_upstream_error *out)
{
    struct refusal refusal = {
        .source = *source,
        .ops = wp_provider_ops(source->deployment->platform),
        .aws_name = bare_name(name),
    };
    read_body(&refusal, payload);
    if (!refusal.is_object && refusal.message.len == 0)
        refusal.message = payload;
    if (!verdict_of_aws(refusal.aws_name, &refusal.verdict))
        refusal.verdict = (struct verdict){WP_ERR_UPSTREAM_ERROR, 500};
    refusal.status = refusal.verdict.status;
    conclude(&refusal, out);
}

void wp_error_from_gateway(const struct wp_error_source *source, enum wp_err err,
                           const char *message, struct wp_upstream_error *out)
{
    const struct wp_err_info *info = wp_err_info(err);
    wp_view text = wp_view_of(message);
    *out = (struct wp_upstream_error){
        .err = err,
        .status = info->status,
        .words = text,
        .message = text,
        .type = wp_view_of(info->type),
        .retry_after_ms = -1,
        .body =
            wp_anthropic_error_body(source->arena, info->type, text, request_id(source->headers)),
    };
}
