// Request traces: conversations of requests whose prompts are lists of block ids, equal ids
// meaning equal content. JSON lines, plain or zstd: a header line, then per conversation a line
// that names it and its requests in time order (docs/cache-routing.md holds the format).
//
// Loading turns every prompt into a path in one tree of content blocks (positions, as a provider
// counts them), so that replaying never hashes a prompt again: a prefix is a node. Immutable after
// loading; any thread may read it.
#ifndef WP_SIM_REPLAY_TRACE_H
#define WP_SIM_REPLAY_TRACE_H

#include "base/err.h"
#include "prompt/chain.h"

#define WP_REPLAY_NONE UINT32_MAX

// A prefix of some prompt, ending at a content block. Node 0 is the empty prompt; its children
// are the models (caches are per model).
struct wp_replay_node {
    uint32_t parent;
    uint32_t blocks; // of the trace, in the whole prefix
    uint32_t tokens; // of the whole prefix
    uint32_t mark;   // number of the breakpoint that ends here; WP_REPLAY_NONE: no request has one
    uint32_t next;   // private: of its bucket
    uint32_t len;    // private: blocks of this segment
    uint64_t hash;   // private: of this segment's content
};

// A node at which some request has a breakpoint: the only places where a cache may hold entries.
struct wp_replay_mark {
    uint32_t node;
    uint32_t up; // nearest mark before it; WP_REPLAY_NONE
};

enum { WP_REPLAY_MARKS = 4 };

struct wp_replay_request {
    double at_s;                     // since its conversation's start
    double visible_s;                // from its start to its first event
    double duration_s;               // from its start to its end
    uint32_t conversation;           // index
    uint32_t stream;                 // index: an agent of a conversation
    uint32_t following;              // the next request of its stream; WP_REPLAY_NONE
    uint32_t input, output;          // tokens
    uint32_t end;                    // node of its last whole block
    uint32_t marks[WP_REPLAY_MARKS]; // breakpoints' nodes, ascending
    uint32_t mark_count;
    bool tool_loop; // answers a tool call: a move now harms it
    bool subagent;
    bool ended_turn;         // its own answer stopped with end_turn
    bool tool_use;           // … with tool_use
    struct wp_prompt prompt; // the same as the planner sees it
};

struct wp_replay_conversation {
    uint32_t first, count; // requests
    uint32_t number;       // as the file calls it
    bool shares_head;      // other conversations of the trace have the same group
    double fixed_start_s;  // >= 0: the trace has absolute times
    bool b;                // half: false a, true b
};

struct wp_replay_trace {
    struct wp_replay_node *nodes;
    uint32_t node_count;
    struct wp_replay_mark *marks;
    uint32_t mark_count;
    struct wp_replay_request *requests;
    uint32_t request_count;
    struct wp_replay_conversation *conversations;
    uint32_t conversation_count;
    uint32_t stream_count;
    uint32_t block_tokens;
    uint64_t tokens;               // of all requests
    struct wp_replay_store *store; // private
};

enum wp_replay_half { WP_REPLAY_BOTH, WP_REPLAY_HALF_A, WP_REPLAY_HALF_B };

struct wp_replay_load_options {
    enum wp_replay_half half;
    uint32_t content_tokens;    // largest content block assumed where the trace has no ends; 4,096
    uint32_t max_conversations; // 0: all
    // Synthetic fan-outs laid over the trace: `fanouts` moments, spread evenly over its
    // conversations, at which `fanout_siblings` subagents of one fresh head of fanout_tokens begin
    // at once, each with a tail of its own of a fiftieth.
    uint32_t fanouts, fanout_siblings, fanout_tokens;
};

// NULL with a sentence in `error` on failure. Several files are one fleet: their blocks are kept
// apart.
struct wp_replay_trace *wp_replay_load(const char *const *paths, size_t count,
                                       const struct wp_replay_load_options *options, char *error,
                                       size_t error_size);
// The same from text (for tests); never zstd.
struct wp_replay_trace *wp_replay_load_text(wp_view text,
                                            const struct wp_replay_load_options *options,
                                            char *error, size_t error_size);
void wp_replay_trace_free(struct wp_replay_trace *trace);

#endif
