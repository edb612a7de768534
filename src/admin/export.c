// The rows of a filter as a file: a slice is read on the pool, sent, and only when the client has
// taken it the next one is read. Memory is one slice, however many rows there are.
#include "admin/private.h"

enum { SLICE_ROWS = 1000, SLICE_MAX = 32 * 1024 * 1024 };

struct job {
    struct wp_admin_query base; // must be the first
    struct wp_loop *loop;
    enum wp_export_format format;
    struct wp_export_cursor cursor;
    bool reading; // on the pool
};

static void read_slice(void *arg)
{
    struct job *job = arg;
    WP_CHECK_MAGIC(&job->base, WP_ADMIN_QUERY_MAGIC);
    job->base.err = wp_ledger_export(job->base.ledger, &job->base.filter, job->format, SLICE_ROWS,
                                     &job->cursor, &job->base.out);
}

static void sent(void *arg);

static bool read_next(struct job *job)
{
    wp_buf_clear(&job->base.out);
    job->reading = wp_loop_work(job->loop, read_slice, sent, job) == WP_OK;
    return job->reading;
}

static enum wp_err send_head(struct wp_front *front, enum wp_export_format format)
{
    struct wp_headers headers;
    bool csv = format == WP_EXPORT_CSV;
    wp_headers_init(&headers, front->arena);
    enum wp_err err =
        wp_headers_add(&headers, WP_VIEW("content-type"),
                       csv ? WP_VIEW("text/csv; charset=utf-8") : WP_VIEW("application/jsonl"));
    if (err == WP_OK)
        err = wp_headers_add(&headers, WP_VIEW("content-disposition"),
                             csv ? WP_VIEW("attachment; filename=\"warmpath-requests.csv\"")
                                 : WP_VIEW("attachment; filename=\"warmpath-requests.jsonl\""));
    if (err == WP_OK)
        err = wp_headers_add(&headers, WP_VIEW("cache-control"), WP_VIEW("no-store"));
    return err != WP_OK ? err : wp_response_head(front->request, 200, &headers, UINT64_MAX);
}

// A file that ends early must not look whole: the connection is dropped instead.
static void give_up(struct wp_front *front)
{
    const struct job *job = front->data;
    if (wp_response_started(front->request))
        wp_response_abort(front->request);
    else
        wp_admin_query_refuse(front, job->base.err != WP_OK ? job->base.err : WP_ERR_INTERNAL);
}

static void sent(void *arg)
{
    struct job *job = arg;
    WP_CHECK_MAGIC(&job->base, WP_ADMIN_QUERY_MAGIC);
    struct wp_front *front = job->base.front;
    bool pause = false;
    job->reading = false;
    if (front == NULL) {
        wp_admin_query_free(&job->base);
        return;
    }
    if (front->aborted)
        return;
    if (job->base.err != WP_OK ||
        (!wp_response_started(front->request) && send_head(front, job->format) != WP_OK) ||
        wp_response_write(front->request, wp_buf_view(&job->base.out), &pause) != WP_OK)
        give_up(front);
    else if (job->cursor.done)
        wp_response_end(front->request);
    else if (!pause && !read_next(job))
        give_up(front);
}

static void drained(struct wp_front *front)
{
    struct job *job = front->data;
    if (!front->aborted && !job->reading && !job->cursor.done && !read_next(job))
        give_up(front);
}

static void closed(struct wp_front *front)
{
    struct job *job = front->data;
    job->base.front = NULL;
    if (!job->reading)
        wp_admin_query_free(&job->base);
}

void wp_admin_export(struct wp_front *front)
{
    wp_view format = wp_front_query(front, "format");
    if (!wp_view_is(format, "csv") && !wp_view_is(format, "jsonl")) {
        wp_front_error(front, WP_ERR_INVALID, WP_VIEW("format is csv or jsonl"), -1);
        return;
    }
    struct job *job = wp_admin_query_begin(front, sizeof(*job), SLICE_MAX);
    if (job == NULL)
        return;
    job->loop = front->worker->loop;
    job->format = wp_view_is(format, "csv") ? WP_EXPORT_CSV : WP_EXPORT_JSONL;
    front->data = job;
    front->on_closed = closed;
    front->on_drain = drained;
    if (!read_next(job))
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
}
