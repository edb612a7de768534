#include "net/private.h"

#include "base/alloc.h"
#include "base/clock.h"

enum { LOOP_MAGIC = 0x4c4f4f50, STOPPED = UINT32_MAX, TIMERS_FIRST = 256 };

static const uint64_t NEVER = UINT64_MAX;

// Timers: a binary heap over one uv_timer ---------------------------------------------------------
//
// Most are put off again and again and never fire. One that is put off stays where it is in the
// heap, which is ordered by when each is looked at: only then it moves to where it belongs.

static void heap_place(struct wp_loop *loop, uint32_t at, struct wp_timer *timer)
{
    loop->heap[at] = timer;
    timer->heap_index = at;
}

static void sift_up(struct wp_loop *loop, uint32_t at)
{
    struct wp_timer *timer = loop->heap[at];
    while (at > 0 && loop->heap[(at - 1) / 2]->looked_ns > timer->looked_ns) {
        heap_place(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(loop, at, timer);
}

static void sift_down(struct wp_loop *loop, uint32_t at)
{
    struct wp_timer *timer = loop->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= loop->heap_count)
            break;
        if (child + 1 < loop->heap_count &&
            loop->heap[child + 1]->looked_ns < loop->heap[child]->looked_ns)
            child++;
        if (loop->heap[child]->looked_ns >= timer->looked_ns)
            break;
        heap_place(loop, at, loop->heap[child]);
        at = child;
    }
    heap_place(loop, at, timer);
}

static void on_timer(uv_timer_t *handle);

static void arm(struct wp_loop *loop)
{
    if (loop->heap_count == 0) {
        uv_timer_stop(&loop->timer);
        return;
    }
    uint64_t now = wp_now_ns(), due = loop->heap[0]->looked_ns;
    uint64_t ms = due > now ? (due - now + 999999) / 1000000 : 0;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->timer, on_timer, ms, 0);
}

// It was put off since it got its place, or rests.
static void move_on(struct wp_loop *loop, struct wp_timer *timer)
{
    if (timer->due_ns == NEVER) {
        wp_timer_stop(timer);
        return;
    }
    timer->looked_ns = timer->due_ns;
    sift_down(loop, timer->heap_index);
}

static void on_timer(uv_timer_t *handle)
{
    struct wp_loop *loop = handle->data;
    WP_CHECK_MAGIC(loop, LOOP_MAGIC);
    loop->now_ns = wp_now_ns();
    while (loop->heap_count > 0 && loop->heap[0]->looked_ns <= loop->now_ns) {
        struct wp_timer *timer = loop->heap[0];
        if (timer->due_ns != timer->looked_ns) {
            move_on(loop, timer);
            continue;
        }
        wp_timer_stop(timer);
        timer->fn(timer->arg);
    }
    arm(loop);
}

void wp_timer_init(struct wp_timer *timer, struct wp_loop *loop, void (*fn)(void *arg), void *arg)
{
    *timer = (struct wp_timer){.fn = fn, .arg = arg, .loop = loop, .heap_index = STOPPED};
}

bool wp_timer_active(const struct wp_timer *timer)
{
    return timer->loop != NULL && timer->heap_index != STOPPED && timer->due_ns != NEVER;
}

void wp_timer_rest(struct wp_timer *timer)
{
    timer->due_ns = NEVER;
}

void wp_timer_stop(struct wp_timer *timer)
{
    struct wp_loop *loop = timer->loop;
    if (loop == NULL || timer->heap_index == STOPPED)
        return;
    uint32_t at = timer->heap_index;
    timer->heap_index = STOPPED;
    struct wp_timer *last = loop->heap[--loop->heap_count];
    if (last == timer)
        return;
    heap_place(loop, at, last);
    sift_down(loop, at);
    sift_up(loop, last->heap_index);
}

// Grows long before the heap is full, so that a want of memory that passes costs nothing.
static void make_room(struct wp_loop *loop)
{
    if (loop->heap_count < loop->heap_capacity / 2)
        return;
    uint32_t capacity = loop->heap_capacity * 2;
    struct wp_timer **more = wp_realloc(loop->heap, capacity * sizeof(struct wp_timer *));
    // Without a timer nothing would ever end.
    WP_CHECK(more != NULL || loop->heap_count < loop->heap_capacity);
    if (more == NULL)
        return;
    loop->heap = more;
    loop->heap_capacity = capacity;
}

// The time of this turn: reading the clock for each of a request's timers costs more than they do.
// libuv's own, in milliseconds, is newer where something else than a descriptor woke the loop.
static uint64_t clock_ns(const struct wp_loop *loop)
{
    if (!loop->running)
        return wp_now_ns();
    uint64_t turn_ns = uv_now(&loop->uv) * 1000000u;
    return turn_ns > loop->now_ns ? turn_ns : loop->now_ns;
}

// Gives it the place of `timer->due_ns`.
static void place(struct wp_loop *loop, struct wp_timer *timer)
{
    timer->looked_ns = timer->due_ns;
    if (timer->heap_index == STOPPED) {
        make_room(loop);
        loop->heap[loop->heap_count] = timer;
        timer->heap_index = loop->heap_count++;
    }
    sift_up(loop, timer->heap_index);
    if (loop->heap[0] == timer)
        arm(loop);
}

void wp_timer_start(struct wp_timer *timer, uint64_t ms)
{
    struct wp_loop *loop = timer->loop;
    timer->due_ns = clock_ns(loop) + ms * 1000000u;
    if (timer->heap_index == STOPPED || timer->due_ns < timer->looked_ns)
        place(loop, timer);
}

// Deferred calls: the turn's stages -------------------------------------------------------------

static void run_stage(struct wp_loop *loop, struct wp_list *stage)
{
    loop->now_ns = wp_now_ns();
    while (!wp_list_empty(stage)) {
        struct wp_deferred *deferred = WP_CONTAINER_OF(stage->next, struct wp_deferred, link);
        wp_list_unlink(&deferred->link);
        deferred->fn(deferred->arg);
    }
}

static void run_deferred(struct wp_loop *loop)
{
    for (int stage = 0; stage < WP_STAGE_COUNT;) {
        bool empty = wp_list_empty(&loop->deferred[stage]);
        if (!empty)
            run_stage(loop, &loop->deferred[stage]);
        stage = empty ? stage + 1 : 0;
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    struct wp_loop *loop = handle->data;
    run_deferred(loop);
    loop->polled = false;
}

static void on_check(uv_check_t *handle)
{
    run_deferred(handle->data);
}

void wp_loop_flush_deferred(struct wp_loop *loop)
{
    run_deferred(loop);
}

void wp_deferred_init(struct wp_deferred *deferred, enum wp_stage stage, void (*fn)(void *arg),
                      void *arg)
{
    wp_list_init(&deferred->link);
    deferred->stage = stage;
    deferred->fn = fn;
    deferred->arg = arg;
}

void wp_loop_defer(struct wp_loop *loop, struct wp_deferred *deferred)
{
    if (wp_list_empty(&deferred->link))
        wp_list_append(&loop->deferred[deferred->stage], &deferred->link);
}

void wp_deferred_cancel(struct wp_deferred *deferred)
{
    if (deferred->link.next != NULL)
        wp_list_unlink(&deferred->link);
}

// Calls from other threads -----------------------------------------------------------------------

// Returns the next: what is called may take the caller's memory away.
static struct wp_post *run_post(struct wp_post *post)
{
    struct wp_post *next = post->next;
    bool callers = post->callers;
    post->fn(post->arg);
    if (!callers)
        wp_free(post);
    return next;
}

static void on_async(uv_async_t *handle)
{
    struct wp_loop *loop = handle->data;
    loop->now_ns = wp_now_ns();
    pthread_mutex_lock(&loop->lock);
    struct wp_post *posts = loop->posts;
    loop->posts = loop->posts_tail = NULL;
    bool stopping = loop->stopping;
    loop->stopping = false; // it may be run again
    pthread_mutex_unlock(&loop->lock);
    while (posts != NULL)
        posts = run_post(posts);
    if (stopping)
        uv_stop(&loop->uv);
}

static enum wp_err enqueue(struct wp_loop *loop, struct wp_post *post)
{
    pthread_mutex_lock(&loop->lock);
    bool closed = loop->closed;
    if (!closed) {
        if (loop->posts_tail == NULL)
            loop->posts = post;
        else
            loop->posts_tail->next = post;
        loop->posts_tail = post;
        uv_async_send(&loop->async);
    }
    pthread_mutex_unlock(&loop->lock);
    return closed ? WP_ERR_SHUTTING_DOWN : WP_OK;
}

enum wp_err wp_loop_post(struct wp_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct wp_post *post = wp_alloc(sizeof(*post));
    if (post == NULL)
        return WP_ERR_NO_MEMORY;
    *post = (struct wp_post){.fn = fn, .arg = arg};
    enum wp_err err = enqueue(loop, post);
    if (err != WP_OK)
        wp_free(post);
    return err;
}

enum wp_err wp_loop_post_with(struct wp_loop *loop, struct wp_post *post, void (*fn)(void *arg),
                              void *arg)
{
    *post = (struct wp_post){.fn = fn, .arg = arg, .callers = true};
    return enqueue(loop, post);
}

void wp_loop_stop(struct wp_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    if (!loop->closed)
        uv_async_send(&loop->async);
    pthread_mutex_unlock(&loop->lock);
}

// The loop ---------------------------------------------------------------------------------------

enum wp_err wp_loop_create(struct wp_loop **out)
{
    struct wp_loop *loop = wp_alloc(sizeof(*loop));
    char *buffer = wp_realloc(NULL, WP_READ_BUFFER);
    struct wp_timer **heap = wp_realloc(NULL, TIMERS_FIRST * sizeof(struct wp_timer *));
    if (loop == NULL || buffer == NULL || heap == NULL || uv_loop_init(&loop->uv) != 0) {
        wp_free(loop);
        wp_free(buffer);
        wp_free(heap);
        return WP_ERR_NO_MEMORY;
    }
    loop->heap = heap;
    loop->heap_capacity = TIMERS_FIRST;
    loop->magic = LOOP_MAGIC;
    loop->read_buffer = buffer;
    loop->now_ns = wp_now_ns();
    for (int i = 0; i < WP_STAGE_COUNT; i++)
        wp_list_init(&loop->deferred[i]);
    wp_chunk_pool_init(&loop->chunks, 64);
    pthread_mutex_init(&loop->lock, NULL);
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    WP_CHECK(uv_async_init(&loop->uv, &loop->async, on_async) == 0);
    loop->timer.data = loop->prepare.data = loop->check.data = loop->async.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    *out = loop;
    return WP_OK;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void wp_loop_destroy(struct wp_loop *loop)
{
    WP_CHECK_MAGIC(loop, LOOP_MAGIC);
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    struct wp_post *posts = loop->posts;
    loop->posts = loop->posts_tail = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (posts != NULL) // what was promised is done, on this thread
        posts = run_post(posts);
    run_deferred(loop);
    uv_walk(&loop->uv, close_handle, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        continue;
    WP_CHECK(uv_loop_close(&loop->uv) == 0);
    wp_chunk_pool_clear(&loop->chunks);
    pthread_mutex_destroy(&loop->lock);
    wp_free(loop->heap);
    wp_free(loop->read_buffer);
    loop->magic = 0;
    wp_free(loop);
}

void wp_loop_run(struct wp_loop *loop)
{
    WP_CHECK_MAGIC(loop, LOOP_MAGIC);
    loop->running = true;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->running = false;
}

uint64_t wp_loop_now_ns(const struct wp_loop *loop)
{
    return loop->now_ns;
}

struct wp_chunk_pool *wp_loop_chunks(struct wp_loop *loop)
{
    return &loop->chunks;
}

// Blocking work and signals ------------------------------------------------------------------

struct work {
    uv_work_t request;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void run_work(uv_work_t *request)
{
    struct work *work = request->data;
    work->work(work->arg);
}

static void work_done(uv_work_t *request, int status)
{
    struct work *work = request->data;
    (void)status;
    work->done(work->arg);
    wp_free(work);
}

enum wp_err wp_loop_work(struct wp_loop *loop, void (*fn)(void *arg), void (*done)(void *arg),
                         void *arg)
{
    struct work *work = wp_alloc(sizeof(*work));
    if (work == NULL)
        return WP_ERR_NO_MEMORY;
    *work = (struct work){.work = fn, .done = done, .arg = arg};
    work->request.data = work;
    if (uv_queue_work(&loop->uv, &work->request, run_work, work_done) == 0)
        return WP_OK;
    wp_free(work);
    return WP_ERR_NO_MEMORY;
}

struct signal_watch {
    uv_signal_t handle;
    void (*fn)(void *arg, int signum);
    void *arg;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *watch = handle->data;
    watch->fn(watch->arg, signum);
}

enum wp_err wp_loop_on_signal(struct wp_loop *loop, int signum, void (*fn)(void *arg, int signum),
                              void *arg)
{
    // Lives as long as the process: signals are watched from start to end.
    struct signal_watch *watch = wp_alloc_or_die(sizeof(*watch));
    watch->fn = fn;
    watch->arg = arg;
    uv_signal_init(&loop->uv, &watch->handle);
    watch->handle.data = watch;
    return uv_signal_start(&watch->handle, on_signal, signum) == 0 ? WP_OK : WP_ERR_INTERNAL;
}
