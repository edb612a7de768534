// What the usage that comes back teaches the model.
#include "route/history.h"

#include "tests/unit/route/support.h"

// A request whose usage is given; returns the plan's first candidate.
static struct wp_candidate bill(struct rig *rig, const struct rig_talk *talk,
                                const struct wp_usage *usage)
{
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(rig, rig_prompt(rig, talk), "s");
    wp_router_plan(rig->router, &request, &plan);
    assert_true(wp_router_begin(rig->router, &request, &plan.candidates[0], &attempt));
    rig_finish(rig, &attempt, usage);
    return plan.candidates[0];
}

static struct wp_candidate look(struct rig *rig, const struct rig_talk *talk)
{
    struct wp_plan plan;
    rig_choose(rig, rig_prompt(rig, talk), "s", &plan);
    return plan.candidates[0];
}

static struct rig_talk grown(uint32_t turns)
{
    return (struct rig_talk){.name = "learn", .head = 40000, .turn = 4000, .turns = turns};
}

static void sizes_are_measured(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1);
    rig_start(&rig);
    struct rig_talk talk = grown(1);
    // The real tokenizer makes 1.5 times what bytes / 4 say.
    bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 16600});
    assert_true(rig_status(&rig, 0).token_scale > 1.4 && rig_status(&rig, 0).token_scale < 1.6);
    talk = grown(3);
    struct wp_candidate next = look(&rig, &talk);
    assert_int_equal(next.predicted_read, 16600); // exactly: the boundary is known
    assert_in_range(next.predicted_write, 2700, 3300);
    rig_close(&rig);
}

static void over_prediction_drops_the_entry_and_the_confidence(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1);
    rig_start(&rig);
    double first = 0, last = 0;
    for (uint32_t i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof(name), "lost-%u", i);
        struct rig_talk talk = {.name = name, .head = 40000, .turn = 4000, .turns = 1};
        bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 11000});
        talk.turns = 3;
        struct wp_candidate believed =
            bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 13000});
        assert_int_equal(believed.predicted_read, 11000);
        if (i == 0)
            first = believed.confidence;
        last = believed.confidence;
        // What it has written itself is believed, what was not there is not.
        struct wp_candidate now = look(&rig, &talk);
        assert_int_equal(now.predicted_read, 13000);
        talk.turns = 1;
        assert_int_equal(look(&rig, &talk).predicted_read < 11000, 1);
    }
    assert_true(first > 0.95);
    assert_true(last < 0.5);
    assert_true(rig_status(&rig, 0).hit_odds < 0.1);
    rig_close(&rig);
}

// A cross-region profile is a mixture of hidden caches: half of what is believed is there.
static void mixtures_show_as_odds(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1);
    rig_start(&rig);
    for (uint32_t i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "mixed-%u", i);
        struct rig_talk talk = {.name = name, .head = 40000, .turn = 4000, .turns = 1};
        bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 11000});
        talk.turns = 3;
        struct wp_usage hit = {.seen = true, .cache_read = 11000, .cache_write_5m = 2000};
        struct wp_usage miss = {.seen = true, .cache_write_5m = 13000};
        bill(&rig, &talk, i * 7 % 2 == 0 ? &hit : &miss);
        wp_arena_destroy(rig.arena);
        rig.arena = wp_arena_create(0);
    }
    struct wp_deployment_status status = rig_status(&rig, 0);
    assert_true(status.hit_odds > 0.4 && status.hit_odds < 0.6);
    rig_close(&rig);
}

static void under_prediction_teaches_hidden_warmth(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1);
    rig_start(&rig);
    // Another gateway has kept the head warm: 10,000 tokens are read that nobody here wrote.
    struct rig_talk talk = grown(1);
    struct wp_candidate cold = bill(
        &rig, &talk, &(struct wp_usage){.seen = true, .cache_read = 10003, .cache_write_5m = 1007});
    assert_int_equal(cold.predicted_read, 0);
    struct rig_talk sibling = {.name = "learn", .head = 40000, .turn = 8, .turns = 1};
    assert_int_equal(look(&rig, &sibling).predicted_read, 10003);
    rig_close(&rig);
}

static uint8_t anomalies(struct rig *rig)
{
    return rig_status(rig, 0).anomalies;
}

static void anomalies_are_seen(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_talk talk = grown(1);
    rig_open(&rig, 1);
    rig_start(&rig);
    bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 11000});
    assert_int_equal(anomalies(&rig), 0);
    rig_close(&rig);
    // Markers were sent, above the minimum, and nothing is read or written.
    rig_open(&rig, 1);
    rig_start(&rig);
    bill(&rig, &talk, &(struct wp_usage){.seen = true, .input = 11000});
    assert_int_equal(anomalies(&rig), WP_ANOMALY_STRIPPED);
    assert_int_equal(look(&rig, &talk).predicted_read, 0); // nothing was kept
    rig_close(&rig);
    // An hour was asked for, five minutes were billed.
    rig_open(&rig, 1);
    rig_start(&rig);
    talk.hour = true;
    bill(&rig, &talk, &(struct wp_usage){.seen = true, .cache_write_5m = 11000});
    assert_int_equal(anomalies(&rig), WP_ANOMALY_SHORTENED);
    assert_int_equal(look(&rig, &talk).predicted_read, 11000);
    rig.now_ns += 301 * RIG_S; // and believed to last five minutes only
    assert_int_equal(look(&rig, &talk).predicted_read, 0);
    rig_close(&rig);
}

// Each is told once per cause: the call that returns it is the one that logs.
static void anomalies_are_told_once(void **state)
{
    (void)state;
    struct wp_model model;
    struct rig rig;
    struct rig_talk talk = grown(1);
    rig_open(&rig, 1);
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    const struct wp_cache_rules *rules = wp_cache_rules(WP_PLATFORM_ANTHROPIC);
    const struct wp_usage stripped = {.seen = true, .input = 11000};
    wp_model_init(&model, 1000, 1000);
    struct wp_domain *domain = wp_model_acquire(&model, (struct wp_hash128){1, 1});
    for (int i = 0; i < 3; i++) {
        struct wp_sighting sighting;
        struct wp_forecast forecast;
        struct wp_trace trace = {.domain = domain,
                                 .rules = rules,
                                 .prompt = prompt,
                                 .begun_ns = RIG_START,
                                 .min_tokens = 1024};
        domain->refs++;
        wp_model_search(&model, rules, prompt, &domain, 1, RIG_START, &sighting);
        wp_model_forecast(domain, rules, prompt, 1024, &sighting, &forecast);
        wp_model_begin(&model, &trace, &forecast, &sighting);
        wp_model_started(&model, &trace);
        assert_int_equal(wp_model_correct(&model, &trace, &stripped),
                         i == 0 ? WP_ANOMALY_STRIPPED : 0);
        wp_model_end(&model, &trace);
    }
    wp_model_free(&model);
    rig_close(&rig);
}

static void dropped_thinking_shows_in_the_size(void **state)
{
    (void)state;
    struct wp_divergence before = {
        .known = true, .before_total = 10000, .before_estimate = 10000, .before_place = 1};
    struct wp_prompt prompt = {.tokens = 11000, .thinking_tokens = 2000};
    assert_true(wp_history_thinking_dropped(&before, &prompt, 9000, 2));
    assert_false(wp_history_thinking_dropped(&before, &prompt, 11000, 2)); // all of it is there
    assert_false(wp_history_thinking_dropped(&before, &prompt, 9000, 1));  // the same account
    prompt.thinking_tokens = 100;
    assert_false(wp_history_thinking_dropped(&before, &prompt, 9000, 2)); // nothing to lose
    prompt.thinking_tokens = 2000;
    before.diverged = true;
    assert_false(wp_history_thinking_dropped(&before, &prompt, 9000, 2)); // another conversation
}

// The history hands the previous answer's size to the session's next request.
static void the_history_measures(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_divergence seen;
    struct rig_talk talk = grown(1);
    rig_open(&rig, 1);
    struct wp_history *history = wp_history_create(1 << 20);
    wp_history_note(history, WP_VIEW("stream"), rig_prompt(&rig, &talk), &seen);
    assert_false(seen.known);
    wp_history_measure(history, WP_VIEW("stream"), 12345, 11000, 3);
    talk = grown(3);
    wp_history_note(history, WP_VIEW("stream"), rig_prompt(&rig, &talk), &seen);
    assert_true(seen.known && !seen.diverged);
    assert_int_equal(seen.before_total, 12345);
    assert_int_equal(seen.before_estimate, 11000);
    assert_int_equal(seen.before_place, 3);
    talk.head = 30000; // the system prompt has changed
    wp_history_note(history, WP_VIEW("stream"), rig_prompt(&rig, &talk), &seen);
    assert_true(seen.diverged);
    assert_int_equal(seen.index, 0);
    assert_int_equal(seen.tier, WP_TIER_SYSTEM);
    assert_int_equal(seen.kind, WP_BLOCK_TEXT);
    wp_history_destroy(history);
    rig_close(&rig);
}

// An entry of an hour holds the conversation while later requests ask for five minutes, as long as
// they are near enough to find it.
static void an_hour_lasts_while_it_is_within_reach(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "hours", .head = 20000, .turn = 4000, .turns = 3, .hour = true};
    rig_open(&rig, 1);
    rig_start(&rig);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "h");
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(wp_router_lasting(rig.router, &request, &plan.candidates[0]), 0);
    uint32_t covered = plan.candidates[0].predicted_write;
    rig_serve(&rig, request.prompt, "h", 0);
    talk.hour = false;
    for (talk.turns = 5; talk.turns <= 13; talk.turns += 2) { // up to ten positions on
        rig.now_ns += 240 * RIG_S;
        request = rig_request(&rig, rig_prompt(&rig, &talk), "h");
        wp_router_plan(rig.router, &request, &plan);
        assert_int_equal(wp_router_lasting(rig.router, &request, &plan.candidates[0]), covered);
        rig_serve(&rig, request.prompt, "h", 0);
    }
    // Ten minutes of silence: the last entries are gone, the hour's is read.
    rig.now_ns += 600 * RIG_S;
    rig_choose(&rig, rig_prompt(&rig, &talk), "h", &plan);
    assert_int_equal(plan.candidates[0].predicted_read, covered);
    talk.turns = 17; // the next request might not find it any more
    request = rig_request(&rig, rig_prompt(&rig, &talk), "h");
    assert_int_equal(wp_router_lasting(rig.router, &request, &plan.candidates[0]), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_measured),
        cmocka_unit_test(over_prediction_drops_the_entry_and_the_confidence),
        cmocka_unit_test(mixtures_show_as_odds),
        cmocka_unit_test(under_prediction_teaches_hidden_warmth),
        cmocka_unit_test(anomalies_are_seen),
        cmocka_unit_test(anomalies_are_told_once),
        cmocka_unit_test(dropped_thinking_shows_in_the_size),
        cmocka_unit_test(the_history_measures),
        cmocka_unit_test(an_hour_lasts_while_it_is_within_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
