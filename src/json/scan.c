#include "json/scan.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "base/codec.h"
#include "base/utf8.h"

void wp_json_scan_init(struct wp_json_scan *scan, wp_view source)
{
    *scan = (struct wp_json_scan){.source = source, .first = true};
}

static void fail(struct wp_json_scan *scan, const char *error)
{
    if (scan->error != NULL)
        return;
    scan->error = error;
    scan->error_offset = scan->at;
}

static __attribute__((noinline)) void skip_spaces(struct wp_json_scan *scan)
{
    const char *text = scan->source.ptr;
    while (scan->at < scan->source.len) {
        char c = text[scan->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        scan->at++;
    }
}

// Clients mostly write none.
static inline void skip_space(struct wp_json_scan *scan)
{
    if (scan->at < scan->source.len && (unsigned char)scan->source.ptr[scan->at] <= ' ')
        skip_spaces(scan);
}

// The byte that comes next, or NUL at the end (a NUL byte is valid nowhere, so it is as good).
static char next_byte(const struct wp_json_scan *scan)
{
    return scan->at < scan->source.len ? scan->source.ptr[scan->at] : '\0';
}

enum wp_json_kind wp_json_peek(struct wp_json_scan *scan)
{
    if (scan->error != NULL)
        return WP_JSON_NONE;
    skip_space(scan);
    switch (next_byte(scan)) {
    case '{':
        return WP_JSON_OBJECT;
    case '[':
        return WP_JSON_ARRAY;
    case '"':
        return WP_JSON_STRING;
    case 't':
    case 'f':
        return WP_JSON_BOOL;
    case 'n':
        return WP_JSON_NULL;
    case '-':
    case '0' ... '9':
        return WP_JSON_NUMBER;
    default:
        return WP_JSON_NONE;
    }
}

// Strings ----------------------------------------------------------------------------------------

// What the letter behind a backslash stands for; 0: no such escape, or one that needs a look.
static const uint8_t ESCAPES[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

static bool is_simple_escape(wp_view text, size_t at)
{
    return text.ptr[at] == '\\' && at + 1 < text.len &&
           ESCAPES[(unsigned char)text.ptr[at + 1]] != 0;
}

// The offset of the first quote or control byte from `at` on, or of a backslash that begins more
// than a simple escape, or the end. *high is set when a byte above 0x7f was passed (or nearly).
static size_t find_stop_bytewise(wp_view text, size_t at, bool *high)
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

#ifdef __SSE2__
// Texts are full of \n and \": they are passed within their block. `mask` has a bit per special
// byte of the block at `at`. True: *next is where to stop; else where the next block begins.
static inline bool pass_escapes(wp_view text, size_t at, size_t width, uint64_t mask, size_t *next)
{
    *next = at + width;
    while (mask != 0) {
        size_t offset = (size_t)__builtin_ctzll(mask);
        if (!is_simple_escape(text, at + offset)) {
            *next = at + offset;
            return true;
        }
        if (offset + 1 == width)
            *next = at + width + 1;
        mask = mask >> (offset + 2) << (offset + 2);
    }
    return false;
}

// The 16 bytes at *at. True: *at is where to stop; else where to go on.
static inline bool pass_sixteen(wp_view text, size_t *at, bool *high)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  top = _mm_set1_epi8(0x1f);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + *at));
    // unsigned: a control byte is its own minimum with 0x1f
    __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                     _mm_cmpeq_epi8(_mm_min_epu8(bytes, top), bytes));
    *high = *high || _mm_movemask_epi8(bytes) != 0;
    return pass_escapes(text, *at, 16, (uint32_t)_mm_movemask_epi8(special), at);
}

static size_t find_stop_narrow(wp_view text, size_t at, bool *high)
{
    while (at + 16 <= text.len)
        if (pass_sixteen(text, &at, high))
            return at;
    return find_stop_bytewise(text, at, high);
}

// A bit per byte of 64.
struct block {
    uint64_t quote, backslash, control, letter; // letter: may stand behind a backslash, but not u
    bool high;
};

#define WIDE static inline __attribute__((target("avx2"), always_inline))

WIDE uint64_t mask_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

// Bytes of the same high nibble share a bit; a byte is one of them if its low nibble has it too.
WIDE __m256i escape_letters(__m256i bytes)
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
    __m256i neither = _mm256_cmpeq_epi8(_mm256_and_si256(of_low, of_high), _mm256_setzero_si256());
    return _mm256_xor_si256(neither, _mm256_set1_epi8(-1));
}

WIDE void read_block(const char *at, struct block *out)
{
    const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\'),
                  top = _mm256_set1_epi8(0x1f);
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    out->quote = mask_of(_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(b, quote));
    out->backslash = mask_of(_mm256_cmpeq_epi8(a, backslash), _mm256_cmpeq_epi8(b, backslash));
    // unsigned: a control byte is its own minimum with 0x1f
    out->control = mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(a, top), a),
                           _mm256_cmpeq_epi8(_mm256_min_epu8(b, top), b));
    out->letter = mask_of(escape_letters(a), escape_letters(b));
    out->high = _mm256_movemask_epi8(_mm256_or_si256(a, b)) != 0;
}

// Bits of the bytes behind a backslash that begins an escape. *carry: the first byte of this block
// is one, then that of the next. Of a run of backslashes each second begins nothing: adding to the
// run's first bit carries through it, and whether it leaves at an odd place tells the run's length
// (simdjson's find_escaped).
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry)
{
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAu;
    if (backslash == 0) {
        uint64_t escaped = *carry;
        *carry = 0;
        return escaped;
    }
    uint64_t begins = backslash & ~*carry;
    uint64_t codes = (((begins << 1) | odd) - begins) ^ odd;
    uint64_t escaped = codes ^ (backslash | *carry);
    *carry = (codes & backslash) >> 63;
    return escaped;
}

// Texts are full of \n and \": 64 bytes at a time, and no branch depends on where they stand.
__attribute__((target("avx2"))) static size_t find_stop_wide(wp_view text, size_t at, bool *high)
{
    uint64_t carry = 0;
    bool seen = false;
    for (; at + 64 <= text.len; at += 64) {
        struct block block;
        read_block(text.ptr + at, &block);
        uint64_t behind = carry;
        uint64_t escaped = escaped_bytes(block.backslash, &carry);
        uint64_t unknown = escaped & ~block.letter; // \u, or not valid: stops at its backslash
        uint64_t stops = (block.quote & ~escaped) | block.control | unknown >> 1;
        seen = seen || block.high;
        if (((unknown & behind) | stops) != 0) {
            *high = *high || seen;
            return (unknown & behind) != 0 ? at - 1 : at + (size_t)__builtin_ctzll(stops);
        }
    }
    *high = *high || seen;
    return find_stop_narrow(text, at - carry, high); // carry: stands on the backslash
}
#endif

static size_t find_stop(wp_view text, size_t at, bool *high)
{
#ifdef __SSE2__
    if (at + 16 <= text.len && pass_sixteen(text, &at, high)) // most strings end here
        return at;
    if (at + 64 <= text.len && __builtin_cpu_supports("avx2"))
        return find_stop_wide(text, at, high);
    return find_stop_narrow(text, at, high);
#else
    return find_stop_bytewise(text, at, high);
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

// `at` stands on a backslash. Length of the escape in the source and its code point, or 0 if it is
// not valid (unpaired surrogates are not).
static size_t read_escape(wp_view text, size_t at, uint32_t *code)
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

// Stands on the opening quote; afterwards behind the closing one.
static bool skip_string(struct wp_json_scan *scan)
{
    size_t begin = scan->at + 1, at = begin, escape;
    bool high = false;
    uint32_t code;
    for (;;) {
        at = find_stop(scan->source, at, &high);
        char c = at < scan->source.len ? scan->source.ptr[at] : '\0';
        if (c == '"')
            break;
        if (c != '\\') {
            scan->at = at;
            fail(scan, at < scan->source.len ? "control character in a string"
                                             : "unexpected end in a string");
            return false;
        }
        escape = read_escape(scan->source, at, &code);
        if (escape == 0) {
            scan->at = at;
            fail(scan, "invalid escape in a string");
            return false;
        }
        at += escape;
    }
    if (high && !wp_utf8_valid(wp_view_sub(scan->source, begin, at))) {
        fail(scan, "invalid UTF-8 in a string");
        return false;
    }
    scan->at = at + 1;
    return true;
}

// Numbers and words --------------------------------------------------------------------------

static size_t skip_digits(struct wp_json_scan *scan)
{
    size_t begin = scan->at;
    while (next_byte(scan) >= '0' && next_byte(scan) <= '9')
        scan->at++;
    return scan->at - begin;
}

// A double that is too large is refused, as yyjson does.
static bool is_finite(wp_view number)
{
    char text[1024];
    if (number.len >= sizeof(text))
        return false;
    memcpy(text, number.ptr, number.len);
    text[number.len] = '\0';
    double value = strtod(text, NULL);
    return value - value == 0;
}

static bool skip_number(struct wp_json_scan *scan)
{
    size_t begin = scan->at;
    bool plain = true;
    if (next_byte(scan) == '-')
        scan->at++;
    bool zero = next_byte(scan) == '0';
    size_t digits = skip_digits(scan);
    bool ok = digits > 0 && !(zero && digits > 1);
    if (ok && next_byte(scan) == '.') {
        scan->at++;
        ok = skip_digits(scan) > 0;
    }
    if (ok && (next_byte(scan) == 'e' || next_byte(scan) == 'E')) {
        plain = false;
        scan->at++;
        if (next_byte(scan) == '+' || next_byte(scan) == '-')
            scan->at++;
        ok = skip_digits(scan) > 0;
    }
    if (ok && (!plain || digits > 300))
        ok = is_finite(wp_view_sub(scan->source, begin, scan->at));
    if (!ok)
        fail(scan, "invalid number");
    return ok;
}

static bool skip_word(struct wp_json_scan *scan)
{
    static const wp_view words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!wp_view_starts_with(wp_view_skip(scan->source, scan->at), words[i]))
            continue;
        scan->at += words[i].len;
        return true;
    }
    fail(scan, "unexpected character");
    return false;
}

// Containers -----------------------------------------------------------------------------------

static bool enter(struct wp_json_scan *scan, char open, const char *expected)
{
    if (scan->error != NULL)
        return false;
    skip_space(scan);
    if (next_byte(scan) != open) {
        fail(scan, expected);
        return false;
    }
    if (scan->depth >= WP_JSON_MAX_DEPTH) {
        fail(scan, "nested too deeply");
        return false;
    }
    scan->at++;
    scan->depth++;
    scan->first = true;
    return true;
}

bool wp_json_enter_object(struct wp_json_scan *scan)
{
    return enter(scan, '{', "an object is expected");
}

bool wp_json_enter_array(struct wp_json_scan *scan)
{
    return enter(scan, '[', "an array is expected");
}

// The comma before the next item, or the end of the container. True if an item follows.
static bool next_item(struct wp_json_scan *scan, char close)
{
    if (scan->error != NULL)
        return false;
    skip_space(scan);
    if (next_byte(scan) == close && scan->at < scan->source.len) {
        scan->at++;
        scan->depth--;
        scan->first = false;
        return false;
    }
    if (scan->first) {
        scan->first = false;
        return true;
    }
    if (next_byte(scan) != ',') {
        fail(scan, scan->at < scan->source.len ? "a comma is expected" : "unexpected end");
        return false;
    }
    scan->at++;
    skip_space(scan);
    if (next_byte(scan) == close) {
        fail(scan, "trailing comma");
        return false;
    }
    return true;
}

bool wp_json_next_key(struct wp_json_scan *scan, wp_view *key)
{
    *key = (wp_view){NULL, 0};
    if (!next_item(scan, '}'))
        return false;
    size_t begin = scan->at;
    if (next_byte(scan) != '"') {
        fail(scan, "a key is expected");
        return false;
    }
    if (!skip_string(scan))
        return false;
    *key = wp_view_sub(scan->source, begin + 1, scan->at - 1);
    skip_space(scan);
    if (next_byte(scan) != ':') {
        fail(scan, "a colon is expected");
        return false;
    }
    scan->at++;
    return true;
}

bool wp_json_next_element(struct wp_json_scan *scan)
{
    return next_item(scan, ']');
}

static bool skip_value(struct wp_json_scan *scan);

static bool skip_object(struct wp_json_scan *scan)
{
    wp_view key;
    if (!wp_json_enter_object(scan))
        return false;
    while (wp_json_next_key(scan, &key))
        if (!skip_value(scan))
            return false;
    return scan->error == NULL;
}

static bool skip_array(struct wp_json_scan *scan)
{
    if (!wp_json_enter_array(scan))
        return false;
    while (wp_json_next_element(scan))
        if (!skip_value(scan))
            return false;
    return scan->error == NULL;
}

// Recursion is bounded by WP_JSON_MAX_DEPTH.
static bool skip_value(struct wp_json_scan *scan)
{
    switch (wp_json_peek(scan)) {
    case WP_JSON_OBJECT:
        return skip_object(scan);
    case WP_JSON_ARRAY:
        return skip_array(scan);
    case WP_JSON_STRING:
        return skip_string(scan);
    case WP_JSON_NUMBER:
        return skip_number(scan);
    case WP_JSON_BOOL:
    case WP_JSON_NULL:
        return skip_word(scan);
    case WP_JSON_NONE:
        fail(scan, scan->at < scan->source.len ? "unexpected character" : "unexpected end");
        return false;
    }
    return false;
}

wp_view wp_json_value(struct wp_json_scan *scan)
{
    if (scan->error != NULL)
        return (wp_view){NULL, 0};
    skip_space(scan);
    size_t begin = scan->at;
    if (!skip_value(scan))
        return (wp_view){NULL, 0};
    return wp_view_sub(scan->source, begin, scan->at);
}

bool wp_json_scan_finish(struct wp_json_scan *scan)
{
    if (scan->error != NULL)
        return false;
    skip_space(scan);
    if (scan->at != scan->source.len)
        fail(scan, "unexpected character after the value");
    else if (scan->depth != 0 || scan->source.len == 0)
        fail(scan, "unexpected end");
    return scan->error == NULL;
}

// Ranges ---------------------------------------------------------------------------------------

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 63));
    out[2] = (char)(0x80 | (code >> 6 & 63));
    out[3] = (char)(0x80 | (code & 63));
    return 4;
}

static wp_view inner(wp_view value)
{
    return wp_view_sub(value, 1, value.len - 1);
}

wp_view wp_json_decode_string(struct wp_arena *arena, wp_view value)
{
    if (!wp_json_is_string(value))
        return (wp_view){NULL, 0};
    wp_view text = inner(value);
    if (wp_view_find_char(text, '\\') == WP_NOT_FOUND)
        return text;
    char *out = wp_arena_alloc(arena, text.len + 1); // decoding never lengthens
    size_t len = 0;
    uint32_t code;
    for (size_t at = 0; out != NULL && at < text.len;) {
        size_t escape = text.ptr[at] == '\\' ? read_escape(text, at, &code) : 0;
        if (escape == 0) {
            out[len++] = text.ptr[at++];
            continue;
        }
        len += put_utf8(out + len, code);
        at += escape;
    }
    return out == NULL ? (wp_view){NULL, 0} : wp_view_make(out, len);
}

bool wp_json_string_is(wp_view value, const char *text)
{
    wp_view wanted = wp_view_of(text);
    if (!wp_json_is_string(value))
        return false;
    wp_view raw = inner(value);
    if (wp_view_find_char(raw, '\\') == WP_NOT_FOUND)
        return wp_view_eq(raw, wanted);
    for (size_t at = 0; at < raw.len;) {
        char bytes[4] = {raw.ptr[at]};
        uint32_t code;
        size_t escape = raw.ptr[at] == '\\' ? read_escape(raw, at, &code) : 0;
        size_t len = escape == 0 ? 1 : put_utf8(bytes, code);
        if (!wp_view_starts_with(wanted, wp_view_make(bytes, len)))
            return false;
        wanted = wp_view_skip(wanted, len);
        at += escape == 0 ? 1 : escape;
    }
    return wanted.len == 0;
}

bool wp_json_number_u64(wp_view value, uint64_t *out)
{
    return wp_view_parse_u64(value, out);
}

bool wp_json_key_is(wp_view key, const char *name)
{
    if (wp_view_find_char(key, '\\') == WP_NOT_FOUND)
        return wp_view_is(key, name);
    return wp_json_string_is(wp_view_make(key.ptr - 1, key.len + 2), name);
}

wp_view wp_json_scan_member(wp_view object, const char *name)
{
    struct wp_json_scan scan;
    wp_view key, found = {NULL, 0};
    wp_json_scan_init(&scan, object);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return found;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_json_key_is(key, name))
            found = value;
    }
    return found;
}
