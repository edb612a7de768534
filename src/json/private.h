// Private to json/: what stands inside a string.
#ifndef WP_JSON_PRIVATE_H
#define WP_JSON_PRIVATE_H

#include "base/view.h"

// The offset of the first quote or control byte from `at` on, or of a backslash that begins more
// than a simple escape, or the end. *high is set when a byte above 0x7f was passed (or nearly).
size_t wp_json_stop(wp_view text, size_t at, bool *high);
// `at` stands on a backslash. Length of the escape in the source and its code point, or 0 if it is
// not valid (unpaired surrogates are not).
size_t wp_json_read_escape(wp_view text, size_t at, uint32_t *code);

// wp_json_stop by one byte at a time, which says what the wider ones have to find.
size_t wp_json_stop_bytewise(wp_view text, size_t at, bool *high);

#ifdef __SSE2__
#define WP_JSON_WIDE
#include <emmintrin.h>

size_t wp_json_stop_narrow(wp_view text, size_t at, bool *high); // SSE2
size_t wp_json_stop_avx2(wp_view text, size_t at, bool *high);   // only where the processor has it
size_t wp_json_stop_avx512(wp_view text, size_t at, bool *high); // the same
// VBMI: since those processors AVX-512 costs no clock frequency.
static inline bool wp_json_has_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi");
}

static inline uint32_t wp_json_quotes(__m128i bytes)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
}
// Backslashes, control bytes and what is not ASCII.
static inline uint32_t wp_json_not_plain(__m128i bytes)
{
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    // signed: bytes above 0x7f are below zero
    __m128i below = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(backslash, below));
}
#endif

#endif
