// Who goes first, and why.
#include "tests/unit/route/support.h"

static void warm_conversations_stay_where_their_entries_are(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "a", .head = 20000, .turn = 4000, .turns = 1};
    rig_open(&rig, 8);
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &talk), "session-a", UINT32_MAX);
    for (talk.turns = 3; talk.turns < 20; talk.turns += 2) {
        rig.now_ns += 20 * RIG_S;
        struct wp_prompt *prompt = rig_prompt(&rig, &talk);
        assert_int_equal(rig_choose(&rig, prompt, "another-session", &plan), home);
        assert_int_equal(plan.candidates[0].reason, WP_REASON_CACHE);
        assert_true(plan.candidates[0].predicted_read > plan.candidates[0].predicted_write);
        for (size_t i = 1; i < plan.count; i++) {
            assert_int_equal(plan.candidates[i].predicted_read, 0);
            assert_true(plan.candidates[i].expected_cost > plan.candidates[0].expected_cost);
        }
        assert_int_equal(rig_serve(&rig, prompt, "session-a", UINT32_MAX), home);
    }
    rig_close(&rig);
}

static void replicas_agree_on_cold_prompts(void **state)
{
    (void)state;
    struct rig one, two;
    struct wp_plan plan;
    uint32_t used[8] = {0};
    rig_open(&one, 8);
    rig_open(&two, 8);
    // The other gateway lists them the other way round and has another seed for its hashes.
    wp_router_set_seed(two.router, WP_VIEW("another seed, of thirty-two bytes"));
    for (uint32_t i = 0; i < 8; i++)
        two.list[i] = &two.deployments[7 - i];
    rig_start(&one);
    rig_start(&two);
    for (uint32_t i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "conversation-%u", i);
        struct rig_talk talk = {.name = name, .head = 8000, .turn = 100, .turns = 1};
        uint32_t first = rig_choose(&one, rig_prompt(&one, &talk), name, &plan);
        assert_int_equal(rig_choose(&two, rig_prompt(&two, &talk), name, &plan), first);
        used[first]++;
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_in_range(used[i], 10, 45);
    rig_close(&one);
    rig_close(&two);
}

static void cold_prompts_go_by_weight(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    uint32_t used[3] = {0};
    rig_open(&rig, 3);
    rig.deployments[0].weight = 6;
    rig.deployments[1].weight = 3;
    rig.deployments[2].weight = 1;
    rig_start(&rig);
    for (uint32_t i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "weighted-%u", i);
        struct rig_talk talk = {.name = name, .head = 8000, .turn = 100, .turns = 1};
        used[rig_choose(&rig, rig_prompt(&rig, &talk), name, &plan)]++;
        wp_arena_destroy(rig.arena);
        rig.arena = wp_arena_create(0);
    }
    assert_in_range(used[0], 550, 650);
    assert_in_range(used[1], 250, 350);
    assert_in_range(used[2], 60, 140);
    rig_close(&rig);
}

// No ping-pong: a conversation whose entries have lapsed goes home, and equal prices do not move
// it.
static void lapsed_conversations_go_home(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "home", .head = 20000, .turn = 4000, .turns = 3};
    rig_open(&rig, 8);
    rig_start(&rig);
    uint32_t away = 0;
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    // Forced somewhere that rendezvous would not choose.
    while (rig_choose(&rig, prompt, "s", &plan) == away)
        away++;
    rig_serve(&rig, prompt, "s", away);
    rig.now_ns += 400 * RIG_S;
    talk.turns = 5;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "s", &plan), away);
    rig_close(&rig);
}

// Unless home carries more than its share and nothing can be left there: then balance is free.
static void a_long_lapsed_conversation_leaves_a_busy_home(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "lapsed", .head = 20000, .turn = 4000, .turns = 3};
    struct rig_talk other = {.name = "other", .head = 400000, .turn = 4000, .turns = 1};
    rig_open(&rig, 2);
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    for (other.turns = 1; other.turns < 40; other.turns += 2)
        rig_serve(&rig, rig_prompt(&rig, &other), "o", home);
    talk.turns = 5;
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    rig.now_ns += 400 * RIG_S; // entries may live longer than is believed
    assert_int_equal(rig_choose(&rig, prompt, "s", &plan), home);
    rig.now_ns += 800 * RIG_S;
    assert_int_equal(rig_choose(&rig, prompt, "s", &plan), 1 - home);
    talk.thinking = true;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "s", &plan), home);
    rig_close(&rig);
}

// So many that begin with one head, from one session, or ("*") each from its own; how many of them
// each deployment gets.
static void begin_many(struct rig *rig, uint32_t count, const char *session, uint32_t *used)
{
    static uint32_t words; // no two begin alike
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s-%u", session[0] == '*' ? "session" : session, i);
        struct rig_talk talk = {.name = "head", .head = 40000, .turn = 100 + words++, .turns = 1};
        const char *id = session[0] == '*' ? name : session;
        used[rig_serve(rig, rig_prompt(rig, &talk), id, UINT32_MAX)]++;
        rig->now_ns += RIG_S / 100;
    }
}

// Sessions that begin with a head that is warm in one place are spread before their load shows; the
// siblings of one session stay together.
static void sessions_spread_and_siblings_stay_together(void **state)
{
    (void)state;
    struct rig rig;
    uint32_t used[4] = {0}, siblings[4] = {0}, nameless[4] = {0};
    rig_open(&rig, 4);
    rig.deployments[3].weight = 0; // a reserve takes no part
    for (uint32_t i = 0; i < 3; i++)
        rig.deployments[i].weight = 1;
    rig_start(&rig);
    begin_many(&rig, 60, "*", used);
    for (uint32_t i = 0; i < 3; i++) // at most four above the share of twenty
        assert_in_range(used[i], 12, 24);
    assert_int_equal(used[3], 0);
    begin_many(&rig, 32, "one-session", siblings);
    uint32_t most = 0;
    for (uint32_t i = 0; i < 4; i++)
        most = siblings[i] > most ? siblings[i] : most;
    assert_int_equal(most, 32);
    rig_close(&rig);

    // Without a session they may be siblings: one write up to 32 of them.
    rig_open(&rig, 2);
    rig_start(&rig);
    begin_many(&rig, 32, "", nameless);
    assert_true(nameless[0] == 32 || nameless[1] == 32);
    begin_many(&rig, 200, "", nameless);
    assert_in_range(nameless[0], 84, 148); // at most 32 above 116
    rig_close(&rig);
}

// A few sessions do not pay for a second write of their head.
static void few_sessions_share_one_head(void **state)
{
    (void)state;
    struct rig rig;
    uint32_t used[4] = {0}, most = 0;
    rig_open(&rig, 4);
    rig_start(&rig);
    begin_many(&rig, 4, "*", used);
    for (uint32_t i = 0; i < 4; i++)
        most = used[i] > most ? used[i] : most;
    assert_int_equal(most, 4);
    rig_close(&rig);
}

static uint32_t count_on(struct rig *rig, const char *prefix, uint32_t count, uint32_t deployment)
{
    uint32_t there = 0;
    struct wp_plan plan;
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s-%u", prefix, i);
        struct rig_talk fresh = {.name = name, .head = 8000, .turn = 100, .turns = 1};
        there += rig_choose(rig, rig_prompt(rig, &fresh), name, &plan) == deployment;
    }
    return there;
}

// Which conversation moves when a deployment fills up: the one that loses least by it.
static void the_cheapest_victim_moves_first(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk warm = {.name = "warm", .head = 160000, .turn = 4000, .turns = 3};
    struct rig_talk filler = {.name = "filler", .head = 280000, .turn = 100, .turns = 1};
    struct rig_talk last = {.name = "last", .head = 122000, .turn = 100, .turns = 1};
    rig_open(&rig, 2);
    rig.deployments[0].itpm = rig.deployments[1].itpm = 150000;
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &warm), "warm", UINT32_MAX);
    uint32_t before = count_on(&rig, "before", 100, home);
    assert_true(before > 30);
    rig.now_ns += RIG_S;
    // A quarter of the minute's tokens are left: new conversations come more rarely, the warm one
    // stays.
    rig_serve(&rig, rig_prompt(&rig, &filler), "f", home);
    warm.turns = 5;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &warm), "warm", &plan), home);
    assert_true(plan.candidates[0].headroom < 0.3);
    uint32_t fewer = count_on(&rig, "fewer", 100, home);
    assert_true(fewer < before - 5);
    // Nearly nothing is left: none come, and it still stays.
    rig_serve(&rig, rig_prompt(&rig, &last), "l", home);
    assert_int_equal(count_on(&rig, "none", 100, home), 0);
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &warm), "warm", &plan), home);
    // And a minute later there is room again: nobody is kept away for ever.
    rig.now_ns += 61 * RIG_S;
    assert_true(count_on(&rig, "again", 100, home) > 30);
    rig_close(&rig);
}

// Full for a moment only: waiting for room where the conversation is warm costs less than writing
// it elsewhere; a long wait does not, and who may not wait is sent elsewhere at once.
static void waits_for_room_where_it_is_warm(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk warm = {.name = "warm", .head = 160000, .turn = 4000, .turns = 3};
    struct rig_talk filler = {.name = "filler", .head = 420000, .turn = 100, .turns = 1};
    rig_open(&rig, 2);
    rig.deployments[0].itpm = rig.deployments[1].itpm = 150000;
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &warm), "warm", UINT32_MAX);
    rig_serve(&rig, rig_prompt(&rig, &filler), "f", home);
    warm.turns = 7;
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &warm), "warm");
    request.max_wait_ms = 5000;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), 1 - home);
    assert_true(plan.wait.advised);
    assert_in_range(plan.wait.at_most_ms, 1, 5000);
    request.now_ns += plan.wait.at_most_ms * (uint64_t)1000000;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), home);
    assert_false(plan.wait.advised);
    request.now_ns = rig.now_ns;
    request.max_wait_ms = 0;
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    // Far more than what is left: no bounded wait helps.
    rig_serve(&rig, rig_prompt(&rig, &filler), "g", home);
    request.max_wait_ms = 200;
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    rig_close(&rig);
}

// A provider that says when it will take requests again, soon: a long conversation waits for it, a
// short one moves; so does either when nothing is known of the end.
static void waits_out_a_short_retry_after(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk longer = {.name = "long", .head = 160000, .turn = 4000, .turns = 3},
                    shorter = {.name = "short", .head = 6000, .turn = 100, .turns = 3};
    rig_open(&rig, 2);
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &longer), "l", UINT32_MAX);
    rig_serve(&rig, rig_prompt(&rig, &shorter), "s", home);
    longer.turns = shorter.turns = 5;
    struct wp_outcome_detail limited = {.outcome = WP_OUTCOME_FAILED,
                                        .kind = WP_KIND_RATE_LIMIT,
                                        .status = 429,
                                        .retry_after_ms = 2000};
    rig_fail(&rig, home, &limited);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &longer), "l");
    request.max_wait_ms = 5000;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), 1 - home);
    assert_true(plan.wait.advised);
    assert_in_range(plan.wait.at_most_ms, 2000, 2501);
    struct wp_plan_request brief = rig_request(&rig, rig_prompt(&rig, &shorter), "s");
    brief.max_wait_ms = 5000;
    wp_router_plan(rig.router, &brief, &plan);
    assert_false(plan.wait.advised); // 1,600 tokens are not worth two seconds
    request.now_ns += 2600 * (RIG_S / 1000);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), home);
    assert_false(plan.wait.advised);

    // This request's own refusal, whatever the cooldown's rules make of it.
    request.tried = request.refused = (uint64_t)1 << home;
    request.refused_until_ns = request.now_ns + RIG_S;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), 1 - home);
    assert_true(plan.wait.advised);
    request.refused = 0; // it has failed in another way
    wp_router_plan(rig.router, &request, &plan);
    assert_false(plan.wait.advised);
    request.tried = 0;

    limited.retry_after_ms = -1;
    rig.now_ns = request.now_ns;
    rig_fail(&rig, home, &limited);
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), 1 - home);
    assert_false(plan.wait.advised);
    rig_close(&rig);
}

// A short warm prefix is given up for headroom where a long one is not.
static void short_prefixes_move_before_long_ones(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk longer = {.name = "long", .head = 200000, .turn = 1000, .turns = 3},
                    shorter = {.name = "short", .head = 6000, .turn = 200000, .turns = 3};
    rig_open(&rig, 2);
    rig.deployments[0].itpm = rig.deployments[1].itpm = 400000;
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &longer), "l", UINT32_MAX);
    struct rig_talk head = {.name = "short", .head = 6000, .turn = 100, .turns = 1};
    rig_serve(&rig, rig_prompt(&rig, &head), "s", home);
    struct rig_talk filler = {.name = "fill", .head = 240000, .turn = 240000, .turns = 4};
    rig_serve(&rig, rig_prompt(&rig, &filler), "f", home);
    longer.turns = 5;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &longer), "l", &plan), home);
    // This one would write 150,000 tokens wherever it goes.
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &shorter), "s", &plan), 1 - home);
    rig_close(&rig);
}

// Thinking is bound to the account: inside a tool loop a conversation does not leave while its home
// can serve it, however warm another cache is.
static void thinking_in_a_tool_loop_stays(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {
        .name = "bound", .head = 60000, .turn = 4000, .turns = 3, .thinking = true, .tools = true};
    rig_open(&rig, 4);
    rig_start(&rig);
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    uint32_t home = rig_serve(&rig, prompt, "bound", UINT32_MAX);
    rig.now_ns += 400 * RIG_S; // its entries have lapsed
    uint32_t elsewhere = (home + 1) % 4;
    struct rig_talk same_head = {.name = "bound", .head = 60000, .turn = 50, .turns = 1};
    rig_serve(&rig, rig_prompt(&rig, &same_head), "x", elsewhere);
    talk.turns = 5;
    // The conversation's pin names its first message; `same_head` is another conversation.
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "bound", &plan), home);
    // When the home cools down it does move.
    rig_fail(&rig, home,
             &(struct wp_outcome_detail){.outcome = WP_OUTCOME_FAILED,
                                         .kind = WP_KIND_RATE_LIMIT,
                                         .status = 429,
                                         .retry_after_ms = 30000});
    assert_int_not_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "bound", &plan), home);
    rig_close(&rig);
}

static void order_blocked_tried_and_context(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "ordered", .head = 8000, .turn = 100, .turns = 1};
    rig_open(&rig, 4);
    rig.deployments[0].order = 2;
    rig.deployments[1].order = 1;
    rig.deployments[2].order = 1;
    rig.deployments[2].blocked = true;
    rig.deployments[3].order = 1;
    rig.deployments[3].max_input_tokens = 500;
    rig.snapshot.router.enable_pre_call_checks = true;
    rig_start(&rig);
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "s", &plan), 1);
    assert_int_equal(plan.usable, 2);
    assert_int_equal(rig_index(&rig, &plan.candidates[1]), 0);
    assert_int_equal(plan.candidates[1].reason, WP_REASON_ORDER);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    request.tried = 1u << 1;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(rig_index(&rig, &plan.candidates[0]), 0);
    uint32_t seen = 0;
    for (size_t i = 1; i < plan.count; i++)
        seen |= 1u << plan.candidates[i].reason;
    assert_int_equal(seen,
                     1u << WP_REASON_TRIED | 1u << WP_REASON_BLOCKED | 1u << WP_REASON_CONTEXT);
    request.tried = 3;
    wp_router_plan(rig.router, &request, &plan);
    assert_int_equal(plan.usable, 0);
    rig_close(&rig);
}

// Without the planner the strategies decide, and a session pin is what session_affinity asks for.
static void strategies_and_affinity_keep_their_meaning(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "plain", .head = 20000, .turn = 100, .turns = 1};
    rig_open(&rig, 4);
    rig.snapshot.router.pre_call_checks = 0;
    rig_start(&rig);
    struct wp_prompt *prompt = rig_prompt(&rig, &talk);
    uint32_t used[4] = {0};
    for (uint32_t i = 0; i < 400; i++) {
        struct wp_plan_request request = rig_request(&rig, prompt, "s");
        request.draw = i + 1;
        wp_router_plan(rig.router, &request, &plan);
        used[rig_index(&rig, &plan.candidates[0])]++;
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(used[i], 70, 130);
    rig.snapshot.router.pre_call_checks = WP_CHECK_SESSION_AFFINITY;
    uint32_t pinned = rig_serve(&rig, prompt, "pinned-session", 2);
    assert_int_equal(pinned, 2);
    for (uint32_t i = 0; i < 20; i++) {
        struct wp_plan_request request = rig_request(&rig, prompt, "pinned-session");
        request.draw = i + 1;
        wp_router_plan(rig.router, &request, &plan);
        assert_int_equal(rig_index(&rig, &plan.candidates[0]), 2);
        assert_int_equal(plan.candidates[0].reason, WP_REASON_SESSION);
    }
    rig.now_ns += 3601 * RIG_S; // deployment_affinity_ttl_seconds
    uint32_t others = 0;
    for (uint32_t i = 0; i < 40; i++) {
        struct wp_plan_request request = rig_request(&rig, prompt, "pinned-session");
        request.draw = i + 1;
        wp_router_plan(rig.router, &request, &plan);
        others += rig_index(&rig, &plan.candidates[0]) != 2;
    }
    assert_true(others > 10);
    rig.snapshot.router.strategy = WP_STRATEGY_LEAST_BUSY;
    rig.snapshot.router.pre_call_checks = 0;
    struct wp_attempt attempts[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct wp_plan_request request = rig_request(&rig, prompt, "");
        wp_router_plan(rig.router, &request, &plan);
        assert_true(wp_router_begin(rig.router, &request, &plan.candidates[0], &attempts[i]));
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_true(rig_status(&rig, i).in_flight <= 1);
    for (uint32_t i = 0; i < 3; i++)
        rig_finish(&rig, &attempts[i], NULL);
    rig_close(&rig);
}

// A warm dear deployment against a cold cheap one is a plain comparison.
static void prices_decide_between_warm_and_cheap(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "prices", .head = 100000, .turn = 1000, .turns = 3};
    rig_open(&rig, 2);
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &talk), "p", UINT32_MAX);
    talk.turns = 5;
    // A tenth dearer (a regional endpoint): stays.
    struct wp_price *price = &rig.models[home].price;
    price->input *= 1.1;
    price->cache_read *= 1.1;
    price->cache_write_5m *= 1.1;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "p", &plan), home);
    // The other costs next to nothing: moves.
    price = &rig.models[1 - home].price;
    price->input = price->cache_read = price->cache_write_5m = price->cache_write_1h = 1e-9;
    assert_int_equal(rig_choose(&rig, rig_prompt(&rig, &talk), "p", &plan), 1 - home);
    rig_close(&rig);
}

static void same_plan(const struct rig *a, const struct wp_plan *one, const struct rig *b,
                      const struct wp_plan *two)
{
    assert_int_equal(one->count, two->count);
    assert_int_equal(one->usable, two->usable);
    assert_int_equal(one->wait.advised, two->wait.advised);
    for (size_t i = 0; i < one->count; i++) {
        const struct wp_candidate *x = &one->candidates[i], *y = &two->candidates[i];
        assert_int_equal(rig_index(a, x), rig_index(b, y));
        assert_int_equal(x->reason, y->reason);
        assert_int_equal(x->predicted_read, y->predicted_read);
        assert_int_equal(x->predicted_write, y->predicted_write);
        assert_true(memcmp(&x->expected_cost, &y->expected_cost, sizeof(double)) == 0);
    }
}

// Two routers that see the same requests, one of which begins with the plan: whatever there is to
// see stays equal.
static void beginning_with_the_plan_is_beginning_after_it(void **state)
{
    (void)state;
    enum { ROUNDS = 300, OPEN = 8 };
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct rig after, with;
    struct wp_plan one, two;
    struct wp_attempt left[OPEN], right[OPEN];
    struct wp_usage usage[OPEN];
    uint32_t open = 0, waits = 0;
    rig_open(&after, 4);
    rig_open(&with, 4);
    for (uint32_t i = 0; i < 4; i++)
        after.deployments[i].itpm = with.deployments[i].itpm = 200000;
    rig_start(&after);
    rig_start(&with);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const char *name = names[round * 7 % WP_COUNT_OF(names)];
        struct rig_talk talk = {.name = name, .head = 40000, .turn = 3000, .turns = 1 + round / 40};
        struct wp_plan_request first = rig_request(&after, rig_prompt(&after, &talk), name);
        struct wp_plan_request second = rig_request(&with, rig_prompt(&with, &talk), name);
        first.max_wait_ms = second.max_wait_ms = round % 3 == 0 ? WP_SINGLE_FLIGHT_MS : 0;
        first.draw = second.draw = round + 1;
        wp_router_plan(after.router, &first, &one);
        bool begun = wp_router_plan_and_begin(with.router, &second, &two, &right[open]);
        same_plan(&after, &one, &with, &two);
        assert_int_equal(begun, one.usable > 0 && !one.wait.advised);
        waits += one.wait.advised ? 1 : 0;
        if (begun) {
            usage[open] = rig_usage(&one.candidates[0]);
            assert_true(wp_router_begin(after.router, &first, &one.candidates[0], &left[open]));
            assert_int_equal(left[open].predicted_read, right[open].predicted_read);
            assert_int_equal(left[open].reserved_input, right[open].reserved_input);
            open++;
        }
        for (; open == OPEN || (open > 0 && round + 1 == ROUNDS); open--) {
            rig_finish(&after, &left[open - 1], &usage[open - 1]);
            rig_finish(&with, &right[open - 1], &usage[open - 1]);
        }
        after.now_ns += RIG_S;
        with.now_ns += RIG_S;
    }
    assert_true(waits > 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct wp_deployment_status x = rig_status(&after, i), y = rig_status(&with, i);
        assert_int_equal(x.requests, y.requests);
        assert_int_equal(x.in_flight, 0);
        assert_int_equal(y.in_flight, 0);
        assert_int_equal(x.cache_entries, y.cache_entries);
        assert_int_equal(x.minute_tokens, y.minute_tokens);
        assert_int_equal(x.minute_input, y.minute_input);
    }
    rig_close(&after);
    rig_close(&with);
}

// A request keeps the configuration that it began with: its deployments have other indexes there.
static void an_earlier_configuration_finds_the_same_deployments(void **state)
{
    (void)state;
    struct rig rig;
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct rig_talk talk = {.name = "kept", .head = 20000, .turn = 100, .turns = 1};
    rig_open(&rig, 3);
    rig_start(&rig);
    uint32_t home = rig_serve(&rig, rig_prompt(&rig, &talk), "s", UINT32_MAX);
    struct wp_deployment_config turned[2] = {rig.deployments[2], rig.deployments[1]};
    struct wp_snapshot later = rig.snapshot;
    turned[0].index = 0;
    turned[1].index = 1;
    later.deployments = turned;
    later.deployment_count = 2;
    assert_ok(wp_router_configure(rig.router, &later));
    for (uint32_t i = 1; i < 3; i++)
        assert_int_equal(rig_status(&rig, i).requests, i == home ? 1 : 0);
    struct wp_plan_request request = rig_request(&rig, rig_prompt(&rig, &talk), "s");
    for (uint32_t i = 0; i < 3; i++) {
        request.tried = 7 & ~(1u << i);
        assert_true(wp_router_plan_and_begin(rig.router, &request, &plan, &attempt));
        assert_int_equal(rig_index(&rig, &plan.candidates[0]), i);
        assert_int_equal(rig_status(&rig, i).in_flight, i == 0 ? 0 : 1); // the first has left
        wp_router_end(rig.router, &attempt,
                      &(struct wp_outcome_detail){.outcome = WP_OUTCOME_CANCELLED,
                                                  .retry_after_ms = -1,
                                                  .now_ns = rig.now_ns});
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_conversations_stay_where_their_entries_are),
        cmocka_unit_test(replicas_agree_on_cold_prompts),
        cmocka_unit_test(cold_prompts_go_by_weight),
        cmocka_unit_test(lapsed_conversations_go_home),
        cmocka_unit_test(a_long_lapsed_conversation_leaves_a_busy_home),
        cmocka_unit_test(sessions_spread_and_siblings_stay_together),
        cmocka_unit_test(few_sessions_share_one_head),
        cmocka_unit_test(the_cheapest_victim_moves_first),
        cmocka_unit_test(waits_for_room_where_it_is_warm),
        cmocka_unit_test(waits_out_a_short_retry_after),
        cmocka_unit_test(short_prefixes_move_before_long_ones),
        cmocka_unit_test(thinking_in_a_tool_loop_stays),
        cmocka_unit_test(order_blocked_tried_and_context),
        cmocka_unit_test(strategies_and_affinity_keep_their_meaning),
        cmocka_unit_test(prices_decide_between_warm_and_cheap),
        cmocka_unit_test(beginning_with_the_plan_is_beginning_after_it),
        cmocka_unit_test(an_earlier_configuration_finds_the_same_deployments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
