// A Messages request as ranges and as a chain of cacheable blocks: every range lies in the body,
// the order is the provider's, and the hashes do not depend on where the cache markers stand.
//
// Input: one byte of options (bit 0: runs of tools share a position, the others: where the body is
// cut when it is read in pieces), then the body.
#include "fuzz/support.h"

#include "prompt/chain.h"
#include "tests/support/same_request.h"
#include "json/doc.h"
#include "json/splice.h"

static void check_range(wp_view body, wp_view part)
{
    if (part.len > 0)
        FUZZ_CHECK(part.ptr >= body.ptr && part.ptr + part.len <= body.ptr + body.len);
}

static void check_request(const struct wp_request *request)
{
    FUZZ_CHECK(request->member_count <= WP_REQUEST_MAX_MEMBERS);
    FUZZ_CHECK(request->block_count <= WP_REQUEST_MAX_BLOCKS);
    FUZZ_CHECK(request->model.len > 0);
    for (size_t i = 0; i < request->member_count; i++) {
        check_range(request->body, request->members[i].member);
        check_range(request->members[i].member, request->members[i].value);
    }
    for (size_t i = 0; i < request->block_count; i++) {
        const struct wp_request_block *block = &request->blocks[i];
        check_range(request->body, block->value);
        check_range(block->value, block->text);
        FUZZ_CHECK(block->marker == UINT32_MAX || block->marker < request->marker_count);
        if (i > 0)
            FUZZ_CHECK(block[-1].tier <= block->tier);
    }
    for (size_t i = 0; i < request->marker_count; i++) {
        const struct wp_marker *marker = &request->markers[i];
        check_range(request->body, marker->container);
        check_range(marker->container, marker->member);
        check_range(marker->member, marker->value);
        FUZZ_CHECK(marker->tier == WP_TIER_TOP || marker->block < request->block_count);
    }
}

static void check_chain(const struct wp_request *request, const struct wp_prompt *prompt)
{
    FUZZ_CHECK(prompt->count <= request->block_count);
    FUZZ_CHECK(prompt->system_end <= prompt->count);
    FUZZ_CHECK(prompt->breakpoint_count <= 8);
    for (uint32_t i = 0; i < prompt->count; i++) {
        const struct wp_block *block = &prompt->blocks[i];
        FUZZ_CHECK(block->source < request->block_count);
        if (i > 0) {
            FUZZ_CHECK(block[-1].tokens <= block->tokens && block[-1].position <= block->position);
            FUZZ_CHECK(block[-1].source < block->source);
        }
    }
    for (uint32_t i = 0; i < prompt->breakpoint_count; i++) {
        FUZZ_CHECK(prompt->breakpoints[i] < prompt->count);
        if (i > 0)
            FUZZ_CHECK(prompt->breakpoints[i - 1] < prompt->breakpoints[i]);
    }
}

static wp_view without_markers(struct wp_arena *arena, const struct wp_request *request)
{
    struct wp_splice splice;
    struct wp_spans spans;
    wp_splice_init(&splice, arena, request->body);
    for (size_t i = 0; i < request->marker_count; i++)
        wp_splice_remove_item(&splice, request->markers[i].container, request->markers[i].member);
    FUZZ_CHECK(wp_splice_spans(&splice, &spans) == WP_OK);
    return wp_arena_concat(arena, spans.list, spans.count);
}

static void check_unmarked(struct wp_arena *arena, const struct wp_request *request,
                           const struct wp_chain_options *options, const struct wp_prompt *marked)
{
    struct wp_request plain;
    struct wp_prompt prompt;
    const char *detail;
    size_t offset;
    wp_view body = without_markers(arena, request);
    FUZZ_CHECK(wp_json_parse(arena, body) != NULL);
    FUZZ_CHECK(wp_request_scan(arena, body, &plain, &detail, &offset) == WP_OK);
    if (plain.marker_count > 0)
        return; // a doubled key: what it held the first time is no part of the request
    FUZZ_CHECK(wp_chain_build(arena, &plain, options, &prompt) == WP_OK);
    FUZZ_CHECK(prompt.count == marked->count && prompt.breakpoint_count == 0);
    for (uint32_t i = 0; i < prompt.count; i++)
        FUZZ_CHECK(memcmp(&prompt.blocks[i].prefix, &marked->blocks[i].prefix,
                          sizeof(prompt.blocks[i].prefix)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[WP_HASH_SECRET_LEN];
    struct wp_hash_key key;
    struct wp_request request;
    struct wp_prompt prompt;
    const char *detail = NULL;
    size_t offset = 0;
    wp_view input = fuzz_view(data, size);
    wp_hash_key_set(&key, secret);
    const unsigned options_byte = fuzz_byte(&input);
    const struct wp_chain_options options = {.key = &key,
                                             .collapse_tool_runs = (options_byte & 1) != 0};
    wp_view body = fuzz_copy(input);
    struct wp_arena *arena = wp_arena_create(0);
    enum wp_err err = wp_request_scan(arena, body, &request, &detail, &offset);
    if (err == WP_OK) {
        FUZZ_CHECK(wp_json_parse(arena, body) != NULL);
        check_request(&request);
        if (wp_chain_build(arena, &request, &options, &prompt) == WP_OK) {
            check_chain(&request, &prompt);
            // web tools are told by their first bytes, where a marker of that name may stand
            if (!wp_view_contains(body, WP_VIEW("\"web_")))
                check_unmarked(arena, &request, &options, &prompt);
        }
    } else {
        FUZZ_CHECK(detail != NULL && offset <= body.len);
    }
    // in pieces, cut where the input says
    FUZZ_CHECK(same_in_pieces(body, options_byte >> 1, 1 + (options_byte >> 1)));
    wp_arena_destroy(arena);
    fuzz_free(body);
    return 0;
}
