// Appends JSON to a buffer; commas and nesting are the writer's business.
//
//     struct wp_json_writer w = wp_json_writer(&buf);
//     wp_json_open_object(&w, NULL);
//     wp_json_put_str(&w, "model", view);
//     wp_json_close(&w);
//
// `key` is NULL in arrays and at the top.
#ifndef WP_JSON_WRITER_H
#define WP_JSON_WRITER_H

#include "base/buf.h"

struct wp_json_writer {
    struct wp_buf *buf;
    uint64_t objects; // bit per depth: 1 for an object, 0 for an array
    uint64_t filled;  // bit per depth: an item has been written
    unsigned depth;   // at most 63
};

struct wp_json_writer wp_json_writer(struct wp_buf *buf);
void wp_json_open_object(struct wp_json_writer *w, const char *key);
void wp_json_open_array(struct wp_json_writer *w, const char *key);
void wp_json_close(struct wp_json_writer *w);
// Bytes that are not UTF-8 become U+FFFD; '<', '>' and '&' stay as they are.
void wp_json_put_str(struct wp_json_writer *w, const char *key, wp_view value);
void wp_json_put_cstr(struct wp_json_writer *w, const char *key, const char *value); // NULL → null
void wp_json_put_u64(struct wp_json_writer *w, const char *key, uint64_t value);
void wp_json_put_i64(struct wp_json_writer *w, const char *key, int64_t value);
// Shortest form that reads back equal; NaN and infinities become null.
void wp_json_put_double(struct wp_json_writer *w, const char *key, double value);
// Rounded to at most `places` (≤ 12) decimals, without trailing zeros; for times and prices. Some
// fifty times faster than put_double, which prints the shortest text of the exact value.
void wp_json_put_decimal(struct wp_json_writer *w, const char *key, double value, uint32_t places);
void wp_json_put_bool(struct wp_json_writer *w, const char *key, bool value);
void wp_json_put_null(struct wp_json_writer *w, const char *key);
// `json` must be one valid value.
void wp_json_put_raw(struct wp_json_writer *w, const char *key, wp_view json);
// Appends a JSON string with quotes, outside any writer.
void wp_json_append_string(struct wp_buf *buf, wp_view value);

#endif
