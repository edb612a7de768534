#include "tests/support/test.h"

#include "json/writer.h"

static void check_decimal(double value, uint32_t places, const char *expected)
{
    struct wp_buf buf = wp_buf_make(256);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_put_decimal(&w, NULL, value, places);
    assert_view(wp_buf_view(&buf), expected);
    wp_buf_free(&buf);
}

static void test_decimal(void **state)
{
    (void)state;
    check_decimal(0, 3, "0");
    check_decimal(-0.0, 3, "0");
    check_decimal(1, 3, "1");
    check_decimal(1.5, 3, "1.5");
    check_decimal(0.05, 3, "0.05");
    check_decimal(0.0004, 3, "0");
    check_decimal(0.0005, 3, "0.001");
    check_decimal(-0.0001, 3, "0");
    check_decimal(-2.25, 2, "-2.25");
    check_decimal(999.9996, 3, "1000");
    check_decimal(1234.5678, 3, "1234.568");
    check_decimal(100, 0, "100");
    check_decimal(0.11667975, 12, "0.11667975");
    check_decimal(3e-6, 12, "0.000003");
    check_decimal(1e-12, 12, "0.000000000001");
    check_decimal(1e20, 3, "1e+20"); // too large for fixed places
    check_decimal(0.1, 40, "0.1");
    check_decimal(1.0 / 0.0, 3, "null");
}

static void test_object(void **state)
{
    (void)state;
    struct wp_buf buf = wp_buf_make(1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_str(&w, "text", WP_VIEW("a\"\\\n\x01\xc3\xa9"));
    wp_json_put_cstr(&w, "none", NULL);
    wp_json_put_u64(&w, "big", UINT64_MAX);
    wp_json_put_i64(&w, "low", INT64_MIN);
    wp_json_put_bool(&w, "yes", true);
    wp_json_put_decimal(&w, "price", 0.25, 6);
    wp_json_put_double(&w, "exact", 0.1 + 0.2);
    wp_json_open_array(&w, "list");
    wp_json_put_null(&w, NULL);
    wp_json_put_u64(&w, NULL, 7);
    wp_json_close(&w);
    wp_json_close(&w);
    assert_view(wp_buf_view(&buf),
                "{\"text\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\",\"none\":null,"
                "\"big\":18446744073709551615,\"low\":-9223372036854775808,\"yes\":true,"
                "\"price\":0.25,\"exact\":0.30000000000000004,\"list\":[null,7]}");
    wp_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
