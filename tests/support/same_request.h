// Whether two scans of the same bytes found the same; shared by tests and fuzzing.
#ifndef WP_TESTS_SAME_REQUEST_H
#define WP_TESTS_SAME_REQUEST_H

#include "prompt/request.h"

// Ranges of one body: the same bytes, not only equal ones.
static inline bool same_range(wp_view a, wp_view b)
{
    return a.len == b.len && (a.len == 0 || a.ptr == b.ptr);
}

static inline bool same_block(const struct wp_request_block *a, const struct wp_request_block *b)
{
    return a->tier == b->tier && a->kind == b->kind && a->plain_text == b->plain_text &&
           a->billing == b->billing && a->message == b->message && a->marker == b->marker &&
           same_range(a->role, b->role) && same_range(a->value, b->value) &&
           same_range(a->text, b->text);
}

static inline bool same_marker(const struct wp_marker *a, const struct wp_marker *b)
{
    return a->tier == b->tier && a->ttl == b->ttl && a->block == b->block &&
           same_range(a->container, b->container) && same_range(a->member, b->member) &&
           same_range(a->value, b->value) && same_range(a->scope, b->scope) &&
           same_range(a->ttl_member, b->ttl_member) && a->nested == b->nested;
}

static inline bool same_lists(const struct wp_request *a, const struct wp_request *b)
{
    bool same = a->member_count == b->member_count && a->block_count == b->block_count &&
                a->marker_count == b->marker_count;
    for (size_t i = 0; same && i < a->member_count; i++)
        same = same_range(a->members[i].key, b->members[i].key) &&
               same_range(a->members[i].value, b->members[i].value) &&
               same_range(a->members[i].member, b->members[i].member);
    for (size_t i = 0; same && i < a->block_count; i++)
        same = same_block(&a->blocks[i], &b->blocks[i]);
    for (size_t i = 0; same && i < a->marker_count; i++)
        same = same_marker(&a->markers[i], &b->markers[i]);
    return same;
}

static inline bool same_request(const struct wp_request *a, const struct wp_request *b)
{
    return same_range(a->body, b->body) && same_lists(a, b) && wp_view_eq(a->model, b->model) &&
           same_range(a->model_value, b->model_value) && a->stream == b->stream &&
           a->has_stream == b->has_stream && a->has_max_tokens == b->has_max_tokens &&
           a->max_tokens == b->max_tokens && same_range(a->tools, b->tools) &&
           same_range(a->system, b->system) && same_range(a->messages, b->messages) &&
           same_range(a->tool_choice, b->tool_choice) && same_range(a->thinking, b->thinking) &&
           same_range(a->output_config, b->output_config) &&
           same_range(a->context_management, b->context_management) &&
           same_range(a->metadata, b->metadata) && wp_view_eq(a->session_id, b->session_id) &&
           a->has_images == b->has_images && a->has_citations == b->has_citations &&
           a->message_count == b->message_count && a->tool_count == b->tool_count;
}

// Scans `body` as if it came in pieces that end at each `every` bytes from `first` on, and compares
// with the scan of the whole. False: they differ, or memory is short.
static inline bool same_in_pieces(wp_view body, size_t first, size_t every)
{
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_request whole, pieces;
    const char *details[2];
    size_t offsets[2];
    enum wp_err err = wp_request_scan(arena, body, &whole, &details[0], &offsets[0]);
    struct wp_request_reader *reader = wp_request_begin(arena, body.ptr);
    if (reader == NULL) {
        wp_arena_destroy(arena);
        return false;
    }
    for (size_t at = first; at < body.len; at += every)
        wp_request_more(reader, at);
    bool same = err == wp_request_end(reader, body.len, &pieces, &details[1], &offsets[1]) &&
                details[0] == details[1] && offsets[0] == offsets[1] &&
                (err != WP_OK || same_request(&whole, &pieces));
    wp_arena_destroy(arena);
    return same;
}

#endif
