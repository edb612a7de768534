// The hot paths, each alone and the same every time, so that their instructions can be counted
// (bench/instructions runs it under callgrind).
//
//   bench_paths NAME        body-scan chain-hash plan relay-sse relay-event-stream
//
// What is counted happens inside a function whose name begins with hot_.
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/codec.h"
#include "http/event_stream.h"
#include "prompt/chain.h"
#include "prompt/request.h"
#include "provider/provider.h"
#include "route/router.h"

enum { MESSAGES = 120, TOOLS = 24, DEPLOYMENTS = 4, DELTAS = 200 };

#define HOT __attribute__((noinline)) static void

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_paths: %s failed\n", what);
    exit(1);
}

// A Claude-Code-shaped request of some 300 KB: tools, a long system prompt, a long history of texts
// with escapes, markers.
static wp_view make_body(struct wp_buf *out)
{
    static const char mark[] = ",\"cache_control\":{\"type\":\"ephemeral\"}";
    *out = wp_buf_make(1 << 22);
    wp_buf_printf(out, "{\"model\":\"m\",\"max_tokens\":1024,\"stream\":true,\"tools\":[");
    for (int i = 0; i < TOOLS; i++) {
        wp_buf_printf(out, "%s{\"name\":\"tool_%d\",\"description\":\"", i > 0 ? "," : "", i);
        for (int k = 0; k < 20; k++)
            wp_buf_append_cstring(out, "Does a thing with care. ");
        wp_buf_append_cstring(out, "\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}");
    }
    wp_buf_append_cstring(out, "],\"system\":[{\"type\":\"text\",\"text\":\"");
    for (int k = 0; k < 500; k++)
        wp_buf_append_cstring(out, "You are a careful engineer. ");
    wp_buf_printf(out, "\"%s}],\"messages\":[", mark);
    for (int i = 0; i < MESSAGES; i++) {
        wp_buf_printf(out, "%s{\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":\"",
                      i > 0 ? "," : "", i % 2 == 0 ? "user" : "assistant");
        for (int k = 0; k < 45; k++)
            wp_buf_printf(out, "Turn %d: \\\"please\\\" look at it once again.\\n", i);
        wp_buf_printf(out, "\"%s}]}", i == MESSAGES - 1 ? mark : "");
    }
    wp_buf_append_cstring(out, "]}");
    check(wp_buf_ok(out), "the body");
    return wp_buf_view(out);
}

HOT hot_scan(struct wp_arena *arena, wp_view body, struct wp_request *out)
{
    const char *detail;
    size_t offset;
    check(wp_request_scan(arena, body, out, &detail, &offset) == WP_OK, "the scan");
}

HOT hot_chain(struct wp_arena *arena, const struct wp_request *request,
              const struct wp_chain_options *options, struct wp_prompt *out)
{
    check(wp_chain_build(arena, request, options, out) == WP_OK, "the chain");
}

static void path_scan(struct wp_arena *arena)
{
    struct wp_buf text;
    struct wp_request request;
    hot_scan(arena, make_body(&text), &request);
    wp_buf_free(&text);
}

static void make_prompt(struct wp_arena *arena, struct wp_buf *text, struct wp_prompt *prompt)
{
    struct wp_hash_key key;
    struct wp_request request;
    const char *detail;
    size_t offset;
    wp_hash_key_init(&key, WP_VIEW("seed"));
    const struct wp_chain_options options = {.key = &key, .collapse_tool_runs = true};
    check(wp_request_scan(arena, make_body(text), &request, &detail, &offset) == WP_OK, "the scan");
    hot_chain(arena, &request, &options, prompt);
}

static void path_chain(struct wp_arena *arena)
{
    struct wp_buf text;
    struct wp_prompt prompt;
    make_prompt(arena, &text, &prompt);
    wp_buf_free(&text);
}

// Planning -------------------------------------------------------------------------------------

struct rig {
    struct wp_router *router;
    struct wp_snapshot snapshot;
    struct wp_deployment_config deployments[DEPLOYMENTS];
    const struct wp_deployment_config *list[DEPLOYMENTS];
    struct wp_model_info models[DEPLOYMENTS];
    struct wp_resolved group;
    char ids[DEPLOYMENTS][16];
};

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){.router = wp_router_create()};
    wp_router_set_seed(rig->router, WP_VIEW("thirty-two bytes of a fixed seed"));
    rig->snapshot.router.pre_call_checks = WP_CHECK_PROMPT_CACHING;
    rig->snapshot.router.allowed_fails = -1;
    for (size_t i = 0; i < WP_KIND_COUNT; i++)
        rig->snapshot.router.allowed_fails_policy[i] = rig->snapshot.router.retry_policy[i] = -1;
    for (uint32_t i = 0; i < DEPLOYMENTS; i++) {
        snprintf(rig->ids[i], sizeof(rig->ids[i]), "deployment-%u", i);
        rig->deployments[i] = (struct wp_deployment_config){.id = wp_view_of(rig->ids[i]),
                                                            .api_key = wp_view_of(rig->ids[i]),
                                                            .model_name = WP_VIEW("m"),
                                                            .upstream_model = WP_VIEW("m"),
                                                            .platform = WP_PLATFORM_ANTHROPIC,
                                                            .index = i,
                                                            .weight = -1,
                                                            .cooldown_ms = -1,
                                                            .allowed_fails = -1};
        rig->list[i] = &rig->deployments[i];
        rig->models[i] = (struct wp_model_info){.min_cache_tokens = 1024};
    }
    rig->snapshot.deployments = rig->deployments;
    rig->snapshot.deployment_count = DEPLOYMENTS;
    rig->group =
        (struct wp_resolved){.group = WP_VIEW("m"), .deployments = rig->list, .count = DEPLOYMENTS};
    check(wp_router_configure(rig->router, &rig->snapshot) == WP_OK, "the router");
}

HOT hot_plan(struct rig *rig, struct wp_plan_request *request, struct wp_plan *plan, uint64_t turn)
{
    struct wp_attempt attempt;
    const struct wp_usage usage = {.seen = true, .final = true, .input = 10, .cache_read = 60000};
    request->now_ns = 1000000000000u + turn * 1000000000u;
    request->draw = turn + 1;
    check(wp_router_plan_and_begin(rig->router, request, plan, &attempt), "begin");
    wp_router_started(rig->router, &attempt, request->now_ns + 1000000);
    wp_router_end(rig->router, &attempt,
                  &(struct wp_outcome_detail){.outcome = WP_OUTCOME_SUCCESS,
                                              .status = 200,
                                              .retry_after_ms = -1,
                                              .usage = &usage,
                                              .latency_ns = 1000000,
                                              .now_ns = request->now_ns + 2000000});
}

static void path_plan(struct wp_arena *arena)
{
    struct wp_buf text;
    struct wp_prompt prompt;
    struct rig rig;
    struct wp_plan *plan = WP_ARENA_NEW(arena, struct wp_plan);
    make_prompt(arena, &text, &prompt);
    open_rig(&rig);
    struct wp_plan_request request = {.snapshot = &rig.snapshot,
                                      .group = &rig.group,
                                      .models = rig.models,
                                      .prompt = &prompt,
                                      .session_id = WP_VIEW("a-session-of-some-length"),
                                      .max_tokens = 1024};
    for (uint64_t turn = 0; turn < 100; turn++)
        hot_plan(&rig, &request, plan, turn);
    wp_router_destroy(rig.router);
    wp_buf_free(&text);
}

// Relaying -------------------------------------------------------------------------------------

static const char START[] =
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"model\":"
    "\"m\","
    "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":200,\"output_tokens\":1}}}";
static const char DELTA[] =
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
    "\"text\":\"some words of an answer, \"}}";
static const char STOP[] = "{\"type\":\"message_stop\"}";

static void put_sse(struct wp_buf *out, const char *name, const char *json)
{
    wp_buf_printf(out, "event: %s\ndata: %s\n\n", name, json);
}

static void put_frame(struct wp_buf *out, const char *name, const char *json)
{
    const struct wp_event_header headers[] = {
        {WP_VIEW(":event-type"), WP_VIEW("chunk")},
        {WP_VIEW(":content-type"), WP_VIEW("application/json")},
        {WP_VIEW(":message-type"), WP_VIEW("event")},
    };
    struct wp_buf payload = wp_buf_make(1 << 16);
    (void)name;
    wp_buf_append_cstring(&payload, "{\"bytes\":\"");
    wp_base64_append(&payload, wp_view_of(json));
    wp_buf_append_cstring(&payload, "\",\"p\":\"abcdefgh\"}");
    wp_event_stream_encode(out, headers, WP_COUNT_OF(headers), wp_buf_view(&payload));
    wp_buf_free(&payload);
}

static size_t written;

static void count_bytes(void *arg, wp_view bytes)
{
    (void)arg;
    written += bytes.len;
}

HOT hot_relay(struct wp_answer *answer, wp_view event)
{
    wp_answer_feed(answer, event, count_bytes, NULL);
}

// Each event arrives alone, as tokens do.
static void relay(struct wp_arena *arena, enum wp_platform platform, wp_view type,
                  void (*put)(struct wp_buf *out, const char *name, const char *json))
{
    const struct wp_deployment_config deployment = {.id = WP_VIEW("d"), .platform = platform};
    struct wp_headers headers;
    struct wp_answer *answer;
    struct wp_buf start = wp_buf_make(1 << 16), delta = start, stop = start;
    wp_headers_init(&headers, arena);
    check(wp_headers_add(&headers, WP_VIEW("content-type"), type) == WP_OK, "headers");
    const struct wp_answer_options options = {.deployment = &deployment,
                                              .stream = true,
                                              .requested_model = WP_VIEW("alias"),
                                              .status = 200,
                                              .headers = &headers,
                                              .arena = arena};
    check(wp_answer_create(&options, &answer) == WP_OK, "the answer");
    put(&start, "message_start", START);
    put(&delta, "content_block_delta", DELTA);
    put(&stop, "message_stop", STOP);
    hot_relay(answer, wp_buf_view(&start));
    for (int i = 0; i < DELTAS; i++)
        hot_relay(answer, wp_buf_view(&delta));
    hot_relay(answer, wp_buf_view(&stop));
    check(answer->phase == WP_ANSWER_COMPLETE && written > DELTAS * sizeof(DELTA), "the relay");
    wp_buf_free(&start);
    wp_buf_free(&delta);
    wp_buf_free(&stop);
}

static void path_relay_sse(struct wp_arena *arena)
{
    relay(arena, WP_PLATFORM_ANTHROPIC, WP_VIEW("text/event-stream"), put_sse);
}

static void path_relay_event_stream(struct wp_arena *arena)
{
    relay(arena, WP_PLATFORM_BEDROCK, WP_VIEW("application/vnd.amazon.eventstream"), put_frame);
}

// --------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*run)(struct wp_arena *arena);
} paths[] = {{"body-scan", path_scan},
             {"chain-hash", path_chain},
             {"plan", path_plan},
             {"relay-sse", path_relay_sse},
             {"relay-event-stream", path_relay_event_stream}};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < WP_COUNT_OF(paths); i++) {
        if (!wp_view_is(wp_view_of(argv[1]), paths[i].name))
            continue;
        struct wp_arena *arena = wp_arena_create(0);
        check(arena != NULL, "memory");
        paths[i].run(arena);
        wp_arena_destroy(arena);
        return 0;
    }
    fprintf(stderr, "usage: bench_paths NAME, one of:");
    for (size_t i = 0; i < WP_COUNT_OF(paths); i++)
        fprintf(stderr, " %s", paths[i].name);
    fprintf(stderr, "\n");
    return 2;
}
