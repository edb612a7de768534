// Replays: the trace reader, the caches behind the deployments on traces small enough to compute by
// hand, policies, bounds, and what a whole comparison says about a made-up trace.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "sim/replay_fleet.h"

#define HEADER "{\"format\":\"prompt-trace\",\"version\":1,\"block_tokens\":64}\n"
#define CONVERSATION(n, group)                                            \
    "{\"conversation\":" #n ",\"group\":" #group ",\"tool_tokens\":1920," \
    "\"system_tokens\":1280}\n"

// Tools 30 blocks, system 20, then 50 of its own; 20 more a minute later; 10 more 340 s after that.
static const char ONE[] = HEADER CONVERSATION(
    1, 1) "{\"c\":1,\"a\":0,\"t\":0,\"m\":\"m\",\"in\":6400,\"out\":10,\"api\":5,\"ttft\":2,"
          "\"stop\":\"tool_use\",\"kinds\":[\"text\"],\"keep\":0,\"add\":[[1,50],[1000,50]]}\n"
          "{\"c\":1,\"a\":0,\"t\":60,\"m\":\"m\",\"in\":7710,\"out\":10,\"api\":5,\"ttft\":2,"
          "\"stop\":\"end_turn\",\"kinds\":[\"tool_result\"],\"keep\":100,\"add\":[[2000,20]]}\n"
          "{\"c\":1,\"a\":0,\"t\":400,\"m\":\"m\",\"in\":8320,\"out\":10,\"api\":5,\"ttft\":2,"
          "\"stop\":\"end_turn\",\"kinds\":[\"text\"],\"keep\":120,\"add\":[[3000,10]]}\n";

static struct wp_replay_trace *load(const char *text, const struct wp_replay_load_options *options)
{
    char error[256];
    static const struct wp_replay_load_options none;
    struct wp_replay_trace *trace = wp_replay_load_text(
        wp_view_of(text), options == NULL ? &none : options, error, sizeof(error));
    if (trace == NULL)
        print_error("%s\n", error);
    assert_non_null(trace);
    return trace;
}

static struct wp_replay_options options_of(uint32_t deployments)
{
    return (struct wp_replay_options){
        .deployments = deployments,
        .read_multiplier = 0.1,
        .span_s = 3600,
        .seed = 1,
        .truth = {.ttl_factor = 1, .lookback = 20, .hidden = 1, .min_tokens = 1024},
    };
}

static struct wp_replay_bill bills[64];

#define assert_near(a, b, apart) assert_true(near(a, b, apart))

static bool near(double a, double b, double apart)
{
    return a - b <= apart && b - a <= apart;
}

static struct wp_replay_result run(const struct wp_replay_trace *trace,
                                   const struct wp_replay_options *options, const char *policy)
{
    struct wp_replay_result result = {.bills = bills};
    assert_true(trace->conversation_count <= WP_COUNT_OF(bills));
    for (size_t i = 0; i < WP_COUNT_OF(bills); i++)
        bills[i] = (struct wp_replay_bill){0};
    assert_true(wp_replay_run(trace, options, policy, &result));
    return result;
}

static void assert_bill(double read, double written, double uncached)
{
    double got_read = 0, got_written = 0, got_uncached = 0;
    for (size_t i = 0; i < WP_COUNT_OF(bills); i++) {
        got_read += bills[i].read;
        got_written += bills[i].write_5m + bills[i].write_1h;
        got_uncached += bills[i].uncached;
    }
    assert_near(got_read, read, 0.5);
    assert_near(got_written, written, 0.5);
    assert_near(got_uncached, uncached, 0.5);
}

// Reading.

static void prompts_become_paths(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(ONE, NULL);
    assert_int_equal(trace->request_count, 3);
    assert_int_equal(trace->tokens, 6400 + 7710 + 8320);
    const struct wp_replay_request *first = &trace->requests[0], *second = &trace->requests[1];
    assert_int_equal(first->mark_count, 3); // tools, system, end
    assert_int_equal(trace->nodes[first->marks[0]].tokens, 1920);
    assert_int_equal(trace->nodes[first->marks[1]].tokens, 3200);
    assert_int_equal(trace->nodes[first->end].tokens, 6400);
    assert_int_equal(first->prompt.system_end, 2);
    // The second goes on from the first, and its last 30 tokens fill no block.
    assert_int_equal(trace->nodes[second->end].parent, first->end);
    assert_int_equal(trace->nodes[second->end].tokens, 7680);
    assert_true(second->tool_loop);
    assert_false(first->tool_loop);
    assert_int_equal(first->following, 1);
    assert_int_equal(trace->requests[2].following, WP_REPLAY_NONE);
    assert_true(wp_hash128_eq(second->prompt.blocks[first->prompt.count - 1].prefix,
                              first->prompt.blocks[first->prompt.count - 1].prefix));
    wp_replay_trace_free(trace);
}

// Two conversations of one head meet in the tree; where the second differs, it leaves it.
static void equal_contents_are_one_prefix(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(
        HEADER CONVERSATION(
            1,
            1) "{\"c\":1,\"a\":0,\"t\":0,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
               "\"add\":[[1,50],[1000,50]]}\n" CONVERSATION(
                   2,
                   1) "{\"c\":2,\"a\":0,\"t\":0,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
                      "\"add\":[[1,20],[21,30],[5000,50]]}\n"
                      "{\"c\":2,\"a\":1,\"t\":1,\"m\":\"other\",\"in\":6400,\"out\":1,\"keep\":0,"
                      "\"add\":[[1,50],[5000,50]]}\n",
        NULL);
    assert_int_equal(trace->requests[0].marks[1], trace->requests[1].marks[1]);
    assert_int_not_equal(trace->requests[0].end, trace->requests[1].end);
    assert_true(trace->conversations[0].shares_head);
    // Another model has another cache.
    assert_int_not_equal(trace->requests[1].marks[1], trace->requests[2].marks[1]);
    assert_true(trace->requests[2].subagent);
    wp_replay_trace_free(trace);
}

static void bad_traces_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "holds no requests"},
        {"{\"format\":\"other\"}\n", "line 1: not a trace"},
        {"{\"format\":\"prompt-trace\",\"version\":9,\"block_tokens\":64}\n", "version"},
        {HEADER "nonsense\n", "line 2: not a JSON object"},
        {HEADER "{\"c\":1,\"t\":0,\"in\":64,\"keep\":0,\"add\":[[1,1]]}\n",
         "a request before its conversation"},
        {HEADER CONVERSATION(1, 1) "{\"c\":1,\"t\":0,\"in\":64,\"keep\":5,\"add\":[]}\n",
         "line 3: keep is longer"},
        {HEADER CONVERSATION(1, 1) "{\"c\":1,\"t\":0,\"in\":64,\"keep\":0,\"add\":[[1]]}\n",
         "a run is not"},
        {HEADER CONVERSATION(1, 1) "{\"c\":1,\"t\":-3,\"in\":64,\"keep\":0,\"add\":[[1,1]]}\n",
         "in, out or t"},
    };
    static const struct wp_replay_load_options none;
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        char error[256];
        assert_null(wp_replay_load_text(wp_view_of(rows[i].text), &none, error, sizeof(error)));
        if (strstr(error, rows[i].error) == NULL)
            fail_msg("row %zu says: %s", i, error);
    }
}

static void halves_part_the_conversations(void **state)
{
    (void)state;
    char path[512], error[256];
    const char *paths[] = {path};
    uint32_t requests = 0;
    snprintf(path, sizeof(path), "%s/tests/traces/synthetic.jsonl.zst", WP_SOURCE_DIR);
    for (enum wp_replay_half half = WP_REPLAY_HALF_A; half <= WP_REPLAY_HALF_B; half++) {
        const struct wp_replay_load_options options = {.half = half};
        struct wp_replay_trace *trace = wp_replay_load(paths, 1, &options, error, sizeof(error));
        assert_non_null(trace);
        assert_int_equal(trace->conversation_count, 6);
        assert_int_equal(trace->conversations[0].number, half == WP_REPLAY_HALF_A ? 1 : 2);
        requests += trace->request_count;
        wp_replay_trace_free(trace);
    }
    assert_int_equal(requests, 12 * 24);
    snprintf(path, sizeof(path), "%s/tests/traces/none", WP_SOURCE_DIR);
    const struct wp_replay_load_options all = {0};
    assert_null(wp_replay_load(paths, 1, &all, error, sizeof(error)));
    assert_non_null(strstr(error, "there is no such file"));
}

static void plain_and_cut_files(void **state)
{
    (void)state;
    char path[] = "/tmp/warmpath-test-XXXXXX", error[256], bytes[400];
    const char *paths[] = {path};
    const struct wp_replay_load_options all = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, ONE, sizeof(ONE) - 2) == sizeof(ONE) - 2); // no last newline
    struct wp_replay_trace *trace = wp_replay_load(paths, 1, &all, error, sizeof(error));
    assert_non_null(trace);
    assert_int_equal(trace->request_count, 3);
    wp_replay_trace_free(trace);
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/tests/traces/synthetic.jsonl.zst", WP_SOURCE_DIR);
    FILE *from = fopen(whole, "rb");
    assert_non_null(from);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), from), sizeof(bytes));
    fclose(from);
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(ftruncate(fd, sizeof(bytes)), 0);
    close(fd);
    assert_null(wp_replay_load(paths, 1, &all, error, sizeof(error)));
    assert_non_null(strstr(error, "cut off"));
    unlink(path);
}

// Caches, by hand.

static void bounds_by_hand(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(ONE, NULL);
    struct wp_replay_options options = options_of(3);
    // Read a minute later; lapsed after 340 s more.
    run(trace, &options, "infinite-5m");
    assert_bill(6400, 6400 + 1280 + 8320, 30);
    run(trace, &options, "infinite-1h");
    assert_bill(6400 + 7680, 6400 + 1280 + 640, 30);
    assert_near(wp_replay_cost(&bills[0], 0.1), 0.1 * 14080 + 2 * 8320 + 30, 0.01);
    // One renewal 280 s after the second request; the one after the third is wasted.
    struct wp_replay_result result = run(trace, &options, "static-pings:1");
    assert_bill(6400 + 7680, 6400 + 1280 + 640, 30 + 30);
    assert_int_equal(result.renewals, 2);
    assert_near(bills[0].renew_read, 7680 + 8320, 0.5);
    // Who knows the future renews once, where that costs less than writing 7,680 tokens.
    result = run(trace, &options, "clairvoyant");
    assert_int_equal(result.renewals, 1);
    assert_near(bills[0].renew_read, 7680, 0.5);
    options.read_multiplier = 0.9;
    assert_int_equal(run(trace, &options, "clairvoyant").renewals, 0);
    wp_replay_trace_free(trace);
}

static void wrong_models_by_hand(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(ONE, NULL);
    struct wp_replay_options options = options_of(1);
    options.truth.ttl_factor = 1.2; // 360 s: still there after 340
    run(trace, &options, "infinite-5m");
    assert_bill(6400 + 7680, 6400 + 1280 + 640, 30);
    options.truth.ttl_factor = 0.1; // 30 s: nothing is ever read
    run(trace, &options, "infinite-5m");
    assert_bill(0, 6400 + 7680 + 8320, 30);
    options.truth.ttl_factor = 1;
    options.truth.eviction = 1;
    run(trace, &options, "sticky-10m");
    assert_bill(0, 6400 + 7680 + 8320, 30);
    options.truth.eviction = 0;
    options.truth.min_tokens = 7000; // the first request is too short to be cached
    run(trace, &options, "sticky-10m");
    assert_bill(0, 7680 + 8320, 6400 + 30);
    options.truth.min_tokens = 1024;
    options.truth.lookback = 1; // breakpoints alone: of the second request only the head is found
    run(trace, &options, "sticky-10m");
    assert_bill(3200, 6400 + 4480 + 8320, 30);
    wp_replay_trace_free(trace);
}

// Policies.

static void policies_by_hand(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(ONE, NULL);
    struct wp_replay_options options = options_of(2);
    // Turn about: the second request meets an empty cache, and so does the lapsed third.
    struct wp_replay_result result = run(trace, &options, "round-robin");
    assert_bill(0, 6400 + 7680 + 8320, 30);
    assert_int_equal(result.moves, 2);
    assert_int_equal(result.moves_in_tool_loop, 1); // the third begins a turn of the user's
    static const char *const faithful[] = {"conversation-hash", "sticky-10m", "radix",
                                           "prefix-scorer",     "warmpath",   "warmpath-keep-warm"};
    for (size_t i = 0; i < WP_COUNT_OF(faithful); i++) {
        result = run(trace, &options, faithful[i]);
        assert_int_equal(result.moves, 0);
        assert_near(bills[0].read, result.renewals > 0 ? 14080 : 6400, 0.5);
        assert_near(bills[0].tokens, 22430, 0.5);
    }
    wp_replay_trace_free(trace);
}

// Three small turns, then silence of forty minutes: auto_ttl has let one of the small writes last
// an hour, which holds the whole prefix; renewals alone have given up by then.
static void one_hour_in_a_while_holds_the_conversation(void **state)
{
    (void)state;
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s%s", HEADER, CONVERSATION(1, 1));
    static const int starts[] = {0, 30, 60, 90, 2490};
    for (int i = 0; i < 5; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "{\"c\":1,\"a\":0,\"t\":%d,\"m\":\"m\",\"in\":%d,\"out\":1,"
                                "\"api\":2,\"stop\":\"end_turn\",\"keep\":%d,\"add\":[[%d,%d]]}\n",
                                starts[i], 64000 + 640 * i, i == 0 ? 0 : 990 + 10 * i, 1 + 2000 * i,
                                i == 0 ? 1000 : 10);
    struct wp_replay_trace *trace = load(text, NULL);
    struct wp_replay_options options = options_of(2);
    run(trace, &options, "warmpath");
    assert_near(bills[0].write_5m, 64000 + 3 * 640 + 66560, 0.5);
    run(trace, &options, "warmpath-auto-ttl");
    assert_near(bills[0].write_1h, 640, 0.5); // the first of the small ones; the others need none
    assert_near(bills[0].write_5m, 64000 + 2 * 640 + 3 * 640, 0.5);
    assert_near(bills[0].read, 64000 + 64640 + 65280 + 64640, 0.5);
    wp_replay_trace_free(trace);
}

// LiteLLM's key is the whole prompt: the same prompt again finds its deployment, a longer one does
// not.
static void litellm_knows_equal_prompts_only(void **state)
{
    (void)state;
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s%s", HEADER, CONVERSATION(1, 1));
    for (int i = 0; i < 12; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "{\"c\":1,\"a\":0,\"t\":%d,\"m\":\"m\",\"in\":6400,\"out\":1,"
                                "\"api\":2,\"keep\":%d,\"add\":%s}\n",
                                20 * i, i == 0 ? 0 : 100, i == 0 ? "[[1,100]]" : "[]");
    struct wp_replay_trace *trace = load(text, NULL);
    struct wp_replay_options options = options_of(16);
    assert_int_equal(run(trace, &options, "litellm").moves, 0);
    wp_replay_trace_free(trace);
    char path[512], error[256];
    const char *paths[] = {path};
    const struct wp_replay_load_options all = {0};
    snprintf(path, sizeof(path), "%s/tests/traces/synthetic.jsonl.zst", WP_SOURCE_DIR);
    trace = wp_replay_load(paths, 1, &all, error, sizeof(error));
    assert_non_null(trace);
    assert_true(run(trace, &options, "litellm").moves > 200); // of 276 that could
    wp_replay_trace_free(trace);
}

// A limit of one prompt a minute: the second conversation is refused where the first one is.
static void limits_refuse_and_refill(void **state)
{
    (void)state;
    struct wp_replay_trace *trace =
        load(HEADER CONVERSATION(
                 1, 1) "{\"c\":1,\"a\":0,\"t\":0,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
                       "\"add\":[[1,100]]}\n"
                       "{\"c\":1,\"a\":1,\"t\":10,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
                       "\"add\":[[2001,100]]}\n"
                       "{\"c\":1,\"a\":2,\"t\":20,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
                       "\"add\":[[4001,100]]}\n"
                       "{\"c\":1,\"a\":3,\"t\":90,\"m\":\"m\",\"in\":6400,\"out\":1,\"keep\":0,"
                       "\"add\":[[6001,100]]}\n",
             NULL);
    struct wp_replay_options options = options_of(2);
    options.itpm = 7000;
    struct wp_replay_result result = run(trace, &options, "sticky-10m");
    assert_int_equal(result.requests, 4);
    assert_int_equal(result.over_limit, 1); // the third; the fourth finds a full bucket again
    assert_true(result.rejected >= 3);
    result = run(trace, &options, "warmpath");
    assert_int_equal(result.over_limit, 1);
    assert_int_equal(result.rejected, 0); // it knew
    wp_replay_trace_free(trace);
}

static void failures_move_requests(void **state)
{
    (void)state;
    struct wp_replay_trace *trace = load(ONE, NULL);
    struct wp_replay_options options = options_of(2);
    options.span_s = 1; // begins at once
    for (uint32_t down = 0; down < 2; down++) {
        options.failures[0] = (struct wp_replay_failure){down, 30, 300};
        options.failure_count = 1;
        struct wp_replay_result sticky = run(trace, &options, "sticky-10m");
        assert_int_equal(sticky.requests, 3);
        assert_int_equal(sticky.failed, sticky.moves_in_tool_loop);
        struct wp_replay_result warm = run(trace, &options, "warmpath");
        assert_int_equal(warm.requests, 3);
        assert_int_equal(warm.over_limit, 0);
    }
    wp_replay_trace_free(trace);
}

// Eight subagents of one head at once: one writes it, the others wait for its first event.
static void fan_outs_pay_one_head(void **state)
{
    (void)state;
    for (uint32_t siblings = 2; siblings <= 32; siblings *= 4) {
        const struct wp_replay_load_options load_options = {
            .fanouts = 10, .fanout_siblings = siblings, .fanout_tokens = 15000};
        struct wp_replay_trace *trace = load(ONE, &load_options);
        struct wp_replay_options options = options_of(8);
        struct wp_replay_result result = run(trace, &options, "warmpath");
        assert_int_equal(result.fanout_requests, 10 * siblings);
        assert_int_equal(result.fanout_head_writes, 10);
        assert_true(result.waits >= 10 * (siblings - 1));
        result = run(trace, &options, "sticky-10m");
        assert_int_equal(result.fanout_head_writes, 10 * siblings);
        wp_replay_trace_free(trace);
    }
}

// A whole comparison.

static const struct wp_fleet_row *row_of(const struct wp_fleet_result *result, const char *policy,
                                         uint32_t deployments)
{
    for (size_t i = 0; i < result->row_count; i++)
        if (strcmp(result->rows[i].policy, policy) == 0 &&
            result->rows[i].deployments == deployments)
            return &result->rows[i];
    fail_msg("no row of %s", policy);
    return NULL;
}

static struct wp_fleet_options fleet_of(uint32_t deployments, uint32_t seeds)
{
    struct wp_fleet_options options = {
        .replay = options_of(deployments),
        .deployments = {deployments},
        .deployment_count = 1,
        .read_multipliers = {0.1},
        .read_multiplier_count = 1,
        .seeds = seeds,
        .threads = 2,
    };
    for (size_t i = 0; wp_replay_policies[i] != NULL; i++)
        options.policies[options.policy_count++] = wp_replay_policies[i];
    return options;
}

static void compares_all_policies(void **state)
{
    (void)state;
    char path[512], error[256];
    const char *paths[] = {path};
    const struct wp_replay_load_options all = {0};
    snprintf(path, sizeof(path), "%s/tests/traces/synthetic.jsonl.zst", WP_SOURCE_DIR);
    struct wp_replay_trace *trace = wp_replay_load(paths, 1, &all, error, sizeof(error));
    assert_non_null(trace);
    struct wp_fleet_options options = fleet_of(4, 5);
    struct wp_fleet_result result, again;
    assert_true(wp_fleet_run(trace, &options, &result));
    options.threads = 1;
    assert_true(wp_fleet_run(trace, &options, &again));
    assert_int_equal(result.row_count, options.policy_count);
    for (size_t i = 0; i < result.row_count; i++) {
        const struct wp_fleet_row *row = &result.rows[i];
        // The same on one thread; an interval around the mean; classes that add up.
        assert_near(row->cost_share, again.rows[i].cost_share, 1e-12);
        assert_true(row->cost_share_low <= row->cost_share &&
                    row->cost_share <= row->cost_share_high);
        assert_near(row->uncached_share + row->write_5m_share + row->write_1h_share +
                        row->read_share + row->renew_share,
                    row->cost_share, 1e-9);
    }
    const struct wp_fleet_row *warm = row_of(&result, "warmpath", 4);
    const struct wp_fleet_row *floor = row_of(&result, "infinite-5m", 0);
    assert_true(warm->cost_share < row_of(&result, "sticky-10m", 4)->cost_share);
    assert_true(warm->to_floor >= 1 - 1e-9 && warm->to_floor < 1.1);
    assert_true(row_of(&result, "random", 4)->cost_share > 1.5 * floor->cost_share);
    assert_true(row_of(&result, "clairvoyant", 0)->cost_share <= floor->cost_share);
    assert_true(row_of(&result, "static-pings", 0)->cost_share <= floor->cost_share + 1e-12);
    assert_true(warm->planner_us_p50 > 0 && warm->planner_us_p50 <= warm->planner_us_p99);
    struct wp_buf out = wp_buf_make(1 << 20);
    const struct wp_fleet_about about = {&options, trace, "warmpath simulate <trace>"};
    wp_fleet_html(&result, &about, &out);
    assert_true(wp_view_contains(wp_buf_view(&out), WP_VIEW("simulate &lt;trace>")));
    assert_false(wp_view_contains(wp_buf_view(&out), WP_VIEW("http")));
    wp_buf_free(&out);
    wp_fleet_free(&result);
    wp_fleet_free(&again);
    wp_replay_trace_free(trace);
}

// One cell on real traces, where they lie beside the project (WP_TRACES names another place).
static void real_traces(void **state)
{
    (void)state;
    static const char *const names[] = {"claude-code-v6-dev", "claude-code-v8-dev"};
    const char *directory = getenv("WP_TRACES");
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        char path[512], error[256];
        const char *paths[] = {path};
        const struct wp_replay_load_options all = {0};
        struct wp_fleet_result result;
        snprintf(path, sizeof(path), "%s%s/%s.jsonl.zst", directory == NULL ? WP_SOURCE_DIR : "",
                 directory == NULL ? "/../shared/traces" : directory, names[i]);
        if (access(path, R_OK) != 0)
            skip();
        struct wp_replay_trace *trace = wp_replay_load(paths, 1, &all, error, sizeof(error));
        assert_non_null(trace);
        struct wp_fleet_options options = fleet_of(8, 2);
        options.replay.span_s = 12 * 3600;
        options.policies[0] = "warmpath";
        options.policies[1] = "sticky-10m";
        options.policies[2] = "infinite-5m";
        options.policy_count = 3;
        assert_true(wp_fleet_run(trace, &options, &result));
        const struct wp_fleet_row *warm = row_of(&result, "warmpath", 8);
        assert_true(warm->to_floor <= 1.01);
        assert_true(warm->to_sticky <= 1.002);
        assert_true(warm->load_max_over_mean <= 1.3);
        wp_fleet_free(&result);
        wp_replay_trace_free(trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_become_paths),
        cmocka_unit_test(equal_contents_are_one_prefix),
        cmocka_unit_test(bad_traces_are_refused),
        cmocka_unit_test(halves_part_the_conversations),
        cmocka_unit_test(plain_and_cut_files),
        cmocka_unit_test(bounds_by_hand),
        cmocka_unit_test(wrong_models_by_hand),
        cmocka_unit_test(policies_by_hand),
        cmocka_unit_test(one_hour_in_a_while_holds_the_conversation),
        cmocka_unit_test(litellm_knows_equal_prompts_only),
        cmocka_unit_test(limits_refuse_and_refill),
        cmocka_unit_test(failures_move_requests),
        cmocka_unit_test(fan_outs_pay_one_head),
        cmocka_unit_test(compares_all_policies),
        cmocka_unit_test(real_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
