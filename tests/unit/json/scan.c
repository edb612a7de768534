#include "tests/support/test.h"

#include "base/random.h"
#include "json/doc.h"
#include "json/private.h"
#include "json/scan.h"
#include "json/splice.h"
#include "json/writer.h"

static bool scan_accepts(wp_view text)
{
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, text);
    wp_json_value(&scan);
    return wp_json_scan_finish(&scan);
}

static bool yyjson_accepts(wp_view text)
{
    struct wp_arena *arena = wp_arena_create(0);
    bool ok = wp_json_parse(arena, text) != NULL;
    wp_arena_destroy(arena);
    return ok;
}

static void accepts_what_the_library_accepts(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{}",
                                        "[]",
                                        "null",
                                        "true",
                                        "falsee",
                                        "nul",
                                        "1",
                                        "-0",
                                        "-",
                                        "01",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e5",
                                        "1E+5",
                                        "1e9999",
                                        "-1e-9999",
                                        "1.5e300",
                                        "[1,]",
                                        "[,1]",
                                        "{\"a\":1,}",
                                        "{\"a\"}",
                                        "{a:1}",
                                        "[1 2]",
                                        "{\"a\":}",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\udc00\"",
                                        "\"\\x\"",
                                        "\"a\tb\"",
                                        "\"a\\tb\"",
                                        "\"\xC3\xA9\"",
                                        "\"\xC3\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xF4\x90\x80\x80\"",
                                        "\"",
                                        "[\"a\",\"b\"",
                                        "{\"a\":1}x",
                                        " { \"a\" : [ 1 , 2 , { } ] } ",
                                        "\xEF\xBB\xBF{}",
                                        "[1]//c",
                                        "NaN",
                                        "Infinity",
                                        "+1",
                                        "\"\\u0000\"",
                                        "[[[[[[]]]]]]",
                                        "{\"a\":1,\"a\":2}",
                                        "\"0123456789abcdef\"",
                                        "\"0123456789abcde\\\"f\"",
                                        "12345678901234567890123",
                                        "\"\\/\"",
                                        "[nulll]",
                                        "[\"\n\"]"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool expected = yyjson_accepts(wp_view_of(texts[i]));
        if (scan_accepts(wp_view_of(texts[i])) != expected) {
            print_error("\"%s\": the library says %d\n", texts[i], expected);
            fail();
        }
    }
}

// Random mutations of a realistic body: both parsers agree on each.
static void agrees_on_mutations(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"Gr\xC3\xBC\xC3\x9F dich \\u00e4 \\ud83d\\ude00 "
        "\xF0\x9F\x98\x80\",\"cache_control\":"
        "{\"type\":\"ephemeral\"}}]}],\"max_tokens\":32000,\"temperature\":1.0e0,\"stream\":true,"
        "\"x\":[null,false,-1.5e-3,[],{}]}";
    static const char alphabet[] = "{}[],:\"\\0123456789.eE+-utfn \n\x80\xC3";
    char text[sizeof(body)];
    for (int i = 0; i < 20000; i++) {
        memcpy(text, body, sizeof(body));
        size_t len = sizeof(body) - 1;
        for (uint64_t edits = 1 + wp_random_below(3); edits > 0; edits--)
            text[wp_random_below(len)] = alphabet[wp_random_below(sizeof(alphabet) - 1)];
        if (wp_random_below(4) == 0)
            len = (size_t)wp_random_below(len);
        if (scan_accepts(wp_view_make(text, len)) != yyjson_accepts(wp_view_make(text, len))) {
            print_error("disagree on: %.*s\n", (int)len, text);
            fail();
        }
    }
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * WP_JSON_MAX_DEPTH + 4];
    memset(text, '[', WP_JSON_MAX_DEPTH);
    memset(text + WP_JSON_MAX_DEPTH, ']', WP_JSON_MAX_DEPTH);
    assert_true(scan_accepts(wp_view_make(text, 2 * WP_JSON_MAX_DEPTH)));
    memset(text, '[', WP_JSON_MAX_DEPTH + 1);
    memset(text + WP_JSON_MAX_DEPTH + 1, ']', WP_JSON_MAX_DEPTH + 1);
    assert_false(scan_accepts(wp_view_make(text, 2 * WP_JSON_MAX_DEPTH + 2)));
}

static void ranges_are_exact(void **state)
{
    (void)state;
    wp_view text = WP_VIEW("{ \"a\" : \"x\\n\" , \"b\":[1, {\"c\":2} ] }"), key;
    struct wp_json_scan scan;
    struct wp_arena *arena = wp_arena_create(0);
    wp_json_scan_init(&scan, text);
    assert_true(wp_json_enter_object(&scan));
    assert_true(wp_json_next_key(&scan, &key));
    assert_view(key, "a");
    wp_view value = wp_json_value(&scan);
    assert_view(value, "\"x\\n\"");
    assert_view(wp_json_decode_string(arena, value), "x\n");
    assert_true(wp_json_string_is(value, "x\n"));
    assert_false(wp_json_string_is(value, "x"));
    assert_true(wp_json_next_key(&scan, &key));
    assert_true(wp_json_enter_array(&scan));
    assert_true(wp_json_next_element(&scan));
    assert_view(wp_json_value(&scan), "1");
    assert_true(wp_json_next_element(&scan));
    assert_view(wp_json_value(&scan), "{\"c\":2}");
    assert_false(wp_json_next_element(&scan));
    assert_false(wp_json_next_key(&scan, &key));
    assert_true(wp_json_scan_finish(&scan));
    assert_true(
        wp_json_string_is(WP_VIEW("\"\\u00e4\\ud83d\\ude00\""), "\xC3\xA4\xF0\x9F\x98\x80"));
    wp_arena_destroy(arena);
}

static wp_view joined(struct wp_arena *arena, const struct wp_splice *splice)
{
    struct wp_spans spans;
    assert_ok(wp_splice_spans(splice, &spans));
    wp_view text = wp_arena_concat(arena, spans.list, spans.count);
    assert_int_equal(text.len, spans.total);
    return text;
}

// Every subset of the members of an object removed, in both orders, with and without insertion:
// the result is valid JSON with exactly the members that stay.
static void removals_leave_valid_json(void **state)
{
    (void)state;
    static const char *const sources[] = {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}",
                                          "{ \"a\" : 1 , \"b\" : 2 ,\n \"c\" : 3, \"d\" : 4 }"};
    for (size_t s = 0; s < 2; s++) {
        for (unsigned subset = 0; subset < 64; subset++) {
            struct wp_arena *arena = wp_arena_create(0);
            struct wp_splice splice;
            struct wp_json_scan scan;
            wp_view source = wp_view_of(sources[s]), key, items[4];
            wp_splice_init(&splice, arena, source);
            wp_json_scan_init(&scan, source);
            wp_json_enter_object(&scan);
            for (size_t i = 0; wp_json_next_key(&scan, &key); i++) {
                wp_view value = wp_json_value(&scan);
                items[i] = wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - key.ptr + 1));
            }
            for (unsigned i = 0; i < 4; i++) {
                unsigned at = subset & 16 ? 3 - i : i;
                if (subset & (1u << at))
                    wp_splice_remove_item(&splice, source, items[at]);
            }
            if (subset & 32)
                wp_splice_insert_first(&splice, source, WP_VIEW("\"new\":0"));
            wp_view text = joined(arena, &splice);
            const struct wp_json_val *root = wp_json_parse(arena, text);
            if (root == NULL)
                print_error("%.*s\n", WP_VIEW_ARG(text));
            assert_non_null(root);
            for (unsigned i = 0; i < 4; i++) {
                char name[2] = {(char)('a' + i)};
                assert_int_equal(wp_json_get(root, name) == NULL, (subset & (1u << i)) != 0);
            }
            assert_int_equal(wp_json_get(root, "new") != NULL, (subset & 32) != 0);
            wp_arena_destroy(arena);
        }
    }
}

static void splices_refuse_overlap(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_splice splice;
    struct wp_spans spans;
    wp_splice_init(&splice, arena, WP_VIEW("0123456789"));
    wp_splice_replace(&splice, 6, 8, WP_VIEW("x"));
    wp_splice_replace(&splice, 2, 4, WP_VIEW("yy"));
    wp_splice_replace(&splice, 2, 2, WP_VIEW("<"));
    assert_view(joined(arena, &splice), "01<yy45x89");
    wp_splice_replace(&splice, 3, 7, WP_VIEW(""));
    assert_err(wp_splice_spans(&splice, &spans), WP_ERR_INTERNAL);
    wp_arena_destroy(arena);
}

static void writer_escapes(void **state)
{
    (void)state;
    struct wp_buf buf = wp_buf_make(1000);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "s", WP_VIEW("a\"\\\n\x01\xC3\xA9\xC3"));
    wp_json_open_array(&w, "l");
    wp_json_put_u64(&w, NULL, UINT64_MAX);
    wp_json_put_i64(&w, NULL, INT64_MIN);
    wp_json_put_double(&w, NULL, 0.1);
    wp_json_put_double(&w, NULL, 3e-06);
    wp_json_put_bool(&w, NULL, true);
    wp_json_put_null(&w, NULL);
    wp_json_close(&w);
    wp_json_put_raw(&w, "r", WP_VIEW("{}"));
    wp_json_close(&w);
    assert_view(wp_buf_view(&buf),
                "{\"s\":\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\",\"l\":[18446744073709551615,"
                "-9223372036854775808,0.1,3e-06,true,null],\"r\":{}}");
    wp_buf_free(&buf);
}

static void documents(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *root = wp_json_parse(
                                 arena, WP_VIEW("{\"a\":{\"b\":[1,\"x\",-2,true,null]},\"e\":{}}")),
                             *val;
    struct wp_json_iter iter = {0};
    wp_view key;
    size_t seen = 0;
    assert_int_equal(wp_json_u64(wp_json_at(wp_json_path(root, "a.b"), 0), 9), 1);
    assert_view(wp_json_str(wp_json_at(wp_json_path(root, "a.b"), 1)), "x");
    assert_int_equal(wp_json_i64(wp_json_at(wp_json_path(root, "a.b"), 2), 9), -2);
    assert_null(wp_json_path(root, "a.c.d"));
    assert_int_equal(wp_json_count(wp_json_get(root, "e")), 0);
    while (wp_json_each(wp_json_path(root, "a.b"), &iter, &key, &val))
        seen++;
    assert_int_equal(seen, 5);
    iter = (struct wp_json_iter){0};
    assert_true(wp_json_each(root, &iter, &key, &val));
    assert_view(key, "a");
    assert_true(wp_json_each(root, &iter, &key, &val));
    assert_view(key, "e");
    assert_false(wp_json_each(root, &iter, &key, &val));
    assert_null(wp_json_parse(arena, WP_VIEW("{")));
    wp_arena_destroy(arena);
}

static void members_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *object, *name, *value; // value NULL: there is none
    } rows[] = {
        {"{\"a\":1,\"b\":2}", "a", "1"},
        {" { \"a\" : 1 , \"b\" : [2] } ", "b", "[2]"},
        {"{\"a\":1,\"a\":2}", "a", "2"}, // the last, as the providers read it
        {"{\"a\":1,\"\\u0061\":2}", "a", "2"},
        {"{\"\\u0061\":1}", "a", "1"},
        {"{\"b\":{\"a\":1}}", "a", NULL},
        {"{\"aa\":1}", "a", NULL},
        {"[\"a\"]", "a", NULL},
        {"\"a\"", "a", NULL},
        {"", "a", NULL},
        {"{\"a\":1,", "a", "1"}, // what comes before the end of what is cut off
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        wp_view value = wp_json_scan_member(wp_view_of(rows[i].object), rows[i].name);
        assert_int_equal(value.ptr != NULL, rows[i].value != NULL);
        if (rows[i].value != NULL)
            assert_view(value, rows[i].value);
    }
}

// What strings are made of; the first seven are valid.
static const char *const pieces[] = {
    "\\\\", "\\\"", "\\n", "\\u0041",        "\\/", "a", "plain text without any", "\\", "\xC3\xA9",
    "\x01", "\\x",  "\"",  "\\ud83d\\ude00", "\xff"};

// A text of so many bytes or a little more, mostly of valid pieces, so that long strings are
// reached.
static size_t fill(char *text, size_t len, size_t want, uint32_t *seed)
{
    while (len < want) {
        *seed = *seed * 1664525u + 1013904223u;
        size_t among = (*seed >> 28) == 0 ? WP_COUNT_OF(pieces) : 7;
        const char *piece = pieces[(*seed >> 8) % among];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

// Strings are scanned in blocks: runs of backslashes, quotes and what no string may hold stand at
// every place of one, also across its end.
static void strings_of_any_length_end_where_the_library_ends_them(void **state)
{
    (void)state;
    uint32_t seed = 1;
    size_t accepted = 0;
    for (int round = 0; round < 40000; round++) {
        char text[400] = "[\"";
        size_t len = 2, want = 1 + (size_t)round % 200;
        len = fill(text, len, want, &seed);
        memcpy(text + len, "\",1]", 4);
        wp_view whole = wp_view_make(text, len + 4);
        bool ours = scan_accepts(whole);
        accepted += ours ? 1 : 0;
        if (ours != yyjson_accepts(whole))
            fail_msg("%.*s", WP_VIEW_ARG(whole));
    }
    assert_in_range(accepted, 10000, 39000);
}

// From every offset each width stops where one byte at a time does.
static void every_width_stops_at_the_same_byte(void **state)
{
    (void)state;
#ifdef WP_JSON_WIDE
    static size_t (*const widths[])(wp_view, size_t, bool *) = {
        wp_json_stop, wp_json_stop_narrow, wp_json_stop_avx2, wp_json_stop_avx512};
    const bool there[] = {true, true, __builtin_cpu_supports("avx2") != 0, wp_json_has_avx512()};
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        char bytes[400];
        wp_view text = wp_view_make(bytes, fill(bytes, 0, 1 + (size_t)round % 250, &seed));
        for (size_t at = 0; at < text.len; at++) {
            bool above = false;
            size_t expected = wp_json_stop_bytewise(text, at, &above);
            for (size_t i = 0; i < WP_COUNT_OF(widths); i++) {
                bool high = false;
                if (!there[i])
                    continue;
                assert_int_equal(widths[i](text, at, &high), expected);
                assert_true(high || !above);
            }
        }
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_stops_at_the_same_byte),
        cmocka_unit_test(accepts_what_the_library_accepts),
        cmocka_unit_test(agrees_on_mutations),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(ranges_are_exact),
        cmocka_unit_test(removals_leave_valid_json),
        cmocka_unit_test(splices_refuse_overlap),
        cmocka_unit_test(writer_escapes),
        cmocka_unit_test(strings_of_any_length_end_where_the_library_ends_them),
        cmocka_unit_test(documents),
        cmocka_unit_test(members_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
