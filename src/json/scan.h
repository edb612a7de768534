// A strict, validating pull scanner that yields byte ranges of the source (RFC 8259). It reads
// each byte once, copies nothing and allocates nothing. Accepts exactly what yyjson accepts in
// its default mode (UTF-8 checked, no comments, no trailing commas, no BOM, depth-limited).
//
//     struct wp_json_scan scan;
//     wp_json_scan_init(&scan, body);
//     if (wp_json_enter_object(&scan))
//         while (wp_json_next_key(&scan, &key)) ... wp_json_value(&scan) ...
//     if (!wp_json_scan_finish(&scan)) -> scan.error, scan.error_offset
//
// After an error every call returns false or an empty view, so callers check once at the end.
#ifndef WP_JSON_SCAN_H
#define WP_JSON_SCAN_H

#include "base/arena.h"
#include "base/view.h"

enum { WP_JSON_MAX_DEPTH = 512 };

struct wp_json_scan {
    wp_view source;
    size_t at;           // offset of the next unread byte
    const char *error;   // NULL while all is well; a static sentence otherwise
    size_t error_offset; // bytes from the start of the source
    uint32_t depth;
    bool first; // no member or element of the current container has been read yet
};

enum wp_json_kind {
    WP_JSON_NONE, // end of input or error
    WP_JSON_NULL,
    WP_JSON_BOOL,
    WP_JSON_NUMBER,
    WP_JSON_STRING,
    WP_JSON_ARRAY,
    WP_JSON_OBJECT,
};

void wp_json_scan_init(struct wp_json_scan *scan, wp_view source);
// Kind of the value that comes next (skips white space, reads nothing else).
enum wp_json_kind wp_json_peek(struct wp_json_scan *scan);
// Consumes '{' or '['; false (and error) if the next value is not one.
bool wp_json_enter_object(struct wp_json_scan *scan);
bool wp_json_enter_array(struct wp_json_scan *scan);
// Next member: *key is the raw text between the quotes (escapes not decoded), the scanner stands
// before its value, which the caller must consume. False after '}' (consumed) or on error.
bool wp_json_next_key(struct wp_json_scan *scan, wp_view *key);
// Next element; false after ']' (consumed) or on error.
bool wp_json_next_element(struct wp_json_scan *scan);
// Consumes any one value and returns its exact range (no surrounding white space; strings with
// their quotes). Empty on error.
wp_view wp_json_value(struct wp_json_scan *scan);
// True if the whole source was one valid value followed by white space only.
bool wp_json_scan_finish(struct wp_json_scan *scan);

// Offset of a view of the source within it.
static inline size_t wp_json_offset(const struct wp_json_scan *scan, wp_view part)
{
    return (size_t)(part.ptr - scan->source.ptr);
}

// Helpers on the ranges that wp_json_value returned.
// Decoded string content: the inner bytes themselves when there are no escapes, else a copy in
// the arena. ptr == NULL if `value` is not a string or memory is short.
wp_view wp_json_decode_string(struct wp_arena *arena, wp_view value);
// Equal to a JSON string value, with escapes taken into account.
bool wp_json_string_is(wp_view value, const char *text);
bool wp_json_number_u64(wp_view value, uint64_t *out);
bool wp_json_escaped_key_is(wp_view key, const char *name);
// Equal to a member's key as wp_json_next_key gives it (its quotes stand around it in the source),
// with escapes taken into account: they only make it longer.
static inline bool wp_json_key_is(wp_view key, const char *name)
{
    size_t len = strlen(name);
    return key.len == len ? memcmp(key.ptr, name, len) == 0
                          : key.len > len && wp_json_escaped_key_is(key, name);
}
// The value of a member of an object; ptr NULL if `object` is none, or has no such member. Of
// several with that name the last, as the providers read it.
wp_view wp_json_scan_member(wp_view object, const char *name);
static inline bool wp_json_is_true(wp_view value)
{
    return wp_view_is(value, "true");
}
static inline bool wp_json_is_string(wp_view value)
{
    return value.len >= 2 && value.ptr[0] == '"';
}

#endif
