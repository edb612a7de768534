// Bounds: one cache for everybody, with entries of five minutes or of an hour, and with renewals
// that a constant count per idle spell, or knowledge of the future, decides.
#include <math.h>

#include "base/alloc.h"
#include "sim/replay_world.h"

static const double TTL_S = 300, GUARD_S = 20;
static const double WRITE = 1.25;

struct bound {
    struct replay_world *world;
    uint32_t most;                                      // renewals per spell (static)
    uint32_t *generations, *latest, *renewed, *planned; // by stream
};

static void destroy(void *state)
{
    struct bound *b = state;
    wp_free(b->generations);
    wp_free(b->latest);
    wp_free(b->renewed);
    wp_free(b->planned);
    wp_free(b);
}

static void *create(struct replay_world *world, uint32_t argument)
{
    struct bound *b = wp_alloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    size_t size = (replay_trace(world)->stream_count + 1) * sizeof(uint32_t);
    b->world = world;
    b->most = argument;
    b->generations = wp_alloc(size);
    b->latest = wp_alloc(size);
    b->renewed = wp_alloc(size);
    b->planned = wp_alloc(size);
    if (b->generations != NULL && b->latest != NULL && b->renewed != NULL && b->planned != NULL)
        return b;
    destroy(b);
    return NULL;
}

static uint32_t choose(void *state, uint32_t request, uint64_t tried)
{
    (void)state;
    (void)request;
    return (tried & 1) == 0 ? 0 : WP_REPLAY_NONE;
}

static void begin_spell(struct bound *b, uint32_t request, uint32_t renewals)
{
    uint32_t stream = replay_trace(b->world)->requests[request].stream;
    b->latest[stream] = request;
    b->renewed[stream] = 0;
    b->planned[stream] = renewals;
    b->generations[stream]++;
    if (renewals > 0)
        replay_set_timer(b->world, replay_now(b->world) + TTL_S - GUARD_S, stream,
                         b->generations[stream]);
}

static bool begin_static(void *state, struct replay_attempt *attempt)
{
    struct bound *b = state;
    begin_spell(b, attempt->request, b->most);
    return true;
}

static void renew(void *state, uint32_t stream, uint32_t generation)
{
    struct bound *b = state;
    struct replay_use use;
    if (b->generations[stream] != generation || b->renewed[stream] >= b->planned[stream])
        return;
    replay_renew(b->world, b->latest[stream], 0, false, &use);
    if (++b->renewed[stream] < b->planned[stream])
        replay_set_timer(b->world, replay_now(b->world) + TTL_S - GUARD_S, stream, generation);
}

// Does the prompt of `later` go on from the end of `request`?
static bool continues(const struct wp_replay_trace *trace, uint32_t request, uint32_t later)
{
    uint32_t node = trace->requests[later].end;
    uint32_t blocks = trace->nodes[trace->requests[request].end].blocks;
    while (node != 0 && trace->nodes[node].blocks > blocks)
        node = trace->nodes[node].parent;
    return node == trace->requests[request].end;
}

// Renewals until the next request of the stream, if they cost less than writing again; a head that
// other conversations share is taken to be warm anyway.
static uint32_t worth(const struct bound *b, uint32_t request)
{
    const struct wp_replay_trace *trace = replay_trace(b->world);
    const struct wp_replay_request *r = &trace->requests[request];
    if (r->following == WP_REPLAY_NONE)
        return 0;
    double idle_s = trace->requests[r->following].at_s - r->at_s;
    double tokens = trace->nodes[r->end].tokens, head = 0;
    if (idle_s <= TTL_S || !continues(trace, request, r->following))
        return 0;
    if (trace->conversations[r->conversation].shares_head && r->prompt.system_end > 0)
        head = r->prompt.blocks[r->prompt.system_end - 1].tokens;
    double count = ceil((idle_s - TTL_S) / (TTL_S - GUARD_S));
    double read = replay_options(b->world)->read_multiplier;
    return count * read * tokens < (WRITE - read) * (tokens - head) ? (uint32_t)count : 0;
}

static bool begin_clairvoyant(void *state, struct replay_attempt *attempt)
{
    struct bound *b = state;
    begin_spell(b, attempt->request, worth(b, attempt->request));
    return true;
}

const struct replay_policy replay_infinite_5m = {
    .name = "infinite-5m", .bound = true, .create = create, .destroy = destroy, .choose = choose};
const struct replay_policy replay_infinite_1h = {.name = "infinite-1h",
                                                 .bound = true,
                                                 .hour = true,
                                                 .create = create,
                                                 .destroy = destroy,
                                                 .choose = choose};
const struct replay_policy replay_static_pings = {.name = "static-pings",
                                                  .bound = true,
                                                  .create = create,
                                                  .destroy = destroy,
                                                  .choose = choose,
                                                  .begin = begin_static,
                                                  .timer = renew};
const struct replay_policy replay_clairvoyant = {.name = "clairvoyant",
                                                 .bound = true,
                                                 .priced = true,
                                                 .create = create,
                                                 .destroy = destroy,
                                                 .choose = choose,
                                                 .begin = begin_clairvoyant,
                                                 .timer = renew};
