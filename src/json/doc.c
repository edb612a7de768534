#include "json/doc.h"

#include <yyjson.h>

// struct wp_json_val is yyjson_val under another name.
static yyjson_val *raw(const struct wp_json_val *val)
{
    return (yyjson_val *)(uintptr_t)val;
}

static const struct wp_json_val *wrap(yyjson_val *val)
{
    return (const struct wp_json_val *)val;
}

static void free_document(void *document)
{
    yyjson_doc_free(document);
}

enum { SMALL = 1024 };

static void *alc_malloc(void *arena, size_t size)
{
    return wp_arena_raw(arena, size);
}

static void *alc_realloc(void *arena, void *old, size_t old_size, size_t size)
{
    if (size <= old_size)
        return old;
    void *more = wp_arena_raw(arena, size);
    return more == NULL ? NULL : memcpy(more, old, old_size);
}

static void alc_free(void *arena, void *old)
{
    (void)arena;
    (void)old;
}

enum wp_err wp_json_read(struct wp_arena *arena, wp_view text, const struct wp_json_val **out)
{
    // In the arena; large ones on the heap, where what was reserved too much goes back.
    const yyjson_alc in_arena = {alc_malloc, alc_realloc, alc_free, arena};
    yyjson_read_err problem = {0};
    bool small = text.len <= SMALL;
    *out = NULL;
    if (text.len == 0)
        return WP_ERR_INVALID_JSON;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0,
                                            small ? &in_arena : NULL, &problem);
    if (document == NULL)
        return problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? WP_ERR_NO_MEMORY
                                                                   : WP_ERR_INVALID_JSON;
    if (!small && !wp_arena_on_destroy(arena, free_document, document)) {
        yyjson_doc_free(document);
        return WP_ERR_NO_MEMORY;
    }
    *out = wrap(yyjson_doc_get_root(document));
    return WP_OK;
}

const struct wp_json_val *wp_json_parse(struct wp_arena *arena, wp_view text)
{
    const struct wp_json_val *root;
    (void)wp_json_read(arena, text, &root);
    return root;
}

const struct wp_json_val *wp_json_member(const struct wp_json_val *object, wp_view key)
{
    return wrap(yyjson_obj_getn(raw(object), key.ptr, key.len));
}

const struct wp_json_val *wp_json_path(const struct wp_json_val *object, const char *path)
{
    wp_view rest = wp_view_of(path), key;
    yyjson_val *at = raw(object);
    while (at != NULL && wp_view_next_token(&rest, '.', &key))
        at = yyjson_obj_getn(at, key.ptr, key.len);
    return wrap(at);
}

const struct wp_json_val *wp_json_at(const struct wp_json_val *array, size_t index)
{
    return wrap(yyjson_arr_get(raw(array), index));
}

size_t wp_json_count(const struct wp_json_val *container)
{
    return yyjson_is_ctn(raw(container)) ? yyjson_get_len(raw(container)) : 0;
}

bool wp_json_is_object(const struct wp_json_val *val)
{
    return yyjson_is_obj(raw(val));
}

bool wp_json_is_array(const struct wp_json_val *val)
{
    return yyjson_is_arr(raw(val));
}

bool wp_json_is_str(const struct wp_json_val *val)
{
    return yyjson_is_str(raw(val));
}

bool wp_json_is_null(const struct wp_json_val *val)
{
    return yyjson_is_null(raw(val));
}

wp_view wp_json_str(const struct wp_json_val *val)
{
    if (!yyjson_is_str(raw(val)))
        return (wp_view){NULL, 0};
    return wp_view_make(yyjson_get_str(raw(val)), yyjson_get_len(raw(val)));
}

uint64_t wp_json_u64(const struct wp_json_val *val, uint64_t fallback)
{
    yyjson_val *v = raw(val);
    if (yyjson_is_uint(v))
        return yyjson_get_uint(v);
    if (yyjson_is_real(v) && yyjson_get_real(v) >= 0 && yyjson_get_real(v) < 1.8e19)
        return (uint64_t)yyjson_get_real(v);
    return fallback;
}

int64_t wp_json_i64(const struct wp_json_val *val, int64_t fallback)
{
    yyjson_val *v = raw(val);
    if (yyjson_is_sint(v))
        return yyjson_get_sint(v);
    if (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX)
        return (int64_t)yyjson_get_uint(v);
    if (yyjson_is_real(v) && yyjson_get_real(v) > -9e18 && yyjson_get_real(v) < 9e18)
        return (int64_t)yyjson_get_real(v);
    return fallback;
}

double wp_json_double(const struct wp_json_val *val, double fallback)
{
    return yyjson_is_num(raw(val)) ? yyjson_get_num(raw(val)) : fallback;
}

bool wp_json_bool(const struct wp_json_val *val, bool fallback)
{
    return yyjson_is_bool(raw(val)) ? yyjson_get_bool(raw(val)) : fallback;
}

bool wp_json_each(const struct wp_json_val *container, struct wp_json_iter *iter, wp_view *key,
                  const struct wp_json_val **val)
{
    yyjson_val *c = raw(container);
    bool object = yyjson_is_obj(c);
    *key = (wp_view){NULL, 0};
    *val = NULL;
    if (!iter->started) {
        iter->started = true;
        iter->left = yyjson_is_ctn(c) ? yyjson_get_len(c) : 0;
        iter->next = iter->left > 0 ? unsafe_yyjson_get_first(c) : NULL;
    }
    if (iter->left == 0)
        return false;
    yyjson_val *at = (yyjson_val *)(uintptr_t)iter->next;
    if (object) {
        *key = wp_view_make(yyjson_get_str(at), yyjson_get_len(at));
        at = yyjson_obj_iter_get_val(at);
    }
    *val = wrap(at);
    iter->next = unsafe_yyjson_get_next(at);
    iter->left--;
    return true;
}
