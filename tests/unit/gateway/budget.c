// The retry budget: never more than its share and its reserve; the reserve comes back with time.
#include "gateway/budget.h"
#include "tests/support/test.h"

static const uint64_t SECOND = 1000000000u;

static uint32_t spend_all(struct wp_retry_budget *budget, uint64_t now_ns)
{
    uint32_t spent = 0;
    while (wp_retry_budget_spend(budget, now_ns))
        spent++;
    return spent;
}

static void a_quiet_gateway_has_its_reserve(void **state)
{
    (void)state;
    struct wp_retry_budget budget;
    wp_retry_budget_init(&budget, SECOND);
    assert_int_equal(spend_all(&budget, SECOND), WP_BUDGET_RESERVE);
    assert_int_equal(spend_all(&budget, 4 * SECOND), 3);
    assert_int_equal(spend_all(&budget, 1000 * SECOND), WP_BUDGET_RESERVE);
    assert_int_equal(atomic_load(&budget.denied), 3);
}

static void a_storm_adds_a_fifth(void **state)
{
    (void)state;
    struct wp_retry_budget budget;
    uint32_t retries = 0;
    wp_retry_budget_init(&budget, SECOND);
    for (uint32_t i = 0; i < 10000; i++) { // within one second, each wants one more attempt
        wp_retry_budget_earn(&budget, 0.2);
        retries += wp_retry_budget_spend(&budget, SECOND);
    }
    assert_in_range(retries, 2000, 2000 + WP_BUDGET_RESERVE);
}

static void what_is_saved_up_is_bounded(void **state)
{
    (void)state;
    struct wp_retry_budget budget;
    wp_retry_budget_init(&budget, SECOND);
    for (uint32_t i = 0; i < 100000; i++)
        wp_retry_budget_earn(&budget, 0.2);
    assert_int_equal(spend_all(&budget, SECOND), WP_BUDGET_MOST);
    wp_retry_budget_earn(&budget, 0);
    assert_int_equal(spend_all(&budget, SECOND), 0);
    wp_retry_budget_earn(&budget, 1e300);
    assert_int_equal(spend_all(&budget, SECOND), WP_BUDGET_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_gateway_has_its_reserve),
        cmocka_unit_test(a_storm_adds_a_fifth),
        cmocka_unit_test(what_is_saved_up_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
