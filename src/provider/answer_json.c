// An answer that is one JSON document: kept whole, because its status may still change, then sent
// with the requested model's name.
#include "provider/answer.h"
#include "json/scan.h"

// Top-level members that matter; ranges of the document but for the usage.
struct members {
    wp_view type, id, model, stop_reason, content, input_tokens;
    struct wp_usage usage;
};

static void init(struct wp_answer_core *core)
{
    core->whole = wp_buf_make(WP_ANSWER_JSON_MAX);
}

static void feed(struct wp_answer_core *core, wp_view bytes)
{
    wp_buf_append(&core->whole, bytes);
    if (wp_buf_ok(&core->whole))
        return;
    bool large = bytes.len > WP_ANSWER_JSON_MAX - core->whole.len;
    wp_answer_fail(core, large ? WP_ERR_PROTOCOL : WP_ERR_NO_MEMORY,
                   large ? "the upstream's answer is too large" : "no memory for the answer");
}

// NULL: of no interest.
static wp_view *member_of(struct members *members, wp_view key)
{
    switch (key.len) {
    case 2:
        return wp_view_is(key, "id") ? &members->id : NULL;
    case 4:
        return wp_view_is(key, "type") ? &members->type : NULL;
    case 5:
        return wp_view_is(key, "model") ? &members->model : NULL;
    case 7:
        return wp_view_is(key, "content") ? &members->content : NULL;
    case 11:
        return wp_view_is(key, "stop_reason")   ? &members->stop_reason
               : wp_view_is(key, "inputTokens") ? &members->input_tokens
                                                : NULL;
    default:
        return NULL;
    }
}

// False: it is not one JSON object.
static bool read_members(wp_view json, struct members *out)
{
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, json);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return false;
    while (wp_json_next_key(&scan, &key)) {
        if (wp_view_is(key, "usage")) {
            wp_usage_read(&out->usage, &scan);
            continue;
        }
        wp_view value = wp_json_value(&scan), *wanted = member_of(out, key);
        if (wanted != NULL)
            *wanted = value;
    }
    return wp_json_scan_finish(&scan);
}

// Lies in the document, which stays as long as the answer does.
static wp_view text_of(struct wp_answer_core *core, wp_view value)
{
    return wp_json_decode_string(core->source.arena, value);
}

static void settle(struct wp_answer_core *core, const struct members *members)
{
    struct wp_answer *answer = &core->answer;
    answer->message_id = text_of(core, members->id);
    answer->upstream_model = text_of(core, members->model);
    answer->stop_reason = text_of(core, members->stop_reason);
    answer->output_bytes = members->content.len;
    answer->usage = members->usage;
    answer->usage.final = answer->usage.seen;
}

static void put(struct wp_answer_core *core, wp_view bytes)
{
    if (bytes.len > 0)
        core->write(core->write_arg, bytes);
}

// Bedrock's CountTokens answers {"inputTokens":n}.
static void put_count(struct wp_answer_core *core, wp_view count)
{
    put(core, WP_VIEW("{\"input_tokens\":"));
    put(core, count);
    put(core, WP_VIEW("}"));
}

static void put_document(struct wp_answer_core *core, wp_view json, wp_view model)
{
    wp_view with = model.len == 0 ? model : wp_answer_model(core, model);
    if (with.ptr == NULL && model.len > 0) {
        wp_answer_fail(core, WP_ERR_NO_MEMORY, "no memory for the model's name");
        return;
    }
    if (with.ptr == model.ptr) {
        put(core, json);
        return;
    }
    size_t from = (size_t)(model.ptr - json.ptr);
    put(core, wp_view_sub(json, 0, from));
    put(core, with);
    put(core, wp_view_skip(json, from + model.len));
}

static void finish(struct wp_answer_core *core)
{
    wp_view json = wp_buf_view(&core->whole);
    struct members members = {0};
    if (!read_members(json, &members)) {
        wp_answer_fail(core, WP_ERR_PROTOCOL, "the upstream's answer is not a JSON object");
        return;
    }
    if (wp_view_is(members.type, "\"error\"")) {
        wp_answer_fail_envelope(core, json);
        return;
    }
    settle(core, &members);
    if (members.type.len == 0 && members.input_tokens.len > 0)
        put_count(core, members.input_tokens);
    else
        put_document(core, json, members.model);
    if (!wp_answer_over(core))
        core->answer.phase = WP_ANSWER_COMPLETE;
}

static void release(struct wp_answer_core *core)
{
    wp_buf_free(&core->whole);
}

const struct wp_answer_ops wp_answer_json_ops = {init, feed, finish, release};
