// What the planner costs: time per plan of a conversation of so many blocks against sixteen
// deployments, and memory per cache entry.
//
//     bench_plan [--json]
//
// Each conversation is warm on one deployment, a shared head is warm on all: every lookback is
// walked to its end. `chain` is the hashing of the request into prefixes, done once per request.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "prompt/request.h"
#include "route/model.h"
#include "route/router.h"

enum { DEPLOYMENTS = 16, ROUNDS = 2000, BODY_MAX = 4 << 20, ENTRIES = 1 << 20 };

struct bench {
    struct wp_router *router;
    struct wp_snapshot snapshot;
    struct wp_deployment_config deployments[DEPLOYMENTS];
    const struct wp_deployment_config *list[DEPLOYMENTS];
    struct wp_model_info models[DEPLOYMENTS];
    struct wp_resolved group;
    char ids[DEPLOYMENTS][24];
    uint64_t now_ns;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_plan: %s\n", what);
    exit(1);
}

static void open_bench(struct bench *b)
{
    *b = (struct bench){.router = wp_router_create(), .now_ns = 1000000000000u};
    b->snapshot.router.pre_call_checks = WP_CHECK_PROMPT_CACHING;
    b->snapshot.router.allowed_fails = -1;
    for (uint32_t i = 0; i < DEPLOYMENTS; i++) {
        snprintf(b->ids[i], sizeof(b->ids[i]), "deployment-%u", i);
        b->deployments[i] = (struct wp_deployment_config){
            .id = wp_view_of(b->ids[i]),
            .api_key = wp_view_of(b->ids[i]),
            .upstream_model = WP_VIEW("claude-sonnet-4-5"),
            .platform = WP_PLATFORM_ANTHROPIC,
            .index = i,
            .weight = -1,
            .itpm = 10000000,
            .rpm = 100000,
        };
        b->list[i] = &b->deployments[i];
        b->models[i] = (struct wp_model_info){
            .min_cache_tokens = 1024,
            .price = {.input = 3e-6,
                      .cache_read = 3e-7,
                      .cache_write_5m = 3.75e-6,
                      .cache_write_1h = 6e-6,
                      .input_above_200k = -1,
                      .cache_read_above_200k = -1,
                      .cache_write_5m_above_200k = -1,
                      .cache_write_1h_above_200k = -1},
        };
    }
    b->snapshot.deployments = b->deployments;
    b->snapshot.deployment_count = DEPLOYMENTS;
    b->group =
        (struct wp_resolved){.group = WP_VIEW("m"), .deployments = b->list, .count = DEPLOYMENTS};
    if (wp_router_configure(b->router, &b->snapshot) != WP_OK)
        fail("no memory");
}

// A conversation of so many blocks and tokens; the last `fresh` blocks have not been sent before.
static size_t write_body(char *out, uint32_t blocks, uint32_t tokens, uint32_t fresh)
{
    uint32_t each = tokens * 4 / blocks > 60 ? tokens * 4 / blocks - 60 : 1;
    static char filler[1 << 20];
    memset(filler, 'x', sizeof(filler) - 1);
    size_t at =
        (size_t)snprintf(out, BODY_MAX,
                         "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"%.*s\","
                         "\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":[",
                         (int)each, filler);
    for (uint32_t i = 1; i < blocks - fresh; i++)
        at += (size_t)snprintf(
            out + at, BODY_MAX - at,
            "%s{\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":\"%u "
            "%.*s\"%s}]}",
            i > 1 ? "," : "", i % 2 ? "user" : "assistant", i, (int)each, filler,
            i + 1 >= blocks - fresh ? ",\"cache_control\":{\"type\":\"ephemeral\"}" : "");
    return at + (size_t)snprintf(out + at, BODY_MAX - at, "]}");
}

static void read_prompt(struct bench *b, struct wp_arena *arena, wp_view body,
                        struct wp_prompt *out)
{
    struct wp_request request;
    const char *detail;
    size_t offset;
    const struct wp_chain_options options = {.key = wp_router_hash_key(b->router)};
    if (wp_request_scan(arena, body, &request, &detail, &offset) != WP_OK ||
        wp_chain_build(arena, &request, &options, out) != WP_OK)
        fail("the body was not read");
}

static struct wp_plan_request request_of(struct bench *b, const struct wp_prompt *prompt)
{
    return (struct wp_plan_request){.snapshot = &b->snapshot,
                                    .group = &b->group,
                                    .models = b->models,
                                    .prompt = prompt,
                                    .session_id = WP_VIEW("a-session"),
                                    .now_ns = b->now_ns,
                                    .max_wait_ms = 5000};
}

// Sends the prompt to one deployment, so that its entries are believed to be there.
static void warm(struct bench *b, const struct wp_prompt *prompt, uint32_t deployment)
{
    static struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = request_of(b, prompt);
    request.max_wait_ms = 0;
    wp_router_plan(b->router, &request, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (plan.candidates[i].deployment->index != deployment)
            continue;
        if (!wp_router_begin(b->router, &request, &plan.candidates[i], &attempt))
            fail("an attempt did not begin");
        wp_router_started(b->router, &attempt, b->now_ns);
        wp_router_end(b->router, &attempt,
                      &(struct wp_outcome_detail){.outcome = WP_OUTCOME_SUCCESS,
                                                  .retry_after_ms = -1,
                                                  .now_ns = b->now_ns});
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct figures {
    double plan_p50_us, plan_p99_us, chain_us;
    uint32_t blocks, tokens;
};

static struct figures measure(uint32_t blocks, uint32_t tokens)
{
    static char before[BODY_MAX], body[BODY_MAX];
    static double times[ROUNDS];
    static struct wp_plan plan;
    struct bench b;
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_prompt head, prompt;
    open_bench(&b);
    uint32_t fresh = blocks > 20 ? 10 : 2;
    size_t len = write_body(before, blocks, tokens, blocks - 2);
    read_prompt(&b, arena, wp_view_make(before, len), &head);
    for (uint32_t i = 0; i < DEPLOYMENTS; i++)
        warm(&b, &head, i);
    len = write_body(before, blocks, tokens, fresh);
    read_prompt(&b, arena, wp_view_make(before, len), &head);
    warm(&b, &head, 3);
    len = write_body(body, blocks, tokens, 0);
    uint64_t begun = wp_now_ns();
    read_prompt(&b, arena, wp_view_make(body, len), &prompt);
    struct figures out = {.chain_us = (double)(wp_now_ns() - begun) / 1000,
                          .blocks = prompt.count,
                          .tokens = prompt.tokens};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct wp_plan_request request = request_of(&b, &prompt);
        begun = wp_now_ns();
        wp_router_plan(b.router, &request, &plan);
        times[i] = (double)(wp_now_ns() - begun) / 1000;
    }
    if (plan.candidates[0].deployment->index != 3 || plan.candidates[0].predicted_read == 0)
        fail("the warm deployment was not chosen");
    qsort(times, ROUNDS, sizeof(times[0]), by_value);
    out.plan_p50_us = times[ROUNDS / 2];
    out.plan_p99_us = times[ROUNDS * 99 / 100];
    wp_router_destroy(b.router);
    wp_arena_destroy(arena);
    return out;
}

static double bytes_per_entry(double *insert_ns)
{
    struct wp_table table = wp_table_make(ENTRIES);
    uint32_t owners[DEPLOYMENTS];
    for (uint32_t i = 0; i < DEPLOYMENTS; i++)
        owners[i] = wp_table_add_owner(&table, ENTRIES);
    uint64_t begun = wp_now_ns();
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct wp_hash128 prefix = {i * 0x9E3779B97F4A7C15u, i * 0xBF58476D1CE4E5B9u};
        if (wp_table_insert(&table, prefix, owners[i % DEPLOYMENTS]) == WP_ENTRY_NONE)
            fail("the table is full too early");
    }
    *insert_ns = (double)(wp_now_ns() - begun) / ENTRIES;
    double bytes = (double)wp_table_memory(&table) / ENTRIES;
    wp_table_free(&table);
    return bytes;
}

int main(int argc, char **argv)
{
    static const struct {
        uint32_t blocks, tokens;
    } sizes[] = {{10, 8000}, {100, 40000}, {1500, 200000}};
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    double insert_ns;
    struct figures rows[WP_COUNT_OF(sizes)];
    for (size_t i = 0; i < WP_COUNT_OF(sizes); i++)
        rows[i] = measure(sizes[i].blocks, sizes[i].tokens);
    double bytes = bytes_per_entry(&insert_ns);
    if (json)
        printf("{\"deployments\":%d,\"plans\":[", DEPLOYMENTS);
    else
        printf("%8s %10s %12s %12s %12s   (%d deployments)\n", "blocks", "tokens", "plan p50 us",
               "plan p99 us", "chain us", DEPLOYMENTS);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        printf(json ? "%s{\"blocks\":%u,\"tokens\":%u,\"plan_p50_us\":%.2f,\"plan_p99_us\":%.2f,"
                      "\"chain_us\":%.1f}"
                    : "%s%8u %10u %12.2f %12.2f %12.1f\n",
               json && i > 0 ? "," : "", rows[i].blocks, rows[i].tokens, rows[i].plan_p50_us,
               rows[i].plan_p99_us, rows[i].chain_us);
    if (json)
        printf("],\"bytes_per_entry\":%.2f,\"insert_ns\":%.0f}\n", bytes, insert_ns);
    else
        printf("%.1f bytes per entry, %.0f MB per million; %.0f ns to insert one\n", bytes, bytes,
               insert_ns);
    bool within = rows[WP_COUNT_OF(rows) - 1].plan_p50_us <= 50 && bytes <= 64;
    return within ? 0 : 2;
}
