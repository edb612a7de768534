// The ledger's life and its door for records.
#include "store/ledger.h"

#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/private.h"

enum {
    LEDGER_MAGIC = 0x4c444752,
    QUEUE_DEFAULT = 65536,
    QUEUE_BYTES_DEFAULT = 256 * 1024 * 1024,
    BATCH_MS_DEFAULT = 200,
    QUERY_MS_DEFAULT = 10000,
    SEARCH_MS = 3000,
};

static size_t size_or(size_t value, size_t fallback)
{
    return value == 0 ? fallback : value;
}

static uint32_t u32_or(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static void init_locks(struct wp_ledger *ledger)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ledger->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&ledger->settled, NULL);
    pthread_cond_init(&ledger->reader_free, NULL);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_mutex_init(&ledger->subscriber_lock, NULL);
    pthread_mutex_init(&ledger->readers_lock, NULL);
}

static struct wp_ledger *create(const struct wp_ledger_config *config)
{
    struct wp_ledger *ledger = wp_alloc(sizeof(*ledger));
    char *path = wp_alloc(config->path.len + 1);
    if (ledger == NULL || path == NULL) {
        wp_free(ledger);
        wp_free(path);
        return NULL;
    }
    if (config->path.len > 0)
        memcpy(path, config->path.ptr, config->path.len);
    *ledger = (struct wp_ledger){
        .magic = LEDGER_MAGIC,
        .path = path,
        .queue_max = size_or(config->queue_max, QUEUE_DEFAULT),
        .queue_bytes_max = size_or(config->queue_bytes_max, QUEUE_BYTES_DEFAULT),
        .batch_ms = u32_or(config->batch_ms, BATCH_MS_DEFAULT),
        .query_timeout_ms = u32_or(config->query_timeout_ms, QUERY_MS_DEFAULT),
        .search_timeout_ms = SEARCH_MS,
        .retention_days = config->retention_days,
        .trim_ns = config->retention_days == 0 ? UINT64_MAX : 0,
    };
    ledger->tail = &ledger->head;
    init_locks(ledger);
    return ledger;
}

static void close_readers(struct wp_ledger *ledger)
{
    for (size_t i = 0; i < STORE_READERS; i++) {
        sqlite3_close_v2(ledger->readers[i].db);
        ledger->readers[i].db = NULL;
    }
}

static void destroy(struct wp_ledger *ledger)
{
    close_readers(ledger);
    store_writer_close(&ledger->writer);
    store_segments_free(&ledger->segments);
    pthread_cond_destroy(&ledger->wake);
    pthread_cond_destroy(&ledger->settled);
    pthread_cond_destroy(&ledger->reader_free);
    pthread_mutex_destroy(&ledger->lock);
    pthread_mutex_destroy(&ledger->subscriber_lock);
    pthread_mutex_destroy(&ledger->readers_lock);
    wp_free(ledger->path);
    ledger->magic = 0;
    wp_free(ledger);
}

// Signals belong to the loop's threads.
static int start_thread(struct wp_ledger *ledger)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&ledger->thread, NULL, store_recorder_main, ledger);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

enum wp_err wp_ledger_open(const struct wp_ledger_config *config, struct wp_ledger **out,
                           char *error, size_t error_size)
{
    *out = NULL;
    struct wp_ledger *ledger = create(config);
    if (ledger == NULL) {
        snprintf(error, error_size, "%s", wp_err_info(WP_ERR_NO_MEMORY)->sentence);
        return WP_ERR_NO_MEMORY;
    }
    enum wp_err err = store_writer_open(&ledger->writer, ledger->path, error, error_size);
    if (err == WP_OK && start_thread(ledger) != 0) {
        snprintf(error, error_size, "the recorder thread could not be started");
        err = WP_ERR_NO_MEMORY;
    }
    if (err != WP_OK) {
        destroy(ledger);
        return err;
    }
    *out = ledger;
    return WP_OK;
}

void wp_ledger_close(struct wp_ledger *ledger)
{
    if (ledger == NULL)
        return;
    WP_CHECK_MAGIC(ledger, LEDGER_MAGIC);
    // The last connection to close moves the write-ahead log into the file, and a reader may not.
    close_readers(ledger);
    pthread_mutex_lock(&ledger->lock);
    __atomic_store_n(&ledger->stopping, true, __ATOMIC_RELEASE);
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
    pthread_join(ledger->thread, NULL);
    destroy(ledger);
}

// Under the lock. The recorder sleeps towards the first row's deadline; it needs to hear of that
// row and of a full batch, not of those between.
static void enqueue(struct wp_ledger *ledger, struct store_item *item)
{
    *ledger->tail = item;
    ledger->tail = &item->next;
    ledger->queued++;
    ledger->waiting++;
    ledger->queued_bytes += item->bytes;
    ledger->accepted++;
    if (ledger->waiting == 1 || ledger->waiting == STORE_BATCH_MAX)
        pthread_cond_signal(&ledger->wake);
}

static bool has_room(const struct wp_ledger *ledger, size_t size)
{
    return ledger->queued < ledger->queue_max && !ledger->stopping &&
           size <= ledger->queue_bytes_max - ledger->queued_bytes;
}

// Prompts may be megabytes: they are copied without the lock.
static struct store_item *copy(const struct wp_record *record, size_t size)
{
    struct store_item *item = wp_alloc(size);
    if (item != NULL)
        store_item_fill(item, record, size);
    return item;
}

bool wp_ledger_submit(struct wp_ledger *ledger, const struct wp_record *record)
{
    WP_CHECK_MAGIC(ledger, LEDGER_MAGIC);
    size_t size = store_item_size(record);
    struct store_item *own = store_item_is_large(size) ? copy(record, size) : NULL;
    uint64_t now_ns = wp_now_ns_coarse();
    pthread_mutex_lock(&ledger->lock);
    bool taken = has_room(ledger, size);
    struct store_item *item =
        !taken || store_item_is_large(size) ? own : store_segments_place(&ledger->segments, size);
    taken = taken && item != NULL;
    if (taken) {
        if (item != own)
            store_item_fill(item, record, size);
        item->queued_ns = now_ns;
        enqueue(ledger, item);
    }
    ledger->submitted++;
    ledger->dropped += taken ? 0 : 1;
    pthread_mutex_unlock(&ledger->lock);
    if (!taken)
        wp_free(own);
    return taken;
}

void wp_ledger_flush(struct wp_ledger *ledger)
{
    WP_CHECK_MAGIC(ledger, LEDGER_MAGIC);
    pthread_mutex_lock(&ledger->lock);
    uint64_t target = ledger->accepted, failed = ledger->failed_commits;
    ledger->flushers++;
    pthread_cond_signal(&ledger->wake);
    while (ledger->finished < target && ledger->failed_commits == failed)
        pthread_cond_wait(&ledger->settled, &ledger->lock);
    ledger->flushers--;
    pthread_mutex_unlock(&ledger->lock);
}

void wp_ledger_stats(struct wp_ledger *ledger, struct wp_ledger_stats *out)
{
    WP_CHECK_MAGIC(ledger, LEDGER_MAGIC);
    pthread_mutex_lock(&ledger->lock);
    *out = (struct wp_ledger_stats){
        .submitted = ledger->submitted,
        .written = ledger->written,
        .dropped = ledger->dropped,
        .failed_commits = ledger->failed_commits,
        .queued = ledger->queued,
        .degraded = ledger->degraded,
    };
    memcpy(out->last_error, ledger->last_error, sizeof(out->last_error));
    pthread_mutex_unlock(&ledger->lock);
}

void wp_ledger_on_commit(struct wp_ledger *ledger,
                         void (*fn)(void *arg, const wp_view *rows_json, size_t count), void *arg)
{
    WP_CHECK_MAGIC(ledger, LEDGER_MAGIC);
    pthread_mutex_lock(&ledger->subscriber_lock);
    ledger->subscriber = fn;
    ledger->subscriber_arg = arg;
    pthread_mutex_unlock(&ledger->subscriber_lock);
}
