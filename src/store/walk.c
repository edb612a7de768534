// Rows of a filter in the order of time. Where the filter names what the hourly sums know (a
// deployment, a model, a key, an error), these say in which minutes there are such rows at all: the
// others are not read, and of rows that are only to be counted or passed over whole hours are not.
//
//   rows without hours | hour … hour | the hour under way, minute by minute
//   (first file format) \------------------- known ----------------------/
#include "store/private.h"

enum { HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, MINUTES = 60, SKIP_WORTH_HOURS = 500 };
static const uint64_t ALL_MINUTES = ((uint64_t)1 << MINUTES) - 1;

struct store_walk store_walk_make(struct store_reader *reader, const struct wp_log_filter *filter,
                                  bool ascending)
{
    return (struct store_walk){.reader = reader,
                               .filter = filter,
                               .ascending = ascending,
                               .enough = UINT64_MAX,
                               .query = store_query_make(),
                               .hours_query = store_query_make()};
}

void store_walk_end(struct store_walk *walk)
{
    sqlite3_finalize(walk->rows);
    sqlite3_finalize(walk->hours);
    store_query_free(&walk->query);
    store_query_free(&walk->hours_query);
    walk->rows = walk->hours = NULL;
}

static bool hours_help(const struct store_walk *walk)
{
    const struct wp_log_filter *filter = walk->filter;
    if (filter->session_id.len > 0 || filter->request_id.len > 0)
        return false; // an index, or the id itself, leads to them
    return store_filter_names_hourly(filter) ||
           (store_filter_is_hourly(filter) && walk->skip >= SKIP_WORTH_HOURS);
}

static int prepare_hours(struct store_walk *walk)
{
    int rc;
    const struct store_span *span = &walk->span;
    struct store_query *query = &walk->hours_query;
    store_query_text(query, "SELECT hour_ms, minutes, requests FROM usage_hourly WHERE hour_ms > ");
    store_query_integer(query, store_id_ms(span->first) - HOUR_MS);
    store_query_text(query, " AND hour_ms <= ");
    store_query_integer(query, store_id_ms(span->last));
    store_filter_append_hourly(query, walk->filter);
    store_query_text(query, walk->ascending ? " ORDER BY hour_ms" : " ORDER BY hour_ms DESC");
    walk->hours = store_query_prepare(query, walk->reader->db, &rc);
    return rc;
}

static int prepare_rows(struct store_walk *walk)
{
    int rc;
    struct store_query *query = &walk->query;
    store_query_text(query, " FROM request WHERE id >= ");
    store_query_integer(query, 0);
    store_query_text(query, " AND id <= ");
    store_query_integer(query, 0);
    store_filter_append_terms(query, walk->filter);
    store_query_text(query, walk->ascending ? " ORDER BY id" : " ORDER BY id DESC");
    walk->rows = store_query_prepare(query, walk->reader->db, &rc);
    return rc;
}

int store_walk_begin(struct store_walk *walk, const struct store_span *span)
{
    int64_t oldest_id, oldest_hour;
    walk->span = *span;
    walk->reader->reached = STORE_NOWHERE;
    walk->exact = store_filter_is_hourly(walk->filter);
    int rc = prepare_rows(walk);
    if (rc != SQLITE_OK || !hours_help(walk)) {
        walk->beyond = walk->span;
        return rc;
    }
    rc = store_read_integer(walk->reader->db, "SELECT min(id) FROM request", INT64_MAX, &oldest_id);
    if (rc == SQLITE_OK)
        rc = store_read_integer(walk->reader->db, "SELECT min(hour_ms) FROM usage_hourly",
                                INT64_MAX, &oldest_hour);
    if (rc != SQLITE_OK)
        return rc;
    if (oldest_id > walk->span.first) // before it rows have been deleted, maybe not yet their hours
        walk->span.first = oldest_id;
    walk->beyond = (struct store_span){walk->span.first, store_id(oldest_hour, 0) - 1};
    if (walk->beyond.last > walk->span.last)
        walk->beyond.last = walk->span.last;
    walk->beyond_waits = !walk->ascending;
    if (walk->span.first > walk->span.last)
        return SQLITE_OK;
    return prepare_hours(walk);
}

// The next hour with such rows, the sums of its other keys put together. SQLITE_ROW or DONE.
static int next_hour(struct store_walk *walk)
{
    int rc = SQLITE_ROW;
    if (walk->hours == NULL)
        return SQLITE_DONE;
    if (!walk->ahead && (rc = sqlite3_step(walk->hours)) != SQLITE_ROW)
        return rc;
    walk->hour_ms = sqlite3_column_int64(walk->hours, 0);
    walk->minutes = walk->requests = 0;
    do {
        int64_t requests = sqlite3_column_int64(walk->hours, 2);
        walk->minutes |= (uint64_t)sqlite3_column_int64(walk->hours, 1) & ALL_MINUTES;
        walk->requests += requests > 0 ? (uint64_t)requests : 0;
        rc = sqlite3_step(walk->hours);
        walk->ahead = rc == SQLITE_ROW;
    } while (walk->ahead && sqlite3_column_int64(walk->hours, 0) == walk->hour_ms);
    if (walk->minutes == 0)
        walk->minutes = ALL_MINUTES;
    if (rc == SQLITE_DONE) {
        sqlite3_finalize(walk->hours);
        walk->hours = NULL;
    }
    return rc == SQLITE_DONE ? SQLITE_ROW : rc;
}

// The hour need not be read: its rows are passed over as one.
static bool pass_over(struct store_walk *walk)
{
    bool whole = walk->exact && store_id(walk->hour_ms, 0) >= walk->span.first &&
                 store_id(walk->hour_ms + HOUR_MS, 0) - 1 <= walk->span.last;
    if (!whole || walk->requests > walk->skip)
        return false;
    walk->skip -= walk->requests;
    walk->passed += walk->requests;
    return true;
}

// Takes minutes that follow each other from the hour's late or early end.
static struct store_span take_minutes(struct store_walk *walk)
{
    unsigned low, high; // [low, high)
    if (walk->ascending) {
        for (low = (unsigned)__builtin_ctzll(walk->minutes), high = low;
             high < MINUTES && (walk->minutes >> high & 1) != 0;)
            high++;
    } else {
        for (high = 64 - (unsigned)__builtin_clzll(walk->minutes), low = high;
             low > 0 && (walk->minutes >> (low - 1) & 1) != 0;)
            low--;
    }
    walk->minutes &= ~((((uint64_t)1 << (high - low)) - 1) << low);
    int64_t first = store_id(walk->hour_ms + (int64_t)low * MINUTE_MS, 0);
    int64_t last = store_id(walk->hour_ms + (int64_t)high * MINUTE_MS, 0) - 1;
    return (struct store_span){first > walk->span.first ? first : walk->span.first,
                               last < walk->span.last ? last : walk->span.last};
}

int store_walk_next(struct store_walk *walk, struct store_span *out)
{
    int rc = SQLITE_ROW;
    if (!walk->beyond_waits && !walk->beyond_done) {
        walk->beyond_done = true;
        *out = walk->beyond;
        return SQLITE_ROW;
    }
    while (walk->minutes == 0 && (rc = next_hour(walk)) == SQLITE_ROW) {
        if (!pass_over(walk))
            break;
        walk->minutes = 0;
        if (walk->passed >= walk->enough)
            return SQLITE_DONE;
    }
    if (rc == SQLITE_ROW) {
        *out = take_minutes(walk);
        return SQLITE_ROW;
    }
    if (rc != SQLITE_DONE || walk->beyond_done)
        return rc;
    walk->beyond_done = true;
    *out = walk->beyond;
    return SQLITE_ROW;
}

int store_walk_step(struct store_walk *walk)
{
    struct store_span span;
    for (;;) {
        int rc = walk->reading ? sqlite3_step(walk->rows) : SQLITE_DONE;
        if (rc != SQLITE_DONE)
            return rc;
        walk->reading = false;
        rc = store_walk_next(walk, &span);
        if (rc != SQLITE_ROW)
            return rc;
        if (span.first > span.last)
            continue;
        sqlite3_reset(walk->rows);
        sqlite3_bind_int64(walk->rows, 1, span.first);
        sqlite3_bind_int64(walk->rows, 2, span.last);
        walk->reading = true;
    }
}
