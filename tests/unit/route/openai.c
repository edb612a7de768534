// OpenAI's caching rules behind the same interface: implicit prefixes, 1,024 tokens at least, steps
// of 128, overflow to cold machines when one prefix is asked for too often.
#include "tests/unit/route/support.h"

static void open_openai(struct rig *rig)
{
    rig_open(rig, 1);
    rig->deployments[0].platform = WP_PLATFORM_OPENAI;
    rig->models[0].min_cache_tokens = 0; // the platform's own minimum holds
    rig_start(rig);
}

static struct wp_candidate look(struct rig *rig, const struct rig_talk *talk)
{
    struct wp_plan plan;
    rig_choose(rig, rig_prompt(rig, talk), "s", &plan);
    return plan.candidates[0];
}

static void prefixes_are_cached_without_markers_in_steps(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "o", .head = 8000, .turn = 500, .turns = 1, .unmarked = true};
    open_openai(&rig);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    talk.turns = 3;
    struct wp_candidate next = look(&rig, &talk);
    assert_true(next.predicted_read >= 2048);
    assert_int_equal(next.predicted_read % 128, 0);
    // Every token is in one class: what the step cuts off is not lost.
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    assert_int_equal(next.predicted_read + next.predicted_write + next.predicted_uncached,
                     prompt->tokens);
    // A sibling shares the instructions only.
    struct rig_talk sibling = {
        .name = "o", .head = 8000, .turn = 900, .turns = 1, .unmarked = true};
    struct wp_candidate other = look(&rig, &sibling);
    assert_true(other.predicted_read >= 1024 && other.predicted_read < next.predicted_read);
    assert_int_equal(other.predicted_read % 128, 0);
    rig_close(&rig);
}

static void below_a_thousand_and_twenty_four_nothing_is(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "o", .head = 1000, .turn = 1000, .turns = 1, .unmarked = true};
    open_openai(&rig);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    talk.turns = 3;
    assert_int_equal(look(&rig, &talk).predicted_read, 0);
    rig_close(&rig);
}

static void idle_entries_lapse(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "o", .head = 8000, .turn = 500, .turns = 1, .unmarked = true};
    open_openai(&rig);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    rig.now_ns += 299 * RIG_S;
    assert_true(look(&rig, &talk).predicted_read > 0);
    rig.now_ns += 2 * RIG_S;
    assert_int_equal(look(&rig, &talk).predicted_read, 0);
    rig_close(&rig);
}

static void a_crowd_meets_cold_machines(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "o", .head = 8000, .turn = 500, .turns = 1, .unmarked = true};
    open_openai(&rig);
    rig.now_ns = 60 * RIG_S * 1000; // the beginning of a minute
    double alone = 0;
    for (uint32_t i = 0; i < 60; i++) {
        rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
        rig.now_ns += RIG_S / 2;
        if (i == 10)
            alone = look(&rig, &talk).confidence;
    }
    double crowded = look(&rig, &talk).confidence;
    assert_true(alone > 0.9);
    assert_true(crowded < 0.35); // sixty a minute, of which fifteen stay together
    assert_true(look(&rig, &talk).expected_cost > look(&rig, &talk).predicted_cost);
    // Another prefix is another crowd, and a crowd disperses.
    struct rig_talk other = {.name = "p", .head = 8000, .turn = 500, .turns = 1, .unmarked = true};
    rig_serve(&rig, rig_prompt(&rig, &other), "s", UINT32_MAX);
    assert_true(look(&rig, &other).confidence > 0.9);
    rig.now_ns += 120 * RIG_S;
    assert_true(look(&rig, &talk).confidence > 0.9);
    // Claude's rules know no crowds.
    assert_int_equal(wp_cache_rules(WP_PLATFORM_ANTHROPIC)->crowd, 0);
    rig_close(&rig);
}

static void cached_tokens_count_towards_the_limit(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = {.name = "o", .head = 8000, .turn = 500, .turns = 1, .unmarked = true};
    open_openai(&rig);
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    uint64_t once = rig_status(&rig, 0).minute_tokens;
    rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    assert_int_equal(rig_status(&rig, 0).minute_tokens, 2 * once);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_cached_without_markers_in_steps),
        cmocka_unit_test(below_a_thousand_and_twenty_four_nothing_is),
        cmocka_unit_test(idle_entries_lapse),
        cmocka_unit_test(a_crowd_meets_cold_machines),
        cmocka_unit_test(cached_tokens_count_towards_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
