// Strings: where they stop being plain, and what an escape stands for.
#include "json/private.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "base/codec.h"

// What the letter behind a backslash stands for; 0: no such escape, or one that needs a look.
static const uint8_t ESCAPES[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

static bool is_simple_escape(wp_view text, size_t at)
{
    return text.ptr[at] == '\\' && at + 1 < text.len &&
           ESCAPES[(unsigned char)text.ptr[at + 1]] != 0;
}

size_t wp_json_stop_bytewise(wp_view text, size_t at, bool *high)
{
    for (; at < text.len; at++) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (is_simple_escape(text, at))
            at++;
        else if (c == '"' || c == '\\' || c < 0x20)
            return at;
        *high = *high || c >= 0x80;
    }
    return at;
}

#ifdef WP_JSON_WIDE

// Texts are full of \n and \": 64 bytes at a time, and no branch depends on where they stand. Each
// width reads a block into masks of a bit per byte; what follows from them is the same for all.

// Bits of the bytes behind a backslash that begins an escape. *carry: the first byte of this block
// is one, then that of the next.
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry)
{
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAu;
    uint64_t behind = backslash << 1 | *carry;
    if ((backslash & behind) == 0) { // each stands alone
        *carry = backslash >> 63;
        return behind;
    }
    // Of a run of backslashes each second begins nothing: adding to the run's first bit carries
    // through it, and whether it leaves at an odd place tells the run's length (simdjson's
    // find_escaped).
    uint64_t begins = backslash & ~*carry;
    uint64_t codes = (((begins << 1) | odd) - begins) ^ odd;
    uint64_t escaped = codes ^ (backslash | *carry);
    *carry = (codes & backslash) >> 63;
    return escaped;
}

// The stop within the block at `at`, if it has one. `stops`: quotes and control bytes; `unknown`:
// bytes behind a backslash that are no simple escape's letter (\u, or not valid: it stops at the
// backslash, which may be the last byte of the block before).
static inline bool stops_here(uint64_t stops, uint64_t unknown, size_t *at)
{
    if ((unknown & 1) != 0) {
        *at -= 1;
        return true;
    }
    stops |= unknown >> 1;
    if (stops == 0)
        return false;
    *at += (size_t)__builtin_ctzll(stops);
    return true;
}

// AVX2 --------------------------------------------------------------------------------------------

#define AVX2        __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

AVX2_INLINE uint64_t mask_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

AVX2_INLINE __m256i is(__m256i bytes, char byte)
{
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
}

// Quotes and control bytes, which unsigned are their own minimum with 0x1f.
AVX2_INLINE __m256i ends(__m256i bytes)
{
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    return _mm256_or_si256(is(bytes, '"'), control);
}

// Bytes of the same high nibble share a bit; a byte is one of them if its low nibble has it too.
AVX2_INLINE __m256i other_than_letters(__m256i bytes)
{
    enum { QUOTE = 1, SLASH = 2, BACKSLASH = 4, BFN = 8, RT = 16 };
    const __m256i low = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 0, QUOTE | BFN | RT, 0, RT, 0, BFN, 0, 0, 0, 0, 0, BACKSLASH, 0, BFN, SLASH));
    const __m256i high = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, QUOTE | SLASH, 0, 0, BACKSLASH, BFN, RT, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i of_low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    __m256i of_high =
        _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return _mm256_cmpeq_epi8(_mm256_and_si256(of_low, of_high), _mm256_setzero_si256());
}

AVX2 size_t wp_json_stop_avx2(wp_view text, size_t at, bool *high)
{
    uint64_t carry = 0;
    __m256i seen = _mm256_setzero_si256();
    bool stopped = false;
    for (; at + 64 <= text.len; at += 64) {
        const char *ptr = text.ptr + at;
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)ptr);
        __m256i up = _mm256_loadu_si256((const __m256i *)(const void *)(ptr + 32));
        uint64_t escaped = 0, unknown = 0, backslash = mask_of(is(low, '\\'), is(up, '\\'));
        seen = _mm256_or_si256(seen, _mm256_or_si256(low, up));
        if ((backslash | carry) != 0) {
            escaped = escaped_bytes(backslash, &carry);
            unknown = escaped & mask_of(other_than_letters(low), other_than_letters(up));
        }
        uint64_t stops = mask_of(ends(low), ends(up)) & ~escaped;
        stopped = (stops | unknown) != 0 && stops_here(stops, unknown, &at);
        if (stopped)
            break;
    }
    *high = *high || _mm256_movemask_epi8(seen) != 0;
    return stopped ? at : wp_json_stop_narrow(text, at - carry, high); // it stands on the backslash
}

// AVX-512 -----------------------------------------------------------------------------------------

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

// A bit set at the top of each byte whose value is an escape's letter.
static const uint8_t LETTERS[128] = {['"'] = 0x80, ['\\'] = 0x80, ['/'] = 0x80, ['b'] = 0x80,
                                     ['f'] = 0x80, ['n'] = 0x80,  ['r'] = 0x80, ['t'] = 0x80};

AVX512 size_t wp_json_stop_avx512(wp_view text, size_t at, bool *high)
{
    const __m512i quote = _mm512_set1_epi8('"'), slash = _mm512_set1_epi8('\\'),
                  space = _mm512_set1_epi8(' ');
    const __m512i first = _mm512_loadu_si512(LETTERS), second = _mm512_loadu_si512(LETTERS + 64);
    uint64_t carry = 0, seen = 0;
    bool stopped = false;
    for (; at + 64 <= text.len; at += 64) {
        __m512i bytes = _mm512_loadu_si512(text.ptr + at);
        uint64_t escaped = 0, unknown = 0, backslash = _mm512_cmpeq_epi8_mask(bytes, slash);
        uint64_t top = _mm512_movepi8_mask(bytes);
        seen |= top;
        if ((backslash | carry) != 0) {
            __m512i letters = _mm512_permutex2var_epi8(first, bytes, second); // by seven bits
            escaped = escaped_bytes(backslash, &carry);
            unknown = escaped & (top | ~_mm512_movepi8_mask(letters));
        }
        uint64_t stops = _mm512_cmpeq_epi8_mask(bytes, quote);
        stops = (stops | _mm512_cmplt_epu8_mask(bytes, space)) & ~escaped;
        stopped = (stops | unknown) != 0 && stops_here(stops, unknown, &at);
        if (stopped)
            break;
    }
    *high = *high || seen != 0;
    return stopped ? at : wp_json_stop_narrow(text, at - carry, high);
}

// SSE2 --------------------------------------------------------------------------------------------

// `mask` has a bit per special byte of the sixteen at *at. True: *at is where to stop; else where
// the next ones begin.
static inline bool pass_escapes(wp_view text, size_t *at, uint32_t mask)
{
    size_t begin = *at;
    *at = begin + 16;
    while (mask != 0) {
        size_t offset = (size_t)__builtin_ctz(mask);
        if (!is_simple_escape(text, begin + offset)) {
            *at = begin + offset;
            return true;
        }
        if (offset == 15)
            *at = begin + 17;
        mask = mask >> (offset + 2) << (offset + 2);
    }
    return false;
}

size_t wp_json_stop_narrow(wp_view text, size_t at, bool *high)
{
    while (at + 16 <= text.len) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at));
        uint32_t top = (uint32_t)_mm_movemask_epi8(bytes);
        *high = *high || top != 0;
        if (pass_escapes(text, &at, wp_json_quotes(bytes) | (wp_json_not_plain(bytes) & ~top)))
            return at;
    }
    return wp_json_stop_bytewise(text, at, high);
}
#endif

size_t wp_json_stop(wp_view text, size_t at, bool *high)
{
#ifdef WP_JSON_WIDE
    bool wide = at + 64 <= text.len;
    if (wide && wp_json_has_avx512())
        return wp_json_stop_avx512(text, at, high);
    if (wide && __builtin_cpu_supports("avx2"))
        return wp_json_stop_avx2(text, at, high);
    return wp_json_stop_narrow(text, at, high);
#else
    return wp_json_stop_bytewise(text, at, high);
#endif
}

static bool hex4(wp_view text, size_t at, uint32_t *out)
{
    uint8_t bytes[2];
    if (at + 4 > text.len || !wp_hex_decode(wp_view_sub(text, at, at + 4), bytes, 2))
        return false;
    *out = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

size_t wp_json_read_escape(wp_view text, size_t at, uint32_t *code)
{
    uint32_t low;
    if (at + 1 >= text.len)
        return 0;
    char letter = text.ptr[at + 1];
    if (letter != 'u') {
        *code = ESCAPES[(unsigned char)letter];
        return *code == 0 ? 0 : 2;
    }
    if (!hex4(text, at + 2, code) || (*code >= 0xDC00 && *code < 0xE000))
        return 0;
    if (*code < 0xD800 || *code >= 0xE000)
        return 6;
    if (at + 7 >= text.len || text.ptr[at + 6] != '\\' || text.ptr[at + 7] != 'u' ||
        !hex4(text, at + 8, &low) || low < 0xDC00 || low >= 0xE000)
        return 0;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}
