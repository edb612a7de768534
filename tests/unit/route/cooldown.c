// Which failures take a deployment out of rotation, and for how long.
#include "tests/unit/route/support.h"

static const struct wp_outcome_detail LIMITED = {
    .outcome = WP_OUTCOME_FAILED, .kind = WP_KIND_RATE_LIMIT, .status = 429, .retry_after_ms = -1};
static const struct wp_outcome_detail BROKEN = {.outcome = WP_OUTCOME_FAILED,
                                                .kind = WP_KIND_INTERNAL_SERVER,
                                                .status = 500,
                                                .retry_after_ms = -1};

static uint64_t cooling_s(struct rig *rig, uint32_t index)
{
    uint64_t until = rig_status(rig, index).cooling_until_ns;
    return until == 0 ? 0 : (until - rig->now_ns) / RIG_S;
}

static void rate_limits_cool_at_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 2);
    rig_start(&rig);
    rig_fail(&rig, 0, &LIMITED);
    assert_int_equal(cooling_s(&rig, 0), 5);
    assert_int_equal(cooling_s(&rig, 1), 0);
    rig.now_ns += 6 * RIG_S;
    assert_int_equal(cooling_s(&rig, 0), 0);
    struct wp_outcome_detail asked = LIMITED;
    asked.retry_after_ms = 42000;
    rig_fail(&rig, 0, &asked);
    assert_int_equal(cooling_s(&rig, 0), 42);
    asked.retry_after_ms = 86400000; // an operator who lifts a quota should not wait for a day
    rig_fail(&rig, 1, &asked);
    assert_int_equal(cooling_s(&rig, 1), 300);
    rig_close(&rig);
}

static void credentials_and_missing_models_cool_too(void **state)
{
    (void)state;
    static const struct {
        enum wp_error_kind kind;
        int status;
    } rows[] = {{WP_KIND_AUTHENTICATION, 401}, {WP_KIND_NOT_FOUND, 404}, {WP_KIND_TIMEOUT, 408}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct rig rig;
        rig_open(&rig, 2);
        rig_start(&rig);
        rig_fail(&rig, 1,
                 &(struct wp_outcome_detail){.outcome = WP_OUTCOME_FAILED,
                                             .kind = rows[i].kind,
                                             .status = rows[i].status,
                                             .retry_after_ms = -1});
        assert_int_equal(cooling_s(&rig, 1), 5);
        rig_close(&rig);
    }
}

static void one_error_is_no_outage_and_three_in_a_row_are(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "c", .head = 100, .turns = 1};
    rig_open(&rig, 2);
    rig_start(&rig);
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    rig_fail(&rig, 0, &BROKEN);
    rig_fail(&rig, 0, &BROKEN);
    assert_int_equal(cooling_s(&rig, 0), 0);
    rig_serve(&rig, prompt, "s", 0); // a success between them
    rig_fail(&rig, 0, &BROKEN);
    assert_int_equal(cooling_s(&rig, 0), 0);
    rig_fail(&rig, 0, &BROKEN); // four of five failed within the minute
    assert_int_equal(cooling_s(&rig, 0), 5);
    for (int i = 0; i < 3; i++)
        rig_fail(&rig, 1, &BROKEN);
    assert_int_equal(cooling_s(&rig, 1), 5);
    rig_close(&rig);
}

static void clients_mistakes_and_departures_are_nobodys_fault(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 2);
    rig_start(&rig);
    for (int i = 0; i < 20; i++) {
        rig_fail(&rig, 0,
                 &(struct wp_outcome_detail){
                     .outcome = WP_OUTCOME_REFUSED, .status = 400, .retry_after_ms = -1});
        rig_fail(
            &rig, 0,
            &(struct wp_outcome_detail){.outcome = WP_OUTCOME_CANCELLED, .retry_after_ms = -1});
    }
    assert_int_equal(cooling_s(&rig, 0), 0);
    assert_int_equal(rig_status(&rig, 0).failures, 0);
    rig_close(&rig);
}

static void allowed_fails_and_its_policy(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 3);
    rig.snapshot.router.allowed_fails = 2;
    rig.snapshot.router.allowed_fails_policy[WP_KIND_RATE_LIMIT] = 4;
    rig.deployments[1].allowed_fails = 0;
    rig.deployments[1].cooldown_ms = 60000;
    rig_start(&rig);
    for (int i = 0; i < 2; i++)
        rig_fail(&rig, 0, &BROKEN);
    assert_int_equal(cooling_s(&rig, 0), 0);
    rig_fail(&rig, 0, &BROKEN);
    assert_int_equal(cooling_s(&rig, 0), 5);
    rig_fail(&rig, 1, &BROKEN);
    assert_int_equal(cooling_s(&rig, 1), 60);
    for (int i = 0; i < 4; i++)
        rig_fail(&rig, 2, &LIMITED);
    assert_int_equal(cooling_s(&rig, 2), 0);
    rig_fail(&rig, 2, &LIMITED);
    assert_int_equal(cooling_s(&rig, 2), 5);
    rig_close(&rig);
}

static void alone_or_switched_off_nothing_cools(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1);
    rig_start(&rig);
    rig_fail(&rig, 0, &LIMITED);
    assert_int_equal(cooling_s(&rig, 0), 0);
    rig_close(&rig);
    rig_open(&rig, 2);
    rig.snapshot.router.disable_cooldowns = true;
    rig_start(&rig);
    rig_fail(&rig, 0, &LIMITED);
    assert_int_equal(cooling_s(&rig, 0), 0);
    rig_close(&rig);
}

static void a_spend_cap_is_probed_rarely(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 2);
    rig_start(&rig);
    struct wp_outcome_detail capped = LIMITED;
    capped.spend_cap = true;
    capped.retry_after_ms = 1000;
    rig_fail(&rig, 0, &capped);
    assert_int_equal(cooling_s(&rig, 0), 900);
    rig_close(&rig);
}

// How many of the plan's candidates wait for a limit, and how many are down.
static void assert_skipped(struct rig *rig, size_t limited, size_t down)
{
    struct rig_talk talk = {.name = "c", .head = 100, .turns = 1};
    struct wp_prompt *prompt = rig_prompt(rig, &talk);
    struct wp_plan_request request = rig_request(rig, prompt, "s");
    struct wp_plan plan;
    wp_router_plan(rig->router, &request, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        const struct wp_candidate *candidate = &plan.candidates[i];
        limited -= candidate->limited ? 1 : 0;
        down -= candidate->reason == WP_REASON_COOLING && !candidate->limited ? 1 : 0;
    }
    assert_int_equal(limited, 0);
    assert_int_equal(down, 0);
}

static void limits_are_told_from_failures(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_outcome_detail longer = LIMITED;
    longer.retry_after_ms = 60000;
    rig_open(&rig, 3);
    rig_start(&rig);
    assert_skipped(&rig, 0, 0);
    rig_fail(&rig, 0, &LIMITED);
    for (int i = 0; i < 3; i++)
        rig_fail(&rig, 1, &BROKEN);
    assert_skipped(&rig, 1, 1);
    rig_fail(&rig, 1, &longer); // what keeps it out longest says why
    assert_skipped(&rig, 2, 0);
    rig_fail(&rig, 1, &BROKEN);
    assert_skipped(&rig, 2, 0);
    rig.now_ns += 61 * RIG_S;
    assert_skipped(&rig, 0, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_limits_cool_at_once),
        cmocka_unit_test(credentials_and_missing_models_cool_too),
        cmocka_unit_test(one_error_is_no_outage_and_three_in_a_row_are),
        cmocka_unit_test(clients_mistakes_and_departures_are_nobodys_fault),
        cmocka_unit_test(allowed_fails_and_its_policy),
        cmocka_unit_test(alone_or_switched_off_nothing_cools),
        cmocka_unit_test(a_spend_cap_is_probed_rarely),
        cmocka_unit_test(limits_are_told_from_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
