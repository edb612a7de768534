// The platforms' own dialects at the front, for clients that think they speak to Bedrock
// (CLAUDE_CODE_USE_BEDROCK, the AWS SDKs: the model in the path, event-stream answers, AWS error
// bodies) or to Vertex AI (CLAUDE_CODE_USE_VERTEX, AnthropicVertex: the model in the path, answers
// as of the Messages API). Inside they are Messages requests like any other. What LiteLLM mounts
// below /bedrock and /vertex_ai is served there as well. Private to gateway/.
#ifndef WP_GATEWAY_DIALECT_H
#define WP_GATEWAY_DIALECT_H

#include "gateway/front.h"
#include "provider/provider.h"

enum wp_dialect { WP_DIALECT_ANTHROPIC, WP_DIALECT_BEDROCK, WP_DIALECT_VERTEX };

// What the path of a request asks for, in the dialects that say it there.
struct wp_model_path {
    wp_view model; // in the arena or the path; empty: the body names it (Vertex's count-tokens)
    enum wp_operation operation;
    bool stream; // Bedrock; elsewhere the body says so
};
// Bedrock: "…/model/ID/invoke", "…/invoke-with-response-stream", "…/count-tokens". Vertex:
// "…/publishers/anthropic/models/ID:rawPredict", ":streamRawPredict", "count-tokens:rawPredict".
// WP_ERR_NOT_FOUND: no such path; WP_ERR_NO_MEMORY.
enum wp_err wp_model_path_parse(struct wp_arena *arena, enum wp_dialect dialect, wp_view path,
                                struct wp_model_path *out) WP_WARN_UNUSED;

// Makes a Messages request of a body in the dialect's form: what the path says becomes its first
// members; a CountTokens body is taken out of its wrapping. WP_ERR_INVALID with a sentence,
// WP_ERR_NO_MEMORY.
enum wp_err wp_model_body_unwrap(struct wp_arena *arena, enum wp_dialect dialect,
                                 const struct wp_model_path *path, struct wp_buf *body,
                                 const char **detail) WP_WARN_UNUSED;

// {"input_tokens":n} as {"inputTokens":n}; in the arena. ptr NULL: memory is short.
wp_view wp_bedrock_count_answer(struct wp_arena *arena, wp_view answer);

// Which dialect the request speaks, by its path.
enum wp_dialect wp_dialect_of(const struct wp_request_head *head);

// GET /inference-profiles and /inference-profiles/ID: the model groups in Bedrock's form.
void wp_serve_inference_profiles(struct wp_front *front);
void wp_serve_inference_profile(struct wp_front *front);

#endif
