// Wrong keys are counted per address and minute; a key that was right there keeps working.
#include "gateway/guard.h"

#include <stdio.h>

#include "tests/support/test.h"

enum { LIMIT = 5 };
static const uint64_t SECOND = 1000000000u;

static void digest_of(const char *key, uint8_t out[WP_SHA256_LEN])
{
    wp_sha256(wp_view_of(key), out);
}

// One request: whether it was let through to its verdict.
static bool ask(struct wp_guard *guard, const char *address, const char *key, bool right,
                uint64_t now_ns)
{
    uint8_t digest[WP_SHA256_LEN];
    digest_of(key, digest);
    return wp_guard_admits(guard, wp_view_of(address), digest, right, LIMIT, now_ns);
}

static void an_address_that_guesses_has_to_wait(void **state)
{
    (void)state;
    struct wp_guard *guard = wp_guard_create();
    for (int i = 0; i < LIMIT; i++)
        assert_true(ask(guard, "192.0.2.1", "wrong", false, 100 * SECOND));
    assert_false(ask(guard, "192.0.2.1", "wrong", false, 100 * SECOND));
    assert_false(ask(guard, "192.0.2.1", "right", true, 130 * SECOND)); // a guess tells nothing
    assert_true(ask(guard, "192.0.2.2", "right", true, 130 * SECOND));
    assert_true(ask(guard, "192.0.2.1", "right", true, 161 * SECOND));
    wp_guard_destroy(guard);
}

static void a_key_that_was_right_there_keeps_working(void **state)
{
    (void)state;
    struct wp_guard *guard = wp_guard_create();
    assert_true(ask(guard, "192.0.2.1", "right", true, 100 * SECOND));
    for (int i = 0; i < LIMIT; i++)
        assert_true(ask(guard, "192.0.2.1", "wrong", false, 101 * SECOND));
    assert_false(ask(guard, "192.0.2.1", "wrong", false, 102 * SECOND));
    assert_true(ask(guard, "192.0.2.1", "right", true, 102 * SECOND));
    wp_guard_destroy(guard);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    char address[64];
    struct wp_guard *guard = wp_guard_create();
    for (int i = 0; i < LIMIT; i++) {
        snprintf(address, sizeof(address), "2001:db8:0:1::%x", i + 1);
        assert_true(ask(guard, address, "wrong", false, 100 * SECOND));
    }
    assert_false(ask(guard, "2001:db8:0:1:ffff::1", "wrong", false, 100 * SECOND));
    assert_true(ask(guard, "2001:db8:0:2::1", "wrong", false, 100 * SECOND));
    wp_guard_destroy(guard);
}

static void memory_is_bounded_whatever_comes(void **state)
{
    (void)state;
    char address[64];
    struct wp_guard *guard = wp_guard_create();
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, (i >> 8) & 255, i & 255);
        assert_true(ask(guard, address, "wrong", false, 100 * SECOND + i));
    }
    for (int i = 0; i < LIMIT - 1; i++)
        assert_true(ask(guard, address, "wrong", false, 101 * SECOND));
    assert_false(ask(guard, address, "wrong", false, 101 * SECOND));
    wp_guard_destroy(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_that_guesses_has_to_wait),
        cmocka_unit_test(a_key_that_was_right_there_keeps_working),
        cmocka_unit_test(a_network_of_ipv6_is_one_address),
        cmocka_unit_test(memory_is_bounded_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
