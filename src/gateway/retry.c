// What a failed attempt means for the next one: the kind of failure, how often it may be tried
// again, who pays.
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
