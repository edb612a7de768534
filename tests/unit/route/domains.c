// What shares a cache, and what shares a limit: two different things.
#include "tests/unit/route/support.h"

static struct rig_talk talk_of(const char *name)
{
    return (struct rig_talk){.name = name, .head = 40000, .turn = 4000, .turns = 1};
}

static bool shares_cache(struct rig *rig, uint32_t a, uint32_t b)
{
    struct wp_hash128 one = rig_status(rig, a).cache_domain, two = rig_status(rig, b).cache_domain;
    return wp_hash128_eq(one, two);
}

// An answer of that deployment with these header values.
static void answer_from(struct rig *rig, uint32_t index, const struct rig_talk *talk,
                        const char *workspace, const char *organisation)
{
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(rig, rig_prompt(rig, talk), "s");
    wp_router_plan(rig->router, &request, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (rig_index(rig, &plan.candidates[i]) != index)
            continue;
        assert_true(wp_router_begin(rig->router, &request, &plan.candidates[i], &attempt));
        wp_router_learn_organisation(rig->router, &attempt, wp_view_of(organisation));
        wp_router_learn_scope(rig->router, &attempt, wp_view_of(workspace));
        rig_finish(rig, &attempt, &(struct wp_usage){.seen = true, .cache_write_5m = 11000});
        return;
    }
    fail();
}

static void credential_place_and_model_make_a_domain(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 4);
    rig.deployments[1].api_key = rig.deployments[0].api_key; // the same key twice
    rig.deployments[2].api_key = rig.deployments[0].api_key;
    rig.deployments[2].upstream_model = WP_VIEW("claude-opus-4-8");
    rig_start(&rig);
    assert_true(shares_cache(&rig, 0, 1));
    assert_false(shares_cache(&rig, 0, 2));
    assert_false(shares_cache(&rig, 0, 3));
    // What one of them wrote the other reads.
    struct rig_talk talk = talk_of("shared");
    struct wp_plan plan;
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", 0);
    rig_choose(&rig, rig_prompt(&rig, &talk), "s", &plan);
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.candidates[i].predicted_read > 0,
                         rig_index(&rig, &plan.candidates[i]) < 2);
    rig_close(&rig);
}

static void the_operators_name_beats_everything(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = talk_of("named");
    rig_open(&rig, 2);
    rig.deployments[0].cache_domain = rig.deployments[1].cache_domain = WP_VIEW("team");
    rig_start(&rig);
    assert_true(shares_cache(&rig, 0, 1));
    answer_from(&rig, 0, &talk, "wrkspc_1", "");
    answer_from(&rig, 1, &talk, "wrkspc_2", "");
    assert_true(shares_cache(&rig, 0, 1));
    rig_close(&rig);
}

static void keys_of_one_workspace_are_one_cache(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk first = talk_of("first"), second = talk_of("second");
    rig_open(&rig, 3);
    rig_start(&rig);
    answer_from(&rig, 0, &first, "wrkspc_1", "");
    answer_from(&rig, 1, &second, "wrkspc_1", ""); // its own write moves with it
    answer_from(&rig, 2, &second, "wrkspc_2", "");
    assert_true(shares_cache(&rig, 0, 1));
    assert_false(shares_cache(&rig, 0, 2));
    rig_choose(&rig, rig_prompt(&rig, &first), "s", &plan);
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.candidates[i].predicted_read > 0,
                         rig_index(&rig, &plan.candidates[i]) < 2);
    rig_choose(&rig, rig_prompt(&rig, &second), "s", &plan);
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.candidates[i].predicted_read, 11000);
    // A reload with the same credentials keeps what was learnt, another key forgets it.
    rig_start(&rig);
    assert_true(shares_cache(&rig, 0, 1));
    rig.deployments[1].api_key = WP_VIEW("sk-ant-new");
    rig_start(&rig);
    assert_false(shares_cache(&rig, 0, 1));
    rig_close(&rig);
}

static void workspaces_of_one_organisation_share_a_limit(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = talk_of("limits");
    rig_open(&rig, 3);
    rig.deployments[0].rpm = rig.deployments[1].rpm = 3;
    rig_start(&rig);
    answer_from(&rig, 0, &talk, "wrkspc_1", "org_1");
    answer_from(&rig, 1, &talk, "wrkspc_2", "org_1");
    answer_from(&rig, 2, &talk, "wrkspc_3", "org_2");
    assert_false(shares_cache(&rig, 0, 1)); // but not a cache
    rig_fail(&rig, 0,
             &(struct wp_outcome_detail){.outcome = WP_OUTCOME_FAILED,
                                         .kind = WP_KIND_RATE_LIMIT,
                                         .status = 429,
                                         .retry_after_ms = 20000});
    assert_true(rig_status(&rig, 0).cooling_until_ns > 0);
    assert_true(rig_status(&rig, 1).cooling_until_ns > 0);
    assert_true(rig_status(&rig, 2).cooling_until_ns == 0);
    rig.now_ns += 21 * RIG_S;
    // What one of them reports prices the other; the configuration's rpm stays each one's own.
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    request.tried = 6;
    wp_router_plan(rig.router, &request, &plan);
    assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempt));
    wp_router_report_limits(
        rig.router, &attempt,
        &(struct wp_limit_report){.input_limit = 100000, .input_remaining = 100}, rig.now_ns);
    rig_finish(&rig, &attempt, NULL);
    request.tried = 0;
    wp_router_plan(rig.router, &request, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        uint32_t index = rig_index(&rig, &plan.candidates[i]);
        if (index == 2)
            assert_true(plan.candidates[i].headroom > 0.9);
        else if (plan.candidates[i].usable)
            assert_true(plan.candidates[i].headroom < 0.05);
        if (index == 1) // it has sent one request in this minute, its neighbour three
            assert_true(plan.candidates[i].usable);
    }
    rig_close(&rig);
}

static void a_named_rate_domain_counts_together(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = talk_of("together");
    rig_open(&rig, 2);
    for (uint32_t i = 0; i < 2; i++) {
        rig.deployments[i].rate_domain = WP_VIEW("org");
        rig.deployments[i].rpm = 2;
    }
    rig_start(&rig);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", 0);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", 0);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credential_place_and_model_make_a_domain),
        cmocka_unit_test(the_operators_name_beats_everything),
        cmocka_unit_test(keys_of_one_workspace_are_one_cache),
        cmocka_unit_test(workspaces_of_one_organisation_share_a_limit),
        cmocka_unit_test(a_named_rate_domain_counts_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
