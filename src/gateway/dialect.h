// Bedrock's own dialect at the front (CLAUDE_CODE_USE_BEDROCK, the AWS SDKs): the model in the
// path, event-stream answers, AWS error bodies. Inside it is a Messages request like any other.
// Private to gateway/.
#ifndef WP_GATEWAY_DIALECT_H
#define WP_GATEWAY_DIALECT_H

#include "gateway/front.h"
#include "provider/provider.h"

enum wp_dialect { WP_DIALECT_ANTHROPIC, WP_DIALECT_BEDROCK };

// Below "/model/": what a request asks for. Views into the path's decoded copy in the arena.
struct wp_bedrock_path {
    wp_view model;
    enum wp_operation operation;
    bool stream;
};
// "ID/invoke", "ID/invoke-with-response-stream", "ID/count-tokens". WP_ERR_NOT_FOUND: no such path;
// WP_ERR_NO_MEMORY.
enum wp_err wp_bedrock_path_parse(struct wp_arena *arena, wp_view rest,
                                  struct wp_bedrock_path *out) WP_WARN_UNUSED;

// Makes a Messages request of a body in Bedrock's form: model and stream as its first members; a
// CountTokens body is taken out of its wrapping. WP_ERR_INVALID with a sentence, WP_ERR_NO_MEMORY.
enum wp_err wp_bedrock_body_unwrap(struct wp_arena *arena, const struct wp_bedrock_path *path,
                                   struct wp_buf *body, const char **detail) WP_WARN_UNUSED;

// {"input_tokens":n} as {"inputTokens":n}; in the arena. ptr NULL: memory is short.
wp_view wp_bedrock_count_answer(struct wp_arena *arena, wp_view answer);

// Whether the request speaks Bedrock's dialect, by its path.
enum wp_dialect wp_dialect_of(const struct wp_request_head *head);

// GET /inference-profiles and /inference-profiles/ID: the model groups in Bedrock's form.
void wp_serve_inference_profiles(struct wp_front *front);
void wp_serve_inference_profile(struct wp_front *front);

#endif
