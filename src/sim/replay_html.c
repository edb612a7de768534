// The comparison as one page that needs nothing else: SVG drawn here, styles inline, light and
// dark.
#include <math.h>

#include "sim/replay_fleet.h"
#include "json/writer.h"

enum { BAR_HEIGHT = 22, LABEL_WIDTH = 250, CHART_WIDTH = 560, VALUE_WIDTH = 230 };

static const char HEAD[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width\"><title>Warmpath: cache routing on traces</title><style>"
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#5c6673;--line:#d8dde4;--page:#fff;--read:#3b9c7a;--write:#d98c2b;"
    "--hour:#a05fb4;--fresh:#c9504a;--renew:#4a7fc9;--own:#e9f4ef}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#9aa4b1;--line:#39424e;"
    "--page:#14181d;--own:#1d2f28}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:"
    "1100px;margin:2rem auto;padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:"
    "2.5rem}p,figcaption{color:var(--soft)}code{font-size:.85em;overflow-wrap:anywhere}"
    "figure{margin:1rem 0;overflow-x:auto}svg text{fill:var(--ink);font:13px system-ui,sans-serif}"
    "svg .soft{fill:var(--soft)}table{border-collapse:collapse;font-size:13px;"
    "font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;text-align:right;border-bottom:"
    "1px solid var(--line);white-space:nowrap}td:first-child,th:first-child{text-align:left}"
    "th{color:var(--soft);font-weight:600}tr.own td{background:var(--own)}"
    ".key{display:flex;flex-wrap:wrap;gap:1rem;color:var(--soft);font-size:13px}.key "
    "i{display:inline-block;width:.9em;height:.9em;margin-right:.4em;vertical-align:-.1em}"
    ".wide{overflow-x:auto}</style>";

static void escape(struct wp_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            wp_buf_append_cstring(out, "&lt;");
        else if (*text == '&')
            wp_buf_append_cstring(out, "&amp;");
        else
            wp_buf_append_char(out, *text);
    }
}

static bool same(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static bool own(const struct wp_fleet_row *row)
{
    return wp_view_starts_with(wp_view_of(row->policy), WP_VIEW("warmpath"));
}

// Cost by class, one bar per policy.

static void rect(struct wp_buf *out, double x, double y, double width, const char *colour)
{
    if (width > 0)
        wp_buf_printf(out,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" "
                      "fill=\"var(--%s)\"/>",
                      x, y, width, BAR_HEIGHT - 7, colour);
}

static void bar(struct wp_buf *out, const struct wp_fleet_row *row, double y, double scale)
{
    double x = LABEL_WIDTH, at = y + 3;
    const struct {
        double share;
        const char *colour;
    } parts[] = {{row->read_share, "read"},
                 {row->write_5m_share, "write"},
                 {row->write_1h_share, "hour"},
                 {row->renew_share, "renew"},
                 {row->uncached_share, "fresh"}};
    wp_buf_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\"%s>%s</text>", LABEL_WIDTH - 8,
                  y + BAR_HEIGHT - 8, own(row) ? " style=\"font-weight:700\"" : "", row->policy);
    for (size_t i = 0; i < WP_COUNT_OF(parts); i++) {
        rect(out, x, at, parts[i].share * scale, parts[i].colour);
        x += parts[i].share * scale;
    }
    double low = LABEL_WIDTH + row->cost_share_low * scale;
    double high = LABEL_WIDTH + row->cost_share_high * scale;
    wp_buf_printf(out,
                  "<path d=\"M%.1f %.1fH%.1f\" stroke=\"var(--ink)\" stroke-width=\"2\"/>"
                  "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\">%.4f",
                  low, y + BAR_HEIGHT / 2.0 - 0.5, high, high + 8, y + BAR_HEIGHT - 8,
                  row->cost_share);
    if (row->to_sticky > 0)
        wp_buf_printf(out, " · %+.1f %% to sticky", (row->to_sticky - 1) * 100);
    wp_buf_append_cstring(out, "</text>");
}

static bool belongs(const struct wp_fleet_row *row, uint32_t deployments, double read)
{
    return same(row->read_multiplier, read) &&
           (row->deployments == deployments || row->deployments == 0);
}

static void cost_chart(struct wp_buf *out, const struct wp_fleet_result *result,
                       uint32_t deployments, double read)
{
    double most = 0, y = 0;
    uint32_t count = 0;
    for (size_t i = 0; i < result->row_count; i++)
        if (belongs(&result->rows[i], deployments, read)) {
            count++;
            most = fmax(most, result->rows[i].cost_share_high);
        }
    if (count == 0 || most <= 0)
        return;
    wp_buf_printf(out,
                  "<figure><figcaption>%u deployments, reads at %g of an input token's "
                  "price</figcaption><svg width=\"%d\" height=\"%u\" role=\"img\">",
                  deployments, read, LABEL_WIDTH + CHART_WIDTH + VALUE_WIDTH,
                  count * BAR_HEIGHT + 4);
    for (size_t i = 0; i < result->row_count; i++)
        if (belongs(&result->rows[i], deployments, read)) {
            bar(out, &result->rows[i], y, CHART_WIDTH / most);
            y += BAR_HEIGHT;
        }
    wp_buf_append_cstring(out, "</svg></figure>");
}

// Cost over the floor against load: one point per policy and number of deployments.

static const double FLOOR_MOST = 1.3, LOAD_MOST = 2.2;
enum { PLOT_LEFT = 60, PLOT_TOP = 12, PLOT_WIDTH = 760, PLOT_HEIGHT = 300 };

static double plot_x(double load)
{
    double share = (fmin(load, LOAD_MOST) - 1) / (LOAD_MOST - 1);
    return PLOT_LEFT + share * PLOT_WIDTH;
}

static double plot_y(double ratio, double least)
{
    double share = (fmin(ratio, FLOOR_MOST) - least) / (FLOOR_MOST - least);
    return PLOT_TOP + PLOT_HEIGHT * (1 - share);
}

static void axes(struct wp_buf *out, double least)
{
    for (int fifths = 5; fifths <= (int)lround(LOAD_MOST * 5); fifths++) {
        double load = fifths / 5.0;
        wp_buf_printf(out,
                      "<path d=\"M%.1f %dV%d\" stroke=\"var(--line)\"/><text class=\"soft\" "
                      "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.1f</text>",
                      plot_x(load), PLOT_TOP, PLOT_TOP + PLOT_HEIGHT, plot_x(load),
                      PLOT_TOP + PLOT_HEIGHT + 18, load);
    }
    for (int twentieths = (int)ceil(least * 20); twentieths <= (int)lround(FLOOR_MOST * 20);
         twentieths++) {
        double ratio = twentieths / 20.0;
        wp_buf_printf(out,
                      "<path d=\"M%d %.1fH%d\" stroke=\"var(--line)\"/><text class=\"soft\" "
                      "x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>",
                      PLOT_LEFT, plot_y(ratio, least), PLOT_LEFT + PLOT_WIDTH, PLOT_LEFT - 8,
                      plot_y(ratio, least) + 4, ratio);
    }
    wp_buf_printf(out,
                  "<text class=\"soft\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">load of the "
                  "busiest deployment over the mean</text>",
                  PLOT_LEFT + PLOT_WIDTH / 2, PLOT_TOP + PLOT_HEIGHT + 38);
}

static const char *colour_of(const struct wp_fleet_row *row)
{
    if (!own(row))
        return "soft";
    return wp_view_is(wp_view_of(row->policy), "warmpath") ? "read" : "renew";
}

static void point(struct wp_buf *out, const struct wp_fleet_row *row, double least)
{
    double x = plot_x(row->load_max_over_mean), y = plot_y(row->to_floor, least);
    bool beyond = row->to_floor > FLOOR_MOST || row->load_max_over_mean > LOAD_MOST;
    wp_buf_printf(out,
                  "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s%s%s\" "
                  "stroke=\"var(--%s)\" stroke-width=\"2\"><title>%s, %u deployments: %.4f of "
                  "the floor, load %.2f</title></circle>",
                  x, y, beyond ? "none" : "var(--", beyond ? "" : colour_of(row), beyond ? "" : ")",
                  colour_of(row), row->policy, row->deployments, row->to_floor,
                  row->load_max_over_mean);
    if (own(row))
        wp_buf_printf(out,
                      "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" "
                      "text-anchor=\"middle\">%u</text>",
                      x, y + 20, row->deployments);
}

static void balance_plot(struct wp_buf *out, const struct wp_fleet_result *result, double read)
{
    double least = 1;
    uint32_t count = 0;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct wp_fleet_row *row = &result->rows[i];
        if (!same(row->read_multiplier, read) || row->deployments == 0 || row->to_floor <= 0)
            continue;
        count++;
        least = fmin(least, row->to_floor);
    }
    if (count == 0)
        return;
    least = floor(least * 20) / 20;
    wp_buf_printf(out,
                  "<figure><figcaption>Reads at %g. Left and low is better. Green: warmpath, "
                  "blue: with renewals, each with its number of deployments; grey: other "
                  "policies, named on hover; a hollow point lies beyond the edge.</figcaption><svg "
                  "width=\"%d\" height=\"%d\" role=\"img\">",
                  read, PLOT_LEFT + PLOT_WIDTH + 180, PLOT_TOP + PLOT_HEIGHT + 48);
    axes(out, least);
    for (int pass = 0; pass < 2; pass++) // ours on top
        for (size_t i = 0; i < result->row_count; i++) {
            const struct wp_fleet_row *row = &result->rows[i];
            if (same(row->read_multiplier, read) && row->deployments > 0 && row->to_floor > 0 &&
                own(row) == (pass == 1))
                point(out, row, least);
        }
    wp_buf_append_cstring(out, "</svg></figure>");
}

// The table.

static void figure(struct wp_buf *out, double value, int places, bool there)
{
    if (there)
        wp_buf_printf(out, "<td>%.*f</td>", places, value);
    else
        wp_buf_append_cstring(out, "<td>–</td>");
}

static void table_row(struct wp_buf *out, const struct wp_fleet_row *row)
{
    bool placed = row->deployments > 0;
    wp_buf_printf(out, "<tr%s><td>%s</td>", own(row) ? " class=\"own\"" : "", row->policy);
    figure(out, row->deployments, 0, placed);
    figure(out, row->read_multiplier, 3, true);
    wp_buf_printf(out, "<td>%.4f [%.4f, %.4f]</td>", row->cost_share, row->cost_share_low,
                  row->cost_share_high);
    figure(out, row->to_floor, 4, row->to_floor > 0);
    figure(out, row->to_sticky, 4, row->to_sticky > 0);
    figure(out, row->hit_rate * 100, 2, true);
    figure(out, row->over_limit * 100, 2, placed);
    figure(out, row->load_max_over_mean, 2, placed);
    figure(out, row->moves_in_tool_loop, 1, placed);
    figure(out, row->renewals, 0, row->renewals > 0);
    figure(out, row->planner_us_p50, 1, row->planner_us_p50 >= 0);
    figure(out, row->planner_us_p99, 1, row->planner_us_p99 >= 0);
    wp_buf_append_cstring(out, "</tr>");
}

static void table(struct wp_buf *out, const struct wp_fleet_result *result)
{
    wp_buf_append_cstring(
        out, "<h2>All rows</h2><div "
             "class=\"wide\"><table><thead><tr><th>policy</th><th>deployments</th><th>read</th>"
             "<th>cost share [95 %]</th><th>of floor</th><th>of sticky</th><th>hits %</th><th>over "
             "limit %</th><th>max/mean</th><th>moves in loops</th><th>renewals</th><th>plan µs "
             "p50</th><th>p99</th></tr></thead><tbody>");
    for (size_t i = 0; i < result->row_count; i++)
        table_row(out, &result->rows[i]);
    wp_buf_append_cstring(out, "</tbody></table></div>");
}

static void intro(struct wp_buf *out, const struct wp_fleet_about *about)
{
    wp_buf_append_cstring(out, "<h1>Cache routing on traces</h1><p><code>");
    escape(out, about->command);
    wp_buf_printf(out,
                  "</code></p><p>%u conversations, %u requests, %.0f million input tokens; %u "
                  "paired seeds. Cost is the input's share of its price without caching; black "
                  "lines are 95 %% intervals over conversations. The floor is one cache for "
                  "everybody, with entries of five minutes.</p>",
                  about->trace->conversation_count, about->trace->request_count,
                  (double)about->trace->tokens / 1e6, about->options->seeds);
    wp_buf_append_cstring(
        out, "<p class=\"key\"><span><i style=\"background:var(--read)\"></i>read</span><span><i "
             "style=\"background:var(--write)\"></i>written for 5 min</span><span><i "
             "style=\"background:var(--hour)\"></i>written for 1 h</span><span><i "
             "style=\"background:var(--renew)\"></i>renewals</span><span><i "
             "style=\"background:var(--fresh)\"></i>uncached</span></p>");
}

void wp_fleet_html(const struct wp_fleet_result *result, const struct wp_fleet_about *about,
                   struct wp_buf *out)
{
    const struct wp_fleet_options *o = about->options;
    wp_buf_append_cstring(out, HEAD);
    intro(out, about);
    wp_buf_append_cstring(out, "<h2>Cost by price class</h2>");
    for (size_t r = 0; r < o->read_multiplier_count; r++)
        for (size_t d = 0; d < o->deployment_count; d++)
            cost_chart(out, result, o->deployments[d], o->read_multipliers[r]);
    wp_buf_append_cstring(out, "<h2>Cost against balance</h2>");
    for (size_t r = 0; r < o->read_multiplier_count; r++)
        balance_plot(out, result, o->read_multipliers[r]);
    table(out, result);
    wp_buf_append_cstring(out, "</html>\n");
}
