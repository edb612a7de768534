// UTF-8, checked (RFC 3629: no surrogates, nothing longer than needed or above U+10FFFF).
#ifndef WP_BASE_UTF8_H
#define WP_BASE_UTF8_H

#include "base/view.h"

bool wp_utf8_valid(wp_view text);

// What wp_utf8_valid chooses from: a sequence at a time, and, only where the processor has it, 32
// bytes at a time.
bool wp_utf8_valid_bytewise(wp_view text);
#if defined(__x86_64__) && defined(__GNUC__)
#define WP_UTF8_WIDE
bool wp_utf8_valid_avx2(wp_view text);
#endif

#endif
