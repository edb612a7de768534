// A stream that is SSE already: whole events are relayed as they came.
#include "provider/answer.h"

#include "json/doc.h"

static void init(struct wp_answer_core *core)
{
    wp_sse_init(&core->sse, WP_ANSWER_EVENT_MAX);
}

// Half an event is none: its client would choke on it.
static bool is_whole(const struct wp_answer_core *core, wp_view data)
{
    const struct wp_json_val *root;
    return wp_json_read(core->source.arena, data, &root) == WP_OK;
}

static bool on_event(void *arg, const struct wp_sse_event *event)
{
    struct wp_answer_core *core = wp_answer_core_of(arg);
    if (core->ending && !is_whole(core, event->data))
        return false;
    // Without an event line the JSON names the event; the bytes are the upstream's either way.
    wp_view name = event->name.len > 0 ? event->name : wp_answer_event_type(event->data);
    wp_answer_event(core, name, event->data, event->raw);
    return !wp_answer_over(core);
}

static void feed(struct wp_answer_core *core, wp_view bytes)
{
    enum wp_err err = wp_sse_feed(&core->sse, bytes, on_event, core);
    if (err == WP_ERR_NO_MEMORY)
        wp_answer_fail(core, err, "no memory for an event of the stream");
    else if (err != WP_OK)
        wp_answer_fail(core, err, "the upstream sent an event that is too large");
}

// Some servers leave out the last blank line.
static void finish(struct wp_answer_core *core)
{
    core->ending = true;
    if (wp_sse_pending(&core->sse).len > 0)
        feed(core, WP_VIEW("\n\n"));
    wp_answer_fail(core, WP_ERR_INCOMPLETE, "the upstream's stream ended without message_stop");
}

static void release(struct wp_answer_core *core)
{
    wp_sse_free(&core->sse);
}

const struct wp_answer_ops wp_answer_sse_ops = {init, feed, finish, release};
