#include "route/deployment.h"

#include "base/alloc.h"
#include "route/strategy.h"

enum { SCOPES_MAX = 4096 }; // remembered from before the start
static const uint64_t MINUTE_NS = 60000000000u, LOAD_SPAN_NS = 720000000000u,
                      CARRIED_SPAN_NS = 43200000000000u;

// Identity.

static struct wp_hash128 link_number(const struct wp_hash_key *key, struct wp_hash128 h,
                                     uint32_t number)
{
    return wp_hash128_link(key, h, number, WP_VIEW(""));
}

// Each field is linked with its own tag, so that two fields never run into each other.
static struct wp_hash128 link_fields(const struct wp_hash_key *key, struct wp_hash128 h,
                                     const wp_view *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        h = wp_hash128_link(key, h, i + 1, fields[i]);
    return h;
}

struct wp_hash128 wp_identity(const struct wp_hash_key *hash_key,
                              const struct wp_deployment_config *d)
{
    struct wp_hash128 h = link_number(hash_key, (struct wp_hash128){0, 0}, 100 + d->platform);
    if (d->cache_domain.len > 0)
        return wp_hash128_link(hash_key, h, 99, d->cache_domain);
    const wp_view fields[] = {
        d->api_key,        d->api_base,       d->aws.access_key_id,      d->aws.region,
        d->aws.profile,    d->aws.role_arn,   d->aws.web_identity_token, d->aws.runtime_endpoint,
        d->aws.project_id, d->vertex.project, d->vertex.location,
    };
    return link_fields(hash_key, h, fields, WP_COUNT_OF(fields));
}

struct wp_hash128 wp_domain_key(const struct wp_hash_key *hash_key, struct wp_hash128 identity,
                                const struct wp_deployment_config *deployment, wp_view wildcard)
{
    const wp_view fields[] = {
        deployment->model_id.len > 0 ? deployment->model_id : deployment->upstream_model,
        wildcard,
    };
    return link_fields(hash_key, identity, fields, deployment->wildcard ? 2 : 1);
}

static struct wp_hash128 rate_key(const struct wp_hash_key *hash_key,
                                  const struct wp_deployment_config *d)
{
    struct wp_hash128 h = {0, 0};
    if (d->rate_domain.len == 0)
        return wp_hash128_link(hash_key, h, 1, d->id);
    const wp_view fields[] = {d->rate_domain, d->upstream_model};
    return link_fields(hash_key, link_number(hash_key, h, 2), fields, WP_COUNT_OF(fields));
}

// Rate domains.

static wp_view key_view(const struct wp_hash128 *key)
{
    return wp_view_make((const char *)key, sizeof(*key));
}

static struct wp_rate *acquire_rate(struct wp_registry *registry, struct wp_hash128 key,
                                    bool shared)
{
    struct wp_rate *rate = wp_map_get(&registry->rates, key_view(&key));
    if (rate == NULL) {
        rate = wp_alloc(sizeof(*rate));
        if (rate == NULL)
            return NULL;
        const struct wp_window minute = wp_window_make(MINUTE_NS);
        *rate = (struct wp_rate){
            .key = key, .shared = shared, .requests = minute, .tokens = minute, .output = minute};
        if (!wp_map_set(&registry->rates, key_view(&key), rate)) {
            wp_free(rate);
            return NULL;
        }
    }
    rate->refs++;
    return rate;
}

static void release_rate(struct wp_rate *rate)
{
    if (rate != NULL)
        wp_registry_release_rate(rate);
}

void wp_registry_release_rate(struct wp_rate *rate)
{
    WP_CHECK(rate->refs > 0);
    rate->refs--;
}

static struct wp_rate *next_unused_rate(const struct wp_registry *registry)
{
    size_t cursor = 0;
    wp_view key;
    void *value;
    while (wp_map_next(&registry->rates, &cursor, &key, &value))
        if (((struct wp_rate *)value)->refs == 0)
            return value;
    return NULL;
}

static void collect_rates(struct wp_registry *registry)
{
    struct wp_rate *rate;
    while ((rate = next_unused_rate(registry)) != NULL) {
        wp_map_remove(&registry->rates, key_view(&rate->key));
        wp_free(rate);
    }
}

// States.

void wp_registry_init(struct wp_registry *registry)
{
    *registry = (struct wp_registry){
        .states = wp_map_make(0), .rates = wp_map_make(0), .scopes = wp_map_make(SCOPES_MAX)};
}

static void free_state(struct wp_deployment_state *state)
{
    state->magic = 0;
    wp_free((char *)(uintptr_t)state->id.ptr);
    wp_free(state);
}

void wp_registry_free(struct wp_registry *registry)
{
    size_t cursor = 0;
    wp_view key;
    void *value;
    while (wp_map_next(&registry->states, &cursor, &key, &value))
        free_state(value);
    cursor = 0;
    while (wp_map_next(&registry->rates, &cursor, &key, &value))
        wp_free(value);
    cursor = 0;
    while (wp_map_next(&registry->scopes, &cursor, &key, &value))
        wp_free(value);
    wp_free(registry->current);
    wp_map_free(&registry->states);
    wp_map_free(&registry->rates);
    wp_map_free(&registry->scopes);
}

bool wp_registry_remember_scope(struct wp_registry *registry, struct wp_hash128 configured,
                                struct wp_hash128 learnt)
{
    struct wp_hash128 *known = wp_map_get(&registry->scopes, key_view(&configured));
    if (known == NULL) {
        known = wp_alloc(sizeof(*known));
        if (known == NULL || !wp_map_set(&registry->scopes, key_view(&configured), known)) {
            wp_free(known);
            return false;
        }
    }
    *known = learnt;
    return true;
}

// The scope that was learnt for the same credential still holds.
static struct wp_hash128 known_identity(const struct wp_registry *registry,
                                        const struct wp_deployment_state *state,
                                        struct wp_hash128 configured)
{
    if (state != NULL && wp_hash128_eq(state->configured_identity, configured))
        return state->identity;
    const struct wp_hash128 *before = wp_map_get(&registry->scopes, key_view(&configured));
    return before == NULL ? configured : *before;
}

struct wp_deployment_state *wp_registry_find(const struct wp_registry *registry,
                                             const struct wp_deployment_config *deployment)
{
    // A request may hold an earlier snapshot, whose indexes are others.
    if (deployment->index < registry->current_count) {
        struct wp_deployment_state *state = registry->current[deployment->index];
        if (wp_view_eq(state->id, deployment->id))
            return state;
    }
    return wp_map_get(&registry->states, deployment->id);
}

static struct wp_deployment_state *new_state(wp_view id)
{
    struct wp_deployment_state *state = wp_alloc(sizeof(*state));
    char *copy = wp_alloc(id.len + 1);
    if (state == NULL || copy == NULL) {
        wp_free(state);
        wp_free(copy);
        return NULL;
    }
    if (id.len > 0)
        memcpy(copy, id.ptr, id.len);
    *state = (struct wp_deployment_state){
        .magic = WP_STATE_MAGIC,
        .id = wp_view_make(copy, id.len),
        .id_hash = wp_stable_hash(id),
        .successes = wp_window_make(MINUTE_NS),
        .failures = wp_window_make(MINUTE_NS),
        .load = wp_window_make(LOAD_SPAN_NS),
        .carried = wp_window_make(CARRIED_SPAN_NS),
    };
    return state;
}

static struct wp_deployment_state *ensure_state(struct wp_registry *registry, wp_view id)
{
    struct wp_deployment_state *state = wp_map_get(&registry->states, id);
    if (state != NULL)
        return state;
    state = new_state(id);
    if (state != NULL && wp_map_set(&registry->states, id, state))
        return state;
    if (state != NULL)
        free_state(state);
    return NULL;
}

// What one deployment of the new snapshot is to refer to; acquired before anything is changed.
struct links {
    struct wp_deployment_state *state;
    struct wp_hash128 identity, configured_identity;
    struct wp_domain *domain;
    struct wp_rate *rate;
};

static bool acquire_links(struct wp_registry *registry, struct wp_model *model,
                          const struct wp_hash_key *hash_key,
                          const struct wp_deployment_config *deployment, struct links *links)
{
    links->state = ensure_state(registry, deployment->id);
    links->configured_identity = wp_identity(hash_key, deployment);
    links->identity = known_identity(registry, links->state, links->configured_identity);
    links->rate =
        acquire_rate(registry, rate_key(hash_key, deployment), deployment->rate_domain.len > 0);
    if (!deployment->wildcard)
        links->domain = wp_model_acquire(
            model, wp_domain_key(hash_key, links->identity, deployment, WP_VIEW("")));
    return links->state != NULL && links->rate != NULL &&
           (deployment->wildcard || links->domain != NULL);
}

static void release_links(struct wp_model *model, struct links *links)
{
    release_rate(links->rate);
    if (links->domain != NULL)
        wp_model_release(model, links->domain);
}

static void apply_links(struct wp_model *model, struct links *links)
{
    struct wp_deployment_state *state = links->state;
    struct links former = {.domain = state->domain, .rate = state->rate};
    state->identity = links->identity;
    state->configured_identity = links->configured_identity;
    state->domain = links->domain;
    state->rate = links->rate;
    // What was learnt of the organisation goes with the credential that it was learnt by.
    release_rate(state->reported);
    state->reported = state->rate;
    state->reported->refs++;
    state->configured = true;
    release_links(model, &former);
}

static void unconfigure_all(struct wp_registry *registry)
{
    size_t cursor = 0;
    wp_view key;
    void *value;
    while (wp_map_next(&registry->states, &cursor, &key, &value))
        ((struct wp_deployment_state *)value)->configured = false;
}

enum wp_err wp_registry_configure(struct wp_registry *registry, struct wp_model *model,
                                  const struct wp_hash_key *hash_key,
                                  const struct wp_snapshot *snapshot)
{
    size_t count = snapshot->deployment_count;
    struct links *links = wp_alloc((count + 1) * sizeof(*links));
    struct wp_deployment_state **current = wp_alloc((count + 1) * sizeof(links->state));
    if (links == NULL || current == NULL) {
        wp_free(links);
        wp_free(current);
        return WP_ERR_NO_MEMORY;
    }
    bool complete = true;
    for (size_t i = 0; i < count && complete; i++)
        complete = acquire_links(registry, model, hash_key, &snapshot->deployments[i], &links[i]);
    if (complete)
        unconfigure_all(registry);
    for (size_t i = 0; i < count; i++) {
        if (complete)
            apply_links(model, &links[i]);
        else
            release_links(model, &links[i]);
        current[i] = links[i].state;
    }
    if (complete) {
        wp_free(registry->current);
        registry->current = current;
        registry->current_count = count;
    } else {
        wp_free(current);
    }
    wp_free(links);
    wp_registry_collect(registry, model);
    return complete ? WP_OK : WP_ERR_NO_MEMORY;
}

static struct wp_deployment_state *next_unused(const struct wp_registry *registry)
{
    size_t cursor = 0;
    wp_view key;
    void *value;
    while (wp_map_next(&registry->states, &cursor, &key, &value)) {
        struct wp_deployment_state *state = value;
        if (!state->configured && state->in_flight == 0)
            return state;
    }
    return NULL;
}

void wp_registry_collect(struct wp_registry *registry, struct wp_model *model)
{
    struct wp_deployment_state *state;
    while ((state = next_unused(registry)) != NULL) {
        struct links former = {.domain = state->domain, .rate = state->rate};
        wp_map_remove(&registry->states, state->id);
        release_links(model, &former);
        release_rate(state->reported);
        free_state(state);
    }
    collect_rates(registry);
}

void wp_registry_learn_scope(struct wp_model *model, const struct wp_hash_key *hash_key,
                             struct wp_deployment_state *state,
                             const struct wp_deployment_config *deployment, wp_view scope)
{
    if (scope.len == 0 || deployment->cache_domain.len > 0)
        return;
    struct wp_hash128 identity = wp_hash128_link(
        hash_key, link_number(hash_key, (struct wp_hash128){0, 0}, 200 + deployment->platform), 1,
        scope);
    if (wp_hash128_eq(identity, state->identity))
        return;
    if (state->domain != NULL) {
        struct wp_hash128 key = wp_domain_key(hash_key, identity, deployment, WP_VIEW(""));
        struct wp_domain *domain = wp_model_rename(model, state->domain, key);
        if (domain == NULL)
            return;
        state->domain = domain;
    }
    state->identity = identity;
}

void wp_registry_learn_organisation(struct wp_registry *registry,
                                    const struct wp_hash_key *hash_key,
                                    struct wp_deployment_state *state,
                                    const struct wp_deployment_config *deployment,
                                    wp_view organisation)
{
    if (organisation.len == 0 || deployment->rate_domain.len > 0)
        return;
    const wp_view fields[] = {organisation, deployment->upstream_model};
    struct wp_hash128 key = link_fields(
        hash_key, link_number(hash_key, (struct wp_hash128){0, 0}, 300 + deployment->platform),
        fields, WP_COUNT_OF(fields));
    if (state->reported != NULL && wp_hash128_eq(state->reported->key, key))
        return;
    struct wp_rate *rate = acquire_rate(registry, key, true);
    if (rate == NULL)
        return;
    release_rate(state->reported);
    state->reported = rate;
}
