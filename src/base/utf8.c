#include "base/utf8.h"

#ifdef WP_UTF8_WIDE
#include <immintrin.h>
#endif

// Length of the sequence at `in` (1-4), or 0 when it is not well-formed (RFC 3629).
static size_t utf8_sequence(const unsigned char *in, size_t len)
{
    static const struct {
        unsigned char low, high, size, second_low, second_high;
    } rows[] = {
        {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF}, {0xE1, 0xEC, 3, 0x80, 0xBF},
        {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
        {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
    };
    if (in[0] < 0x80)
        return 1;
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        if (in[0] < rows[row].low || in[0] > rows[row].high)
            continue;
        if (len < rows[row].size || in[1] < rows[row].second_low || in[1] > rows[row].second_high)
            return 0;
        for (size_t i = 2; i < rows[row].size; i++)
            if ((in[i] & 0xC0) != 0x80)
                return 0;
        return rows[row].size;
    }
    return 0;
}

bool wp_utf8_valid_bytewise(wp_view text)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    size_t left = text.len;
    while (left > 0) {
        uint64_t word;
        if (left >= 8 && (memcpy(&word, in, 8), (word & 0x8080808080808080u) == 0)) {
            in += 8;
            left -= 8;
            continue;
        }
        size_t size = utf8_sequence(in, left);
        if (size == 0)
            return false;
        in += size;
        left -= size;
    }
    return true;
}

#ifdef WP_UTF8_WIDE
// Each pair of neighbouring bytes is looked up by three nibbles; an error is a bit that all three
// have (Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte", 2020).
enum {
    TOO_SHORT = 1,   // a lead byte, and no continuation behind it
    TOO_LONG = 2,    // a continuation behind ASCII
    OVERLONG_3 = 4,  // E0 before less than A0
    TOO_LARGE = 8,   // F4 before more than 8F, or F5 and above
    SURROGATE = 16,  // ED before more than 9F
    OVERLONG_2 = 32, // C0, C1
    // F5 and above before less than 90; F0 before less than 90: the same bit, by other bytes
    TOO_LARGE_1000 = 64,
    OVERLONG_4 = 64,
    TWO_CONTS = 128, // two continuations: right only where a lead byte asks for them
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};

#define WIDE static inline __attribute__((target("avx2"), always_inline))

WIDE __m256i look_up(const uint8_t table[16], __m256i nibbles)
{
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half), nibbles);
}

WIDE __m256i high_nibbles(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

// Not zero where the bytes are wrong; `before`: the 32 bytes before them.
WIDE __m256i errors_in(__m256i before, __m256i bytes)
{
    static const uint8_t first_high[16] = {
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TWO_CONTS,
        TWO_CONTS,
        TWO_CONTS,
        TWO_CONTS,
        TOO_SHORT | OVERLONG_2,
        TOO_SHORT,
        TOO_SHORT | OVERLONG_3 | SURROGATE,
        TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
    };
    static const uint8_t first_low[16] = {
        CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
        CARRY | OVERLONG_2,
        CARRY,
        CARRY,
        CARRY | TOO_LARGE,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
        CARRY | TOO_LARGE | TOO_LARGE_1000,
    };
    static const uint8_t second_high[16] = {
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
        TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
        TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
        TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
    };
    __m256i joint =
        _mm256_permute2x128_si256(before, bytes, 0x21); // end of one, start of the other
    __m256i back1 = _mm256_alignr_epi8(bytes, joint, 15),
            back2 = _mm256_alignr_epi8(bytes, joint, 14),
            back3 = _mm256_alignr_epi8(bytes, joint, 13);
    __m256i low = _mm256_and_si256(back1, _mm256_set1_epi8(15));
    __m256i pairs = _mm256_and_si256(
        _mm256_and_si256(look_up(first_high, high_nibbles(back1)), look_up(first_low, low)),
        look_up(second_high, high_nibbles(bytes)));
    // The third byte of three, the third and fourth of four have to be a second continuation.
    __m256i third = _mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i wanted = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(wanted, pairs);
}

__attribute__((target("avx2"))) bool wp_utf8_valid_avx2(wp_view text)
{
    __m256i before = _mm256_setzero_si256(), errors = before, bytes;
    size_t at = 0;
    for (; at + 32 <= text.len; at += 32) {
        bytes = _mm256_loadu_si256((const __m256i *)(const void *)(text.ptr + at));
        // ASCII behind ASCII is right
        if (_mm256_movemask_epi8(_mm256_or_si256(before, bytes)) != 0)
            errors = _mm256_or_si256(errors, errors_in(before, bytes));
        before = bytes;
    }
    char rest[32] = {0}; // a sequence that the end cuts off is too short before a NUL
    if (at < text.len)
        memcpy(rest, text.ptr + at, text.len - at);
    bytes = _mm256_loadu_si256((const __m256i *)(const void *)rest);
    errors = _mm256_or_si256(errors, errors_in(before, bytes));
    return _mm256_testz_si256(errors, errors) != 0;
}
#endif

bool wp_utf8_valid(wp_view text)
{
#ifdef WP_UTF8_WIDE
    if (text.len >= 32 && __builtin_cpu_supports("avx2"))
        return wp_utf8_valid_avx2(text);
#endif
    return wp_utf8_valid_bytewise(text);
}
