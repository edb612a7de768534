// Pins and the table under them.
#include "route/pins.h"

#include "tests/support/test.h"

static struct wp_hash128 key(uint64_t n)
{
    return (struct wp_hash128){n * 0x9E3779B97F4A7C15u, n};
}

static void pins_are_kept_renewed_and_forgotten(void **state)
{
    (void)state;
    struct wp_pins pins;
    wp_pins_init(&pins);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_SESSION, key(1), 0), 0);
    wp_pins_set(&pins, WP_PIN_SESSION, key(1), 7, 100);
    wp_pins_set(&pins, WP_PIN_CALLER, key(1), 9, 100);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_SESSION, key(1), 99), 7);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_CALLER, key(1), 99), 9); // kinds are apart
    assert_int_equal(wp_pins_get(&pins, WP_PIN_SESSION, key(1), 100), 0);
    wp_pins_set(&pins, WP_PIN_SESSION, key(1), 8, 200);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_SESSION, key(1), 150), 8);
    wp_pins_expire(&pins, 150);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_SESSION, key(1), 150), 8);
    assert_int_equal(pins.table.count, 1); // the caller's has left
    wp_pins_free(&pins);
}

static void pins_are_bounded(void **state)
{
    (void)state;
    struct wp_pins pins;
    wp_pins_init(&pins);
    for (uint64_t i = 1; i <= 400000; i++)
        wp_pins_set(&pins, WP_PIN_CONVERSATION, key(i), (uint32_t)i | 1, 1000);
    assert_true(pins.table.count < 400000);
    assert_true(wp_table_memory(&pins.table) < (size_t)64 * 400000);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_CONVERSATION, key(400000), 0), 400001);
    assert_int_equal(wp_pins_get(&pins, WP_PIN_CONVERSATION, key(1), 0), 0);
    wp_pins_free(&pins);
}

// Owners are bounded each, the oldest leaves first, what was touched gets a second chance, and what
// is being written never leaves.
static void the_table_evicts_the_oldest_of_its_owner(void **state)
{
    (void)state;
    struct wp_table table = wp_table_make(1000);
    uint32_t small = wp_table_add_owner(&table, 10), big = wp_table_add_owner(&table, 1000);
    for (uint64_t i = 0; i < 10; i++)
        wp_table_insert(&table, key(i), small);
    for (uint64_t i = 0; i < 10; i++)
        wp_table_insert(&table, key(i), big); // the same prefixes, another owner
    wp_table_at(&table, wp_table_find(&table, key(0), small))->flags |= WP_ENTRY_TOUCHED;
    wp_table_at(&table, wp_table_find(&table, key(1), small))->writers = 1;
    wp_table_insert(&table, key(100), small);
    assert_int_equal(table.owners[small].count, 10);
    assert_int_not_equal(wp_table_find(&table, key(0), small), WP_ENTRY_NONE);
    assert_int_not_equal(wp_table_find(&table, key(1), small), WP_ENTRY_NONE);
    assert_int_equal(wp_table_find(&table, key(2), small), WP_ENTRY_NONE);
    assert_int_equal(table.owners[big].count, 10);
    // All entries of one prefix, whatever their owner, by one walk.
    uint32_t owners = 0;
    for (uint32_t id = wp_table_first(&table, key(0)); id != WP_ENTRY_NONE;
         id = wp_table_next(&table, id))
        owners |= 1u << wp_table_at(&table, id)->owner;
    assert_int_equal(owners, 1u << small | 1u << big);
    wp_table_drop_owner(&table, big);
    assert_int_equal(table.count, 10);
    assert_int_equal(wp_table_add_owner(&table, 5), big); // its number is free again
    wp_table_free(&table);
}

// A thousand times more entries than buckets at first: every one stays findable while it grows.
static void the_table_grows_without_losing_anything(void **state)
{
    (void)state;
    enum { ENTRIES = 200000 };
    struct wp_table table = wp_table_make(1 << 20);
    uint32_t owner = wp_table_add_owner(&table, 1 << 20);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint32_t id = wp_table_insert(&table, key(i), owner);
        assert_int_not_equal(id, WP_ENTRY_NONE);
        wp_table_at(&table, id)->expires_ns = i;
    }
    for (uint64_t i = 0; i < ENTRIES; i++)
        assert_int_equal(wp_table_at(&table, wp_table_find(&table, key(i), owner))->expires_ns, i);
    assert_true(wp_table_memory(&table) <= (size_t)64 * ENTRIES);
    wp_table_sweep(&table, ENTRIES / 2 - 1, 1 << 20);
    assert_int_equal(table.count, ENTRIES / 2);
    wp_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins_are_kept_renewed_and_forgotten),
        cmocka_unit_test(pins_are_bounded),
        cmocka_unit_test(the_table_evicts_the_oldest_of_its_owner),
        cmocka_unit_test(the_table_grows_without_losing_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
