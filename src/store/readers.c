// A few read-only connections, opened when first needed. A query that runs too long is interrupted
// from the progress handler.
#include "base/clock.h"
#include "base/log.h"
#include "store/private.h"

enum { STEPS_BETWEEN_LOOKS = 20000 };

static int is_late(void *arg)
{
    const struct store_reader *reader = arg;
    return wp_now_ns() > reader->deadline_ns ? 1 : 0;
}

static struct store_reader *idle_reader(struct wp_ledger *ledger)
{
    struct store_reader *closed = NULL;
    for (size_t i = 0; i < STORE_READERS; i++) {
        struct store_reader *reader = &ledger->readers[i];
        if (!reader->busy && reader->db != NULL)
            return reader;
        if (!reader->busy && closed == NULL)
            closed = reader;
    }
    return closed;
}

static void give_back(struct wp_ledger *ledger, struct store_reader *reader)
{
    pthread_mutex_lock(&ledger->readers_lock);
    reader->busy = false;
    pthread_cond_signal(&ledger->reader_free);
    pthread_mutex_unlock(&ledger->readers_lock);
}

static bool open_reader(struct wp_ledger *ledger, struct store_reader *reader)
{
    if (store_open_reader(ledger->path, &reader->db) != WP_OK)
        return false;
    if (store_search_register(reader->db, &reader->reached) == SQLITE_OK)
        return true;
    wp_log(WP_LOG_ERROR, "ledger", "a reader could not be opened: %s", sqlite3_errmsg(reader->db));
    sqlite3_close_v2(reader->db);
    reader->db = NULL;
    return false;
}

struct store_reader *store_reader_acquire(struct wp_ledger *ledger)
{
    struct store_reader *reader;
    pthread_mutex_lock(&ledger->readers_lock);
    while ((reader = idle_reader(ledger)) == NULL)
        pthread_cond_wait(&ledger->reader_free, &ledger->readers_lock);
    reader->busy = true;
    pthread_mutex_unlock(&ledger->readers_lock);
    if (reader->db == NULL && !open_reader(ledger, reader)) {
        give_back(ledger, reader);
        return NULL;
    }
    sqlite3_progress_handler(reader->db, STEPS_BETWEEN_LOOKS, is_late, reader);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    // All statements of one query see one moment: a page and its total agree while rows come and
    // go.
    (void)store_exec(reader->db, "BEGIN");
    return reader;
}

void store_reader_arm(struct wp_ledger *ledger, struct store_reader *reader, uint32_t timeout_ms)
{
    if (timeout_ms > ledger->query_timeout_ms)
        timeout_ms = ledger->query_timeout_ms;
    reader->deadline_ns = wp_now_ns() + timeout_ms * (uint64_t)1000000;
}

void store_reader_arm_for(struct wp_ledger *ledger, struct store_reader *reader,
                          const struct wp_log_filter *filter)
{
    store_reader_arm(ledger, reader,
                     store_filter_scans(filter) ? ledger->search_timeout_ms
                                                : ledger->query_timeout_ms);
}

static bool is_broken(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return true;
    default:
        return false;
    }
}

void store_reader_release(struct wp_ledger *ledger, struct store_reader *reader, int rc)
{
    if (is_broken(rc)) {
        sqlite3_close_v2(reader->db);
        reader->db = NULL;
    } else {
        sqlite3_progress_handler(reader->db, 0, NULL, NULL);
        if (!sqlite3_get_autocommit(reader->db))
            (void)store_exec(reader->db, "ROLLBACK");
        // Its pages stay in the kernel's cache; four readers' own would be the largest thing here.
        (void)sqlite3_db_release_memory(reader->db);
    }
    give_back(ledger, reader);
}

enum wp_err store_query_end(struct wp_ledger *ledger, struct store_reader *reader, int rc,
                            const char *what, struct wp_buf *out, size_t from)
{
    bool ok = (rc == SQLITE_OK || rc == SQLITE_DONE) && wp_buf_ok(out);
    bool late = !ok && (rc & 0xff) == SQLITE_INTERRUPT;
    if (late)
        wp_log(WP_LOG_WARN, "ledger",
               "%s: the query took longer than %u ms and was stopped; narrow the time range", what,
               ledger->query_timeout_ms);
    else if (!ok)
        wp_log(WP_LOG_ERROR, "ledger", "%s: %s", what,
               wp_buf_ok(out) ? sqlite3_errmsg(reader->db) : "the answer is too large");
    store_reader_release(ledger, reader, rc);
    if (ok)
        return WP_OK;
    if (out->len > from)
        out->len = from;
    return late ? WP_ERR_SLOW_QUERY : WP_ERR_INTERNAL;
}
