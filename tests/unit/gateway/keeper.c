// The book of conversations that are kept warm, on a clock of its own.
#include "gateway/keeper.h"

#include "base/alloc.h"
#include "tests/support/test.h"

enum { DAY = 20000 };
static const uint64_t S = 1000000000u, START = 5000000000000u;

static struct wp_keeper *new_keeper(size_t max_bytes, double cap)
{
    struct wp_keeper *keeper = wp_keeper_create();
    assert_non_null(keeper);
    wp_keeper_configure(keeper, max_bytes, 20, cap);
    return keeper;
}

static struct wp_kept_request request_of(uint64_t stream, uint64_t begun_ns)
{
    return (struct wp_kept_request){
        .stream = {stream, 7},
        .body = WP_VIEW("{\"max_tokens\":0}"),
        .model = WP_VIEW("sonnet"),
        .deployment = WP_VIEW("deployment-1"),
        .key_hash = WP_VIEW("abc"),
        .stop = WP_KEEP_STOP_TOOL_USE,
        .begun_ns = begun_ns,
        .ttl_s = 300,
        .tokens = 100000,
        .input = 3e-6,
        .read = 1.5e-7,
        .write = 3.75e-6,
    };
}

static void put(struct wp_keeper *keeper, uint64_t stream, uint64_t begun_ns)
{
    struct wp_kept_request request = request_of(stream, begun_ns);
    wp_keeper_put(keeper, &request, 12, begun_ns + S);
}

static void a_renewal_is_due_before_the_entry_lapses(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 5);
    struct wp_kept_due due;
    struct wp_kept kept;
    put(keeper, 1, START);
    assert_false(wp_keeper_due(keeper, START + 279 * S, DAY, &due));
    assert_true(wp_keeper_due(keeper, START + 281 * S, DAY, &due));
    assert_view(due.request.body, "{\"max_tokens\":0}");
    assert_view(due.request.deployment, "deployment-1");
    assert_true(due.verdict.price > 0.0149 && due.verdict.price < 0.0151);
    struct wp_kept_due other;
    assert_false(wp_keeper_due(keeper, START + 282 * S, DAY, &other)); // one at a time
    wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.015, START + 281 * S, DAY);
    wp_free(due.memory);
    // Its life now runs from the renewal.
    assert_false(wp_keeper_due(keeper, START + 560 * S, DAY, &due));
    assert_true(wp_keeper_due(keeper, START + 562 * S, DAY, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.015, START + 562 * S, DAY);
    wp_free(due.memory);
    wp_keeper_returned(keeper, (struct wp_hash128){1, 7}, START + 700 * S, &kept);
    assert_int_equal(kept.renewals, 2);
    assert_true(kept.lapsed);
    assert_int_equal(kept.tokens, 100000);
    assert_true(kept.spent > 0.029 && kept.spent < 0.031);
    assert_true(kept.per_token > 3.59e-6 && kept.per_token < 3.61e-6);
    assert_false(wp_keeper_due(keeper, START + 900 * S, DAY, &due));
    wp_keeper_destroy(keeper);
}

static void what_came_back_in_time_owes_nothing_to_renewals(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 5);
    struct wp_kept_due due;
    struct wp_kept kept;
    put(keeper, 1, START);
    assert_true(wp_keeper_due(keeper, START + 281 * S, DAY, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.015, START + 281 * S, DAY);
    wp_free(due.memory);
    wp_keeper_returned(keeper, (struct wp_hash128){1, 7}, START + 290 * S, &kept);
    assert_int_equal(kept.renewals, 1);
    assert_false(kept.lapsed);
    wp_keeper_destroy(keeper);
}

static void put_off_is_asked_again_and_lost_is_given_up(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 5);
    struct wp_kept_due due;
    struct wp_keeper_stats stats;
    put(keeper, 1, START);
    assert_true(wp_keeper_due(keeper, START + 281 * S, DAY, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_PUT_OFF, 0, START + 281 * S, DAY);
    wp_free(due.memory);
    assert_true(wp_keeper_due(keeper, START + 284 * S, DAY, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_LOST, 0, START + 284 * S, DAY);
    wp_free(due.memory);
    assert_false(wp_keeper_due(keeper, START + 290 * S, DAY, &due));
    wp_keeper_stats(keeper, &stats);
    assert_int_equal(stats.retained, 0);
    assert_int_equal(stats.bytes, 0);
    // Nothing is renewed after it has lapsed.
    put(keeper, 2, START);
    assert_false(wp_keeper_due(keeper, START + 301 * S, DAY, &due));
    wp_keeper_destroy(keeper);
}

static void the_cap_is_per_key_and_day(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 0.02);
    struct wp_kept_due due;
    struct wp_keeper_stats stats;
    put(keeper, 1, START);
    put(keeper, 2, START);
    struct wp_kept_request other = request_of(3, START);
    other.key_hash = WP_VIEW("another key");
    wp_keeper_put(keeper, &other, 12, START);
    uint32_t sent = 0;
    while (wp_keeper_due(keeper, START + 281 * S, DAY, &due)) {
        wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.015, START + 281 * S, DAY);
        wp_free(due.memory);
        sent++;
    }
    assert_int_equal(sent, 2); // the second of the first key would exceed its day
    wp_keeper_stats(keeper, &stats);
    assert_int_equal(stats.refused_by_cap, 1);
    put(keeper, 1, START + 1000 * S);
    assert_true(wp_keeper_due(keeper, START + 1281 * S, DAY + 1, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_LOST, 0, START + 1281 * S, DAY + 1);
    wp_free(due.memory);
    wp_keeper_destroy(keeper);
}

static void memory_is_bounded_and_the_quietest_goes_first(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(10000, 5);
    struct wp_keeper_stats stats;
    static char body[3000];
    memset(body, 'x', sizeof(body));
    for (uint64_t i = 1; i <= 20; i++) {
        struct wp_kept_request request = request_of(i, START + i);
        request.body = wp_view_make(body, sizeof(body));
        wp_keeper_put(keeper, &request, 12, START + i);
        wp_keeper_stats(keeper, &stats);
        assert_true(stats.bytes <= 10000);
    }
    assert_int_equal(stats.conversations, 20); // they are still learnt from
    assert_int_equal(stats.retained, 3);
    uint32_t sent = 0;
    struct wp_kept_due due;
    while (wp_keeper_due(keeper, START + 281 * S, DAY, &due)) {
        assert_true(due.request.stream.low >= 18);
        wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0, START + 281 * S, DAY);
        wp_free(due.memory);
        sent++;
    }
    assert_int_equal(sent, 3);
    wp_keeper_configure(keeper, 0, 20, 5);
    wp_keeper_stats(keeper, &stats);
    assert_int_equal(stats.retained, 0);
    wp_keeper_destroy(keeper);
}

static void a_shared_head_is_not_at_stake(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 5);
    struct wp_kept_due due;
    for (uint64_t i = 1; i <= 2; i++) {
        struct wp_kept_request request = request_of(i, START + (i - 1) * 100 * S);
        request.head = (struct wp_hash128){42, 42};
        request.head_tokens = 99000; // nearly all of the prompt
        wp_keeper_put(keeper, &request, 12, request.begun_ns);
    }
    // The second one's requests keep the head of the first warm: 1,000 tokens are not worth it.
    assert_false(wp_keeper_due(keeper, START + 281 * S, DAY, &due));
    // The second one's own head is held by nobody who lives longer.
    assert_true(wp_keeper_due(keeper, START + 381 * S, DAY, &due));
    assert_int_equal(due.request.stream.low, 2);
    wp_keeper_renewed(keeper, &due, WP_KEPT_LOST, 0, START + 381 * S, DAY);
    wp_free(due.memory);
    wp_keeper_destroy(keeper);
}

static void silence_teaches_and_old_slots_leave(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 1000);
    struct wp_kept_due due;
    struct wp_keeper_stats stats;
    // Two hundred conversations that never come back: the keeper stops renewing such.
    for (uint64_t i = 1; i <= 200; i++)
        put(keeper, i, START);
    for (uint64_t t = 281; t < 30000; t += 50)
        while (wp_keeper_due(keeper, START + t * S, DAY, &due)) {
            wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.001, START + t * S, DAY);
            wp_free(due.memory);
        }
    wp_keeper_stats(keeper, &stats);
    assert_int_equal(stats.conversations, 0);
    assert_int_equal(stats.bytes, 0);
    put(keeper, 999, START + 40000 * S);
    assert_false(wp_keeper_due(keeper, START + 40281 * S, DAY, &due));
    wp_keeper_destroy(keeper);
}

// An earlier entry of an hour holds nearly all of it: five minutes later nothing is worth a
// renewal, an hour later that entry is.
static void what_lasts_longer_is_renewed_when_it_lapses(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 1000);
    struct wp_kept_due due;
    struct wp_kept kept;
    struct wp_kept_request request = request_of(1, START);
    request.lasting = 99900;
    request.lasting_s = 3600;
    request.read = 1e-8; // cheap enough for the small odds of an hour, not for a hundred tokens
    wp_keeper_put(keeper, &request, 12, START);
    for (uint64_t t = 281; t < 3570; t += 100)
        assert_false(wp_keeper_due(keeper, START + t * S, DAY, &due));
    assert_true(wp_keeper_due(keeper, START + 3581 * S, DAY, &due));
    assert_int_equal(due.request.tokens, 99900); // the rest has lapsed and is written again
    assert_true(due.verdict.price > 100 * 3.75e-6);
    wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.001, START + 3581 * S, DAY);
    wp_free(due.memory);
    assert_false(wp_keeper_due(keeper, START + (3581 + 3579) * S, DAY, &due));
    // Without the renewal all of it would be gone by now.
    wp_keeper_returned(keeper, (struct wp_hash128){1, 7}, START + 4000 * S, &kept);
    assert_int_equal(kept.renewals, 1);
    assert_int_equal(kept.tokens, 100000);

    // Ten minutes after its request only what the hour does not hold would be.
    request.begun_ns = START + 5000 * S;
    wp_keeper_put(keeper, &request, 12, request.begun_ns);
    wp_keeper_returned(keeper, (struct wp_hash128){1, 7}, START + 5600 * S, &kept);
    assert_true(kept.lapsed);
    assert_int_equal(kept.tokens, 100);
    wp_keeper_destroy(keeper);
}

// What conversations do, and what has been spent today, outlive a restart.
static void odds_and_purses_outlive_a_restart(void **state)
{
    (void)state;
    struct wp_keeper *keeper = new_keeper(1 << 20, 1000), *fresh = new_keeper(1 << 20, 0.02);
    struct wp_kept_due due;
    struct wp_buf saved = wp_buf_make(1 << 20);
    for (uint64_t i = 1; i <= 200; i++) // none of these comes back
        put(keeper, i, START);
    for (uint64_t t = 281; t < 30000; t += 50)
        while (wp_keeper_due(keeper, START + t * S, DAY, &due)) {
            wp_keeper_renewed(keeper, &due, WP_KEPT_RENEWED, 0.0001, START + t * S, DAY);
            wp_free(due.memory);
        }
    wp_keeper_save(keeper, &saved);
    struct wp_unpack in = {.left = wp_buf_view(&saved)};
    assert_true(wp_keeper_restore(fresh, &in));
    assert_int_equal(in.left.len, 0);
    put(fresh, 1, START);
    assert_false(wp_keeper_due(fresh, START + 281 * S, DAY, &due)); // not worth it
    for (size_t len = 0; len < saved.len; len++) {
        struct wp_keeper *other = new_keeper(1 << 20, 5);
        in = (struct wp_unpack){.left = wp_view_make(saved.ptr, len)};
        assert_false(wp_keeper_restore(other, &in));
        wp_keeper_destroy(other);
    }
    wp_keeper_destroy(keeper);
    wp_keeper_destroy(fresh);

    // Worth it, but the day's two cents have been spent before the restart.
    wp_buf_clear(&saved);
    keeper = new_keeper(1 << 20, 5);
    put(keeper, 1, START);
    assert_true(wp_keeper_due(keeper, START + 281 * S, DAY, &due));
    wp_keeper_renewed(keeper, &due, WP_KEPT_LOST, 0.02, START + 281 * S, DAY);
    wp_free(due.memory);
    wp_keeper_save(keeper, &saved);
    fresh = new_keeper(1 << 20, 0.03);
    in = (struct wp_unpack){.left = wp_buf_view(&saved)};
    assert_true(wp_keeper_restore(fresh, &in));
    struct wp_keeper_stats stats;
    put(fresh, 2, START);
    assert_false(wp_keeper_due(fresh, START + 281 * S, DAY, &due));
    wp_keeper_stats(fresh, &stats);
    assert_int_equal(stats.refused_by_cap, 1);
    put(fresh, 3, START);
    assert_true(wp_keeper_due(fresh, START + 281 * S, DAY + 1, &due)); // another day
    wp_free(due.memory);
    wp_keeper_destroy(keeper);
    wp_keeper_destroy(fresh);
    wp_buf_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewal_is_due_before_the_entry_lapses),
        cmocka_unit_test(what_came_back_in_time_owes_nothing_to_renewals),
        cmocka_unit_test(put_off_is_asked_again_and_lost_is_given_up),
        cmocka_unit_test(the_cap_is_per_key_and_day),
        cmocka_unit_test(memory_is_bounded_and_the_quietest_goes_first),
        cmocka_unit_test(a_shared_head_is_not_at_stake),
        cmocka_unit_test(silence_teaches_and_old_slots_leave),
        cmocka_unit_test(what_lasts_longer_is_renewed_when_it_lapses),
        cmocka_unit_test(odds_and_purses_outlive_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
