// Policies that keep an approximate tree of what each deployment has been sent, by the rules of
// two routers for self-hosted engines: SMG (formerly the SGLang router) and llm-d.
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/replay_world.h"

// SMG `cache_aware`.
static const double CACHE_THRESHOLD = 0.3, BALANCE_RELATIVE = 1.5;
enum { BALANCE_ABSOLUTE = 64, CHARS_PER_TOKEN = 4, TREE_CHARS = 1 << 26 };
static const double EVICT_EVERY_S = 120;
// llm-d: weights of its default profile, and the LRU's blocks per pod.
static const double PREFIX_WEIGHT = 3, QUEUE_WEIGHT = 2, LOAD_WEIGHT = 2;
enum { LRU_TOKENS = 31250 * 64 };

struct prefixes {
    struct replay_world *world;
    uint32_t nodes, deployments;
    double *used_s; // [deployment][node]: last use + 1; 0: not there
    double *tokens; // of each deployment's tree
    double *cold_s; // when it last took a cold prompt (llm-d)
    double evicted_s;
    uint32_t *scratch; // node numbers
};

static void destroy(void *state)
{
    struct prefixes *p = state;
    wp_free(p->used_s);
    wp_free(p->tokens);
    wp_free(p->cold_s);
    wp_free(p->scratch);
    wp_free(p);
}

static void *create(struct replay_world *world, uint32_t argument)
{
    struct prefixes *p = wp_alloc(sizeof(*p));
    (void)argument;
    if (p == NULL)
        return NULL;
    p->world = world;
    p->nodes = replay_trace(world)->node_count;
    p->deployments = replay_options(world)->deployments;
    p->used_s = wp_alloc((size_t)p->nodes * p->deployments * sizeof(double));
    p->tokens = wp_alloc(p->deployments * sizeof(double));
    p->cold_s = wp_alloc(p->deployments * sizeof(double));
    p->scratch = wp_alloc(p->nodes * sizeof(uint32_t));
    if (p->used_s != NULL && p->tokens != NULL && p->cold_s != NULL && p->scratch != NULL)
        return p;
    destroy(p);
    return NULL;
}

static bool forget(void *state)
{
    struct prefixes *p = state;
    for (size_t i = 0; i < (size_t)p->nodes * p->deployments; i++)
        p->used_s[i] = 0;
    for (uint32_t i = 0; i < p->deployments; i++)
        p->tokens[i] = p->cold_s[i] = 0;
    return true;
}

static double *used(const struct prefixes *p, uint32_t deployment)
{
    return &p->used_s[(size_t)deployment * p->nodes];
}

// Tokens of the request's prompt that the deployment's tree holds.
static uint32_t matched(const struct prefixes *p, uint32_t deployment, uint32_t request)
{
    const struct wp_replay_trace *trace = replay_trace(p->world);
    const double *there = used(p, deployment);
    uint32_t node = trace->requests[request].end;
    while (node != 0 && node != WP_REPLAY_NONE && there[node] <= 0)
        node = trace->nodes[node].parent;
    return node == WP_REPLAY_NONE ? 0 : trace->nodes[node].tokens;
}

static void insert(struct prefixes *p, uint32_t deployment, uint32_t request)
{
    const struct wp_replay_trace *trace = replay_trace(p->world);
    double *there = used(p, deployment), now_s = replay_now(p->world) + 1;
    for (uint32_t node = trace->requests[request].end; node != 0;
         node = trace->nodes[node].parent) {
        if (there[node] <= 0)
            p->tokens[deployment] += trace->nodes[node].len * trace->block_tokens;
        there[node] = now_s;
    }
}

static _Thread_local const double *sort_by;

static int older_first(const void *a, const void *b)
{
    double x = sort_by[*(const uint32_t *)a], y = sort_by[*(const uint32_t *)b];
    if (x < y || x > y)
        return x < y ? -1 : 1;
    // Of one path, the leaf goes first: children have higher numbers than their parents.
    return *(const uint32_t *)a > *(const uint32_t *)b ? -1 : 1;
}

// Least recently used first, leaves before what leads to them.
static void evict(struct prefixes *p, uint32_t deployment, double most)
{
    const struct wp_replay_trace *trace = replay_trace(p->world);
    double *there = used(p, deployment);
    uint32_t count = 0;
    if (p->tokens[deployment] <= most)
        return;
    for (uint32_t i = 1; i < p->nodes; i++)
        if (there[i] > 0)
            p->scratch[count++] = i;
    sort_by = there;
    qsort(p->scratch, count, sizeof(*p->scratch), older_first);
    for (uint32_t i = 0; i < count && p->tokens[deployment] > most; i++) {
        there[p->scratch[i]] = 0;
        p->tokens[deployment] -= trace->nodes[p->scratch[i]].len * trace->block_tokens;
    }
}

// SMG.

static bool imbalanced(const struct prefixes *p)
{
    uint32_t most = 0, least = UINT32_MAX;
    for (uint32_t i = 0; i < p->deployments; i++) {
        uint32_t load = replay_in_flight(p->world, i);
        most = load > most ? load : most;
        least = load < least ? load : least;
    }
    return most - least > BALANCE_ABSOLUTE && most > BALANCE_RELATIVE * least;
}

static uint32_t best_match(const struct prefixes *p, uint32_t request, uint64_t tried,
                           uint32_t *tokens)
{
    uint32_t best = WP_REPLAY_NONE;
    *tokens = 0;
    for (uint32_t i = 0; i < p->deployments; i++) {
        uint32_t match = (tried >> i & 1) != 0 ? 0 : matched(p, i, request);
        if (match > *tokens) {
            *tokens = match;
            best = i;
        }
    }
    return best;
}

static uint32_t smallest(const struct prefixes *p, uint64_t tried, bool by_queue)
{
    uint32_t best = replay_any(p->world, tried);
    for (uint32_t i = 0; i < p->deployments && best != WP_REPLAY_NONE; i++) {
        bool less = by_queue ? replay_in_flight(p->world, i) < replay_in_flight(p->world, best)
                             : p->tokens[i] < p->tokens[best];
        if ((tried >> i & 1) == 0 && less)
            best = i;
    }
    return best;
}

static uint32_t choose_radix(void *state, uint32_t request, uint64_t tried)
{
    struct prefixes *p = state;
    uint32_t tokens;
    if (replay_now(p->world) - p->evicted_s >= EVICT_EVERY_S) {
        p->evicted_s = replay_now(p->world);
        for (uint32_t i = 0; i < p->deployments; i++)
            evict(p, i, (double)TREE_CHARS / CHARS_PER_TOKEN);
    }
    if (imbalanced(p))
        return smallest(p, tried, true);
    uint32_t best = best_match(p, request, tried, &tokens);
    if (tokens > CACHE_THRESHOLD * replay_trace(p->world)->requests[request].input)
        return best;
    return smallest(p, tried, false);
}

static bool begin_radix(void *state, struct replay_attempt *attempt)
{
    insert(state, attempt->deployment, attempt->request);
    return true;
}

// llm-d.

static double queue_score(const struct prefixes *p, uint32_t deployment)
{
    uint32_t most = 0, least = UINT32_MAX;
    for (uint32_t i = 0; i < p->deployments; i++) {
        uint32_t queue = replay_in_flight(p->world, i);
        most = queue > most ? queue : most;
        least = queue < least ? queue : least;
    }
    if (most == least)
        return 1;
    return (double)(most - replay_in_flight(p->world, deployment)) / (most - least);
}

static uint32_t coldest(const struct prefixes *p, uint64_t tried)
{
    uint32_t best = replay_any(p->world, tried);
    for (uint32_t i = 0; i < p->deployments && best != WP_REPLAY_NONE; i++)
        if ((tried >> i & 1) == 0 && p->cold_s[i] < p->cold_s[best])
            best = i;
    return best;
}

static uint32_t choose_scored(void *state, uint32_t request, uint64_t tried)
{
    struct prefixes *p = state;
    uint32_t tokens, input = replay_trace(p->world)->requests[request].input;
    uint32_t best = WP_REPLAY_NONE;
    double most = -1;
    best_match(p, request, tried, &tokens);
    if (tokens == 0) { // no-hit-lru-scorer
        best = coldest(p, tried);
        if (best != WP_REPLAY_NONE)
            p->cold_s[best] = replay_now(p->world) + 1;
        return best;
    }
    uint32_t turn = (uint32_t)(replay_draw(p->world) % p->deployments);
    for (uint32_t k = 0; k < p->deployments; k++) {
        uint32_t i = (k + turn) % p->deployments; // ties go round
        double score = PREFIX_WEIGHT * matched(p, i, request) / input +
                       QUEUE_WEIGHT * queue_score(p, i) +
                       LOAD_WEIGHT * (1 - fmin(p->tokens[i] / LRU_TOKENS, 1));
        if ((tried >> i & 1) == 0 && score > most) {
            most = score;
            best = i;
        }
    }
    return best;
}

static bool begin_scored(void *state, struct replay_attempt *attempt)
{
    struct prefixes *p = state;
    insert(p, attempt->deployment, attempt->request);
    evict(p, attempt->deployment, LRU_TOKENS);
    return true;
}

const struct replay_policy replay_radix = {.name = "radix",
                                           .create = create,
                                           .destroy = destroy,
                                           .choose = choose_radix,
                                           .begin = begin_radix,
                                           .restart = forget};
const struct replay_policy replay_prefix_scorer = {.name = "prefix-scorer",
                                                   .create = create,
                                                   .destroy = destroy,
                                                   .choose = choose_scored,
                                                   .begin = begin_scored,
                                                   .restart = forget};
