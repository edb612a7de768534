// `warmpath simulate`: real traces through this router and through what others do.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "sim/replay_fleet.h"

enum { FILES_MAX = 16, TEXT_MAX = 64 << 20, SEEDS_DEFAULT = 3, FANOUT_TOKENS = 15000 };

static struct {
    const char *deployments, *itpm, *read_multipliers, *arrivals, *policies, *prices, *fanout;
    const char *fail, *ttl_factor, *evict, *restart, *half, *html;
    uint32_t seeds, lookback, hidden, threads, content_tokens, conversations;
    bool json, quiet, hit_only;
} args = {
    .deployments = "4,8,16",
    .itpm = "0",
    .read_multipliers = "0.1",
    .arrivals = "uniform:12h",
    .policies = "all",
    .prices = "",
    .ttl_factor = "1",
    .evict = "0",
    .restart = "0",
    .half = "",
    .seeds = SEEDS_DEFAULT,
    .lookback = 20,
    .hidden = 1,
};

static const struct wp_option OPTIONS[] = {
    {"--deployments", "-n", "N,N", WP_OPTION_TEXT, &args.deployments, 0, 0,
     "how many deployments, each with a cache of its own (4,8,16)"},
    {"--itpm", NULL, "T", WP_OPTION_TEXT, &args.itpm, 0, 0,
     "each deployment's limit: input tokens per minute that are not read from its cache; 160k; 0: "
     "none (0)"},
    {"--read-multiplier", "-r", "R,R", WP_OPTION_TEXT, &args.read_multipliers, 0, 0,
     "price of a token read, relative to an input token (0.1)"},
    {"--seeds", "-s", "K", WP_OPTION_NUMBER, &args.seeds, 1, 1000,
     "paired runs with different starts of the conversations (3)"},
    {"--arrivals", NULL, "HOW:SPAN", WP_OPTION_TEXT, &args.arrivals, 0, 0,
     "uniform:12h, poisson:12h, bursts:12h (eight at once), or together (uniform:12h)"},
    {"--policies", "-p", "a,b", WP_OPTION_TEXT, &args.policies, 0, 0,
     "which policies and bounds; all (all)"},
    {"--half", NULL, "a|b", WP_OPTION_TEXT, &args.half, 0, 0,
     "every other conversation only: a to tune on, b to report on"},
    {"--conversations", NULL, "N", WP_OPTION_NUMBER, &args.conversations, 1, 10000000,
     "only so many conversations of the files"},
    {"--prices", NULL, "P,P", WP_OPTION_TEXT, &args.prices, 0, 0,
     "each deployment's price relative to the others, 1,1.1; the rest costs 1"},
    {"--fanout", NULL, "K[:COUNT]", WP_OPTION_TEXT, &args.fanout, 0, 0,
     "lay COUNT (50) fan-outs over the trace: K subagents at once that share 98 % of their first "
     "request"},
    {"--fail", NULL, "D@FROM-TO,...", WP_OPTION_TEXT, &args.fail, 0, 0,
     "deployment D (from 1) answers 503 in that time: 2@1h-90m"},
    {"--ttl-factor", NULL, "F", WP_OPTION_TEXT, &args.ttl_factor, 0, 0,
     "wrong model: entries live F times as long as believed (1)"},
    {"--lookback", NULL, "N", WP_OPTION_NUMBER, &args.lookback, 1, 1000,
     "wrong model: positions that the provider really looks back (20)"},
    {"--hidden", NULL, "N", WP_OPTION_NUMBER, &args.hidden, 1, 16,
     "wrong model: each deployment is N caches, one of them at random per request (1)"},
    {"--evict", NULL, "P", WP_OPTION_TEXT, &args.evict, 0, 0,
     "wrong model: odds that an entry is gone when it would be read (0)"},
    {"--hit-only", NULL, NULL, WP_OPTION_FLAG, &args.hit_only, 0, 0,
     "wrong model: a read renews the entry that it hits, not those on its path"},
    {"--restart", NULL, "EVERY", WP_OPTION_TEXT, &args.restart, 0, 0,
     "the gateway starts anew, with nothing known, every so often: 2h"},
    {"--content-block-tokens", NULL, "N", WP_OPTION_NUMBER, &args.content_tokens, 1, 10000000,
     "largest content block assumed where a trace does not tell their ends (4096)"},
    {"--threads", "-j", "N", WP_OPTION_NUMBER, &args.threads, 1, 64, "one per processor"},
    {"--json", NULL, NULL, WP_OPTION_FLAG, &args.json, 0, 0, "JSON instead of a table"},
    {"--html", NULL, "FILE", WP_OPTION_TEXT, &args.html, 0, 0, "also write a page with plots"},
    {"--quiet", "-q", NULL, WP_OPTION_FLAG, &args.quiet, 0, 0, "no progress on standard error"},
};

static int usage(const char *option, const char *what)
{
    fprintf(stderr, "warmpath simulate: %s: %s\n", option, what);
    return 2;
}

// Numbers with a suffix.

static bool scaled(wp_view text, const char *units, const double *factors, double *out)
{
    double factor = 1;
    text = wp_view_trim(text);
    for (size_t i = 0; units[i] != '\0' && text.len > 1; i++)
        if (text.ptr[text.len - 1] == units[i]) {
            factor = factors[i];
            text = wp_view_sub(text, 0, text.len - 1);
            break;
        }
    if (!wp_view_parse_double(text, out) || *out < 0)
        return false;
    *out *= factor;
    return true;
}

static bool duration(wp_view text, double *out)
{
    static const double factors[] = {86400, 3600, 60, 1};
    return scaled(text, "dhms", factors, out);
}

static bool tokens(wp_view text, double *out)
{
    static const double factors[] = {1e3, 1e6};
    return scaled(text, "kM", factors, out);
}

// Options.

static bool read_deployments(struct wp_fleet_options *o)
{
    wp_view list = wp_view_of(args.deployments), item;
    uint64_t number;
    while (wp_view_next_token(&list, ',', &item)) {
        if (!wp_view_parse_u64(wp_view_trim(item), &number) || number == 0 ||
            number > WP_REPLAY_DEPLOYMENTS_MAX || o->deployment_count == WP_FLEET_LIST_MAX)
            return false;
        o->deployments[o->deployment_count++] = (uint32_t)number;
    }
    return o->deployment_count > 0;
}

static bool read_multipliers(struct wp_fleet_options *o)
{
    wp_view list = wp_view_of(args.read_multipliers), item;
    while (wp_view_next_token(&list, ',', &item)) {
        if (o->read_multiplier_count == WP_FLEET_LIST_MAX ||
            !wp_view_parse_double(wp_view_trim(item),
                                  &o->read_multipliers[o->read_multiplier_count]) ||
            o->read_multipliers[o->read_multiplier_count] < 0 ||
            o->read_multipliers[o->read_multiplier_count] > 1.25)
            return false;
        o->read_multiplier_count++;
    }
    return o->read_multiplier_count > 0;
}

static bool read_prices(struct wp_fleet_options *o)
{
    wp_view list = wp_view_of(args.prices), item;
    size_t count = 0;
    while (list.len > 0 && wp_view_next_token(&list, ',', &item)) {
        if (count == WP_REPLAY_DEPLOYMENTS_MAX ||
            !wp_view_parse_double(wp_view_trim(item), &o->replay.price[count]) ||
            o->replay.price[count] <= 0)
            return false;
        count++;
    }
    return true;
}

static int read_policies(struct wp_fleet_options *o)
{
    wp_view list = wp_view_of(args.policies), item;
    bool all = wp_view_is(list, "all");
    for (size_t i = 0; all && wp_replay_policies[i] != NULL; i++)
        o->policies[o->policy_count++] = wp_replay_policies[i];
    while (!all && wp_view_next_token(&list, ',', &item)) {
        const char *found = NULL;
        item = wp_view_trim(item);
        for (size_t i = 0; wp_replay_policies[i] != NULL; i++)
            if (wp_view_is(item, wp_replay_policies[i]))
                found = wp_replay_policies[i];
        if (found == NULL) {
            fprintf(stderr,
                    "warmpath simulate: there is no policy %.*s; there are:", WP_VIEW_ARG(item));
            for (size_t i = 0; wp_replay_policies[i] != NULL; i++)
                fprintf(stderr, " %s", wp_replay_policies[i]);
            fputc('\n', stderr);
            return 2;
        }
        bool again = false;
        for (size_t i = 0; i < o->policy_count; i++)
            again = again || o->policies[i] == found;
        if (!again)
            o->policies[o->policy_count++] = found;
    }
    return o->policy_count > 0 ? -1 : usage("--policies", "names at least one");
}

static bool read_arrivals(struct wp_replay_options *o)
{
    static const char *const names[] = {"uniform", "poisson", "bursts", "together"};
    wp_view rest = wp_view_of(args.arrivals), how;
    wp_view_next_token(&rest, ':', &how);
    o->span_s = 12 * 3600;
    if (rest.ptr != NULL && (!duration(rest, &o->span_s) || o->span_s <= 0))
        return false;
    for (size_t i = 0; i < WP_COUNT_OF(names); i++)
        if (wp_view_is(how, names[i])) {
            o->arrivals = (enum wp_replay_arrivals)i;
            return true;
        }
    return false;
}

static bool read_failures(struct wp_replay_options *o)
{
    wp_view list = wp_view_of(args.fail), item, part;
    while (list.len > 0 && wp_view_next_token(&list, ',', &item)) {
        struct wp_replay_failure *f = &o->failures[o->failure_count];
        uint64_t number;
        if (o->failure_count == WP_REPLAY_FAILURES_MAX || !wp_view_next_token(&item, '@', &part) ||
            !wp_view_parse_u64(part, &number) || number == 0 || number > WP_REPLAY_DEPLOYMENTS_MAX)
            return false;
        f->deployment = (uint32_t)number - 1;
        if (!wp_view_next_token(&item, '-', &part) || !duration(part, &f->from_s) ||
            !duration(item, &f->to_s) || f->to_s <= f->from_s)
            return false;
        o->failure_count++;
    }
    return true;
}

static bool read_fanout(struct wp_replay_load_options *o)
{
    wp_view rest = wp_view_of(args.fanout), head;
    uint64_t siblings, count = 50;
    if (rest.len == 0)
        return true;
    wp_view_next_token(&rest, ':', &head);
    if (!wp_view_parse_u64(head, &siblings) || siblings == 0 || siblings > 200 ||
        (rest.ptr != NULL && (!wp_view_parse_u64(rest, &count) || count == 0 || count > 10000)))
        return false;
    o->fanout_siblings = (uint32_t)siblings;
    o->fanouts = (uint32_t)count;
    o->fanout_tokens = FANOUT_TOKENS;
    return true;
}

static int read_truth(struct wp_replay_truth *truth)
{
    *truth = (struct wp_replay_truth){
        .lookback = args.lookback, .hidden = args.hidden, .min_tokens = 1024};
    if (!wp_view_parse_double(wp_view_of(args.ttl_factor), &truth->ttl_factor) ||
        truth->ttl_factor <= 0)
        return usage("--ttl-factor", "a number above 0");
    if (!wp_view_parse_double(wp_view_of(args.evict), &truth->eviction) || truth->eviction < 0 ||
        truth->eviction > 1)
        return usage("--evict", "odds between 0 and 1");
    truth->hit_only = args.hit_only;
    if (!duration(wp_view_of(args.restart), &truth->restart_s))
        return usage("--restart", "a duration such as 2h");
    return -1;
}

static int read_options(struct wp_fleet_options *o, struct wp_replay_load_options *load)
{
    wp_view half = wp_view_of(args.half);
    *o = (struct wp_fleet_options){.seeds = args.seeds};
    *load = (struct wp_replay_load_options){.content_tokens = args.content_tokens,
                                            .max_conversations = args.conversations};
    if (!read_deployments(o))
        return usage("--deployments", "numbers from 1 to 64, separated by commas");
    if (!read_multipliers(o))
        return usage("--read-multiplier", "numbers from 0 to 1.25, separated by commas");
    if (!tokens(wp_view_of(args.itpm), &o->replay.itpm))
        return usage("--itpm", "tokens per minute, such as 160k");
    if (!read_prices(o))
        return usage("--prices", "numbers above 0, separated by commas");
    if (!read_arrivals(&o->replay))
        return usage("--arrivals", "uniform, poisson, bursts or together, with a span as in "
                                   "uniform:12h");
    if (!read_failures(&o->replay))
        return usage("--fail", "deployment and times, such as 2@1h-90m");
    if (!read_fanout(load))
        return usage("--fanout", "siblings (to 200), and how many fan-outs: 8:50");
    if (half.len > 0 && !wp_view_is(half, "a") && !wp_view_is(half, "b"))
        return usage("--half", "a or b");
    if (half.len > 0)
        load->half = wp_view_is(half, "a") ? WP_REPLAY_HALF_A : WP_REPLAY_HALF_B;
    int result = read_policies(o);
    return result >= 0 ? result : read_truth(&o->replay.truth);
}

// Output.

static bool write_file(const char *path, wp_view text)
{
    FILE *file = fopen(path, "wb");
    bool done = file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len;
    if (file != NULL && fclose(file) != 0)
        done = false;
    if (!done)
        fprintf(stderr, "warmpath simulate: %s cannot be written\n", path);
    return done;
}

static bool report(const struct wp_fleet_result *result, const struct wp_fleet_about *about)
{
    struct wp_buf out = wp_buf_make(TEXT_MAX);
    bool done = true;
    if (args.json)
        wp_fleet_json(result, about, &out);
    else
        wp_fleet_table(result, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    if (args.html != NULL) {
        wp_buf_clear(&out);
        wp_fleet_html(result, about, &out);
        done = write_file(args.html, wp_buf_view(&out));
    }
    done = done && wp_buf_ok(&out) && fflush(stdout) == 0;
    wp_buf_free(&out);
    return done;
}

static void join(int argc, char **argv, struct wp_buf *out)
{
    wp_buf_append_cstring(out, "warmpath");
    for (int i = 0; i < argc; i++) {
        wp_buf_append_char(out, ' ');
        wp_buf_append_cstring(out, argv[i]);
    }
    wp_buf_append_char(out, '\0');
}

static int simulate(const struct wp_fleet_options *options,
                    const struct wp_replay_load_options *load, const char *const *files,
                    size_t count, const char *command)
{
    char error[512];
    struct wp_fleet_result result;
    struct wp_replay_trace *trace = wp_replay_load(files, count, load, error, sizeof(error));
    if (trace == NULL) {
        fprintf(stderr, "warmpath simulate: %s\n", error);
        return 1;
    }
    if (options->progress != NULL && !args.json)
        printf("%u conversations, %u requests, %.1f M input tokens, %u seeds\n\n",
               trace->conversation_count, trace->request_count, (double)trace->tokens / 1e6,
               options->seeds);
    bool done = wp_fleet_run(trace, options, &result);
    if (done) {
        const struct wp_fleet_about about = {options, trace, command};
        done = report(&result, &about);
        wp_fleet_free(&result);
    } else {
        fputs("warmpath simulate: memory is short\n", stderr);
    }
    wp_replay_trace_free(trace);
    return done ? 0 : 1;
}

static int run(int argc, char **argv)
{
    int positional;
    struct wp_fleet_options options;
    struct wp_replay_load_options load;
    struct wp_buf command = wp_buf_make(1 << 16);
    join(argc, argv, &command);
    int result = wp_options_parse(&wp_command_simulate, OPTIONS, WP_COUNT_OF(OPTIONS), argc, argv,
                                  &positional, FILES_MAX);
    if (result < 0)
        result = read_options(&options, &load);
    if (result < 0 && positional == 0)
        result = usage("FILE", "which trace? A file, or several");
    if (result < 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        wp_log_init(WP_LOG_ERROR, false, STDERR_FILENO);
        options.threads = args.threads > 0 ? args.threads
                          : processors > 0 ? (uint32_t)processors
                                           : 1;
        options.progress = args.quiet ? NULL : stderr;
        result = simulate(&options, &load, (const char *const *)&argv[1], (size_t)positional,
                          command.ptr);
    }
    wp_buf_free(&command);
    return result;
}

const struct wp_command wp_command_simulate = {
    .name = "simulate",
    .arguments = "FILE...",
    .summary = "replay traces through this router and through what others do",
    .details =
        "  warmpath simulate trace.jsonl.zst\n"
        "  warmpath simulate --deployments 4,8 --itpm 160k --read-multiplier 0.1,0.05 --seeds 20 "
        "\\\n"
        "      --policies sticky-10m,warmpath,infinite-5m --html report.html trace.jsonl.zst\n"
        "  warmpath export --state-dir DIR > own.jsonl && warmpath simulate own.jsonl\n\n"
        "Draws when the conversations of the traces begin, lets simulated deployments serve their\n"
        "requests, and prints what the input costs as a share of its price without caching, with "
        "a\n"
        "95 % interval over conversations. Traces are JSON lines, plain or zstd\n"
        "(docs/cache-routing.md).\n\n"
        "policies: random round-robin least-busy litellm conversation-hash sticky-10m radix\n"
        "          prefix-scorer warmpath warmpath-keep-warm warmpath-auto-ttl\n"
        "bounds:   infinite-5m infinite-1h static-pings clairvoyant (one cache, no limits)",
    .run = run,
};
