// An answer that is one JSON document: kept whole, because its status may still change, then sent
// with the requested model's name.
#include "provider/answer.h"
#include "json/scan.h"

// Top-level members that matter; ranges of the document.
struct members {
    wp_view type, id, model, stop_reason, usage, content, input_tokens;
    bool is_object;
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

static bool read_members(wp_view json, struct members *out)
{
    struct wp_json_scan scan;
    const struct {
        wp_view name;
        wp_view *value;
    } wanted[] = {
        {WP_VIEW("type"), &out->type},
        {WP_VIEW("id"), &out->id},
        {WP_VIEW("model"), &out->model},
        {WP_VIEW("usage"), &out->usage},
        {WP_VIEW("content"), &out->content},
        {WP_VIEW("stop_reason"), &out->stop_reason},
        {WP_VIEW("inputTokens"), &out->input_tokens},
    };
    wp_view key;
    wp_json_scan_init(&scan, json);
    out->is_object = wp_json_peek(&scan) == WP_JSON_OBJECT;
    if (!out->is_object || !wp_json_enter_object(&scan))
        return false;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        for (size_t i = 0; i < WP_COUNT_OF(wanted); i++) {
            if (wp_view_eq(key, wanted[i].name))
                *wanted[i].value = value;
        }
    }
    return wp_json_scan_finish(&scan);
}

static wp_view keep_string(struct wp_answer_core *core, wp_view value)
{
    if (!wp_json_is_string(value))
        return (wp_view){NULL, 0};
    wp_view text = wp_json_decode_string(core->source.arena, value);
    return text.ptr == NULL ? text : wp_arena_copy(core->source.arena, text);
}

// False: memory is short.
static bool settle(struct wp_answer_core *core, const struct members *members)
{
    struct wp_answer *answer = &core->answer;
    answer->message_id = keep_string(core, members->id);
    answer->upstream_model = keep_string(core, members->model);
    answer->stop_reason = keep_string(core, members->stop_reason);
    answer->output_bytes = members->content.len;
    if (members->usage.len > 0) {
        const struct wp_json_val *usage = wp_json_parse(core->source.arena, members->usage);
        if (usage == NULL)
            return false;
        wp_usage_apply(&answer->usage, usage);
    }
    answer->usage.final = answer->usage.seen;
    return true;
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
    if (core->model.len == 0 || model.len == 0) {
        put(core, json);
        return;
    }
    size_t from = (size_t)(model.ptr - json.ptr);
    put(core, wp_view_sub(json, 0, from));
    put(core, core->model);
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
    if (!settle(core, &members)) {
        wp_answer_fail(core, WP_ERR_NO_MEMORY, "no memory for the usage");
        return;
    }
    if (members.type.len == 0 && members.input_tokens.len > 0)
        put_count(core, members.input_tokens);
    else
        put_document(core, json, members.model);
    core->answer.phase = WP_ANSWER_COMPLETE;
}

static void release(struct wp_answer_core *core)
{
    wp_buf_free(&core->whole);
}

const struct wp_answer_ops wp_answer_json_ops = {init, feed, finish, release};
