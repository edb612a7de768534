// What the drawer of a request's row shows: why this deployment, what was tried, what was dropped,
// what the client sent. Written for every request, so it is not JSON (store/detail.h).
#include "store/detail.h"

#include "gateway/exchange.h"
#include "route/strategy.h"

static uint64_t cooling_ms(uint64_t until_ns, uint64_t now_ns)
{
    return until_ns > now_ns ? (until_ns - now_ns) / 1000000u : 0;
}

static void put_candidate(struct wp_buf *out, const struct wp_exchange *x,
                          const struct wp_candidate *candidate)
{
    const struct wp_deployment_config *chosen =
        x->try_count == 0 ? NULL : x->tries[x->try_count - 1].deployment;
    wp_detail_put_candidate(
        out, &(struct wp_detail_candidate){
                 .model_id = candidate->deployment->id,
                 .reason = wp_view_of(wp_reason_name(candidate->reason)),
                 .predicted_read = candidate->predicted_read,
                 .predicted_write = candidate->predicted_write,
                 .predicted_uncached = candidate->predicted_uncached,
                 .predicted_write_1h = candidate->predicted_write_1h,
                 .predicted_cost = candidate->predicted_cost,
                 .expected_cost = candidate->expected_cost,
                 .confidence = candidate->confidence,
                 .headroom = candidate->headroom,
                 .in_flight = candidate->in_flight,
                 .cooling_ms = cooling_ms(candidate->cooling_until_ns, x->plan_request.now_ns),
                 .usable = candidate->usable,
                 .id_as_row = candidate->deployment == chosen,
             });
}

// Why a prefix that the session sent before may miss: the first block that is no longer the same.
static void put_divergence(struct wp_buf *out, const struct wp_divergence *d)
{
    static const char *const tiers[] = {"tools", "system", "messages", "top"};
    static const char *const kinds[] = {"tool",     "text",        "image",    "document",
                                        "tool_use", "tool_result", "thinking", "other"};
    wp_detail_put_divergence(
        out, &(struct wp_detail_divergence){
                 .tier = wp_view_of(d->tier < WP_COUNT_OF(tiers) ? tiers[d->tier] : "other"),
                 .kind = wp_view_of(d->kind < WP_COUNT_OF(kinds) ? kinds[d->kind] : "other"),
                 .index = d->index,
                 .shared_blocks = d->shared_blocks,
                 .shared_tokens = d->shared_tokens,
                 .previous_blocks = d->before_blocks,
             });
}

// Hashes and sizes of the blocks that are new since the stream's previous request, for exports.
static void put_prompt(struct wp_buf *out, const struct wp_exchange *x)
{
    enum { ID_BITS = 52 }; // exact in every JSON reader
    const struct wp_prompt *prompt = &x->prompt;
    uint32_t keep = x->divergence.known ? x->divergence.shared_blocks : 0, tools = 0;
    for (uint32_t i = 0; i < prompt->system_end; i++)
        tools += prompt->blocks[i].tier == WP_TIER_TOOLS ? 1 : 0;
    wp_detail_put_prompt(out,
                         &(struct wp_detail_prompt){
                             .stream = x->history_stream.len == 0
                                           ? 0
                                           : wp_stable_hash(x->history_stream) >> (64 - ID_BITS),
                             .keep = keep,
                             .before = x->divergence.known ? x->divergence.before_blocks : 0,
                             .tools = tools,
                             .head = prompt->system_end,
                             .count = prompt->count - keep,
                             .tool_loop = prompt->in_tool_loop,
                         });
    for (uint32_t i = keep; i < prompt->count; i++)
        wp_detail_put_block(out, prompt->blocks[i].prefix.low >> (64 - ID_BITS),
                            prompt->blocks[i].tokens - (i == 0 ? 0 : prompt->blocks[i - 1].tokens));
}

static bool keeps_prompt(const struct wp_exchange *x)
{
    enum { BLOCKS_MAX = 4096 }; // more new ones than that are not worth their room
    uint32_t keep = x->divergence.known ? x->divergence.shared_blocks : 0;
    return x->front->runtime->snapshot->general.store_prompt_hashes && x->has_prompt &&
           x->operation == WP_OP_MESSAGES && keep <= x->prompt.count &&
           x->prompt.count - keep <= BLOCKS_MAX;
}

static void put_decision(struct wp_buf *out, const struct wp_exchange *x, bool prompt)
{
    wp_detail_put_decision(out, &(struct wp_detail_decision){
                                    .group = x->group.group,
                                    .blocks = x->has_prompt ? x->prompt.count : 0,
                                    .breakpoints = x->has_prompt ? x->prompt.breakpoint_count : 0,
                                    .estimated_tokens = x->has_prompt ? x->prompt.tokens : 0,
                                    .waited_ms = x->waited_ms,
                                });
    if (x->divergence.diverged)
        put_divergence(out, &x->divergence);
    if (prompt)
        put_prompt(out, x);
    for (size_t i = 0; i < x->plan->count; i++)
        put_candidate(out, x, &x->plan->candidates[i]);
}

// Microseconds since the request's begin, rounded, as the log counts them.
static uint64_t reached(const struct wp_exchange *x, uint64_t ns)
{
    uint64_t begun_ns = x->front->accepted_ns;
    if (ns == 0)
        return WP_DETAIL_NOT_REACHED;
    return (ns > begun_ns ? (ns - begun_ns + 500) / 1000 : 0) + 1;
}

static void put_attempt(struct wp_buf *out, const struct wp_exchange *x,
                        const struct wp_try *attempt)
{
    const struct wp_try *last = &x->tries[x->try_count - 1]; // it is the row's
    wp_detail_put_attempt(
        out,
        &(struct wp_detail_attempt){
            .model_id = attempt->deployment->id,
            .api_base = attempt->api_base,
            .id_as_row = attempt->deployment == last->deployment,
            .base_as_row = wp_view_eq(attempt->api_base, last->api_base),
            .error = wp_view_of(attempt->err == WP_OK ? NULL : wp_err_info(attempt->err)->name),
            .status = attempt->status,
            .started = reached(x, attempt->begun_ns),
            .connected = reached(x, attempt->connected_ns),
            .first_byte = reached(x, attempt->first_byte_ns),
            .ended = reached(x, attempt->ended_ns),
            .reused = attempt->reused,
        });
}

void wp_exchange_put_detail(const struct wp_exchange *x, struct wp_buf *out)
{
    // Also where nobody could be asked: then it tells why each was skipped.
    bool planned = x->plan != NULL && x->plan->count > 0;
    bool prompt = planned && keeps_prompt(x);
    wp_detail_begin(out, prompt);
    if (planned)
        put_decision(out, x, prompt);
    for (uint32_t i = 0; i < x->try_count; i++)
        put_attempt(out, x, &x->tries[i]);
    for (size_t i = 0; x->try_count > 0 && i < x->dropped_count; i++)
        wp_detail_put_dropped(out, x->dropped[i]);
    wp_exchange_put_headers(x, out);
}
