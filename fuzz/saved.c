// What was written down before a restart: whatever the file holds, it is taken or refused, and what
// was taken is written down again as something that can be taken.
//
// Input: a byte that chooses router or keeper, then the bytes.
#include "fuzz/support.h"

#include "gateway/keeper.h"
#include "route/saved.h"

static const uint64_t NOW_NS = 1000000000000u, AWAY_NS = 1000000000u;

static void router(wp_view bytes)
{
    struct wp_router *first = wp_router_create(), *second = wp_router_create();
    struct wp_buf saved = wp_buf_make(1 << 24);
    struct wp_unpack in = {.left = bytes};
    FUZZ_CHECK(first != NULL && second != NULL);
    if (wp_router_restore(first, &in, NOW_NS, AWAY_NS)) {
        struct wp_router_totals before, after;
        wp_router_save(first, NOW_NS, &saved);
        in = (struct wp_unpack){.left = wp_buf_view(&saved)};
        FUZZ_CHECK(wp_router_restore(second, &in, NOW_NS, 0));
        FUZZ_CHECK(in.left.len == 0);
        wp_router_totals(first, &before);
        wp_router_totals(second, &after);
        FUZZ_CHECK(before.entries == after.entries && before.domains == after.domains);
        wp_router_expire(first, UINT64_MAX);
    }
    wp_buf_free(&saved);
    wp_router_destroy(first);
    wp_router_destroy(second);
}

static void keeper(wp_view bytes)
{
    struct wp_keeper *first = wp_keeper_create(), *second = wp_keeper_create();
    struct wp_buf saved = wp_buf_make(1 << 24), again = wp_buf_make(1 << 24);
    struct wp_unpack in = {.left = bytes};
    FUZZ_CHECK(first != NULL && second != NULL);
    if (wp_keeper_restore(first, &in)) {
        wp_keeper_save(first, &saved);
        in = (struct wp_unpack){.left = wp_buf_view(&saved)};
        FUZZ_CHECK(wp_keeper_restore(second, &in));
        FUZZ_CHECK(in.left.len == 0);
        wp_keeper_save(second, &again);
        FUZZ_CHECK(again.len == saved.len);
    }
    wp_buf_free(&saved);
    wp_buf_free(&again);
    wp_keeper_destroy(first);
    wp_keeper_destroy(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wp_view input = fuzz_view(data, size);
    bool routing = (fuzz_byte(&input) & 1) == 0;
    wp_view bytes = fuzz_copy(input);
    if (routing)
        router(bytes);
    else
        keeper(bytes);
    fuzz_free(bytes);
    return 0;
}
