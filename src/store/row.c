// A record as a row and as JSON. One table names the columns: the insert and the select are made
// from it.
#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/detail.h"
#include "store/private.h"
#include "json/scan.h"

enum kind { ID, TEXT, U64, U32, REAL, BOOL, BLOB };

// The record begins with its views, those of columns first.
enum {
    VIEWS = offsetof(struct wp_record, start_ms) / sizeof(wp_view),
};
_Static_assert(offsetof(struct wp_record, response_body) == (VIEWS - 1) * sizeof(wp_view),
               "nothing but views stands before start_ms");

struct column {
    const char *name; // of the column and of the record's member
    enum kind kind;
    uint32_t offset; // of the member in the record
};

#define COLUMN(kind, member)                              \
    {                                                     \
#member, kind, offsetof(struct wp_record, member) \
    }

static const struct column columns[] = {
    {"id", ID, offsetof(struct wp_record, start_ms)}, // which is what it says
    COLUMN(TEXT, request_id),
    COLUMN(TEXT, call_type),
    COLUMN(TEXT, model),
    COLUMN(TEXT, requested_model),
    COLUMN(TEXT, model_group),
    COLUMN(TEXT, model_id),
    COLUMN(TEXT, provider),
    COLUMN(TEXT, api_base),
    COLUMN(TEXT, api_key_hash),
    COLUMN(TEXT, session_id),
    COLUMN(TEXT, agent_id),
    COLUMN(TEXT, user_agent),
    COLUMN(TEXT, requester_ip_address),
    COLUMN(TEXT, status),
    COLUMN(TEXT, error_code),
    COLUMN(TEXT, error_message),
    COLUMN(TEXT, stop_reason),
    COLUMN(TEXT, message_id),
    COLUMN(TEXT, service_tier),
    COLUMN(TEXT, speed),
    COLUMN(U64, input_tokens),
    COLUMN(U64, cache_read_tokens),
    COLUMN(U64, cache_write_5m_tokens),
    COLUMN(U64, cache_write_1h_tokens),
    COLUMN(U64, output_tokens),
    COLUMN(U64, predicted_read_tokens),
    COLUMN(U64, request_bytes),
    COLUMN(U64, response_bytes),
    COLUMN(U64, overhead_us),
    COLUMN(U64, ttft_us),
    COLUMN(U64, duration_us),
    COLUMN(U32, http_status),
    COLUMN(U32, attempted_retries),
    COLUMN(U32, attempted_fallbacks),
    COLUMN(REAL, spend),
    COLUMN(REAL, saved),
    COLUMN(REAL, kept_warm_saved),
    COLUMN(BOOL, stream),
    COLUMN(BOOL, estimated),
    COLUMN(BLOB, detail), // not in lists
};
enum { LISTED = WP_COUNT_OF(columns) - 1 };

static const void *member(const struct wp_record *record, size_t offset)
{
    return (const char *)record + offset;
}

size_t store_item_size(const struct wp_record *record)
{
    const wp_view *views = member(record, 0);
    size_t len = sizeof(struct store_item);
    for (size_t i = 0; i < VIEWS; i++)
        len += views[i].len;
    return len;
}

void store_item_fill(struct store_item *item, const struct wp_record *record, size_t size)
{
    const wp_view *views = member(record, 0);
    char *at = item->text;
    item->bytes = size;
    item->record = *record;
    wp_view *copies = (wp_view *)(void *)&item->record;
    for (size_t i = 0; i < VIEWS; i++) {
        copies[i].ptr = at;
        if (views[i].len > 0)
            memcpy(at, views[i].ptr, views[i].len);
        at += views[i].len;
    }
}

// The keys but status and error_code are texts that lie one after another, with requested_model and
// api_base between them: one comparison instead of eight.
bool store_item_same_keys(const struct wp_record *a, const struct wp_record *b)
{
    enum {
        FIRST = offsetof(struct wp_record, call_type) / sizeof(wp_view),
        LAST = offsetof(struct wp_record, api_key_hash) / sizeof(wp_view),
    };
    const wp_view *left = member(a, 0), *right = member(b, 0);
    size_t len = 0;
    for (size_t i = FIRST; i <= LAST; i++) {
        if (left[i].len != right[i].len)
            return false;
        len += left[i].len;
    }
    return memcmp(left[FIRST].ptr, right[FIRST].ptr, len) == 0 &&
           wp_view_eq(a->status, b->status) && wp_view_eq(a->error_code, b->error_code);
}

size_t store_column_count(void)
{
    return LISTED;
}

void store_columns_append(struct wp_buf *sql, const char *prefix)
{
    for (size_t i = 0; i < LISTED; i++) {
        wp_buf_append_cstring(sql, i == 0 ? "" : ", ");
        wp_buf_append_cstring(sql, prefix);
        wp_buf_append_cstring(sql, columns[i].name);
    }
}

int store_bind_text(sqlite3_stmt *statement, int index, wp_view text)
{
    return sqlite3_bind_text64(statement, index, text.len == 0 ? "" : text.ptr, text.len,
                               SQLITE_STATIC, SQLITE_UTF8);
}

int store_bind_blob(sqlite3_stmt *statement, int index, wp_view blob)
{
    return sqlite3_bind_blob64(statement, index, blob.len == 0 ? "" : blob.ptr, blob.len,
                               SQLITE_STATIC);
}

wp_view store_column_text(sqlite3_stmt *statement, int column)
{
    const void *text = sqlite3_column_blob(statement, column);
    return wp_view_make(text, text == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, column));
}

static int64_t clamped(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int store_row_column(sqlite3_vtab_cursor *cursor, sqlite3_context *result, int index)
{
    const struct store_item *item = ((const struct store_batch_cursor *)cursor)->item;
    const struct column *column = &columns[index];
    const void *value = member(&item->record, column->offset);
    const wp_view *view = value;
    double real;
    switch (column->kind) {
    case ID:
        sqlite3_result_int64(result, item->id);
        break;
    case TEXT: // an empty one is NULL, as the result is until it is set
        if (view->len > 0)
            sqlite3_result_text64(result, view->ptr, view->len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case U64:
        sqlite3_result_int64(result, clamped(*(const uint64_t *)value));
        break;
    case U32:
        sqlite3_result_int64(result, *(const uint32_t *)value);
        break;
    case REAL:
        real = *(const double *)value; // NaN would be stored as NULL
        sqlite3_result_double(result, isfinite(real) ? real : 0);
        break;
    case BOOL:
        sqlite3_result_int(result, *(const bool *)value ? 1 : 0);
        break;
    case BLOB:
        if (view->len > 0)
            sqlite3_result_blob64(result, view->ptr, view->len, SQLITE_STATIC);
        break;
    }
    return SQLITE_OK;
}

static void read_column(sqlite3_stmt *statement, int column, enum kind kind, void *out)
{
    switch (kind) {
    case ID:
        *(int64_t *)out = store_id_ms(sqlite3_column_int64(statement, column));
        break;
    case TEXT:
    case BLOB:
        *(wp_view *)out = store_column_text(statement, column);
        break;
    case U64:
        *(uint64_t *)out = (uint64_t)sqlite3_column_int64(statement, column);
        break;
    case U32:
        *(uint32_t *)out = (uint32_t)sqlite3_column_int64(statement, column);
        break;
    case REAL:
        *(double *)out = sqlite3_column_double(statement, column);
        break;
    case BOOL:
        *(bool *)out = sqlite3_column_int(statement, column) != 0;
        break;
    }
}

void store_row_read(sqlite3_stmt *statement, struct wp_record *out)
{
    *out = (struct wp_record){0};
    for (size_t i = 0; i < LISTED; i++)
        read_column(statement, (int)i, columns[i].kind, (char *)out + columns[i].offset);
}

// JSON ----------------------------------------------------------------------------------------

static void put_time(struct wp_json_writer *w, const char *key, int64_t wall_ms)
{
    char text[WP_RFC3339_LEN + 1];
    if (wall_ms == 0) {
        wp_json_put_null(w, key);
        return;
    }
    wp_format_rfc3339(wall_ms, text);
    wp_json_put_cstr(w, key, text);
}

static void put_texts(struct wp_json_writer *w, const struct wp_record *r)
{
    wp_json_put_str(w, "request_id", r->request_id);
    wp_json_put_str(w, "call_type", r->call_type);
    wp_json_put_str(w, "api_key", r->api_key_hash);
    wp_json_put_str(w, "model", r->model);
    wp_json_put_str(w, "requested_model", r->requested_model);
    wp_json_put_str(w, "model_id", r->model_id);
    wp_json_put_str(w, "model_group", r->model_group);
    wp_json_put_str(w, "custom_llm_provider", r->provider);
    wp_json_put_str(w, "api_base", r->api_base);
    wp_json_put_str(w, "status", r->status);
    wp_json_put_str(w, "session_id", r->session_id);
    wp_json_put_str(w, "agent_id", r->agent_id);
    wp_json_put_cstr(w, "user", "");
    wp_json_put_cstr(w, "end_user", "");
    wp_json_put_str(w, "user_agent", r->user_agent);
    wp_json_put_str(w, "requester_ip_address", r->requester_ip_address);
    wp_json_put_str(w, "error_code", r->error_code);
    wp_json_put_str(w, "error_message", r->error_message);
    wp_json_put_str(w, "stop_reason", r->stop_reason);
    wp_json_put_str(w, "message_id", r->message_id);
    wp_json_put_str(w, "service_tier", r->service_tier);
    wp_json_put_str(w, "speed", r->speed);
    put_time(w, "startTime", r->start_ms);
    put_time(w, "completionStartTime",
             r->ttft_us == 0 ? 0 : r->start_ms + (int64_t)(r->ttft_us / 1000));
    put_time(w, "endTime", store_end_ms(r));
}

static void put_numbers(struct wp_json_writer *w, const struct wp_record *r)
{
    uint64_t prompt = store_prompt_tokens(r);
    wp_json_put_u64(w, "prompt_tokens", prompt);
    wp_json_put_u64(w, "completion_tokens", r->output_tokens);
    wp_json_put_u64(w, "total_tokens", prompt + r->output_tokens);
    wp_json_put_u64(w, "input_tokens", r->input_tokens);
    wp_json_put_u64(w, "cache_read_input_tokens", r->cache_read_tokens);
    wp_json_put_u64(w, "cache_creation_input_tokens",
                    r->cache_write_5m_tokens + r->cache_write_1h_tokens);
    wp_json_put_u64(w, "cache_creation_5m_input_tokens", r->cache_write_5m_tokens);
    wp_json_put_u64(w, "cache_creation_1h_input_tokens", r->cache_write_1h_tokens);
    wp_json_put_u64(w, "predicted_cache_read_tokens", r->predicted_read_tokens);
    wp_json_put_decimal(w, "spend", r->spend, 12);
    wp_json_put_decimal(w, "saved", r->saved, 12);
    wp_json_put_decimal(w, "kept_warm_saved", r->kept_warm_saved, 12);
    wp_json_put_u64(w, "request_duration_ms", (r->duration_us + 500) / 1000);
    wp_json_put_decimal(w, "ttft_ms", (double)r->ttft_us / 1000.0, 3);
    wp_json_put_u64(w, "overhead_us", r->overhead_us);
    wp_json_put_u64(w, "http_status", r->http_status);
    wp_json_put_u64(w, "attempted_retries", r->attempted_retries);
    wp_json_put_u64(w, "attempted_fallbacks", r->attempted_fallbacks);
    wp_json_put_u64(w, "request_bytes", r->request_bytes);
    wp_json_put_u64(w, "response_bytes", r->response_bytes);
    wp_json_put_bool(w, "stream", r->stream);
    wp_json_put_bool(w, "estimated", r->estimated);
}

// Where LiteLLM's own pages and its users' scripts look.
static void put_metadata(struct wp_json_writer *w, const struct wp_record *r)
{
    wp_json_open_object(w, "metadata");
    wp_json_put_str(w, "status", r->status);
    wp_json_put_str(w, "user_api_key", r->api_key_hash);
    wp_json_open_object(w, "additional_usage_values");
    wp_json_put_u64(w, "cache_read_input_tokens", r->cache_read_tokens);
    wp_json_put_u64(w, "cache_creation_input_tokens",
                    r->cache_write_5m_tokens + r->cache_write_1h_tokens);
    wp_json_close(w);
    if (r->error_code.len > 0) {
        wp_json_open_object(w, "error_information");
        wp_json_put_str(w, "error_code", r->error_code);
        wp_json_put_str(w, "error_message", r->error_message);
        wp_json_close(w);
    }
    wp_json_put_decimal(w, "litellm_overhead_time_ms", (double)r->overhead_us / 1000.0, 3);
    wp_json_close(w);
}

void store_row_write(struct wp_json_writer *w, const struct wp_record *record, bool open)
{
    wp_json_open_object(w, NULL);
    put_texts(w, record);
    put_numbers(w, record);
    put_metadata(w, record);
    if (!open)
        wp_json_close(w);
}

static bool is_json(wp_view text)
{
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, text);
    wp_json_value(&scan);
    return wp_json_scan_finish(&scan);
}

// A stream's body is text, not JSON; what the client sent may be anything.
static void put_value(struct wp_json_writer *w, const char *key, wp_view value)
{
    if (value.len == 0)
        wp_json_put_null(w, key);
    else if (is_json(value))
        wp_json_put_raw(w, key, value);
    else
        wp_json_put_str(w, key, value);
}

// The part straight into the object, under its key, or null.
static void put_part(struct wp_json_writer *w, const char *key, const struct wp_record *record,
                     enum wp_detail_part part)
{
    wp_json_key(w, wp_view_of(key));
    if (!wp_detail_write(record, part, w->buf))
        wp_buf_append(w->buf, WP_VIEW("null"));
}

void store_detail_write(struct wp_json_writer *w, const struct wp_record *record)
{
    put_part(w, "decision", record, WP_DETAIL_PART_DECISION);
    put_part(w, "attempts", record, WP_DETAIL_PART_ATTEMPTS);
    put_part(w, "dropped", record, WP_DETAIL_PART_DROPPED);
    put_value(w, "request_body", record->request_body);
    put_value(w, "response_body", record->response_body);
    put_part(w, "headers", record, WP_DETAIL_PART_HEADERS);
}
