// Private to store/. What a summary says, added up from rows, or from hours of rows.
#ifndef WP_STORE_TALLY_H
#define WP_STORE_TALLY_H

#include "base/arena.h"
#include "base/map.h"
#include "json/writer.h"

enum { STORE_FACETS = 4, STORE_BARS = 60, STORE_TTFT_MAX = 10000 };

// What one row adds to a summary, or all rows of an hour with the same keys.
struct store_share {
    int64_t at_ms;
    wp_view facets[STORE_FACETS]; // model_id, model, status, error_code; empty: not counted
    bool failed;
    uint64_t requests, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
        predicted_read_tokens, renewals, ttft_us; // ttft 0: none
    double spend, saved, renewal_spend, kept_warm_saved;
};

struct store_facet_value {
    wp_view text;
    uint64_t count;
};

struct store_bar {
    uint64_t success, failure;
};

// A summary in the making. Shares come in the order of their times.
struct store_tally {
    struct store_share sum;
    uint64_t failures;
    int64_t first_ms;                // of the shares; 0: there are none
    int64_t from_ms, to_ms, unit_ms; // as asked for
    int64_t bars_ms, width_ms;       // where the bars begin, and their width
    struct store_bar bars[STORE_BARS + 4];
    struct wp_arena *arena;
    struct wp_map values[STORE_FACETS];
    struct store_facet_value *last[STORE_FACETS]; // of the last share: mostly the next one's too
    uint64_t *ttft_us;                            // the newest STORE_TTFT_MAX, a ring
    uint64_t ttft_count;
};

// False when memory is short.
bool store_tally_init(struct store_tally *tally) WP_WARN_UNUSED;
void store_tally_free(struct store_tally *tally);
// Bars over [from_ms, to_ms) (from 0: from the first share on), each a multiple of unit_ms. Before
// the first share.
void store_tally_span(struct store_tally *tally, int64_t from_ms, int64_t to_ms, int64_t unit_ms);
bool store_tally_add(struct store_tally *tally, const struct store_share *share) WP_WARN_UNUSED;
void store_tally_add_ttft(struct store_tally *tally, uint64_t ttft_us);
// {"totals", "histogram", "bucket_ms", "since_ms", "facets"} into the open object.
void store_tally_write(struct store_tally *tally, struct wp_json_writer *w);

#endif
