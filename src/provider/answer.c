// A 2xx answer: which form it has, and the calls that the exchange makes.
#include "provider/answer.h"

#include "base/buf.h"
#include "json/scan.h"
#include "json/writer.h"

enum { MAGIC = 0x57416e73 };

struct wp_answer_core *wp_answer_core_of(void *arg)
{
    struct wp_answer_core *core = arg;
    WP_CHECK_MAGIC(core, MAGIC);
    return core;
}

void wp_answer_fail(struct wp_answer_core *core, enum wp_err err, const char *message)
{
    if (wp_answer_over(core))
        return;
    core->answer.phase = WP_ANSWER_FAILED;
    wp_error_from_gateway(&core->source, err, message, &core->answer.error);
}

void wp_answer_fail_envelope(struct wp_answer_core *core, wp_view envelope)
{
    if (wp_answer_over(core))
        return;
    core->answer.phase = WP_ANSWER_FAILED;
    wp_error_from_envelope(&core->source, envelope, &core->answer.error);
}

// --- form

// Parameters may follow.
static bool is_media_type(const struct wp_headers *headers, wp_view wanted)
{
    wp_view value = wp_headers_get(headers, "content-type"), rest;
    if (!wp_view_starts_with_nocase(value, wanted))
        return false;
    rest = wp_view_trim(wp_view_skip(value, wanted.len));
    return rest.len == 0 || rest.ptr[0] == ';';
}

static bool is_identity(const struct wp_headers *headers)
{
    wp_view encoding = wp_headers_get(headers, "content-encoding");
    return encoding.len == 0 || wp_view_eq_nocase(encoding, WP_VIEW("identity"));
}

// NULL when status, type and request do not fit together: a login page with 200, JSON where a
// stream was asked for.
static const struct wp_answer_ops *form_of(const struct wp_answer_options *options)
{
    const struct wp_headers *headers = options->headers;
    if (options->status < 200 || options->status > 299 || !is_identity(headers))
        return NULL;
    if (!options->stream)
        return is_media_type(headers, WP_VIEW("application/json")) ? &wp_answer_json_ops : NULL;
    if (wp_provider_ops(options->deployment->platform)->stream == WP_STREAM_EVENT_STREAM)
        return is_media_type(headers, WP_VIEW("application/vnd.amazon.eventstream"))
                   ? &wp_answer_event_stream_ops
                   : NULL;
    return is_media_type(headers, WP_VIEW("text/event-stream")) ? &wp_answer_sse_ops : NULL;
}

// --- life

static void release(void *arg)
{
    struct wp_answer_core *core = wp_answer_core_of(arg);
    core->answer.ops->release(core);
    wp_buf_free(&core->held);
    core->magic = 0;
}

wp_view wp_answer_model(struct wp_answer_core *core, wp_view present)
{
    wp_view name = core->model;
    bool same = wp_json_is_string(present) &&
                wp_view_eq(wp_view_sub(present, 1, present.len - 1), name) &&
                wp_view_find_char(name, '\\') == WP_NOT_FOUND;
    return name.len == 0 || same ? present : wp_json_quoted(core->source.arena, name);
}

enum wp_err wp_answer_create(const struct wp_answer_options *options, struct wp_answer **out)
{
    const struct wp_answer_ops *ops = form_of(options);
    *out = NULL;
    if (ops == NULL)
        return WP_ERR_PROTOCOL;
    struct wp_answer_core *core = WP_ARENA_NEW(options->arena, struct wp_answer_core);
    if (core == NULL)
        return WP_ERR_NO_MEMORY;
    core->magic = MAGIC;
    core->answer.ops = ops;
    core->answer.impl = core;
    core->source = (struct wp_error_source){options->deployment, options->headers, options->arena};
    core->held = wp_buf_make(WP_ANSWER_HELD_MAX);
    ops->init(core);
    core->model = options->requested_model;
    if (!wp_arena_on_destroy(options->arena, release, core)) {
        release(core);
        return WP_ERR_NO_MEMORY;
    }
    *out = &core->answer;
    return WP_OK;
}

void wp_answer_feed(struct wp_answer *answer, wp_view bytes, wp_answer_write write, void *arg)
{
    struct wp_answer_core *core = wp_answer_core_of(answer->impl);
    if (wp_answer_over(core))
        return;
    core->write = write;
    core->write_arg = arg;
    answer->ops->feed(core, bytes);
}

void wp_answer_finish(struct wp_answer *answer, wp_answer_write write, void *arg)
{
    struct wp_answer_core *core = wp_answer_core_of(answer->impl);
    if (wp_answer_over(core))
        return;
    core->write = write;
    core->write_arg = arg;
    answer->ops->finish(core);
}

// --- headers

// The deployment's limits and account are the operator's business; the client is told its own.
static bool is_shown(wp_view name)
{
    if (!wp_view_starts_with_nocase(name, WP_VIEW("anthropic-")))
        return wp_view_eq_nocase(name, WP_VIEW("request-id"));
    static const wp_view hidden[] = {
        {"anthropic-ratelimit-", 20},      {"anthropic-priority-", 19},    {"anthropic-fast-", 15},
        {"anthropic-organization-id", 25}, {"anthropic-workspace-id", 22},
    };
    for (size_t i = 0; i < WP_COUNT_OF(hidden); i++) {
        if (wp_view_starts_with_nocase(name, hidden[i]))
            return false;
    }
    return true;
}

enum wp_err wp_answer_headers(const struct wp_answer_options *options, struct wp_headers *out)
{
    const struct wp_headers *headers = options->headers;
    for (size_t i = 0; i < headers->count; i++) {
        const struct wp_header *header = &headers->list[i];
        if (!is_shown(header->name) || wp_headers_in_connection(headers, header->name) ||
            !wp_header_value_valid(header->value))
            continue;
        enum wp_err err = wp_headers_add(out, header->name, header->value);
        if (err != WP_OK)
            return err;
    }
    // SDKs read the id of the request from "request-id" whatever the platform.
    wp_view id = wp_headers_get(headers, "x-amzn-requestid");
    if (id.len == 0 || wp_headers_has(headers, "request-id") || !wp_header_value_valid(id))
        return WP_OK;
    return wp_headers_add(out, WP_VIEW("request-id"), id);
}
