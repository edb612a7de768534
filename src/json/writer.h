// Appends JSON to a buffer; commas and nesting are the writer's business.
//
//     struct wp_json_writer w = wp_json_writer(&buf);
//     wp_json_open_object(&w, NULL);
//     wp_json_put_str(&w, "model", view);
//     wp_json_close(&w);
//
// `key` is NULL in arrays and at the top. A literal has no character that needs an escape.
#ifndef WP_JSON_WRITER_H
#define WP_JSON_WRITER_H

#include "base/arena.h"
#include "base/buf.h"

struct wp_json_writer {
    struct wp_buf *buf;
    uint64_t objects; // bit per depth: 1 for an object, 0 for an array
    uint64_t filled;  // bit per depth: an item has been written
    unsigned depth;   // at most 63
};

struct wp_json_writer wp_json_writer(struct wp_buf *buf);
void wp_json_close(struct wp_json_writer *w);

// What comes before a value: the comma and the key, as it stands or escaped where needed.
void wp_json_key(struct wp_json_writer *w, wp_view key);
void wp_json_key_escaped(struct wp_json_writer *w, wp_view key);
static inline void wp_json_begin(struct wp_json_writer *w, const char *key)
{
    if (key == NULL || __builtin_constant_p(strlen(key)))
        wp_json_key(w, wp_view_of(key));
    else
        wp_json_key_escaped(w, wp_view_of(key));
}

// The value alone.
void wp_json_open(struct wp_json_writer *w, bool object);
void wp_json_append_i64(struct wp_buf *buf, int64_t value);
void wp_json_append_double(struct wp_buf *buf, double value);
void wp_json_append_decimal(struct wp_buf *buf, double value, uint32_t places);
// With quotes.
void wp_json_append_string(struct wp_buf *buf, wp_view value);
// The same in the arena; ptr NULL when memory is short.
wp_view wp_json_quoted(struct wp_arena *arena, wp_view value) WP_WARN_UNUSED;

static inline void wp_json_open_object(struct wp_json_writer *w, const char *key)
{
    wp_json_begin(w, key);
    wp_json_open(w, true);
}
static inline void wp_json_open_array(struct wp_json_writer *w, const char *key)
{
    wp_json_begin(w, key);
    wp_json_open(w, false);
}
// Bytes that are not UTF-8 become U+FFFD; '<', '>' and '&' stay as they are.
static inline void wp_json_put_str(struct wp_json_writer *w, const char *key, wp_view value)
{
    wp_json_begin(w, key);
    wp_json_append_string(w->buf, value);
}
static inline void wp_json_put_null(struct wp_json_writer *w, const char *key)
{
    wp_json_begin(w, key);
    wp_buf_append(w->buf, WP_VIEW("null"));
}
static inline void wp_json_put_cstr(struct wp_json_writer *w, const char *key, const char *value)
{
    if (value == NULL)
        wp_json_put_null(w, key);
    else
        wp_json_put_str(w, key, wp_view_of(value));
}
static inline void wp_json_put_u64(struct wp_json_writer *w, const char *key, uint64_t value)
{
    wp_json_begin(w, key);
    wp_buf_append_u64(w->buf, value);
}
static inline void wp_json_put_i64(struct wp_json_writer *w, const char *key, int64_t value)
{
    wp_json_begin(w, key);
    wp_json_append_i64(w->buf, value);
}
// Shortest form that reads back equal; NaN and infinities become null.
static inline void wp_json_put_double(struct wp_json_writer *w, const char *key, double value)
{
    wp_json_begin(w, key);
    wp_json_append_double(w->buf, value);
}
// Rounded to at most `places` (≤ 12) decimals, without trailing zeros; for times and prices. Some
// fifty times faster than put_double, which prints the shortest text of the exact value.
static inline void wp_json_put_decimal(struct wp_json_writer *w, const char *key, double value,
                                       uint32_t places)
{
    wp_json_begin(w, key);
    wp_json_append_decimal(w->buf, value, places);
}
static inline void wp_json_put_bool(struct wp_json_writer *w, const char *key, bool value)
{
    wp_json_begin(w, key);
    wp_buf_append(w->buf, value ? WP_VIEW("true") : WP_VIEW("false"));
}
// `json` must be one valid value.
static inline void wp_json_put_raw(struct wp_json_writer *w, const char *key, wp_view json)
{
    wp_json_begin(w, key);
    wp_buf_append(w->buf, json);
}

#endif
