// Who goes first. Three cases, by what the caches hold:
//   the conversation itself is somewhere  → cheapest expected cost, moves priced in;
//   only a shared head, or nothing        → a new conversation: pins, then the deployments that
//                                           hold the head and are not busy, by rendezvous;
//   prompt caching is off, or nothing to cache → pins, then the configured strategy.
#include "base/random.h"
#include "route/private.h"

enum { SLACK_REQUESTS = 32, SLACK_MOST = 1000000 };
static const double BUSY = 1.15;         // times the fair share of the minutes' load
static const double CARRIES_MORE = 1.05; // times the fair share of the hours' load
// Times these bounds: not even for a shared head. Minutes are lumpy: one conversation at work is
// many times the share of an idle deployment.
static const double OVERLOADED_MINUTES = 6, OVERLOADED_HOURS = 1.5;
static const double HEADROOM_FULL = 0.4;    // below it new conversations come more rarely
static const double HEADROOM_LEAST = 0.05;  // below it none come while others have more
static const double AS_GOOD_AS_BEST = 0.95; // of the longest read
static const double AFTERGLOW = 0.1;        // odds that a lapsed conversation is warm after all
static const uint64_t CERTAINLY_LAPSED_NS = 900000000000u;
// So many more than its share of those who begin with a head within an entry's life: then the head
// is written once more elsewhere. Requests without a session may be siblings of one fan-out, which
// is to pay one write.
static const double STARTS = 4, STARTS_NAMELESS = 32;

struct order {
    struct wp_router *router;
    const struct wp_plan_request *request;
    struct wp_lane *lanes;
    uint32_t count;
    uint32_t tags[WP_PIN_KEYS]; // where the request's pins point; 0: nowhere
    bool caching;               // this planner is on, and there is something to cache
    uint64_t subject;           // of rendezvous hashing; 0: none
    uint64_t idle_ns;           // since the conversation's last request; 0: not known
};

// Rank of the others once the first is chosen.
enum ranking { BY_SCORE, BY_RENDEZVOUS, BY_STRATEGY };

// Preparation.

static void fill_keys(struct order *o)
{
    struct wp_contender contenders[WP_PLAN_MAX];
    uint32_t members[WP_PLAN_MAX], found = 0;
    enum wp_strategy strategy = o->request->snapshot->router.strategy;
    for (uint32_t i = 0; i < o->count; i++) {
        const struct wp_lane *lane = &o->lanes[i];
        if (!lane->usable)
            continue;
        members[found] = i;
        contenders[found] =
            (struct wp_contender){.deployment = lane->deployment, .price = &lane->model->price};
        if (lane->state != NULL) {
            contenders[found].in_flight = lane->state->in_flight;
            contenders[found].latency_ns = lane->state->latency_ns;
            if (strategy == WP_STRATEGY_USAGE_BASED && lane->state->rate != NULL)
                contenders[found].minute_tokens =
                    (uint64_t)wp_window_sum(&lane->state->rate->tokens, o->request->now_ns);
        }
        found++;
    }
    uint64_t draws = o->request->draw != 0 ? o->request->draw : wp_random_u64();
    wp_weights(contenders, found);
    wp_strategy_keys(strategy, contenders, found, &draws);
    for (uint32_t i = 0; i < found; i++) {
        o->lanes[members[i]].weight = contenders[i].weight;
        o->lanes[members[i]].shuffle = contenders[i].key;
    }
}

static bool would_cache(const struct wp_lane *lane)
{
    const struct wp_forecast *f = &lane->forecast;
    return f->read > 0 || f->write_5m > 0 || f->write_1h > 0;
}

static void fill_subject(struct order *o)
{
    const struct wp_plan_request *request = o->request;
    const struct wp_prompt *prompt = request->prompt;
    for (uint32_t i = 0; i < o->count && !o->caching; i++)
        o->caching = prompt != NULL && would_cache(&o->lanes[i]) &&
                     (request->snapshot->router.pre_call_checks & WP_CHECK_PROMPT_CACHING) != 0;
    if (request->session_id.len > 0)
        o->subject = wp_stable_hash(request->session_id);
    else if (prompt != NULL)
        o->subject = wp_stable_mix(prompt->first_user.low, prompt->first_user.high);
}

// Nearly full deployments take part with a smaller weight, so that new conversations leave them
// by degrees and all gateways agree as long as there is room.
static void fill_rendezvous(struct order *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        double room = lane->admission.headroom / HEADROOM_FULL;
        uint64_t name = lane->state == NULL ? i + 1 : lane->state->id_hash;
        lane->rendezvous = wp_rendezvous(o->subject, name, lane->weight * (room < 1 ? room : 1));
    }
}

// A cache pin beats `order`, but only where the conversation itself is: a shared head alone must
// not hold everybody on a deployment that is meant as a reserve.
static bool pinned(const struct order *o, const struct wp_lane *lane)
{
    return o->caching && lane->forecast.deep && lane->forecast.read > 0;
}

static void mark_front(struct order *o)
{
    int32_t least = INT32_MAX;
    for (uint32_t i = 0; i < o->count; i++)
        if (o->lanes[i].usable && o->lanes[i].order < least)
            least = o->lanes[i].order;
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        if (!lane->usable)
            continue;
        lane->front = lane->order == least || pinned(o, lane);
        lane->tier = lane->front ? 1 : 2;
        if (!lane->front)
            lane->reason = WP_REASON_ORDER;
    }
}

// Bounded load: nobody takes new conversations while it carries clearly more than its share.
static void mark_busy(struct order *o)
{
    double load = 0, carried = 0, weight = 0;
    uint32_t tokens = o->request->prompt == NULL ? 0 : o->request->prompt->tokens;
    double slack = (double)tokens * SLACK_REQUESTS;
    slack = slack < SLACK_MOST ? slack : SLACK_MOST;
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        if (lane->state != NULL) {
            lane->load = (double)wp_window_sum(&lane->state->load, o->request->now_ns);
            lane->carried = (double)wp_window_sum(&lane->state->carried, o->request->now_ns);
        }
        if (lane->front) {
            load += lane->load;
            carried += lane->carried;
            weight += lane->weight;
        }
    }
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        double part = weight > 0 ? lane->weight / weight : 1;
        double most = BUSY * load * part + slack;
        double carries = CARRIES_MORE * carried * part + SLACK_MOST;
        bool full = lane->admission.headroom < HEADROOM_LEAST;
        lane->busy = full || lane->load > most || lane->carried > carries;
        lane->overloaded = full || lane->load > OVERLOADED_MINUTES * most ||
                           lane->carried > OVERLOADED_HOURS * carries;
    }
}

static struct wp_lane *by_tag(const struct order *o, uint32_t tag)
{
    for (uint32_t i = 0; tag != 0 && i < o->count; i++)
        if (o->lanes[i].front && o->lanes[i].tag == tag)
            return &o->lanes[i];
    return NULL;
}

static void fill_scores(struct order *o)
{
    const struct wp_prompt *prompt = o->request->prompt;
    const struct wp_lane *home = by_tag(o, o->tags[WP_PIN_CONVERSATION]);
    bool known = true;
    for (uint32_t i = 0; i < o->count; i++)
        known = known && o->lanes[i].rates.known;
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        struct wp_rates rates = lane->rates;
        if (!known) // dollars and relative prices do not compare
            wp_rates_resolve(
                &(struct wp_price){
                    .input = -1, .cache_read = -1, .cache_write_5m = -1, .cache_write_1h = -1},
                0, &rates);
        lane->score = wp_cost_expected(&rates, &lane->forecast) +
                      wp_cost_headroom(&rates, &lane->forecast, lane->admission.headroom);
        if (home != NULL && prompt != NULL && lane != home &&
            (lane->domain == NULL || lane->domain != home->domain))
            lane->score += wp_cost_move(&rates, prompt, lane->forecast.total);
    }
}

// Choices. Each returns NULL when it does not apply.

static struct wp_lane *cheapest(const struct order *o)
{
    struct wp_lane *best = NULL;
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        if (!lane->front)
            continue;
        // Equal to a millionth is equal: deployments that share a cache take turns.
        double slack = best == NULL ? 0 : best->score * 1e-6;
        if (best == NULL || lane->score < best->score - slack ||
            (lane->score <= best->score + slack && lane->shuffle < best->shuffle))
            best = lane;
    }
    return best;
}

static struct wp_lane *own_cache(struct order *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (o->lanes[i].front && pinned(o, &o->lanes[i])) {
            fill_scores(o);
            return cheapest(o);
        }
    return NULL;
}

static struct wp_lane *affinity(const struct order *o, enum wp_reason *reason)
{
    uint32_t checks = o->request->snapshot->router.pre_call_checks;
    struct wp_lane *lane = NULL;
    if ((checks & WP_CHECK_SESSION_AFFINITY) != 0)
        lane = by_tag(o, o->tags[WP_PIN_SESSION]);
    *reason = WP_REASON_SESSION;
    if (lane == NULL && (checks & WP_CHECK_DEPLOYMENT_AFFINITY) != 0) {
        lane = by_tag(o, o->tags[WP_PIN_CALLER]);
        *reason = WP_REASON_CALLER;
    }
    return lane;
}

static double believed_read(const struct wp_lane *lane)
{
    return (double)lane->forecast.read * (double)lane->forecast.confidence;
}

enum crowd { NOT_BUSY, NOT_OVERLOADED, ANY };

static bool has_room(const struct wp_lane *lane, enum crowd crowd)
{
    return crowd == ANY ||
           (!lane->crowded && (crowd == NOT_BUSY ? !lane->busy : !lane->overloaded));
}

// First by rendezvous among the front lanes that pass; `least` tokens must be believed warm.
static struct wp_lane *first_free(const struct order *o, double least, enum crowd crowd)
{
    struct wp_lane *best = NULL;
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        if (!lane->front || !has_room(lane, crowd) || believed_read(lane) < least)
            continue;
        if (best == NULL || lane->rendezvous < best->rendezvous ||
            (!(lane->rendezvous > best->rendezvous) && lane->shuffle < best->shuffle))
            best = lane;
    }
    return best;
}

// A head draws those who begin with it; written in a second place it costs one write more, and
// whoever lives there keeps it warm. So those who begin are spread once there are several of them,
// before their load shows.
static void mark_crowded(const struct order *o)
{
    const struct wp_plan_request *request = o->request;
    const struct wp_crowd *crowd = &o->router->starts;
    double starts[WP_PLAN_MAX], sum = 0, weight = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const struct wp_lane *lane = &o->lanes[i];
        if (!lane->front)
            continue;
        starts[i] = wp_crowd_rate(crowd, wp_start_tag(request->prompt, lane->tag), request->now_ns);
        sum += starts[i];
        weight += lane->weight;
    }
    double slack = request->session_id.len > 0 ? STARTS : STARTS_NAMELESS;
    for (uint32_t i = 0; sum >= slack && i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        double part = weight > 0 ? lane->weight / weight : 1;
        lane->crowded = lane->front && starts[i] >= part * sum + slack;
    }
}

static struct wp_lane *warm_head(const struct order *o, enum crowd crowd)
{
    double most = 0;
    for (uint32_t i = 0; i < o->count; i++)
        if (o->lanes[i].front && has_room(&o->lanes[i], crowd) &&
            believed_read(&o->lanes[i]) > most)
            most = believed_read(&o->lanes[i]);
    return most > 0 ? first_free(o, most * AS_GOOD_AS_BEST, crowd) : NULL;
}

static struct wp_lane *family(const struct order *o)
{
    struct wp_hash128 key;
    if (!wp_family_key(o->router, o->request, &key))
        return NULL;
    return by_tag(o, wp_pins_get(&o->router->pins, WP_PIN_FAMILY, key, o->request->now_ns));
}

static struct wp_lane *shared_head(const struct order *o)
{
    struct wp_lane *siblings = family(o);
    if (siblings != NULL && !siblings->overloaded && believed_read(siblings) > 0)
        return siblings;
    if (siblings == NULL)
        mark_crowded(o);
    struct wp_lane *lane = warm_head(o, NOT_BUSY);
    return lane != NULL ? lane : warm_head(o, NOT_OVERLOADED);
}

static struct wp_lane *cold(const struct order *o)
{
    struct wp_lane *lane = first_free(o, 0, NOT_BUSY);
    return lane != NULL ? lane : first_free(o, 0, ANY);
}

static struct wp_lane *by_strategy(const struct order *o)
{
    struct wp_lane *best = NULL;
    for (uint32_t i = 0; i < o->count; i++)
        if (o->lanes[i].front && (best == NULL || o->lanes[i].shuffle < best->shuffle))
            best = &o->lanes[i];
    return best;
}

// Nothing would be lost by beginning anew elsewhere: what home still holds is held there too.
static bool free_to_leave(const struct order *o, const struct wp_lane *home,
                          const struct wp_lane *head)
{
    if (o->idle_ns < CERTAINLY_LAPSED_NS)
        return false;
    if (head == NULL)
        return believed_read(home) <= 0;
    return !head->busy && believed_read(head) >= believed_read(home);
}

// A conversation whose entries have lapsed goes home all the same: they may live longer than is
// believed, and nothing is gained elsewhere but a shared head that is warm there and not here; or,
// when home carries more than its share, balance that costs nothing.
static bool stays(const struct order *o, const struct wp_lane *home, const struct wp_lane *head)
{
    const struct wp_prompt *prompt = o->request->prompt;
    if (prompt->has_thinking_in_history)
        return true;
    if (home->admission.headroom < HEADROOM_LEAST)
        return false;
    if (home->busy && free_to_leave(o, home, head))
        return false;
    return head == NULL ||
           believed_read(head) <= believed_read(home) + AFTERGLOW * (double)home->forecast.total;
}

// A new conversation, or one whose entries are gone.
static struct wp_lane *new_conversation(struct order *o, enum wp_reason *reason)
{
    mark_busy(o);
    struct wp_lane *home = by_tag(o, o->tags[WP_PIN_CONVERSATION]);
    struct wp_lane *head = shared_head(o);
    *reason = WP_REASON_SESSION;
    if (home != NULL && stays(o, home, head))
        return home;
    if (head != NULL)
        return head;
    if (o->subject == 0)
        *reason = WP_REASON_STRATEGY;
    return o->subject == 0 ? by_strategy(o) : cold(o);
}

static struct wp_lane *choose(struct order *o, enum wp_reason *reason, enum ranking *ranking)
{
    *ranking = BY_STRATEGY;
    *reason = WP_REASON_STRATEGY;
    struct wp_lane *lane = own_cache(o);
    if (lane != NULL) {
        *ranking = BY_SCORE;
        return lane;
    }
    lane = affinity(o, reason);
    if (o->caching) {
        fill_rendezvous(o);
        *ranking = BY_RENDEZVOUS;
    }
    if (lane != NULL)
        return lane;
    if (o->caching)
        return new_conversation(o, reason);
    *reason = WP_REASON_STRATEGY;
    return by_strategy(o);
}

// Reasons and ranks.

static enum wp_reason final_reason(const struct order *o, const struct wp_lane *lane,
                                   enum wp_reason chosen_by)
{
    if (o->request->group->exact_deployment)
        return WP_REASON_EXACT;
    if (o->count == 1)
        return WP_REASON_ONLY;
    if (o->caching && lane->forecast.pending)
        return WP_REASON_CACHE_WRITING;
    if (o->caching && lane->forecast.read > 0)
        return WP_REASON_CACHE;
    return chosen_by;
}

static void rank_others(struct order *o, enum ranking ranking)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct wp_lane *lane = &o->lanes[i];
        lane->rank = ranking == BY_SCORE        ? lane->score
                     : ranking == BY_RENDEZVOUS ? lane->rendezvous
                                                : lane->shuffle;
        if (lane->front && o->caching && lane->forecast.read > 0)
            lane->reason = lane->forecast.pending ? WP_REASON_CACHE_WRITING : WP_REASON_CACHE;
    }
}

static void read_pins(struct order *o, const struct wp_pin_keys *keys)
{
    for (enum wp_pin_kind kind = 0; kind < WP_PIN_KEYS; kind++) {
        uint64_t left_ns;
        if (!keys->used[kind])
            continue;
        o->tags[kind] = wp_pins_get_left(&o->router->pins, kind, keys->keys[kind],
                                         o->request->now_ns, &left_ns);
        if (kind == WP_PIN_CONVERSATION && left_ns > 0)
            o->idle_ns = WP_CONVERSATION_PIN_NS - left_ns;
    }
}

void wp_lanes_order(struct wp_router *router, const struct wp_plan_request *request,
                    const struct wp_pin_keys *keys, struct wp_lane *lanes, uint32_t count)
{
    struct order o = {.router = router, .request = request, .lanes = lanes, .count = count};
    enum wp_reason reason;
    enum ranking ranking;
    read_pins(&o, keys);
    fill_keys(&o);
    fill_subject(&o);
    mark_front(&o);
    struct wp_lane *chosen = choose(&o, &reason, &ranking);
    rank_others(&o, ranking);
    if (chosen == NULL)
        return;
    chosen->tier = 0;
    chosen->reason = final_reason(&o, chosen, reason);
}
