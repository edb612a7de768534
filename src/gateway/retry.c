// What a failed attempt means for the next one: the kind of failure, how often it may be tried
// again, who pays; and what the client hears when nothing is left to try.
#include "gateway/exchange.h"

#include "base/clock.h"

enum wp_error_kind wp_exchange_error_kind(const struct wp_upstream_error *error)
{
    switch (error->err) {
    case WP_ERR_RATE_LIMITED:
        return WP_KIND_RATE_LIMIT;
    case WP_ERR_UPSTREAM_AUTH:
    case WP_ERR_CREDENTIALS:
        return WP_KIND_AUTHENTICATION;
    case WP_ERR_UPSTREAM_TIMEOUT:
    case WP_ERR_CONNECT_TIMEOUT:
        return WP_KIND_TIMEOUT;
    case WP_ERR_UPSTREAM_NOT_FOUND:
        return WP_KIND_NOT_FOUND;
    case WP_ERR_OVERLOADED:
        return WP_KIND_SERVICE_UNAVAILABLE;
    case WP_ERR_UPSTREAM_REFUSED:
    case WP_ERR_NOT_SUPPORTED:
        return WP_KIND_BAD_REQUEST;
    case WP_ERR_UPSTREAM_ERROR:
        return WP_KIND_INTERNAL_SERVER;
    default:
        return WP_KIND_BAD_GATEWAY;
    }
}

uint32_t wp_exchange_retries_allowed(const struct wp_exchange *x, enum wp_error_kind kind)
{
    const struct wp_router_settings *router = &x->front->runtime->snapshot->router;
    int32_t own = x->group.deployments[x->candidate_index]->num_retries;
    if (router->retry_policy[kind] >= 0)
        return (uint32_t)router->retry_policy[kind];
    if (router->retry_policy[WP_KIND_DEFAULT] >= 0)
        return (uint32_t)router->retry_policy[WP_KIND_DEFAULT];
    return own >= 0 && x->fallbacks == 0 ? (uint32_t)own : x->retries_max;
}

// What costs the next upstream nothing new (this one was never reached, or turned the credentials
// or the model away) is free; the rest is paid from the process's budget.
bool wp_exchange_may_try_again(struct wp_exchange *x, const struct wp_upstream_error *error)
{
    switch (error->err) {
    case WP_ERR_RESOLVE:
    case WP_ERR_CONNECT:
    case WP_ERR_CONNECT_TIMEOUT:
    case WP_ERR_TLS:
    case WP_ERR_CREDENTIALS:
    case WP_ERR_UPSTREAM_AUTH:
    case WP_ERR_UPSTREAM_NOT_FOUND:
        return true;
    default:
        return wp_retry_budget_spend(&x->gateway->retry_budget, wp_now_ns());
    }
}

// Signatures live for five minutes: one that is refused may only have the wrong time in it.
void wp_exchange_explain_skew(struct wp_exchange *x, struct wp_upstream_error *error)
{
    enum { TOLERATED_MS = 60000 };
    int64_t theirs, ours = wp_wall_ms();
    bool refused = error->err == WP_ERR_CREDENTIALS || error->err == WP_ERR_UPSTREAM_AUTH;
    if (!refused || !wp_answer_date(&x->upstream_headers, &theirs))
        return;
    int64_t ahead = ours - theirs;
    if (ahead <= TOLERATED_MS && ahead >= -TOLERATED_MS)
        return;
    wp_view message = wp_arena_printf(
        x->arena, "%.*s (this machine's clock is %lld s %s the upstream's: set it right)",
        WP_VIEW_ARG(error->message), (long long)((ahead < 0 ? -ahead : ahead) / 1000),
        ahead < 0 ? "behind" : "ahead of");
    if (message.ptr != NULL)
        error->message = message;
}

// Nothing is left to try ----------------------------------------------------------------------

uint32_t wp_exchange_prompt_limit(const struct wp_exchange *x)
{
    uint32_t most = 0;
    for (size_t i = 0; i < x->plan->count; i++) {
        const struct wp_candidate *candidate = &x->plan->candidates[i];
        uint32_t own = candidate->deployment->max_input_tokens;
        uint32_t limit = own != 0 ? own : candidate->model->max_input_tokens;
        if (candidate->reason != WP_REASON_CONTEXT)
            return 0;
        most = limit > most ? limit : most;
    }
    return most;
}

void wp_exchange_fail_too_long(struct wp_exchange *x, uint32_t most)
{
    wp_view message =
        wp_arena_printf(x->arena, "prompt is too long: about %llu tokens > %u maximum",
                        (unsigned long long)x->prompt.tokens, most);
    wp_exchange_fail(x, WP_ERR_INVALID, message, -1);
}

static int64_t clamp_retry_after(int64_t ms)
{
    int64_t most = 60000, least = 1000;
    return ms < least ? least : ms > most ? most : ms;
}

// Limits alone stand in the way, so that the client has to slow down; or deployments are down.
static bool all_limited(const struct wp_plan *plan)
{
    size_t limited = 0, down = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct wp_candidate *candidate = &plan->candidates[i];
        limited += candidate->limited ? 1 : 0;
        down += candidate->reason == WP_REASON_COOLING && !candidate->limited ? 1 : 0;
    }
    return limited > 0 && down == 0;
}

void wp_exchange_fail_unavailable(struct wp_exchange *x)
{
    if (wp_exchange_estimate(x))
        return;
    int64_t wait_ms = clamp_retry_after(x->plan->retry_after_ms);
    long long seconds = (long long)((wait_ms + 999) / 1000);
    if (all_limited(x->plan))
        wp_exchange_fail(
            x, WP_ERR_NO_DEPLOYMENT,
            wp_arena_printf(x->arena,
                            "Every deployment of %.*s is at its limit; try again in %lld seconds",
                            WP_VIEW_ARG(x->group.group), seconds),
            wait_ms);
    else
        wp_exchange_fail(
            x, WP_ERR_DEPLOYMENTS_DOWN,
            wp_arena_printf(x->arena, "No deployment of %.*s is healthy; try again in %lld seconds",
                            WP_VIEW_ARG(x->group.group), seconds),
            wait_ms);
}
