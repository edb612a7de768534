#include "sim/replay_fleet.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { RESAMPLES = 1000, PINGS_MOST = 16 };
static const uint64_t PROGRESS_EVERY_NS = 2000000000u, QUIET_NS = 3000000000u;

// What one policy did with one number of deployments (and one multiplier, if it looks at prices),
// added up over the seeds.
struct cell {
    char policy[40];
    const char *name; // of the policy as asked for
    uint32_t deployments, argument;
    double read_multiplier; // < 0: any
    struct wp_replay_bill *bills;
    struct wp_replay_result sum;
    double load_ratio; // summed over seeds
};

struct fleet {
    const struct wp_replay_trace *trace;
    const struct wp_fleet_options *options;
    struct cell *cells;
    uint32_t cell_count, cell_capacity;
    pthread_mutex_t lock; // guards what follows and the cells' sums
    uint32_t next, done, total;
    uint64_t begun_ns, told_ns;
    bool failed;
};

// Cells.

static bool add_cell(struct fleet *fleet, const char *policy, uint32_t deployments, double read,
                     uint32_t argument, bool argued)
{
    if (fleet->cell_count == fleet->cell_capacity) {
        uint32_t capacity = fleet->cell_capacity == 0 ? 64 : fleet->cell_capacity * 2;
        struct cell *cells = wp_realloc(fleet->cells, capacity * sizeof(*cells));
        if (cells == NULL)
            return false;
        fleet->cells = cells;
        fleet->cell_capacity = capacity;
    }
    struct cell *cell = &fleet->cells[fleet->cell_count++];
    *cell = (struct cell){
        .name = policy, .deployments = deployments, .argument = argument, .read_multiplier = read};
    if (argued)
        snprintf(cell->policy, sizeof(cell->policy), "%s:%u", policy, argument);
    else
        snprintf(cell->policy, sizeof(cell->policy), "%s", policy);
    cell->bills = wp_alloc(fleet->trace->conversation_count * sizeof(*cell->bills));
    return cell->bills != NULL;
}

static bool add_cells(struct fleet *fleet, const char *policy)
{
    const struct wp_fleet_options *o = fleet->options;
    bool bound = wp_replay_is_bound(policy), priced = wp_replay_depends_on_price(policy);
    bool family = wp_view_is(wp_view_of(policy), "static-pings");
    for (size_t d = 0; d < (bound ? 1 : o->deployment_count); d++)
        for (size_t r = 0; r < (priced ? o->read_multiplier_count : 1); r++)
            for (uint32_t k = 0; k <= (family ? PINGS_MOST : 0); k++)
                if (!add_cell(fleet, policy, bound ? 0 : o->deployments[d],
                              priced ? o->read_multipliers[r] : -1, k, family))
                    return false;
    return true;
}

// Runs.

static double load_ratio(const struct wp_replay_result *result, uint32_t deployments)
{
    double most = 0, sum = 0;
    for (uint32_t i = 0; i < deployments; i++) {
        most = result->load[i] > most ? result->load[i] : most;
        sum += result->load[i];
    }
    return sum > 0 ? most * deployments / sum : 1;
}

static void add_bill(struct wp_replay_bill *to, const struct wp_replay_bill *from)
{
    to->uncached += from->uncached;
    to->write_5m += from->write_5m;
    to->write_1h += from->write_1h;
    to->read += from->read;
    to->renew_read += from->renew_read;
    to->renew_write += from->renew_write;
    to->tokens += from->tokens;
}

static void merge(struct cell *cell, const struct wp_replay_result *from, uint32_t conversations)
{
    struct wp_replay_result *to = &cell->sum;
    for (uint32_t i = 0; i < conversations; i++)
        add_bill(&cell->bills[i], &from->bills[i]);
    to->requests += from->requests;
    to->over_limit += from->over_limit;
    to->rejected += from->rejected;
    to->failed += from->failed;
    to->moves += from->moves;
    to->moves_in_tool_loop += from->moves_in_tool_loop;
    to->waits += from->waits;
    to->wait_s += from->wait_s;
    to->renewals += from->renewals;
    to->fanout_requests += from->fanout_requests;
    to->fanout_head_writes += from->fanout_head_writes;
    to->read_predicted += from->read_predicted;
    to->read_real += from->read_real;
    for (uint32_t i = 0; i < WP_REPLAY_TIME_BUCKETS; i++)
        to->plan_times[i] += from->plan_times[i];
    cell->load_ratio += load_ratio(from, cell->deployments == 0 ? 1 : cell->deployments);
}

static void tell_progress(struct fleet *fleet)
{
    uint64_t now_ns = wp_now_ns();
    FILE *to = fleet->options->progress;
    bool last = fleet->done == fleet->total;
    if (to == NULL || now_ns - fleet->begun_ns < QUIET_NS ||
        (!last && now_ns - fleet->told_ns < PROGRESS_EVERY_NS))
        return;
    double gone = (double)(now_ns - fleet->begun_ns) / 1e9;
    fleet->told_ns = now_ns;
    fprintf(to, "%u of %u runs, %.0f s, about %.0f s left\n", fleet->done, fleet->total, gone,
            gone / fleet->done * (fleet->total - fleet->done));
}

static bool run_one(struct fleet *fleet, uint32_t number, struct wp_replay_bill *bills)
{
    struct cell *cell = &fleet->cells[number / fleet->options->seeds];
    struct wp_replay_options options = fleet->options->replay;
    struct wp_replay_result result = {.bills = bills};
    uint32_t conversations = fleet->trace->conversation_count;
    for (uint32_t i = 0; i < conversations; i++)
        bills[i] = (struct wp_replay_bill){0};
    options.seed = number % fleet->options->seeds + 1;
    options.deployments = cell->deployments == 0 ? 1 : cell->deployments;
    options.read_multiplier = cell->read_multiplier < 0 ? 0 : cell->read_multiplier;
    if (!wp_replay_run(fleet->trace, &options, cell->policy, &result))
        return false;
    pthread_mutex_lock(&fleet->lock);
    merge(cell, &result, conversations);
    fleet->done++;
    tell_progress(fleet);
    pthread_mutex_unlock(&fleet->lock);
    return true;
}

static void *work(void *arg)
{
    struct fleet *fleet = arg;
    struct wp_replay_bill *bills = wp_alloc(fleet->trace->conversation_count * sizeof(*bills));
    for (;;) {
        pthread_mutex_lock(&fleet->lock);
        fleet->failed = fleet->failed || bills == NULL;
        uint32_t number = fleet->failed ? fleet->total : fleet->next;
        fleet->next += number < fleet->total ? 1 : 0;
        pthread_mutex_unlock(&fleet->lock);
        if (number >= fleet->total)
            break;
        if (!run_one(fleet, number, bills)) {
            pthread_mutex_lock(&fleet->lock);
            fleet->failed = true;
            pthread_mutex_unlock(&fleet->lock);
        }
    }
    wp_free(bills);
    return NULL;
}

static void run_all(struct fleet *fleet)
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    uint32_t count = 0, wanted = fleet->options->threads;
    fleet->total = fleet->cell_count * fleet->options->seeds;
    fleet->begun_ns = wp_now_ns();
    wanted = wanted > THREADS_MAX ? THREADS_MAX : wanted;
    while (count + 1 < wanted && count + 1 < fleet->total &&
           pthread_create(&threads[count], NULL, work, fleet) == 0)
        count++;
    work(fleet);
    while (count > 0)
        pthread_join(threads[--count], NULL);
}

// Statistics: the bootstrap draws conversations, the same ones for every cell.

static double cost_of(const struct cell *cell, uint32_t conversation, double read)
{
    return wp_replay_cost(&cell->bills[conversation], read);
}

struct interval {
    double mean, low, high;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t next_draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Ratio of two sums over conversations, with its 95 % interval.
static void ratio(const double *upper, const double *lower, uint32_t count, struct interval *out)
{
    double samples[RESAMPLES], up = 0, down = 0;
    uint64_t state = 1;
    for (uint32_t i = 0; i < count; i++) {
        up += upper[i];
        down += lower[i];
    }
    out->mean = down > 0 ? up / down : 0;
    for (uint32_t s = 0; s < RESAMPLES; s++) {
        up = down = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t pick = (uint32_t)((next_draw(&state) >> 32) * count >> 32);
            up += upper[pick];
            down += lower[pick];
        }
        samples[s] = down > 0 ? up / down : 0;
    }
    qsort(samples, RESAMPLES, sizeof(double), by_value);
    out->low = samples[RESAMPLES * 25 / 1000];
    out->high = samples[RESAMPLES * 975 / 1000 - 1];
}

static const struct cell *find_cell(const struct fleet *fleet, const char *policy,
                                    uint32_t deployments, double read)
{
    for (uint32_t i = 0; i < fleet->cell_count; i++) {
        const struct cell *cell = &fleet->cells[i];
        bool price = cell->read_multiplier < 0 || fabs(cell->read_multiplier - read) < 1e-12;
        if (wp_view_is(wp_view_of(policy), cell->name) && price &&
            (cell->deployments == 0 || cell->deployments == deployments))
            return cell;
    }
    return NULL;
}

static double total_cost(const struct fleet *fleet, const struct cell *cell, double read)
{
    double sum = 0;
    for (uint32_t i = 0; i < fleet->trace->conversation_count; i++)
        sum += cost_of(cell, i, read);
    return sum;
}

// Rows.

static double quantile_us(const struct wp_replay_result *sum, double share)
{
    uint64_t count = 0, seen = 0;
    for (uint32_t i = 0; i < WP_REPLAY_TIME_BUCKETS; i++)
        count += sum->plan_times[i];
    if (count == 0)
        return -1;
    for (uint32_t i = 0; i < WP_REPLAY_TIME_BUCKETS; i++) {
        seen += sum->plan_times[i];
        if ((double)seen >= share * (double)count)
            return wp_replay_time_of(i);
    }
    return -1;
}

static void fill_counts(const struct fleet *fleet, const struct cell *cell,
                        struct wp_fleet_row *row)
{
    const struct wp_replay_result *sum = &cell->sum;
    double seeds = fleet->options->seeds;
    row->over_limit = sum->requests > 0 ? (double)sum->over_limit / (double)sum->requests : 0;
    row->load_max_over_mean = cell->load_ratio / seeds;
    row->moves_in_tool_loop = (double)sum->moves_in_tool_loop / seeds;
    row->moves = (double)sum->moves / seeds;
    row->planner_us_p50 = quantile_us(sum, 0.5);
    row->planner_us_p99 = quantile_us(sum, 0.99);
    row->rejected = (double)sum->rejected / seeds;
    row->failed = (double)sum->failed / seeds;
    row->waits = (double)sum->waits / seeds;
    row->wait_s = sum->waits > 0 ? sum->wait_s / (double)sum->waits : 0;
    row->renewals = (double)sum->renewals / seeds;
    row->predicted_over_real = sum->read_real > 0 && sum->read_predicted > 0
                                   ? (double)sum->read_predicted / (double)sum->read_real
                                   : -1;
    double fanouts = 0;
    for (uint32_t i = 0; i < fleet->trace->conversation_count; i++)
        fanouts += fleet->trace->conversations[i].number >= 1000000 ? 1 : 0;
    row->fanout_head_writes = fanouts > 0 ? (double)sum->fanout_head_writes / seeds / fanouts : -1;
}

static void fill_shares(const struct fleet *fleet, const struct cell *cell,
                        struct wp_fleet_row *row)
{
    struct wp_replay_bill sum = {0};
    double read = row->read_multiplier, price_read;
    for (uint32_t i = 0; i < fleet->trace->conversation_count; i++)
        add_bill(&sum, &cell->bills[i]);
    row->uncached_share = sum.uncached / sum.tokens;
    row->write_5m_share = 1.25 * sum.write_5m / sum.tokens;
    row->write_1h_share = 2 * sum.write_1h / sum.tokens;
    row->read_share = read * sum.read / sum.tokens;
    row->renew_share = (1.25 * sum.renew_write + read * sum.renew_read) / sum.tokens;
    price_read = sum.read + sum.write_5m + sum.write_1h + sum.uncached;
    row->hit_rate = price_read > 0 ? sum.read / price_read : 0;
}

static bool keeps_warm(const char *policy)
{
    return wp_view_is(wp_view_of(policy), "warmpath-keep-warm") ||
           wp_view_is(wp_view_of(policy), "warmpath-auto-ttl");
}

static void compare(const struct fleet *fleet, const struct cell *cell, const struct cell *with,
                    double read, double *scratch, struct interval *out)
{
    uint32_t count = fleet->trace->conversation_count;
    *out = (struct interval){0};
    if (with == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        scratch[i] = cost_of(cell, i, read);
        scratch[count + i] = cost_of(with, i, read);
    }
    ratio(scratch, scratch + count, count, out);
}

static void fill_comparisons(const struct fleet *fleet, const struct cell *cell,
                             struct wp_fleet_row *row, double *scratch)
{
    double read = row->read_multiplier;
    uint32_t count = fleet->trace->conversation_count;
    const struct cell *floor = find_cell(fleet, "infinite-5m", row->deployments, read);
    const struct cell *sticky = find_cell(fleet, "sticky-10m", row->deployments, read);
    const struct cell *seer = find_cell(fleet, "clairvoyant", row->deployments, read);
    const struct cell *plain = find_cell(fleet, "warmpath", row->deployments, read);
    struct interval share, to_floor, to_sticky;
    for (uint32_t i = 0; i < count; i++) {
        scratch[i] = cost_of(cell, i, read);
        scratch[count + i] = cell->bills[i].tokens;
    }
    ratio(scratch, scratch + count, count, &share);
    row->cost_share = share.mean;
    row->cost_share_low = share.low;
    row->cost_share_high = share.high;
    compare(fleet, cell, floor, read, scratch, &to_floor);
    row->to_floor = to_floor.mean;
    row->to_floor_low = to_floor.low;
    row->to_floor_high = to_floor.high;
    compare(fleet, cell, row->deployments > 0 ? sticky : NULL, read, scratch, &to_sticky);
    row->to_sticky = to_sticky.mean;
    row->to_sticky_low = to_sticky.low;
    row->to_sticky_high = to_sticky.high;
    row->clairvoyant_part = NAN;
    if (seer == NULL || floor == NULL || !keeps_warm(cell->name))
        return;
    const struct cell *without = plain != NULL ? plain : floor;
    row->clairvoyant_part = (total_cost(fleet, without, read) - total_cost(fleet, cell, read)) /
                            (total_cost(fleet, floor, read) - total_cost(fleet, seer, read));
}

// Of a family of cells the cheapest.
static const struct cell *best_cell(const struct fleet *fleet, const char *policy,
                                    uint32_t deployments, double read)
{
    const struct cell *best = NULL;
    for (uint32_t i = 0; i < fleet->cell_count; i++) {
        const struct cell *cell = &fleet->cells[i];
        bool price = cell->read_multiplier < 0 || fabs(cell->read_multiplier - read) < 1e-12;
        if (cell->name == policy && cell->deployments == deployments && price &&
            (best == NULL || total_cost(fleet, cell, read) < total_cost(fleet, best, read)))
            best = cell;
    }
    return best;
}

static bool add_row(const struct fleet *fleet, const char *policy, uint32_t deployments,
                    double read, double *scratch, struct wp_fleet_result *out)
{
    const struct cell *cell = best_cell(fleet, policy, deployments, read);
    WP_CHECK(cell != NULL); // each row's cells were planned before any ran
    if (out->row_count == out->row_capacity) {
        size_t capacity = out->row_capacity == 0 ? 64 : out->row_capacity * 2;
        struct wp_fleet_row *rows = wp_realloc(out->rows, capacity * sizeof(*rows));
        if (rows == NULL)
            return false;
        out->rows = rows;
        out->row_capacity = capacity;
    }
    struct wp_fleet_row *row = &out->rows[out->row_count++];
    *row = (struct wp_fleet_row){.policy = policy,
                                 .deployments = deployments,
                                 .read_multiplier = read,
                                 .renewals_each = cell->argument};
    fill_counts(fleet, cell, row);
    fill_shares(fleet, cell, row);
    fill_comparisons(fleet, cell, row, scratch);
    return true;
}

static bool add_rows(const struct fleet *fleet, struct wp_fleet_result *out)
{
    const struct wp_fleet_options *o = fleet->options;
    double *scratch = wp_alloc(2 * fleet->trace->conversation_count * sizeof(*scratch));
    bool done = scratch != NULL;
    for (size_t r = 0; r < o->read_multiplier_count; r++)
        for (size_t d = 0; d <= o->deployment_count; d++) // the last turn: bounds
            for (size_t p = 0; done && p < o->policy_count; p++)
                if (wp_replay_is_bound(o->policies[p]) == (d == o->deployment_count))
                    done = add_row(fleet, o->policies[p],
                                   d == o->deployment_count ? 0 : o->deployments[d],
                                   o->read_multipliers[r], scratch, out);
    wp_free(scratch);
    return done;
}

void wp_fleet_free(struct wp_fleet_result *result)
{
    wp_free(result->rows);
    result->rows = NULL;
    result->row_count = result->row_capacity = 0;
}

bool wp_fleet_run(const struct wp_replay_trace *trace, const struct wp_fleet_options *options,
                  struct wp_fleet_result *out)
{
    struct fleet fleet = {.trace = trace, .options = options};
    *out = (struct wp_fleet_result){0};
    bool done = pthread_mutex_init(&fleet.lock, NULL) == 0;
    for (size_t i = 0; done && i < options->policy_count; i++)
        done = add_cells(&fleet, options->policies[i]);
    if (done) {
        run_all(&fleet);
        done = !fleet.failed && add_rows(&fleet, out);
        pthread_mutex_destroy(&fleet.lock);
    }
    for (uint32_t i = 0; i < fleet.cell_count; i++)
        wp_free(fleet.cells[i].bills);
    wp_free(fleet.cells);
    if (!done)
        wp_fleet_free(out);
    return done;
}
