#include "prompt/price.h"

#include <string.h>

static void scale(double *price, double factor)
{
    if (*price > 0)
        *price *= factor;
}

void wp_price_scale(struct wp_price *price, double factor)
{
    double *const fields[] = {&price->input,
                              &price->output,
                              &price->cache_read,
                              &price->cache_write_5m,
                              &price->cache_write_1h,
                              &price->input_above_200k,
                              &price->output_above_200k,
                              &price->cache_read_above_200k,
                              &price->cache_write_5m_above_200k,
                              &price->cache_write_1h_above_200k};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        scale(fields[i], factor);
}

static double pick(double above, double base, bool long_context)
{
    return long_context && above >= 0 ? above : base;
}

static double tokens_price(const struct wp_price *price, const struct wp_usage *usage)
{
    bool tier = price->long_context_above > 0 && wp_usage_prompt(usage) > price->long_context_above;
    return (double)(usage->input + usage->side.input) *
               pick(price->input_above_200k, price->input, tier) +
           (double)(usage->cache_read + usage->side.cache_read) *
               pick(price->cache_read_above_200k, price->cache_read, tier) +
           (double)(usage->cache_write_5m + usage->side.cache_write_5m) *
               pick(price->cache_write_5m_above_200k, price->cache_write_5m, tier) +
           (double)(usage->cache_write_1h + usage->side.cache_write_1h) *
               pick(price->cache_write_1h_above_200k, price->cache_write_1h, tier) +
           (double)(usage->output + usage->side.output) *
               pick(price->output_above_200k, price->output, tier);
}

double wp_price_usage(const struct wp_price *price, const struct wp_usage *usage)
{
    double tokens = tokens_price(price, usage);
    if (strcmp(usage->speed, "fast") == 0 && price->fast_factor > 0)
        tokens *= price->fast_factor;
    if (strcmp(usage->inference_geo, "us") == 0 && price->us_only_factor > 0)
        tokens *= price->us_only_factor;
    return tokens + (double)usage->web_search_requests * price->web_search_request +
           (double)usage->web_fetch_requests * price->web_fetch_request;
}
