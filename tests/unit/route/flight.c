// Single flight: the first writes a cold prefix, the others wait for its first event.
#include "tests/unit/route/support.h"

struct waiting {
    struct wp_waiter waiter;
    uint32_t woken;
};

static void wake(void *arg)
{
    ((struct waiting *)arg)->woken++;
}

static struct wp_plan_request with_wait(struct rig *rig, const struct rig_talk *talk,
                                        const char *session)
{
    struct wp_plan_request request = rig_request(rig, rig_prompt(rig, talk), session);
    request.max_wait_ms = WP_SINGLE_FLIGHT_MS;
    return request;
}

static struct rig_talk sibling(uint32_t number)
{
    // The same head, another first message.
    return (struct rig_talk){.name = "swarm", .head = 60000, .turn = 10 + number, .turns = 1};
}

static void lead(struct rig *rig, struct wp_attempt *out)
{
    struct wp_plan plan;
    struct rig_talk talk = sibling(0);
    struct wp_plan_request request = with_wait(rig, &talk, "leader");
    wp_router_plan(rig->router, &request, &plan);
    assert_false(plan.wait.advised); // nobody is ahead
    assert_true(wp_router_begin(rig->router, &request, &plan.candidates[0], out));
}

static void followers_wait_and_read(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt leader, late;
    struct waiting followers[31] = {0};
    rig_open(&rig, 4);
    rig_start(&rig);
    lead(&rig, &leader);
    uint32_t home = (uint32_t)(leader.deployment - rig.deployments);
    for (uint32_t i = 0; i < 31; i++) {
        struct rig_talk talk = sibling(i + 1);
        struct wp_plan_request request = with_wait(&rig, &talk, "follower");
        wp_router_plan(rig.router, &request, &plan);
        assert_int_equal(rig_index(&rig, &plan.candidates[0]), home);
        assert_int_equal(plan.candidates[0].reason, WP_REASON_CACHE_WRITING);
        assert_true(plan.wait.advised);
        assert_in_range(plan.wait.at_most_ms, 1000, WP_SINGLE_FLIGHT_MS);
        assert_true(plan.wait.tokens > 14000);
        // Who planned before the leader began is turned back at the door.
        assert_false(wp_router_begin(rig.router, &request, &plan.candidates[0], &late));
        followers[i].waiter.wake = wake;
        followers[i].waiter.arg = &followers[i];
        assert_true(wp_router_wait(rig.router, &plan, &followers[i].waiter));
    }
    struct wp_router_totals totals;
    wp_router_totals(rig.router, &totals);
    assert_int_equal(totals.waiting, 31);
    wp_router_wait_cancel(rig.router, &followers[30].waiter); // its client left
    wp_router_started(rig.router, &leader, rig.now_ns);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(followers[i].woken, 1);
    assert_int_equal(followers[30].woken, 0);
    wp_router_wait_cancel(rig.router, &followers[3].waiter); // idempotent
    struct rig_talk talk = sibling(1);
    struct wp_plan_request request = with_wait(&rig, &talk, "follower");
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    assert_true(plan.candidates[0].predicted_read > 14000);
    struct wp_usage usage = {.seen = true, .cache_write_5m = 15020};
    rig_finish(&rig, &leader, &usage);
    rig_close(&rig);
}

static void when_the_leader_fails_the_next_one_leads(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt leader, next;
    struct waiting one = {.waiter = {.wake = wake, .arg = &one}};
    struct waiting two = {.waiter = {.wake = wake, .arg = &two}};
    rig_open(&rig, 1);
    rig_start(&rig);
    lead(&rig, &leader);
    struct rig_talk first = sibling(1), second = sibling(2);
    struct wp_plan_request a = with_wait(&rig, &first, "a"), b = with_wait(&rig, &second, "b");
    wp_router_plan(rig.router, &a, &plan);
    assert_true(wp_router_wait(rig.router, &plan, &one.waiter));
    wp_router_plan(rig.router, &b, &plan);
    assert_true(wp_router_wait(rig.router, &plan, &two.waiter));
    wp_router_end(rig.router, &leader,
                  &(struct wp_outcome_detail){.outcome = WP_OUTCOME_REFUSED,
                                              .status = 400,
                                              .retry_after_ms = -1,
                                              .now_ns = rig.now_ns});
    assert_int_equal(one.woken + two.woken, 2);
    wp_router_plan(rig.router, &a, &plan);
    assert_false(plan.wait.advised); // the prefix is nobody's now
    assert_int_equal(plan.candidates[0].predicted_read, 0);
    assert_true(wp_router_begin(rig.router, &a, &plan.candidates[0], &next));
    wp_router_plan(rig.router, &b, &plan);
    assert_true(plan.wait.advised); // behind the new leader
    // A wait that comes too late finds nothing to wait for.
    struct wp_plan stale = plan;
    wp_router_started(rig.router, &next, rig.now_ns);
    assert_false(wp_router_wait(rig.router, &stale, &two.waiter));
    rig_finish(&rig, &next, NULL);
    rig_close(&rig);
}

static void others_do_not_wait(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt leader;
    rig_open(&rig, 1);
    rig_start(&rig);
    lead(&rig, &leader);
    struct rig_talk other = {.name = "other", .head = 60000, .turn = 10, .turns = 1};
    struct wp_plan_request request = with_wait(&rig, &other, "o");
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised); // a different prefix
    struct rig_talk talk = sibling(1);
    request = with_wait(&rig, &talk, "f");
    request.max_wait_ms = 0; // has waited long enough
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    // A leader that has been silent for half a minute is not waited for any longer.
    request.max_wait_ms = WP_SINGLE_FLIGHT_MS;
    request.now_ns += 31 * RIG_S;
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    rig_finish(&rig, &leader, NULL);
    rig_close(&rig);
}

static void waiting_must_be_worth_its_price(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt leader;
    rig_open(&rig, 1);
    // So cheap that a second of anybody's time is worth more than the write.
    rig.models[0].price.input = 1e-8;
    rig.models[0].price.cache_read = 1e-9;
    rig.models[0].price.cache_write_5m = 1.25e-8;
    rig_start(&rig);
    lead(&rig, &leader);
    struct rig_talk talk = sibling(1);
    struct wp_plan_request request = with_wait(&rig, &talk, "f");
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.candidates[0].reason, WP_REASON_ONLY);
    assert_false(plan.wait.advised);
    rig_finish(&rig, &leader, NULL);
    rig_close(&rig);
}

// A deployment that mostly takes longer than anybody may wait: the leader may still be in time, and
// that is worth the wait for a long prefix, not for a short one.
static void slow_leaders_are_waited_for_where_much_is_at_stake(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        struct wp_plan plan;
        struct wp_attempt leader;
        struct rig_talk warm = {.name = "slow", .head = 8000, .turn = 100, .turns = 1};
        struct rig_talk talk = {
            .name = "swarm", .head = i == 0 ? 20000 : 120000, .turn = 10, .turns = 1};
        rig_open(&rig, 1);
        rig_start(&rig);
        struct wp_plan_request request = with_wait(&rig, &warm, "slow");
        wp_router_plan(rig.router, &request, &plan);
        assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &leader));
        wp_router_started(rig.router, &leader, rig.now_ns);
        wp_router_end(rig.router, &leader,
                      &(struct wp_outcome_detail){.outcome = WP_OUTCOME_SUCCESS,
                                                  .status = 200,
                                                  .retry_after_ms = -1,
                                                  .latency_ns = 7 * RIG_S,
                                                  .now_ns = rig.now_ns});
        request = with_wait(&rig, &talk, "leader");
        wp_router_plan(rig.router, &request, &plan);
        assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &leader));
        talk.turn = 20;
        request = with_wait(&rig, &talk, "follower");
        wp_router_plan(rig.router, &request, &plan);
        assert_int_equal(plan.wait.advised, i == 1);
        rig_finish(&rig, &leader, NULL);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_wait_and_read),
        cmocka_unit_test(when_the_leader_fails_the_next_one_leads),
        cmocka_unit_test(others_do_not_wait),
        cmocka_unit_test(waiting_must_be_worth_its_price),
        cmocka_unit_test(slow_leaders_are_waited_for_where_much_is_at_stake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
