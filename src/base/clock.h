// Time: a monotonic clock for timers and durations, a wall clock for records and signatures.
#ifndef WP_BASE_CLOCK_H
#define WP_BASE_CLOCK_H

#include <stdint.h>

#include "base/view.h"

// Nanoseconds since an arbitrary start; never steps back.
uint64_t wp_now_ns(void);
// Milliseconds since the Unix epoch.
int64_t wp_wall_ms(void);
// The same up to some milliseconds late, at a fraction of the price.
uint64_t wp_now_ns_coarse(void);
int64_t wp_wall_ms_coarse(void);

enum { WP_RFC3339_LEN = 24 }; // 2026-11-24T01:54:42.123Z
void wp_format_rfc3339(int64_t wall_ms, char out[WP_RFC3339_LEN + 1]);
// Basic format of SigV4: 20261124T015442Z.
void wp_format_amz_date(int64_t wall_ms, char out[17]);
// RFC 9110 IMF-fixdate: Tue, 24 Nov 2026 01:54:42 GMT.
void wp_format_http_date(int64_t wall_ms, char out[30]);

// "2026-11-24", "2026-11-24 01:54:42", "2026-11-24T01:54:42[.fff][Z|+hh:mm]", all UTC unless an
// offset is given. False when malformed.
bool wp_parse_time(wp_view text, int64_t *wall_ms);

#endif
