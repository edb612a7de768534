#include "route/private.h"

#include "route/cooldown.h"

uint32_t wp_pin_tag(const struct wp_deployment_state *state)
{
    return (uint32_t)state->id_hash | 1;
}

static struct wp_domain *domain_of(const struct wp_router *router,
                                   const struct wp_plan_request *request,
                                   const struct wp_lane *lane)
{
    if (lane->state == NULL)
        return NULL;
    if (!lane->deployment->wildcard)
        return lane->state->domain;
    return wp_model_domain(&router->model,
                           wp_domain_key(&router->hash_key, lane->state->identity, lane->deployment,
                                         request->group->wildcard));
}

void wp_lane_open(struct wp_router *router, const struct wp_plan_request *request, uint32_t index,
                  struct wp_lane *lane)
{
    const struct wp_deployment_config *deployment = request->group->deployments[index];
    *lane = (struct wp_lane){
        .deployment = deployment,
        .model = &request->models[index],
        .state = wp_registry_find(&router->registry, deployment),
        .rules = wp_cache_rules(deployment->platform),
        .forecast = {.confidence = 1},
        .admission = {.wait_ms = -1, .headroom = 1},
        .order = deployment->order,
        .reason = WP_REASON_STRATEGY,
    };
    if (lane->state != NULL)
        lane->tag = wp_pin_tag(lane->state);
    if (request->prompt != NULL)
        lane->domain = domain_of(router, request, lane);
}

// Lanes of equal rules are searched together. Without a breakpoint nothing is found.
static void search(struct wp_router *router, const struct wp_plan_request *request,
                   struct wp_lane *lanes, uint32_t count, uint32_t first, uint64_t *done)
{
    struct wp_domain *domains[WP_PLAN_MAX];
    struct wp_sighting sightings[WP_PLAN_MAX];
    struct wp_breakpoint points[WP_BREAKPOINTS_MAX];
    uint32_t members[WP_PLAN_MAX];
    uint32_t found = 1;
    if (wp_breakpoints(lanes[first].rules, request->prompt, points) == 0)
        return;
    members[0] = first;
    domains[0] = lanes[first].domain;
    for (uint32_t i = first + 1; i < count; i++) {
        if (lanes[i].rules != lanes[first].rules)
            continue;
        *done |= (uint64_t)1 << i;
        members[found] = i;
        domains[found++] = lanes[i].domain;
    }
    wp_model_search(&router->model, lanes[first].rules, request->prompt, domains, found,
                    request->now_ns, sightings);
    for (uint32_t i = 0; i < found; i++)
        lanes[members[i]].sighting = sightings[i];
}

void wp_lanes_forecast(struct wp_router *router, const struct wp_plan_request *request,
                       struct wp_lane *lanes, uint32_t count)
{
    uint64_t done = 0;
    if (request->prompt == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        if ((done >> i & 1) == 0)
            search(router, request, lanes, count, i, &done);
    for (uint32_t i = 0; i < count; i++)
        wp_model_forecast(lanes[i].domain, lanes[i].rules, request->prompt,
                          lanes[i].model->min_cache_tokens, &lanes[i].sighting, &lanes[i].forecast);
}

// An estimate (bytes / 4) that has not been measured yet may be a tenth too high.
static bool too_large(const struct wp_plan_request *request, const struct wp_lane *lane)
{
    uint32_t most = lane->deployment->max_input_tokens;
    if (most == 0)
        most = lane->model->max_input_tokens;
    if (!request->snapshot->router.enable_pre_call_checks || request->prompt == NULL || most == 0)
        return false;
    bool measured = lane->domain != NULL && lane->domain->scaled;
    uint64_t tokens = lane->forecast.total;
    return (measured ? tokens : tokens - tokens / 10) > most;
}

static bool cools(const struct wp_plan_request *request, const struct wp_lane *lane)
{
    return lane->cooling_until_ns > 0 && request->group->count > 1 &&
           !request->group->exact_deployment;
}

static bool skipped(const struct wp_plan_request *request, uint32_t index, struct wp_lane *lane)
{
    if (lane->deployment->blocked)
        lane->reason = WP_REASON_BLOCKED;
    else if (request->tried >> index & 1)
        lane->reason = WP_REASON_TRIED;
    else if (cools(request, lane))
        lane->reason = WP_REASON_COOLING;
    else if (lane->admission.full)
        lane->reason = WP_REASON_FULL;
    else if (too_large(request, lane))
        lane->reason = WP_REASON_CONTEXT;
    else
        return false;
    return true;
}

void wp_lane_price(const struct wp_plan_request *request, struct wp_lane *lane)
{
    const struct wp_forecast *forecast = request->prompt == NULL ? NULL : &lane->forecast;
    wp_rates_resolve(&lane->model->price, lane->forecast.total, &lane->rates);
    wp_limits_need(lane->deployment->platform, forecast, request->max_tokens, &lane->need);
}

void wp_lane_judge(const struct wp_plan_request *request, uint32_t index, struct wp_lane *lane)
{
    if (lane->state != NULL) {
        wp_limits_check(lane->state, lane->deployment, &request->snapshot->router, &lane->need,
                        request->now_ns, &lane->admission);
        lane->cooling_until_ns = wp_cooldown_until(lane->state, request->now_ns);
    }
    lane->usable = !skipped(request, index, lane);
    lane->tier = lane->usable ? 1 : 3;
}
