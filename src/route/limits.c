#include "route/limits.h"

static const uint64_t MINUTE_NS = 60000000000u;
static const double NS_PER_MINUTE = 60e9;

// Anthropic counts what is not read from the cache; Bedrock's runtime reserves the whole prompt and
// max_tokens, its mantle endpoint the unread part and max_tokens; OpenAI counts the whole prompt.
void wp_limits_need(enum wp_platform platform, const struct wp_forecast *forecast,
                    uint64_t max_tokens, struct wp_need *out)
{
    *out = (struct wp_need){0};
    if (forecast == NULL)
        return;
    uint64_t total = forecast->total, unread = total - forecast->read;
    *out = (struct wp_need){.requests = 1, .tokens = total, .input = unread};
    switch (platform) {
    case WP_PLATFORM_BEDROCK:
    case WP_PLATFORM_BEDROCK_MESSAGES:
        out->tokens = total + max_tokens;
        break;
    case WP_PLATFORM_BEDROCK_MANTLE:
        out->tokens = unread + max_tokens;
        out->input = unread + max_tokens;
        break;
    case WP_PLATFORM_OPENAI:
        out->input = total;
        break;
    default:
        break;
    }
}

static void narrow(struct wp_admission *out, double headroom)
{
    headroom = headroom < 0 ? 0 : headroom;
    if (headroom < out->headroom)
        out->headroom = headroom;
}

static void fill_up(struct wp_admission *out, int64_t wait_ms)
{
    if (!out->full || wait_ms > out->wait_ms)
        out->wait_ms = wait_ms;
    out->full = true;
    out->headroom = 0;
}

static void check_window(const struct wp_window *window, uint64_t limit, uint64_t need,
                         uint64_t now_ns, struct wp_admission *out)
{
    if (limit == 0 || need == 0)
        return;
    uint64_t used = (uint64_t)wp_window_sum(window, now_ns);
    // A request beyond the whole limit goes when nothing else does: it could never go otherwise.
    if (used > 0 && used + need > limit) {
        int64_t target = need >= limit ? 0 : (int64_t)(limit - need);
        fill_up(out, (int64_t)(wp_window_wait(window, now_ns, target) / 1000000) + 1);
        return;
    }
    narrow(out, 1 - (double)(used + need) / (double)limit);
}

static void refill(struct wp_fill *fill, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns > fill->at_ns ? now_ns - fill->at_ns : 0;
    fill->used -= (double)fill->limit * (double)passed_ns / NS_PER_MINUTE;
    fill->used = fill->used > 0 ? fill->used : 0;
    fill->at_ns = now_ns > fill->at_ns ? now_ns : fill->at_ns;
}

uint64_t wp_limits_input_used(const struct wp_fill *fill, uint64_t now_ns)
{
    struct wp_fill now = *fill;
    refill(&now, now_ns);
    return (uint64_t)now.used;
}

static void add_input(struct wp_fill *fill, int64_t tokens, uint64_t now_ns)
{
    refill(fill, now_ns);
    fill->used += (double)tokens;
    fill->used = fill->used > 0 ? fill->used : 0;
}

static void check_input(struct wp_fill *fill, uint64_t limit, uint64_t need, uint64_t now_ns,
                        struct wp_admission *out)
{
    fill->limit = limit;
    if (limit == 0 || need == 0)
        return;
    refill(fill, now_ns);
    double left = (double)limit - fill->used, wanted = (double)(need < limit ? need : limit);
    if (fill->used >= 1 && left < wanted) {
        double wait_ms = (wanted - left) * NS_PER_MINUTE / (double)limit / 1e6;
        fill_up(out, (int64_t)wait_ms + 1);
        return;
    }
    narrow(out, (left - (double)need) / (double)limit);
}

static double left_of(const struct wp_reported *report, uint64_t now_ns)
{
    double limit = (double)report->limit;
    double left =
        (double)report->remaining + limit * (double)(now_ns - report->at_ns) / NS_PER_MINUTE;
    return left > limit ? limit : left;
}

static bool is_current(const struct wp_reported *report, uint64_t now_ns)
{
    return report->limit != 0 && now_ns >= report->at_ns && now_ns - report->at_ns <= MINUTE_NS;
}

uint64_t wp_limits_left(const struct wp_reported *report, uint64_t now_ns, uint64_t *limit)
{
    double left = is_current(report, now_ns) ? left_of(report, now_ns) : 0;
    *limit = is_current(report, now_ns) ? report->limit : 0;
    return left > 0 ? (uint64_t)left : 0;
}

// Buckets refill continuously, so what was reported grows with time. Only a price, never a bar:
// the report may be stale, and the provider refuses by itself.
static void check_report(const struct wp_reported *report, uint64_t need, uint64_t now_ns,
                         struct wp_admission *out)
{
    if (is_current(report, now_ns))
        narrow(out, (left_of(report, now_ns) - (double)need) / (double)report->limit);
}

static void check_parallel(const struct wp_deployment_state *state,
                           const struct wp_deployment_config *deployment,
                           const struct wp_router_settings *settings, struct wp_admission *out)
{
    uint32_t most = deployment->max_parallel_requests;
    if (most == 0)
        most = settings->default_max_parallel_requests;
    if (most == 0)
        return;
    if (state->in_flight >= most)
        fill_up(out, state->latency_ns > 0 ? (int64_t)(state->latency_ns / 1e6) + 1 : 1000);
    else
        narrow(out, 1 - ((double)state->in_flight + 1) / (double)most);
}

void wp_limits_check(const struct wp_deployment_state *state,
                     const struct wp_deployment_config *deployment,
                     const struct wp_router_settings *settings, const struct wp_need *need,
                     uint64_t now_ns, struct wp_admission *out)
{
    *out = (struct wp_admission){.wait_ms = -1, .headroom = 1};
    struct wp_rate *rate = state->rate;
    check_parallel(state, deployment, settings, out);
    if (rate == NULL)
        return;
    check_window(&rate->requests, deployment->rpm, need->requests, now_ns, out);
    check_window(&rate->tokens, deployment->tpm, need->tokens, now_ns, out);
    check_input(&rate->input, deployment->itpm, need->input, now_ns, out);
    check_window(&rate->output, deployment->otpm, need->requests, now_ns, out);
    const struct wp_rate *reported = state->reported == NULL ? rate : state->reported;
    check_report(&reported->reported_requests, need->requests, now_ns, out);
    check_report(&reported->reported_input, need->input, now_ns, out);
    check_report(&reported->reported_tokens, need->tokens, now_ns, out);
}

static void spend(struct wp_reported *report, uint64_t amount)
{
    if (report->limit > 0)
        report->remaining -= (int64_t)amount;
}

void wp_limits_reserve(struct wp_rate *rate, const struct wp_deployment_config *deployment,
                       const struct wp_need *need, uint64_t now_ns)
{
    rate->input.limit = deployment->itpm;
    wp_window_add(&rate->requests, now_ns, (int64_t)need->requests);
    wp_window_add(&rate->tokens, now_ns, (int64_t)need->tokens);
    add_input(&rate->input, (int64_t)need->input, now_ns);
}

void wp_limits_spend(struct wp_rate *reported, const struct wp_need *need)
{
    spend(&reported->reported_requests, need->requests);
    spend(&reported->reported_input, need->input);
    spend(&reported->reported_tokens, need->tokens);
}

void wp_limits_settle(struct wp_rate *rate, enum wp_platform platform, const struct wp_need *need,
                      const struct wp_usage *usage, bool served, uint64_t begun_ns, uint64_t now_ns)
{
    int64_t tokens = served ? (int64_t)need->tokens : 0;
    int64_t input = served ? (int64_t)need->input : 0;
    if (usage != NULL && need->requests > 0) {
        int64_t total = (int64_t)wp_usage_prompt(usage);
        int64_t unread = total - (int64_t)usage->cache_read;
        bool whole = platform == WP_PLATFORM_OPENAI;
        tokens = platform == WP_PLATFORM_BEDROCK_MANTLE ? unread : total;
        input = whole ? total : unread;
        // Output counts when it is made; only the prompt belongs to the start.
        wp_window_add(&rate->tokens, now_ns, (int64_t)usage->output);
        wp_window_add(&rate->output, now_ns, (int64_t)usage->output);
    }
    wp_window_add(&rate->tokens, begun_ns, tokens - (int64_t)need->tokens);
    add_input(&rate->input, input - (int64_t)need->input, now_ns);
}

static void note(struct wp_reported *report, uint64_t limit, uint64_t remaining, uint64_t now_ns)
{
    if (limit > 0)
        *report = (struct wp_reported){limit, (int64_t)remaining, now_ns};
}

void wp_limits_report(struct wp_rate *rate, const struct wp_limit_report *report, uint64_t now_ns)
{
    note(&rate->reported_requests, report->requests_limit, report->requests_remaining, now_ns);
    note(&rate->reported_input, report->input_limit, report->input_remaining, now_ns);
    note(&rate->reported_tokens, report->tokens_limit, report->tokens_remaining, now_ns);
}
