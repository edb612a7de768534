// Pages of rows, and one row with everything.
#include "store/private.h"

enum {
    TOTAL_MAX = 10000,
    COUNT_TIMEOUT_MS = 150,
    PAGE_SIZE_DEFAULT = 50,
    PAGE_SIZE_MAX = 1000,
    SPANS_MAX = 20000, // more than that are hardly fewer rows
    SPANS_BYTES_MAX = 1024 * 1024,
};

static const char *sort_expression(enum wp_log_sort sort)
{
    switch (sort) {
    case WP_SORT_SPEND:
        return "spend";
    case WP_SORT_DURATION:
        return "duration_us";
    case WP_SORT_TTFT:
        return "ttft_us";
    case WP_SORT_MODEL:
        return "model";
    case WP_SORT_TOTAL_TOKENS:
        return "input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens"
               " + output_tokens";
    case WP_SORT_CACHE_READ:
        return "cache_read_tokens";
    case WP_SORT_START:
        break;
    }
    return "id";
}

// One page: ids alone are walked and sorted, and only its rows are read.
struct page {
    uint32_t number, size; // number from 1
    int64_t ids[PAGE_SIZE_MAX];
    uint32_t found;
    int64_t searched_to_ms; // 0: all of the filter's rows were looked at
};

static uint64_t rows_before(const struct page *page)
{
    return (uint64_t)(page->number - 1) * page->size;
}

static int find_by_time(struct wp_ledger *ledger, struct store_reader *reader,
                        const struct wp_log_filter *filter, const struct store_span *span,
                        struct page *page)
{
    struct store_walk walk = store_walk_make(reader, filter, filter->ascending);
    walk.skip = rows_before(page);
    store_query_text(&walk.query, "SELECT id");
    store_reader_arm_for(ledger, reader, filter);
    int rc = store_walk_begin(&walk, span);
    while (rc == SQLITE_OK && page->found < page->size) {
        rc = store_walk_step(&walk);
        if (rc != SQLITE_ROW)
            break;
        if (walk.skip > 0)
            walk.skip--;
        else
            page->ids[page->found++] = sqlite3_column_int64(walk.rows, 0);
        rc = SQLITE_OK;
    }
    store_walk_end(&walk);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    page->searched_to_ms = store_reached_ms(reader, rc, filter->ascending);
    return rc == SQLITE_DONE || page->searched_to_ms != 0 ? SQLITE_OK : rc;
}

// The spans of the filter's rows as a JSON list of pairs. False: there are too many to be worth it,
// or only one.
static bool list_spans(struct store_reader *reader, const struct wp_log_filter *filter,
                       const struct store_span *span, struct wp_buf *json)
{
    struct store_walk walk = store_walk_make(reader, filter, true);
    struct wp_json_writer w = wp_json_writer(json);
    struct store_span part;
    size_t count = 0;
    if (!store_filter_names_hourly(filter))
        return false;
    store_query_text(&walk.query, "SELECT 1");
    int rc = store_walk_begin(&walk, span);
    wp_json_open_array(&w, NULL);
    while ((rc == SQLITE_OK || rc == SQLITE_ROW) && count <= SPANS_MAX) {
        if ((rc = store_walk_next(&walk, &part)) != SQLITE_ROW)
            break;
        wp_json_open_array(&w, NULL);
        wp_json_put_i64(&w, NULL, part.first);
        wp_json_put_i64(&w, NULL, part.last);
        wp_json_close(&w);
        count++;
    }
    wp_json_close(&w);
    store_walk_end(&walk);
    return rc == SQLITE_DONE && wp_buf_ok(json);
}

static void append_order(struct store_query *query, const struct wp_log_filter *filter,
                         const struct page *page)
{
    const char *direction = filter->ascending ? " ASC" : " DESC";
    store_query_text(query, " ORDER BY ");
    store_query_text(query, sort_expression(filter->sort));
    store_query_text(query, direction);
    store_query_text(query, ", request.id");
    store_query_text(query, direction);
    store_query_text(query, " LIMIT ");
    store_query_integer(query, page->size);
    store_query_text(query, " OFFSET ");
    store_query_integer(query, (int64_t)rows_before(page));
}

// All rows of the filter have to be read to sort them, so of the others as few as can be.
static int find_by_value(struct store_reader *reader, const struct wp_log_filter *filter,
                         const struct store_span *span, struct page *page)
{
    int rc = SQLITE_OK;
    struct wp_buf spans = wp_buf_make(SPANS_BYTES_MAX);
    struct store_query query = store_query_make();
    if (list_spans(reader, filter, span, &spans)) {
        store_query_text(&query, "SELECT request.id FROM json_each(");
        store_query_view(&query, wp_buf_view(&spans));
        store_query_text(&query, ") AS span CROSS JOIN request"
                                 " WHERE request.id >= json_extract(span.value, '$[0]')"
                                 " AND request.id <= json_extract(span.value, '$[1]')");
        store_filter_append_terms(&query, filter);
    } else {
        store_query_text(&query, "SELECT id FROM request");
        store_filter_append(&query, filter, span);
    }
    append_order(&query, filter, page);
    sqlite3_stmt *s = store_query_prepare(&query, reader->db, &rc);
    while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW)
        page->ids[page->found++] = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    store_query_free(&query);
    wp_buf_free(&spans);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// A page that is not full tells the total by itself.
static bool total_is_known(const struct page *page, uint32_t *total)
{
    uint64_t before = rows_before(page);
    if (page->found >= page->size || (page->found == 0 && before > 0) ||
        before + page->found > TOTAL_MAX)
        return false;
    *total = (uint32_t)before + page->found;
    return true;
}

// Counts up to the cap. Running out of time is not a failure: what was counted is a lower bound,
// and so are the rows up to the page's end.
static int count_rows(struct wp_ledger *ledger, struct store_reader *reader,
                      const struct wp_log_filter *filter, const struct store_span *span,
                      const struct page *page, uint32_t *total, bool *capped)
{
    uint64_t counted = 0, seen = page->found > 0 ? rows_before(page) + page->found : 0;
    struct store_walk walk = store_walk_make(reader, filter, false);
    walk.skip = UINT64_MAX;
    walk.enough = TOTAL_MAX + 1;
    store_query_text(&walk.query, "SELECT 1");
    store_reader_arm(ledger, reader, COUNT_TIMEOUT_MS);
    int rc = store_walk_begin(&walk, span);
    while ((rc == SQLITE_OK || rc == SQLITE_ROW) && counted + walk.passed <= TOTAL_MAX)
        if ((rc = store_walk_step(&walk)) == SQLITE_ROW)
            counted++;
    counted += walk.passed;
    store_walk_end(&walk);
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    bool late = (rc & 0xff) == SQLITE_INTERRUPT;
    *capped = counted > TOTAL_MAX || late;
    if (late && counted < seen)
        counted = seen;
    *total = counted > TOTAL_MAX ? TOTAL_MAX : (uint32_t)counted;
    return late || rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_rows(struct store_reader *reader, const struct page *page,
                      struct wp_json_writer *w)
{
    int rc;
    struct wp_record record;
    struct store_query query = store_query_make();
    store_query_text(&query, "SELECT ");
    store_columns_append(&query.sql, "");
    store_query_text(&query, " FROM request WHERE id = ");
    store_query_integer(&query, 0);
    sqlite3_stmt *s = store_query_prepare(&query, reader->db, &rc);
    wp_json_open_array(w, "data");
    for (uint32_t i = 0; i < page->found && rc == SQLITE_OK; i++) {
        sqlite3_bind_int64(s, 1, page->ids[i]);
        if ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            store_row_read(s, &record);
            store_row_write(w, &record, false);
        }
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? sqlite3_reset(s) : rc;
    }
    wp_json_close(w);
    sqlite3_finalize(s);
    store_query_free(&query);
    return rc;
}

static void write_totals(struct wp_json_writer *w, uint32_t total, bool capped,
                         const struct page *page)
{
    wp_json_put_u64(w, "total", total);
    wp_json_put_u64(w, "page", page->number);
    wp_json_put_u64(w, "page_size", page->size);
    wp_json_put_u64(w, "total_pages", (total + page->size - 1) / page->size);
    wp_json_put_bool(w, "total_is_capped", capped);
    if (page->searched_to_ms != 0)
        wp_json_put_i64(w, "searched_to_ms", page->searched_to_ms);
}

static int find_page(struct wp_ledger *ledger, struct store_reader *reader,
                     const struct wp_log_filter *filter, struct store_span *span, struct page *page)
{
    int rc = store_span_find(reader, filter, span);
    if (rc == SQLITE_OK && filter->sort == WP_SORT_START)
        return find_by_time(ledger, reader, filter, span, page);
    if (rc != SQLITE_OK)
        return rc;
    store_reader_arm_for(ledger, reader, filter);
    rc = find_by_value(reader, filter, span, page);
    if ((rc & 0xff) == SQLITE_INTERRUPT && store_filter_scans(filter)) {
        page->found = 0;
        rc = store_span_reach(ledger, reader, filter, span, &page->searched_to_ms);
        if (rc == SQLITE_OK)
            rc = find_by_value(reader, filter, span, page);
    }
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    return rc;
}

enum wp_err wp_ledger_query_logs(struct wp_ledger *ledger, const struct wp_log_filter *asked,
                                 struct wp_buf *out)
{
    struct wp_log_filter found, *filter = &found;
    struct page page = {.number = asked->page == 0 ? 1 : asked->page,
                        .size = asked->page_size == 0 ? PAGE_SIZE_DEFAULT : asked->page_size};
    struct wp_json_writer w = wp_json_writer(out);
    struct store_span span;
    uint32_t total = 0;
    size_t from = out->len;
    bool capped = false;
    if (page.size > PAGE_SIZE_MAX)
        page.size = PAGE_SIZE_MAX;
    struct store_reader *reader = store_reader_acquire(ledger);
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    wp_json_open_object(&w, NULL);
    int rc = store_filter_narrow(reader, asked, filter);
    if (rc == SQLITE_OK)
        rc = find_page(ledger, reader, filter, &span, &page);
    if (rc == SQLITE_OK)
        rc = write_rows(reader, &page, &w);
    if (rc == SQLITE_OK && !total_is_known(&page, &total))
        rc = count_rows(ledger, reader, filter, &span, &page, &total, &capped);
    capped = capped || page.searched_to_ms != 0;
    write_totals(&w, total, capped, &page);
    wp_json_close(&w);
    return store_query_end(ledger, reader, rc, "log page", out, from);
}

// The row with its detail, and its bodies.
static void append_row(struct store_query *query, const struct wp_log_filter *filter,
                       const struct store_span *span)
{
    store_query_text(query, "SELECT ");
    store_columns_append(&query->sql, "");
    store_query_text(query, ", detail, request, response FROM (SELECT * FROM request");
    store_filter_append(query, filter, span);
    store_query_text(query, " ORDER BY id DESC LIMIT 1) LEFT JOIN request_body USING (id)");
}

enum wp_err wp_ledger_query_log(struct wp_ledger *ledger, wp_view request_id, struct wp_buf *out)
{
    size_t from = out->len;
    int rc;
    struct wp_record record;
    struct store_span span;
    struct store_reader *reader = store_reader_acquire(ledger);
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    const struct wp_log_filter filter = {.request_id = request_id};
    struct store_query query = store_query_make();
    sqlite3_stmt *statement = NULL;
    if ((rc = store_span_find(reader, &filter, &span)) == SQLITE_OK) {
        append_row(&query, &filter, &span);
        statement = store_query_prepare(&query, reader->db, &rc);
    }
    if (statement != NULL && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct wp_json_writer w = wp_json_writer(out);
        int more = (int)store_column_count();
        store_row_read(statement, &record);
        record.detail = store_column_text(statement, more);
        record.request_body = store_column_text(statement, more + 1);
        record.response_body = store_column_text(statement, more + 2);
        store_row_write(&w, &record, true);
        store_detail_write(&w, &record);
        wp_json_close(&w);
        rc = SQLITE_DONE;
    } else if (statement != NULL && rc == SQLITE_DONE) {
        wp_buf_append_cstring(out, "null");
    }
    sqlite3_finalize(statement);
    store_query_free(&query);
    return store_query_end(ledger, reader, rc, "log row", out, from);
}
