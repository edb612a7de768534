// Log queries: parsed here, run on the loop library's pool, answered on the worker.
#include "admin/private.h"

enum { ANSWER_MAX = 64 * 1024 * 1024 };

enum query { QUERY_LOGS, QUERY_LOG, QUERY_SUMMARY, QUERY_DAILY };

struct job {
    struct wp_admin_query base; // must be the first
    enum query query;
};

static void work(void *arg)
{
    struct job *job = arg;
    struct wp_admin_query *base = &job->base;
    WP_CHECK_MAGIC(base, WP_ADMIN_QUERY_MAGIC);
    switch (job->query) {
    case QUERY_LOGS:
        base->err = wp_ledger_query_logs(base->ledger, &base->filter, &base->out);
        break;
    case QUERY_LOG:
        base->err = wp_ledger_query_log(base->ledger, base->filter.request_id, &base->out);
        break;
    case QUERY_SUMMARY:
        base->err = wp_ledger_query_summary(base->ledger, &base->filter, &base->out);
        break;
    case QUERY_DAILY:
        base->err = wp_ledger_query_daily(base->ledger, base->filter.start_ms, base->filter.end_ms,
                                          &base->out);
        break;
    }
}

static void finish(void *arg)
{
    struct job *job = arg;
    WP_CHECK_MAGIC(&job->base, WP_ADMIN_QUERY_MAGIC);
    struct wp_front *front = job->base.front;
    wp_view answer = wp_buf_view(&job->base.out);
    if (front != NULL) {
        front->data = NULL;
        if (job->base.err != WP_OK)
            wp_admin_query_refuse(front, job->base.err);
        else if (job->query == QUERY_LOG && wp_view_is(answer, "null"))
            wp_front_error(front, WP_ERR_NOT_FOUND, WP_VIEW("There is no such request"), -1);
        else
            wp_front_json(front, 200, answer);
    }
    wp_admin_query_free(&job->base);
}

static void let_go(struct wp_front *front)
{
    struct job *job = front->data;
    if (job != NULL)
        job->base.front = NULL;
}

static void run(struct wp_front *front, enum query query)
{
    struct job *job = wp_admin_query_begin(front, sizeof(*job), ANSWER_MAX);
    if (job == NULL)
        return;
    job->query = query;
    if (query == QUERY_LOG)
        job->base.filter.request_id = wp_arena_copy(job->base.arena, front->path_rest);
    front->data = job;
    front->on_closed = let_go;
    if (wp_loop_work(front->worker->loop, work, finish, job) != WP_OK) {
        front->data = NULL;
        wp_admin_query_free(&job->base);
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
