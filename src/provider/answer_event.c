// The events of a Messages stream: phase, usage, the model's name. Deltas are the bulk of a stream
// and are never parsed: their name decides.
#include "provider/answer.h"
#include "json/scan.h"

#include <string.h>

// --- writing

static void put(struct wp_answer_core *core, wp_view bytes)
{
    if (bytes.len > 0)
        core->write(core->write_arg, bytes);
}

// Until the message has begun nothing is written, so that another deployment may still answer;
// pings and comments wait. What does not fit is of no use to anybody.
static void hold(struct wp_answer_core *core, wp_view bytes)
{
    if (core->held.len + bytes.len <= WP_ANSWER_HELD_MAX)
        wp_buf_append(&core->held, bytes);
}

static void release_held(struct wp_answer_core *core)
{
    put(core, wp_buf_view(&core->held));
    wp_buf_free(&core->held);
}

// One "data:" line for each line: JSON may have line ends between its tokens.
static void put_framed(struct wp_answer_core *core, wp_view name, const wp_view *data, size_t count)
{
    put(core, WP_VIEW("event: "));
    put(core, name);
    put(core, WP_VIEW("\ndata: "));
    for (size_t i = 0; i < count; i++) {
        wp_view rest = data[i];
        size_t end;
        while ((end = wp_view_find_char(rest, '\n')) != WP_NOT_FOUND) {
            put(core, wp_view_sub(rest, 0, end));
            put(core, WP_VIEW("\ndata: "));
            rest = wp_view_skip(rest, end + 1);
        }
        put(core, rest);
    }
    put(core, WP_VIEW("\n\n"));
}

// `data` with the range `part` (inside it) replaced; raw bytes around it stay.
static void put_replaced(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw,
                         wp_view part, wp_view with)
{
    size_t from = (size_t)(part.ptr - data.ptr);
    size_t at = raw.len == 0 ? WP_NOT_FOUND : wp_view_find(raw, data);
    if (at == WP_NOT_FOUND) {
        const wp_view parts[] = {wp_view_sub(data, 0, from), with,
                                 wp_view_skip(data, from + part.len)};
        put_framed(core, name, parts, 3);
        return;
    }
    put(core, wp_view_sub(raw, 0, at + from));
    put(core, with);
    put(core, wp_view_skip(raw, at + from + part.len));
}

static void put_event(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw)
{
    if (raw.len > 0)
        put(core, raw);
    else
        put_framed(core, name, &data, 1);
}

// --- reading

// Value of a member of the object `json`; empty if there is none.
static wp_view member(wp_view json, const char *name)
{
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, json);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return (wp_view){NULL, 0};
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, name))
            return value;
    }
    return (wp_view){NULL, 0};
}

wp_view wp_answer_event_type(wp_view data)
{
    // The usual spelling, without a look at the rest of the event.
    wp_view usual = WP_VIEW("{\"type\":\"");
    wp_view value = {NULL, 0};
    if (wp_view_starts_with(data, usual)) {
        wp_view rest = wp_view_skip(data, usual.len);
        size_t end = wp_view_find_char(rest, '"');
        if (end != WP_NOT_FOUND)
            value = wp_view_sub(rest, 0, end);
    } else {
        wp_view quoted = member(data, "type");
        if (wp_json_is_string(quoted))
            value = wp_view_sub(quoted, 1, quoted.len - 1);
    }
    return wp_view_find_char(value, '\\') == WP_NOT_FOUND ? value : (wp_view){NULL, 0};
}

static wp_view keep_string(struct wp_answer_core *core, wp_view value)
{
    if (!wp_json_is_string(value))
        return (wp_view){NULL, 0};
    wp_view text = wp_json_decode_string(core->source.arena, value);
    return text.ptr == NULL ? text : wp_arena_copy(core->source.arena, text);
}

// --- events

// What counts of the message that a stream begins with. *model: its name as it stands there.
static void read_message(struct wp_answer_core *core, wp_view message, wp_view *model)
{
    struct wp_answer *answer = &core->answer;
    struct wp_json_scan scan;
    wp_view key;
    *model = (wp_view){NULL, 0};
    wp_json_scan_init(&scan, message);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return;
    while (wp_json_next_key(&scan, &key)) {
        if (wp_view_is(key, "usage")) {
            wp_usage_read(&answer->usage, &scan);
            continue;
        }
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "model"))
            *model = value;
        else if (wp_view_is(key, "id"))
            answer->message_id = keep_string(core, value);
    }
    answer->upstream_model = keep_string(core, *model);
}

static void on_message_start(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw)
{
    struct wp_answer *answer = &core->answer;
    wp_view message = member(data, "message"), model;
    if (message.len == 0) {
        wp_answer_fail(core, WP_ERR_PROTOCOL, "message_start without a message");
        return;
    }
    read_message(core, message, &model);
    wp_view with = model.len == 0 ? model : wp_answer_model(core, model);
    if (with.ptr == NULL && model.len > 0) {
        wp_answer_fail(core, WP_ERR_NO_MEMORY, "no memory for the model's name");
        return;
    }
    release_held(core);
    if (answer->phase == WP_ANSWER_EMPTY)
        answer->phase = WP_ANSWER_STARTED;
    if (with.ptr != model.ptr)
        put_replaced(core, name, data, raw, model, with);
    else
        put_event(core, name, data, raw);
}

static void on_message_delta(struct wp_answer_core *core, wp_view data)
{
    struct wp_answer *answer = &core->answer;
    wp_view reason = keep_string(core, member(member(data, "delta"), "stop_reason"));
    wp_usage_apply(&answer->usage, member(data, "usage"));
    if (reason.len == 0)
        return;
    answer->stop_reason = reason;
    answer->usage.final = answer->usage.seen;
}

static bool take(wp_view *rest, wp_view text)
{
    if (!wp_view_starts_with(*rest, text))
        return false;
    *rest = wp_view_skip(*rest, text.len);
    return true;
}

// Moves behind `text`, wherever it stands; mostly that is where the first of its bytes does.
static bool take_next(wp_view *rest, wp_view text)
{
    size_t at = wp_view_find_char(*rest, text.ptr[0]);
    if (at == WP_NOT_FOUND || !wp_view_starts_with(wp_view_skip(*rest, at), text))
        at = wp_view_find(*rest, text);
    if (at == WP_NOT_FOUND)
        return false;
    *rest = wp_view_skip(*rest, at + text.len);
    return true;
}

// {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"…"}}: what lies
// between the first quote of the value behind "type" and the closing "}} is text that the model
// wrote. Signatures are not.
static size_t delta_bytes(wp_view data)
{
    wp_view rest = data;
    if (take(&rest, WP_VIEW("{\"type\":\"content_block_delta\",\"index\":")))
        rest = wp_view_skip(rest, wp_view_find_char(rest, ',')); // the usual spelling
    else
        rest = data;
    if (!take(&rest, WP_VIEW(",\"delta\":{\"type\":\"")) &&
        !take_next(&rest, WP_VIEW("\"delta\":{\"type\":\"")))
        return data.len;
    if (!take_next(&rest, WP_VIEW("\",\"")))
        return rest.len;
    if (wp_view_starts_with(rest, WP_VIEW("signature\"")))
        return 0;
    wp_view text = rest;
    size_t closing = WP_VIEW("\"}}").len;
    if (!take_next(&text, WP_VIEW("\":\"")) || text.len < closing)
        return rest.len;
    return text.len - closing;
}

static void on_content(struct wp_answer_core *core)
{
    release_held(core);
    core->answer.phase = WP_ANSWER_CONTENT;
}

enum kind {
    KIND_OTHER,
    KIND_DELTA,
    KIND_PING,
    KIND_BLOCK,
    KIND_MESSAGE_START,
    KIND_MESSAGE_DELTA,
    KIND_MESSAGE_STOP,
    KIND_ERROR,
};

static enum kind kind_of(wp_view name)
{
    static const struct {
        wp_view name;
        enum kind kind;
    } kinds[] = {
        {{"content_block_delta", 19}, KIND_DELTA},   {{"ping", 4}, KIND_PING},
        {{"content_block_start", 19}, KIND_BLOCK},   {{"content_block_stop", 18}, KIND_BLOCK},
        {{"message_start", 13}, KIND_MESSAGE_START}, {{"message_delta", 13}, KIND_MESSAGE_DELTA},
        {{"message_stop", 12}, KIND_MESSAGE_STOP},   {{"error", 5}, KIND_ERROR},
    };
    for (size_t i = 0; i < WP_COUNT_OF(kinds); i++) {
        if (wp_view_eq(name, kinds[i].name))
            return kinds[i].kind;
    }
    return KIND_OTHER;
}

static void hold_event(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw)
{
    if (raw.len > 0) {
        hold(core, raw);
        return;
    }
    const wp_view parts[] = {WP_VIEW("event: "), name, WP_VIEW("\ndata: "), data, WP_VIEW("\n\n")};
    size_t total = 0;
    for (size_t i = 0; i < WP_COUNT_OF(parts); i++)
        total += parts[i].len;
    for (size_t i = 0; i < WP_COUNT_OF(parts) && core->held.len + total <= WP_ANSWER_HELD_MAX; i++)
        wp_buf_append(&core->held, parts[i]);
}

void wp_answer_event(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw)
{
    switch (kind_of(name)) {
    case KIND_DELTA:
        core->answer.output_bytes += delta_bytes(data);
        on_content(core);
        break;
    case KIND_BLOCK:
        on_content(core);
        break;
    case KIND_MESSAGE_START:
        on_message_start(core, name, data, raw);
        return;
    case KIND_MESSAGE_DELTA:
        on_message_delta(core, data);
        break;
    case KIND_MESSAGE_STOP:
        release_held(core);
        core->answer.usage.final = core->answer.usage.seen;
        core->answer.phase = WP_ANSWER_COMPLETE;
        break;
    case KIND_ERROR:
        wp_answer_fail_envelope(core, data);
        return;
    case KIND_PING:
    case KIND_OTHER:
        break;
    }
    if (core->answer.phase == WP_ANSWER_EMPTY)
        hold_event(core, name, data, raw);
    else
        put_event(core, name, data, raw);
}
