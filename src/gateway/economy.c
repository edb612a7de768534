#include "gateway/economy.h"

#include "base/clock.h"
#include "route/model.h"
#include "json/scan.h"

// Opt-in per model group: what one deployment may not do the group does not.
static bool all_want(const struct wp_exchange *x, size_t flag)
{
    for (size_t i = 0; i < x->group.count; i++)
        if (!*(const bool *)((const char *)x->group.deployments[i] + flag))
            return false;
    return x->group.count > 0;
}

static bool any_keeps_warm(const struct wp_exchange *x)
{
    for (size_t i = 0; i < x->group.count; i++)
        if (x->group.deployments[i]->keep_warm)
            return true;
    return false;
}

#define WANTS(x, flag) all_want((x), offsetof(struct wp_deployment_config, flag))

static wp_view agent_of(const struct wp_exchange *x)
{
    return wp_headers_get(&x->front->head->headers, "x-claude-code-agent-id");
}

static uint32_t hour_utc(void)
{
    return (uint32_t)(wp_wall_ms() / 3600000 % 24);
}

void wp_exchange_follow(struct wp_exchange *x, wp_view stream)
{
    if (x->operation != WP_OP_MESSAGES || !(any_keeps_warm(x) || WANTS(x, auto_ttl)))
        return;
    const struct wp_hash_key *key = wp_router_hash_key(x->gateway->router);
    struct wp_hash128 name = {0, 0};
    if (stream.len == 0) {
        name = wp_hash128_link(key, x->prompt.first_user, 1, wp_view_of(x->front->caller.key_hash));
        stream = x->group.group;
    }
    x->stream = wp_hash128_link(key, name, 2, stream);
    x->followed = true;
    wp_keeper_returned(x->gateway->keeper, x->stream, wp_now_ns(), &x->kept);
}

// What the provider refuses together with max_tokens 0; leaving any of it out would
// ask for another prefix. A caller's own token is not kept.
static bool renews(const struct wp_exchange *x, const struct wp_deployment_config *deployment)
{
    const struct wp_request *request = &x->request;
    wp_view choice = wp_json_scan_member(request->tool_choice, "type");
    return deployment->keep_warm && x->gateway->renewal[deployment->platform] &&
           x->front->caller.oauth.len == 0 && request->has_max_tokens &&
           !wp_json_string_is(wp_json_scan_member(request->thinking, "type"), "enabled") &&
           !wp_json_string_is(choice, "any") && !wp_json_string_is(choice, "tool") &&
           wp_json_scan_member(request->output_config, "format").len == 0;
}

// Markers.

// The prompt's deepest entry lies beyond the reach of every marker: one on its own block finds it.
static bool bridge_gap(struct wp_exchange *x)
{
    const struct wp_candidate *first = &x->plan->candidates[0];
    uint32_t block = wp_router_reach(x->gateway->router, &x->plan_request, first);
    if (block == 0 || x->prompt.blocks[block - 1].tokens <= first->predicted_read)
        return false;
    // The entry's block may be one that cannot carry a marker now (it was automatic, or closes a
    // thought): a later one within the lookback finds it as well.
    enum { WITHIN = 15 };
    for (uint32_t i = block - 1; i < x->prompt.count && i < block - 1 + WITHIN; i++)
        if (wp_markers_add(&x->markers, &x->request, &x->prompt, i))
            return true;
    return false;
}

static bool mark_last(struct wp_exchange *x, uint32_t end)
{
    for (uint32_t i = end; i-- > 0;)
        if (wp_markers_add(&x->markers, &x->request, &x->prompt, i))
            return true;
    return false;
}

// A client that set none gets two: behind tools and system, and at the end.
static bool mark_unmarked(struct wp_exchange *x)
{
    uint32_t least = x->plan->candidates[0].model->min_cache_tokens, head = x->prompt.system_end;
    if (x->prompt.tokens < least || x->prompt.count == 0)
        return false;
    bool changed = mark_last(x, x->prompt.count);
    if (head > 0 && head < x->prompt.count && x->prompt.blocks[head - 1].tokens >= least)
        changed |= mark_last(x, head);
    return changed;
}

static bool repair(struct wp_exchange *x)
{
    if (wp_markers_used(&x->request) == 0)
        return mark_unmarked(x);
    return bridge_gap(x);
}

static bool models_know_hours(const struct wp_exchange *x)
{
    for (size_t i = 0; i < x->group.count; i++)
        if (!x->models[i].cache_ttl_1h)
            return false;
    return true;
}

static enum wp_ttl present_ttl(const struct wp_prompt *prompt)
{
    uint8_t first = prompt->blocks[prompt->breakpoints[0]].ttl;
    for (uint32_t i = 1; i < prompt->breakpoint_count; i++)
        if (prompt->blocks[prompt->breakpoints[i]].ttl != first)
            return WP_TTL_NONE;
    return (enum wp_ttl)first;
}

static bool choose_ttl(struct wp_exchange *x)
{
    const struct wp_candidate *first = &x->plan->candidates[0];
    if (x->prompt.breakpoint_count == 0 || !models_know_hours(x))
        return false;
    const struct wp_price *price = &first->model->price;
    const struct wp_router_settings *router = &x->front->runtime->snapshot->router;
    const struct wp_keep_ttl_case c = {
        .spell.stop = agent_of(x).len > 0 ? WP_KEEP_STOP_SUBAGENT : WP_KEEP_STOP_TOOL_USE,
        .spell.hour = (uint8_t)hour_utc(),
        .written = first->predicted_write,
        .prefix = (double)first->predicted_read + first->predicted_write,
        .read = price->cache_read,
        .write_5m = price->cache_write_5m,
        .write_1h = price->cache_write_1h,
        .confidence = first->lasting,
        .lasting = wp_router_lasting(x->gateway->router, &x->plan_request, first),
        .guard_s = renews(x, first->deployment) ? (double)router->keep_warm_guard_ms / 1000 : 0,
    };
    bool hour = wp_keeper_prefers_hour(x->gateway->keeper, x->stream, &c);
    x->lasting = hour ? 0 : (uint32_t)c.lasting;
    enum wp_ttl ttl = hour ? WP_TTL_1H : WP_TTL_5M;
    if (present_ttl(&x->prompt) == ttl)
        return false;
    wp_markers_set_ttl(&x->markers, &x->prompt, ttl);
    return true;
}

bool wp_exchange_may_mark(const struct wp_exchange *x)
{
    return !x->marked && x->has_prompt && x->operation == WP_OP_MESSAGES &&
           (WANTS(x, breakpoint_repair) || (x->followed && WANTS(x, auto_ttl)));
}

bool wp_exchange_mark(struct wp_exchange *x)
{
    bool changed = false;
    if (x->marked || !x->has_prompt || x->operation != WP_OP_MESSAGES)
        return false;
    x->marked = true;
    if (WANTS(x, breakpoint_repair))
        changed = repair(x);
    if (x->followed && WANTS(x, auto_ttl))
        changed |= choose_ttl(x);
    return changed;
}

// Keeping.

// The request as it was sent, but for max_tokens 0 and no stream; empty without memory.
static wp_view renewal_body(struct wp_exchange *x)
{
    struct wp_splice splice;
    struct wp_spans spans;
    wp_splice_init(&splice, x->arena, wp_buf_view(&x->body));
    for (size_t i = 0; i < x->request.member_count; i++) {
        const struct wp_member *member = &x->request.members[i];
        size_t from = (size_t)(member->value.ptr - splice.source.ptr);
        if (wp_view_is(member->key, "max_tokens"))
            wp_splice_replace(&splice, from, from + member->value.len, WP_VIEW("0"));
        else if (wp_view_is(member->key, "stream"))
            wp_splice_replace(&splice, from, from + member->value.len, WP_VIEW("false"));
    }
    wp_markers_splice(&x->markers, &x->request, WP_MARKERS_TTL | WP_MARKERS_TOP, &splice);
    if (wp_splice_spans(&splice, &spans) != WP_OK)
        return (wp_view){NULL, 0};
    return wp_arena_concat(x->arena, spans.list, spans.count);
}

static double ttl_s(const struct wp_exchange *x, const struct wp_deployment_config *deployment,
                    const struct wp_usage *usage)
{
    const struct wp_cache_rules *rules = wp_cache_rules(deployment->platform);
    const struct wp_prompt *prompt = &x->prompt;
    if (prompt->breakpoint_count == 0)
        return (double)rules->short_ttl_s;
    uint8_t asked = prompt->blocks[prompt->breakpoints[prompt->breakpoint_count - 1]].ttl;
    bool shortened = usage->cache_write_5m > 0 && usage->cache_write_1h == 0;
    return (double)(asked == WP_TTL_1H && !shortened ? rules->long_ttl_s : rules->short_ttl_s);
}

// Measured, by the share of the estimate that is tools and system.
static uint32_t head_tokens(const struct wp_prompt *prompt, uint64_t total)
{
    if (prompt->system_end == 0 || prompt->tokens == 0)
        return 0;
    return (uint32_t)((double)prompt->blocks[prompt->system_end - 1].tokens * (double)total /
                      prompt->tokens);
}

static void keep(struct wp_exchange *x, const struct wp_deployment_config *deployment,
                 const struct wp_usage *usage)
{
    const struct wp_headers *headers = &x->front->head->headers;
    const struct wp_price *price = &x->model->price;
    uint64_t covered = usage->cache_read + wp_usage_cache_write(usage);
    double ttl = ttl_s(x, deployment, usage);
    struct wp_kept_request kept = {
        .stream = x->stream,
        .head = x->prompt.head,
        .model = x->request.model,
        .deployment = deployment->id,
        .key_hash = wp_view_of(x->front->caller.key_hash),
        .session_id = x->session_id,
        .agent_id = agent_of(x),
        .user_agent = wp_headers_get(headers, "user-agent"),
        .beta = wp_headers_get(headers, "anthropic-beta"),
        .version = wp_headers_get(headers, "anthropic-version"),
        .query = x->front->head->query,
        .stop = wp_keep_stop_of(x->answer->stop_reason, agent_of(x).len > 0),
        .begun_ns = x->attempt.begun_ns,
        .ttl_s = ttl,
        .tokens = (uint32_t)covered,
        .lasting = x->lasting < covered ? x->lasting : (uint32_t)covered,
        .lasting_s = (double)wp_cache_rules(deployment->platform)->long_ttl_s,
        .head_tokens = head_tokens(&x->prompt, wp_usage_prompt(usage)),
        .extra = (uint32_t)usage->input,
        .input = price->input,
        .read = price->cache_read,
        .write = ttl > 300 ? price->cache_write_1h : price->cache_write_5m,
    };
    if (covered > 0 && price->input >= 0 && renews(x, deployment))
        kept.body = renewal_body(x);
    wp_keeper_put(x->gateway->keeper, &kept, hour_utc(), wp_now_ns());
}

void wp_exchange_keep(struct wp_exchange *x)
{
    if (!x->followed || x->err != WP_OK || x->try_count == 0 || x->answer == NULL ||
        !x->answer->usage.seen || x->model == NULL)
        return;
    const struct wp_usage *usage = &x->answer->usage;
    uint64_t read = usage->cache_read < x->kept.tokens ? usage->cache_read : x->kept.tokens;
    if (x->kept.renewals > 0 && x->kept.lapsed)
        x->kept_warm_saved = (double)read * x->kept.per_token;
    uint32_t last = x->try_count - 1;
    keep(x, x->tries[last < WP_ATTEMPTS_LOGGED ? last : WP_ATTEMPTS_LOGGED - 1].deployment, usage);
}
