#include "route/history.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

enum { HISTORY_MAGIC = 0x48495354, BLOCKS_MAX = 4096, STREAMS_MAX = 65536, KEY_MAX = 512 };

// Eight bytes of a block's prefix hash, its tier and kind in the lowest ones.
typedef uint64_t mark;

struct stream {
    struct wp_list link; // most recently used last
    size_t key_len;
    uint32_t count;
    uint32_t total, estimate; // of the previous answer; 0: none
    uint64_t place;
    char key[KEY_MAX];
    mark marks[];
};

struct wp_history {
    uint32_t magic;
    pthread_mutex_t lock;
    struct wp_map streams;
    struct wp_list recent;
    size_t bytes, max_bytes;
};

struct wp_history *wp_history_create(size_t max_bytes)
{
    struct wp_history *history = wp_alloc(sizeof(*history));
    if (history == NULL)
        return NULL;
    if (pthread_mutex_init(&history->lock, NULL) != 0) {
        wp_free(history);
        return NULL;
    }
    history->magic = HISTORY_MAGIC;
    history->streams = wp_map_make(STREAMS_MAX);
    history->max_bytes = max_bytes;
    wp_list_init(&history->recent);
    return history;
}

static size_t size_of(const struct stream *stream)
{
    return sizeof(*stream) + stream->count * sizeof(mark);
}

static void forget(struct wp_history *history, struct stream *stream)
{
    wp_map_remove(&history->streams, wp_view_make(stream->key, stream->key_len));
    wp_list_unlink(&stream->link);
    history->bytes -= size_of(stream);
    wp_free(stream);
}

static struct stream *oldest(struct wp_history *history)
{
    return WP_CONTAINER_OF(history->recent.next, struct stream, link);
}

void wp_history_destroy(struct wp_history *history)
{
    if (history == NULL)
        return;
    WP_CHECK_MAGIC(history, HISTORY_MAGIC);
    while (!wp_list_empty(&history->recent))
        forget(history, oldest(history));
    wp_map_free(&history->streams);
    pthread_mutex_destroy(&history->lock);
    history->magic = 0;
    wp_free(history);
}

static mark mark_of(const struct wp_block *block)
{
    uint64_t what = ((uint64_t)block->tier << 4 | block->kind) & 0xff;
    return (block->prefix.low & ~(uint64_t)0xff) | what;
}

static uint32_t count_of(const struct wp_prompt *prompt)
{
    return prompt->count < BLOCKS_MAX ? prompt->count : BLOCKS_MAX;
}

// Prefix hashes: equal up to the first difference, different ever after.
static uint32_t shared(const struct stream *before, const struct wp_prompt *prompt)
{
    uint32_t low = 0, high = count_of(prompt);
    if (high > before->count)
        high = before->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (before->marks[middle] == mark_of(&prompt->blocks[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void compare(const struct stream *before, const struct wp_prompt *prompt,
                    struct wp_divergence *out)
{
    uint32_t same = shared(before, prompt);
    *out = (struct wp_divergence){
        .known = true,
        .diverged = same < before->count,
        .shared_blocks = same,
        .shared_tokens = same == 0 ? 0 : prompt->blocks[same - 1].tokens,
        .before_blocks = before->count,
        .index = same,
        .before_total = before->total,
        .before_estimate = before->estimate,
        .before_place = before->place,
    };
    if (!out->diverged)
        return;
    uint8_t what = (uint8_t)before->marks[same];
    out->tier = same < prompt->count ? prompt->blocks[same].tier : what >> 4;
    out->kind = same < prompt->count ? prompt->blocks[same].kind : what & 0xf;
}

static struct stream *remember(wp_view key, const struct wp_prompt *prompt)
{
    uint32_t count = count_of(prompt);
    struct stream *stream = wp_alloc(sizeof(*stream) + count * sizeof(mark));
    if (stream == NULL)
        return NULL;
    stream->count = count;
    stream->key_len = key.len;
    memcpy(stream->key, key.ptr, key.len);
    for (uint32_t i = 0; i < count; i++)
        stream->marks[i] = mark_of(&prompt->blocks[i]);
    return stream;
}

static void replace(struct wp_history *history, struct stream *before, struct stream *now)
{
    if (before != NULL)
        forget(history, before);
    if (now == NULL)
        return;
    while (!wp_list_empty(&history->recent) &&
           (history->bytes + size_of(now) > history->max_bytes ||
            history->streams.count >= STREAMS_MAX))
        forget(history, oldest(history));
    if (!wp_map_set(&history->streams, wp_view_make(now->key, now->key_len), now)) {
        wp_free(now);
        return;
    }
    wp_list_append(&history->recent, &now->link);
    history->bytes += size_of(now);
}

void wp_history_note(struct wp_history *history, wp_view stream, const struct wp_prompt *prompt,
                     struct wp_divergence *out)
{
    WP_CHECK_MAGIC(history, HISTORY_MAGIC);
    *out = (struct wp_divergence){0};
    wp_view key = wp_view_sub(stream, 0, KEY_MAX);
    if (key.len == 0 || prompt->count == 0)
        return;
    struct stream *now = remember(key, prompt);
    pthread_mutex_lock(&history->lock);
    struct stream *before = wp_map_get(&history->streams, key);
    if (before != NULL)
        compare(before, prompt, out);
    replace(history, before, now);
    pthread_mutex_unlock(&history->lock);
}

void wp_history_measure(struct wp_history *history, wp_view stream, uint32_t total,
                        uint32_t estimate, uint64_t place)
{
    WP_CHECK_MAGIC(history, HISTORY_MAGIC);
    pthread_mutex_lock(&history->lock);
    struct stream *now = wp_map_get(&history->streams, wp_view_sub(stream, 0, KEY_MAX));
    if (now != NULL) {
        now->total = total;
        now->estimate = estimate;
        now->place = place;
    }
    pthread_mutex_unlock(&history->lock);
}

bool wp_history_thinking_dropped(const struct wp_divergence *before, const struct wp_prompt *prompt,
                                 uint32_t total, uint64_t place)
{
    enum { LEAST = 256 }; // less thinking than that is lost in the estimate's noise
    if (before->before_total == 0 || before->before_estimate == 0 || before->diverged ||
        before->before_place == place || prompt->thinking_tokens < LEAST ||
        prompt->tokens < before->before_estimate)
        return false;
    double scale = (double)before->before_total / before->before_estimate;
    double added = scale * (prompt->tokens - before->before_estimate);
    double thinking = scale * prompt->thinking_tokens;
    // What was added is an estimate; the signature of a thought is not rendered.
    return (double)total + added * 0.25 + thinking * 0.25 < before->before_total + added;
}
