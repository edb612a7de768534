// Pages of rows, and one row with everything.
#include "store/private.h"

enum { TOTAL_MAX = 10000, COUNT_TIMEOUT_MS = 150, PAGE_SIZE_DEFAULT = 50, PAGE_SIZE_MAX = 1000 };

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
    return NULL; // the id's order
}

static void append_order(struct store_query *query, const struct wp_log_filter *filter)
{
    const char *direction = filter->ascending ? " ASC" : " DESC";
    const char *expression = sort_expression(filter->sort);
    store_query_text(query, " ORDER BY ");
    if (expression != NULL) {
        store_query_text(query, expression);
        store_query_text(query, direction);
        store_query_text(query, ", ");
    }
    store_query_text(query, "id");
    store_query_text(query, direction);
}

// The inner statement walks (and sorts) ids alone, so that far pages do not read rows.
static void append_page(struct store_query *query, const struct wp_log_filter *filter,
                        const struct store_span *span, uint32_t page, uint32_t size)
{
    store_query_text(query, "SELECT ");
    store_columns_append(&query->sql, "request.");
    store_query_text(query, " FROM (SELECT id AS found FROM request");
    store_filter_append(query, filter, span);
    append_order(query, filter);
    store_query_text(query, " LIMIT ");
    store_query_integer(query, size);
    store_query_text(query, " OFFSET ");
    store_query_integer(query, (int64_t)(page - 1) * size);
    store_query_text(query, ") CROSS JOIN request ON request.id = found");
    append_order(query, filter);
}

// A page that is not full tells the total by itself.
static bool total_is_known(uint32_t page, uint32_t size, uint32_t found, uint32_t *total)
{
    uint64_t before = (uint64_t)(page - 1) * size;
    if (found >= size || (found == 0 && page > 1) || before + found > TOTAL_MAX)
        return false;
    *total = (uint32_t)before + found;
    return true;
}

// Counts up to the cap. Running out of time is not a failure: what was counted is a lower bound.
static int count_rows(struct wp_ledger *ledger, struct store_reader *reader,
                      struct store_query *query, const struct wp_log_filter *filter,
                      const struct store_span *span, uint32_t *total, bool *capped)
{
    int rc;
    *total = 0;
    store_query_clear(query);
    store_query_text(query, "SELECT 1 FROM request");
    store_filter_append(query, filter, span);
    sqlite3_stmt *statement = store_query_prepare(query, reader->db, &rc);
    if (statement == NULL)
        return rc;
    store_reader_arm(ledger, reader, COUNT_TIMEOUT_MS);
    while (*total < TOTAL_MAX + 1 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        ++*total;
    sqlite3_finalize(statement);
    *capped = *total > TOTAL_MAX || (rc & 0xff) == SQLITE_INTERRUPT;
    if (*total > TOTAL_MAX)
        *total = TOTAL_MAX;
    store_reader_arm(ledger, reader, ledger->query_timeout_ms);
    return (rc & 0xff) == SQLITE_INTERRUPT || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int write_rows(struct store_reader *reader, struct store_query *query,
                      struct wp_json_writer *w, uint32_t *found)
{
    int rc;
    struct wp_record record;
    *found = 0;
    sqlite3_stmt *statement = store_query_prepare(query, reader->db, &rc);
    if (statement == NULL)
        return rc;
    wp_json_open_array(w, "data");
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        store_row_read(statement, &record);
        store_row_write(w, &record, false);
        ++*found;
    }
    wp_json_close(w);
    sqlite3_finalize(statement);
    return rc;
}

static void write_totals(struct wp_json_writer *w, uint32_t total, bool capped, uint32_t page,
                         uint32_t size)
{
    wp_json_put_u64(w, "total", total);
    wp_json_put_u64(w, "page", page);
    wp_json_put_u64(w, "page_size", size);
    wp_json_put_u64(w, "total_pages", (total + size - 1) / size);
    wp_json_put_bool(w, "total_is_capped", capped);
}

enum wp_err wp_ledger_query_logs(struct wp_ledger *ledger, const struct wp_log_filter *filter,
                                 struct wp_buf *out)
{
    uint32_t page = filter->page == 0 ? 1 : filter->page, total = 0, found;
    uint32_t size = filter->page_size == 0 ? PAGE_SIZE_DEFAULT : filter->page_size;
    size_t from = out->len;
    bool capped = false;
    if (size > PAGE_SIZE_MAX)
        size = PAGE_SIZE_MAX;
    struct store_reader *reader = store_reader_acquire(ledger);
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    struct wp_json_writer w = wp_json_writer(out);
    struct store_query query = store_query_make();
    struct store_span span;
    wp_json_open_object(&w, NULL);
    int rc = store_span_find(reader, filter, &span);
    if (rc == SQLITE_DONE) {
        append_page(&query, filter, &span, page, size);
        rc = write_rows(reader, &query, &w, &found);
    }
    if (rc == SQLITE_DONE && !total_is_known(page, size, found, &total))
        rc = count_rows(ledger, reader, &query, filter, &span, &total, &capped);
    write_totals(&w, total, capped, page, size);
    wp_json_close(&w);
    store_query_free(&query);
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
    if ((rc = store_span_find(reader, &filter, &span)) == SQLITE_DONE) {
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
