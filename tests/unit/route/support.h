// A router over deployments made by hand, and prompts from text: what the tests of this room share.
#ifndef WP_TESTS_ROUTE_SUPPORT_H
#define WP_TESTS_ROUTE_SUPPORT_H

#include "prompt/request.h"
#include "route/model.h"
#include "route/router.h"
#include "tests/support/test.h"

enum { RIG_MAX = 16, RIG_FILLER = 1 << 19 };
static const uint64_t RIG_S = 1000000000u, RIG_START = 1000000000000u;

struct rig {
    struct wp_router *router;
    struct wp_snapshot snapshot;
    struct wp_deployment_config deployments[RIG_MAX];
    const struct wp_deployment_config *list[RIG_MAX];
    struct wp_model_info models[RIG_MAX];
    struct wp_resolved group;
    struct wp_arena *arena;
    uint64_t now_ns;
    char ids[RIG_MAX][24], keys[RIG_MAX][24];
};

// `count` accounts of the Claude API with one model; nothing is limited.
static inline void rig_open(struct rig *rig, uint32_t count)
{
    *rig = (struct rig){.router = wp_router_create(), .now_ns = RIG_START};
    rig->arena = wp_arena_create(0);
    wp_router_set_seed(rig->router, WP_VIEW("thirty-two bytes of a fixed seed"));
    rig->snapshot.router.pre_call_checks = WP_CHECK_PROMPT_CACHING;
    rig->snapshot.router.allowed_fails = -1;
    rig->snapshot.router.cooldown_ms = 5000;
    rig->snapshot.router.affinity_ttl_ms = 3600000;
    for (uint32_t i = 0; i < WP_KIND_COUNT; i++)
        rig->snapshot.router.allowed_fails_policy[i] = rig->snapshot.router.retry_policy[i] = -1;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(rig->ids[i], sizeof(rig->ids[i]), "deployment-%u", i);
        snprintf(rig->keys[i], sizeof(rig->keys[i]), "sk-ant-%u", i);
        rig->deployments[i] = (struct wp_deployment_config){
            .id = wp_view_of(rig->ids[i]),
            .api_key = wp_view_of(rig->keys[i]),
            .model_name = WP_VIEW("sonnet"),
            .upstream_model = WP_VIEW("claude-sonnet-4-5"),
            .platform = WP_PLATFORM_ANTHROPIC,
            .index = i,
            .weight = -1,
            .cooldown_ms = -1,
            .allowed_fails = -1,
        };
        rig->list[i] = &rig->deployments[i];
        rig->models[i] = (struct wp_model_info){
            .min_cache_tokens = 1024,
            .price = {.input = 3e-6,
                      .output = 15e-6,
                      .cache_read = 3e-7,
                      .cache_write_5m = 3.75e-6,
                      .cache_write_1h = 6e-6,
                      .input_above_200k = -1,
                      .cache_read_above_200k = -1,
                      .cache_write_5m_above_200k = -1,
                      .cache_write_1h_above_200k = -1,
                      .known = true},
        };
    }
    rig->snapshot.deployments = rig->deployments;
    rig->snapshot.deployment_count = count;
    rig->group =
        (struct wp_resolved){.group = WP_VIEW("sonnet"), .deployments = rig->list, .count = count};
}

// After the deployments have been made what the test wants.
static inline void rig_start(struct rig *rig)
{
    assert_ok(wp_router_configure(rig->router, &rig->snapshot));
}

static inline void rig_close(struct rig *rig)
{
    wp_router_destroy(rig->router);
    wp_arena_destroy(rig->arena);
}

// A conversation: a head of `head` bytes named by `name`, then turns of `turn` bytes each, of which
// the last one, and the head, carry a marker. Turns alternate between user and assistant.
struct rig_talk {
    const char *name;
    uint32_t head, turn, turns;
    bool thinking; // the assistant thinks
    bool tools;    // its last turn is a tool's result
    bool hour;     // markers of one hour
    bool unmarked;
};

static inline struct wp_prompt *rig_prompt(struct rig *rig, const struct rig_talk *talk)
{
    static const char minutes[] = ",\"cache_control\":{\"type\":\"ephemeral\"}";
    static const char hour[] = ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}";
    static char filler[RIG_FILLER];
    size_t room = 1000 + talk->head + talk->turns * (300 + strlen(talk->name) + talk->turn);
    char *text = wp_arena_alloc(rig->arena, room);
    struct wp_request *request = wp_arena_alloc(rig->arena, sizeof(*request));
    struct wp_prompt *prompt = wp_arena_alloc(rig->arena, sizeof(*prompt));
    const char *marker = talk->unmarked ? "" : talk->hour ? hour : minutes, *detail;
    size_t at = 0, offset;
    assert_non_null(prompt);
    assert_true(talk->head < RIG_FILLER && talk->turn < RIG_FILLER);
    if (filler[0] == 0)
        memset(filler, 'x', sizeof(filler) - 1);
    at +=
        (size_t)snprintf(text, room,
                         "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"%s %.*s\"%s}],"
                         "\"messages\":[",
                         talk->name, (int)talk->head, filler, marker);
    for (uint32_t i = 0; i < talk->turns; i++) {
        bool last = i + 1 == talk->turns, assistant = i % 2 == 1;
        at += (size_t)snprintf(text + at, room - at, "%s{\"role\":\"%s\",\"content\":[",
                               i > 0 ? "," : "", assistant ? "assistant" : "user");
        if (assistant && talk->thinking)
            at += (size_t)snprintf(text + at, room - at,
                                   "{\"type\":\"thinking\",\"thinking\":\"%u\"},", i);
        if (last && talk->tools)
            at +=
                (size_t)snprintf(text + at, room - at,
                                 "{\"type\":\"tool_result\",\"tool_use_id\":\"%u\"%s}", i, marker);
        else
            at += (size_t)snprintf(text + at, room - at,
                                   "{\"type\":\"text\",\"text\":\"%s turn %u %.*s\"%s}", talk->name,
                                   i, (int)talk->turn, filler, last ? marker : "");
        at += (size_t)snprintf(text + at, room - at, "]}");
    }
    at += (size_t)snprintf(text + at, room - at, "]}");
    assert_true(at < room);
    assert_ok(wp_request_scan(rig->arena, wp_view_make(text, at), request, &detail, &offset));
    const struct wp_chain_options options = {.key = wp_router_hash_key(rig->router)};
    assert_ok(wp_chain_build(rig->arena, request, &options, prompt));
    return prompt;
}

static inline struct wp_plan_request rig_request(struct rig *rig, const struct wp_prompt *prompt,
                                                 const char *session)
{
    return (struct wp_plan_request){
        .snapshot = &rig->snapshot,
        .group = &rig->group,
        .models = rig->models,
        .prompt = prompt,
        .session_id = wp_view_of(session),
        .now_ns = rig->now_ns,
        .draw = 42,
    };
}

static inline uint32_t rig_index(const struct rig *rig, const struct wp_candidate *candidate)
{
    return (uint32_t)(candidate->deployment - rig->deployments);
}

// Where a request would go.
static inline uint32_t rig_choose(struct rig *rig, const struct wp_prompt *prompt,
                                  const char *session, struct wp_plan *plan)
{
    struct wp_plan_request request = rig_request(rig, prompt, session);
    wp_router_plan(rig->router, &request, plan);
    assert_true(plan->usable > 0);
    return rig_index(rig, &plan->candidates[0]);
}

// The usage that a provider would report if it held exactly what the plan's first candidate says.
static inline struct wp_usage rig_usage(const struct wp_candidate *candidate)
{
    return (struct wp_usage){
        .seen = true,
        .final = true,
        .input = candidate->predicted_uncached,
        .cache_read = candidate->predicted_read,
        .cache_write_5m = candidate->predicted_write - candidate->predicted_write_1h,
        .cache_write_1h = candidate->predicted_write_1h,
        .output = 10,
    };
}

static inline void rig_finish(struct rig *rig, struct wp_attempt *attempt,
                              const struct wp_usage *usage)
{
    wp_router_started(rig->router, attempt, rig->now_ns);
    wp_router_end(rig->router, attempt,
                  &(struct wp_outcome_detail){.outcome = WP_OUTCOME_SUCCESS,
                                              .status = 200,
                                              .retry_after_ms = -1,
                                              .usage = usage,
                                              .latency_ns = RIG_S,
                                              .now_ns = rig->now_ns});
}

// A request that goes where the plan says, or to `forced` (not UINT32_MAX), and succeeds.
static inline uint32_t rig_serve(struct rig *rig, const struct wp_prompt *prompt,
                                 const char *session, uint32_t forced)
{
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(rig, prompt, session);
    wp_router_plan(rig->router, &request, &plan);
    size_t at = 0;
    for (size_t i = 0; i < plan.count; i++)
        if (rig_index(rig, &plan.candidates[i]) == forced)
            at = i;
    assert_true(wp_router_begin(rig->router, &request, &plan.candidates[at], &attempt));
    struct wp_usage usage = rig_usage(&plan.candidates[at]);
    rig_finish(rig, &attempt, &usage);
    return rig_index(rig, &plan.candidates[at]);
}

static inline void rig_fail(struct rig *rig, uint32_t index, const struct wp_outcome_detail *detail)
{
    struct wp_plan plan;
    struct wp_attempt attempt;
    struct wp_plan_request request = rig_request(rig, NULL, "");
    wp_router_plan(rig->router, &request, &plan);
    for (size_t i = 0; i < plan.count; i++)
        if (rig_index(rig, &plan.candidates[i]) == index) {
            assert_true(wp_router_begin(rig->router, &request, &plan.candidates[i], &attempt));
            struct wp_outcome_detail full = *detail;
            full.now_ns = rig->now_ns;
            wp_router_end(rig->router, &attempt, &full);
            return;
        }
    fail();
}

static inline struct wp_deployment_status rig_status(struct rig *rig, uint32_t index)
{
    struct wp_deployment_status status;
    wp_router_status(rig->router, &rig->deployments[index], rig->now_ns, &status);
    return status;
}

#endif
