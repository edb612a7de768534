// What the router knows of a deployment beyond its configuration: requests in flight, health and
// cooldown, its cache domain, and its rate domain, which several deployments may share. Kept
// across reloads by deployment id. Not thread-safe: the router's lock guards it.
#ifndef WP_ROUTE_DEPLOYMENT_H
#define WP_ROUTE_DEPLOYMENT_H

#include "config/snapshot.h"
#include "route/model.h"
#include "route/router.h"
#include "route/window.h"

enum { WP_STATE_MAGIC = 0x44504c53 };

// A limit as the provider reports it in its headers: a bucket that refills within a minute.
struct wp_reported {
    uint64_t limit; // 0: not reported
    int64_t remaining;
    uint64_t at_ns;
};

// How full the configured itpm is: it refills continuously, as the provider's bucket does.
struct wp_fill {
    double used; // tokens
    uint64_t at_ns;
    uint64_t limit; // tokens per minute, as last checked
};

// What shares one rate limit.
struct wp_rate {
    struct wp_hash128 key;
    uint32_t refs;
    bool shared; // named by operator or provider: a 429 stops every deployment in it
    uint64_t cooling_until_ns, announced_ns;   // the latter: as the provider's retry-after says
    struct wp_window requests, tokens, output; // of the last minute
    struct wp_fill input;
    struct wp_reported reported_requests, reported_input, reported_tokens;
};

struct wp_deployment_state {
    uint32_t magic;
    uint32_t in_flight;
    bool configured;                       // in the current snapshot
    wp_view id;                            // owned
    uint64_t id_hash;                      // the same on every gateway
    struct wp_hash128 identity;            // of the credential and place, without the model
    struct wp_hash128 configured_identity; // before the provider named the cache's scope
    struct wp_domain *domain;              // NULL for wildcards: their model comes with the request
    struct wp_rate *rate;
    // What the provider reports of its limits, and its 429s: the organisation's, once the provider
    // has named it, so that its workspaces know of each other; `rate` until then.
    struct wp_rate *reported;

    struct wp_window successes, failures; // of the last minute
    uint32_t failures_in_a_row;
    uint64_t cooling_until_ns, announced_ns;
    char cooling_reason[64];
    bool cooling_for_limit; // it answered that a limit is reached, rather than failing

    struct wp_window load;    // prompt tokens sent in the last minutes
    struct wp_window carried; // the same of the last hours
    double latency_ns;        // moving average to the first byte; 0: none yet
    uint64_t total_requests, total_failures;
    uint64_t predicted_read, actual_read, actual_write, actual_uncached;
};

struct wp_registry {
    struct wp_map states; // by id
    // Those of the current snapshot, by the index of their deployment.
    struct wp_deployment_state **current;
    size_t current_count;
    struct wp_map rates;  // by key
    struct wp_map scopes; // learnt identities by the configured ones, from before the start
};

void wp_registry_init(struct wp_registry *registry);
void wp_registry_free(struct wp_registry *registry);
// Of the deployment's id, NULL if there is none; without a search for those of the current
// snapshot.
struct wp_deployment_state *wp_registry_find(const struct wp_registry *registry,
                                             const struct wp_deployment_config *deployment);
// Makes the states fit the snapshot. On WP_ERR_NO_MEMORY the former states stay in force.
enum wp_err wp_registry_configure(struct wp_registry *registry, struct wp_model *model,
                                  const struct wp_hash_key *hash_key,
                                  const struct wp_snapshot *snapshot) WP_WARN_UNUSED;
// What an earlier process has learnt by wp_registry_learn_scope: holds for deployments that are
// configured from now on. False without memory.
bool wp_registry_remember_scope(struct wp_registry *registry, struct wp_hash128 configured,
                                struct wp_hash128 learnt) WP_WARN_UNUSED;
// Gives up a reference; collect frees what has none.
void wp_registry_release_rate(struct wp_rate *rate);
// Frees the states that no snapshot names and no attempt uses.
void wp_registry_collect(struct wp_registry *registry, struct wp_model *model);

// The provider has named the scope of the deployment's cache: what shares it shares a domain.
void wp_registry_learn_scope(struct wp_model *model, const struct wp_hash_key *hash_key,
                             struct wp_deployment_state *state,
                             const struct wp_deployment_config *deployment, wp_view scope);

// The provider has named the organisation whose limits apply.
void wp_registry_learn_organisation(struct wp_registry *registry,
                                    const struct wp_hash_key *hash_key,
                                    struct wp_deployment_state *state,
                                    const struct wp_deployment_config *deployment,
                                    wp_view organisation);

// The credential and the place that it is used at.
struct wp_hash128 wp_identity(const struct wp_hash_key *hash_key,
                              const struct wp_deployment_config *deployment);
// The cache domain's key: identity (or the operator's name for it) and model. `wildcard` is what
// '*' stands for.
struct wp_hash128 wp_domain_key(const struct wp_hash_key *hash_key, struct wp_hash128 identity,
                                const struct wp_deployment_config *deployment, wp_view wildcard);

#endif
