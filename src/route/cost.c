#include "route/cost.h"

// What most models pay, where a table is silent.
static const double WRITE_5M = 1.25, WRITE_1H = 2, READ = 0.1;
// With less than this share of a limit left, room has a price.
static const double HEADROOM_FREE = 0.4;
// Shares of the whole prompt's price.
static const double MOVE = 0.05, MOVE_THINKING = 0.25, MOVE_IN_TOOL_LOOP = 8;

static double pick(bool long_context, double above, double base, double fallback)
{
    if (long_context && above >= 0)
        return above;
    return base >= 0 ? base : fallback;
}

void wp_rates_resolve(const struct wp_price *p, uint32_t total_tokens, struct wp_rates *out)
{
    bool above = p->long_context_above > 0 && total_tokens > p->long_context_above;
    double input = pick(above, p->input_above_200k, p->input, 1);
    out->known = p->input >= 0;
    out->input = input;
    // A long-context tier that names only its input price raises the other classes alike.
    double raise = p->input > 0 ? input / p->input : 1;
    out->read = pick(above, p->cache_read_above_200k,
                     p->cache_read >= 0 ? p->cache_read * raise : -1, input * READ);
    out->write_5m = pick(above, p->cache_write_5m_above_200k,
                         p->cache_write_5m >= 0 ? p->cache_write_5m * raise : -1, input * WRITE_5M);
    out->write_1h = pick(above, p->cache_write_1h_above_200k,
                         p->cache_write_1h >= 0 ? p->cache_write_1h * raise : -1, input * WRITE_1H);
}

double wp_cost_predicted(const struct wp_rates *r, const struct wp_forecast *f)
{
    return r->read * f->read + r->write_5m * f->write_5m + r->write_1h * f->write_1h +
           r->input * f->uncached;
}

double wp_cost_expected(const struct wp_rates *r, const struct wp_forecast *f)
{
    uint32_t kept = f->pending ? f->ready : 0; // read even if the belief fails
    double lost = f->read > kept ? f->read - kept : 0;
    double write = f->write_1h > 0 && f->write_5m == 0 ? r->write_1h : r->write_5m;
    double odds = (double)f->confidence;
    return wp_cost_predicted(r, f) + (1 - odds) * lost * (write - r->read);
}

double wp_cost_headroom(const struct wp_rates *r, const struct wp_forecast *f, double headroom)
{
    if (headroom >= HEADROOM_FREE)
        return 0;
    double short_of = (HEADROOM_FREE - headroom) / HEADROOM_FREE;
    double unread = (double)f->write_5m + f->write_1h + f->uncached;
    return short_of * short_of * unread * r->input;
}

double wp_cost_move(const struct wp_rates *r, const struct wp_prompt *prompt, uint32_t total_tokens)
{
    double share = MOVE;
    if (prompt->has_thinking_in_history)
        share = prompt->in_tool_loop ? MOVE_IN_TOOL_LOOP : MOVE_THINKING;
    return share * r->input * total_tokens;
}

double wp_cost_write_saving(const struct wp_rates *r, uint32_t tokens)
{
    double saving = r->write_5m - r->read;
    return saving > 0 ? saving * tokens : 0;
}
