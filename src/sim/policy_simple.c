// Policies that look at no cache: random, round robin, fewest in flight; and those that remember
// where a key went: LiteLLM's exact key, the conversation's hash, a sticky session.
#include "base/alloc.h"
#include "sim/replay_world.h"

static const double LITELLM_TTL_S = 300; // of its prompt-caching deployment check
static const double STICKY_IDLE_S = 600; // OpenRouter's

struct place {
    double until_s;
    uint32_t deployment;
};

struct simple {
    struct replay_world *world;
    uint32_t turn;
    struct place *places; // by node (LiteLLM) or conversation (sticky)
    uint32_t place_count;
};

static uint32_t deployments(const struct simple *s)
{
    return replay_options(s->world)->deployments;
}

static void destroy(void *state)
{
    struct simple *s = state;
    wp_free(s->places);
    wp_free(s);
}

static void *create_with(struct replay_world *world, uint32_t places)
{
    struct simple *s = wp_alloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    s->world = world;
    s->place_count = places;
    s->places = wp_alloc((places + 1) * sizeof(*s->places));
    if (s->places == NULL) {
        wp_free(s);
        return NULL;
    }
    return s;
}

static void *create(struct replay_world *world, uint32_t argument)
{
    (void)argument;
    return create_with(world, 0);
}

static bool forget(void *state)
{
    struct simple *s = state;
    for (uint32_t i = 0; i < s->place_count; i++)
        s->places[i].until_s = 0;
    return true;
}

static uint32_t choose_random(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    (void)request;
    return replay_any(s->world, tried);
}

static uint32_t choose_next(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    uint32_t count = deployments(s);
    (void)request;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t deployment = s->turn++ % count;
        if ((tried >> deployment & 1) == 0)
            return deployment;
    }
    return WP_REPLAY_NONE;
}

static uint32_t choose_least_busy(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    uint32_t count = deployments(s), best = replay_any(s->world, tried);
    (void)request;
    for (uint32_t i = 0; i < count; i++)
        if ((tried >> i & 1) == 0 &&
            replay_in_flight(s->world, i) < replay_in_flight(s->world, best))
            best = i;
    return best;
}

// Rendezvous: the conversation's own order of all deployments.
static uint32_t choose_hash(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    uint64_t conversation = replay_trace(s->world)->requests[request].conversation, most = 0;
    uint32_t best = WP_REPLAY_NONE;
    for (uint32_t i = 0; i < deployments(s); i++) {
        uint64_t key = replay_mix(conversation + 1, i + 1);
        if ((tried >> i & 1) == 0 && (best == WP_REPLAY_NONE || key > most)) {
            best = i;
            most = key;
        }
    }
    return best;
}

// LiteLLM: the key is everything up to the last breakpoint, found again only when exactly equal.
static void *create_litellm(struct replay_world *world, uint32_t argument)
{
    (void)argument;
    return create_with(world, replay_trace(world)->node_count);
}

static uint32_t remembered(const struct simple *s, uint32_t key, uint64_t tried)
{
    const struct place *place = &s->places[key];
    bool usable = place->until_s > replay_now(s->world) && (tried >> place->deployment & 1) == 0;
    return usable ? place->deployment : replay_any(s->world, tried);
}

static uint32_t choose_litellm(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    return remembered(s, replay_trace(s->world)->requests[request].end, tried);
}

static void ended_litellm(void *state, struct replay_attempt *attempt, enum replay_outcome outcome,
                          double retry_after_s)
{
    struct simple *s = state;
    (void)retry_after_s;
    if (outcome == REPLAY_SERVED)
        s->places[replay_trace(s->world)->requests[attempt->request].end] =
            (struct place){replay_now(s->world) + LITELLM_TTL_S, attempt->deployment};
}

// Sticky: a conversation stays where it was served last, until it has been idle for ten minutes.
static void *create_sticky(struct replay_world *world, uint32_t argument)
{
    (void)argument;
    return create_with(world, replay_trace(world)->conversation_count);
}

static uint32_t choose_sticky(void *state, uint32_t request, uint64_t tried)
{
    struct simple *s = state;
    return remembered(s, replay_trace(s->world)->requests[request].conversation, tried);
}

static void stick(void *state, struct replay_attempt *attempt)
{
    struct simple *s = state;
    s->places[replay_trace(s->world)->requests[attempt->request].conversation] =
        (struct place){replay_now(s->world) + STICKY_IDLE_S, attempt->deployment};
}

static bool begin_sticky(void *state, struct replay_attempt *attempt)
{
    stick(state, attempt);
    return true;
}

const struct replay_policy replay_random = {
    .name = "random", .create = create, .destroy = destroy, .choose = choose_random};
const struct replay_policy replay_round_robin = {
    .name = "round-robin", .create = create, .destroy = destroy, .choose = choose_next};
const struct replay_policy replay_least_busy = {
    .name = "least-busy", .create = create, .destroy = destroy, .choose = choose_least_busy};
const struct replay_policy replay_conversation_hash = {
    .name = "conversation-hash", .create = create, .destroy = destroy, .choose = choose_hash};
const struct replay_policy replay_litellm = {.name = "litellm",
                                             .create = create_litellm,
                                             .destroy = destroy,
                                             .choose = choose_litellm,
                                             .ended = ended_litellm,
                                             .restart = forget};
const struct replay_policy replay_sticky = {.name = "sticky-10m",
                                            .create = create_sticky,
                                            .destroy = destroy,
                                            .choose = choose_sticky,
                                            .begin = begin_sticky,
                                            .restart = forget};
