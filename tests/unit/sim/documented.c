// The provider's documented examples, sent to the simulated provider and to the
// gateway's model: both must do what the pages say, to the token.
#include "base/alloc.h"
#include "prompt/model_table.h"
#include "route/model.h"
#include "sim/private.h"
#include "tests/support/test.h"

enum { WORDS = 1000 }; // bytes of the filler of one long block
static const uint64_t MS = 1000000u;

struct world {
    struct sim_cache cache;
    struct wp_model model;
    struct wp_domain *domain;
    struct wp_hash_key key;
    enum sim_platform platform;
    enum wp_platform rules; // whose rules the model goes by
    const char *name;
    const char *betas;      // of the header; NULL: none
    struct sim_rules truth; // that the model is told of
    int64_t now_ms;
};

// One request to both.
struct both {
    struct wp_arena *arena;
    struct sim_request request;
    struct sim_usage billed;
    struct sim_cache_use use;
    struct wp_request scanned;
    struct wp_prompt prompt;
    struct wp_trace trace;
    struct wp_forecast forecast;
    int status;
    wp_view message;
};

static void open_world(struct world *w, enum sim_platform platform)
{
    *w = (struct world){.platform = platform,
                        .rules =
                            platform == SIM_BEDROCK ? WP_PLATFORM_BEDROCK : WP_PLATFORM_ANTHROPIC,
                        .name = "claude-sonnet-4-5",
                        .now_ms = 1000000};
    w->cache.entries = wp_map_make(100000);
    wp_model_init(&w->model, 10000, 10000);
    wp_hash_key_init(&w->key, WP_VIEW("thirty-two bytes of a fixed seed"));
    w->domain = wp_model_acquire(&w->model, (struct wp_hash128){1, 1});
}

static void close_world(struct world *w)
{
    sim_cache_free(&w->cache);
    wp_model_free(&w->model);
}

static void begin(struct world *w, const char *body, struct both *out)
{
    const char *detail;
    size_t offset;
    struct wp_sighting sighting;
    const struct wp_cache_rules *rules = wp_cache_rules(w->rules);
    uint32_t minimum = sim_minimum_tokens(w->platform, wp_view_of(w->name));
    *out = (struct both){.arena = wp_arena_create(0)};
    const struct sim_reading reading = {
        .platform = w->platform,
        .model = wp_view_of(w->name),
        .betas = wp_view_of(w->betas),
        .account = WP_VIEW("account"),
        .rules = w->truth,
    };
    if (!sim_request_parse(out->arena, &reading, wp_view_of(body), &out->request, &out->status,
                           &out->message))
        return;
    const struct wp_chain_options options = {.key = &w->key,
                                             .thinking_in_head = w->truth.thinking_in_head,
                                             .betas = wp_view_of(w->betas)};
    assert_ok(wp_request_scan(out->arena, wp_view_of(body), &out->scanned, &detail, &offset));
    assert_ok(wp_chain_build(out->arena, &out->scanned, &options, &out->prompt));
    assert_int_equal(out->prompt.count, out->request.prompt.count);
    for (uint32_t i = 0; i < out->prompt.count; i++)
        out->prompt.blocks[i].tokens = out->request.prompt.blocks[i].tokens;
    out->prompt.tokens = out->request.prompt.tokens;
    sim_cache_request(&w->cache, wp_view_of(w->name), minimum, &out->request.prompt, w->now_ms,
                      &out->billed, &out->use);
    wp_model_search(&w->model, rules, &out->prompt, &w->domain, 1, (uint64_t)w->now_ms * MS,
                    &sighting);
    sighting.pending_block = 0;
    wp_model_forecast(w->domain, rules, &out->prompt, minimum, &sighting, &out->forecast);
    out->trace = (struct wp_trace){.domain = w->domain,
                                   .rules = rules,
                                   .prompt = &out->prompt,
                                   .begun_ns = (uint64_t)w->now_ms * MS,
                                   .min_tokens = minimum};
    w->domain->refs++;
    wp_model_begin(&w->model, &out->trace, &out->forecast, &sighting);
    assert_int_equal(out->forecast.read, out->billed.read);
    assert_int_equal(out->forecast.write_5m, out->billed.write_5m);
    assert_int_equal(out->forecast.write_1h, out->billed.write_1h);
    assert_int_equal(out->forecast.uncached, out->billed.input);
}

static void end(struct world *w, struct both *b, bool begun)
{
    if (b->status == 0 && begun) {
        sim_cache_begun(&w->cache, wp_view_of(w->name), &b->use);
        wp_model_started(&w->model, &b->trace);
        (void)wp_model_refresh(&w->model, &b->trace, 0);
    } else if (b->status == 0) {
        sim_cache_failed(&w->cache, wp_view_of(w->name), &b->use);
    }
    if (b->status == 0)
        wp_model_end(&w->model, &b->trace);
    wp_arena_destroy(b->arena);
}

// Usage of a request that begins at once.
static struct sim_usage ask(struct world *w, const char *body)
{
    struct both b;
    begin(w, body, &b);
    if (b.status != 0)
        print_error("refused: %.*s\n", WP_VIEW_ARG(b.message));
    assert_int_equal(b.status, 0);
    end(w, &b, true);
    return b.billed;
}

// Bodies: `spec` names the blocks of one user message, a letter each: t text, L long text, u
// tool_use, r tool_result, k thinking; a digit after it is a marker of that many minutes (5, or 6
// for sixty). `top` stands before the messages.
static char *body_of(struct world *w, const char *top, const char *spec)
{
    static char text[1 << 20];
    static char filler[WORDS * 5 + 1]; // more than the minimum of 1,024 tokens
    size_t at = 0;
    memset(filler, 'x', sizeof(filler) - 1);
    at += (size_t)snprintf(text, sizeof(text),
                           "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":[",
                           w->name, top);
    for (const char *p = spec; *p != '\0'; p++) {
        const char *ttl = p[1] == '5' ? ",\"cache_control\":{\"type\":\"ephemeral\"}"
                          : p[1] == '6'
                              ? ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
                              : "";
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", p == spec ? "" : ",");
        switch (*p) {
        case 'u':
            at += (size_t)snprintf(
                text + at, sizeof(text) - at,
                "{\"type\":\"tool_use\",\"id\":\"%d\",\"name\":\"n\",\"input\":{}%s}",
                (int)(p - spec), ttl);
            break;
        case 'r':
            at += (size_t)snprintf(text + at, sizeof(text) - at,
                                   "{\"type\":\"tool_result\",\"tool_use_id\":\"%d\"%s}",
                                   (int)(p - spec), ttl);
            break;
        case 'k':
            at += (size_t)snprintf(text + at, sizeof(text) - at,
                                   "{\"type\":\"thinking\",\"thinking\":\"%d\"%s}", (int)(p - spec),
                                   ttl);
            break;
        default:
            at += (size_t)snprintf(text + at, sizeof(text) - at,
                                   "{\"type\":\"text\",\"text\":\"%d%s\"%s}", (int)(p - spec),
                                   *p == 'L' ? filler : "", ttl);
        }
        if (p[1] == '5' || p[1] == '6')
            p++;
    }
    snprintf(text + at, sizeof(text) - at, "]}]}");
    return text;
}

// The 400 cases and what is silently accepted.
static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *top, *spec;
        bool refused;
    } rows[] = {
        {"", "L5t5t5t5", false},
        {"", "L5t5t5t5t5", true},                                           // five
        {"\"cache_control\":{\"type\":\"ephemeral\"},", "L5t5t5t", false},  // 3 and automatic
        {"\"cache_control\":{\"type\":\"ephemeral\"},", "L5t5t5t5t", true}, // 4 and automatic
        {"\"cache_control\":{\"type\":\"ephemeral\"},", "L5t5t5t5", false}, // a no-op: same ttl
        {"\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"},", "Lt5", true}, // another ttl
        {"\"cache_control\":{\"type\":\"ephemeral\"},", "Lk", false}, // walks back to the text
        {"", "L5t6", true},                                           // 1 h after 5 m
        {"", "L6t5", false},
        {"", "Lk5", true}, // thinking takes no marker
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct world w;
        struct both b;
        open_world(&w, SIM_ANTHROPIC);
        begin(&w, body_of(&w, rows[i].top, rows[i].spec), &b);
        if (b.status != (rows[i].refused ? 400 : 0))
            print_error("row %zu: status %d, %.*s\n", i, b.status, WP_VIEW_ARG(b.message));
        assert_int_equal(b.status, rows[i].refused ? 400 : 0);
        end(&w, &b, true);
        close_world(&w);
    }
}

// "Entry at block 15; breakpoint at 35 tests 35 … 16 and misses; a second one at 15 rescues it."
static void thirty_five_against_fifteen(void **state)
{
    (void)state;
    char first[64] = "Ltttttttttttttt5", second[64];
    struct world w;
    open_world(&w, SIM_ANTHROPIC);
    uint32_t written = ask(&w, body_of(&w, "", first)).write_5m;
    assert_true(written >= 1024);
    struct both b;
    memcpy(second, first, 15);
    memset(second + 15, 't', 20); // blocks 16 … 35
    memcpy(second + 35, "5", 2);
    begin(&w, body_of(&w, "", second), &b);
    assert_int_equal(b.billed.read, 0);
    end(&w, &b, false);
    memset(second + 15, 't', 19); // to 34: tests 34 … 15
    memcpy(second + 34, "5", 2);
    begin(&w, body_of(&w, "", second), &b);
    assert_int_equal(b.billed.read, written);
    end(&w, &b, false);
    char rescued[64] = "Ltttttttttttttt5tttttttttttttttttttt5";
    assert_int_equal(ask(&w, body_of(&w, "", rescued)).read, written);
    close_world(&w);
}

// A run of tool_use or tool_result is one position on the Claude API, and is not on Bedrock.
static void runs_collapse_where_the_platform_says_so(void **state)
{
    (void)state;
    char grown[64] = "L5";
    struct world w;
    memset(grown + 1, 'u', 30);
    memset(grown + 31, 'r', 30);
    memcpy(grown + 61, "5", 2);
    open_world(&w, SIM_ANTHROPIC);
    uint32_t written = ask(&w, body_of(&w, "", "L5")).write_5m;
    assert_true(written > 1024);
    assert_int_equal(ask(&w, body_of(&w, "", grown)).read, written);
    close_world(&w);
    // The same prompt by Bedrock's rules, which are not known to collapse runs: not found.
    struct both b;
    struct wp_sighting sighting;
    open_world(&w, SIM_ANTHROPIC);
    ask(&w, body_of(&w, "", "L5"));
    begin(&w, body_of(&w, "", grown), &b);
    wp_model_search(&w.model, wp_cache_rules(WP_PLATFORM_BEDROCK), &b.prompt, &w.domain, 1,
                    (uint64_t)w.now_ms * MS, &sighting);
    assert_int_equal(sighting.block, 0);
    wp_model_search(&w.model, wp_cache_rules(WP_PLATFORM_ANTHROPIC), &b.prompt, &w.domain, 1,
                    (uint64_t)w.now_ms * MS, &sighting);
    assert_int_equal(sighting.block, 1);
    end(&w, &b, false);
    close_world(&w);
}

// Read A; write B - A at the 1 h price up to the last 1 h breakpoint; C - B at the 5 m price.
static void mixed_lifetimes_are_billed_by_a_b_c(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, SIM_ANTHROPIC);
    struct sim_usage first = ask(&w, body_of(&w, "", "L6L6L5t"));
    assert_int_equal(first.read, 0);
    assert_true(first.write_1h > first.write_5m && first.write_5m > 900);
    assert_true(first.input > 0 && first.input < 20);
    // The first hour prefix is hit: A; the second is B; the end of five minutes is C.
    w.now_ms += 1000;
    struct sim_usage second = ask(&w, body_of(&w, "", "L6L6L5L5"));
    assert_int_equal(second.read, first.write_1h + first.write_5m);
    assert_int_equal(second.write_1h, 0);
    w.now_ms += 400 * 1000; // the five-minute parts are gone, the hour parts are not
    struct sim_usage third = ask(&w, body_of(&w, "", "L6L6L5t"));
    assert_int_equal(third.read, first.write_1h);
    assert_int_equal(third.write_5m, first.write_5m);
    close_world(&w);
}

static void readable_at_the_writers_first_event(void **state)
{
    (void)state;
    struct world w;
    struct both writer, early, late;
    open_world(&w, SIM_ANTHROPIC);
    char *body = wp_strdup_or_die(body_of(&w, "", "L5"));
    begin(&w, body, &writer);
    assert_true(writer.billed.write_5m > 1024);
    begin(&w, body, &early); // N parallel prefixes all pay
    assert_int_equal(early.billed.read, 0);
    assert_int_equal(early.billed.write_5m, writer.billed.write_5m);
    end(&w, &early, false); // and one that fails takes nothing from the other
    end(&w, &writer, true);
    begin(&w, body, &late);
    assert_int_equal(late.billed.read, writer.billed.write_5m);
    end(&w, &late, true);
    wp_free(body);
    close_world(&w);
}

// "The clock starts at the start of the request": a four-minute answer leaves one minute.
static void life_runs_from_the_requests_start(void **state)
{
    (void)state;
    struct world w;
    struct both writer;
    open_world(&w, SIM_ANTHROPIC);
    char *body = wp_strdup_or_die(body_of(&w, "", "L5"));
    begin(&w, body, &writer);
    w.now_ms += 240 * 1000;
    end(&w, &writer, true);
    w.now_ms += 59 * 1000;
    assert_true(ask(&w, body).read > 0); // and this renews it for five minutes
    w.now_ms += 299 * 1000;
    assert_true(ask(&w, body).read > 0);
    w.now_ms += 300 * 1000;
    assert_int_equal(ask(&w, body).read, 0);
    wp_free(body);
    close_world(&w);
}

// A read through a longer prefix keeps the entries on its path alive.
static void a_hit_renews_its_path(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, SIM_ANTHROPIC);
    uint32_t head = ask(&w, body_of(&w, "", "L5")).write_5m;
    ask(&w, body_of(&w, "", "L5L5"));
    w.now_ms += 200 * 1000;
    assert_true(ask(&w, body_of(&w, "", "L5L5")).read > head);
    w.now_ms += 200 * 1000; // 400 s after the head was written
    assert_int_equal(ask(&w, body_of(&w, "", "L5t5")).read, head);
    close_world(&w);
}

static void below_the_minimum_nothing_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t anthropic, bedrock;
    } rows[] = {{"claude-opus-5-5", 512, 512},    {"claude-opus-5", 512, 512},
                {"claude-sonnet-5-5", 512, 512},  {"claude-opus-4-8", 1024, 1024},
                {"claude-sonnet-5", 1024, 1024},  {"claude-sonnet-4-5", 1024, 1024},
                {"claude-opus-4-7", 2048, 4096},  {"claude-opus-4-6", 4096, 4096},
                {"claude-haiku-4-5", 4096, 4096}, {"claude-opus-4-5", 4096, 4096}};
    size_t len;
    char error[200];
    char *json = test_read_file(WP_SOURCE_DIR "/data/models.json", &len);
    struct wp_model_table *table =
        wp_model_table_load(wp_view_make(json, len), WP_VIEW(""), error, sizeof(error));
    assert_non_null(table);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_model_info info;
        wp_view name = wp_view_of(rows[i].name);
        wp_model_lookup(table, WP_VIEW("anthropic"), name, &info);
        if (info.min_cache_tokens != rows[i].anthropic)
            print_error("%s: %u\n", rows[i].name, info.min_cache_tokens);
        assert_int_equal(info.min_cache_tokens, rows[i].anthropic);
        wp_model_lookup(table, WP_VIEW("bedrock"), name, &info);
        assert_int_equal(info.min_cache_tokens, rows[i].bedrock);
        assert_int_equal(sim_minimum_tokens(SIM_ANTHROPIC, name), rows[i].anthropic);
        assert_int_equal(sim_minimum_tokens(SIM_BEDROCK, name), rows[i].bedrock);

        struct world w;
        open_world(&w, SIM_ANTHROPIC);
        w.name = rows[i].name;
        struct sim_usage small = ask(&w, body_of(&w, "", "t5"));
        assert_int_equal(small.write_5m + small.read, 0);
        struct sim_usage big = ask(&w, body_of(&w, "", "LLLLL5"));
        assert_true(big.write_5m > 4096);
        assert_int_equal(big.input, 0);
        close_world(&w);
    }
    wp_model_table_free(table);
    free(json);
}

// What each change kills (the provider's table of invalidations): the tier that still reads after
// it.
static void salts_of_each_row(void **state)
{
    (void)state;
#define TOOLS(extra)                                                                           \
    "\"tools\":[{\"name\":\"a\",\"description\":\"%s\",\"input_schema\":{},\"cache_control\":" \
    "{\"type\":\"ephemeral\"}}" extra "],"
#define SYSTEM(text)                                                                      \
    "\"system\":[{\"type\":\"text\",\"text\":\"%s" text "\",\"cache_control\":{\"type\":" \
    "\"ephemeral\"}}],"
#define CITED ",{\"type\":\"document\",\"source\":{},\"citations\":{\"enabled\":true}}"
    static const struct {
        const char *tools, *system, *members, *more;
        int survives;      // 0 nothing, 1 tools, 2 system, 3 messages
        const char *betas; // instead of "one,two"
        bool in_head;      // a model that renders thinking and effort first
    } rows[] = {
        {TOOLS(""), SYSTEM(""), "", "", 3, NULL, false},
        {TOOLS(",{\"name\":\"b\",\"input_schema\":{}}"), SYSTEM(""), "", "", 1, NULL, false},
        {TOOLS(",{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}"), SYSTEM(""), "", "",
         1, NULL, false},
        {TOOLS(""), SYSTEM("!"), "", "", 1, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"speed\":\"fast\",", "", 1, NULL, false},
        {TOOLS(""), SYSTEM(""), "", CITED, 1, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"tool_choice\":{\"type\":\"any\"},", "", 2, NULL, false},
        {TOOLS(""), SYSTEM(""),
         "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true},", "", 2, NULL,
         false},
        {TOOLS(""), SYSTEM(""), "", ",{\"type\":\"image\",\"source\":{}}", 2, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000},", "",
         2, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"output_config\":{\"effort\":\"low\"},", "", 2, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"output_config\":{\"effort\":\"high\"},", "", 3, NULL,
         false}, // the default
        {TOOLS(""), SYSTEM(""), "\"metadata\":{\"user_id\":\"u\"},\"temperature\":1,", "", 3, NULL,
         false},
        {TOOLS(""), SYSTEM(""), "", ",{\"type\":\"document\",\"source\":{}}", 3, NULL, false},
        {TOOLS(""), SYSTEM(""), "", "", 3, "two, one,two", false}, // the same set
        {TOOLS(""), SYSTEM(""), "", "", 2, "one,two,three", false},
        {TOOLS(""), SYSTEM(""), "", "", 2, "one", false},
        {TOOLS(""), SYSTEM(""), "\"context_management\":{\"edits\":[]},", "", 2, NULL, false},
        {TOOLS(""), SYSTEM(""), "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000},", "",
         0, NULL, true},
        {TOOLS(""), SYSTEM(""), "\"output_config\":{\"effort\":\"low\"},", "", 0, NULL, true},
        {TOOLS(""), SYSTEM(""), "\"output_config\":{\"effort\":\"high\"},", "", 3, NULL, true},
        {TOOLS(""), SYSTEM(""), "\"tool_choice\":{\"type\":\"any\"},", "", 2, NULL, true},
    };
    static char filler[WORDS * 5 + 1], tools[16384], system[16384], body[65536];
    memset(filler, 'x', sizeof(filler) - 1);
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct world w;
        uint32_t tiers[4] = {0};
        open_world(&w, SIM_ANTHROPIC);
        for (int pass = 0; pass < 2; pass++) {
            size_t row = pass == 0 ? 0 : i;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(tools, sizeof(tools), rows[row].tools, filler);
            snprintf(system, sizeof(system), rows[row].system, filler);
#pragma GCC diagnostic pop
            snprintf(body, sizeof(body),
                     "{\"model\":\"%s\",%s%s%s\"messages\":[{\"role\":\"user\",\"content\":[{"
                     "\"type\":\"text\",\"text\":\"%s\",\"cache_control\":{\"type\":\"ephemeral\"}}"
                     "%s]}]}",
                     w.name, tools, system, rows[row].members, filler, rows[row].more);
            struct both b;
            w.truth.thinking_in_head = rows[i].in_head;
            w.betas = pass == 1 && rows[i].betas != NULL ? rows[i].betas : "one,two";
            begin(&w, body, &b);
            assert_int_equal(b.status, 0);
            for (size_t k = 0; pass == 0 && k < 3; k++)
                tiers[k + 1] = b.request.prompt.blocks[k].tokens;
            if (pass == 1 && b.billed.read != tiers[rows[i].survives])
                print_error("row %zu: read %u, expected %u\n", i, b.billed.read,
                            tiers[rows[i].survives]);
            if (pass == 1)
                assert_int_equal(b.billed.read, tiers[rows[i].survives]);
            end(&w, &b, true);
        }
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(thirty_five_against_fifteen),
        cmocka_unit_test(runs_collapse_where_the_platform_says_so),
        cmocka_unit_test(mixed_lifetimes_are_billed_by_a_b_c),
        cmocka_unit_test(readable_at_the_writers_first_event),
        cmocka_unit_test(life_runs_from_the_requests_start),
        cmocka_unit_test(a_hit_renews_its_path),
        cmocka_unit_test(below_the_minimum_nothing_is_written),
        cmocka_unit_test(salts_of_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
