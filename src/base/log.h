// The process's own log: one line per event on stderr, text or JSON. Control bytes are escaped,
// lines are bounded, registered secrets are masked wherever they appear. Never prompt text.
#ifndef WP_BASE_LOG_H
#define WP_BASE_LOG_H

#include "base/check.h"
#include "base/view.h"

enum wp_log_level { WP_LOG_ERROR, WP_LOG_WARN, WP_LOG_INFO, WP_LOG_DEBUG };

// Before threads start. fd is written to with one write(2) per line.
void wp_log_init(enum wp_log_level level, bool json, int fd);
bool wp_log_enabled(enum wp_log_level level);
// Any thread. `area` is a short room or feature name ("config", "aws", "upstream").
void wp_log(enum wp_log_level level, const char *area, const char *format, ...) WP_PRINTF(3, 4);

// Values (keys, tokens, passwords) of at least 8 bytes that no line may show; copied. Bounded;
// any thread, meant for configuration time.
void wp_log_register_secret(wp_view secret);
// Overwrites each registered secret in `text` with asterisks, in place. True if there was one.
bool wp_log_mask_secrets(char *text, size_t len);
// Writes `text` to `out` (NUL-terminated, at most size - 1 bytes) with control bytes escaped
// and secrets masked: for messages that leave the process by another way than the log.
void wp_log_sanitize(wp_view text, char *out, size_t size);

#endif
