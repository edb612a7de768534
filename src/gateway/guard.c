#include "gateway/guard.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/check.h"

// A fixed table: what is full forgets the address that was heard of longest ago.
enum { GUARD_MAGIC = 0x47554152, SETS = 2048, WAYS = 4, DIGEST_KEPT = 16 };

static const uint64_t WINDOW_NS = 60000000000u;
static const uint64_t TRUST_NS = 24 * 3600000000000u;

struct seen {
    uint64_t address; // hash; 0: free
    uint64_t window_ns, heard_ns, right_ns;
    uint32_t failures;
    uint8_t right[DIGEST_KEPT]; // of the key that was right last
};

struct wp_guard {
    uint32_t magic;
    pthread_mutex_t lock;
    struct seen table[SETS][WAYS];
};

struct wp_guard *wp_guard_create(void)
{
    struct wp_guard *guard = wp_alloc(sizeof(*guard));
    if (guard == NULL)
        return NULL;
    guard->magic = GUARD_MAGIC;
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void wp_guard_destroy(struct wp_guard *guard)
{
    if (guard == NULL)
        return;
    WP_CHECK_MAGIC(guard, GUARD_MAGIC);
    pthread_mutex_destroy(&guard->lock);
    guard->magic = 0;
    wp_free(guard);
}

// One host owns a whole /64 of IPv6.
static uint64_t hash_of(wp_view address)
{
    char text[64] = "";
    struct in6_addr v6;
    wp_view name = address;
    if (address.len < sizeof(text) && wp_view_find_char(address, ':') != WP_NOT_FOUND) {
        memcpy(text, address.ptr, address.len);
        if (inet_pton(AF_INET6, text, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6))
            name = wp_view_make((const char *)v6.s6_addr, 8);
    }
    uint64_t hash = wp_view_hash(name);
    return hash == 0 ? 1 : hash;
}

// The address's entry, made if there is none.
static struct seen *entry_of(struct wp_guard *guard, wp_view address, uint64_t now_ns)
{
    uint64_t hash = hash_of(address);
    struct seen *set = guard->table[hash % SETS], *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].address == hash)
            return &set[i];
        if (set[i].heard_ns < oldest->heard_ns)
            oldest = &set[i];
    }
    *oldest = (struct seen){.address = hash, .window_ns = now_ns};
    return oldest;
}

static void turn_window(struct seen *seen, uint64_t now_ns)
{
    seen->heard_ns = now_ns;
    if (now_ns - seen->window_ns < WINDOW_NS)
        return;
    seen->window_ns = now_ns;
    seen->failures = 0;
}

bool wp_guard_admits(struct wp_guard *guard, wp_view address, const uint8_t digest[WP_SHA256_LEN],
                     bool right, uint32_t limit, uint64_t now_ns)
{
    WP_CHECK_MAGIC(guard, GUARD_MAGIC);
    pthread_mutex_lock(&guard->lock);
    struct seen *seen = entry_of(guard, address, now_ns);
    turn_window(seen, now_ns);
    bool trusted = seen->right_ns != 0 && now_ns - seen->right_ns < TRUST_NS &&
                   wp_equal_constant_time(seen->right, digest, DIGEST_KEPT);
    bool admits = limit == 0 || seen->failures < limit || trusted;
    if (admits && right) {
        memcpy(seen->right, digest, DIGEST_KEPT);
        seen->right_ns = now_ns;
    } else if (admits) {
        seen->failures++;
    }
    pthread_mutex_unlock(&guard->lock);
    return admits;
}
