// Who asks: keys in Authorization, x-api-key (or api-key, x-goog-api-key) or x-litellm-api-key, and
// console sessions.
// Keys are compared by their SHA-256 in constant time; nothing of a key is ever echoed.
#ifndef WP_GATEWAY_IDENTITY_H
#define WP_GATEWAY_IDENTITY_H

#include "gateway/front.h"

// Fills *out; known == false: no or a wrong key. x-litellm-api-key alone decides where it is sent
// (Authorization may then carry a token for the provider); Authorization and x-api-key with
// different keys contradict each other, and neither counts.
void wp_identify(const struct wp_runtime *runtime, const struct wp_request_head *head,
                 struct wp_caller *out);
// True if this text is the master key.
bool wp_identity_is_master_key(const struct wp_runtime *runtime, wp_view key);

enum { WP_SESSION_TTL_S = 12 * 3600, WP_SESSION_TOKEN_MAX = 160 };
// A console session for the master key: "expiry.nonce.hmac", stateless, void when the key changes.
void wp_session_issue(const struct wp_runtime *runtime, int64_t now_ms,
                      char out[WP_SESSION_TOKEN_MAX]);
bool wp_session_valid(const struct wp_runtime *runtime, wp_view token, int64_t now_ms);
#define WP_SESSION_COOKIE "warmpath_session"

#endif
