// The ledger: SQLite in the state directory (WAL, numbered migrations in store/schema), written
// by one recorder thread in batches, read by queries on other threads.
#ifndef WP_STORE_LEDGER_H
#define WP_STORE_LEDGER_H

#include "base/buf.h"
#include "base/err.h"
#include "store/record.h"

struct wp_ledger;

struct wp_ledger_config {
    wp_view path; // file; ":memory:" is not supported (readers are other connections)
    size_t
        queue_max; // records waiting; beyond it new ones are dropped and counted (default 65,536)
    size_t queue_bytes_max;    // the same in bytes, for logs with stored prompts (default 256 MiB)
    uint32_t batch_ms;         // longest wait before a commit (default 200)
    uint32_t retention_days;   // 0: keep all; older rows are deleted in slices, daily sums stay
    uint32_t query_timeout_ms; // of one query; beyond it WP_ERR_SLOW_QUERY (default 10,000)
};

// Opens, migrates, starts the recorder thread. Missing directories are created (0700), the file is
// private to the user (0600). On failure `error` names cause and fix: WP_ERR_NO_MEMORY, or
// WP_ERR_INTERNAL for a path that cannot be written, another program's database, or a file of a
// newer schema (never touched).
enum wp_err wp_ledger_open(const struct wp_ledger_config *config, struct wp_ledger **out,
                           char *error, size_t error_size) WP_WARN_UNUSED;
// Writes what is queued (one try; what the disk refuses is dropped and logged), stops the thread,
// closes. No query may be running. NULL is allowed.
void wp_ledger_close(struct wp_ledger *ledger);

// Any thread; never blocks on the disk. Copies the record. False: the queue was full or memory
// short (counted as dropped).
bool wp_ledger_submit(struct wp_ledger *ledger, const struct wp_record *record);
// Blocks until everything submitted before is committed (tests, shutdown, exact queries), or until
// a try to commit it has failed: then wp_ledger_stats says degraded.
void wp_ledger_flush(struct wp_ledger *ledger);

struct wp_ledger_stats {
    uint64_t submitted, written, dropped, failed_commits;
    size_t queued;
    bool degraded; // the last commit failed (disk full, read-only …): rows wait in memory and are
                   // tried again every few seconds
    char last_error[160];
};
void wp_ledger_stats(struct wp_ledger *ledger, struct wp_ledger_stats *out);

// Tells when rows have been committed: called on the recorder thread with the rows' JSON objects
// (as in list answers) after each commit. For live views. One subscriber per ledger; NULL ends it,
// and no call is running any more when this returns. Not to be called from within `fn`.
void wp_ledger_on_commit(struct wp_ledger *ledger,
                         void (*fn)(void *arg, const wp_view *rows_json, size_t count), void *arg);

enum wp_log_sort {
    WP_SORT_START,
    WP_SORT_SPEND,
    WP_SORT_DURATION,
    WP_SORT_TTFT,
    WP_SORT_MODEL,
    WP_SORT_TOTAL_TOKENS,
    WP_SORT_CACHE_READ
};

struct wp_log_filter {        // empty views and zeros: no restriction
    int64_t start_ms, end_ms; // [start, end)
    wp_view request_id, session_id, model_id, model, model_group, status, api_key_hash, error_code,
        search;
    uint32_t page, page_size; // from 1; size 1 … 1000 (default 50)
    enum wp_log_sort sort;
    bool ascending;
    uint64_t min_spend_set;
    double min_spend;
};
// Blocking: call on a pool thread. Append JSON to `out`; WP_ERR_INTERNAL with a logged reason,
// WP_ERR_SLOW_QUERY past the query's time.
// LiteLLM's shape: {"data":[…],"total":n,"page":p,"page_size":s,"total_pages":t,
// "total_is_capped":bool}; `total` is exact up to 10,000 rows and capped there (or lower, when
// counting takes too long) with "total_is_capped":true. `search` is a substring, ASCII case
// ignored, of request, session, model, deployment, address, user agent or error; the whole id of a
// request or session that there is finds that one alone. No index leads to what a search or a
// least spend finds: after three seconds the answer is what was found until then, with
// "searched_to_ms": rows that start from this time on (sorted upwards by time: before it) were
// looked at. Ask again with that as the filter's end to go on.
enum wp_err wp_ledger_query_logs(struct wp_ledger *ledger, const struct wp_log_filter *filter,
                                 struct wp_buf *out) WP_WARN_UNUSED;
enum wp_export_format { WP_EXPORT_CSV, WP_EXPORT_JSONL };
// Where an export has come to; zero at its start. Private but for `done`.
struct wp_export_cursor {
    int64_t before; // the rows that are left have smaller ids
    bool begun;
    bool done; // public: nothing is left
};
// Blocking: the next `rows` rows of the filter (page and sort ignored), newest first, as CSV (RFC
// 4180, a header line first) or as one JSON row per line. Appends to `out` and moves the cursor.
// WP_ERR_INTERNAL with a logged reason.
enum wp_err wp_ledger_export(struct wp_ledger *ledger, const struct wp_log_filter *filter,
                             enum wp_export_format format, uint32_t rows,
                             struct wp_export_cursor *cursor, struct wp_buf *out) WP_WARN_UNUSED;
// One row with everything (further "decision", "attempts", "dropped", "request_body",
// "response_body", "headers", each null if there is none), or null. The newest, should an id occur
// twice.
enum wp_err wp_ledger_query_log(struct wp_ledger *ledger, wp_view request_id,
                                struct wp_buf *out) WP_WARN_UNUSED;
// {"totals":{requests,failures,spend,saved,prompt_tokens,…,cache_hit_ratio,ttft_p50_ms,ttft_p95_ms},
//  "histogram":[{"t":ms,"success":n,"failure":n}…],"bucket_ms":n,"since_ms":ms (only where the
//  histogram begins later than the filter, because nothing is before),
//  "searched_to_ms":ms (as a page has it, and then over the rows from there on),
//  "facets":{"model_id":[{"value","count"}…],"model":…,"status":…,"error_code":…}} over the same
// filter (page and sort ignored). About sixty buckets, empty ones left out. Where a range of six
// hours or more holds more than 50,000 rows of the filter, or 200,000 in all, whole hours come from
// hourly sums and buckets are hours; a filter that these know nothing of (request, session, search,
// spend) reads rows however many there are. Percentiles are over the newest 10,000 answers; beside
// hourly sums, over those of them that are found within 100 ms. A facet has the twenty most
// frequent of its first 10,000 values.
enum wp_err wp_ledger_query_summary(struct wp_ledger *ledger, const struct wp_log_filter *filter,
                                    struct wp_buf *out) WP_WARN_UNUSED;
// Daily rollups for the usage page, UTC days that touch [start, end) (end 0: no end), newest first,
// in LiteLLM's shape: {"results":[{"date","metrics":{spend,saved,prompt_tokens,completion_tokens,
// cache_read_input_tokens,cache_creation_input_tokens,total_tokens,api_requests,
// successful_requests,failed_requests},"breakdown":{"models":{NAME:{"metrics":{…}}},
// "model_groups","providers","endpoints","api_keys","deployments"}}],"metadata":{total_spend,…}}.
enum wp_err wp_ledger_query_daily(struct wp_ledger *ledger, int64_t start_ms, int64_t end_ms,
                                  struct wp_buf *out) WP_WARN_UNUSED;

// Rows that hold hashes of their prompts (general_settings.store_prompt_hashes), a session's
// together and in the order of their times, until `fn` returns false. `decision` is the plan's
// JSON, as a single row's answer has it; views live during the call, bodies are not read. Reads a
// file that a gateway may be writing. Blocking.
enum wp_err wp_ledger_each_prompt(const char *path,
                                  bool (*fn)(void *arg, const struct wp_record *record,
                                             wp_view decision),
                                  void *arg) WP_WARN_UNUSED;

#endif
