#include "route/strategy.h"

#include <float.h>

uint64_t wp_stable_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a ^ (b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2));
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t wp_stable_hash(wp_view v)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < v.len; i++)
        h = (h ^ (unsigned char)v.ptr[i]) * 0x100000001B3u;
    return wp_stable_mix(h, v.len);
}

uint64_t wp_draw(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    return wp_stable_mix(*state, 0);
}

// ln(m) for m in [1, 2) by the series of atanh((m - 1) / (m + 1)), whose argument is below 1/3.
static double log_mantissa(double m)
{
    double t = (m - 1) / (m + 1), square = t * t, power = t, sum = 0;
#pragma GCC unroll 12
    for (int k = 1; k <= 23; k += 2) {
        sum += power / k;
        power *= square;
    }
    return 2 * sum;
}

double wp_neg_log_unit(uint64_t random)
{
    const double ln2 = 0.69314718055994530942;
    uint64_t bits = (random >> 11) + 1; // 1 … 2^53
    int top = 63 - __builtin_clzll(bits);
    double mantissa = (double)bits / (double)((uint64_t)1 << top);
    return (53 - top) * ln2 - log_mantissa(mantissa);
}

double wp_rendezvous(uint64_t subject, uint64_t deployment, double weight)
{
    if (weight <= 0)
        return DBL_MAX;
    return wp_neg_log_unit(wp_stable_mix(subject, deployment)) / weight;
}

// Weights.

static double weight_of(const struct wp_deployment_config *d)
{
    return d->weight < 0 ? -1 : d->weight;
}
static double rpm_of(const struct wp_deployment_config *d)
{
    return d->rpm == 0 ? -1 : (double)d->rpm;
}
static double tpm_of(const struct wp_deployment_config *d)
{
    return d->tpm == 0 ? -1 : (double)d->tpm;
}

// False if no candidate has that number, or all of it is zero.
static bool weigh_by(double (*number)(const struct wp_deployment_config *),
                     struct wp_contender *list, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        double value = number(list[i].deployment);
        list[i].weight = value < 0 ? 0 : value;
        sum += list[i].weight;
    }
    return sum > 0;
}

void wp_weights(struct wp_contender *list, uint32_t count)
{
    if (weigh_by(weight_of, list, count) || weigh_by(rpm_of, list, count) ||
        weigh_by(tpm_of, list, count))
        return;
    for (uint32_t i = 0; i < count; i++)
        list[i].weight = 1;
}

// Keys.

// LiteLLM counts a model without a price as one dollar.
static double price_key(const struct wp_price *price)
{
    double input = price->input < 0 ? 1 : price->input;
    double output = price->output < 0 ? 1 : price->output;
    return input + output;
}

static double key_of(enum wp_strategy strategy, const struct wp_contender *c, uint64_t draw)
{
    double tie = (double)(draw >> 11) * 0x1p-53;
    switch (strategy) {
    case WP_STRATEGY_LEAST_BUSY:
        return (double)c->in_flight + tie * 0.5;
    case WP_STRATEGY_USAGE_BASED:
        return (double)c->minute_tokens + tie * 0.5;
    case WP_STRATEGY_LATENCY_BASED:
        return c->latency_ns + tie; // unknown is 0: tried first, so that it becomes known
    case WP_STRATEGY_COST_BASED:
        return price_key(c->price) * (1 + tie * 1e-9);
    case WP_STRATEGY_SIMPLE_SHUFFLE:
        break;
    }
    // An exponential of rate `weight`: ordering by it draws without replacement by weight.
    return c->weight <= 0 ? DBL_MAX : wp_neg_log_unit(draw) / c->weight;
}

void wp_strategy_keys(enum wp_strategy strategy, struct wp_contender *list, uint32_t count,
                      uint64_t *state)
{
    for (uint32_t i = 0; i < count; i++)
        list[i].key = key_of(strategy, &list[i], wp_draw(state));
}
