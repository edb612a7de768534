// Bedrock's event stream as SSE: each chunk carries one event of the Messages stream.
#include "base/codec.h"
#include "provider/answer.h"
#include "json/doc.h"
#include "json/scan.h"

static const char metrics_key[] = "amazon-bedrock-invocationMetrics";

static void init(struct wp_answer_core *core)
{
    wp_event_stream_init(&core->frames);
    core->decoded = wp_buf_make(WP_EVENT_STREAM_FRAME_MAX);
}

// --- metrics

// Counts stand in where the stream itself carried no usage.
static void apply_metrics(struct wp_answer_core *core, wp_view metrics)
{
    struct wp_usage *usage = &core->answer.usage;
    const struct wp_json_val *val = wp_json_parse(core->source.arena, metrics);
    uint64_t output = wp_json_u64(wp_json_get(val, "outputTokenCount"), 0);
    if (usage->seen) {
        if (usage->output < output)
            usage->output = output;
        return;
    }
    usage->seen = wp_json_is_object(val);
    usage->input = wp_json_u64(wp_json_get(val, "inputTokenCount"), 0);
    usage->cache_read = wp_json_u64(wp_json_get(val, "cacheReadInputTokenCount"), 0);
    usage->cache_write_5m = wp_json_u64(wp_json_get(val, "cacheWriteInputTokenCount"), 0);
    usage->output = output;
}

// message_stop without the member that only AWS has; `data` itself if it has none.
static wp_view without_metrics(struct wp_answer_core *core, wp_view data)
{
    struct wp_json_scan scan;
    struct wp_splice splice;
    struct wp_spans spans;
    wp_view key, text = data;
    if (!wp_view_contains(data, wp_view_of(metrics_key)))
        return data;
    wp_splice_init(&splice, core->source.arena, data);
    wp_json_scan_init(&scan, data);
    if (!wp_json_enter_object(&scan))
        return data;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (!wp_view_is(key, metrics_key))
            continue;
        apply_metrics(core, value);
        wp_splice_remove_item(
            &splice, wp_view_trim(data),
            wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - (key.ptr - 1))));
    }
    if (wp_json_scan_finish(&scan) && wp_splice_spans(&splice, &spans) == WP_OK)
        text = wp_arena_concat(core->source.arena, spans.list, spans.count);
    return text.ptr == NULL ? data : text;
}

// --- frames

// The member "bytes" of {"bytes":"<base64>","p":"padding"}, without quotes; ptr NULL if missing.
static wp_view encoded_bytes(wp_view payload)
{
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, payload);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return (wp_view){NULL, 0};
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "bytes") && wp_json_is_string(value))
            return wp_view_sub(value, 1, value.len - 1);
    }
    return (wp_view){NULL, 0};
}

static void on_chunk(struct wp_answer_core *core, wp_view payload)
{
    wp_view encoded = encoded_bytes(payload);
    size_t len = 0;
    wp_buf_clear(&core->decoded);
    if (encoded.ptr == NULL) {
        wp_answer_fail(core, WP_ERR_PROTOCOL, "a chunk of the event stream carries no bytes");
        return;
    }
    if (!wp_buf_reserve(&core->decoded, encoded.len / 4 * 3)) {
        wp_answer_fail(core, WP_ERR_NO_MEMORY, "no memory for a chunk of the event stream");
        return;
    }
    if (encoded.len > 0 && !wp_base64_decode(encoded, core->decoded.ptr, &len)) {
        wp_answer_fail(core, WP_ERR_PROTOCOL, "a chunk of the event stream is not base64");
        return;
    }
    wp_view data = wp_view_trim(wp_view_make(core->decoded.ptr, len));
    wp_view name = wp_answer_event_type(data);
    if (name.len == 0)
        return; // as the official SDKs do with frames that have no type
    if (wp_view_is(name, "message_stop"))
        data = without_metrics(core, data);
    wp_answer_event(core, name, data, (wp_view){NULL, 0});
}

static void on_exception(struct wp_answer_core *core, wp_view name, wp_view payload)
{
    core->answer.phase = WP_ANSWER_FAILED;
    wp_error_from_exception(&core->source, name, payload, &core->answer.error);
}

static bool on_message(void *arg, const struct wp_event_message *message)
{
    struct wp_answer_core *core = wp_answer_core_of(arg);
    if (wp_view_is(message->message_type, "exception"))
        on_exception(core, message->exception_type, message->payload);
    else if (wp_view_is(message->message_type, "error"))
        on_exception(core, message->error_code, message->error_message);
    else if (wp_view_is(message->event_type, "chunk"))
        on_chunk(core, message->payload);
    return !wp_answer_over(core);
}

static void feed(struct wp_answer_core *core, wp_view bytes)
{
    enum wp_err err = wp_event_stream_feed(&core->frames, bytes, on_message, core);
    if (err == WP_ERR_NO_MEMORY)
        wp_answer_fail(core, err, "no memory for a frame of the event stream");
    else if (err != WP_OK)
        wp_answer_fail(core, err, "the upstream's event stream is corrupt");
}

static void finish(struct wp_answer_core *core)
{
    wp_answer_fail(core, WP_ERR_INCOMPLETE,
                   wp_event_stream_partial(&core->frames)
                       ? "the upstream's event stream ended inside a frame"
                       : "the upstream's stream ended without message_stop");
}

static void release(struct wp_answer_core *core)
{
    wp_event_stream_free(&core->frames);
    wp_buf_free(&core->decoded);
}

const struct wp_answer_ops wp_answer_event_stream_ops = {init, feed, finish, release};
