#include "gateway/saved.h"

#include "base/clock.h"
#include "gateway/gateway.h"
#include "route/saved.h"

// "WPSTATE" and the version of what follows; a change of it makes older files unreadable, which
// costs what they held, nothing else.
static const uint64_t MAGIC = 0x0145544154535057u;
static const uint64_t NS_PER_MS = 1000000;
enum { DIGEST = 16 };

// Against half-written and damaged files, not against whoever may write here.
static struct wp_hash128 digest_of(wp_view bytes)
{
    struct wp_hash_key key;
    wp_hash_key_init(&key, WP_VIEW("saved state"));
    return wp_hash128(&key, bytes);
}

bool wp_gateway_save(struct wp_gateway *gateway, struct wp_buf *out)
{
    wp_pack_u64(out, MAGIC);
    wp_pack_u64(out, (uint64_t)wp_wall_ms());
    wp_router_save(gateway->router, wp_now_ns(), out);
    wp_keeper_save(gateway->keeper, out);
    struct wp_hash128 digest = digest_of(wp_buf_view(out));
    wp_pack_u64(out, digest.low);
    wp_pack_u64(out, digest.high);
    return wp_buf_ok(out);
}

static bool is_whole(wp_view saved)
{
    if (saved.len < DIGEST + sizeof(MAGIC))
        return false;
    struct wp_unpack tail = {.left = wp_view_skip(saved, saved.len - DIGEST)};
    uint64_t low = wp_unpack_u64(&tail);
    struct wp_hash128 digest = {low, wp_unpack_u64(&tail)};
    return wp_hash128_eq(digest_of(wp_view_sub(saved, 0, saved.len - DIGEST)), digest);
}

// Wall clocks step: of a time that is not over yet nothing is known, and what was believed lapses.
static uint64_t away_ns(uint64_t saved_ms)
{
    enum { SLACK_MS = 2000 };
    int64_t away_ms = wp_wall_ms() - (int64_t)saved_ms;
    if (away_ms < -SLACK_MS)
        return UINT64_MAX;
    return away_ms < 0 ? 0 : (uint64_t)away_ms * NS_PER_MS;
}

enum wp_err wp_gateway_restore(struct wp_gateway *gateway, wp_view saved)
{
    struct wp_unpack in = {.left = saved};
    if (!is_whole(saved) || wp_unpack_u64(&in) != MAGIC)
        return WP_ERR_INVALID;
    uint64_t away = away_ns(wp_unpack_u64(&in));
    struct wp_router *router = wp_router_create();
    struct wp_keeper *keeper = wp_keeper_create();
    bool sound = router != NULL && keeper != NULL &&
                 wp_router_restore(router, &in, wp_now_ns(), away) &&
                 wp_keeper_restore(keeper, &in);
    if (sound) {
        wp_router_destroy(gateway->router);
        wp_keeper_destroy(gateway->keeper);
        gateway->router = router;
        gateway->keeper = keeper;
        return WP_OK;
    }
    wp_router_destroy(router);
    wp_keeper_destroy(keeper);
    return WP_ERR_INVALID;
}
