// What the forms of 2xx answers share. Private to the room.
//
//     upstream bytes → sse | event stream → wp_answer_event → client bytes
//                    → json (whole)                         → client bytes
#ifndef WP_PROVIDER_ANSWER_H
#define WP_PROVIDER_ANSWER_H

#include "http/event_stream.h"
#include "http/sse.h"
#include "provider/build.h"
#include "provider/errors.h"

enum {
    WP_ANSWER_JSON_MAX = 64 * 1024 * 1024,  // a whole JSON answer
    WP_ANSWER_EVENT_MAX = 16 * 1024 * 1024, // one SSE event
    WP_ANSWER_HELD_MAX = 64 * 1024,         // pings and comments before message_start
};

struct wp_answer_core {
    uint32_t magic;
    struct wp_answer answer;
    struct wp_error_source source;
    wp_view model;         // the requested name; empty: the answer's is left alone
    wp_answer_write write; // during a call of feed or finish
    void *write_arg;
    bool ending; // the upstream's body is over: what is left of it may be half an event
    struct wp_buf held;
    union { // by form
        struct wp_sse sse;
        struct {
            struct wp_event_stream frames;
            struct wp_buf decoded; // of one chunk
        };
        struct wp_buf whole;
    };
};

struct wp_answer_ops {
    void (*init)(struct wp_answer_core *core);
    void (*feed)(struct wp_answer_core *core, wp_view bytes);
    void (*finish)(struct wp_answer_core *core);
    void (*release)(struct wp_answer_core *core);
};

extern const struct wp_answer_ops wp_answer_sse_ops;
extern const struct wp_answer_ops wp_answer_event_stream_ops;
extern const struct wp_answer_ops wp_answer_json_ops;

// Cast of a callback's void*.
struct wp_answer_core *wp_answer_core_of(void *arg);
static inline bool wp_answer_over(const struct wp_answer_core *core)
{
    return core->answer.phase == WP_ANSWER_COMPLETE || core->answer.phase == WP_ANSWER_FAILED;
}
// What the client reads in place of the answer's model, `present` with its quotes: that itself
// where it is the name that was asked for, or none was. ptr NULL: memory is short.
wp_view wp_answer_model(struct wp_answer_core *core, wp_view present) WP_WARN_UNUSED;
// One event of the Messages stream. `raw` are the bytes that carried it; empty: it is framed here.
void wp_answer_event(struct wp_answer_core *core, wp_view name, wp_view data, wp_view raw);
// The "type" of an event's JSON; empty if it has none.
wp_view wp_answer_event_type(wp_view data);
void wp_answer_fail(struct wp_answer_core *core, enum wp_err err, const char *message);
void wp_answer_fail_envelope(struct wp_answer_core *core, wp_view envelope);

#endif
