// The tree of prefixes: content blocks are found again by what they hold, whoever sent them.
#include "base/alloc.h"
#include "sim/replay_trace_private.h"

enum { PATH_FIRST = 32, BUCKETS = 1 << 18 };

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b + 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 29)) * 0x94d049bb133111ebu;
    return z ^ (z >> 32);
}

bool replay_grow(void **list, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t more = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = wp_realloc(*list, more * size);
    if (grown == NULL)
        return false;
    *list = grown;
    *capacity = more;
    return true;
}

// Runs.

bool replay_runs_append(struct replay_runs *runs, uint64_t first, uint32_t count)
{
    if (count == 0)
        return true;
    struct replay_run *last = runs->count > 0 ? &runs->list[runs->count - 1] : NULL;
    runs->blocks += count;
    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return true;
    }
    if (!replay_grow((void **)&runs->list, runs->count, &runs->capacity, sizeof(*runs->list)))
        return false;
    runs->list[runs->count++] = (struct replay_run){first, count};
    return true;
}

void replay_runs_cut(struct replay_runs *runs, uint32_t blocks)
{
    while (runs->blocks > blocks) {
        struct replay_run *last = &runs->list[runs->count - 1];
        uint32_t over = runs->blocks - blocks;
        uint32_t less = over < last->count ? over : last->count;
        last->count -= less;
        runs->blocks -= less;
        runs->count -= last->count == 0 ? 1 : 0;
    }
}

// The run that holds block `at`, and where it begins. Searches from the end: prompts grow there.
static uint32_t run_of(const struct replay_runs *runs, uint32_t at, uint32_t *begin)
{
    uint32_t i = runs->count, end = runs->blocks;
    while (i > 0) {
        uint32_t start = end - runs->list[--i].count;
        if (start <= at) {
            *begin = start;
            return i;
        }
        end = start;
    }
    *begin = 0;
    return 0;
}

static uint64_t first_id(const struct replay_runs *runs, uint32_t at)
{
    uint32_t begin, i = run_of(runs, at, &begin);
    return runs->list[i].first + (at - begin);
}

static uint64_t content(const struct replay_runs *runs, uint32_t from, uint32_t to)
{
    uint32_t begin, i = run_of(runs, from, &begin);
    uint64_t hash = 1;
    while (from < to) {
        const struct replay_run *run = &runs->list[i++];
        uint32_t end = begin + run->count < to ? begin + run->count : to;
        hash = mix(mix(hash, run->first + (from - begin)), end - from);
        begin += run->count;
        from = end;
    }
    return hash;
}

// Nodes.

static uint32_t *bucket_of(const struct wp_replay_trace *trace, uint32_t node, uint64_t id)
{
    return &trace->store->buckets[mix(node, id) & trace->store->bucket_mask];
}

bool replay_tree_init(struct wp_replay_trace *trace)
{
    struct wp_replay_store *store = trace->store;
    store->bucket_mask = BUCKETS - 1;
    store->buckets = wp_alloc(((size_t)store->bucket_mask + 1) * sizeof(*store->buckets));
    if (store->buckets == NULL ||
        !replay_grow((void **)&trace->nodes, 0, &store->node_capacity, sizeof(*trace->nodes)))
        return false;
    for (uint32_t i = 0; i <= store->bucket_mask; i++)
        store->buckets[i] = WP_REPLAY_NONE;
    trace->nodes[0] = (struct wp_replay_node){
        .parent = WP_REPLAY_NONE, .mark = WP_REPLAY_NONE, .next = WP_REPLAY_NONE};
    trace->node_count = 1;
    return true;
}

static uint32_t add_node(struct wp_replay_trace *trace, uint32_t parent, uint32_t len,
                         uint64_t hash, uint32_t *bucket)
{
    struct wp_replay_store *store = trace->store;
    if (!replay_grow((void **)&trace->nodes, trace->node_count, &store->node_capacity,
                     sizeof(*trace->nodes)))
        return WP_REPLAY_NONE;
    uint32_t blocks = trace->nodes[parent].blocks + len;
    trace->nodes[trace->node_count] = (struct wp_replay_node){
        .parent = parent,
        .blocks = blocks,
        .tokens = blocks * trace->block_tokens,
        .mark = WP_REPLAY_NONE,
        .next = *bucket,
        .len = len,
        .hash = hash,
    };
    *bucket = trace->node_count;
    return trace->node_count++;
}

uint32_t replay_tree_model(struct wp_replay_trace *trace, uint64_t name)
{
    uint32_t *bucket = bucket_of(trace, 0, name);
    for (uint32_t i = *bucket; i != WP_REPLAY_NONE; i = trace->nodes[i].next)
        if (trace->nodes[i].parent == 0 && trace->nodes[i].hash == name)
            return i;
    return add_node(trace, 0, 0, name, bucket);
}

uint32_t replay_tree_child(struct wp_replay_trace *trace, uint32_t node,
                           const struct replay_runs *runs, uint32_t end)
{
    uint32_t from = trace->nodes[node].blocks;
    uint32_t *bucket = bucket_of(trace, node, first_id(runs, from));
    uint64_t hash = content(runs, from, end);
    for (uint32_t i = *bucket; i != WP_REPLAY_NONE; i = trace->nodes[i].next) {
        const struct wp_replay_node *child = &trace->nodes[i];
        if (child->parent == node && child->len == end - from && child->hash == hash)
            return i;
    }
    return add_node(trace, node, end - from, hash, bucket);
}

uint32_t replay_tree_follow(const struct wp_replay_trace *trace, uint32_t node,
                            const struct replay_runs *runs, uint32_t end)
{
    uint32_t from = trace->nodes[node].blocks, best = WP_REPLAY_NONE;
    if (from >= end)
        return best;
    for (uint32_t i = *bucket_of(trace, node, first_id(runs, from)); i != WP_REPLAY_NONE;
         i = trace->nodes[i].next) {
        const struct wp_replay_node *child = &trace->nodes[i];
        if (child->parent == node && child->len > 0 && child->blocks <= end &&
            (best == WP_REPLAY_NONE || child->len > trace->nodes[best].len) &&
            content(runs, from, child->blocks) == child->hash)
            best = i;
    }
    return best;
}

bool replay_tree_mark(struct wp_replay_trace *trace, uint32_t node)
{
    if (trace->nodes[node].mark != WP_REPLAY_NONE)
        return true;
    if (!replay_grow((void **)&trace->marks, trace->mark_count, &trace->store->mark_capacity,
                     sizeof(*trace->marks)))
        return false;
    trace->nodes[node].mark = trace->mark_count;
    trace->marks[trace->mark_count++] = (struct wp_replay_mark){node, WP_REPLAY_NONE};
    return true;
}

void replay_tree_finish(struct wp_replay_trace *trace)
{
    for (uint32_t i = 0; i < trace->mark_count; i++) {
        uint32_t node = trace->nodes[trace->marks[i].node].parent;
        while (node != WP_REPLAY_NONE && trace->nodes[node].mark == WP_REPLAY_NONE)
            node = trace->nodes[node].parent;
        trace->marks[i].up = node == WP_REPLAY_NONE ? WP_REPLAY_NONE : trace->nodes[node].mark;
    }
}

// Paths.

static void *keep_array(struct wp_replay_trace *trace, size_t size)
{
    struct wp_replay_store *store = trace->store;
    if (!replay_grow((void **)&store->arrays, store->array_count, &store->array_capacity,
                     sizeof(*store->arrays)))
        return NULL;
    void *array = wp_alloc(size);
    if (array != NULL)
        store->arrays[store->array_count++] = array;
    return array;
}

static bool move(struct wp_replay_trace *trace, struct replay_path *path, uint32_t count,
                 uint32_t capacity)
{
    struct wp_block *blocks = keep_array(trace, capacity * sizeof(*blocks));
    uint32_t *nodes = keep_array(trace, capacity * sizeof(*nodes));
    if (blocks == NULL || nodes == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        blocks[i] = path->blocks[i];
        nodes[i] = path->nodes[i];
    }
    *path = (struct replay_path){blocks, nodes, count, capacity};
    return true;
}

bool replay_path_append(struct wp_replay_trace *trace, struct replay_path *path, uint32_t node,
                        uint8_t tier, uint8_t kind)
{
    if (path->count == path->capacity &&
        !move(trace, path, path->count, path->capacity == 0 ? PATH_FIRST : path->capacity * 2))
        return false;
    path->nodes[path->count] = node;
    path->blocks[path->count++] = (struct wp_block){
        .prefix = {mix(node, 1), mix(node, 2)},
        .tokens = trace->nodes[node].tokens,
        .position = path->count,
        .tier = tier,
        .kind = kind,
        .ttl = WP_TTL_5M,
    };
    return true;
}

bool replay_path_cut(struct wp_replay_trace *trace, struct replay_path *path, uint32_t count)
{
    if (count >= path->count)
        return true;
    return move(trace, path, count, count + PATH_FIRST);
}
