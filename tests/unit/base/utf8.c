// UTF-8 as RFC 3629 has it, at every width.
#include "base/utf8.h"

#include "tests/support/test.h"

// Whatever the width; the same is asked of the text inside longer ones, at every place of a block.
static bool valid(wp_view text)
{
    bool expected = wp_utf8_valid_bytewise(text);
    assert_true(wp_utf8_valid(text) == expected);
#ifdef WP_UTF8_WIDE
    if (__builtin_cpu_supports("avx2"))
        assert_true(wp_utf8_valid_avx2(text) == expected);
#endif
    return expected;
}

static bool valid_anywhere(const char *bytes, size_t len)
{
    char text[100];
    bool expected = valid(wp_view_make(bytes, len));
    for (size_t before = 0; before < 40; before++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + before, bytes, len);
        assert_true(valid(wp_view_make(text, before + len)) == expected);
        assert_true(valid(wp_view_make(text, before + len + 30)) == expected);
    }
    return expected;
}

static void sequences(void **state)
{
    (void)state;
    assert_true(valid(WP_VIEW("")));
    assert_true(valid_anywhere("plain", 5));
    assert_true(valid_anywhere("\xC2\x80", 2) && valid_anywhere("\xDF\xBF", 2));
    assert_true(valid_anywhere("\xE2\x82\xAC \xF0\x9F\x98\x80", 8));
    assert_true(valid_anywhere("\xF4\x8F\xBF\xBF\xEE\x80\x80", 7));
    assert_false(valid_anywhere("\xC0\x80", 2));         // longer than needed
    assert_false(valid_anywhere("\xE0\x9F\xBF", 3));     // the same
    assert_false(valid_anywhere("\xF0\x8F\xBF\xBF", 4)); // the same
    assert_false(valid_anywhere("\xED\xA0\x80", 3));     // a surrogate
    assert_false(valid_anywhere("\xF4\x90\x80\x80", 4)); // above U+10FFFF
    assert_false(valid_anywhere("\x80", 1));
    assert_false(valid_anywhere("abcdefgh\xE2\x82", 10)); // cut off
    assert_false(valid_anywhere("\xE2\x82\xAC\x80", 4));  // one too many
}

// All of two bytes, and of three and four by the bounds of what each byte may be.
static void every_combination(void **state)
{
    (void)state;
    static const uint8_t marks[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                    0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    enum { MARKS = sizeof(marks) };
    char text[96];
    memset(text, 'x', sizeof(text));
    char *at = text + 30; // across the blocks' bound
    uint32_t good = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        at[0] = (char)(i >> 8);
        at[1] = (char)i;
        good += valid(wp_view_make(text, 70)) ? 1 : 0;
    }
    assert_int_equal(good, 128 * 128 + 30 * 64);
    for (uint32_t i = 0; i < MARKS * MARKS * MARKS * MARKS; i++) {
        at[0] = (char)marks[i % MARKS];
        at[1] = (char)marks[i / MARKS % MARKS];
        at[2] = (char)marks[i / (MARKS * MARKS) % MARKS];
        at[3] = (char)marks[i / (MARKS * MARKS * MARKS)];
        valid(wp_view_make(text, 70));
        valid(wp_view_make(text, 34)); // nothing behind it
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(every_combination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
