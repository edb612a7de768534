// Where the rows of a filter lie: the table has no index for most of what a filter may name, but it
// lies in the order of time, so a time is a range of ids. What else says when:
//
// - a request's id, drawn when it began (UUID version 7, RFC 9562 5.7: the first 48 bits are
//   milliseconds);
// - the hourly sums, which are written with the rows and kept longer: between the first and the
//   last hour that knows a deployment lie all of its rows.
#include "base/codec.h"
#include "store/private.h"

enum { HOUR_MS = 3600 * 1000, UUID_SLACK_MS = 1000, UUID_FAR_MS = 120 * 1000 };

static int64_t first_id(int64_t start_ms)
{
    return start_ms <= 0 ? INT64_MIN : store_id(start_ms, 0);
}

// The last id before this time.
static int64_t last_id(int64_t end_ms)
{
    return end_ms > store_id_ms(INT64_MAX) ? INT64_MAX : store_id(end_ms, 0) - 1;
}

static void narrow(struct store_span *span, int64_t first, int64_t last)
{
    span->first = first > span->first ? first : span->first;
    span->last = last < span->last ? last : span->last;
}

// One integer, or `none` where there is no row or it is NULL.
static int read_integer(sqlite3 *db, struct store_query *query, int64_t none, int64_t *out)
{
    int rc;
    *out = none;
    sqlite3_stmt *s = store_query_prepare(query, db, &rc);
    if (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (sqlite3_column_type(s, 0) != SQLITE_NULL)
            *out = sqlite3_column_int64(s, 0);
        rc = SQLITE_DONE;
    }
    sqlite3_finalize(s);
    return rc;
}

static int read_text(sqlite3 *db, const char *sql, int64_t none, int64_t *out)
{
    struct store_query query = store_query_make();
    store_query_text(&query, sql);
    int rc = read_integer(db, &query, none, out);
    store_query_free(&query);
    return rc;
}

// The first hour that knows what the filter names, or (`last`) the last one.
static int find_hour(sqlite3 *db, const struct wp_log_filter *filter, bool last, int64_t *out)
{
    struct store_query query = store_query_make();
    store_query_text(&query, "SELECT hour_ms FROM usage_hourly WHERE true");
    store_filter_append_hourly(&query, filter);
    store_query_text(&query, last ? " ORDER BY hour_ms DESC LIMIT 1" : " ORDER BY hour_ms LIMIT 1");
    int rc = read_integer(db, &query, INT64_MIN, out);
    store_query_free(&query);
    return rc;
}

// Rows of before the oldest hour are none of the hours' business: files of the first version have
// such rows, and so has one whose old rows are being deleted.
static int narrow_by_hours(sqlite3 *db, const struct wp_log_filter *filter, struct store_span *span)
{
    int64_t oldest_hour, oldest_id, first, last;
    int rc = read_text(db, "SELECT min(hour_ms) FROM usage_hourly", INT64_MAX, &oldest_hour);
    if (rc == SQLITE_DONE)
        rc = read_text(db, "SELECT min(id) FROM request", INT64_MAX, &oldest_id);
    if (rc == SQLITE_DONE)
        rc = find_hour(db, filter, false, &first);
    if (rc == SQLITE_DONE)
        rc = find_hour(db, filter, true, &last);
    if (rc != SQLITE_DONE || oldest_hour == INT64_MAX)
        return rc;
    bool known = first != INT64_MIN;
    int64_t before = last_id(oldest_hour);
    narrow(span,
           oldest_id <= before ? INT64_MIN
           : known             ? first_id(first)
                               : INT64_MAX,
           known ? last_id(last + HOUR_MS) : before);
    return rc;
}

// The milliseconds of a version 7 UUID; false: it is none.
static bool uuid_ms(wp_view uuid, int64_t *out)
{
    unsigned char bytes[6];
    char digits[12];
    if (uuid.len != 36 || uuid.ptr[8] != '-' || uuid.ptr[13] != '-' || uuid.ptr[14] != '7')
        return false;
    memcpy(digits, uuid.ptr, 8);
    memcpy(digits + 8, uuid.ptr + 9, 4);
    if (!wp_hex_decode(wp_view_make(digits, sizeof(digits)), bytes, sizeof(bytes)))
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *out = *out << 8 | bytes[i];
    return true;
}

static int is_within(sqlite3 *db, wp_view request_id, const struct store_span *span, int64_t *found)
{
    struct store_query query = store_query_make();
    store_query_text(&query, "SELECT 1 FROM request");
    store_filter_append(&query, &(struct wp_log_filter){.request_id = request_id}, span);
    store_query_text(&query, " LIMIT 1");
    int rc = read_integer(db, &query, 0, found);
    store_query_free(&query);
    return rc;
}

// A row begins when its id is drawn. Those of renewals once got theirs at their end.
static int narrow_by_request(sqlite3 *db, wp_view request_id, struct store_span *span)
{
    int64_t drawn_ms, found;
    if (!uuid_ms(request_id, &drawn_ms))
        return SQLITE_DONE; // anywhere
    struct store_span near = {first_id(drawn_ms - UUID_SLACK_MS),
                              last_id(drawn_ms + UUID_SLACK_MS)};
    int rc = is_within(db, request_id, &near, &found);
    if (rc == SQLITE_DONE && found == 0)
        near =
            (struct store_span){first_id(drawn_ms - UUID_FAR_MS), last_id(drawn_ms + UUID_FAR_MS)};
    narrow(span, near.first, near.last);
    return rc;
}

static bool names_what_hours_know(const struct wp_log_filter *filter)
{
    return filter->model_id.len + filter->model.len + filter->model_group.len + filter->status.len +
               filter->api_key_hash.len + filter->error_code.len >
           0;
}

int store_span_find(struct store_reader *reader, const struct wp_log_filter *filter,
                    struct store_span *out)
{
    int rc = SQLITE_DONE;
    *out = (struct store_span){INT64_MIN, INT64_MAX};
    if (filter->start_ms != 0)
        narrow(out, first_id(filter->start_ms), INT64_MAX);
    if (filter->end_ms != 0)
        narrow(out, INT64_MIN, last_id(filter->end_ms));
    if (filter->request_id.len > 0)
        rc = narrow_by_request(reader->db, filter->request_id, out);
    else if (names_what_hours_know(filter))
        rc = narrow_by_hours(reader->db, filter, out);
    return rc;
}
