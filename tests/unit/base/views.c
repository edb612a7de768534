#include "tests/support/test.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/map.h"
#include "base/url.h"

static void numbers_are_strict(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    double d;
    assert_true(wp_view_parse_u64(WP_VIEW("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(wp_view_parse_u64(WP_VIEW("18446744073709551616"), &u));
    assert_false(wp_view_parse_u64(WP_VIEW("+5"), &u));
    assert_false(wp_view_parse_u64(WP_VIEW(""), &u));
    assert_false(wp_view_parse_u64(WP_VIEW("1 "), &u));
    assert_true(wp_view_parse_i64(WP_VIEW("-12"), &i));
    assert_int_equal(i, -12);
    assert_true(wp_view_parse_double(WP_VIEW("3e-06"), &d));
    assert_false(wp_view_parse_double(WP_VIEW("1e9999"), &d));
    assert_false(wp_view_parse_double(WP_VIEW("nan"), &d));
}

static void tokens_and_trim(void **state)
{
    (void)state;
    wp_view list = WP_VIEW("a, b,,c"), head;
    assert_true(wp_view_next_token(&list, ',', &head));
    assert_view(head, "a");
    assert_true(wp_view_next_token(&list, ',', &head));
    assert_view(wp_view_trim(head), "b");
    assert_true(wp_view_next_token(&list, ',', &head));
    assert_view(head, "");
    assert_true(wp_view_next_token(&list, ',', &head));
    assert_view(head, "c");
    assert_false(wp_view_next_token(&list, ',', &head));
}

static unsigned char small_letter(unsigned c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

// Each pair of bytes, in each place of texts of up to some words.
static void case_is_of_letters_alone(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned pair = 0; pair < 65536; pair += len < 9 ? 1 : 7) {
                char a[20] = "Content-Length: MANY", b[20] = "cONTENT-lENGTH: many";
                unsigned left = pair >> 8, right = pair & 255;
                bool same = small_letter(left) == small_letter(right);
                a[at] = (char)left;
                b[at] = (char)right;
                assert_int_equal(wp_view_eq_nocase(wp_view_make(a, len), wp_view_make(b, len)),
                                 same);
            }
        }
    }
    assert_true(wp_view_eq_nocase(WP_VIEW(""), WP_VIEW("")));
    assert_false(wp_view_eq_nocase(WP_VIEW("a"), WP_VIEW("ab")));
    assert_true(wp_view_starts_with_nocase(WP_VIEW("Bearer x"), WP_VIEW("bEARER ")));
    assert_true(wp_view_starts_with_nocase(WP_VIEW("x"), WP_VIEW("")));
    assert_false(wp_view_starts_with_nocase(WP_VIEW("Beare"), WP_VIEW("bearer")));
}

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(wp_view_distance(WP_VIEW("mdoel_list"), WP_VIEW("model_list")), 1);
    assert_int_equal(wp_view_distance(WP_VIEW("rpm"), WP_VIEW("tpm")), 1);
    assert_int_equal(wp_view_distance(WP_VIEW(""), WP_VIEW("abc")), 3);
}

static void base64_known_answers(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < WP_COUNT_OF(pairs); i++) {
        struct wp_buf buf = wp_buf_make(100);
        char back[16];
        size_t len;
        wp_base64_append(&buf, wp_view_of(pairs[i][0]));
        assert_view(wp_buf_view(&buf), pairs[i][1]);
        assert_true(wp_base64_decode(wp_view_of(pairs[i][1]), back, &len));
        assert_view(wp_view_make(back, len), pairs[i][0]);
        wp_buf_free(&buf);
    }
    char out[16];
    size_t len;
    assert_false(wp_base64_decode(WP_VIEW("Zg="), out, &len));
    assert_false(wp_base64_decode(WP_VIEW("Z==="), out, &len));
    assert_false(wp_base64_decode(WP_VIEW("Zm9v\n"), out, &len));
    assert_false(wp_base64_decode(WP_VIEW("Zg==Zg=="), out, &len));
    // What is left over of the last group is zero: of each value one text is right.
    size_t right = 0;
    for (int c = 32; c < 127; c++) {
        char two[] = {'Z', (char)c, '=', '='}, three[] = {'Z', 'm', (char)c, '='};
        right += wp_base64_decode(wp_view_make(two, 4), out, &len);
        right += wp_base64_decode(wp_view_make(three, 4), out, &len);
    }
    assert_int_equal(right, 64 / 16 + 64 / 4);
    assert_false(wp_base64_decode(WP_VIEW("Zh=="), out, &len));
    assert_false(wp_base64_decode(WP_VIEW("Zm9="), out, &len));
}

static void crc32_known_answers(void **state)
{
    (void)state;
    assert_int_equal(wp_crc32(0, WP_VIEW("123456789")), 0xCBF43926);
    uint32_t crc = wp_crc32(0, WP_VIEW("1234"));
    assert_int_equal(wp_crc32(crc, WP_VIEW("56789")), 0xCBF43926);
}

static void percent(void **state)
{
    (void)state;
    struct wp_buf buf = wp_buf_make(200);
    wp_percent_append(&buf, WP_VIEW("a:b/c~\xC3\xA9"), false);
    assert_view(wp_buf_view(&buf), "a%3Ab%2Fc~%C3%A9");
    wp_buf_free(&buf);
    char out[8];
    size_t len;
    assert_true(wp_percent_decode(WP_VIEW("%41b"), out, &len));
    assert_view(wp_view_make(out, len), "Ab");
    assert_false(wp_percent_decode(WP_VIEW("%4"), out, &len));
}

static void times_round_trip(void **state)
{
    (void)state;
    char text[WP_RFC3339_LEN + 1], amz[17], http[30];
    int64_t ms;
    wp_format_rfc3339(1764000000123, text);
    assert_string_equal(text, "2025-11-24T16:00:00.123Z");
    assert_true(wp_parse_time(wp_view_of(text), &ms));
    assert_true(ms == 1764000000123);
    assert_true(wp_parse_time(WP_VIEW("2025-11-24T17:00:00+01:00"), &ms));
    assert_true(ms == 1764000000000);
    assert_true(wp_parse_time(WP_VIEW("2025-11-24"), &ms));
    assert_false(wp_parse_time(WP_VIEW("2025-13-24"), &ms));
    assert_false(wp_parse_time(WP_VIEW("yesterday"), &ms));
    wp_format_amz_date(1764000000123, amz);
    assert_string_equal(amz, "20251124T160000Z");
    wp_format_http_date(1764000000123, http);
    assert_string_equal(http, "Mon, 24 Nov 2025 16:00:00 GMT");
}

static void urls_are_split_or_refused(void **state)
{
    (void)state;
    struct wp_url url;
    assert_true(wp_url_parse(WP_VIEW("https://a.example:8443/x/y/"), &url));
    assert_true(url.tls);
    assert_view(url.host, "a.example");
    assert_int_equal(url.port, 8443);
    assert_view(url.path, "/x/y");
    assert_view(url.authority, "a.example:8443");
    assert_true(wp_url_parse(WP_VIEW("http://[::1]:80"), &url));
    assert_view(url.host, "::1");
    assert_false(wp_url_parse(WP_VIEW("ftp://x"), &url));
    assert_false(wp_url_parse(WP_VIEW("http://u@x"), &url));
    assert_false(wp_url_parse(WP_VIEW("http://x:99999"), &url));
    assert_false(wp_url_parse(WP_VIEW("http://"), &url));
    assert_false(wp_url_parse(WP_VIEW("http://a b"), &url));
}

static void map_keeps_what_it_is_given(void **state)
{
    (void)state;
    struct wp_map map = wp_map_make(0);
    static int values[1000];
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_true(wp_map_set(&map, wp_view_of(key), &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_ptr_equal(wp_map_remove(&map, wp_view_of(key)), &values[i]);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_ptr_equal(wp_map_get(&map, wp_view_of(key)), i % 2 ? &values[i] : NULL);
    }
    size_t cursor = 0, seen = 0;
    wp_view k;
    void *v;
    while (wp_map_next(&map, &cursor, &k, &v))
        seen++;
    assert_int_equal(seen, 500);
    assert_int_equal(map.count, 500);
    wp_map_free(&map);
}

static void log_masks_secrets_and_controls(void **state)
{
    (void)state;
    char out[128];
    wp_log_register_secret(WP_VIEW("sk-very-secret-key"));
    wp_log_sanitize(WP_VIEW("key sk-very-secret-key\nnext\x1b[0m"), out, sizeof(out));
    assert_string_equal(out, "key ***\\x0anext\\x1b[0m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(tokens_and_trim),
        cmocka_unit_test(case_is_of_letters_alone),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(base64_known_answers),
        cmocka_unit_test(crc32_known_answers),
        cmocka_unit_test(percent),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(urls_are_split_or_refused),
        cmocka_unit_test(map_keeps_what_it_is_given),
        cmocka_unit_test(log_masks_secrets_and_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
