// What model.c and calibrate.c share.
#ifndef WP_ROUTE_MODEL_PRIVATE_H
#define WP_ROUTE_MODEL_PRIVATE_H

#include "route/model.h"

uint64_t wp_model_ttl_ns(const struct wp_cache_rules *rules, uint8_t ttl);
// Tokens of the prefix that ends at `block` (from 0): measured up to the hit, estimated beyond it.
uint32_t wp_model_tokens_at(const struct wp_domain *domain, const struct wp_prompt *prompt,
                            const struct wp_sighting *sighting, uint32_t block);
// The entry of that block in the trace's domain, made if absent; NULL when memory is short.
struct wp_entry *wp_model_put(struct wp_model *model, const struct wp_trace *trace, uint32_t block,
                              uint32_t tokens);
// Readable, and alive for `ttl` from the trace's start at least.
void wp_model_renew(struct wp_entry *entry, const struct wp_trace *trace, uint8_t ttl);
// Takes back the belief in that block's entry.
void wp_model_drop(struct wp_model *model, const struct wp_trace *trace, uint32_t block);

#endif
