// Fails each allocation of a fetch of credentials in turn: whoever asks gets the credentials or
// hears that memory was short, never that the credentials are wrong, and the next one gets them.
// Needs a build with WP_ALLOC_FAULTS.
#ifndef WP_TESTS_SUPPORT_RENEWAL_SWEEP_H
#define WP_TESTS_SUPPORT_RENEWAL_SWEEP_H

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "http/renewal.h"
#include "tests/support/test.h"

struct sweep {
    struct wp_loop *loop;
    struct wp_client *client;
    void *source;
    // What is tried: makes a source (NULL without memory), asks it, gives it up.
    const void *config;
    void *(*create)(const void *config);
    enum wp_renewal_state (*get)(struct sweep *sweep, struct wp_arena *arena, bool *right,
                                 struct wp_renewal_wait **wait, char *error, size_t error_size);
    void (*unref)(void *source);
};

static inline void sweep_woken(void *arg)
{
    wp_loop_stop(((struct sweep *)arg)->loop);
}

static inline enum wp_renewal_state sweep_ask(struct sweep *sweep, char *error, size_t size)
{
    enum wp_renewal_state state = WP_RENEWAL_NO_MEMORY;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_renewal_wait *wait = NULL;
    bool right = true;
    for (int i = 0; i < 10 && arena != NULL; i++) {
        state = sweep->get(sweep, arena, &right, &wait, error, size);
        if (state != WP_RENEWAL_PENDING)
            break;
        wp_loop_run(sweep->loop);
    }
    assert_true(state != WP_RENEWAL_READY || right);
    wp_arena_destroy(arena);
    return state;
}

// False: there is no n-th allocation.
static inline bool sweep_one(struct sweep *sweep, const char *name, uint64_t n)
{
    char error[512] = "";
    uint64_t made = wp_alloc_count();
    wp_alloc_fail_after(n);
    sweep->source = sweep->create(sweep->config);
    enum wp_renewal_state state =
        sweep->source == NULL ? WP_RENEWAL_NO_MEMORY : sweep_ask(sweep, error, sizeof(error));
    bool fired = wp_alloc_count() - made >= n;
    wp_alloc_fail_after(0);
    if (state != WP_RENEWAL_READY && state != WP_RENEWAL_NO_MEMORY)
        fail_msg("%s, allocation %llu: state %d, %s", name, (unsigned long long)n, (int)state,
                 error);
    if (!fired)
        assert_int_equal(state, WP_RENEWAL_READY);
    if (sweep->source == NULL)
        sweep->source = sweep->create(sweep->config);
    for (int i = 0; i < 100 && state == WP_RENEWAL_NO_MEMORY; i++) {
        state = sweep_ask(sweep, error, sizeof(error));
        if (state == WP_RENEWAL_NO_MEMORY)
            usleep(10000); // for a moment it says so to who waited
    }
    if (state != WP_RENEWAL_READY)
        fail_msg("%s, after allocation %llu: state %d, %s", name, (unsigned long long)n, (int)state,
                 error);
    sweep->unref(sweep->source);
    return fired;
}

static inline void sweep_all(struct sweep *sweep, const char *name)
{
    enum { MOST = 5000 };
    struct wp_client_config config;
    wp_client_config_default(&config);
    assert_ok(wp_loop_create(&sweep->loop));
    assert_ok(wp_client_create(sweep->loop, &config, &sweep->client));
    uint64_t n = 1;
    while (n < MOST && sweep_one(sweep, name, n))
        n++;
    assert_true(n < MOST);
    wp_client_destroy(sweep->client);
    wp_loop_destroy(sweep->loop);
#ifdef WP_ALLOC_FAULTS
    assert_true(n > 10);
#endif
    print_message("%-24s %5llu allocations\n", name, (unsigned long long)n - 1);
}

#endif
