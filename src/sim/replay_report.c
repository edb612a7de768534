// The comparison as a table and as JSON.
#include <math.h>

#include "sim/replay_fleet.h"
#include "json/writer.h"

static void cell(struct wp_buf *out, int places, double value, bool there)
{
    if (!there)
        wp_buf_printf(out, " %9s", "-");
    else
        wp_buf_printf(out, " %9.*f", places, value);
}

static void table_row(const struct wp_fleet_row *row, struct wp_buf *out)
{
    bool placed = row->deployments > 0;
    wp_buf_printf(out, "%-20s", row->policy);
    if (placed)
        wp_buf_printf(out, " %4u", row->deployments);
    else
        wp_buf_printf(out, " %4s", "-");
    wp_buf_printf(out, " %6.3f  %7.4f [%.4f, %.4f] %6.2f%%", row->read_multiplier, row->cost_share,
                  row->cost_share_low, row->cost_share_high, row->hit_rate * 100);
    cell(out, 4, row->to_floor, row->to_floor > 0);
    cell(out, 4, row->to_sticky, row->to_sticky > 0);
    cell(out, 2, row->over_limit * 100, placed);
    cell(out, 2, row->load_max_over_mean, placed);
    cell(out, 1, row->moves_in_tool_loop, placed);
    cell(out, 1, row->planner_us_p50, row->planner_us_p50 >= 0);
    cell(out, 1, row->planner_us_p99, row->planner_us_p99 >= 0);
    cell(out, 2, row->fanout_head_writes, row->fanout_head_writes >= 0);
    if (wp_view_is(wp_view_of(row->policy), "static-pings"))
        wp_buf_printf(out, "  %u renewals each", row->renewals_each);
    if (!isnan(row->clairvoyant_part))
        wp_buf_printf(out, "  %.0f%% of clairvoyant", row->clairvoyant_part * 100);
    wp_buf_append_char(out, '\n');
}

void wp_fleet_table(const struct wp_fleet_result *result, struct wp_buf *out)
{
    wp_buf_printf(out, "%-20s %4s %6s  %-24s %7s %9s %9s %9s %9s %9s %9s %9s %9s\n", "policy", "N",
                  "read", "cost share [95 %]", "hits", "/floor", "/sticky", "over lim%", "max/mean",
                  "loopmoves", "plan p50", "p99 us", "headwrite");
    double read = -1;
    for (size_t i = 0; i < result->row_count; i++) {
        if (read >= 0 && fabs(read - result->rows[i].read_multiplier) > 1e-12)
            wp_buf_append_char(out, '\n');
        read = result->rows[i].read_multiplier;
        table_row(&result->rows[i], out);
    }
}

static void number(struct wp_json_writer *w, const char *key, double value, bool there)
{
    if (there)
        wp_json_put_decimal(w, key, value, 6);
    else
        wp_json_put_null(w, key);
}

static void json_shares(struct wp_json_writer *w, const struct wp_fleet_row *row)
{
    wp_json_open_object(w, "cost_by_class");
    wp_json_put_decimal(w, "uncached", row->uncached_share, 6);
    wp_json_put_decimal(w, "write_5m", row->write_5m_share, 6);
    wp_json_put_decimal(w, "write_1h", row->write_1h_share, 6);
    wp_json_put_decimal(w, "read", row->read_share, 6);
    wp_json_put_decimal(w, "renewals", row->renew_share, 6);
    wp_json_close(w);
}

static void json_row(struct wp_json_writer *w, const struct wp_fleet_row *row)
{
    bool placed = row->deployments > 0;
    wp_json_open_object(w, NULL);
    wp_json_put_cstr(w, "policy", row->policy);
    if (placed)
        wp_json_put_u64(w, "deployments", row->deployments);
    else
        wp_json_put_null(w, "deployments");
    wp_json_put_decimal(w, "read_multiplier", row->read_multiplier, 6);
    wp_json_put_decimal(w, "cost_share", row->cost_share, 6);
    wp_json_put_decimal(w, "cost_share_low", row->cost_share_low, 6);
    wp_json_put_decimal(w, "cost_share_high", row->cost_share_high, 6);
    json_shares(w, row);
    wp_json_put_decimal(w, "hit_rate", row->hit_rate, 6);
    number(w, "over_limit", row->over_limit, placed);
    number(w, "load_max_over_mean", row->load_max_over_mean, placed);
    number(w, "moves_in_tool_loop", row->moves_in_tool_loop, placed);
    number(w, "moves", row->moves, placed);
    number(w, "planner_us_p50", row->planner_us_p50, row->planner_us_p50 >= 0);
    number(w, "planner_us_p99", row->planner_us_p99, row->planner_us_p99 >= 0);
    number(w, "cost_to_infinite_5m", row->to_floor, row->to_floor > 0);
    number(w, "cost_to_infinite_5m_low", row->to_floor_low, row->to_floor > 0);
    number(w, "cost_to_infinite_5m_high", row->to_floor_high, row->to_floor > 0);
    number(w, "cost_to_sticky", row->to_sticky, row->to_sticky > 0);
    number(w, "cost_to_sticky_low", row->to_sticky_low, row->to_sticky > 0);
    number(w, "cost_to_sticky_high", row->to_sticky_high, row->to_sticky > 0);
    number(w, "clairvoyant_part", row->clairvoyant_part, !isnan(row->clairvoyant_part));
    number(w, "refused_per_run", row->rejected, placed);
    number(w, "failed_per_run", row->failed, placed);
    number(w, "waits_per_run", row->waits, placed);
    number(w, "wait_s_mean", row->wait_s, row->waits > 0);
    wp_json_put_decimal(w, "renewals_per_run", row->renewals, 3);
    number(w, "fanout_head_writes", row->fanout_head_writes, row->fanout_head_writes >= 0);
    number(w, "read_predicted_over_real", row->predicted_over_real, row->predicted_over_real >= 0);
    if (wp_view_is(wp_view_of(row->policy), "static-pings"))
        wp_json_put_u64(w, "renewals_each", row->renewals_each);
    wp_json_close(w);
}

void wp_fleet_json(const struct wp_fleet_result *result, const struct wp_fleet_about *about,
                   struct wp_buf *out)
{
    struct wp_json_writer w = wp_json_writer(out);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "command", about->command);
    wp_json_put_u64(&w, "conversations", about->trace->conversation_count);
    wp_json_put_u64(&w, "requests", about->trace->request_count);
    wp_json_put_u64(&w, "input_tokens", about->trace->tokens);
    wp_json_put_u64(&w, "seeds", about->options->seeds);
    wp_json_put_decimal(&w, "itpm", about->options->replay.itpm, 3);
    wp_json_open_array(&w, "rows");
    for (size_t i = 0; i < result->row_count; i++)
        json_row(&w, &result->rows[i]);
    wp_json_close(&w);
    wp_json_close(&w);
    wp_buf_append_char(out, '\n');
}
