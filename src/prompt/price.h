// What an answer costs. Pure.
#ifndef WP_PROMPT_PRICE_H
#define WP_PROMPT_PRICE_H

#include "prompt/usage.h"

// USD per token. A field < 0 means "not known".
struct wp_price {
    double input, output, cache_read, cache_write_5m, cache_write_1h;
    double input_above_200k, output_above_200k, cache_read_above_200k, cache_write_5m_above_200k,
        cache_write_1h_above_200k; // < 0: no long-context tier
    uint32_t long_context_above;   // tokens of prompt at which the tier switches (0: none)
    double web_search_request;     // USD each
    double web_fetch_request;      // USD each, beside its tokens
    double fast_factor;            // of every token with speed "fast"
    double us_only_factor;         // of every token with inference_geo "us"
    bool known;                    // false: the conservative default of the table
};

// Every price of tokens times `factor`.
void wp_price_scale(struct wp_price *price, double factor);
// USD of one answer: tokens by class (long-context tier by total prompt tokens; fast mode and
// inference_geo multiply), server tools by call.
double wp_price_usage(const struct wp_price *price, const struct wp_usage *usage);

#endif
