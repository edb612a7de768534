// Filters to whose rows no index leads: a whole id that someone searched for has an index after
// all, and where there is too much to look at within a moment, what was looked at is the answer.
#include "store/private.h"

static bool is_uuid(wp_view text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.len != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (form[i] == '-' ? c != '-' : !digit)
            return false;
    }
    return true;
}

int store_filter_narrow(struct store_reader *reader, const struct wp_log_filter *filter,
                        struct wp_log_filter *out)
{
    const struct wp_log_filter whole[] = {{.request_id = filter->search},
                                          {.session_id = filter->search}};
    bool found = false;
    int rc = SQLITE_OK;
    *out = *filter;
    if (!store_filter_scans(filter) || !is_uuid(filter->search))
        return SQLITE_OK;
    for (size_t i = 0; i < WP_COUNT_OF(whole) && !found && rc == SQLITE_OK; i++) {
        struct store_span span; // of any time: the filter's own are applied to what comes of it
        rc = store_span_find(reader, &whole[i], &span);
        if (rc == SQLITE_OK)
            rc = store_span_holds(reader->db, &whole[i], &span, &found);
        if (!found)
            continue;
        out->search = (wp_view){NULL, 0};
        out->request_id = whole[i].request_id;
        out->session_id = whole[i].session_id;
    }
    return rc;
}

int64_t store_reached_ms(const struct store_reader *reader, int rc, bool ascending)
{
    if ((rc & 0xff) != SQLITE_INTERRUPT || reader->reached == STORE_NOWHERE)
        return 0;
    // others of that millisecond may be left
    return store_id_ms(reader->reached) + (ascending ? 0 : 1);
}

int store_span_reach(struct wp_ledger *ledger, struct store_reader *reader,
                     const struct wp_log_filter *filter, struct store_span *span,
                     int64_t *searched_to_ms)
{
    struct store_walk walk = store_walk_make(reader, filter, false);
    store_query_text(&walk.query, "SELECT 1");
    store_reader_arm(ledger, reader, ledger->search_timeout_ms / 2);
    int rc = store_walk_begin(&walk, span);
    while (rc == SQLITE_OK || rc == SQLITE_ROW)
        rc = store_walk_step(&walk);
    store_walk_end(&walk);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    *searched_to_ms = store_reached_ms(reader, rc, false);
    if (*searched_to_ms == 0)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    span->first = store_id(*searched_to_ms, 0);
    return SQLITE_OK;
}
