// Inside replay_*.c and policy_*.c: the simulated deployments, their clock, and what a policy is.
#ifndef WP_SIM_REPLAY_WORLD_H
#define WP_SIM_REPLAY_WORLD_H

#include "route/router.h"
#include "sim/replay.h"

struct replay_world;

// What a provider did with one request.
struct replay_use {
    uint32_t read, written, uncached; // tokens
    uint32_t hidden;                  // which cache behind the deployment
    uint32_t hit;                     // mark; WP_REPLAY_NONE
};

// One request on its way to one deployment.
struct replay_attempt {
    uint32_t request, deployment;
    double begun_s;
    struct replay_use use;
    bool open;
    bool hour;                // its markers ask for an hour; set in begin
    struct wp_attempt route;  // the router's own, for policies that have one
    struct wp_prompt *prompt; // the policy's own form of it; its to free in ended. May be NULL
    struct replay_attempt *next_free;
};

enum replay_outcome { REPLAY_SERVED, REPLAY_REJECTED, REPLAY_FAILED, REPLAY_FORGOTTEN };

enum { REPLAY_WAIT = UINT32_MAX - 1 }; // the policy will ask for the request again

struct replay_policy {
    const char *name;
    bool bound, priced, hour;
    // State; NULL when memory is short. `argument` follows the name's colon.
    void *(*create)(struct replay_world *world, uint32_t argument);
    void (*destroy)(void *state);
    // The deployment for a request, of those that are not in `tried`; WP_REPLAY_NONE: none left.
    uint32_t (*choose)(void *state, uint32_t request, uint64_t tried);
    // All may be NULL. Where to go when nobody is usable.
    uint32_t (*last_resort)(void *state, uint32_t request);
    // begin: false to choose again.
    bool (*begin)(void *state, struct replay_attempt *attempt);
    void (*started)(void *state, struct replay_attempt *attempt);
    void (*ended)(void *state, struct replay_attempt *attempt, enum replay_outcome outcome,
                  double retry_after_s);
    // A timer that the policy has set.
    void (*timer)(void *state, uint32_t argument, uint32_t generation);
    // The gateway starts anew: forget.
    bool (*restart)(void *state);
};

extern const struct replay_policy replay_random, replay_round_robin, replay_least_busy,
    replay_litellm, replay_conversation_hash, replay_sticky, replay_radix, replay_prefix_scorer,
    replay_warmpath, replay_keep_warm, replay_auto_ttl, replay_infinite_5m, replay_infinite_1h,
    replay_static_pings, replay_clairvoyant;

const struct wp_replay_trace *replay_trace(const struct replay_world *world);
const struct wp_replay_options *replay_options(const struct replay_world *world);
struct wp_replay_result *replay_result(struct replay_world *world);
double replay_now(const struct replay_world *world);
uint32_t replay_in_flight(const struct replay_world *world, uint32_t deployment);
// The next number of the policy's own sequence.
uint64_t replay_draw(struct replay_world *world);
// Among the deployments that are not in `tried`; WP_REPLAY_NONE: none left.
uint32_t replay_any(struct replay_world *world, uint64_t tried);
void replay_set_timer(struct replay_world *world, double at_s, uint32_t argument,
                      uint32_t generation);
// Asks for a request again that the policy let wait.
void replay_resume(struct replay_world *world, double at_s, uint32_t request);
// Sends the request's prompt with no output: it reads, and writes what is missing, for an hour or
// five minutes.
void replay_renew(struct replay_world *world, uint32_t request, uint32_t deployment, bool hour,
                  struct replay_use *use);
// When the conversation began.
double replay_start_of(const struct replay_world *world, uint32_t conversation);
// What is left of the deployment's bucket, tokens; the limit itself without one.
double replay_room(const struct replay_world *world, uint32_t deployment);
uint64_t replay_mix(uint64_t a, uint64_t b);

// replay_cache.c: the caches behind the deployments.
struct replay_caches;
struct replay_caches *replay_caches_create(const struct wp_replay_trace *trace,
                                           const struct wp_replay_truth *truth,
                                           uint32_t deployments, uint64_t seed);
void replay_caches_free(struct replay_caches *caches);
// What the request would read there now, without leaving a trace.
void replay_caches_look(struct replay_caches *caches, uint32_t deployment, uint32_t request,
                        double now_s, struct replay_use *use);
// It is read: entries on the hit's path live on.
void replay_caches_read(struct replay_caches *caches, uint32_t deployment, double now_s,
                        const struct replay_use *use);
// Its response has begun: what it writes is readable, from its start on, for an hour or five
// minutes.
void replay_caches_write(struct replay_caches *caches, uint32_t deployment, uint32_t request,
                         double begun_s, bool hour, const struct replay_use *use);

#endif
