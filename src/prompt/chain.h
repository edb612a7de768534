// The request as a chain of cacheable blocks: each prefix named by a keyed 128-bit hash, with
// token estimates and breakpoints. Pure.
//
// The hash is over what the provider renders, not over the bytes' accidents: cache_control is
// left out (moving a marker does not change the prefix), a plain-string content equals its
// one-text-block form, Claude Code's billing block is left out (not rendered by Anthropic,
// removed by Warmpath elsewhere, see provider/), white space between JSON tokens is not normalised
// (clients serialise deterministically).
// Each tier starts with a salt of what invalidates it: tools: model is not in the
// hash (the cache domain holds it); system: speed, web search and citations switches; messages:
// tool_choice, images present, active betas, context_management, thinking mode and budget, effort;
// the last two before everything else for models that render them there.
#ifndef WP_PROMPT_CHAIN_H
#define WP_PROMPT_CHAIN_H

#include "crypto/digest.h"
#include "prompt/request.h"

struct wp_block {
    struct wp_hash128 prefix; // of everything up to and including this block
    uint32_t tokens;          // estimated tokens of the whole prefix
    uint32_t position;        // 1-based lookback position; a run of tool_use or of tool_result
                              // blocks shares one when collapse_tool_runs is set
    uint8_t tier;             // enum wp_tier
    uint8_t kind;             // enum wp_block_kind
    uint8_t ttl;              // enum wp_ttl of the breakpoint on this block
    bool joins;               // continues a run of tool_use, or of tool_result, of its message
    uint32_t source;          // index into wp_request.blocks
};

struct wp_prompt {
    struct wp_block *blocks; // billing block excluded
    uint32_t count;
    uint32_t tokens;           // whole prompt, estimated
    uint32_t breakpoints[8];   // indexes of blocks with ttl != NONE, ascending; an automatic
    uint32_t breakpoint_count; // top-level marker is resolved to the last block that can carry one
    uint32_t system_end;       // count of blocks in tools + system
    struct wp_hash128 head;    // prefix hash after tools + system (none if both are empty)
    struct wp_hash128 first_user; // prefix hash after the first message: names a conversation
    bool has_thinking_in_history; // account-bound thinking may matter
    uint32_t thinking_tokens;     // of it, estimated, signatures included
    bool in_tool_loop;            // last message carries a tool_result
};

struct wp_chain_options {
    const struct wp_hash_key *key;
    bool collapse_tool_runs;
    bool thinking_in_head;    // a change of thinking or effort kills tools and system too
    wp_view betas;            // the anthropic-beta header, a comma list in any order; may be empty
    struct wp_arena *scratch; // for what only the building needs; NULL: the same arena
};

// WP_ERR_NO_MEMORY, WP_ERR_INVALID (more than 4 breakpoints is the provider's to refuse: they are
// kept up to 8).
enum wp_err wp_chain_build(struct wp_arena *arena, const struct wp_request *request,
                           const struct wp_chain_options *options,
                           struct wp_prompt *out) WP_WARN_UNUSED;

// Estimated tokens of `len` bytes of JSON text: bytes / 4, rounded up (docs: routing needs order
// of magnitude, the provider's usage corrects it).
static inline uint32_t wp_tokens_estimate(size_t len)
{
    return (uint32_t)((len + 3) / 4);
}

#endif
