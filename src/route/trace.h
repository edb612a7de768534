// One request's traces in the cache model, from its start to its end. Part of struct wp_attempt.
#ifndef WP_ROUTE_TRACE_H
#define WP_ROUTE_TRACE_H

#include "prompt/chain.h"

struct wp_domain;
struct wp_cache_rules;

enum { WP_BREAKPOINTS_MAX = 8 };

struct wp_trace {
    struct wp_domain *domain; // NULL: leaves none
    const struct wp_cache_rules *rules;
    const struct wp_prompt *prompt; // outlives the trace
    uint64_t begun_ns;
    uint64_t age_ns;    // of the hit, at the start
    uint32_t block;     // hit, from 1; 0: none
    uint32_t path;      // blocks that are read if anything is: up to the readable hit
    uint32_t predicted; // tokens of the hit
    bool pending;       // it was being written: reading it is luck, not the model's merit
    uint32_t min_tokens;
    uint32_t written_count;
    uint32_t written[WP_BREAKPOINTS_MAX]; // blocks (from 0) whose prefixes it writes
    uint8_t ttls[WP_BREAKPOINTS_MAX];
};

#endif
