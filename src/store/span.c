// Where rows lie: the table is in the order of time, so a time is a range of ids, and a request's
// id (version 7 UUID, RFC 9562 5.7) begins with the milliseconds in which it was drawn, when its
// row began.
#include "store/private.h"

enum { UUID_NEAR_MS = 1000, UUID_FAR_MS = 120 * 1000 };

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

int store_read_integer(sqlite3 *db, const char *sql, int64_t none, int64_t *out)
{
    struct store_query query = store_query_make();
    store_query_text(&query, sql);
    int rc = store_query_integer_of(&query, db, none, out);
    store_query_free(&query);
    return rc;
}

static inline int64_t hex_number(const char *digits, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)digits[i];
        value = value << 4 | ((c & 0xf) + (c >> 6) * 9u); // '0' … '9', 'a' … 'f', 'A' … 'F'
    }
    return (int64_t)value;
}

// The milliseconds of a version 7 UUID. Of anything else some number: what is made of it is a place
// to look first.
static int64_t uuid_ms(wp_view uuid)
{
    enum { LEN = 36, HIGH = 8, LOW = 4 };
    if (uuid.len != LEN)
        return 0;
    return hex_number(uuid.ptr, HIGH) << 16 | hex_number(uuid.ptr + HIGH + 1, LOW);
}

bool store_span_knows(const struct wp_record *record)
{
    int64_t drawn_ms = uuid_ms(record->request_id);
    return record->start_ms >= drawn_ms - UUID_FAR_MS && record->start_ms <= drawn_ms + UUID_FAR_MS;
}

int store_span_holds(sqlite3 *db, const struct wp_log_filter *filter, const struct store_span *span,
                     bool *found)
{
    int64_t one = 0;
    struct store_query query = store_query_make();
    store_query_text(&query, "SELECT 1 FROM request");
    store_filter_append(&query, filter, span);
    store_query_text(&query, " LIMIT 1");
    int rc = store_query_integer_of(&query, db, 0, &one);
    store_query_free(&query);
    *found = one != 0;
    return rc;
}

static int find_other(sqlite3 *db, const char *select, wp_view request_id, int64_t none,
                      int64_t *out)
{
    struct store_query query = store_query_make();
    store_query_text(&query, select);
    store_query_view(&query, request_id);
    int rc = store_query_integer_of(&query, db, none, out);
    store_query_free(&query);
    return rc;
}

// A row begins when its id is drawn; those of renewals once got theirs at their end. Of the others
// there is a table.
static int narrow_by_request(sqlite3 *db, wp_view request_id, struct store_span *span)
{
    static const int64_t distances_ms[] = {UUID_NEAR_MS, UUID_FAR_MS};
    const struct wp_log_filter filter = {.request_id = request_id};
    int64_t drawn_ms = uuid_ms(request_id), first = INT64_MAX, last = INT64_MIN;
    bool found = false;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < WP_COUNT_OF(distances_ms) && !found && rc == SQLITE_OK; i++) {
        first = first_id(drawn_ms - distances_ms[i]);
        last = last_id(drawn_ms + distances_ms[i] + 1);
        rc = store_span_holds(db, &filter, &(struct store_span){first, last}, &found);
    }
    if (rc == SQLITE_OK && !found)
        rc = find_other(db, "SELECT min(id) FROM request_other_id WHERE request_id = ", request_id,
                        INT64_MAX, &first);
    if (rc == SQLITE_OK && !found)
        rc = find_other(db, "SELECT max(id) FROM request_other_id WHERE request_id = ", request_id,
                        INT64_MIN, &last);
    if (rc == SQLITE_OK)
        narrow(span, first, last);
    return rc;
}

int store_span_find(struct store_reader *reader, const struct wp_log_filter *filter,
                    struct store_span *out)
{
    int rc = SQLITE_OK;
    *out = (struct store_span){INT64_MIN, INT64_MAX};
    if (filter->start_ms != 0)
        narrow(out, first_id(filter->start_ms), INT64_MAX);
    if (filter->end_ms != 0)
        narrow(out, INT64_MIN, last_id(filter->end_ms));
    if (filter->request_id.len > 0)
        rc = narrow_by_request(reader->db, filter->request_id, out);
    return rc;
}
