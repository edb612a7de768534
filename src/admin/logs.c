// Log queries: parsed here, run on the loop library's pool, answered on the worker.
#include "admin/private.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { JOB_MAGIC = 0x4a4f4221, ANSWER_MAX = 64 * 1024 * 1024, SEARCH_MAX = 500 };

enum query { QUERY_LOGS, QUERY_LOG, QUERY_SUMMARY, QUERY_DAILY };

struct job {
    uint32_t magic;
    struct wp_front *front; // NULL once the client has gone; touched on the worker only
    struct wp_ledger *ledger;
    struct wp_arena *arena;
    enum query query;
    struct wp_log_filter filter;
    struct wp_buf answer;
    enum wp_err err;
};

static void job_free(struct job *job)
{
    wp_buf_free(&job->answer);
    wp_arena_destroy(job->arena);
    job->magic = 0;
    wp_free(job);
}

static void work(void *arg)
{
    struct job *job = arg;
    WP_CHECK_MAGIC(job, JOB_MAGIC);
    switch (job->query) {
    case QUERY_LOGS:
        job->err = wp_ledger_query_logs(job->ledger, &job->filter, &job->answer);
        break;
    case QUERY_LOG:
        job->err = wp_ledger_query_log(job->ledger, job->filter.request_id, &job->answer);
        break;
    case QUERY_SUMMARY:
        job->err = wp_ledger_query_summary(job->ledger, &job->filter, &job->answer);
        break;
    case QUERY_DAILY:
        job->err = wp_ledger_query_daily(job->ledger, job->filter.start_ms, job->filter.end_ms,
                                         &job->answer);
        break;
    }
}

static void finish(void *arg)
{
    struct job *job = arg;
    WP_CHECK_MAGIC(job, JOB_MAGIC);
    struct wp_front *front = job->front;
    if (front != NULL) {
        front->data = NULL;
        if (job->err != WP_OK)
            wp_front_error(front, job->err, WP_VIEW("The ledger could not be read; see the log"),
                           -1);
        else if (job->query == QUERY_LOG && wp_view_is(wp_buf_view(&job->answer), "null"))
            wp_front_error(front, WP_ERR_NOT_FOUND, WP_VIEW("There is no such request"), -1);
        else
            wp_front_json(front, 200, wp_buf_view(&job->answer));
    }
    job_free(job);
}

static void let_go(struct wp_front *front)
{
    struct job *job = front->data;
    if (job != NULL)
        job->front = NULL;
}

static wp_view parameter(struct wp_front *front, struct job *job, const char *name)
{
    wp_view value = wp_front_query(front, name);
    return value.len == 0 ? (wp_view){NULL, 0} : wp_arena_copy(job->arena, value);
}

static bool time_parameter(struct wp_front *front, const char *name, int64_t *out)
{
    wp_view value = wp_front_query(front, name);
    return value.len == 0 || wp_parse_time(value, out);
}

static uint32_t number_parameter(struct wp_front *front, const char *name, uint32_t fallback,
                                 uint32_t most)
{
    uint64_t value;
    if (!wp_view_parse_u64(wp_front_query(front, name), &value) || value == 0)
        return fallback;
    return value > most ? most : (uint32_t)value;
}

static enum wp_log_sort sort_parameter(struct wp_front *front)
{
    static const struct {
        const char *name;
        enum wp_log_sort sort;
    } rows[] = {{"startTime", WP_SORT_START},
                {"spend", WP_SORT_SPEND},
                {"request_duration_ms", WP_SORT_DURATION},
                {"ttft_ms", WP_SORT_TTFT},
                {"model", WP_SORT_MODEL},
                {"total_tokens", WP_SORT_TOTAL_TOKENS},
                {"cache_read_input_tokens", WP_SORT_CACHE_READ}};
    wp_view name = wp_front_query(front, "sort_by");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_is(name, rows[i].name))
            return rows[i].sort;
    return WP_SORT_START;
}

// The end is inclusive for a whole day, as LiteLLM's users write it: end_date=2026-11-24.
static const char *read_filter(struct wp_front *front, struct job *job)
{
    struct wp_log_filter *filter = &job->filter;
    wp_view end = wp_front_query(front, "end_date");
    if (!time_parameter(front, "start_date", &filter->start_ms) ||
        !time_parameter(front, "end_date", &filter->end_ms))
        return "start_date and end_date are times such as 2026-11-24 or 2026-11-24T08:00:00Z";
    if (end.len == 10)
        filter->end_ms += 24 * 3600 * 1000LL;
    filter->request_id = parameter(front, job, "request_id");
    filter->session_id = parameter(front, job, "session_id");
    filter->model_id = parameter(front, job, "model_id");
    filter->model = parameter(front, job, "model");
    filter->model_group = parameter(front, job, "model_group");
    filter->status = parameter(front, job, "status_filter");
    filter->api_key_hash = parameter(front, job, "api_key");
    filter->error_code = parameter(front, job, "error_code");
    filter->search = parameter(front, job, "search");
    filter->page = number_parameter(front, "page", 1, 1000000);
    filter->page_size = number_parameter(front, "page_size", 50, 1000);
    filter->sort = sort_parameter(front);
    filter->ascending = wp_view_is(wp_front_query(front, "sort_order"), "asc");
    if (filter->search.len > SEARCH_MAX)
        return "search is longer than 500 bytes";
    return NULL;
}

static struct job *new_job(struct wp_front *front, enum query query)
{
    struct job *job = wp_alloc(sizeof(*job));
    struct wp_arena *arena = wp_arena_create(0);
    if (job == NULL || arena == NULL) {
        wp_free(job);
        wp_arena_destroy(arena);
        return NULL;
    }
    job->magic = JOB_MAGIC;
    job->front = front;
    job->ledger = front->gateway->ledger;
    job->arena = arena;
    job->query = query;
    job->answer = wp_buf_make(ANSWER_MAX);
    return job;
}

static void run(struct wp_front *front, enum query query)
{
    if (front->gateway->ledger == NULL) {
        wp_front_error(front, WP_ERR_NOT_FOUND,
                       WP_VIEW("Request logs are switched off (disable_spend_logs)"), -1);
        return;
    }
    struct job *job = new_job(front, query);
    if (job == NULL) {
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return;
    }
    const char *problem = read_filter(front, job);
    if (problem != NULL) {
        wp_front_error(front, WP_ERR_INVALID, wp_view_of(problem), -1);
        job_free(job);
        return;
    }
    if (query == QUERY_LOG)
        job->filter.request_id = wp_arena_copy(job->arena, front->path_rest);
    front->data = job;
    front->on_closed = let_go;
    if (wp_loop_work(front->worker->loop, work, finish, job) != WP_OK) {
        front->data = NULL;
        job_free(job);
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
    }
}

void wp_admin_logs(struct wp_front *front)
{
    run(front, QUERY_LOGS);
}

void wp_admin_log(struct wp_front *front)
{
    run(front, QUERY_LOG);
}

void wp_admin_summary(struct wp_front *front)
{
    run(front, QUERY_SUMMARY);
}

void wp_admin_daily(struct wp_front *front)
{
    run(front, QUERY_DAILY);
}
