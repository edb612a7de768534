// What a router writes down, another one knows.
#include "route/saved.h"

#include "tests/unit/route/support.h"

static const uint64_t AWAY_NS = 20000000000u;

// A second router over the same deployments that has read what the first wrote.
static void succeed(struct rig *old, struct rig *fresh, uint64_t away_ns)
{
    struct wp_buf saved = wp_buf_make(16 << 20);
    wp_router_save(old->router, old->now_ns, &saved);
    assert_true(wp_buf_ok(&saved));
    rig_open(fresh, (uint32_t)old->snapshot.deployment_count);
    wp_router_set_seed(fresh->router, WP_VIEW("another seed, of thirty-two bytes"));
    fresh->now_ns = 77 * RIG_S; // another machine's clock
    struct wp_unpack in = {.left = wp_buf_view(&saved)};
    assert_true(wp_router_restore(fresh->router, &in, fresh->now_ns, away_ns));
    assert_int_equal(in.left.len, 0);
    rig_start(fresh);
    wp_buf_free(&saved);
}

static void entries_and_homes_outlive_a_restart(void **state)
{
    (void)state;
    struct rig old, fresh;
    struct wp_plan before, after;
    struct rig_talk talk = {.name = "a", .head = 20000, .turn = 4000, .turns = 3};
    rig_open(&old, 4);
    rig_start(&old);
    uint32_t cold = rig_choose(&old, rig_prompt(&old, &talk), "a", &before);
    uint32_t home = (cold + 1) % 4; // where nothing but memory leads
    rig_serve(&old, rig_prompt(&old, &talk), "a", home);
    old.now_ns += 10 * RIG_S;
    talk.turns = 5;
    assert_int_equal(rig_choose(&old, rig_prompt(&old, &talk), "a", &before), home);
    succeed(&old, &fresh, AWAY_NS);
    assert_int_equal(rig_choose(&fresh, rig_prompt(&fresh, &talk), "a", &after), home);
    assert_int_equal(after.candidates[0].predicted_read, before.candidates[0].predicted_read);
    assert_int_equal(after.candidates[0].predicted_write, before.candidates[0].predicted_write);
    // 300 s from its start, of which 10 and 20 have passed.
    fresh.now_ns += 269 * RIG_S;
    rig_choose(&fresh, rig_prompt(&fresh, &talk), "a", &after);
    assert_true(after.candidates[0].predicted_read > 0);
    fresh.now_ns += 2 * RIG_S;
    assert_int_equal(rig_choose(&fresh, rig_prompt(&fresh, &talk), "a", &after), home);
    assert_int_equal(after.candidates[0].predicted_read, 0); // lapsed; its home is remembered
    rig_close(&old);
    rig_close(&fresh);
}

static void what_lapses_meanwhile_is_left_out(void **state)
{
    (void)state;
    struct rig old, fresh;
    struct wp_plan plan;
    struct wp_router_totals totals;
    struct rig_talk minutes = {.name = "m", .head = 20000, .turn = 100, .turns = 1},
                    hour = {.name = "h", .head = 20000, .turn = 100, .turns = 1, .hour = true};
    rig_open(&old, 2);
    rig_start(&old);
    rig_serve(&old, rig_prompt(&old, &minutes), "m", 0);
    rig_serve(&old, rig_prompt(&old, &hour), "h", 1);
    // A request whose answer has not begun: nobody will tell the next process that it has.
    struct rig_talk pending = {.name = "p", .head = 20000, .turn = 100, .turns = 1};
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(&old, rig_prompt(&old, &pending), "p");
    wp_router_plan(old.router, &request, &plan);
    assert_true(wp_router_begin(old.router, &request, &plan.candidates[0], &attempt));
    succeed(&old, &fresh, 400 * RIG_S);
    rig_finish(&old, &attempt, NULL);
    wp_router_totals(fresh.router, &totals);
    assert_int_equal(totals.entries, 2); // the hour's head and end
    assert_int_equal(rig_choose(&fresh, rig_prompt(&fresh, &hour), "h", &plan), 1);
    assert_true(plan.candidates[0].predicted_read > 0);
    rig_close(&fresh);
    succeed(&old, &fresh, UINT64_MAX); // how long is not known
    wp_router_totals(fresh.router, &totals);
    assert_int_equal(totals.entries, 0);
    rig_close(&fresh);
    rig_close(&old);
}

static void odds_scale_and_scopes_outlive_a_restart(void **state)
{
    (void)state;
    struct rig old, fresh;
    struct wp_plan plan;
    struct rig_talk talk = {.name = "a", .head = 20000, .turn = 4000, .turns = 3};
    rig_open(&old, 2);
    rig_start(&old);
    for (uint32_t i = 0; i < 12; i++) { // it reads nothing of what is believed
        struct wp_attempt attempt;
        talk.turns = 2 * i + 1;
        struct wp_plan_request request = rig_request(&old, rig_prompt(&old, &talk), "a");
        wp_router_plan(old.router, &request, &plan);
        assert_true(wp_router_begin(old.router, &request, &plan.candidates[0], &attempt));
        wp_router_learn_scope(old.router, &attempt, WP_VIEW("wrkspc_shared"));
        struct wp_usage usage = {.seen = true, .final = true, .cache_write_5m = 9000 + 2000 * i};
        rig_finish(&old, &attempt, &usage);
        old.now_ns += RIG_S;
    }
    struct wp_deployment_status before[2], after[2];
    for (uint32_t i = 0; i < 2; i++)
        wp_router_status(old.router, &old.deployments[i], old.now_ns, &before[i]);
    uint32_t used = before[0].requests > 0 ? 0 : 1;
    assert_true(before[used].hit_odds < 0.5);
    succeed(&old, &fresh, AWAY_NS);
    for (uint32_t i = 0; i < 2; i++) {
        wp_router_status(fresh.router, &fresh.deployments[i], fresh.now_ns, &after[i]);
        assert_true(wp_hash128_eq(after[i].cache_domain, before[i].cache_domain));
        assert_true(after[i].hit_odds == before[i].hit_odds);
        assert_true(after[i].token_scale == before[i].token_scale);
        assert_int_equal(after[i].cache_entries, before[i].cache_entries);
    }
    // A deployment with another credential is another one.
    fresh.deployments[used].api_key = WP_VIEW("sk-ant-new");
    assert_ok(wp_router_configure(fresh.router, &fresh.snapshot));
    wp_router_status(fresh.router, &fresh.deployments[used], fresh.now_ns, &after[used]);
    assert_false(wp_hash128_eq(after[used].cache_domain, before[used].cache_domain));
    rig_close(&old);
    rig_close(&fresh);
}

// Every beginning of a good one, and every byte of it changed: refused or taken, never worse.
static void broken_ones_do_no_harm(void **state)
{
    (void)state;
    struct rig old;
    struct wp_buf saved = wp_buf_make(16 << 20);
    struct rig_talk talk = {.name = "a", .head = 20000, .turn = 4000, .turns = 3};
    rig_open(&old, 2);
    rig_start(&old);
    rig_serve(&old, rig_prompt(&old, &talk), "a", UINT32_MAX);
    wp_router_save(old.router, old.now_ns, &saved);
    for (size_t len = 0; len < saved.len; len++) {
        struct wp_router *router = wp_router_create();
        struct wp_unpack in = {.left = wp_view_make(saved.ptr, len)};
        assert_false(wp_router_restore(router, &in, old.now_ns, 0));
        wp_router_destroy(router);
    }
    for (size_t at = 0; at < saved.len; at++) {
        struct wp_router *router = wp_router_create();
        struct wp_unpack in = {.left = wp_buf_view(&saved)};
        struct wp_plan plan;
        struct rig rig = old;
        saved.ptr[at] = (char)(saved.ptr[at] ^ 0x81);
        if (wp_router_restore(router, &in, old.now_ns, 0)) {
            rig.router = router;
            rig_start(&rig);
            rig_choose(&rig, rig_prompt(&rig, &talk), "a", &plan);
            wp_router_expire(router, old.now_ns + 7200 * RIG_S);
        }
        saved.ptr[at] = (char)(saved.ptr[at] ^ 0x81);
        wp_router_destroy(router);
    }
    wp_buf_free(&saved);
    rig_close(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_and_homes_outlive_a_restart),
        cmocka_unit_test(what_lapses_meanwhile_is_left_out),
        cmocka_unit_test(odds_scale_and_scopes_outlive_a_restart),
        cmocka_unit_test(broken_ones_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
