// Rows in slices, newest first, for files of any size: each slice begins where the last one ended
// (a key, not an offset), so that neither memory nor time grows with what came before.
#include "store/private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

enum field_kind { TEXT, TIME, END, NUMBER, MONEY, MILLIS };

struct field {
    const char *name;
    enum field_kind kind;
    uint64_t (*number)(const struct wp_record *record);
    size_t offset;
};

static uint64_t total_tokens(const struct wp_record *r)
{
    return store_prompt_tokens(r) + r->output_tokens;
}

static uint64_t cache_creation(const struct wp_record *r)
{
    return r->cache_write_5m_tokens + r->cache_write_1h_tokens;
}

static uint64_t http_status(const struct wp_record *r)
{
    return r->http_status;
}

static uint64_t retries(const struct wp_record *r)
{
    return r->attempted_retries;
}

static uint64_t fallbacks(const struct wp_record *r)
{
    return r->attempted_fallbacks;
}

#define FIELD(kind, name, member)                            \
    {                                                        \
        name, kind, NULL, offsetof(struct wp_record, member) \
    }
#define COMPUTED(name, function)  \
    {                             \
        name, NUMBER, function, 0 \
    }

// The names of the JSON rows.
static const struct field fields[] = {
    FIELD(TIME, "startTime", start_ms),
    {"endTime", END, NULL, 0},
    FIELD(TEXT, "request_id", request_id),
    FIELD(TEXT, "call_type", call_type),
    FIELD(TEXT, "status", status),
    COMPUTED("http_status", http_status),
    FIELD(TEXT, "error_code", error_code),
    FIELD(TEXT, "error_message", error_message),
    FIELD(TEXT, "model_group", model_group),
    FIELD(TEXT, "requested_model", requested_model),
    FIELD(TEXT, "model", model),
    FIELD(TEXT, "model_id", model_id),
    FIELD(TEXT, "custom_llm_provider", provider),
    FIELD(TEXT, "api_base", api_base),
    FIELD(TEXT, "session_id", session_id),
    FIELD(TEXT, "user_agent", user_agent),
    FIELD(TEXT, "requester_ip_address", requester_ip_address),
    COMPUTED("prompt_tokens", store_prompt_tokens),
    FIELD(NUMBER, "input_tokens", input_tokens),
    FIELD(NUMBER, "cache_read_input_tokens", cache_read_tokens),
    COMPUTED("cache_creation_input_tokens", cache_creation),
    FIELD(NUMBER, "cache_creation_5m_input_tokens", cache_write_5m_tokens),
    FIELD(NUMBER, "cache_creation_1h_input_tokens", cache_write_1h_tokens),
    FIELD(NUMBER, "completion_tokens", output_tokens),
    COMPUTED("total_tokens", total_tokens),
    FIELD(NUMBER, "predicted_cache_read_tokens", predicted_read_tokens),
    FIELD(MONEY, "spend", spend),
    FIELD(MONEY, "saved", saved),
    FIELD(MILLIS, "ttft_ms", ttft_us),
    FIELD(MILLIS, "request_duration_ms", duration_us),
    FIELD(NUMBER, "overhead_us", overhead_us),
    COMPUTED("attempted_retries", retries),
    COMPUTED("attempted_fallbacks", fallbacks),
};

// RFC 4180. What a spreadsheet would take for a formula gets an apostrophe: clients choose these
// texts, operators open them.
static void put_text(struct wp_buf *out, wp_view text)
{
    bool formula = text.len > 0 && strchr("=+-@\t\r", text.ptr[0]) != NULL;
    bool quoted = formula;
    for (size_t i = 0; i < text.len && !quoted; i++)
        quoted = strchr(",\"\r\n", text.ptr[i]) != NULL;
    if (!quoted) {
        wp_buf_append(out, text);
        return;
    }
    wp_buf_append_cstring(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            wp_buf_append_char(out, '"');
        wp_buf_append_char(out, text.ptr[i]);
    }
    wp_buf_append_char(out, '"');
}

static void put_time(struct wp_buf *out, int64_t wall_ms)
{
    char text[WP_RFC3339_LEN + 1];
    if (wall_ms == 0)
        return;
    wp_format_rfc3339(wall_ms, text);
    wp_buf_append_cstring(out, text);
}

static void put_field(struct wp_buf *out, const struct field *field, const struct wp_record *record)
{
    const char *member = (const char *)record + field->offset;
    switch (field->kind) {
    case TEXT:
        put_text(out, *(const wp_view *)(const void *)member);
        break;
    case TIME:
        put_time(out, *(const int64_t *)(const void *)member);
        break;
    case END:
        put_time(out, store_end_ms(record));
        break;
    case NUMBER:
        wp_buf_printf(out, "%" PRIu64,
                      field->number != NULL ? field->number(record)
                                            : *(const uint64_t *)(const void *)member);
        break;
    case MONEY:
        wp_buf_printf(out, "%.9f", *(const double *)(const void *)member);
        break;
    case MILLIS:
        wp_buf_printf(out, "%.3f", (double)*(const uint64_t *)(const void *)member / 1000.0);
        break;
    }
}

static void put_csv(struct wp_buf *out, const struct wp_record *record)
{
    for (size_t i = 0; i < WP_COUNT_OF(fields); i++) {
        if (i > 0)
            wp_buf_append_char(out, ',');
        if (record == NULL)
            wp_buf_append_cstring(out, fields[i].name);
        else
            put_field(out, &fields[i], record);
    }
    wp_buf_append_cstring(out, "\r\n");
}

static void put_jsonl(struct wp_buf *out, const struct wp_record *record)
{
    struct wp_json_writer w = wp_json_writer(out);
    store_row_write(&w, record, false);
    wp_buf_append_char(out, '\n');
}

enum wp_err wp_ledger_export(struct wp_ledger *ledger, const struct wp_log_filter *asked,
                             enum wp_export_format format, uint32_t rows,
                             struct wp_export_cursor *cursor, struct wp_buf *out)
{
    size_t from = out->len;
    uint32_t found = 0;
    struct wp_log_filter filter;
    struct wp_record record;
    struct store_span span;
    struct store_reader *reader = store_reader_acquire(ledger);
    if (reader == NULL)
        return WP_ERR_INTERNAL;
    int rc = store_filter_narrow(reader, asked, &filter);
    struct store_walk walk = store_walk_make(reader, &filter, false);
    store_query_text(&walk.query, "SELECT ");
    store_columns_append(&walk.query.sql, "");
    if (rc == SQLITE_OK)
        rc = store_span_find(reader, &filter, &span);
    if (rc == SQLITE_OK && cursor->begun && cursor->before <= span.last)
        span.last = cursor->before - 1;
    if (rc == SQLITE_OK)
        rc = store_walk_begin(&walk, &span);
    if (!cursor->begun && format == WP_EXPORT_CSV)
        put_csv(out, NULL);
    while ((rc == SQLITE_OK || rc == SQLITE_ROW) && found < rows) {
        if ((rc = store_walk_step(&walk)) != SQLITE_ROW)
            break;
        store_row_read(walk.rows, &record);
        if (format == WP_EXPORT_CSV)
            put_csv(out, &record);
        else
            put_jsonl(out, &record);
        cursor->before = sqlite3_column_int64(walk.rows, 0);
        found++;
    }
    store_walk_end(&walk);
    rc = rc == SQLITE_ROW ? SQLITE_OK : rc;
    // Stopped for its time: the next slice goes on where this one came to, if it came anywhere.
    bool late = store_reached_ms(reader, rc, false) != 0 && reader->reached < span.last;
    if (late && (found == 0 || reader->reached < cursor->before))
        cursor->before = reader->reached + 1;
    cursor->begun = true;
    cursor->done = found < rows && !late;
    return store_query_end(ledger, reader, late ? SQLITE_OK : rc, "export", out, from);
}
