// Private to store/.
#ifndef WP_STORE_PRIVATE_H
#define WP_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/arena.h"
#include "store/ledger.h"
#include "json/writer.h"

// database.c ---------------------------------------------------------------------------------

// Creates directory (0700) and file (0600) where missing, switches to WAL, migrates. On failure
// `error` names cause and fix and *out is NULL.
enum wp_err store_open_writer(const char *path, sqlite3 **out, char *error,
                              size_t error_size) WP_WARN_UNUSED;
enum wp_err store_open_reader(const char *path, sqlite3 **out) WP_WARN_UNUSED;
// SQLITE_OK or the extended code.
int store_exec(sqlite3 *db, const char *sql);
// The schema version that this program writes.
int store_schema_version(void);

// upgrade.c: the rows of schema 5, which lie in request_5 and request_detail, into those of 6.
int store_upgrade_rows(sqlite3 *db, const char *path);

// row.c --------------------------------------------------------------------------------------

// A record with everything that its views point at.
struct store_item {
    struct store_item *next;
    struct store_segment *segment; // where it lies; NULL: in an allocation of its own
    size_t bytes;
    uint64_t queued_ns;
    int64_t id; // given when it is written
    struct wp_record record;
    char text[];
};
static inline bool store_item_has_bodies(const struct store_item *item)
{
    return item->record.request_body.len + item->record.response_body.len > 0;
}
size_t store_item_size(const struct wp_record *record);
// `item` has room for store_item_size bytes.
void store_item_fill(struct store_item *item, const struct wp_record *record, size_t size);

// True only if two items' records have the same values in all that the rollups are kept by.
bool store_item_same_keys(const struct wp_record *a, const struct wp_record *b);

// "id, request_id, call_type, …" in the order of the table and of read, each with `prefix` in
// front: what a list shows, which is all that is written but detail.
void store_columns_append(struct wp_buf *sql, const char *prefix);
size_t store_column_count(void);
// A column of the table "batch" (xColumn); the item outlives the statement's step.
struct store_batch_cursor {
    sqlite3_vtab_cursor base; // must be the first
    const struct store_item *item;
};
int store_row_column(sqlite3_vtab_cursor *cursor, sqlite3_context *result, int column);
// Reads the columns from result column 0 on; views live until the statement steps on.
void store_row_read(sqlite3_stmt *statement, struct wp_record *out);
int store_bind_text(sqlite3_stmt *statement, int index, wp_view text);
int store_bind_blob(sqlite3_stmt *statement, int index, wp_view blob);
wp_view store_column_text(sqlite3_stmt *statement, int column);

// The object of list answers and live views, left open when `open` is set.
void store_row_write(struct wp_json_writer *w, const struct wp_record *record, bool open);
// What one row's answer has beside it: "decision", "attempts", "request_body" …
void store_detail_write(struct wp_json_writer *w, const struct wp_record *record);

static inline int64_t store_end_ms(const struct wp_record *record)
{
    return record->start_ms + (int64_t)(record->duration_us / 1000);
}
static inline uint64_t store_prompt_tokens(const struct wp_record *record)
{
    return record->input_tokens + record->cache_read_tokens + record->cache_write_5m_tokens +
           record->cache_write_1h_tokens;
}

// segment.c ----------------------------------------------------------------------------------

// Where records wait. All under the ledger's lock.
struct store_segments {
    struct store_segment *filling, *spare;
    size_t spare_count, freed; // since the last trim
};
// Has to have an allocation of its own.
bool store_item_is_large(size_t size);
// NULL: memory is short.
struct store_item *store_segments_place(struct store_segments *segments, size_t size);
void store_segments_release(struct store_segments *segments, struct store_item *item);
// Takes off the spares that the last batch had no need of; the caller frees them without the lock.
struct store_segment *store_segments_trim(struct store_segments *segments);
void store_segment_free_list(struct store_segment *first);
void store_segments_free(struct store_segments *segments);
// By the time of their start; those of one millisecond keep their order.
void store_items_sort(struct store_item **items);

// batch.c ------------------------------------------------------------------------------------

// What the virtual table "batch" shows: the items [first, end).
struct store_batch {
    const struct store_item *first, *end;
};
// The table has the columns of a list and detail.
int store_batch_register(sqlite3 *db, struct store_batch *batch);

// writer.c -----------------------------------------------------------------------------------

// What the rows of a batch with the same rollup keys add up to.
struct store_sum {
    const struct wp_record *record; // the first of them: the keys
    int64_t hour_ms;
    uint64_t minutes; // a bit for each of the hour in which one of them began
    uint64_t requests, input_tokens, cache_read_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, output_tokens, predicted_read_tokens, renewals;
    double spend, saved, renewal_spend, kept_warm_saved;
};

enum { STORE_SUMS_MAX = 32 }; // more than that in one batch are written in parts

// The recorder's connection with its prepared statements.
struct store_writer {
    sqlite3 *db; // NULL: to be opened (again)
    sqlite3_stmt *insert, *insert_bodies, *insert_id, *hourly, *daily, *savepoint, *rollback,
        *release;
    struct store_batch batch;
    uint64_t sequence; // of the next row's id
    struct store_sum sums[STORE_SUMS_MAX];
    size_t sum_count;
};

enum wp_err store_writer_open(struct store_writer *writer, const char *path, char *error,
                              size_t error_size) WP_WARN_UNUSED;
void store_writer_close(struct store_writer *writer);
// One transaction; puts the items in the order of their times. False: nothing was written, `error`
// says why. *refused counts records that the schema itself refused (they would never succeed); the
// others are committed.
bool store_writer_commit(struct store_writer *writer, struct store_item **items, size_t *refused,
                         char *error, size_t error_size) WP_WARN_UNUSED;
// Deletes up to one slice of what started before `before_ms`. *more: call again.
bool store_writer_trim(struct store_writer *writer, int64_t before_ms, bool *more);

// ledger.c, recorder.c -----------------------------------------------------------------------

enum { STORE_READERS = 4, STORE_BATCH_MAX = 512 };
static const int64_t STORE_NOWHERE = INT64_MIN;

struct store_reader {
    sqlite3 *db;
    uint64_t deadline_ns; // of the running query
    int64_t reached;      // the last row that a walk looked at, or STORE_NOWHERE
    bool busy;
};

struct wp_ledger {
    uint32_t magic;
    char *path;
    size_t queue_max, queue_bytes_max;
    uint32_t batch_ms, retention_days, query_timeout_ms;
    uint32_t search_timeout_ms; // then the answer is what was found until then

    pthread_mutex_t lock; // of all up to `thread`
    pthread_cond_t wake, settled;
    struct store_item *head, **tail;
    struct store_segments segments;
    size_t queued, queued_bytes; // with the batch that is being written
    size_t waiting;              // in the list
    uint64_t submitted, accepted, finished, written, dropped, failed_commits;
    unsigned flushers;
    bool stopping, degraded;
    char last_error[160];

    pthread_t thread;
    struct store_writer writer; // recorder thread only
    uint64_t retry_ns, backoff_ms, trim_ns;

    pthread_mutex_t subscriber_lock; // held while the subscriber runs
    void (*subscriber)(void *arg, const wp_view *rows_json, size_t count);
    void *subscriber_arg;

    pthread_mutex_t readers_lock;
    pthread_cond_t reader_free;
    struct store_reader readers[STORE_READERS];
};

void *store_recorder_main(void *ledger);

// readers.c: blocks until a reader is free; NULL with a logged reason if none can be opened. What
// is read until the release is the database of one moment.
struct store_reader *store_reader_acquire(struct wp_ledger *ledger);
// Gives the next statement (again) the whole query timeout.
void store_reader_arm(struct wp_ledger *ledger, struct store_reader *reader, uint32_t timeout_ms);
// The same for what may end with a part: less for filters that scan.
void store_reader_arm_for(struct wp_ledger *ledger, struct store_reader *reader,
                          const struct wp_log_filter *filter);
// `rc` of the last statement: a broken connection is closed rather than kept.
void store_reader_release(struct wp_ledger *ledger, struct store_reader *reader, int rc);

// span.c -------------------------------------------------------------------------------------

// A row's id is the millisecond of its start, and below that a number that tells the rows of one
// millisecond apart: the table lies in the order of time, and a time is a range of ids.
enum { STORE_ID_BITS = 21 };
static inline int64_t store_id(int64_t start_ms, uint64_t sequence)
{
    const int64_t most = INT64_MAX >> STORE_ID_BITS; // in the year 2109
    start_ms = start_ms > most ? most : start_ms < 0 ? 0 : start_ms;
    return (start_ms << STORE_ID_BITS) | (int64_t)(sequence & (((uint64_t)1 << STORE_ID_BITS) - 1));
}
static inline int64_t store_id_ms(int64_t id)
{
    return id >> STORE_ID_BITS;
}

// Ids [first, last].
struct store_span {
    int64_t first, last;
};
// The row's request_id leads to its place.
bool store_span_knows(const struct wp_record *record);
// Where rows of the filter's times, or of its request, lie. Never too little. SQLITE_OK or an
// error.
int store_span_find(struct store_reader *reader, const struct wp_log_filter *filter,
                    struct store_span *out);
// Whether there is a row of the filter in the span. SQLITE_OK or an error.
int store_span_holds(sqlite3 *db, const struct wp_log_filter *filter, const struct store_span *span,
                     bool *found);
// The integer of a statement without values, as store_query_integer_of.
int store_read_integer(sqlite3 *db, const char *sql, int64_t none, int64_t *out);

// filter.c -----------------------------------------------------------------------------------

enum { STORE_BINDS_MAX = 48, STORE_SQL_MAX = 32 * 1024 };

struct store_bind {
    enum { STORE_BIND_TEXT, STORE_BIND_INTEGER, STORE_BIND_REAL } kind;
    wp_view text;
    int64_t integer;
    double real;
};

// A statement in the making: text with ? marks, and their values. Only fixed fragments go into
// the text; what a caller gave is bound.
struct store_query {
    struct wp_buf sql;
    struct wp_buf lower; // `search` in lower case
    struct store_bind binds[STORE_BINDS_MAX];
    size_t bind_count;
};

struct store_query store_query_make(void);
void store_query_free(struct store_query *query);
void store_query_clear(struct store_query *query);
void store_query_text(struct store_query *query, const char *sql);
void store_query_view(struct store_query *query, wp_view value);
void store_query_integer(struct store_query *query, int64_t value);
// NULL on failure (logged).
sqlite3_stmt *store_query_prepare(struct store_query *query, sqlite3 *db, int *rc);
// Its one integer; `none` where there is no row or it is NULL. SQLITE_OK or an error.
int store_query_integer_of(struct store_query *query, sqlite3 *db, int64_t none, int64_t *out);

// " AND …" on table request: all that the filter names but its times.
void store_filter_append_terms(struct store_query *query, const struct wp_log_filter *filter);
// " WHERE …" (always at least one term): the same within the span.
void store_filter_append(struct store_query *query, const struct wp_log_filter *filter,
                         const struct store_span *span);
// It names something that the hourly sums tell apart.
bool store_filter_names_hourly(const struct wp_log_filter *filter);
// No index leads to its rows: all of the span are looked at, and noted as reached.
bool store_filter_scans(const struct wp_log_filter *filter);
// True if the hourly sums can answer it; then the same as terms on usage_hourly, without times.
bool store_filter_is_hourly(const struct wp_log_filter *filter);
void store_filter_append_hourly(struct store_query *query, const struct wp_log_filter *filter);

// walk.c -------------------------------------------------------------------------------------

// The rows of a filter within a span, in the order of their times. Make, put "SELECT columns" into
// `query`, begin, step until SQLITE_DONE, end (also after a failure).
struct store_walk {
    struct store_query query;
    sqlite3_stmt *rows; // at the row that was stepped to
    uint64_t skip; // set before begin: rows that the caller passes over. Those of whole hours are
                   // not given to him; for each that is, he takes one off.
    uint64_t passed, enough; // rows that were not given; the walk ends when they are enough

    // private
    struct store_reader *reader;
    const struct wp_log_filter *filter;
    bool ascending, exact, ahead, reading, beyond_waits, beyond_done;
    struct store_span span, beyond; // beyond: rows that have no hours
    struct store_query hours_query;
    sqlite3_stmt *hours;
    int64_t hour_ms;
    uint64_t minutes, requests; // of the hour under way: minutes not yet read
};
struct store_walk store_walk_make(struct store_reader *reader, const struct wp_log_filter *filter,
                                  bool ascending);
// SQLITE_OK or an error.
int store_walk_begin(struct store_walk *walk, const struct store_span *span);
// SQLITE_ROW, SQLITE_DONE or an error.
int store_walk_step(struct store_walk *walk);
// Instead of stepping: the next span in which there may be rows (or none: first > last).
int store_walk_next(struct store_walk *walk, struct store_span *out);
void store_walk_end(struct store_walk *walk);

// search.c: for store_filter_append, any_holds(lower_case, column, …), and reached(id), which
// notes the id in *reached and is true.
int store_search_register(sqlite3 *db, int64_t *reached);

// reach.c ------------------------------------------------------------------------------------

// A search for a whole id, of a request or of a session that there is, becomes a filter by it.
// Views of *out are those of the filter. SQLITE_OK or an error.
int store_filter_narrow(struct store_reader *reader, const struct wp_log_filter *filter,
                        struct wp_log_filter *out);
// A statement that was stopped for its time, in the order of times: all rows that start from this
// time on (ascending: before it) have been looked at. 0: it was not stopped, or came nowhere.
int64_t store_reached_ms(const struct store_reader *reader, int rc, bool ascending);
// For what needs all rows of a filter at once, and was stopped: *span begins with what half that
// time reaches, newest first, and *searched_to_ms says when that is (0: all of it). SQLITE_OK or an
// error.
int store_span_reach(struct wp_ledger *ledger, struct store_reader *reader,
                     const struct wp_log_filter *filter, struct store_span *span,
                     int64_t *searched_to_ms);

// Ends a query function: logs a failure under `what`, cuts `out` back to `from`.
enum wp_err store_query_end(struct wp_ledger *ledger, struct store_reader *reader, int rc,
                            const char *what, struct wp_buf *out, size_t from);

#endif
