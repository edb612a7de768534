#include "route/keep.h"

#include <string.h>

// The prior weighs as much as so many spells that lasted into a bin; what was seen fades so that
// about the last 500 of them count.
static const double PRIOR_WEIGHT = 60, HOUR_WEIGHT = 100;
static const float DECAY = 0.998F;
static const double HOUR_LEAST = 0.25, HOUR_MOST = 4;

enum { MINUTE = 60, MINUTES = 5, FIVES = 23, THIRTIES = WP_KEEP_BINS - MINUTES - FIVES };

// Bins.

static double bin_start(uint32_t bin)
{
    if (bin <= MINUTES)
        return bin * MINUTE;
    if (bin <= MINUTES + FIVES)
        return (bin - MINUTES + 1) * 5.0 * MINUTE;
    return (bin - MINUTES - FIVES) * 30.0 * MINUTE + (FIVES + 1) * 5.0 * MINUTE;
}

// WP_KEEP_BINS beyond the last.
static uint32_t bin_of(double idle_s)
{
    uint32_t low = 0, high = WP_KEEP_BINS;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bin_start(middle + 1) <= idle_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The prior: share of the spells that lasted into a bin and ended in it, by stop reason and
// earlier returns, in public traces of Claude Code sessions.

static double prior_of_pause(enum wp_keep_stop stop, uint32_t bin)
{
    static const float minutes[MINUTES] = {0.80F, 0.40F, 0.25F, 0.20F, 0.16F};
    static const float tool[] = {0.34F, 0.30F, 0.12F, 0.07F, 0.06F,  0.06F,
                                 0.05F, 0.04F, 0.04F, 0.06F, 0.035F, 0.02F};
    static const float turn[] = {0.20F, 0.13F, 0.11F, 0.05F, 0.06F, 0.06F,
                                 0.04F, 0.04F, 0.04F, 0.04F, 0.02F, 0.015F};
    if (bin < MINUTES)
        return (double)minutes[bin];
    uint32_t five = bin - MINUTES;
    if (bin < MINUTES + FIVES)
        return five < sizeof(tool) / sizeof(tool[0])
                   ? (double)(stop == WP_KEEP_STOP_TOOL_USE ? tool[five] : turn[five])
                   : 0.005;
    return 0.01;
}

static double prior(enum wp_keep_stop stop, uint32_t habit, uint32_t bin)
{
    static const float habits[WP_KEEP_HABITS] = {0.65F, 0.9F, 1.2F}; // from 10 to 20 minutes
    if (stop == WP_KEEP_STOP_SUBAGENT)
        return bin < MINUTES ? prior_of_pause(stop, bin) : 0.002;
    double odds = prior_of_pause(stop, bin);
    bool telling = bin == MINUTES + 1 || bin == MINUTES + 2;
    return telling ? odds * (double)habits[habit] : odds;
}

// What all kinds together have shown moves the prior of each.
static double prior_of_all(uint32_t bin)
{
    return (prior(WP_KEEP_STOP_TOOL_USE, 1, bin) + prior(WP_KEEP_STOP_END_TURN, 1, bin)) / 2;
}

static double bin_odds(const struct wp_keep_odds *odds, const struct wp_keep_spell *spell,
                       uint32_t bin)
{
    const struct wp_keep_cell *all = &odds->all[bin];
    const struct wp_keep_cell *own = &odds->cells[spell->stop][spell->habit][bin];
    double base = prior_of_all(bin);
    double common = ((double)all->back + base * PRIOR_WEIGHT) / ((double)all->risk + PRIOR_WEIGHT);
    double expected = prior((enum wp_keep_stop)spell->stop, spell->habit, bin) * common / base;
    return ((double)own->back + expected * PRIOR_WEIGHT) / ((double)own->risk + PRIOR_WEIGHT);
}

static double hour_factor(const struct wp_keep_odds *odds, uint32_t hour)
{
    double factor = ((double)odds->hour_back[hour] + HOUR_WEIGHT) /
                    ((double)odds->hour_expected[hour] + HOUR_WEIGHT);
    return factor < HOUR_LEAST ? HOUR_LEAST : factor > HOUR_MOST ? HOUR_MOST : factor;
}

// Silence over the part [from, to] of a bin (0 … 1), returns being spread evenly over it.
static double survive_part(double odds, double from, double to)
{
    return (1 - odds * to) / (1 - odds * from);
}

static double hazard(const struct wp_keep_odds *odds, const struct wp_keep_spell *spell,
                     uint32_t bin)
{
    double value = bin_odds(odds, spell, bin);
    if (bin >= MINUTES)
        value *= hour_factor(odds, spell->hour);
    return value > 0.98 ? 0.98 : value;
}

// Probability of silence from one idle time to another. Beyond the last bin nobody returns.
static double survival(const struct wp_keep_odds *odds, const struct wp_keep_spell *spell,
                       double from_s, double to_s)
{
    double silent = 1;
    for (uint32_t bin = bin_of(from_s); bin < WP_KEEP_BINS && bin_start(bin) < to_s; bin++) {
        double start = bin_start(bin), end = bin_start(bin + 1), width = end - start;
        double from = from_s > start ? from_s : start, to = to_s < end ? to_s : end;
        silent *=
            survive_part(hazard(odds, spell, bin), (from - start) / width, (to - start) / width);
    }
    return silent;
}

// Learning.

enum wp_keep_stop wp_keep_stop_of(wp_view stop_reason, bool subagent)
{
    if (subagent)
        return WP_KEEP_STOP_SUBAGENT;
    if (wp_view_is(stop_reason, "tool_use") || wp_view_is(stop_reason, "pause_turn"))
        return WP_KEEP_STOP_TOOL_USE;
    if (wp_view_is(stop_reason, "end_turn") || wp_view_is(stop_reason, "stop_sequence"))
        return WP_KEEP_STOP_END_TURN;
    return WP_KEEP_STOP_OTHER;
}

struct wp_keep_spell wp_keep_spell_begin(enum wp_keep_stop stop, uint32_t hour,
                                         const struct wp_keep_spell *before, double idle_s)
{
    struct wp_keep_spell spell = {.stop = (uint8_t)stop, .hour = (uint8_t)(hour % WP_KEEP_HOURS)};
    if (before != NULL)
        spell.habit = before->habit;
    if (before != NULL && idle_s >= WP_KEEP_LONG_S && spell.habit < WP_KEEP_HABITS - 1)
        spell.habit++;
    return spell;
}

static void count(struct wp_keep_cell *cell, bool back)
{
    cell->risk = cell->risk * DECAY + 1;
    cell->back = cell->back * DECAY + (back ? 1 : 0);
}

static void learn(struct wp_keep_odds *odds, const struct wp_keep_spell *spell, uint32_t bin,
                  bool back)
{
    if (bin >= MINUTES) {
        float *seen = &odds->hour_back[spell->hour], *expected = &odds->hour_expected[spell->hour];
        *expected = *expected * DECAY + (float)bin_odds(odds, spell, bin);
        *seen = *seen * DECAY + (back ? 1 : 0);
    }
    if (spell->stop != WP_KEEP_STOP_SUBAGENT)
        count(&odds->all[bin], back);
    count(&odds->cells[spell->stop][spell->habit][bin], back);
}

void wp_keep_spell_silent(struct wp_keep_odds *odds, struct wp_keep_spell *spell, double idle_s)
{
    for (; spell->bin < WP_KEEP_BINS && bin_start(spell->bin + 1u) <= idle_s; spell->bin++)
        learn(odds, spell, spell->bin, false);
}

void wp_keep_spell_ended(struct wp_keep_odds *odds, struct wp_keep_spell *spell, double idle_s)
{
    wp_keep_spell_silent(odds, spell, idle_s);
    if (spell->bin < WP_KEEP_BINS)
        learn(odds, spell, spell->bin, true);
    spell->bin = WP_KEEP_BINS;
}

double wp_keep_return_odds(const struct wp_keep_odds *odds, const struct wp_keep_spell *spell,
                           double from_s, double to_s)
{
    return 1 - survival(odds, spell, from_s, to_s);
}

// Deciding.

struct step {
    double served; // odds, at the decision, of a return that only this renewal serves
    double next;   // odds that the next decision comes
};

static struct step step_at(const struct wp_keep_odds *odds, const struct wp_keep_case *c,
                           double idle_s)
{
    double lapse = idle_s + c->guard_s, renewed = idle_s + c->ttl_s;
    double until_lapse = survival(odds, &c->spell, idle_s, lapse);
    return (struct step){
        .served = until_lapse * (1 - survival(odds, &c->spell, lapse, renewed)),
        .next = survival(odds, &c->spell, idle_s, renewed - c->guard_s),
    };
}

// Of the decision at idle_s and of all that follow, each made for the best; price_now: of the
// first.
static double best_gain(const struct wp_keep_odds *odds, const struct wp_keep_case *c,
                        double idle_s, double price_now)
{
    enum { STEPS_MAX = 128 };
    const double end_s = bin_start(WP_KEEP_BINS), window = c->ttl_s - c->guard_s;
    double per_read = c->tokens * c->read + c->extra * c->input;
    double saving = (c->write - c->read) * c->at_stake * c->confidence, later = 0;
    if (window <= 0 || idle_s >= end_s)
        return 0;
    uint32_t steps = (uint32_t)((end_s - idle_s) / window);
    for (uint32_t i = steps < STEPS_MAX ? steps : STEPS_MAX; i > 0; i--) {
        struct step step = step_at(odds, c, idle_s + i * window);
        double value = step.served * saving - per_read + step.next * later;
        later = value > 0 ? value : 0;
    }
    struct step now = step_at(odds, c, idle_s);
    double gain = now.served * saving - price_now + now.next * later;
    return gain > 0 ? gain : 0;
}

void wp_keep_decide(const struct wp_keep_odds *odds, const struct wp_keep_case *c,
                    struct wp_keep_verdict *out)
{
    double per_read = c->tokens * c->read + c->extra * c->input;
    *out = (struct wp_keep_verdict){0};
    out->price = per_read + (1 - c->confidence) * c->tokens * (c->write - c->read);
    out->odds = step_at(odds, c, c->idle_s).served;
    out->gain = best_gain(odds, c, c->idle_s, out->price);
    out->renew = out->gain > 0;
}

// What renewals of so much are expected to save from its first expiry on.
static double renewals_worth(const struct wp_keep_odds *odds, const struct wp_keep_ttl_case *t,
                             double ttl_s, double write, double at_stake)
{
    const struct wp_keep_case c = {
        .spell = t->spell,
        .ttl_s = ttl_s,
        .guard_s = t->guard_s,
        .tokens = t->prefix,
        .at_stake = at_stake,
        .read = t->read,
        .write = write,
        .confidence = t->confidence,
    };
    double first_s = ttl_s - t->guard_s;
    if (t->guard_s <= 0 || at_stake <= 0)
        return 0;
    return survival(odds, &t->spell, 0, first_s) *
           best_gain(odds, &c, first_s, t->prefix * t->read);
}

// An entry of an hour, once written, is renewed by every read of what goes on from it: it serves
// the gaps after later requests as well, until so many on they no longer find it. But a later,
// small write would buy the same: what it is worth beyond the next gap is at most the surcharge on
// such a share of the prefix.
enum { GAPS_SERVED = 6 };
static const double SMALL_WRITE = 0.05;

// How many gaps beyond the next one the conversation will probably live to see.
static double gaps_ahead(double back)
{
    double ahead = 0, odds = 1;
    for (int i = 1; i < GAPS_SERVED; i++) {
        odds *= back;
        ahead += odds;
    }
    return ahead;
}

bool wp_keep_prefers_hour(const struct wp_keep_odds *odds, const struct wp_keep_ttl_case *c,
                          double *gain)
{
    const double short_s = 300, long_s = 3600;
    double bare = c->prefix > c->lasting ? c->prefix - c->lasting : 0;
    double silent = survival(odds, &c->spell, 0, long_s);
    double between = survival(odds, &c->spell, 0, short_s) - silent;
    double rewriting = between * c->confidence * (c->write_5m - c->read) * bare;
    double per_gap = rewriting - renewals_worth(odds, c, short_s, c->write_5m, bare);
    double ahead = gaps_ahead(1 - silent) * per_gap;
    double most = (c->write_1h - c->write_5m) * SMALL_WRITE * c->prefix;
    double later = renewals_worth(odds, c, long_s, c->write_1h, c->prefix) -
                   renewals_worth(odds, c, long_s, c->write_1h, c->lasting);
    double saved = per_gap + (ahead < most ? ahead : most) + later;
    double price = (c->write_1h - c->write_5m) * c->written;
    if (gain != NULL)
        *gain = saved - price;
    return saved > price;
}

// Caps.

bool wp_keep_affords(const struct wp_keep_purse *purse, int64_t day, double cap, double price)
{
    double spent = purse->day == day ? purse->spent : 0;
    return cap > 0 && spent + price <= cap;
}

void wp_keep_spend(struct wp_keep_purse *purse, int64_t day, double price)
{
    if (purse->day != day)
        *purse = (struct wp_keep_purse){.day = day};
    purse->spent += price;
}
