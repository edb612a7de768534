#include "route/cooldown.h"

#include <stdio.h>

enum {
    SHARE_SAMPLE = 5, // requests in the minute below which a share of failures says nothing
    ROW = 3,          // failures with no success between them: it is down, however quiet it is
    DEFAULT_ALLOWED_FAILS = 3,
    // A provider's retry-after is the best estimate there is, but an operator who lifts a quota
    // should not wait for hours: one probe per five minutes costs one refused request.
    RETRY_AFTER_MOST_MS = 300000,
    SPEND_CAP_MS = 900000, // never lifts by itself soon; probed now and then
};

static uint32_t base_ms(const struct wp_deployment_config *deployment,
                        const struct wp_router_settings *settings)
{
    if (deployment->cooldown_ms >= 0)
        return (uint32_t)deployment->cooldown_ms;
    return settings->cooldown_ms;
}

static uint64_t length_ms(const struct wp_deployment_config *deployment,
                          const struct wp_router_settings *settings,
                          const struct wp_outcome_detail *detail)
{
    uint32_t base = base_ms(deployment, settings);
    if (base == 0)
        return 0;
    if (detail->spend_cap)
        return base > SPEND_CAP_MS ? base : SPEND_CAP_MS;
    if (detail->retry_after_ms <= 0)
        return base;
    return detail->retry_after_ms > RETRY_AFTER_MOST_MS ? RETRY_AFTER_MOST_MS
                                                        : (uint64_t)detail->retry_after_ms;
}

// -1: LiteLLM's own rules apply.
static int32_t allowed_fails(const struct wp_deployment_config *deployment,
                             const struct wp_router_settings *settings, enum wp_error_kind kind)
{
    if (settings->allowed_fails_policy[kind] >= 0)
        return settings->allowed_fails_policy[kind];
    if (deployment->allowed_fails >= 0)
        return deployment->allowed_fails;
    if (settings->allowed_fails >= 0)
        return settings->allowed_fails;
    for (uint32_t i = 0; i < WP_KIND_COUNT; i++)
        if (settings->allowed_fails_policy[i] >= 0)
            return DEFAULT_ALLOWED_FAILS;
    return -1;
}

// The caller's own credential was refused, not the deployment's.
static bool callers_fault(const struct wp_deployment_config *deployment,
                          const struct wp_outcome_detail *detail)
{
    return detail->kind == WP_KIND_AUTHENTICATION && deployment->api_key.len == 0 &&
           deployment->platform == WP_PLATFORM_ANTHROPIC;
}

static const char *reason_of(const struct wp_deployment_state *state,
                             const struct wp_deployment_config *deployment,
                             const struct wp_router_settings *settings,
                             const struct wp_outcome_detail *detail)
{
    int32_t allowed = allowed_fails(deployment, settings, detail->kind);
    int64_t failed = wp_window_sum(&state->failures, detail->now_ns);
    int64_t total = failed + wp_window_sum(&state->successes, detail->now_ns);
    if (detail->spend_cap)
        return "spending limit reached";
    if (allowed >= 0)
        return failed > allowed ? "more failures than allowed" : NULL;
    if (detail->kind == WP_KIND_RATE_LIMIT || detail->status == 429)
        return "rate limited";
    if (detail->kind == WP_KIND_AUTHENTICATION || detail->status == 401)
        return "credentials refused";
    if (detail->kind == WP_KIND_NOT_FOUND || detail->status == 404)
        return "model not found";
    if (detail->status == 408)
        return "upstream timeout (408)";
    if (total >= SHARE_SAMPLE && failed * 2 > total)
        return "more than half of the minute's requests failed";
    return state->failures_in_a_row >= ROW ? "failures in a row" : NULL;
}

static bool is_limit(const struct wp_outcome_detail *detail)
{
    return detail->kind == WP_KIND_RATE_LIMIT || detail->spend_cap;
}

static void cool(struct wp_deployment_state *state, const char *reason, uint64_t until_ns,
                 const struct wp_outcome_detail *detail)
{
    if (until_ns <= state->cooling_until_ns)
        return;
    state->cooling_until_ns = until_ns;
    state->cooling_for_limit = is_limit(detail);
    if (detail->status > 0)
        snprintf(state->cooling_reason, sizeof(state->cooling_reason), "%s (%d)", reason,
                 detail->status);
    else
        snprintf(state->cooling_reason, sizeof(state->cooling_reason), "%s", reason);
}

static void note_failure(struct wp_deployment_state *state,
                         const struct wp_deployment_config *deployment,
                         const struct wp_router_settings *settings, bool alone,
                         const struct wp_outcome_detail *detail)
{
    if (callers_fault(deployment, detail))
        return;
    wp_window_add(&state->failures, detail->now_ns, 1);
    state->failures_in_a_row++;
    state->total_failures++;
    if (settings->disable_cooldowns || deployment->wildcard || alone)
        return;
    const char *reason = reason_of(state, deployment, settings, detail);
    uint64_t ms = length_ms(deployment, settings, detail);
    if (reason == NULL || ms == 0)
        return;
    uint64_t until_ns = detail->now_ns + ms * 1000000;
    bool limit = is_limit(detail);
    bool announced = limit && !detail->spend_cap && detail->retry_after_ms > 0;
    cool(state, reason, until_ns, detail);
    if (announced)
        state->announced_ns = until_ns;
    // The limit is the organisation's: its other keys would be refused as well.
    struct wp_rate *const rates[] = {state->rate, state->reported};
    for (size_t i = 0; limit && i < WP_COUNT_OF(rates); i++) {
        if (rates[i] == NULL || !rates[i]->shared || until_ns <= rates[i]->cooling_until_ns)
            continue;
        rates[i]->cooling_until_ns = until_ns;
        rates[i]->announced_ns = announced ? until_ns : 0;
    }
}

void wp_cooldown_note(struct wp_deployment_state *state,
                      const struct wp_deployment_config *deployment,
                      const struct wp_router_settings *settings, bool alone,
                      const struct wp_outcome_detail *detail)
{
    if (detail->outcome == WP_OUTCOME_FAILED) {
        note_failure(state, deployment, settings, alone, detail);
        return;
    }
    if (detail->outcome != WP_OUTCOME_SUCCESS)
        return;
    wp_window_add(&state->successes, detail->now_ns, 1);
    state->failures_in_a_row = 0;
}

uint64_t wp_cooldown_until(const struct wp_deployment_state *state, uint64_t now_ns)
{
    uint64_t until_ns = state->cooling_until_ns;
    if (state->rate != NULL && state->rate->cooling_until_ns > until_ns)
        until_ns = state->rate->cooling_until_ns;
    if (state->reported != NULL && state->reported->cooling_until_ns > until_ns)
        until_ns = state->reported->cooling_until_ns;
    return until_ns > now_ns ? until_ns : 0;
}

bool wp_cooldown_is_limit(const struct wp_deployment_state *state, uint64_t now_ns)
{
    uint64_t until_ns = wp_cooldown_until(state, now_ns);
    return until_ns > 0 && (until_ns != state->cooling_until_ns || state->cooling_for_limit);
}

bool wp_cooldown_announced(const struct wp_deployment_state *state, uint64_t now_ns)
{
    uint64_t until_ns = wp_cooldown_until(state, now_ns);
    return until_ns > 0 && (until_ns == state->announced_ns ||
                            (state->rate != NULL && until_ns == state->rate->announced_ns) ||
                            (state->reported != NULL && until_ns == state->reported->announced_ns));
}
