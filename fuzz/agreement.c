// Conversations made of the input's bytes: the gateway's cache model predicts what the simulated
// provider bills, token for token (tests/support/agreement.h).
#include "tests/support/agreement.h"

#include "fuzz/support.h"

struct bytes {
    const uint8_t *data;
    size_t len, at;
};

static uint32_t take(void *state, uint32_t bound)
{
    struct bytes *bytes = state;
    uint32_t value = bytes->at < bytes->len ? bytes->data[bytes->at++] : 0;
    if (bound > 256 && bytes->at < bytes->len)
        value = value << 8 | bytes->data[bytes->at++];
    return value % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct agree a;
    enum { STEPS_MAX = 20 };
    struct bytes bytes = {.data = data + 1, .len = len - 1};
    if (len < 2)
        return 0;
    const struct agree_choices choices = {.below = take, .state = &bytes};
    agree_open(&a, &choices, data[0] & 1 ? SIM_BEDROCK : SIM_ANTHROPIC);
    a.correct = data[0] & 2;
    for (int i = 0; i < STEPS_MAX && bytes.at < bytes.len; i++)
        FUZZ_CHECK(agree_step(&a));
    agree_close(&a);
    return 0;
}
