// The sliding sum against what was added, one by one.
#include "route/window.h"

#include "tests/support/test.h"

enum { WIDTH = 5, ADDED = 4000 };

static struct {
    uint64_t at_ns;
    int64_t amount;
} added[ADDED];

// What the slots that the window covers at `now_ns` hold of the first `count`.
static int64_t expected(uint32_t count, uint64_t now_ns)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (added[i].at_ns / WIDTH + WP_WINDOW_SLOTS > now_ns / WIDTH)
            sum += added[i].amount;
    return sum < 0 ? 0 : sum;
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void the_sum_is_that_of_the_last_slots(void **state)
{
    (void)state;
    struct wp_window window = wp_window_make(WIDTH * WP_WINDOW_SLOTS);
    uint64_t random = 1, now_ns = 0;
    for (uint32_t i = 0; i < ADDED; i++) {
        uint64_t kind = next(&random) % 20;
        now_ns += kind == 0 ? next(&random) % (3 * WIDTH * WP_WINDOW_SLOTS) : next(&random) % WIDTH;
        // a correction meets what it corrects, as long as that is in the window
        uint64_t back = kind < 5 ? next(&random) % (WIDTH * (WP_WINDOW_SLOTS - 1)) : 0;
        added[i].at_ns = back < now_ns ? now_ns - back : now_ns;
        added[i].amount = (int64_t)(next(&random) % 100) - (kind < 5 ? 50 : 0);
        wp_window_add(&window, now_ns, 0);
        wp_window_add(&window, added[i].at_ns, added[i].amount);
        assert_int_equal(wp_window_sum(&window, now_ns), expected(i + 1, now_ns));
        uint64_t later_ns = now_ns + next(&random) % (2 * WIDTH * WP_WINDOW_SLOTS);
        assert_int_equal(wp_window_sum(&window, later_ns), expected(i + 1, later_ns));
    }
}

static void the_wait_is_until_enough_has_left(void **state)
{
    (void)state;
    struct wp_window window = wp_window_make(WIDTH * WP_WINDOW_SLOTS);
    wp_window_add(&window, 2 * WIDTH, 10);
    wp_window_add(&window, 4 * WIDTH, 10);
    uint64_t now_ns = 5 * WIDTH + 1;
    assert_int_equal(wp_window_wait(&window, now_ns, 20), 0);
    assert_int_equal(wp_window_wait(&window, now_ns, 19),
                     (2 + WP_WINDOW_SLOTS) * WIDTH - now_ns); // the first leaves
    assert_int_equal(wp_window_wait(&window, now_ns, 9), (4 + WP_WINDOW_SLOTS) * WIDTH - now_ns);
}

static void what_has_left_is_not_corrected(void **state)
{
    (void)state;
    struct wp_window window = wp_window_make(WIDTH * WP_WINDOW_SLOTS);
    wp_window_add(&window, 0, 10);
    wp_window_add(&window, WIDTH * WP_WINDOW_SLOTS, 1);
    wp_window_add(&window, 0, 5);
    assert_int_equal(wp_window_sum(&window, WIDTH * WP_WINDOW_SLOTS), 1);
    wp_window_add(&window, 1000 * WIDTH, -5);
    assert_int_equal(wp_window_sum(&window, 1000 * WIDTH), 0); // never negative
    wp_window_add(&window, 1001 * WIDTH, 7);
    assert_int_equal(wp_window_sum(&window, 1001 * WIDTH), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_that_of_the_last_slots),
        cmocka_unit_test(the_wait_is_until_enough_has_left),
        cmocka_unit_test(what_has_left_is_not_corrected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
