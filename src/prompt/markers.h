// Changes to a request's cache markers, as splices: their lifetime, and markers that the client did
// not set. Nothing else of the body is touched, and no prefix hash changes by it. Pure.
#ifndef WP_PROMPT_MARKERS_H
#define WP_PROMPT_MARKERS_H

#include "prompt/chain.h"
#include "json/splice.h"

enum { WP_MARKERS_MAX = 4 }; // of a request, the automatic one included

struct wp_marker_edits {
    enum wp_ttl ttl;                // of all markers; WP_TTL_NONE: as the client set them
    uint32_t added[WP_MARKERS_MAX]; // blocks of the request, ascending
    enum wp_ttl added_ttl[WP_MARKERS_MAX];
    uint32_t added_count;
};
static inline bool wp_marker_edits_any(const struct wp_marker_edits *edits)
{
    return edits->ttl != WP_TTL_NONE || edits->added_count > 0;
}

// May the block carry a marker?
bool wp_block_takes_marker(const struct wp_request_block *block);
// Markers that count towards the four: not those inside a tool_result's content.
uint32_t wp_markers_used(const struct wp_request *request);

// All markers to that lifetime, in the prompt (so that plans see it) and in the edits.
void wp_markers_set_ttl(struct wp_marker_edits *edits, struct wp_prompt *prompt, enum wp_ttl ttl);
// A further marker on block `block` of the prompt. Its lifetime is that of the next marker, so that
// longer ones stay first; five minutes if there is none. False: no marker is free, or the block
// cannot carry one, or carries one already.
bool wp_markers_add(struct wp_marker_edits *edits, const struct wp_request *request,
                    struct wp_prompt *prompt, uint32_t block);

enum wp_markers_target { // what the splice is for
    WP_MARKERS_TTL = 1,  // it knows lifetimes
    WP_MARKERS_TOP = 2,  // the automatic, top-level marker stays in the body
};
// Adds the edits to a splice of the request's body; `target`: enum wp_markers_target.
void wp_markers_splice(const struct wp_marker_edits *edits, const struct wp_request *request,
                       uint32_t target, struct wp_splice *splice);

#endif
