// The scanner accepts exactly what yyjson accepts, its ranges are the values, and editing by splice
// then parsing gives what parsing then editing gives.
//
// Input: two bytes that choose edits, then a text.
#include "fuzz/support.h"

#include "base/utf8.h"
#include "json/doc.h"
#include "json/private.h"
#include "json/scan.h"
#include "json/splice.h"

enum { ITEMS_MAX = 64 };

// The top-level container's items.
struct items {
    wp_view container;
    wp_view item[ITEMS_MAX], value[ITEMS_MAX];
    size_t count;
    bool object;
};

static bool list_items(wp_view text, struct items *items)
{
    struct wp_json_scan scan;
    wp_view key = {NULL, 0};
    wp_json_scan_init(&scan, text);
    *items = (struct items){.object = wp_json_peek(&scan) == WP_JSON_OBJECT};
    size_t open = scan.at;
    bool entered = items->object ? wp_json_enter_object(&scan) : wp_json_enter_array(&scan);
    while (entered &&
           (items->object ? wp_json_next_key(&scan, &key) : wp_json_next_element(&scan))) {
        wp_view value = wp_json_value(&scan);
        if (value.len == 0)
            return false;
        const char *begin = items->object ? key.ptr - 1 : value.ptr;
        if (items->count == ITEMS_MAX)
            return false;
        items->item[items->count] = wp_view_make(begin, (size_t)(value.ptr + value.len - begin));
        items->value[items->count++] = value;
    }
    items->container = wp_view_sub(text, open, scan.at);
    return entered && wp_json_scan_finish(&scan);
}

static bool same_value(const struct wp_json_val *a, const struct wp_json_val *b);

static bool same_members(const struct wp_json_val *a, const struct wp_json_val *b)
{
    struct wp_json_iter one = {0}, two = {0};
    wp_view key_a, key_b;
    const struct wp_json_val *val_a, *val_b;
    while (wp_json_each(a, &one, &key_a, &val_a)) {
        if (!wp_json_each(b, &two, &key_b, &val_b) || !wp_view_eq(key_a, key_b) ||
            !same_value(val_a, val_b))
            return false;
    }
    return !wp_json_each(b, &two, &key_b, &val_b);
}

static bool same_value(const struct wp_json_val *a, const struct wp_json_val *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (wp_json_is_object(a) != wp_json_is_object(b) ||
        wp_json_is_array(a) != wp_json_is_array(b) || wp_json_is_str(a) != wp_json_is_str(b) ||
        wp_json_is_null(a) != wp_json_is_null(b))
        return false;
    if (wp_json_is_object(a) || wp_json_is_array(a))
        return same_members(a, b);
    double x = wp_json_double(a, -1), y = wp_json_double(b, -1);
    return wp_view_eq(wp_json_str(a), wp_json_str(b)) && memcmp(&x, &y, sizeof(x)) == 0 &&
           wp_json_bool(a, false) == wp_json_bool(b, false) &&
           wp_json_u64(a, 7) == wp_json_u64(b, 7);
}

// Removes the items whose bit is set, and puts one in front.
static wp_view edit(struct wp_arena *arena, wp_view text, const struct items *items, uint8_t mask,
                    bool insert)
{
    struct wp_splice splice;
    struct wp_spans spans;
    wp_splice_init(&splice, arena, text);
    for (size_t i = 0; i < items->count; i++)
        if ((mask >> (i % 8)) & 1)
            wp_splice_remove_item(&splice, items->container, items->item[i]);
    if (insert)
        wp_splice_insert_first(&splice, items->container,
                               items->object ? WP_VIEW("\"new\":[1]") : WP_VIEW("[1]"));
    FUZZ_CHECK(wp_splice_spans(&splice, &spans) == WP_OK);
    wp_view edited = wp_arena_concat(arena, spans.list, spans.count);
    FUZZ_CHECK(edited.len == spans.total);
    return edited;
}

static void check_edit(struct wp_arena *arena, wp_view text, uint8_t mask, bool insert)
{
    struct items before, after;
    if (!list_items(text, &before))
        return;
    wp_view edited = edit(arena, text, &before, mask, insert);
    const struct wp_json_val *tree = wp_json_parse(arena, edited);
    FUZZ_CHECK(tree != NULL);
    if (!list_items(edited, &after)) {
        FUZZ_CHECK(before.count == ITEMS_MAX); // one more than fits
        return;
    }
    size_t at = 0;
    if (insert) {
        FUZZ_CHECK(after.count > 0);
        FUZZ_CHECK(wp_view_is(after.item[0], before.object ? "\"new\":[1]" : "[1]"));
        at = 1;
    }
    for (size_t i = 0; i < before.count; i++) {
        if ((mask >> (i % 8)) & 1)
            continue;
        FUZZ_CHECK(at < after.count && wp_view_eq(before.item[i], after.item[at]));
        FUZZ_CHECK(same_value(wp_json_parse(arena, before.value[i]),
                              wp_json_parse(arena, after.value[at])));
        at++;
    }
    FUZZ_CHECK(at == after.count && wp_json_count(tree) == at);
}

// Every string decodes to what the library says.
static void check_strings(struct wp_arena *arena, const struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        if (!wp_json_is_string(items->value[i]))
            continue;
        wp_view ours = wp_json_decode_string(arena, items->value[i]);
        FUZZ_CHECK(wp_view_eq(ours, wp_json_str(wp_json_parse(arena, items->value[i]))));
    }
}

// Each width finds what one byte at a time does.
static void check_widths(wp_view text)
{
    bool valid = wp_utf8_valid_bytewise(text);
    FUZZ_CHECK(wp_utf8_valid(text) == valid);
    for (size_t at = 0; at < text.len && at < 200; at++) {
        bool above = false, high[4] = {false};
        size_t stop = wp_json_stop_bytewise(text, at, &above);
        FUZZ_CHECK(wp_json_stop(text, at, &high[0]) == stop && (high[0] || !above));
#ifdef WP_JSON_WIDE
        FUZZ_CHECK(wp_json_stop_narrow(text, at, &high[1]) == stop && (high[1] || !above));
        if (__builtin_cpu_supports("avx2"))
            FUZZ_CHECK(wp_json_stop_avx2(text, at, &high[2]) == stop && (high[2] || !above));
        if (wp_json_has_avx512())
            FUZZ_CHECK(wp_json_stop_avx512(text, at, &high[3]) == stop && (high[3] || !above));
#endif
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_json_scan scan;
    struct items items;
    wp_view input = fuzz_view(data, size);
    uint8_t mask = fuzz_byte(&input), options = fuzz_byte(&input);
    wp_view text = fuzz_copy(input);
    struct wp_arena *arena = wp_arena_create(0);
    check_widths(text);
    wp_json_scan_init(&scan, text);
    wp_view value = wp_json_value(&scan);
    bool accepted = wp_json_scan_finish(&scan);
    // the library has no limit on depth
    if (scan.error == NULL || strcmp(scan.error, "nested too deeply") != 0)
        FUZZ_CHECK(accepted == (wp_json_parse(arena, text) != NULL));
    if (accepted) {
        FUZZ_CHECK(same_value(wp_json_parse(arena, value), wp_json_parse(arena, text)));
        check_edit(arena, text, mask, (options & 1) != 0);
        if (list_items(text, &items))
            check_strings(arena, &items);
    } else {
        FUZZ_CHECK(scan.error != NULL && scan.error_offset <= text.len);
    }
    wp_arena_destroy(arena);
    fuzz_free(text);
    return 0;
}
