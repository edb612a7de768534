// An Anthropic Messages request body as byte ranges: one pass, nothing copied. Pure.
#ifndef WP_PROMPT_REQUEST_H
#define WP_PROMPT_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "base/view.h"

enum wp_tier {
    WP_TIER_TOOLS,
    WP_TIER_SYSTEM,
    WP_TIER_MESSAGES,
    WP_TIER_TOP, // the top-level, automatic cache_control
};

enum wp_ttl {
    WP_TTL_NONE,
    WP_TTL_5M,
    WP_TTL_1H,
};

// One member of the top-level object.
struct wp_member {
    wp_view key;    // raw, between the quotes
    wp_view value;  // exact range
    wp_view member; // "key":value, exact range, no comma
};

// One cache_control anywhere a marker may stand.
struct wp_marker {
    enum wp_tier tier;
    enum wp_ttl ttl;
    uint32_t block;     // index into the chain's blocks that it closes (WP_TIER_TOP: UINT32_MAX)
    wp_view container;  // the object that holds it
    wp_view member;     // "cache_control":{…}
    wp_view value;      // {…}
    wp_view scope;      // the member "scope":… inside value; empty if there is none
    wp_view ttl_member; // the member "ttl":…; empty if there is none
    bool nested;        // inside a tool_result's content: not a breakpoint
};

enum wp_block_kind {
    WP_BLOCK_TOOL,
    WP_BLOCK_TEXT,
    WP_BLOCK_IMAGE,
    WP_BLOCK_DOCUMENT,
    WP_BLOCK_TOOL_USE,
    WP_BLOCK_TOOL_RESULT,
    WP_BLOCK_THINKING, // also redacted_thinking: cannot carry a marker
    WP_BLOCK_OTHER,
};

// One block in provider order tools → system → messages. A string content is one text block.
struct wp_request_block {
    enum wp_tier tier;
    enum wp_block_kind kind;
    bool plain_text;  // nothing but type, text and cache_control: equal to the string form
    bool billing;     // Claude Code's x-anthropic-billing-header block
    uint32_t message; // index of its message (WP_TIER_MESSAGES only)
    uint32_t marker;  // index into markers, or UINT32_MAX
    wp_view role;     // raw "user" | "assistant" | "system" (WP_TIER_MESSAGES only)
    wp_view value;    // exact range: an object, or a string (plain-string content)
    wp_view text;     // TEXT blocks: range of the string value with quotes
};

enum { WP_REQUEST_MAX_MEMBERS = 128, WP_REQUEST_MAX_BLOCKS = 100000 };

struct wp_request {
    wp_view body;
    struct wp_member *members; // top level, in order; duplicates are kept
    size_t member_count;
    struct wp_request_block *blocks;
    size_t block_count;
    struct wp_marker *markers; // in provider order, WP_TIER_TOP last
    size_t marker_count;

    wp_view model;       // decoded; ptr NULL if missing or not a string
    wp_view model_value; // range with quotes
    bool stream;
    bool has_stream;
    bool has_max_tokens;
    uint64_t max_tokens;
    wp_view tools, system, messages; // ranges; empty if missing
    wp_view tool_choice, thinking, output_config, context_management, metadata;
    wp_view session_id; // decoded from metadata.user_id's JSON ("session_id"), or empty
    bool has_images;    // any image in messages
    bool has_citations; // any document with citations switched on
    uint32_t message_count;
    uint32_t tool_count;
};

// Scans `body`, which must outlive `out`. WP_ERR_INVALID_JSON (with *detail a static sentence and
// *offset in bytes), WP_ERR_INVALID when the shape is not a Messages request (not an object;
// messages missing or not an array; model missing or not a non-empty string; stream not a
// boolean …; *detail names the field as Anthropic's own error texts do, "messages: Field
// required"), WP_ERR_TOO_LARGE past the maxima, WP_ERR_NO_MEMORY. count_tokens requests have the
// same shape.
enum wp_err wp_request_scan(struct wp_arena *arena, wp_view body, struct wp_request *out,
                            const char **detail, size_t *offset) WP_WARN_UNUSED;
// The same while the body arrives. It lies at `body` and does not move; NULL: no memory. The reader
// lives in the arena.
struct wp_request_reader;
struct wp_request_reader *wp_request_begin(struct wp_arena *arena, const char *body) WP_WARN_UNUSED;
// `len` bytes of it are there: reads what is complete.
void wp_request_more(struct wp_request_reader *reader, size_t len);
// All of it is there: as wp_request_scan, whatever was read before.
enum wp_err wp_request_end(struct wp_request_reader *reader, size_t len, struct wp_request *out,
                           const char **detail, size_t *offset) WP_WARN_UNUSED;
// The member of that name, of several the last, as the providers read it; or NULL.
const struct wp_member *wp_request_member(const struct wp_request *request, const char *key);

#endif
