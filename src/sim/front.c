// The platforms' front doors. Behind most of them stands the same Messages API, whose refusals have
// Anthropic's envelope; what the cloud itself has to say (who may enter, quota, names, its own
// failures) comes in the cloud's form.
#include "base/buf.h"
#include "sim/private.h"
#include "json/writer.h"

const char *sim_front_service(enum sim_front front)
{
    static const char *const services[] = {
        [SIM_FRONT_BEDROCK] = "bedrock",
        [SIM_FRONT_BEDROCK_MESSAGES] = "bedrock",
        [SIM_FRONT_MANTLE] = "bedrock-mantle",
        [SIM_FRONT_CLAUDE_AWS] = "aws-external-anthropic",
    };
    return (size_t)front < WP_COUNT_OF(services) ? services[front] : NULL;
}

// The paths of several doors are alike: what a signature is for, or the kind of key, tells them
// apart.
void sim_front_choose(struct sim_call *call)
{
    const struct wp_headers *headers = &call->head->headers;
    wp_view authorization = wp_headers_get(headers, "authorization");
    bool below = wp_view_starts_with(call->head->target, WP_VIEW("/anthropic/"));
    call->front = SIM_FRONT_ANTHROPIC;
    if (call->platform == SIM_BEDROCK)
        call->front = SIM_FRONT_BEDROCK;
    else if (call->platform == SIM_VERTEX)
        call->front = SIM_FRONT_VERTEX;
    else if (wp_view_contains(authorization, WP_VIEW("/bedrock-mantle/aws4_request")))
        call->front = SIM_FRONT_MANTLE;
    else if (wp_view_contains(authorization, WP_VIEW("/aws-external-anthropic/aws4_request")))
        call->front = SIM_FRONT_CLAUDE_AWS;
    else if (wp_view_contains(authorization, WP_VIEW("/bedrock/aws4_request")))
        call->front = SIM_FRONT_BEDROCK_MESSAGES;
    else if (!below && wp_headers_has(headers, "anthropic-workspace-id"))
        call->front = SIM_FRONT_CLAUDE_AWS;
    else if (below)
        call->front = authorization.len > 0 ? SIM_FRONT_BEDROCK_MESSAGES : SIM_FRONT_FOUNDRY;
    else if (wp_view_starts_with_nocase(authorization, WP_VIEW("Bearer simulated-bedrock-")))
        call->front = SIM_FRONT_MANTLE;
}

static bool has_profile(wp_view model)
{
    static const char *const prefixes[] = {"us.", "eu.",     "apac.",   "jp.",
                                           "au.", "us-gov.", "global.", "arn:aws"};
    for (size_t i = 0; i < WP_COUNT_OF(prefixes); i++)
        if (wp_view_starts_with(model, wp_view_of(prefixes[i])))
            return true;
    return false;
}

const char *sim_front_refusal(const struct sim_call *call, int *status)
{
    *status = 400;
    switch (call->front) {
    case SIM_FRONT_BEDROCK_MESSAGES:
        return has_profile(call->parsed.model) ? NULL : "The provided model identifier is invalid.";
    case SIM_FRONT_MANTLE:
        *status = 404;
        return wp_view_starts_with(call->parsed.model, WP_VIEW("anthropic."))
                   ? NULL
                   : "The model does not exist";
    case SIM_FRONT_CLAUDE_AWS:
        return wp_headers_has(&call->head->headers, "anthropic-workspace-id")
                   ? NULL
                   : "anthropic-workspace-id: header is required";
    default:
        return NULL;
    }
}

// Forms ------------------------------------------------------------------------------------------

enum form { FORM_ANTHROPIC, FORM_AWS, FORM_GOOGLE, FORM_AZURE };

// Who refuses: the door or the model behind it.
static enum form form_of(const struct sim_call *call, int status)
{
    bool model = status == 400 || status == 413 || status == 529;
    switch (call->front) {
    case SIM_FRONT_BEDROCK:
        return FORM_AWS;
    case SIM_FRONT_BEDROCK_MESSAGES:
    case SIM_FRONT_MANTLE:
    case SIM_FRONT_CLAUDE_AWS:
        return status == 401 || status == 403 ? FORM_AWS : FORM_ANTHROPIC;
    case SIM_FRONT_VERTEX:
        return model ? FORM_ANTHROPIC : FORM_GOOGLE;
    case SIM_FRONT_FOUNDRY:
        return model ? FORM_ANTHROPIC : FORM_AZURE;
    default:
        return FORM_ANTHROPIC;
    }
}

struct name {
    int status;
    const char *anthropic, *aws, *google, *azure;
};

static const struct name *name_of(int status)
{
    static const struct name names[] = {
        {400, "invalid_request_error", "ValidationException", "INVALID_ARGUMENT", "BadRequest"},
        {401, "authentication_error", "UnrecognizedClientException", "UNAUTHENTICATED", "401"},
        {402, "billing_error", "AccessDeniedException", "FAILED_PRECONDITION", "402"},
        {403, "permission_error", "AccessDeniedException", "PERMISSION_DENIED", "403"},
        {404, "not_found_error", "ResourceNotFoundException", "NOT_FOUND", "DeploymentNotFound"},
        {408, "timeout_error", "ModelTimeoutException", "DEADLINE_EXCEEDED", "Timeout"},
        {413, "request_too_large", "ValidationException", "INVALID_ARGUMENT", "TooLarge"},
        {424, "api_error", "ModelErrorException", "INTERNAL", "FailedDependency"},
        {429, "rate_limit_error", "ThrottlingException", "RESOURCE_EXHAUSTED", "RateLimitReached"},
        {503, "api_error", "ServiceUnavailableException", "UNAVAILABLE", "ServiceUnavailable"},
        {504, "timeout_error", "InternalServerException", "DEADLINE_EXCEEDED", "GatewayTimeout"},
        {529, "overloaded_error", "ServiceUnavailableException", "UNAVAILABLE", "Overloaded"},
        {0, "api_error", "InternalServerException", "INTERNAL", "InternalServerError"},
    };
    const struct name *name = names;
    while (name->status != 0 && name->status != status)
        name++;
    return name;
}

static void write_anthropic(struct wp_json_writer *w, const char *type, wp_view message)
{
    wp_json_open_object(w, NULL);
    wp_json_put_cstr(w, "type", "error");
    wp_json_open_object(w, "error");
    wp_json_put_cstr(w, "type", type);
    wp_json_put_str(w, "message", message);
    wp_json_close(w);
    wp_json_close(w);
}

// A refusal of a streamed request is a list of one.
static void write_google(struct wp_json_writer *w, const struct sim_call *call, int status,
                         wp_view message)
{
    bool list = wp_view_ends_with(call->head->path, WP_VIEW(":streamRawPredict"));
    if (list)
        wp_json_open_array(w, NULL);
    wp_json_open_object(w, NULL);
    wp_json_open_object(w, "error");
    wp_json_put_i64(w, "code", status);
    wp_json_put_str(w, "message", message);
    wp_json_put_cstr(w, "status", name_of(status)->google);
    wp_json_close(w);
    wp_json_close(w);
    if (list)
        wp_json_close(w);
}

static void write_azure(struct wp_json_writer *w, int status, wp_view message)
{
    wp_json_open_object(w, NULL);
    wp_json_open_object(w, "error");
    wp_json_put_cstr(w, "code", name_of(status)->azure);
    wp_json_put_str(w, "message", message);
    wp_json_close(w);
    wp_json_close(w);
}

static void write_body(struct wp_json_writer *w, const struct sim_call *call, enum form form,
                       int status, const char *type, wp_view message)
{
    switch (form) {
    case FORM_ANTHROPIC:
        write_anthropic(w, type, message);
        return;
    case FORM_AWS:
        wp_json_open_object(w, NULL);
        wp_json_put_str(w, "message", message);
        wp_json_close(w);
        return;
    case FORM_GOOGLE:
        write_google(w, call, status, message);
        return;
    case FORM_AZURE:
        write_azure(w, status, message);
        return;
    }
}

static size_t add(struct wp_header *list, size_t count, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return count;
    list[count] = (struct wp_header){wp_view_of(name), wp_view_of(value)};
    return count + 1;
}

void sim_send_error(struct sim_call *call, int status, wp_view message, const char *type,
                    const char *retry_after)
{
    struct wp_buf buf = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    struct wp_header extra[3];
    size_t count = 0;
    enum form form = form_of(call, status);
    if (type == NULL || type[0] == '\0')
        type = form == FORM_AWS ? name_of(status)->aws : name_of(status)->anthropic;
    write_body(&w, call, form, status, type, message);
    if (form == FORM_AWS)
        count = add(extra, count, "x-amzn-errortype", type);
    count = add(extra, count, "retry-after", retry_after);
    if (call->faulty)
        count = add(extra, count, "retry-after-ms", call->fault.retry_after_ms);
    wp_view body = wp_arena_copy(call->arena, wp_buf_view(&buf));
    wp_buf_free(&buf);
    if (call->account != NULL)
        call->account->failures++;
    sim_send_whole(call, status, "application/json", body, extra, count);
}
