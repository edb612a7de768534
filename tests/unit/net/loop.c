// Timers: none fires early or twice, whatever was done to it before; those at rest do not fire.
#include "net/loop.h"

#include "base/clock.h"
#include "base/random.h"
#include "tests/support/test.h"

enum { COUNT = 300, ROUNDS = 30, MOST_MS = 60 };

static struct wp_loop *loop;

struct alarm {
    struct wp_timer timer;
    uint64_t not_before_ns; // 0: it may not fire
    unsigned fired;
};
static struct alarm alarms[COUNT];
static struct wp_timer driver, end;
static unsigned rounds;

static void on_alarm(void *arg)
{
    struct alarm *alarm = arg;
    assert_true(alarm->not_before_ns != 0);
    // the loop's time is that of its turn
    assert_true(wp_now_ns() + 1000000 >= alarm->not_before_ns);
    assert_false(wp_timer_active(&alarm->timer));
    alarm->not_before_ns = 0;
    alarm->fired++;
}

static void start(struct alarm *alarm, uint64_t ms)
{
    wp_timer_start(&alarm->timer, ms);
    assert_true(wp_timer_active(&alarm->timer));
    alarm->not_before_ns = wp_loop_now_ns(loop) + ms * 1000000;
}

static void shuffle(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT; i++) {
        struct alarm *alarm = &alarms[i];
        uint64_t what = wp_random_below(8);
        if (what < 4) {
            start(alarm, wp_random_below(MOST_MS)); // sooner or later than before
        } else if (what < 6) {
            what == 4 ? wp_timer_stop(&alarm->timer) : wp_timer_rest(&alarm->timer);
            assert_false(wp_timer_active(&alarm->timer));
            alarm->not_before_ns = 0;
        }
    }
    if (++rounds < ROUNDS)
        wp_timer_start(&driver, 1 + wp_random_below(5));
    else
        wp_timer_start(&end, 2 * MOST_MS);
}

static void stop(void *arg)
{
    (void)arg;
    wp_loop_stop(loop);
}

static void test_shuffled(void **state)
{
    (void)state;
    unsigned fired = 0;
    for (size_t i = 0; i < COUNT; i++)
        wp_timer_init(&alarms[i].timer, loop, on_alarm, &alarms[i]);
    wp_timer_init(&driver, loop, shuffle, NULL);
    wp_timer_init(&end, loop, stop, NULL);
    wp_timer_start(&driver, 0);
    wp_loop_run(loop);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(alarms[i].not_before_ns == 0); // what was due has fired
        assert_false(wp_timer_active(&alarms[i].timer));
        wp_timer_stop(&alarms[i].timer);
        fired += alarms[i].fired;
    }
    assert_in_range(fired, COUNT, COUNT * ROUNDS);
}

// A timer is put off by each of many events: it fires once, after the last of them.
static struct alarm put_off;

static void put_it_off(void *arg)
{
    (void)arg;
    start(&put_off, 20);
    if (++rounds < 20)
        wp_timer_start(&driver, 3);
    else
        wp_timer_start(&end, 60);
}

static void test_put_off(void **state)
{
    (void)state;
    rounds = 0;
    wp_timer_init(&put_off.timer, loop, on_alarm, &put_off);
    wp_timer_init(&driver, loop, put_it_off, NULL);
    wp_timer_init(&end, loop, stop, NULL);
    wp_timer_start(&driver, 0);
    wp_loop_run(loop);
    assert_int_equal(put_off.fired, 1);
}

static int set_up(void **state)
{
    (void)state;
    return wp_loop_create(&loop) == WP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    wp_loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shuffled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_off, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
