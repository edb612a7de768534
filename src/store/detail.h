// What only the drawer of a request shows: the plan, the attempts, what was dropped, the client's
// headers. One value of the row, written while the gateway serves, so it is compact and cheap to
// make; JSON is made of it when somebody looks.
//
//   detail   = empty | version flags item*
//   version  = 1
//   flags    = bit 0: there is a prompt's hashes (a PROMPT, or a decision of older files with them)
//   item     = tag fields
//
//   tag 1 DECISION    text group, number blocks, breakpoints, estimated_tokens, waited_ms
//       2 DIVERGENCE  number index, text tier, text kind, number shared_blocks, shared_tokens,
//                     previous_blocks
//       3 PROMPT      number stream, keep, before, tools, head, tool_loop, count, then count times
//                     number hash, tokens
//       4 CANDIDATE   number bits, text model_id (1), text reason, number predicted_read,
//                     predicted_write, predicted_uncached, predicted_write_1h, real predicted_cost
//                     (2), expected_cost (3), confidence (4), headroom (5), number in_flight,
//                     cooling_ms. Bits: 1 usable, 2 costs are known. Left out are (1) the row's own
//                     model_id with bit 4, (2) (3) costs that are not known, (3) one that is the
//                     predicted_cost with bit 8, (4) (5) that are 1 with bits 16 and 32
//       5 ATTEMPT     number bits (1: reused, 2: the row's model_id, 4: the row's api_base), text
//                     model_id, api_base where they are not the row's, number status (zigzag), text
//                     error, then started, connected, first_byte, ended: number 0 if not reached,
//                     else microseconds + 1
//       6 DROPPED     text
//       7 HEADERS     number count, then count times: text name, number 2 × length + hidden, and,
//                     where it is not hidden, as many bytes
//       8 JSON        number which (0 decision, 1 attempts, 2 dropped, 3 headers), text: a row of
//                     a file from before there was this form
//
//   number   = LEB128: seven bits per byte, the lowest first, the top bit set where more follow
//   real     = 8 bytes, IEEE 754, little-endian
//   text     = number length, bytes
//
// Items stand in the order of their tags. A reader stops at what it does not know.
#ifndef WP_STORE_DETAIL_H
#define WP_STORE_DETAIL_H

#include "base/buf.h"
#include "store/record.h"
#include "json/writer.h"

// Writing: wp_detail_begin, then items in the order of their tags. A buffer that fails holds
// nothing that may be kept.

struct wp_detail_decision {
    wp_view group;
    uint64_t blocks, breakpoints, estimated_tokens, waited_ms;
};
struct wp_detail_divergence {
    wp_view tier, kind;
    uint64_t index, shared_blocks, shared_tokens, previous_blocks;
};
struct wp_detail_prompt {
    uint64_t stream, keep, before, tools, head, count;
    bool tool_loop;
};
struct wp_detail_candidate {
    wp_view model_id; // of no account where it is the row's
    wp_view reason;
    uint64_t predicted_read, predicted_write, predicted_uncached, predicted_write_1h;
    double predicted_cost, expected_cost; // predicted_cost < 0: unknown
    double confidence, headroom;
    uint64_t in_flight, cooling_ms;
    bool usable, id_as_row;
};
enum { WP_DETAIL_NOT_REACHED = 0 };
struct wp_detail_attempt {
    wp_view model_id, api_base; // of no account where they are the row's
    wp_view error;              // empty: none
    int64_t status;
    // Microseconds since the request's begin, plus one; or WP_DETAIL_NOT_REACHED.
    uint64_t started, connected, first_byte, ended;
    bool reused, id_as_row, base_as_row;
};
enum wp_detail_part {
    WP_DETAIL_PART_DECISION,
    WP_DETAIL_PART_ATTEMPTS,
    WP_DETAIL_PART_DROPPED,
    WP_DETAIL_PART_HEADERS,
    WP_DETAIL_PART_COUNT
};

// `holds_prompt`: a PROMPT, or a JSON decision with one, is among what follows.
void wp_detail_begin(struct wp_buf *out, bool holds_prompt);
void wp_detail_put_decision(struct wp_buf *out, const struct wp_detail_decision *decision);
void wp_detail_put_divergence(struct wp_buf *out, const struct wp_detail_divergence *divergence);
// Followed by `count` blocks.
void wp_detail_put_prompt(struct wp_buf *out, const struct wp_detail_prompt *prompt);
void wp_detail_put_block(struct wp_buf *out, uint64_t hash, uint64_t tokens);
void wp_detail_put_candidate(struct wp_buf *out, const struct wp_detail_candidate *candidate);
void wp_detail_put_attempt(struct wp_buf *out, const struct wp_detail_attempt *attempt);
void wp_detail_put_dropped(struct wp_buf *out, wp_view dropped);
// Followed by `count` fields.
void wp_detail_put_headers(struct wp_buf *out, size_t count);
void wp_detail_put_field(struct wp_buf *out, wp_view name, wp_view value);
void wp_detail_put_hidden_field(struct wp_buf *out, wp_view name, size_t value_len);
void wp_detail_put_json(struct wp_buf *out, enum wp_detail_part part, wp_view json);

// Reading. Any bytes are taken: what cannot be read is left out.

bool wp_detail_holds_prompt(wp_view detail);
// Appends the part as one JSON value; false, and nothing, if there is none. Of the row, detail,
// model_id and api_base are looked at.
bool wp_detail_write(const struct wp_record *row, enum wp_detail_part part,
                     struct wp_buf *out) WP_WARN_UNUSED;

#endif
