// The simulated provider and the gateway's cache model, over conversations from a seed.
#include "tests/support/agreement.h"

#include "tests/support/test.h"

static uint32_t draw(void *state, uint32_t bound)
{
    uint64_t *seed = state;
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % bound);
}

// Sanitizers make it slow; what they look for shows in a few conversations.
#ifdef __SANITIZE_ADDRESS__
enum { SEEDS = 4 };
#else
enum { SEEDS = 24 };
#endif
enum { STEPS = 100 };

static void run(enum sim_platform platform, uint64_t correct)
{
    static struct agree a;
    uint64_t requests = 0, hits = 0, refused = 0, split = 0;
    for (uint64_t first = 1; first <= SEEDS; first++) {
        uint64_t seed = first * 7919;
        const struct agree_choices choices = {.below = draw, .state = &seed};
        agree_open(&a, &choices, platform);
        a.correct = correct;
        for (int i = 0; i < STEPS; i++)
            if (!agree_step(&a)) {
                print_error("seed %llu, step %d: %s\n", (unsigned long long)first, i, a.problem);
                fail();
            }
        requests += a.requests;
        hits += a.hits;
        refused += a.refused;
        split += a.split_ttl;
        agree_close(&a);
    }
    // The conversations are such that everything is seen.
    print_message("%llu requests, %llu with reads, %llu refused, %llu of two lifetimes\n",
                  (unsigned long long)requests, (unsigned long long)hits,
                  (unsigned long long)refused, (unsigned long long)split);
    assert_true(requests > SEEDS * 125);
    assert_true(hits * 4 > requests);
    assert_true(refused > SEEDS * 2);
    assert_true(split > SEEDS);
}

static void they_agree_on_the_claude_api(void **state)
{
    (void)state;
    run(SIM_ANTHROPIC, 0);
}

static void they_agree_on_bedrock(void **state)
{
    (void)state;
    run(SIM_BEDROCK, 0);
}

// Corrections by what was billed change nothing where the model was right.
static void corrections_keep_what_is_right(void **state)
{
    (void)state;
    run(SIM_ANTHROPIC, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_agree_on_the_claude_api),
        cmocka_unit_test(they_agree_on_bedrock),
        cmocka_unit_test(corrections_keep_what_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
