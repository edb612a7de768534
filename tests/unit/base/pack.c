#include "base/pack.h"

#include <math.h>

#include "tests/support/test.h"

static void numbers_come_back(void **state)
{
    (void)state;
    struct wp_buf out = wp_buf_make(64);
    wp_pack_u8(&out, 0xfe);
    wp_pack_u32(&out, 0x01020304);
    wp_pack_u64(&out, UINT64_MAX - 1);
    wp_pack_f32(&out, -1.5F);
    wp_pack_f64(&out, 0.1);
    assert_int_equal(out.len, 25);
    assert_memory_equal(out.ptr + 1, "\x04\x03\x02\x01", 4);
    struct wp_unpack in = {.left = wp_buf_view(&out)};
    assert_int_equal(wp_unpack_u8(&in), 0xfe);
    assert_int_equal(wp_unpack_u32(&in), 0x01020304);
    assert_true(wp_unpack_u64(&in) == UINT64_MAX - 1);
    assert_true(wp_unpack_f32(&in) == -1.5F);
    assert_true(wp_unpack_f64(&in) == 0.1);
    assert_false(in.failed);
    assert_int_equal(wp_unpack_u8(&in), 0);
    assert_true(in.failed);
    wp_buf_free(&out);
}

static void what_is_no_number_fails_for_good(void **state)
{
    (void)state;
    struct wp_buf out = wp_buf_make(64);
    wp_pack_f32(&out, (float)NAN);
    wp_pack_f64(&out, (double)INFINITY);
    wp_pack_u8(&out, 7);
    struct wp_unpack in = {.left = wp_buf_view(&out)};
    assert_true(wp_unpack_f32(&in) == 0);
    assert_true(in.failed);
    assert_int_equal(wp_unpack_bytes(&in, 1).len, 0);
    in = (struct wp_unpack){.left = wp_view_skip(wp_buf_view(&out), 4)};
    assert_true(wp_unpack_f64(&in) == 0);
    assert_true(in.failed);
    in = (struct wp_unpack){.left = wp_buf_view(&out)};
    assert_int_equal(wp_unpack_bytes(&in, SIZE_MAX).len, 0);
    assert_true(in.failed);
    wp_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(what_is_no_number_fails_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
