// Log queries: parsed here, run on the loop library's pool, answered on the worker.
#include "admin/private.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { JOB_MAGIC = 0x4a4f4221, ANSWER_MAX = 64 * 1024 * 1024 };

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
    if (!wp_admin_read_filter(front, job->arena, &job->filter)) {
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
