// Inside replay_*.c: building a trace.
#ifndef WP_SIM_REPLAY_TRACE_PRIVATE_H
#define WP_SIM_REPLAY_TRACE_PRIVATE_H

#include "base/map.h"
#include "sim/replay_trace.h"

// `count` blocks of consecutive ids.
struct replay_run {
    uint64_t first;
    uint32_t count;
};

// A prompt as runs that never touch: equal contents have equal runs.
struct replay_runs {
    struct replay_run *list;
    uint32_t count, capacity;
    uint32_t blocks;
};
// False when memory is short.
bool replay_runs_append(struct replay_runs *runs, uint64_t first, uint32_t count);
void replay_runs_cut(struct replay_runs *runs, uint32_t blocks);

// A path of nodes from below the root to a prompt's end. Grows by appending; what requests refer
// to stays where it is, since growing starts a new array and keeps the old one.
struct replay_path {
    struct wp_block *blocks; // the planner's view, one per node
    uint32_t *nodes;
    uint32_t count, capacity;
};

struct wp_replay_store {
    uint32_t node_capacity, mark_capacity, request_capacity, conversation_capacity;
    uint32_t *buckets; // of nodes by (parent, first id)
    uint32_t bucket_mask;
    void **arrays; // of paths, freed with the trace
    uint32_t array_count, array_capacity;
};

// replay_tree.c
// All false, or WP_REPLAY_NONE, when memory is short.
bool replay_tree_init(struct wp_replay_trace *trace);
// The root of a model's prompts.
uint32_t replay_tree_model(struct wp_replay_trace *trace, uint64_t name);
// The child of `node` whose content is the prompt's blocks from the node's end up to `end`.
uint32_t replay_tree_child(struct wp_replay_trace *trace, uint32_t node,
                           const struct replay_runs *runs, uint32_t end);
// A child that some earlier prompt has and whose content this prompt has too; the longest one.
uint32_t replay_tree_follow(const struct wp_replay_trace *trace, uint32_t node,
                            const struct replay_runs *runs, uint32_t end);
bool replay_tree_mark(struct wp_replay_trace *trace, uint32_t node);
// After the last request: how the marks follow each other.
void replay_tree_finish(struct wp_replay_trace *trace);
// Makes the path end at `node`'s child; `tier` of the new block.
bool replay_path_append(struct wp_replay_trace *trace, struct replay_path *path, uint32_t node,
                        uint8_t tier, uint8_t kind);
// Cuts the path to `count` nodes; its blocks move, so that what earlier requests see stays.
bool replay_path_cut(struct wp_replay_trace *trace, struct replay_path *path, uint32_t count);
// Room for one more element; false when memory is short.
bool replay_grow(void **list, uint32_t count, uint32_t *capacity, size_t size);

#endif
