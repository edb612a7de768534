// Filters as SQL: fixed fragments with bound values.
#include "base/log.h"
#include "store/private.h"

enum { SEARCH_MAX = 4096 };

struct store_query store_query_make(void)
{
    return (struct store_query){.sql = wp_buf_make(STORE_SQL_MAX),
                                .lower = wp_buf_make(SEARCH_MAX)};
}

void store_query_free(struct store_query *query)
{
    wp_buf_free(&query->sql);
    wp_buf_free(&query->lower);
    query->bind_count = 0;
}

void store_query_clear(struct store_query *query)
{
    wp_buf_clear(&query->sql);
    wp_buf_clear(&query->lower);
    query->bind_count = 0;
}

void store_query_text(struct store_query *query, const char *sql)
{
    wp_buf_append_cstring(&query->sql, sql);
}

static struct store_bind *next_bind(struct store_query *query)
{
    WP_CHECK(query->bind_count < STORE_BINDS_MAX);
    wp_buf_append_char(&query->sql, '?');
    return &query->binds[query->bind_count++];
}

void store_query_view(struct store_query *query, wp_view value)
{
    *next_bind(query) = (struct store_bind){.kind = STORE_BIND_TEXT, .text = value};
}

void store_query_integer(struct store_query *query, int64_t value)
{
    *next_bind(query) = (struct store_bind){.kind = STORE_BIND_INTEGER, .integer = value};
}

static void append_real(struct store_query *query, double value)
{
    *next_bind(query) = (struct store_bind){.kind = STORE_BIND_REAL, .real = value};
}

static int bind_one(sqlite3_stmt *statement, int index, const struct store_bind *bind)
{
    switch (bind->kind) {
    case STORE_BIND_TEXT:
        return store_bind_text(statement, index, bind->text);
    case STORE_BIND_INTEGER:
        return sqlite3_bind_int64(statement, index, bind->integer);
    case STORE_BIND_REAL:
        return sqlite3_bind_double(statement, index, bind->real);
    }
    return SQLITE_MISUSE;
}

sqlite3_stmt *store_query_prepare(struct store_query *query, sqlite3 *db, int *rc)
{
    sqlite3_stmt *statement = NULL;
    if (!wp_buf_ok(&query->sql) || !wp_buf_ok(&query->lower) || query->sql.len > INT32_MAX) {
        *rc = SQLITE_NOMEM;
        return NULL;
    }
    *rc = sqlite3_prepare_v2(db, query->sql.ptr, (int)query->sql.len, &statement, NULL);
    for (size_t i = 0; i < query->bind_count && *rc == SQLITE_OK; i++)
        *rc = bind_one(statement, (int)i + 1, &query->binds[i]);
    if (*rc == SQLITE_OK)
        return statement;
    wp_log(WP_LOG_ERROR, "ledger", "a query could not be prepared: %s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    return NULL;
}

int store_query_integer_of(struct store_query *query, sqlite3 *db, int64_t none, int64_t *out)
{
    int rc;
    *out = none;
    sqlite3_stmt *s = store_query_prepare(query, db, &rc);
    if (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW &&
        sqlite3_column_type(s, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void equal(struct store_query *query, const char *term, wp_view value)
{
    if (value.len == 0)
        return;
    store_query_text(query, term);
    store_query_view(query, value);
}

static void append_search(struct store_query *query, wp_view search)
{
    if (search.len == 0)
        return;
    wp_buf_clear(&query->lower);
    for (size_t i = 0; i < search.len; i++) {
        char c = search.ptr[i];
        wp_buf_append_char(&query->lower, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    store_query_text(query, " AND any_holds(");
    store_query_view(query, wp_buf_view(&query->lower));
    store_query_text(query, ", request_id, session_id, requested_model, model, model_id,"
                            " error_message, error_code, requester_ip_address, user_agent,"
                            " message_id)");
}

void store_filter_append(struct store_query *query, const struct wp_log_filter *filter,
                         const struct store_span *span)
{
    store_query_text(query, " WHERE true");
    if (span->first != INT64_MIN) {
        store_query_text(query, " AND id >= ");
        store_query_integer(query, span->first);
    }
    if (span->last != INT64_MAX) {
        store_query_text(query, " AND id <= ");
        store_query_integer(query, span->last);
    }
    store_filter_append_terms(query, filter);
}

// Terms beside the equality are what SQLite needs to see that a partial index applies.
void store_filter_append_terms(struct store_query *query, const struct wp_log_filter *filter)
{
    if (store_filter_scans(filter)) // before all others: they may refuse every row
        store_query_text(query, " AND reached(request.id)");
    equal(query, " AND request_id = ", filter->request_id);
    equal(query, " AND session_id <> '' AND session_id = ", filter->session_id);
    equal(query, " AND model_id = ", filter->model_id);
    equal(query, " AND model = ", filter->model);
    equal(query, " AND model_group = ", filter->model_group);
    bool failures = filter->status.len > 0 ? !wp_view_is(filter->status, "success")
                                           : filter->error_code.len > 0;
    if (failures)
        store_query_text(query, " AND status <> 'success'");
    equal(query, " AND status = ", filter->status);
    equal(query, " AND api_key_hash = ", filter->api_key_hash);
    equal(query, " AND error_code = ", filter->error_code);
    if (filter->min_spend_set != 0) {
        store_query_text(query, " AND spend >= ");
        append_real(query, filter->min_spend);
    }
    append_search(query, filter->search);
}

bool store_filter_names_hourly(const struct wp_log_filter *filter)
{
    return filter->model_id.len + filter->model.len + filter->model_group.len + filter->status.len +
               filter->api_key_hash.len + filter->error_code.len >
           0;
}

bool store_filter_is_hourly(const struct wp_log_filter *filter)
{
    return filter->request_id.len == 0 && filter->session_id.len == 0 && filter->search.len == 0 &&
           filter->min_spend_set == 0;
}

bool store_filter_scans(const struct wp_log_filter *filter)
{
    return (filter->search.len > 0 || filter->min_spend_set != 0) && filter->request_id.len == 0 &&
           filter->session_id.len == 0;
}

void store_filter_append_hourly(struct store_query *query, const struct wp_log_filter *filter)
{
    equal(query, " AND model_id = ", filter->model_id);
    equal(query, " AND model = ", filter->model);
    equal(query, " AND model_group = ", filter->model_group);
    equal(query, " AND status = ", filter->status);
    equal(query, " AND api_key_hash = ", filter->api_key_hash);
    equal(query, " AND error_code = ", filter->error_code);
}
