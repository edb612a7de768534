#include "json/scan.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "json/private.h"

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

// Kind of a value by its first byte.
static const uint8_t KINDS[256] = {
    ['{'] = WP_JSON_OBJECT, ['['] = WP_JSON_ARRAY,  ['"'] = WP_JSON_STRING, ['t'] = WP_JSON_BOOL,
    ['f'] = WP_JSON_BOOL,   ['n'] = WP_JSON_NULL,   ['-'] = WP_JSON_NUMBER, ['0'] = WP_JSON_NUMBER,
    ['1'] = WP_JSON_NUMBER, ['2'] = WP_JSON_NUMBER, ['3'] = WP_JSON_NUMBER, ['4'] = WP_JSON_NUMBER,
    ['5'] = WP_JSON_NUMBER, ['6'] = WP_JSON_NUMBER, ['7'] = WP_JSON_NUMBER, ['8'] = WP_JSON_NUMBER,
    ['9'] = WP_JSON_NUMBER};

enum wp_json_kind wp_json_peek(struct wp_json_scan *scan)
{
    if (scan->error != NULL)
        return WP_JSON_NONE;
    skip_space(scan);
    return (enum wp_json_kind)KINDS[(unsigned char)next_byte(scan)];
}

// Strings ----------------------------------------------------------------------------------------

enum { SHORT = 16 };

// Keys and most values are short and plain: one look at sixteen bytes finds their end. `text`
// stands behind the opening quote; *len: bytes before the closing one.
static inline bool is_short(const char *text, size_t *len)
{
#ifdef WP_JSON_WIDE
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    uint32_t quotes = wp_json_quotes(bytes), others = wp_json_not_plain(bytes);
    *len = quotes == 0 ? SHORT : (size_t)__builtin_ctz(quotes);
    return quotes != 0 && (others & (quotes - 1) & ~quotes) == 0;
#else
    *len = 0;
    while (*len < SHORT && text[*len] != '"' && text[*len] != '\\' && text[*len] >= ' ' &&
           text[*len] <= '~')
        ++*len;
    return *len < SHORT && text[*len] == '"';
#endif
}

static __attribute__((noinline)) bool skip_long_string(struct wp_json_scan *scan)
{
    size_t begin = scan->at + 1, at = begin, escape;
    bool high = false;
    uint32_t code;
    for (;;) {
        at = wp_json_stop(scan->source, at, &high);
        char c = at < scan->source.len ? scan->source.ptr[at] : '\0';
        if (c == '"')
            break;
        if (c != '\\') {
            scan->at = at;
            fail(scan, at < scan->source.len ? "control character in a string"
                                             : "unexpected end in a string");
            return false;
        }
        escape = wp_json_read_escape(scan->source, at, &code);
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

// Stands on the opening quote; afterwards behind the closing one.
static inline bool skip_string(struct wp_json_scan *scan)
{
    size_t begin = scan->at + 1, len;
    if (begin + SHORT > scan->source.len || !is_short(scan->source.ptr + begin, &len))
        return skip_long_string(scan);
    scan->at = begin + len + 1;
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
static inline bool next_item(struct wp_json_scan *scan, char close)
{
    if (scan->error != NULL)
        return false;
    skip_space(scan);
    if (next_byte(scan) == close) {
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

// Stands on what is to be a key; afterwards behind its colon.
static inline bool read_key(struct wp_json_scan *scan, wp_view *key)
{
    size_t begin = scan->at + 1;
    if (next_byte(scan) != '"') {
        fail(scan, "a key is expected");
        return false;
    }
    if (!skip_string(scan))
        return false;
    *key = wp_view_make(scan->source.ptr + begin, scan->at - 1 - begin);
    skip_space(scan);
    if (next_byte(scan) != ':') {
        fail(scan, "a colon is expected");
        return false;
    }
    scan->at++;
    return true;
}

// A member as machines write it, ,"key": without a space.
static inline bool next_key_at_once(struct wp_json_scan *scan, wp_view *key)
{
    enum { MOST = sizeof(",\"\":") + SHORT };
    const char *text = scan->source.ptr + scan->at;
    size_t len;
    if (scan->error != NULL || scan->at + MOST > scan->source.len ||
        (!scan->first && *text++ != ',') || text[0] != '"' || !is_short(text + 1, &len) ||
        text[len + 2] != ':')
        return false;
    *key = wp_view_make(text + 1, len);
    scan->at = (size_t)(text + len + 3 - scan->source.ptr);
    scan->first = false;
    return true;
}

bool wp_json_next_key(struct wp_json_scan *scan, wp_view *key)
{
    if (next_key_at_once(scan, key))
        return true;
    if (next_item(scan, '}') && read_key(scan, key))
        return true;
    *key = (wp_view){NULL, 0};
    return false;
}

bool wp_json_next_element(struct wp_json_scan *scan)
{
    return next_item(scan, ']');
}

static inline bool skip_value(struct wp_json_scan *scan);

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

static bool skip_nothing(struct wp_json_scan *scan)
{
    fail(scan, scan->at < scan->source.len ? "unexpected character" : "unexpected end");
    return false;
}

// Recursion is bounded by WP_JSON_MAX_DEPTH.
static bool skip_other_value(struct wp_json_scan *scan)
{
    switch ((enum wp_json_kind)KINDS[(unsigned char)next_byte(scan)]) {
    case WP_JSON_OBJECT:
        return skip_object(scan);
    case WP_JSON_ARRAY:
        return skip_array(scan);
    case WP_JSON_NUMBER:
        return skip_number(scan);
    case WP_JSON_BOOL:
    case WP_JSON_NULL:
        return skip_word(scan);
    case WP_JSON_STRING:
    case WP_JSON_NONE:
        break;
    }
    return skip_nothing(scan);
}

// Most are strings: their branch is kept apart from the table's jump, which is guessed wrong.
static inline bool skip_value(struct wp_json_scan *scan)
{
    skip_space(scan);
    return next_byte(scan) == '"' ? skip_string(scan) : skip_other_value(scan);
}

wp_view wp_json_value(struct wp_json_scan *scan)
{
    if (scan->error != NULL)
        return (wp_view){NULL, 0};
    skip_space(scan);
    size_t begin = scan->at;
    if (!skip_value(scan))
        return (wp_view){NULL, 0};
    return wp_view_make(scan->source.ptr + begin, scan->at - begin);
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
        size_t escape = text.ptr[at] == '\\' ? wp_json_read_escape(text, at, &code) : 0;
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
    if (wp_view_eq(raw, wanted))
        return true;
    if (wp_view_find_char(raw, '\\') == WP_NOT_FOUND)
        return false;
    for (size_t at = 0; at < raw.len;) {
        char bytes[4] = {raw.ptr[at]};
        uint32_t code;
        size_t escape = raw.ptr[at] == '\\' ? wp_json_read_escape(raw, at, &code) : 0;
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

bool wp_json_escaped_key_is(wp_view key, const char *name)
{
    return wp_view_find_char(key, '\\') != WP_NOT_FOUND &&
           wp_json_string_is(wp_view_make(key.ptr - 1, key.len + 2), name);
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
