// What the providers' caches hold, by their rules and at content-block granularity: entries at
// breakpoints only, looked up from each breakpoint back over 20 positions, alive for their TTL
// from the start of the request that last wrote or read them, readable once their writer's
// response has begun. Of its own making: nothing here is shared with route/, which is to be tested.
#include "base/alloc.h"
#include "sim/replay_world.h"

struct replay_caches {
    const struct wp_replay_trace *trace;
    struct wp_replay_truth truth;
    uint64_t seed;
    uint32_t count;     // deployments * hidden
    struct life *lives; // [cache][mark]
};

struct life {
    double expires_s; // 0: not there
    double ttl_s;     // that a hit renews it for
};

static const double SHORT_S = 300, LONG_S = 3600;

struct replay_caches *replay_caches_create(const struct wp_replay_trace *trace,
                                           const struct wp_replay_truth *truth,
                                           uint32_t deployments, uint64_t seed)
{
    struct replay_caches *caches = wp_alloc(sizeof(*caches));
    if (caches == NULL)
        return NULL;
    caches->trace = trace;
    caches->truth = *truth;
    caches->seed = seed;
    caches->count = deployments * truth->hidden;
    caches->lives = wp_alloc((size_t)caches->count * trace->mark_count * sizeof(struct life));
    if (caches->lives == NULL) {
        wp_free(caches);
        return NULL;
    }
    return caches;
}

void replay_caches_free(struct replay_caches *caches)
{
    if (caches == NULL)
        return;
    wp_free(caches->lives);
    wp_free(caches);
}

static struct life *entries(const struct replay_caches *caches, uint32_t deployment,
                            uint32_t hidden)
{
    size_t cache = (size_t)deployment * caches->truth.hidden + hidden;
    return &caches->lives[cache * caches->trace->mark_count];
}

static bool draw(const struct replay_caches *caches, uint64_t a, uint64_t b, double odds)
{
    uint64_t bits = replay_mix(replay_mix(caches->seed, a), b) >> 11;
    return (double)bits / 9007199254740992.0 < odds;
}

// An entry that would be read may have been evicted before its time; then it is gone.
static bool evicted(const struct replay_caches *caches, struct life *life, uint32_t mark,
                    uint32_t request)
{
    if (caches->truth.eviction <= 0 || !draw(caches, mark, request, caches->truth.eviction))
        return false;
    life->expires_s = 0;
    return true;
}

static uint32_t lookup(struct replay_caches *caches, struct life *lives,
                       const struct wp_replay_request *request, uint32_t number, double now_s)
{
    const struct wp_replay_node *nodes = caches->trace->nodes;
    for (uint32_t i = request->mark_count; i-- > 0;) {
        uint32_t node = request->marks[i];
        for (uint32_t step = 0; step < caches->truth.lookback && node != WP_REPLAY_NONE; step++) {
            uint32_t mark = nodes[node].mark;
            if (mark != WP_REPLAY_NONE && lives[mark].expires_s > now_s &&
                !evicted(caches, &lives[mark], mark, number))
                return mark;
            node = nodes[node].parent;
        }
    }
    return WP_REPLAY_NONE;
}

static bool cacheable(const struct replay_caches *caches, uint32_t node)
{
    return caches->trace->nodes[node].tokens >= caches->truth.min_tokens;
}

void replay_caches_look(struct replay_caches *caches, uint32_t deployment, uint32_t number,
                        double now_s, struct replay_use *use)
{
    const struct wp_replay_request *request = &caches->trace->requests[number];
    const struct wp_replay_node *nodes = caches->trace->nodes;
    uint32_t hidden =
        (uint32_t)(replay_mix(replay_mix(caches->seed, number), (uint64_t)now_s) >> 33) %
        caches->truth.hidden;
    uint32_t hit = lookup(caches, entries(caches, deployment, hidden), request, number, now_s);
    uint32_t read = hit == WP_REPLAY_NONE ? 0 : nodes[caches->trace->marks[hit].node].tokens;
    uint32_t covered = read;
    for (uint32_t i = 0; i < request->mark_count; i++)
        if (cacheable(caches, request->marks[i]) && nodes[request->marks[i]].tokens > covered)
            covered = nodes[request->marks[i]].tokens;
    *use = (struct replay_use){.read = read,
                               .written = covered - read,
                               .uncached = request->input - covered,
                               .hidden = hidden,
                               .hit = hit};
}

void replay_caches_read(struct replay_caches *caches, uint32_t deployment, double now_s,
                        const struct replay_use *use)
{
    struct life *lives = entries(caches, deployment, use->hidden);
    for (uint32_t mark = use->hit; mark != WP_REPLAY_NONE; mark = caches->trace->marks[mark].up) {
        if (lives[mark].expires_s > now_s && lives[mark].expires_s < now_s + lives[mark].ttl_s)
            lives[mark].expires_s = now_s + lives[mark].ttl_s;
        if (caches->truth.hit_only)
            return;
    }
}

void replay_caches_write(struct replay_caches *caches, uint32_t deployment, uint32_t number,
                         double begun_s, bool hour, const struct replay_use *use)
{
    const struct wp_replay_request *request = &caches->trace->requests[number];
    struct life *lives = entries(caches, deployment, use->hidden);
    double ttl_s = (hour ? LONG_S : SHORT_S) * caches->truth.ttl_factor;
    for (uint32_t i = 0; i < request->mark_count; i++) {
        const struct wp_replay_node *node = &caches->trace->nodes[request->marks[i]];
        struct life *life = &lives[node->mark];
        if (node->tokens > use->read && cacheable(caches, request->marks[i]) &&
            life->expires_s < begun_s + ttl_s)
            *life = (struct life){begun_s + ttl_s, ttl_s};
    }
}
