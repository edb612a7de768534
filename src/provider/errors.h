// What an upstream's refusal means, wherever it arrives: as a status, as an SSE event, as an
// exception frame. Private to the room; wp_provider_error is the public one.
#ifndef WP_PROVIDER_ERRORS_H
#define WP_PROVIDER_ERRORS_H

#include "provider/provider.h"

// An error inside a 2xx answer. `headers` are the answer's.
struct wp_error_source {
    const struct wp_deployment_config *deployment;
    const struct wp_headers *headers;
    struct wp_arena *arena;
};

// Anthropic's envelope, from an "error" event, a chunk, or a 2xx JSON body.
void wp_error_from_envelope(const struct wp_error_source *source, wp_view envelope,
                            struct wp_upstream_error *out);
// An exception or error frame of an AWS event stream: its name and JSON payload (or plain text).
void wp_error_from_exception(const struct wp_error_source *source, wp_view name, wp_view payload,
                             struct wp_upstream_error *out);
// What the gateway itself found wrong with the answer.
void wp_error_from_gateway(const struct wp_error_source *source, enum wp_err err,
                           const char *message, struct wp_upstream_error *out);
// retry-after-ms, else retry-after in seconds or as a date (relative to the answer's own Date);
// -1 if there is none.
int64_t wp_error_retry_after(const struct wp_headers *headers);

#endif
