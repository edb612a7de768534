// A Messages stream (SSE) as Bedrock's clients expect it: one AWS event-stream frame per event.
#ifndef WP_PROVIDER_REFRAME_H
#define WP_PROVIDER_REFRAME_H

#include "base/arena.h"
#include "http/sse.h"
#include "provider/provider.h"

struct wp_reframe {
    struct wp_sse sse;
    struct wp_buf frames;
};

void wp_reframe_init(struct wp_reframe *reframe);
void wp_reframe_free(struct wp_reframe *reframe);
// Feeds SSE bytes in any splitting; `write` gets the frames of the events that are complete now. An
// "error" event becomes an exception frame. WP_ERR_NO_MEMORY, WP_ERR_PROTOCOL (an event that is
// too large).
enum wp_err wp_reframe_feed(struct wp_reframe *reframe, wp_view sse, wp_answer_write write,
                            void *arg) WP_WARN_UNUSED;

// Bedrock's name for an error of Anthropic's type: "ThrottlingException" for "rate_limit_error", …
const char *wp_bedrock_error_type(wp_view anthropic_type);
// {"message":…}, in the arena; ptr NULL without memory.
wp_view wp_bedrock_error_body(struct wp_arena *arena, wp_view message);

#endif
