// The recorder thread: takes what is queued in batches, commits, tells the subscriber, deletes
// what is too old. While the disk refuses, a batch waits here and is tried again; the queue behind
// it keeps its bounds.
//
//   IDLE --row--> GATHER --full, old enough or flush--> COMMIT --ok--> IDLE
//                                                        |  ^
//                                                     failed |backoff, with a fresh connection
//                                                        v  |
//                                                       DEGRADED
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/private.h"

enum {
    BACKOFF_FIRST_MS = 250,
    BACKOFF_MAX_MS = 5000,
    TRIM_EVERY_MS = 10 * 60 * 1000,
    TRIM_PAUSE_MS = 50, // between slices, so that readers and commits get their turn
    ROWS_JSON_MAX = 16 * 1024 * 1024,
};

static const uint64_t ns_per_ms = 1000000;

struct batch {
    struct store_item *first;
    size_t count, bytes;
};

static void wait_until(struct wp_ledger *ledger, uint64_t due_ns)
{
    if (due_ns == UINT64_MAX) {
        pthread_cond_wait(&ledger->wake, &ledger->lock);
        return;
    }
    const struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000u),
                                 .tv_nsec = (long)(due_ns % 1000000000u)};
    pthread_cond_timedwait(&ledger->wake, &ledger->lock, &due);
}

// When the next commit is due: 0 for at once, UINT64_MAX when there is nothing to write.
static uint64_t commit_due(const struct wp_ledger *ledger, const struct batch *batch)
{
    bool urgent = ledger->stopping || ledger->flushers > 0;
    if (batch->first != NULL)
        return urgent ? 0 : ledger->retry_ns;
    if (ledger->head == NULL)
        return UINT64_MAX;
    if (urgent || ledger->waiting >= STORE_BATCH_MAX)
        return 0;
    return ledger->head->queued_ns + ledger->batch_ms * ns_per_ms;
}

static void take(struct wp_ledger *ledger, struct batch *batch)
{
    struct store_item **end = &ledger->head;
    batch->first = ledger->head;
    while (*end != NULL && batch->count < STORE_BATCH_MAX) {
        batch->bytes += (*end)->bytes;
        batch->count++;
        end = &(*end)->next;
    }
    ledger->head = *end;
    *end = NULL;
    if (ledger->head == NULL)
        ledger->tail = &ledger->head;
    ledger->waiting -= batch->count;
}

// Under the lock: those that lie in segments. Leaves the others, which are freed without it.
static void release_items(struct wp_ledger *ledger, struct batch *batch)
{
    struct store_item *own = NULL;
    while (batch->first != NULL) {
        struct store_item *item = batch->first;
        batch->first = item->next;
        if (item->segment != NULL) {
            store_segments_release(&ledger->segments, item);
        } else {
            item->next = own;
            own = item;
        }
    }
    batch->first = own;
}

static void free_items(struct batch *batch)
{
    while (batch->first != NULL) {
        struct store_item *next = batch->first->next;
        wp_free(batch->first);
        batch->first = next;
    }
    *batch = (struct batch){0};
}

static void tell_subscriber(struct wp_ledger *ledger, const struct batch *batch)
{
    struct wp_buf buf = wp_buf_make(ROWS_JSON_MAX);
    wp_view rows[STORE_BATCH_MAX];
    size_t count = 0, offsets[STORE_BATCH_MAX + 1] = {0};
    pthread_mutex_lock(&ledger->subscriber_lock);
    if (ledger->subscriber != NULL) {
        for (struct store_item *item = batch->first; item != NULL; item = item->next) {
            struct wp_json_writer w = wp_json_writer(&buf);
            store_row_write(&w, &item->record, false);
            if (!wp_buf_ok(&buf))
                break;
            offsets[++count] = buf.len;
        }
        for (size_t i = 0; i < count; i++)
            rows[i] = wp_view_make(buf.ptr + offsets[i], offsets[i + 1] - offsets[i]);
        if (count > 0)
            ledger->subscriber(ledger->subscriber_arg, rows, count);
    }
    pthread_mutex_unlock(&ledger->subscriber_lock);
    wp_buf_free(&buf);
}

static void finish(struct wp_ledger *ledger, struct batch *batch, size_t written)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->written += written;
    ledger->dropped += batch->count - written;
    ledger->finished += batch->count;
    ledger->queued -= batch->count;
    ledger->queued_bytes -= batch->bytes;
    release_items(ledger, batch);
    struct store_segment *surplus = NULL;
    if (batch->count < STORE_BATCH_MAX / 4) // the load is over, or was never there
        surplus = store_segments_trim(&ledger->segments);
    bool was_degraded = ledger->degraded;
    ledger->degraded = ledger->degraded && written == 0;
    if (!ledger->degraded)
        ledger->last_error[0] = '\0';
    pthread_cond_broadcast(&ledger->settled);
    pthread_mutex_unlock(&ledger->lock);
    if (was_degraded && written > 0)
        wp_log(WP_LOG_INFO, "ledger", "rows are written again");
    ledger->backoff_ms = 0;
    store_segment_free_list(surplus);
    free_items(batch);
}

static void fail(struct wp_ledger *ledger, const char *error)
{
    ledger->backoff_ms = ledger->backoff_ms == 0 ? BACKOFF_FIRST_MS : ledger->backoff_ms * 2;
    if (ledger->backoff_ms > BACKOFF_MAX_MS)
        ledger->backoff_ms = BACKOFF_MAX_MS;
    ledger->retry_ns = wp_now_ns() + ledger->backoff_ms * ns_per_ms;
    pthread_mutex_lock(&ledger->lock);
    bool first = !ledger->degraded;
    ledger->degraded = true;
    ledger->failed_commits++;
    snprintf(ledger->last_error, sizeof(ledger->last_error), "%s", error);
    pthread_cond_broadcast(&ledger->settled);
    pthread_mutex_unlock(&ledger->lock);
    if (first)
        wp_log(WP_LOG_ERROR, "ledger", "rows cannot be written and wait in memory: %s", error);
}

static bool commit(struct wp_ledger *ledger, struct batch *batch)
{
    char error[512] = "";
    size_t refused = 0;
    if (ledger->writer.db == NULL &&
        store_writer_open(&ledger->writer, ledger->path, error, sizeof(error)) != WP_OK) {
        fail(ledger, error);
        return false;
    }
    if (!store_writer_commit(&ledger->writer, &batch->first, &refused, error, sizeof(error))) {
        // The next try gets a fresh connection: the file may have been replaced or remounted.
        store_writer_close(&ledger->writer);
        fail(ledger, error);
        return false;
    }
    tell_subscriber(ledger, batch);
    finish(ledger, batch, batch->count - refused);
    return true;
}

static void trim(struct wp_ledger *ledger)
{
    bool more = false;
    if (ledger->writer.db != NULL) {
        int64_t before = wp_wall_ms() - (int64_t)ledger->retention_days * 24 * 3600 * 1000;
        if (!store_writer_trim(&ledger->writer, before, &more))
            wp_log(WP_LOG_WARN, "ledger", "old rows could not be deleted: %s",
                   sqlite3_errmsg(ledger->writer.db));
    }
    ledger->trim_ns = wp_now_ns() + (more ? TRIM_PAUSE_MS : TRIM_EVERY_MS) * ns_per_ms;
}

static void drop_rest(struct wp_ledger *ledger, struct batch *batch)
{
    size_t lost = batch->count + ledger->waiting;
    if (lost > 0)
        wp_log(WP_LOG_ERROR, "ledger", "%zu rows are lost: %s", lost, ledger->last_error);
    finish(ledger, batch, 0);
    while (ledger->head != NULL) {
        take(ledger, batch);
        finish(ledger, batch, 0);
    }
}

// Waits for work under the lock. False: nothing is left to do and the ledger is closing.
static bool next(struct wp_ledger *ledger, struct batch *batch)
{
    bool work = true;
    pthread_mutex_lock(&ledger->lock);
    for (;;) {
        uint64_t now = wp_now_ns(), due = commit_due(ledger, batch);
        if (due <= now) {
            if (batch->first == NULL)
                take(ledger, batch);
            break;
        }
        if (ledger->stopping) {
            work = false;
            break;
        }
        if (ledger->trim_ns <= now)
            break;
        wait_until(ledger, due < ledger->trim_ns ? due : ledger->trim_ns);
    }
    pthread_mutex_unlock(&ledger->lock);
    return work;
}

void *store_recorder_main(void *arg)
{
    struct wp_ledger *ledger = arg;
    struct batch batch = {0};
    while (next(ledger, &batch)) {
        bool stopping = __atomic_load_n(&ledger->stopping, __ATOMIC_ACQUIRE);
        if (batch.first != NULL && !commit(ledger, &batch) && stopping) {
            drop_rest(ledger, &batch);
            break;
        }
        if (ledger->trim_ns <= wp_now_ns())
            trim(ledger);
    }
    store_writer_close(&ledger->writer);
    return NULL;
}
