// Every way a request can end badly: name, HTTP status for the client, retry class, the `type`
// of Anthropic's error envelope, and the sentence used when nothing more exact is known.
#ifndef WP_BASE_ERR_H
#define WP_BASE_ERR_H

#include "base/check.h"
#include "base/view.h"

enum wp_retry_class {
    WP_RETRY_NEVER,     // the client's mistake, or answered in full
    WP_RETRY_ELSEWHERE, // another deployment may serve it; this one is at fault
    WP_RETRY_ANYWHERE,  // transient: the same deployment may serve it too
};

// X(NAME, status, retry class, anthropic type, sentence)
#define WP_ERRORS(X)                                                                              \
    X(NONE, 200, NEVER, "", "success")                                                            \
    X(NO_MEMORY, 503, ANYWHERE, "api_error", "The gateway is out of memory; try again shortly")   \
    X(INTERNAL, 500, NEVER, "api_error", "Internal error of the gateway")                         \
    X(INVALID, 400, NEVER, "invalid_request_error", "The request is not valid")                   \
    X(INVALID_JSON, 400, NEVER, "invalid_request_error", "The request body is not valid JSON")    \
    X(UNKNOWN_MODEL, 404, NEVER, "not_found_error", "The model does not exist here")              \
    X(UNAUTHORIZED, 401, NEVER, "authentication_error", "Invalid gateway key")                    \
    X(TOO_MANY_FAILURES, 429, NEVER, "rate_limit_error",                                          \
      "Too many wrong keys came from this address; try again in a minute")                        \
    X(FORBIDDEN, 403, NEVER, "permission_error", "This key may not do that")                      \
    X(NOT_FOUND, 404, NEVER, "not_found_error", "Not found")                                      \
    X(SLOW_QUERY, 504, NEVER, "timeout_error",                                                    \
      "The logs hold too much to answer this in time; narrow the time range")                     \
    X(METHOD, 405, NEVER, "invalid_request_error", "Method not allowed")                          \
    X(TOO_LARGE, 413, NEVER, "request_too_large", "The request body exceeds the maximum size")    \
    X(MEDIA_TYPE, 415, NEVER, "invalid_request_error", "Content-Encoding is not supported")       \
    X(EXPECTATION, 417, NEVER, "invalid_request_error", "Expectation cannot be met")              \
    X(TIMEOUT_CLIENT, 408, NEVER, "timeout_error", "The request did not arrive in time")          \
    X(URI_TOO_LONG, 414, NEVER, "invalid_request_error", "The request target is too long")        \
    X(HEAD_TOO_LARGE, 431, NEVER, "invalid_request_error", "The request header is too large")     \
    X(NOT_SUPPORTED, 501, NEVER, "not_supported_error", "Not supported by this gateway")          \
    X(LOOP, 508, ELSEWHERE, "invalid_request_error", "The gateway was asked to call itself")      \
    X(CLIENT_GONE, 499, NEVER, "api_error", "The client closed the connection")                   \
    X(SHUTTING_DOWN, 503, NEVER, "api_error", "The gateway is shutting down")                     \
    X(NO_DEPLOYMENT, 429, NEVER, "rate_limit_error", "No deployment is available for this model") \
    X(DEPLOYMENTS_DOWN, 503, NEVER, "api_error", "No deployment of this model is healthy")        \
    X(RESOLVE, 502, ELSEWHERE, "api_error", "The upstream's name could not be resolved")          \
    X(CONNECT, 502, ELSEWHERE, "api_error", "The upstream could not be reached")                  \
    X(CONNECT_TIMEOUT, 504, ELSEWHERE, "timeout_error", "Connecting to the upstream timed out")   \
    X(STALLED, 503, ELSEWHERE, "api_error", "This machine is too busy to reach the upstream")     \
    X(TLS, 502, ELSEWHERE, "api_error", "The upstream's TLS certificate or handshake failed")     \
    X(RESET, 502, ANYWHERE, "api_error", "The upstream closed the connection")                    \
    X(UPSTREAM_TIMEOUT, 504, ELSEWHERE, "timeout_error", "The upstream did not answer in time")   \
    X(PROTOCOL, 502, ELSEWHERE, "api_error", "The upstream's answer could not be understood")     \
    X(INCOMPLETE, 502, ELSEWHERE, "api_error", "The upstream's answer ended early")               \
    X(CREDENTIALS, 502, ELSEWHERE, "api_error", "The deployment's credentials are not usable")    \
    X(UPSTREAM_AUTH, 502, ELSEWHERE, "api_error", "The upstream refused the credentials")         \
    X(UPSTREAM_NOT_FOUND, 404, ELSEWHERE, "not_found_error", "The upstream lacks this model")     \
    X(RATE_LIMITED, 429, ELSEWHERE, "rate_limit_error", "The upstream's rate limit is reached")   \
    X(OVERLOADED, 503, ELSEWHERE, "overloaded_error", "The upstream is overloaded")               \
    X(UPSTREAM_ERROR, 502, ANYWHERE, "api_error", "The upstream failed")                          \
    X(UPSTREAM_REFUSED, 400, NEVER, "invalid_request_error", "The upstream refused the request")

enum wp_err {
#define X(name, status, retry, type, sentence) WP_ERR_##name,
    WP_ERRORS(X)
#undef X
        WP_ERR_COUNT
};

#define WP_OK WP_ERR_NONE

struct wp_err_info {
    const char *name; // stable upper-case identifier for logs, metrics and records
    int status;
    enum wp_retry_class retry;
    const char *type; // of {"type":"error","error":{"type":…}}
    const char *sentence;
};

// Never NULL.
const struct wp_err_info *wp_err_info(enum wp_err err);
// A want of this machine's own (memory, a processor): it says nothing about an upstream.
bool wp_err_is_ours(enum wp_err err);

#endif
