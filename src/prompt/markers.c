#include "prompt/markers.h"

bool wp_block_takes_marker(const struct wp_request_block *block)
{
    if (block->billing || block->marker != UINT32_MAX)
        return false;
    if (block->kind == WP_BLOCK_TEXT)
        return block->text.len > 2; // more than its quotes
    return block->kind != WP_BLOCK_THINKING && block->kind != WP_BLOCK_OTHER;
}

uint32_t wp_markers_used(const struct wp_request *request)
{
    uint32_t used = 0;
    for (size_t i = 0; i < request->marker_count; i++)
        used += request->markers[i].nested ? 0 : 1;
    return used;
}

void wp_markers_set_ttl(struct wp_marker_edits *edits, struct wp_prompt *prompt, enum wp_ttl ttl)
{
    edits->ttl = ttl;
    for (uint32_t i = 0; i < edits->added_count; i++)
        edits->added_ttl[i] = ttl;
    for (uint32_t i = 0; i < prompt->breakpoint_count; i++)
        prompt->blocks[prompt->breakpoints[i]].ttl = (uint8_t)ttl;
}

static void insert_breakpoint(struct wp_prompt *prompt, uint32_t block)
{
    uint32_t at = prompt->breakpoint_count++;
    for (; at > 0 && prompt->breakpoints[at - 1] > block; at--)
        prompt->breakpoints[at] = prompt->breakpoints[at - 1];
    prompt->breakpoints[at] = block;
}

static enum wp_ttl ttl_of_next(const struct wp_prompt *prompt, uint32_t block)
{
    for (uint32_t i = 0; i < prompt->breakpoint_count; i++)
        if (prompt->breakpoints[i] > block)
            return (enum wp_ttl)prompt->blocks[prompt->breakpoints[i]].ttl;
    return WP_TTL_5M;
}

bool wp_markers_add(struct wp_marker_edits *edits, const struct wp_request *request,
                    struct wp_prompt *prompt, uint32_t block)
{
    uint32_t source = prompt->blocks[block].source, at = edits->added_count;
    enum wp_ttl ttl = edits->ttl != WP_TTL_NONE ? edits->ttl : ttl_of_next(prompt, block);
    if (wp_markers_used(request) + edits->added_count >= WP_MARKERS_MAX ||
        prompt->breakpoint_count >= WP_COUNT_OF(prompt->breakpoints) ||
        prompt->blocks[block].ttl != WP_TTL_NONE ||
        !wp_block_takes_marker(&request->blocks[source]))
        return false;
    edits->added_count++;
    for (; at > 0 && edits->added[at - 1] > source; at--) {
        edits->added[at] = edits->added[at - 1];
        edits->added_ttl[at] = edits->added_ttl[at - 1];
    }
    edits->added[at] = source;
    edits->added_ttl[at] = ttl;
    prompt->blocks[block].ttl = (uint8_t)ttl;
    insert_breakpoint(prompt, block);
    return true;
}

// Splices.

static size_t offset_of(const struct wp_splice *splice, wp_view part)
{
    return (size_t)(part.ptr - splice->source.ptr);
}

static wp_view lifetime(enum wp_ttl ttl)
{
    return ttl == WP_TTL_1H ? WP_VIEW("\"ttl\":\"1h\"") : WP_VIEW("\"ttl\":\"5m\"");
}

static void splice_ttl(const struct wp_marker *marker, enum wp_ttl ttl, struct wp_splice *splice)
{
    if (marker->ttl == WP_TTL_NONE || marker->ttl == ttl)
        return; // not ephemeral, or right already
    if (marker->ttl_member.len == 0) {
        wp_splice_insert_first(splice, marker->value, lifetime(ttl));
        return;
    }
    size_t from = offset_of(splice, marker->ttl_member);
    wp_splice_replace(splice, from, from + marker->ttl_member.len, lifetime(ttl));
}

static void splice_marker(const struct wp_request_block *block, enum wp_ttl ttl,
                          struct wp_splice *splice)
{
    bool hour = ttl == WP_TTL_1H;
    if (block->value.len == 0 || block->value.ptr[0] != '"') {
        wp_splice_insert_first(
            splice, block->value,
            hour ? WP_VIEW("\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}")
                 : WP_VIEW("\"cache_control\":{\"type\":\"ephemeral\"}"));
        return;
    }
    // A plain string has no place for a marker; its one-block form is the same prompt.
    size_t from = offset_of(splice, block->value);
    wp_splice_replace(splice, from, from, WP_VIEW("[{\"type\":\"text\",\"text\":"));
    wp_splice_replace(splice, from + block->value.len, from + block->value.len,
                      hour ? WP_VIEW(",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]")
                           : WP_VIEW(",\"cache_control\":{\"type\":\"ephemeral\"}}]"));
}

// Claude Code's billing block may leave the body as a whole.
static bool leaves(const struct wp_request *request, const struct wp_marker *marker,
                   uint32_t target)
{
    if (marker->tier == WP_TIER_TOP)
        return (target & WP_MARKERS_TOP) == 0;
    return request->blocks[marker->block].billing;
}

void wp_markers_splice(const struct wp_marker_edits *edits, const struct wp_request *request,
                       uint32_t target, struct wp_splice *splice)
{
    bool keep_ttl = (target & WP_MARKERS_TTL) != 0;
    for (size_t i = 0; i < request->marker_count && keep_ttl && edits->ttl != WP_TTL_NONE; i++)
        if (!leaves(request, &request->markers[i], target))
            splice_ttl(&request->markers[i], edits->ttl, splice);
    for (uint32_t i = 0; i < edits->added_count; i++)
        splice_marker(&request->blocks[edits->added[i]], keep_ttl ? edits->added_ttl[i] : WP_TTL_5M,
                      splice);
}
