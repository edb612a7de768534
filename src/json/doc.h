// Small documents as trees: adapter of yyjson for configuration values, upstream answers, events
// and credentials. Values are opaque pointers into a document; missing things are NULL, and all
// getters accept NULL, so paths can be chained.
#ifndef WP_JSON_DOC_H
#define WP_JSON_DOC_H

#include "base/arena.h"
#include "base/err.h"
#include "base/view.h"

struct wp_json_doc;
struct wp_json_val;

// Parses a copy of `text`; NULL if it is not valid JSON or memory is short. The document is
// freed with the arena.
const struct wp_json_val *wp_json_parse(struct wp_arena *arena, wp_view text);

// The same where the difference matters: WP_ERR_INVALID_JSON or WP_ERR_NO_MEMORY, *out NULL then.
enum wp_err wp_json_read(struct wp_arena *arena, wp_view text, const struct wp_json_val **out);

const struct wp_json_val *wp_json_member(const struct wp_json_val *object, wp_view key);
static inline const struct wp_json_val *wp_json_get(const struct wp_json_val *object,
                                                    const char *key)
{
    return wp_json_member(object, wp_view_of(key)); // a literal's length is known here
}
// Dotted path of object keys: "usage.cache_creation.ephemeral_1h_input_tokens".
const struct wp_json_val *wp_json_path(const struct wp_json_val *object, const char *path);
const struct wp_json_val *wp_json_at(const struct wp_json_val *array, size_t index);
size_t wp_json_count(const struct wp_json_val *container);
bool wp_json_is_object(const struct wp_json_val *val);
bool wp_json_is_array(const struct wp_json_val *val);
bool wp_json_is_str(const struct wp_json_val *val);
bool wp_json_is_null(const struct wp_json_val *val); // false for missing
// Empty view (ptr NULL) if not a string. Lives as long as the arena.
wp_view wp_json_str(const struct wp_json_val *val);
uint64_t wp_json_u64(const struct wp_json_val *val, uint64_t fallback);
int64_t wp_json_i64(const struct wp_json_val *val, int64_t fallback);
double wp_json_double(const struct wp_json_val *val, double fallback);
bool wp_json_bool(const struct wp_json_val *val, bool fallback);

// Iteration over an object (key set) or array (key empty): start with a zeroed iterator.
struct wp_json_iter {
    const void *next;
    size_t left;
    bool started;
};
bool wp_json_each(const struct wp_json_val *container, struct wp_json_iter *iter, wp_view *key,
                  const struct wp_json_val **val);

#endif
