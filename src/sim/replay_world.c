// The event loop: conversations begin, their requests arrive, are placed, start to answer, end.
#include "sim/replay_world.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"

enum event_kind { ARRIVAL, RESUME, STARTED, ENDED, TIMER, RESTART };
static const double SECONDS_PER_MINUTE = 60;
static const uint32_t FANOUT_NUMBERS = 1000000; // conversations from here on are fan-outs

struct event {
    double at_s;
    uint64_t number; // ties go by it
    struct replay_attempt *attempt;
    uint32_t argument, generation;
    enum event_kind kind;
};

struct bucket {
    double left; // tokens; may be negative
    double at_s;
};

struct replay_world {
    const struct wp_replay_trace *trace;
    struct wp_replay_options options;
    const struct replay_policy *policy;
    void *state;
    struct wp_replay_result *result;
    struct replay_caches *caches;
    struct bucket buckets[WP_REPLAY_DEPLOYMENTS_MAX];
    uint32_t in_flight[WP_REPLAY_DEPLOYMENTS_MAX];
    struct event *heap;
    uint32_t heap_count, heap_capacity;
    uint64_t events, draws;
    double *start_s; // of conversations
    uint32_t *next;  // request of each conversation
    uint32_t *home;  // of streams: where their last request went
    struct replay_attempt *free_attempts;
    uint32_t arrivals_left;
    double now_s;
    bool no_memory;
};

uint64_t replay_mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b + 0x9e3779b97f4a7c15u)) + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double unit(uint64_t bits)
{
    return ((double)(bits >> 11) + 0.5) / 9007199254740992.0;
}

const struct wp_replay_trace *replay_trace(const struct replay_world *world)
{
    return world->trace;
}

const struct wp_replay_options *replay_options(const struct replay_world *world)
{
    return &world->options;
}

struct wp_replay_result *replay_result(struct replay_world *world)
{
    return world->result;
}

double replay_now(const struct replay_world *world)
{
    return world->now_s;
}

uint32_t replay_in_flight(const struct replay_world *world, uint32_t deployment)
{
    return world->in_flight[deployment];
}

uint64_t replay_draw(struct replay_world *world)
{
    return replay_mix(world->options.seed, ++world->draws);
}

uint32_t replay_any(struct replay_world *world, uint64_t tried)
{
    uint32_t left = 0, count = world->options.deployments;
    for (uint32_t i = 0; i < count; i++)
        left += (tried >> i & 1) == 0 ? 1 : 0;
    if (left == 0)
        return WP_REPLAY_NONE;
    uint32_t pick = (uint32_t)(replay_draw(world) % left);
    for (uint32_t i = 0; i < count; i++)
        if ((tried >> i & 1) == 0 && pick-- == 0)
            return i;
    return WP_REPLAY_NONE;
}

double replay_start_of(const struct replay_world *world, uint32_t conversation)
{
    return world->start_s[conversation];
}

// Events: a binary heap.

static bool sooner(const struct event *a, const struct event *b)
{
    return a->at_s < b->at_s || (a->at_s <= b->at_s && a->number < b->number);
}

static void push(struct replay_world *world, struct event event)
{
    if (world->heap_count == world->heap_capacity) {
        uint32_t capacity = world->heap_capacity == 0 ? 1024 : world->heap_capacity * 2;
        struct event *heap = wp_realloc(world->heap, capacity * sizeof(*heap));
        if (heap == NULL) {
            world->no_memory = true;
            return;
        }
        world->heap = heap;
        world->heap_capacity = capacity;
    }
    event.number = ++world->events;
    uint32_t at = world->heap_count++;
    for (; at > 0 && sooner(&event, &world->heap[(at - 1) / 2]); at = (at - 1) / 2)
        world->heap[at] = world->heap[(at - 1) / 2];
    world->heap[at] = event;
}

static struct event pop(struct replay_world *world)
{
    struct event first = world->heap[0], last = world->heap[--world->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < world->heap_count && sooner(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (child >= world->heap_count || !sooner(&world->heap[child], &last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_count > 0)
        world->heap[at] = last;
    return first;
}

void replay_set_timer(struct replay_world *world, double at_s, uint32_t argument,
                      uint32_t generation)
{
    push(world, (struct event){
                    .at_s = at_s, .kind = TIMER, .argument = argument, .generation = generation});
}

void replay_resume(struct replay_world *world, double at_s, uint32_t request)
{
    push(world, (struct event){.at_s = at_s, .kind = RESUME, .argument = request});
}

// Limits: a token bucket that refills continuously.

static void refill(struct replay_world *world, uint32_t deployment)
{
    struct bucket *bucket = &world->buckets[deployment];
    double limit = world->options.itpm;
    bucket->left += limit / SECONDS_PER_MINUTE * (world->now_s - bucket->at_s);
    bucket->left = bucket->left > limit ? limit : bucket->left;
    bucket->at_s = world->now_s;
}

double replay_room(const struct replay_world *world, uint32_t deployment)
{
    return world->buckets[deployment].left;
}

// Seconds until the request would be admitted; 0: it is.
static double refusal(struct replay_world *world, uint32_t deployment, uint32_t need)
{
    double limit = world->options.itpm, wanted = need < limit ? need : limit;
    if (limit <= 0)
        return 0;
    refill(world, deployment);
    double left = world->buckets[deployment].left;
    return left >= wanted ? 0 : (wanted - left) / (limit / SECONDS_PER_MINUTE);
}

static bool is_down(const struct replay_world *world, uint32_t deployment)
{
    for (uint32_t i = 0; i < world->options.failure_count; i++) {
        const struct wp_replay_failure *failure = &world->options.failures[i];
        if (failure->deployment == deployment && world->now_s >= failure->from_s &&
            world->now_s < failure->to_s)
            return true;
    }
    return false;
}

// Books.

static double price_of(const struct replay_world *world, uint32_t deployment)
{
    double price = world->options.price[deployment];
    return price > 0 ? price : 1;
}

static void bill(struct replay_world *world, const struct replay_attempt *attempt)
{
    const struct wp_replay_request *request = &world->trace->requests[attempt->request];
    struct wp_replay_bill *to = &world->result->bills[request->conversation];
    double price = price_of(world, attempt->deployment);
    to->tokens += request->input;
    to->uncached += price * attempt->use.uncached;
    to->read += price * attempt->use.read;
    if (attempt->hour)
        to->write_1h += price * attempt->use.written;
    else
        to->write_5m += price * attempt->use.written;
    world->result->load[attempt->deployment] += request->input;
}

static void note_place(struct replay_world *world, const struct replay_attempt *attempt)
{
    const struct wp_replay_request *request = &world->trace->requests[attempt->request];
    uint32_t *home = &world->home[request->stream];
    bool moved = *home != WP_REPLAY_NONE && *home != attempt->deployment;
    world->result->moves += moved ? 1 : 0;
    world->result->moves_in_tool_loop += moved && request->tool_loop ? 1 : 0;
    *home = attempt->deployment;
    if (world->trace->conversations[request->conversation].number < FANOUT_NUMBERS ||
        request->prompt.system_end == 0)
        return;
    uint32_t head = request->prompt.blocks[request->prompt.system_end - 1].tokens;
    world->result->fanout_requests++;
    world->result->fanout_head_writes += attempt->use.read < head ? 1 : 0;
}

void replay_renew(struct replay_world *world, uint32_t request, uint32_t deployment, bool hour,
                  struct replay_use *use)
{
    uint32_t conversation = world->trace->requests[request].conversation;
    struct wp_replay_bill *to = &world->result->bills[conversation];
    double price = price_of(world, deployment);
    replay_caches_look(world->caches, deployment, request, world->now_s, use);
    replay_caches_read(world->caches, deployment, world->now_s, use);
    replay_caches_write(world->caches, deployment, request, world->now_s, hour, use);
    to->renew_read += price * use->read;
    if (hour)
        to->write_1h += price * use->written;
    else
        to->renew_write += price * use->written;
    to->uncached += price * use->uncached;
    world->result->renewals++;
    if (world->options.itpm > 0) {
        refill(world, deployment);
        world->buckets[deployment].left -= use->written + use->uncached;
    }
}

// Attempts.

static struct replay_attempt *open_attempt(struct replay_world *world, uint32_t request,
                                           uint32_t deployment)
{
    struct replay_attempt *attempt = world->free_attempts;
    if (attempt != NULL)
        world->free_attempts = attempt->next_free;
    else
        attempt = wp_alloc(sizeof(*attempt));
    if (attempt == NULL) {
        world->no_memory = true;
        return NULL;
    }
    *attempt = (struct replay_attempt){
        .request = request,
        .deployment = deployment,
        .begun_s = world->now_s,
        .open = true,
        .hour = world->policy->hour,
    };
    return attempt;
}

static void close_attempt(struct replay_world *world, struct replay_attempt *attempt)
{
    attempt->open = false;
    attempt->next_free = world->free_attempts;
    world->free_attempts = attempt;
}

static void refuse(struct replay_world *world, struct replay_attempt *attempt,
                   enum replay_outcome outcome, double retry_after_s)
{
    world->result->rejected += outcome == REPLAY_REJECTED ? 1 : 0;
    world->result->failed += outcome == REPLAY_FAILED ? 1 : 0;
    if (world->policy->ended != NULL)
        world->policy->ended(world->state, attempt, outcome, retry_after_s);
    close_attempt(world, attempt);
}

static void go(struct replay_world *world, struct replay_attempt *attempt)
{
    const struct wp_replay_request *request = &world->trace->requests[attempt->request];
    replay_caches_read(world->caches, attempt->deployment, world->now_s, &attempt->use);
    if (world->options.itpm > 0)
        world->buckets[attempt->deployment].left -= attempt->use.written + attempt->use.uncached;
    world->in_flight[attempt->deployment]++;
    world->result->requests++;
    bill(world, attempt);
    note_place(world, attempt);
    // Bounds do not wait for writers: what is written can be read at once.
    double visible_s = world->policy->bound ? 0 : request->visible_s;
    push(world,
         (struct event){.at_s = world->now_s + visible_s, .kind = STARTED, .attempt = attempt});
}

// Sends one attempt; false when it was refused.
static bool send(struct replay_world *world, struct replay_attempt *attempt, bool force)
{
    replay_caches_look(world->caches, attempt->deployment, attempt->request, world->now_s,
                       &attempt->use);
    if (is_down(world, attempt->deployment)) {
        refuse(world, attempt, REPLAY_FAILED, -1);
        return false;
    }
    double wait_s =
        refusal(world, attempt->deployment, attempt->use.written + attempt->use.uncached);
    if (wait_s > 0 && !force) {
        refuse(world, attempt, REPLAY_REJECTED, wait_s);
        return false;
    }
    go(world, attempt);
    return true;
}

// Nobody has room: it goes to its first choice all the same, as if its client had waited.
static void overflow(struct replay_world *world, uint32_t request, uint32_t first)
{
    uint64_t tried = 0;
    world->result->over_limit++;
    if (first == WP_REPLAY_NONE && world->policy->last_resort != NULL)
        first = world->policy->last_resort(world->state, request);
    for (uint32_t i = 0; i < world->options.deployments; i++) {
        uint32_t deployment = i == 0 && first != WP_REPLAY_NONE ? first : replay_any(world, tried);
        if (deployment == WP_REPLAY_NONE)
            return;
        tried |= (uint64_t)1 << deployment;
        if (is_down(world, deployment))
            continue;
        struct replay_attempt *attempt = open_attempt(world, request, deployment);
        if (attempt == NULL ||
            (world->policy->begin != NULL && !world->policy->begin(world->state, attempt)))
            return;
        send(world, attempt, true);
        return;
    }
}

static void serve(struct replay_world *world, uint32_t request)
{
    uint64_t tried = 0;
    uint32_t first = WP_REPLAY_NONE;
    while (!world->no_memory) {
        uint32_t deployment = world->policy->choose(world->state, request, tried);
        if (deployment == REPLAY_WAIT)
            return;
        if (deployment == WP_REPLAY_NONE)
            break;
        if (first == WP_REPLAY_NONE)
            first = deployment;
        struct replay_attempt *attempt = open_attempt(world, request, deployment);
        if (attempt == NULL)
            return;
        if (world->policy->begin != NULL && !world->policy->begin(world->state, attempt)) {
            close_attempt(world, attempt);
            continue;
        }
        if (send(world, attempt, false))
            return;
        tried |= (uint64_t)1 << deployment;
    }
    overflow(world, request, first);
}

// Events' work.

static void arrive(struct replay_world *world, uint32_t conversation)
{
    const struct wp_replay_conversation *c = &world->trace->conversations[conversation];
    uint32_t request = world->next[conversation]++;
    if (world->next[conversation] < c->first + c->count) {
        double at_s =
            world->start_s[conversation] + world->trace->requests[world->next[conversation]].at_s;
        push(world, (struct event){.at_s = at_s, .kind = ARRIVAL, .argument = conversation});
    }
    world->arrivals_left--;
    serve(world, request);
}

static void start(struct replay_world *world, struct replay_attempt *attempt)
{
    const struct wp_replay_request *request = &world->trace->requests[attempt->request];
    replay_caches_write(world->caches, attempt->deployment, attempt->request, attempt->begun_s,
                        attempt->hour, &attempt->use);
    if (attempt->open && world->policy->started != NULL)
        world->policy->started(world->state, attempt);
    push(world, (struct event){.at_s = attempt->begun_s + request->duration_s,
                               .kind = ENDED,
                               .attempt = attempt});
}

static void end(struct replay_world *world, struct replay_attempt *attempt)
{
    world->in_flight[attempt->deployment]--;
    if (attempt->open && world->policy->ended != NULL)
        world->policy->ended(world->state, attempt, REPLAY_SERVED, -1);
    close_attempt(world, attempt);
}

// Requests in flight go on; the new gateway knows nothing of them.
static void restart(struct replay_world *world)
{
    for (uint32_t i = 0; i < world->heap_count; i++) {
        struct replay_attempt *attempt = world->heap[i].attempt;
        if (attempt != NULL && attempt->open && world->policy->ended != NULL)
            world->policy->ended(world->state, attempt, REPLAY_FORGOTTEN, -1);
        if (attempt != NULL)
            attempt->open = false;
    }
    if (world->policy->restart != NULL && !world->policy->restart(world->state))
        world->no_memory = true;
    if (world->arrivals_left > 0)
        push(world, (struct event){.at_s = world->now_s + world->options.truth.restart_s,
                                   .kind = RESTART});
}

static void handle(struct replay_world *world, const struct event *event)
{
    world->now_s = event->at_s;
    switch (event->kind) {
    case ARRIVAL:
        arrive(world, event->argument);
        break;
    case RESUME:
        serve(world, event->argument);
        break;
    case STARTED:
        start(world, event->attempt);
        break;
    case ENDED:
        end(world, event->attempt);
        break;
    case TIMER:
        world->policy->timer(world->state, event->argument, event->generation);
        break;
    case RESTART:
        restart(world);
        break;
    }
}

// Arrivals.

static double start_time(struct replay_world *world, uint32_t index, double *clock_s)
{
    const struct wp_replay_options *o = &world->options;
    const struct wp_replay_conversation *c = &world->trace->conversations[index];
    // The same for every policy and number of deployments.
    uint64_t bits = replay_mix(replay_mix(o->seed, 0x5eed), index);
    double u = unit(bits);
    if (c->fixed_start_s >= 0)
        return c->fixed_start_s;
    switch (o->arrivals) {
    case WP_REPLAY_POISSON:
        *clock_s += -log(u) * o->span_s / world->trace->conversation_count;
        return *clock_s;
    case WP_REPLAY_BURSTS:
        return unit(replay_mix(replay_mix(o->seed, 0xb0), index / 8)) * o->span_s + 10 * u;
    case WP_REPLAY_TOGETHER:
        return u;
    default:
        return u * o->span_s;
    }
}

static void schedule(struct replay_world *world)
{
    double clock_s = 0;
    for (uint32_t i = 0; i < world->trace->conversation_count; i++) {
        const struct wp_replay_conversation *c = &world->trace->conversations[i];
        world->start_s[i] = start_time(world, i, &clock_s);
        world->next[i] = c->first;
        world->arrivals_left += c->count;
        if (c->count > 0)
            push(world,
                 (struct event){.at_s = world->start_s[i] + world->trace->requests[c->first].at_s,
                                .kind = ARRIVAL,
                                .argument = i});
    }
    if (world->options.truth.restart_s > 0)
        push(world, (struct event){.at_s = world->options.truth.restart_s, .kind = RESTART});
}

// Life.

static void free_world(struct replay_world *world)
{
    if (world->state != NULL)
        world->policy->destroy(world->state);
    while (world->free_attempts != NULL) {
        struct replay_attempt *attempt = world->free_attempts;
        world->free_attempts = attempt->next_free;
        wp_free(attempt);
    }
    replay_caches_free(world->caches);
    wp_free(world->heap);
    wp_free(world->start_s);
    wp_free(world->next);
    wp_free(world->home);
    wp_free(world);
}

static bool prepare(struct replay_world *world, uint32_t argument)
{
    const struct wp_replay_trace *trace = world->trace;
    world->start_s = wp_alloc(trace->conversation_count * sizeof(double));
    world->next = wp_alloc(trace->conversation_count * sizeof(uint32_t));
    world->home = wp_alloc(trace->stream_count * sizeof(uint32_t));
    world->caches = replay_caches_create(trace, &world->options.truth, world->options.deployments,
                                         world->options.seed);
    if (world->start_s == NULL || world->next == NULL || world->home == NULL ||
        world->caches == NULL)
        return false;
    for (uint32_t i = 0; i < trace->stream_count; i++)
        world->home[i] = WP_REPLAY_NONE;
    for (uint32_t i = 0; i < world->options.deployments; i++)
        world->buckets[i].left = world->options.itpm;
    world->state = world->policy->create(world, argument);
    return world->state != NULL;
}

static const struct replay_policy *const POLICIES[] = {
    &replay_random,      &replay_round_robin,       &replay_least_busy,
    &replay_litellm,     &replay_conversation_hash, &replay_sticky,
    &replay_radix,       &replay_prefix_scorer,     &replay_warmpath,
    &replay_keep_warm,   &replay_auto_ttl,          &replay_infinite_5m,
    &replay_infinite_1h, &replay_static_pings,      &replay_clairvoyant,
};

static const struct replay_policy *find(const char *name, uint32_t *argument)
{
    wp_view rest = wp_view_of(name), head;
    uint64_t number = 0;
    wp_view_next_token(&rest, ':', &head);
    if (rest.ptr != NULL && (!wp_view_parse_u64(rest, &number) || number > 1000))
        return NULL;
    *argument = (uint32_t)number;
    for (size_t i = 0; i < WP_COUNT_OF(POLICIES); i++)
        if (wp_view_is(head, POLICIES[i]->name))
            return POLICIES[i];
    return NULL;
}

const char *const wp_replay_policies[] = {"random",
                                          "round-robin",
                                          "least-busy",
                                          "litellm",
                                          "conversation-hash",
                                          "sticky-10m",
                                          "radix",
                                          "prefix-scorer",
                                          "warmpath",
                                          "warmpath-keep-warm",
                                          "warmpath-auto-ttl",
                                          "infinite-5m",
                                          "infinite-1h",
                                          "static-pings",
                                          "clairvoyant",
                                          NULL};

bool wp_replay_depends_on_price(const char *policy)
{
    uint32_t argument;
    const struct replay_policy *found = find(policy, &argument);
    return found != NULL && found->priced;
}

bool wp_replay_is_bound(const char *policy)
{
    uint32_t argument;
    const struct replay_policy *found = find(policy, &argument);
    return found != NULL && found->bound;
}

bool wp_replay_run(const struct wp_replay_trace *trace, const struct wp_replay_options *options,
                   const char *policy, struct wp_replay_result *result)
{
    uint32_t argument = 0;
    const struct replay_policy *found = find(policy, &argument);
    struct replay_world *world = found == NULL ? NULL : wp_alloc(sizeof(*world));
    if (world == NULL)
        return false;
    world->trace = trace;
    world->options = *options;
    world->policy = found;
    world->result = result;
    if (found->bound) {
        world->options.deployments = 1;
        world->options.itpm = 0;
        world->options.failure_count = 0;
        world->options.price[0] = 1;
        world->options.truth.restart_s = 0;
    }
    bool done = prepare(world, argument);
    if (done)
        schedule(world);
    while (done && !world->no_memory && world->heap_count > 0) {
        struct event event = pop(world);
        handle(world, &event);
    }
    done = done && !world->no_memory;
    free_world(world);
    return done;
}

// Figures.

double wp_replay_cost(const struct wp_replay_bill *b, double read_multiplier)
{
    return b->uncached + 1.25 * (b->write_5m + b->renew_write) + 2 * b->write_1h +
           read_multiplier * (b->read + b->renew_read);
}

// Sixteen buckets per power of two, from 64 ns.
uint32_t wp_replay_time_bucket(uint64_t ns)
{
    double bucket = ns < 64 ? 0 : 16 * log2((double)ns / 64);
    return bucket >= WP_REPLAY_TIME_BUCKETS ? WP_REPLAY_TIME_BUCKETS - 1 : (uint32_t)bucket;
}

double wp_replay_time_of(uint32_t bucket)
{
    return 0.064 * exp2((bucket + 1) / 16.0);
}
