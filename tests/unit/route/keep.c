// Idle economics: learning return odds, and deciding by them.
#include "route/keep.h"

#include "tests/support/test.h"

static struct wp_keep_spell spell_of(enum wp_keep_stop stop, uint32_t habit)
{
    return (struct wp_keep_spell){.stop = (uint8_t)stop, .habit = (uint8_t)habit, .hour = 9};
}

// A 100,000-token conversation on a model of that read multiplier, at its first expiry.
static struct wp_keep_case case_of(enum wp_keep_stop stop, double read)
{
    return (struct wp_keep_case){
        .spell = spell_of(stop, 1),
        .idle_s = 280,
        .ttl_s = 300,
        .guard_s = 20,
        .tokens = 100000,
        .at_stake = 100000,
        .input = 3e-6,
        .read = 3e-6 * read,
        .write = 3e-6 * 1.25,
        .confidence = 1,
    };
}

static void the_prior_falls_with_idle_time(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_spell tool = spell_of(WP_KEEP_STOP_TOOL_USE, 1);
    struct wp_keep_spell turn = spell_of(WP_KEEP_STOP_END_TURN, 1);
    struct wp_keep_spell sub = spell_of(WP_KEEP_STOP_SUBAGENT, 0);
    // From the traces: 0.30 of the spells of five minutes end in the next five, 0.01 after an hour.
    double five = wp_keep_return_odds(&odds, &tool, 300, 600);
    assert_true(five > 0.25 && five < 0.4);
    assert_true(wp_keep_return_odds(&odds, &turn, 300, 600) < five);
    assert_true(wp_keep_return_odds(&odds, &tool, 3600, 3900) < 0.03);
    assert_true(wp_keep_return_odds(&odds, &sub, 300, 600) < 0.01);
    assert_true(wp_keep_return_odds(&odds, &tool, 21600, 30000) < 1e-9);
    // Odds compose: silence over a span is silence over each part of it.
    double whole = 1 - wp_keep_return_odds(&odds, &tool, 100, 2000);
    double parts = (1 - wp_keep_return_odds(&odds, &tool, 100, 433)) *
                   (1 - wp_keep_return_odds(&odds, &tool, 433, 2000));
    assert_true(whole - parts < 1e-12 && parts - whole < 1e-12);
}

// Spells of one kind, of which `back` in a hundred return at 400 s and none later.
static void teach(struct wp_keep_odds *odds, struct wp_keep_spell kind, uint32_t back,
                  uint32_t spells)
{
    for (uint32_t i = 0; i < spells; i++) {
        struct wp_keep_spell spell = kind;
        wp_keep_spell_silent(odds, &spell, 280);
        if (i * 37 % 100 < back)
            wp_keep_spell_ended(odds, &spell, 400);
        else
            wp_keep_spell_silent(odds, &spell, 1000);
    }
}

static void what_is_seen_outweighs_the_prior_and_fades(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_spell tool = spell_of(WP_KEEP_STOP_TOOL_USE, 1);
    teach(&odds, tool, 90, 500);
    double high = wp_keep_return_odds(&odds, &tool, 300, 600);
    assert_true(high > 0.8);
    // A kind that was never seen is moved by the others.
    struct wp_keep_spell unseen = spell_of(WP_KEEP_STOP_OTHER, 2);
    assert_true(wp_keep_return_odds(&odds, &unseen, 300, 600) > 0.35);
    teach(&odds, tool, 2, 3000);
    assert_true(wp_keep_return_odds(&odds, &tool, 300, 600) < 0.08);
}

static void the_hour_of_the_day_is_learnt(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_spell day = spell_of(WP_KEEP_STOP_END_TURN, 1), night = day;
    night.hour = 23;
    for (int i = 0; i < 20; i++) {
        teach(&odds, day, 40, 50);
        teach(&odds, night, 2, 50);
    }
    double by_day = wp_keep_return_odds(&odds, &day, 300, 600);
    double by_night = wp_keep_return_odds(&odds, &night, 300, 600);
    assert_true(by_day > 2 * by_night);
}

static void silence_is_learnt_before_the_spell_is_over(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_spell kind = spell_of(WP_KEEP_STOP_END_TURN, 0);
    double before = wp_keep_return_odds(&odds, &kind, 300, 600);
    for (int i = 0; i < 100; i++) {
        struct wp_keep_spell spell = kind;
        wp_keep_spell_silent(&odds, &spell, 300);
        wp_keep_spell_silent(&odds, &spell, 600);
        wp_keep_spell_silent(&odds, &spell, 600); // counts nothing twice
    }
    assert_true(wp_keep_return_odds(&odds, &kind, 300, 600) < before / 2);
    assert_true(odds.all[5].risk > 90 && odds.all[5].risk < 101);
}

static void a_spell_knows_how_often_its_conversation_came_back(void **state)
{
    (void)state;
    struct wp_keep_spell first = wp_keep_spell_begin(WP_KEEP_STOP_TOOL_USE, 33, NULL, 0);
    assert_int_equal(first.habit, 0);
    assert_int_equal(first.hour, 9);
    struct wp_keep_spell second = wp_keep_spell_begin(WP_KEEP_STOP_TOOL_USE, 9, &first, 30);
    assert_int_equal(second.habit, 0);
    struct wp_keep_spell third = wp_keep_spell_begin(WP_KEEP_STOP_END_TURN, 9, &second, 900);
    assert_int_equal(third.habit, 1);
    for (int i = 0; i < 5; i++)
        third = wp_keep_spell_begin(WP_KEEP_STOP_END_TURN, 9, &third, 900);
    assert_int_equal(third.habit, WP_KEEP_HABITS - 1);
    assert_int_equal(wp_keep_stop_of(WP_VIEW("tool_use"), false), WP_KEEP_STOP_TOOL_USE);
    assert_int_equal(wp_keep_stop_of(WP_VIEW("max_tokens"), false), WP_KEEP_STOP_OTHER);
    assert_int_equal(wp_keep_stop_of(WP_VIEW("end_turn"), true), WP_KEEP_STOP_SUBAGENT);
}

static void a_renewal_must_be_worth_its_price(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_verdict verdict;
    struct wp_keep_case c = case_of(WP_KEEP_STOP_TOOL_USE, 0.1);
    wp_keep_decide(&odds, &c, &verdict);
    assert_true(verdict.renew);
    assert_true(verdict.price > 0.0299 && verdict.price < 0.0301); // 100,000 x 3e-6 x 0.1
    assert_true(verdict.gain > 0);
    c = case_of(WP_KEEP_STOP_SUBAGENT, 0.1);
    wp_keep_decide(&odds, &c, &verdict);
    assert_false(verdict.renew);
    assert_true(verdict.gain == 0);
    // Nothing to lose where others keep the prefix warm.
    c = case_of(WP_KEEP_STOP_TOOL_USE, 0.1);
    c.at_stake = 5000;
    wp_keep_decide(&odds, &c, &verdict);
    assert_false(verdict.renew);
    // An entry that is probably gone costs a write.
    c.at_stake = 100000;
    c.confidence = 0.1;
    wp_keep_decide(&odds, &c, &verdict);
    assert_false(verdict.renew);
    assert_true(verdict.price > 0.3);
}

static double last_renewal_s(double read)
{
    struct wp_keep_odds odds = {0};
    struct wp_keep_verdict verdict;
    struct wp_keep_case c = case_of(WP_KEEP_STOP_END_TURN, read);
    double last = 0;
    for (c.idle_s = 280; c.idle_s < 21600; c.idle_s += 280) {
        wp_keep_decide(&odds, &c, &verdict);
        if (!verdict.renew)
            break;
        last = c.idle_s;
    }
    return last;
}

static void cheaper_reads_are_kept_warm_longer(void **state)
{
    (void)state;
    double tenth = last_renewal_s(0.1), twentieth = last_renewal_s(0.05),
           fortieth = last_renewal_s(0.025);
    assert_true(tenth < twentieth && twentieth < fortieth);
    assert_true(fortieth < 7200);
}

// The value of what a renewal makes possible counts: a quiet window before a likely return is
// bridged, and is not when nothing is to be expected behind it.
static void a_valley_before_a_likely_return_is_bridged(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_spell kind = spell_of(WP_KEEP_STOP_END_TURN, 0);
    struct wp_keep_case c = case_of(WP_KEEP_STOP_END_TURN, 0.1);
    struct wp_keep_verdict verdict;
    c.spell = kind;
    for (int i = 0; i < 400; i++) {
        struct wp_keep_spell spell = kind;
        wp_keep_spell_ended(&odds, &spell, 1000);
    }
    wp_keep_decide(&odds, &c, &verdict);
    assert_true(wp_keep_return_odds(&odds, &kind, 300, 600) < 0.02);
    assert_true(verdict.renew);
    struct wp_keep_odds silent = {0};
    for (int i = 0; i < 400; i++) {
        struct wp_keep_spell spell = kind;
        wp_keep_spell_silent(&silent, &spell, 20000);
    }
    wp_keep_decide(&silent, &c, &verdict);
    assert_false(verdict.renew);
}

// Where reads cost next to nothing, renewals every few minutes do what an hour would do.
static void cheap_renewals_leave_less_to_an_hour(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_ttl_case c = {
        .spell = spell_of(WP_KEEP_STOP_TOOL_USE, 1),
        .written = 4000,
        .prefix = 100000,
        .read = 7.5e-9,
        .write_5m = 3.75e-6,
        .write_1h = 6e-6,
        .confidence = 1,
    };
    double alone, renewed, dear;
    assert_true(wp_keep_prefers_hour(&odds, &c, &alone));
    c.guard_s = 20;
    assert_false(wp_keep_prefers_hour(&odds, &c, &renewed));
    assert_true(renewed < alone);
    c.read = 3e-7;
    assert_true(wp_keep_prefers_hour(&odds, &c, &dear));
    assert_true(dear > renewed);
}

static void an_hour_pays_for_small_writes_on_long_prefixes(void **state)
{
    (void)state;
    struct wp_keep_odds odds = {0};
    struct wp_keep_ttl_case c = {
        .spell = spell_of(WP_KEEP_STOP_END_TURN, 1),
        .written = 1000,
        .prefix = 100000,
        .read = 3e-7,
        .write_5m = 3.75e-6,
        .write_1h = 6e-6,
        .confidence = 1,
    };
    double gain;
    assert_true(wp_keep_prefers_hour(&odds, &c, &gain));
    assert_true(gain > 0);
    c.written = 100000;
    assert_false(wp_keep_prefers_hour(&odds, &c, &gain));
    assert_true(gain < 0);
    c.written = 1000;
    c.confidence = 0.01; // the platform does not keep them that long
    assert_false(wp_keep_prefers_hour(&odds, &c, NULL));
    c.confidence = 1;
    c.lasting = 99500; // an earlier hour holds nearly all of it: the next one can wait
    assert_false(wp_keep_prefers_hour(&odds, &c, NULL));
    c.lasting = 60000;
    assert_true(wp_keep_prefers_hour(&odds, &c, NULL));
    // Of all kinds of spells: who writes everything waits for a smaller write.
    for (uint32_t stop = 0; stop < WP_KEEP_STOP_COUNT; stop++) {
        c.spell = spell_of((enum wp_keep_stop)stop, 2);
        c.lasting = 0;
        c.written = c.prefix;
        assert_false(wp_keep_prefers_hour(&odds, &c, NULL));
    }
}

static void a_purse_is_full_again_the_next_day(void **state)
{
    (void)state;
    struct wp_keep_purse purse = {0};
    assert_false(wp_keep_affords(&purse, 20000, 0, 0.001));
    assert_true(wp_keep_affords(&purse, 20000, 0.10, 0.06));
    wp_keep_spend(&purse, 20000, 0.06);
    assert_false(wp_keep_affords(&purse, 20000, 0.10, 0.06));
    assert_true(wp_keep_affords(&purse, 20000, 0.10, 0.03));
    assert_true(wp_keep_affords(&purse, 20001, 0.10, 0.06));
    wp_keep_spend(&purse, 20001, 0.01);
    assert_true(purse.spent < 0.011);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prior_falls_with_idle_time),
        cmocka_unit_test(what_is_seen_outweighs_the_prior_and_fades),
        cmocka_unit_test(the_hour_of_the_day_is_learnt),
        cmocka_unit_test(silence_is_learnt_before_the_spell_is_over),
        cmocka_unit_test(a_spell_knows_how_often_its_conversation_came_back),
        cmocka_unit_test(a_renewal_must_be_worth_its_price),
        cmocka_unit_test(cheaper_reads_are_kept_warm_longer),
        cmocka_unit_test(a_valley_before_a_likely_return_is_bridged),
        cmocka_unit_test(cheap_renewals_leave_less_to_an_hour),
        cmocka_unit_test(an_hour_pays_for_small_writes_on_long_prefixes),
        cmocka_unit_test(a_purse_is_full_again_the_next_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
