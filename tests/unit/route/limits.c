// What counts against which limit, by platform, and what is left.
#include "route/limits.h"

#include "tests/unit/route/support.h"

static const struct wp_forecast FORECAST = {.total = 10000, .read = 8000, .write_5m = 2000};

static void each_platform_counts_its_own_way(void **state)
{
    (void)state;
    static const struct {
        enum wp_platform platform;
        uint64_t tokens, input;
    } rows[] = {
        {WP_PLATFORM_ANTHROPIC, 10000, 2000},     // itpm ignores cache reads
        {WP_PLATFORM_BEDROCK, 10000 + 500, 2000}, // reserves the whole prompt and max_tokens
        {WP_PLATFORM_BEDROCK_MESSAGES, 10000 + 500, 2000},
        {WP_PLATFORM_BEDROCK_MANTLE, 2500, 2500}, // what is not read, and max_tokens
        {WP_PLATFORM_OPENAI, 10000, 10000},       // cached tokens count
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_need need;
        wp_limits_need(rows[i].platform, &FORECAST, 500, &need);
        assert_int_equal(need.requests, 1);
        assert_int_equal(need.tokens, rows[i].tokens);
        assert_int_equal(need.input, rows[i].input);
        wp_limits_need(rows[i].platform, NULL, 500, &need); // count_tokens
        assert_int_equal(need.requests + need.tokens + need.input, 0);
    }
}

static void reservations_become_what_was_used(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct rig_talk talk = {.name = "reserve", .head = 40000, .turns = 1};
    rig_open(&rig, 1);
    rig.deployments[0].platform = WP_PLATFORM_BEDROCK;
    rig.deployments[0].tpm = 100000;
    rig_start(&rig);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    request.max_tokens = 32000;
    wp_router_plan(rig.router, &request, &plan);
    assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempt));
    // Until it is over the whole of max_tokens is taken.
    assert_in_range(rig_status(&rig, 0).minute_tokens, 42000, 42200);
    request.now_ns += RIG_S;
    request.max_tokens = 60000;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0);
    assert_int_equal(plan.candidates[0].reason, WP_REASON_FULL);
    assert_in_range(plan.retry_after_ms, 50000, 61000);
    struct wp_usage usage = {.seen = true, .cache_write_5m = 10000, .output = 300};
    rig_finish(&rig, &attempt, &usage);
    assert_int_equal(rig_status(&rig, 0).minute_tokens, 10300);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 1);
    rig.now_ns += 61 * RIG_S;
    assert_int_equal(rig_status(&rig, 0).minute_tokens, 0);
    rig_close(&rig);
}

static void a_refusal_gives_its_tokens_back(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct rig_talk talk = {.name = "refused", .head = 40000, .turns = 1};
    rig_open(&rig, 1);
    rig.deployments[0].tpm = 100000;
    rig_start(&rig);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    wp_router_plan(rig.router, &request, &plan);
    assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempt));
    wp_router_end(rig.router, &attempt,
                  &(struct wp_outcome_detail){.outcome = WP_OUTCOME_REFUSED,
                                              .status = 400,
                                              .retry_after_ms = -1,
                                              .now_ns = rig.now_ns});
    assert_int_equal(rig_status(&rig, 0).minute_tokens, 0);
    assert_int_equal(rig_status(&rig, 0).in_flight, 0);
    rig_close(&rig);
}

static void requests_and_parallel_requests(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt attempts[2];
    struct rig_talk talk = {.name = "many", .head = 100, .turns = 1};
    rig_open(&rig, 1);
    rig.deployments[0].rpm = 3;
    rig.deployments[0].max_parallel_requests = 2;
    rig_start(&rig);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    for (int i = 0; i < 2; i++) {
        wp_router_plan(rig.router, &request, &plan);
        assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempts[i]));
    }
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0); // two in flight
    struct wp_usage usage = {.seen = true, .input = 25};
    rig_finish(&rig, &attempts[0], &usage);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 1);
    assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempts[0]));
    rig_finish(&rig, &attempts[0], &usage);
    rig_finish(&rig, &attempts[1], &usage);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0); // three in the minute
    request.now_ns += 61 * RIG_S;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 1);
    rig_close(&rig);
}

// A request beyond the whole limit could never go otherwise.
static void larger_than_the_limit_goes_alone(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "huge", .head = 400000, .turns = 1};
    rig_open(&rig, 1);
    rig.deployments[0].tpm = 50000;
    rig_start(&rig);
    rig_choose(&rig, rig_prompt(&rig, &talk), "s", &plan);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0);
    rig_close(&rig);
}

// The provider's own headers set a price, refill with time, and never bar.
static void reports_are_a_price(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct rig_talk talk = {.name = "reported", .head = 40000, .turns = 1};
    rig_open(&rig, 1);
    rig_start(&rig);
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    struct wp_plan_request request = rig_request(&rig, prompt, "s");
    wp_router_plan(rig.router, &request, &plan);
    assert_true(plan.candidates[0].headroom > 0.999);
    assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempt));
    wp_router_report_limits(
        rig.router, &attempt,
        &(struct wp_limit_report){.input_limit = 100000, .input_remaining = 5000}, rig.now_ns);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 1);
    assert_true(plan.candidates[0].headroom < 0.06);
    request.now_ns += 30 * RIG_S; // half the bucket has come back
    wp_router_plan(rig.router, &request, &plan);
    assert_true(plan.candidates[0].headroom > 0.5 && plan.candidates[0].headroom < 0.6);
    request.now_ns += 40 * RIG_S; // too old to say anything
    wp_router_plan(rig.router, &request, &plan);
    assert_true(plan.candidates[0].headroom > 0.999);
    rig_finish(&rig, &attempt, NULL);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_platform_counts_its_own_way),
        cmocka_unit_test(reservations_become_what_was_used),
        cmocka_unit_test(a_refusal_gives_its_tokens_back),
        cmocka_unit_test(requests_and_parallel_requests),
        cmocka_unit_test(larger_than_the_limit_goes_alone),
        cmocka_unit_test(reports_are_a_price),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
