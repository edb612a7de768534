// What the gateway itself does for a request before anything is sent, timed over real bodies:
// parse, prompt chain, plan over two accounts, splices. WARMPATH_CAPTURES as in the provider's
// test, which looks at the bytes; without it the test is skipped.
#include "tests/unit/provider/support.h"
#include "tests/unit/route/support.h"

#include <dirent.h>
#include <time.h>

#include "prompt/chain.h"
#include "tests/support/same_request.h"
#include "json/scan.h"

enum { ROUNDS = 5 };

struct stage_times {
    uint64_t parse, chain, plan, splice;
};

struct totals {
    size_t bodies, bytes;
    struct stage_times sum;
    uint64_t slowest;
};

// Of this thread: other programs on the machine do not count.
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct stage_times once(struct rig *rig, struct bench *bench, wp_view body)
{
    struct wp_arena *arena = wp_arena_create(0);
    struct wp_request request;
    struct wp_prompt prompt;
    struct wp_plan plan;
    const char *detail;
    size_t offset;
    const struct wp_chain_options options = {.key = wp_router_hash_key(rig->router)};
    uint64_t begun = cpu_ns();
    assert_ok(wp_request_scan(arena, body, &request, &detail, &offset));
    uint64_t parsed = cpu_ns();
    assert_ok(wp_chain_build(arena, &request, &options, &prompt));
    uint64_t chained = cpu_ns();
    struct wp_plan_request asked = rig_request(rig, &prompt, "session");
    wp_router_plan(rig->router, &asked, &plan);
    uint64_t planned = cpu_ns();
    assert_true(plan.usable > 0);
    bench->input.deployment = &bench->deployment;
    bench->input.endpoint = wp_provider_prepare(&bench->deployment, arena);
    bench->input.upstream_model = bench->deployment.upstream_model;
    bench->input.request = &request;
    bench->input.client_headers = &bench->client;
    bench->input.model = &bench->model;
    bench->input.tables = bench->tables;
    bench->input.keys = &bench->keys;
    struct wp_upstream_request out = {0};
    uint64_t before = cpu_ns();
    enum wp_err err = wp_provider_build(&bench->input, arena, &out, &detail);
    uint64_t built = cpu_ns();
    assert_true(err == WP_OK || err == WP_ERR_NOT_SUPPORTED);
    wp_arena_destroy(arena);
    return (struct stage_times){parsed - begun, chained - parsed, planned - chained,
                                built - before};
}

static uint64_t whole(const struct stage_times *times)
{
    return times->parse + times->chain + times->plan + times->splice;
}

// As it arrives from a socket, and with cuts all over it.
static void read_in_pieces(wp_view body)
{
    static const size_t sizes[] = {64 * 1024, 16 * 1024, 1448, 301};
    for (size_t i = 0; i < WP_COUNT_OF(sizes); i++)
        assert_true(same_in_pieces(body, sizes[i], sizes[i]));
    for (size_t cut = 1; cut < body.len; cut += 1 + body.len / 200)
        assert_true(same_in_pieces(body, cut, body.len));
}

static void measure(struct rig *rig, wp_view body, struct totals *totals)
{
    read_in_pieces(body);
    struct bench bench;
    struct stage_times best = {.parse = UINT32_MAX};
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    for (int i = 0; i < ROUNDS; i++) {
        struct stage_times times = once(rig, &bench, body);
        if (whole(&times) < whole(&best))
            best = times;
    }
    bench_free(&bench);
    totals->bodies++;
    totals->bytes += body.len;
    totals->sum.parse += best.parse;
    totals->sum.chain += best.chain;
    totals->sum.plan += best.plan;
    totals->sum.splice += best.splice;
    if (whole(&best) > totals->slowest)
        totals->slowest = whole(&best);
}

// The body of a POST to /v1/messages that is not count_tokens, else empty.
static wp_view body_of(struct wp_arena *arena, wp_view line)
{
    struct wp_json_scan scan;
    wp_view key, body = {NULL, 0}, url = {NULL, 0};
    wp_json_scan_init(&scan, line);
    assert_true(wp_json_enter_object(&scan));
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "body"))
            body = value;
        else if (wp_view_is(key, "url"))
            url = wp_json_decode_string(arena, value);
    }
    bool messages = wp_view_starts_with(url, WP_VIEW("/v1/messages")) &&
                    !wp_view_contains(url, WP_VIEW("count_tokens"));
    return messages && wp_view_starts_with(body, WP_VIEW("{")) ? body : (wp_view){NULL, 0};
}

static void measure_file(struct rig *rig, const char *path, struct totals *totals)
{
    size_t len;
    char *text = test_read_file(path, &len);
    wp_view rest = wp_view_make(text, len), line;
    while (wp_view_next_token(&rest, '\n', &line)) {
        struct wp_arena *arena = wp_arena_create(0);
        wp_view body = line.len == 0 ? line : body_of(arena, line);
        if (body.len > 0)
            measure(rig, body, totals);
        wp_arena_destroy(arena);
    }
    free(text);
}

static void parse_plan_and_splice_of_real_bodies(void **state)
{
    (void)state;
    const char *folder = getenv("WARMPATH_CAPTURES");
    if (folder == NULL)
        skip();
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    struct rig rig;
    struct totals totals = {0};
    rig_open(&rig, 2);
    rig_start(&rig);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (wp_view_ends_with(wp_view_of(entry->d_name), WP_VIEW(".jsonl")))
            measure_file(&rig, path, &totals);
    }
    closedir(dir);
    rig_close(&rig);
    assert_true(totals.bodies > 0);
    double n = (double)totals.bodies * 1000;
    print_message("%zu bodies of %zu bytes on average: parse %.1f us, chain %.1f us, plan %.1f us, "
                  "splice and sign %.1f us, together %.1f us of CPU each; the slowest %.1f us\n",
                  totals.bodies, totals.bytes / totals.bodies, (double)totals.sum.parse / n,
                  (double)totals.sum.chain / n, (double)totals.sum.plan / n,
                  (double)totals.sum.splice / n, (double)whole(&totals.sum) / n,
                  (double)totals.slowest / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parse_plan_and_splice_of_real_bodies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
