#include "gateway/keeper.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

enum {
    UNDER_WAY = 8,       // renewals at a time
    PURSES = 4096,       // keys with a purse of their own
    TEXTS = 10,          // views of a kept request
    FOLLOW_S = 6 * 3600, // silence is learnt for so long
};
static const double SECOND_NS = 1e9;

struct slot {
    struct wp_list link;            // least recently active first
    struct wp_kept_request request; // views into `memory`; empty without it
    char *memory;                   // NULL: not retained (any more)
    size_t bytes;
    struct wp_keep_spell spell;
    uint64_t renewed_ns;     // start of its last request or renewal
    uint64_t lapses_ns;      // believed, renewals included
    uint64_t would_lapse_ns; // without them
    uint64_t due_ns;         // next decision
    uint32_t generation;     // grows with every request of the conversation
    uint32_t renewals;
    double spent;
    bool turned;  // only what lasts longer is renewed from here on
    bool waiting; // between an answer and the next request
    bool under_way;
};

struct wp_keeper {
    pthread_mutex_t lock; // guards everything below
    struct wp_keep_odds odds;
    struct wp_map slots;  // by stream
    struct wp_map purses; // by key hash
    int64_t purse_day;
    struct wp_list order;
    size_t max_bytes;
    double guard_s, usd_per_day;
    struct wp_keeper_stats stats;
};

struct wp_keeper *wp_keeper_create(void)
{
    struct wp_keeper *keeper = wp_alloc(sizeof(*keeper));
    if (keeper == NULL)
        return NULL;
    if (pthread_mutex_init(&keeper->lock, NULL) != 0) {
        wp_free(keeper);
        return NULL;
    }
    keeper->slots = wp_map_make(WP_KEEPER_SLOTS + 1);
    keeper->purses = wp_map_make(PURSES);
    wp_list_init(&keeper->order);
    return keeper;
}

static wp_view key_of(const struct wp_hash128 *stream)
{
    return wp_view_make((const char *)stream, sizeof(*stream));
}

// What a renewal would need leaves; the slot goes on learning.
static void release(struct wp_keeper *keeper, struct slot *slot)
{
    if (slot->memory == NULL)
        return;
    keeper->stats.bytes -= slot->bytes;
    keeper->stats.retained--;
    wp_free(slot->memory);
    slot->memory = NULL;
    slot->bytes = 0;
    struct wp_kept_request bare = {.stream = slot->request.stream,
                                   .head = slot->request.head,
                                   .begun_ns = slot->request.begun_ns,
                                   .ttl_s = slot->request.ttl_s,
                                   .stop = slot->request.stop};
    slot->request = bare;
}

static void forget(struct wp_keeper *keeper, struct slot *slot)
{
    release(keeper, slot);
    wp_list_unlink(&slot->link);
    (void)wp_map_remove(&keeper->slots, key_of(&slot->request.stream));
    keeper->stats.conversations--;
    wp_free(slot);
}

static void empty_purses(struct wp_keeper *keeper)
{
    size_t cursor = 0;
    wp_view key;
    void *purse;
    while (wp_map_next(&keeper->purses, &cursor, &key, &purse))
        wp_free(purse);
    wp_map_free(&keeper->purses);
    keeper->purses = wp_map_make(PURSES);
}

void wp_keeper_destroy(struct wp_keeper *keeper)
{
    if (keeper == NULL)
        return;
    WP_LIST_FOREACH(node, &keeper->order)
    forget(keeper, WP_CONTAINER_OF(node, struct slot, link));
    empty_purses(keeper);
    wp_map_free(&keeper->purses);
    wp_map_free(&keeper->slots);
    pthread_mutex_destroy(&keeper->lock);
    wp_free(keeper);
}

// Bounds.

static void shrink(struct wp_keeper *keeper, size_t max_bytes)
{
    WP_LIST_FOREACH(node, &keeper->order)
    {
        if (keeper->stats.bytes <= max_bytes)
            return;
        struct slot *slot = WP_CONTAINER_OF(node, struct slot, link);
        release(keeper, slot);
    }
}

void wp_keeper_configure(struct wp_keeper *keeper, size_t max_bytes, double guard_s,
                         double usd_per_day)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->max_bytes = max_bytes;
    keeper->guard_s = guard_s;
    keeper->usd_per_day = usd_per_day;
    shrink(keeper, max_bytes);
    pthread_mutex_unlock(&keeper->lock);
}

static struct wp_keep_purse *purse_of(struct wp_keeper *keeper, wp_view key_hash, int64_t day)
{
    if (keeper->purse_day != day) {
        empty_purses(keeper);
        keeper->purse_day = day;
    }
    struct wp_keep_purse *purse = wp_map_get(&keeper->purses, key_hash);
    if (purse != NULL)
        return purse;
    purse = wp_alloc(sizeof(*purse));
    if (purse != NULL && wp_map_set(&keeper->purses, key_hash, purse))
        return purse;
    wp_free(purse);
    return NULL; // nothing is spent then
}

// Retaining.

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / SECOND_NS : 0;
}

static uint64_t after(uint64_t ns, double s)
{
    return ns + (uint64_t)((s > 0 ? s : 0) * SECOND_NS);
}

static void texts_of(struct wp_kept_request *request, wp_view *out[TEXTS])
{
    wp_view *const texts[TEXTS] = {
        &request->body,       &request->model,    &request->deployment, &request->key_hash,
        &request->session_id, &request->agent_id, &request->user_agent, &request->beta,
        &request->version,    &request->query,
    };
    memcpy(out, texts, sizeof(texts));
}

// Copies all texts into one allocation and points the views at it; NULL without memory.
static char *copy_texts(struct wp_kept_request *request, size_t *bytes)
{
    wp_view *texts[TEXTS];
    size_t len = 1, at = 0;
    texts_of(request, texts);
    for (size_t i = 0; i < TEXTS; i++)
        len += texts[i]->len;
    char *memory = wp_alloc(len);
    if (memory == NULL)
        return NULL;
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->len > 0)
            memcpy(memory + at, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = memory + at;
        at += texts[i]->len;
    }
    *bytes = len;
    return memory;
}

static struct slot *slot_of(struct wp_keeper *keeper, struct wp_hash128 stream)
{
    struct slot *slot = wp_map_get(&keeper->slots, key_of(&stream));
    if (slot != NULL)
        return slot;
    if (keeper->stats.conversations >= WP_KEEPER_SLOTS)
        forget(keeper, WP_CONTAINER_OF(keeper->order.next, struct slot, link));
    slot = wp_alloc(sizeof(*slot));
    if (slot == NULL)
        return NULL;
    slot->request.stream = stream;
    wp_list_init(&slot->link);
    if (!wp_map_set(&keeper->slots, key_of(&stream), slot)) {
        wp_free(slot);
        return NULL;
    }
    wp_list_append(&keeper->order, &slot->link);
    keeper->stats.conversations++;
    return slot;
}

static void retain(struct wp_keeper *keeper, struct slot *slot,
                   const struct wp_kept_request *request)
{
    release(keeper, slot);
    slot->request = *request;
    slot->memory = request->body.len == 0 || request->body.len > WP_KEEPER_BODY_MAX
                       ? NULL
                       : copy_texts(&slot->request, &slot->bytes);
    if (slot->memory == NULL) {
        slot->bytes = 0;
        slot->request = (struct wp_kept_request){.stream = request->stream,
                                                 .head = request->head,
                                                 .begun_ns = request->begun_ns,
                                                 .ttl_s = request->ttl_s,
                                                 .stop = request->stop};
        return;
    }
    keeper->stats.bytes += slot->bytes;
    keeper->stats.retained++;
}

void wp_keeper_put(struct wp_keeper *keeper, const struct wp_kept_request *request,
                   uint32_t hour_utc, uint64_t now_ns)
{
    pthread_mutex_lock(&keeper->lock);
    struct slot *slot = slot_of(keeper, request->stream);
    if (slot != NULL) {
        double before_s = seconds(slot->request.begun_ns, request->begun_ns);
        bool known = slot->generation > 0;
        retain(keeper, slot, request);
        slot->spell = wp_keep_spell_begin(request->stop, hour_utc, known ? &slot->spell : NULL,
                                          known ? before_s : 0);
        slot->generation++;
        slot->renewed_ns = request->begun_ns;
        slot->turned = false;
        slot->lapses_ns = slot->would_lapse_ns = after(request->begun_ns, request->ttl_s);
        slot->due_ns = after(request->begun_ns, request->ttl_s - keeper->guard_s);
        if (slot->due_ns < now_ns)
            slot->due_ns = now_ns;
        slot->renewals = 0;
        slot->spent = 0;
        slot->waiting = true;
        slot->under_way = false;
        wp_list_unlink(&slot->link);
        wp_list_append(&keeper->order, &slot->link);
        shrink(keeper, keeper->max_bytes);
    }
    pthread_mutex_unlock(&keeper->lock);
}

// Tokens that a return would write again, had nothing been renewed.
static uint32_t gone_without(const struct slot *slot, uint64_t now_ns)
{
    const struct wp_kept_request *r = &slot->request;
    uint32_t lasting = now_ns < after(r->begun_ns, r->lasting_s) ? r->lasting : 0;
    return r->tokens > lasting ? r->tokens - lasting : 0;
}

void wp_keeper_returned(struct wp_keeper *keeper, struct wp_hash128 stream, uint64_t now_ns,
                        struct wp_kept *out)
{
    *out = (struct wp_kept){0};
    pthread_mutex_lock(&keeper->lock);
    struct slot *slot = wp_map_get(&keeper->slots, key_of(&stream));
    if (slot != NULL && slot->waiting) {
        slot->waiting = false;
        wp_keep_spell_ended(&keeper->odds, &slot->spell, seconds(slot->request.begun_ns, now_ns));
        *out = (struct wp_kept){
            .renewals = slot->renewals,
            .spent = slot->spent,
            .lapsed = now_ns >= slot->would_lapse_ns,
            .tokens = gone_without(slot, now_ns),
            .per_token = slot->request.write - slot->request.read,
        };
        release(keeper, slot);
    }
    pthread_mutex_unlock(&keeper->lock);
}

// Deciding.

bool wp_keeper_prefers_hour(struct wp_keeper *keeper, struct wp_hash128 stream,
                            const struct wp_keep_ttl_case *c)
{
    struct wp_keep_ttl_case filled = *c;
    pthread_mutex_lock(&keeper->lock);
    const struct slot *slot = wp_map_get(&keeper->slots, key_of(&stream));
    if (slot != NULL)
        filled.spell.habit = slot->spell.habit;
    bool hour = wp_keep_prefers_hour(&keeper->odds, &filled, NULL);
    pthread_mutex_unlock(&keeper->lock);
    return hour;
}

// A head that another live conversation uses too is warm without our help.
static bool head_is_shared(const struct wp_keeper *keeper, const struct slot *slot)
{
    const struct wp_hash128 none = {0, 0};
    if (wp_hash128_eq(slot->request.head, none))
        return false;
    WP_LIST_FOREACH(node, &keeper->order)
    {
        const struct slot *other = WP_CONTAINER_OF(node, struct slot, link);
        if (other != slot && wp_hash128_eq(other->request.head, slot->request.head) &&
            other->lapses_ns > slot->lapses_ns)
            return true;
    }
    return false;
}

static double ttl_of(const struct slot *slot)
{
    return slot->turned ? slot->request.lasting_s : slot->request.ttl_s;
}

// Not worth renewing; but what an earlier entry holds may be, when that one is about to lapse.
static bool turn(const struct wp_keeper *keeper, struct slot *slot)
{
    const struct wp_kept_request *r = &slot->request;
    if (slot->turned || r->lasting == 0 || r->lasting_s <= r->ttl_s)
        return false;
    slot->turned = true;
    slot->lapses_ns = after(slot->renewed_ns, r->lasting_s);
    slot->due_ns = after(slot->renewed_ns, r->lasting_s - keeper->guard_s);
    return true;
}

// What a renewal reads, and what it writes again because it has lapsed meanwhile.
static uint32_t read_by_renewal(const struct slot *slot)
{
    return slot->turned ? slot->request.lasting : slot->request.tokens;
}

static void judge(const struct wp_keeper *keeper, const struct slot *slot, double idle_s,
                  struct wp_keep_verdict *out)
{
    const struct wp_kept_request *r = &slot->request;
    uint32_t read = read_by_renewal(slot);
    // Not at stake: a head that others keep, and what lives on by itself for now.
    uint32_t safe = head_is_shared(keeper, slot) ? r->head_tokens : 0;
    if (!slot->turned && r->lasting > safe)
        safe = r->lasting;
    const struct wp_keep_case c = {
        .spell = slot->spell,
        .idle_s = idle_s,
        .ttl_s = ttl_of(slot),
        .guard_s = keeper->guard_s,
        .tokens = read,
        .at_stake = read > safe ? read - safe : 0,
        .extra = r->extra + (r->input > 0 ? (r->tokens - read) * r->write / r->input : 0),
        .input = r->input,
        .read = r->read,
        .write = r->write,
        .confidence = 1, // the planner looks before anything is sent
    };
    wp_keep_decide(&keeper->odds, &c, out);
}

static bool give_out(struct wp_keeper *keeper, struct slot *slot, double idle_s,
                     const struct wp_keep_verdict *verdict, struct wp_kept_due *out)
{
    *out = (struct wp_kept_due){.request = slot->request,
                                .generation = slot->generation,
                                .verdict = *verdict,
                                .idle_s = idle_s};
    out->request.tokens = read_by_renewal(slot);
    size_t bytes;
    out->memory = copy_texts(&out->request, &bytes);
    if (out->memory == NULL)
        return false;
    slot->under_way = true;
    keeper->stats.under_way++;
    return true;
}

// True if the slot's renewal has been given out.
static bool consider(struct wp_keeper *keeper, struct slot *slot, uint64_t now_ns, int64_t day,
                     struct wp_kept_due *out)
{
    struct wp_keep_verdict verdict;
    double idle_s = seconds(slot->request.begun_ns, now_ns);
    slot->due_ns = after(now_ns, ttl_of(slot) - keeper->guard_s);
    wp_keep_spell_silent(&keeper->odds, &slot->spell, idle_s);
    if (slot->memory == NULL)
        return false;
    if (now_ns >= slot->lapses_ns) {
        release(keeper, slot);
        return false;
    }
    judge(keeper, slot, idle_s, &verdict);
    if (!verdict.renew && turn(keeper, slot))
        return false;
    if (!verdict.renew) {
        keeper->stats.given_up++;
        release(keeper, slot);
        return false;
    }
    const struct wp_keep_purse *purse = purse_of(keeper, slot->request.key_hash, day);
    if (purse == NULL || !wp_keep_affords(purse, day, keeper->usd_per_day, verdict.price)) {
        keeper->stats.refused_by_cap++;
        release(keeper, slot);
        return false;
    }
    return give_out(keeper, slot, idle_s, &verdict, out);
}

bool wp_keeper_due(struct wp_keeper *keeper, uint64_t now_ns, int64_t day, struct wp_kept_due *out)
{
    bool found = false;
    pthread_mutex_lock(&keeper->lock);
    WP_LIST_FOREACH(node, &keeper->order)
    {
        struct slot *slot = WP_CONTAINER_OF(node, struct slot, link);
        if (found || keeper->stats.under_way >= UNDER_WAY)
            break;
        if (seconds(slot->request.begun_ns, now_ns) > FOLLOW_S && !slot->under_way) {
            wp_keep_spell_silent(&keeper->odds, &slot->spell, FOLLOW_S);
            forget(keeper, slot);
        } else if (slot->waiting && !slot->under_way && slot->due_ns <= now_ns) {
            found = consider(keeper, slot, now_ns, day, out);
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    return found;
}

static void settle(struct wp_keeper *keeper, struct slot *slot, enum wp_kept_outcome outcome,
                   uint64_t begun_ns)
{
    enum { AGAIN_S = 2 };
    slot->under_way = false;
    switch (outcome) {
    case WP_KEPT_RENEWED:
        slot->renewed_ns = begun_ns;
        slot->lapses_ns = after(begun_ns, ttl_of(slot));
        slot->due_ns = after(begun_ns, ttl_of(slot) - keeper->guard_s);
        break;
    case WP_KEPT_PUT_OFF:
        slot->due_ns = after(begun_ns, AGAIN_S);
        break;
    case WP_KEPT_LOST:
        release(keeper, slot);
        break;
    }
}

void wp_keeper_renewed(struct wp_keeper *keeper, const struct wp_kept_due *due,
                       enum wp_kept_outcome outcome, double spent, uint64_t begun_ns, int64_t day)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->stats.under_way--;
    keeper->stats.renewals += outcome == WP_KEPT_RENEWED ? 1 : 0;
    keeper->stats.put_off += outcome == WP_KEPT_PUT_OFF ? 1 : 0;
    keeper->stats.given_up += outcome == WP_KEPT_LOST ? 1 : 0;
    keeper->stats.spent += spent;
    struct wp_keep_purse *purse = purse_of(keeper, due->request.key_hash, day);
    if (purse != NULL)
        wp_keep_spend(purse, day, spent);
    struct slot *slot = wp_map_get(&keeper->slots, key_of(&due->request.stream));
    // The conversation may have come back meanwhile.
    if (slot != NULL && slot->generation == due->generation) {
        slot->renewals += outcome == WP_KEPT_RENEWED ? 1 : 0;
        slot->spent += spent;
        settle(keeper, slot, outcome, begun_ns);
    }
    pthread_mutex_unlock(&keeper->lock);
}

void wp_keeper_stats(struct wp_keeper *keeper, struct wp_keeper_stats *out)
{
    pthread_mutex_lock(&keeper->lock);
    *out = keeper->stats;
    pthread_mutex_unlock(&keeper->lock);
}

// Saving.

enum { ODDS = sizeof(struct wp_keep_odds) / sizeof(float), KEY_HASH_MAX = 128 };
_Static_assert(ODDS ==
                   2 * WP_KEEP_BINS * (1 + WP_KEEP_STOP_COUNT * WP_KEEP_HABITS) + 2 * WP_KEEP_HOURS,
               "the odds are nothing but floats");

static void save_purses(const struct wp_keeper *keeper, struct wp_buf *out)
{
    size_t cursor = 0;
    wp_view key;
    void *value;
    wp_pack_u64(out, (uint64_t)keeper->purse_day);
    wp_pack_u32(out, (uint32_t)keeper->purses.count);
    while (wp_map_next(&keeper->purses, &cursor, &key, &value)) {
        const struct wp_keep_purse *purse = value;
        wp_pack_u32(out, (uint32_t)key.len);
        wp_buf_append(out, key);
        wp_pack_u64(out, (uint64_t)purse->day);
        wp_pack_f64(out, purse->spent);
    }
}

void wp_keeper_save(struct wp_keeper *keeper, struct wp_buf *out)
{
    float numbers[ODDS];
    pthread_mutex_lock(&keeper->lock);
    memcpy(numbers, &keeper->odds, sizeof(numbers));
    wp_pack_u32(out, ODDS);
    for (uint32_t i = 0; i < ODDS; i++)
        wp_pack_f32(out, numbers[i]);
    save_purses(keeper, out);
    pthread_mutex_unlock(&keeper->lock);
}

static void restore_odds(struct wp_keeper *keeper, struct wp_unpack *in)
{
    float numbers[ODDS];
    uint32_t count = wp_unpack_u32(in);
    if (count != ODDS) { // of another version: what it counted is not known here
        (void)wp_unpack_bytes(in, count * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < ODDS; i++) {
        numbers[i] = wp_unpack_f32(in);
        in->failed = in->failed || numbers[i] < 0;
    }
    if (!in->failed)
        memcpy(&keeper->odds, numbers, sizeof(numbers));
}

static void restore_purse(struct wp_keeper *keeper, struct wp_unpack *in)
{
    uint32_t len = wp_unpack_u32(in);
    wp_view key = wp_unpack_bytes(in, len < KEY_HASH_MAX ? len : SIZE_MAX);
    int64_t day = (int64_t)wp_unpack_u64(in);
    double spent = wp_unpack_f64(in);
    if (in->failed || spent < 0) {
        in->failed = true;
        return;
    }
    struct wp_keep_purse *purse = purse_of(keeper, key, keeper->purse_day);
    if (purse != NULL)
        *purse = (struct wp_keep_purse){day, spent};
}

bool wp_keeper_restore(struct wp_keeper *keeper, struct wp_unpack *in)
{
    pthread_mutex_lock(&keeper->lock);
    restore_odds(keeper, in);
    keeper->purse_day = (int64_t)wp_unpack_u64(in);
    uint32_t purses = wp_unpack_u32(in);
    for (uint32_t i = 0; i < purses && i < PURSES && !in->failed; i++)
        restore_purse(keeper, in);
    pthread_mutex_unlock(&keeper->lock);
    return !in->failed;
}
