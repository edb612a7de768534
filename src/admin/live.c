// Rows as they are committed, to every console that watches: one SSE response each. The recorder
// thread posts one shared message per worker that has watchers; a watcher that does not read is
// dropped by the response's own bound.
#include "admin/private.h"
#include "base/alloc.h"

// A tick looks whether the gateway is to end, so that a page left open does not hold it up.
enum { MESSAGE_MAX = 1024 * 1024, TICK_MS = 500, TICKS_PER_PING = 30 };

struct message {
    _Atomic uint32_t references;
    struct wp_admin *admin;
    wp_view event;
    char text[];
};

struct delivery {
    struct message *message;
    size_t worker; // index in admin->live
};

static void message_unref(struct message *message)
{
    if (atomic_fetch_sub(&message->references, 1) == 1)
        wp_free(message);
}

static void deliver(void *arg)
{
    struct delivery *delivery = arg;
    struct message *message = delivery->message;
    struct wp_list *watchers = &message->admin->live[delivery->worker].watchers;
    WP_LIST_FOREACH(node, watchers)
    {
        struct wp_live_watcher *watcher = WP_CONTAINER_OF(node, struct wp_live_watcher, link);
        bool pause = false;
        if (!watcher->front->aborted &&
            wp_response_write(watcher->front->request, message->event, &pause) != WP_OK)
            wp_list_unlink(node);
    }
    message_unref(message);
    wp_free(delivery);
}

static struct message *make_message(struct wp_admin *admin, const wp_view *rows, size_t count)
{
    struct wp_buf buf = wp_buf_make(MESSAGE_MAX);
    wp_buf_append_cstring(&buf, "event: rows\ndata: [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            wp_buf_append_char(&buf, ',');
        wp_buf_append(&buf, rows[i]);
    }
    wp_buf_append_cstring(&buf, "]\n\n");
    struct message *message = wp_buf_ok(&buf) ? wp_alloc(sizeof(*message) + buf.len) : NULL;
    if (message != NULL) {
        message->references = 1;
        message->admin = admin;
        memcpy(message->text, buf.ptr, buf.len);
        message->event = wp_view_make(message->text, buf.len);
    }
    wp_buf_free(&buf);
    return message;
}

static void post(struct wp_admin *admin, struct message *message, size_t worker)
{
    struct delivery *delivery = wp_alloc(sizeof(*delivery));
    if (delivery == NULL)
        return;
    *delivery = (struct delivery){message, worker};
    atomic_fetch_add(&message->references, 1);
    if (wp_loop_post(admin->live[worker].worker->loop, deliver, delivery) != WP_OK) {
        message_unref(message);
        wp_free(delivery);
    }
}

static void on_commit(void *arg, const wp_view *rows_json, size_t count)
{
    struct wp_admin *admin = arg;
    struct message *message = NULL;
    WP_CHECK_MAGIC(admin, WP_ADMIN_MAGIC);
    pthread_mutex_lock(&admin->lock);
    for (size_t i = 0; i < admin->live_workers; i++) {
        if (admin->live[i].count == 0)
            continue;
        if (message == NULL)
            message = make_message(admin, rows_json, count);
        if (message != NULL)
            post(admin, message, i);
    }
    pthread_mutex_unlock(&admin->lock);
    if (message != NULL)
        message_unref(message);
}

// The slot of this worker, made at its first watcher. SIZE_MAX when there is no room.
static size_t slot_of(struct wp_admin *admin, struct wp_worker *worker)
{
    size_t slot = SIZE_MAX;
    for (size_t i = 0; i < admin->live_workers && slot == SIZE_MAX; i++)
        if (admin->live[i].worker == worker)
            slot = i;
    if (slot == SIZE_MAX && admin->live_workers < WP_COUNT_OF(admin->live)) {
        slot = admin->live_workers++;
        admin->live[slot].worker = worker;
        wp_list_init(&admin->live[slot].watchers);
    }
    return slot;
}

static void count_watcher(struct wp_admin *admin, struct wp_worker *worker, int change,
                          size_t *slot)
{
    pthread_mutex_lock(&admin->lock);
    *slot = slot_of(admin, worker);
    if (*slot != SIZE_MAX && change > 0 && admin->live[*slot].count >= WP_LIVE_MAX)
        *slot = SIZE_MAX;
    else if (*slot != SIZE_MAX)
        admin->live[*slot].count = (uint32_t)((int)admin->live[*slot].count + change);
    pthread_mutex_unlock(&admin->lock);
}

// Rows are rendered for the console only while somebody watches. A lock of its own: on_commit takes
// the other one under the ledger's.
static void subscribe(struct wp_admin *admin)
{
    uint32_t watchers = 0;
    if (admin->gateway->ledger == NULL)
        return;
    pthread_mutex_lock(&admin->subscription_lock);
    pthread_mutex_lock(&admin->lock);
    for (size_t i = 0; i < admin->live_workers; i++)
        watchers += admin->live[i].count;
    pthread_mutex_unlock(&admin->lock);
    wp_ledger_on_commit(admin->gateway->ledger, watchers > 0 ? on_commit : NULL, admin);
    pthread_mutex_unlock(&admin->subscription_lock);
}

static void closed(struct wp_front *front)
{
    struct wp_live_watcher *watcher = front->data;
    size_t slot;
    wp_timer_stop(&watcher->tick);
    wp_list_unlink(&watcher->link);
    count_watcher(front->gateway->admin, front->worker, -1, &slot);
    subscribe(front->gateway->admin);
}

static void tick(void *arg)
{
    struct wp_live_watcher *watcher = arg;
    bool pause = false;
    if (watcher->front->aborted)
        return;
    if (atomic_load(&watcher->front->gateway->draining)) {
        wp_response_end(watcher->front->request);
        return;
    }
    watcher->ticks = (watcher->ticks + 1) % TICKS_PER_PING;
    if (watcher->ticks != 0 ||
        wp_response_write(watcher->front->request, WP_VIEW(": ping\n\n"), &pause) == WP_OK)
        wp_timer_start(&watcher->tick, TICK_MS);
}

void wp_admin_live(struct wp_front *front)
{
    struct wp_headers headers;
    size_t slot;
    bool pause = false;
    struct wp_live_watcher *watcher = WP_ARENA_NEW(front->arena, struct wp_live_watcher);
    wp_headers_init(&headers, front->arena);
    if (watcher == NULL) {
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return;
    }
    count_watcher(front->gateway->admin, front->worker, 1, &slot);
    if (slot == SIZE_MAX) {
        wp_front_error(front, WP_ERR_NO_MEMORY, WP_VIEW("Too many live views are open"), 60);
        return;
    }
    watcher->front = front;
    wp_list_init(&watcher->link);
    wp_timer_init(&watcher->tick, front->worker->loop, tick, watcher);
    front->data = watcher;
    front->on_closed = closed;
    if (wp_headers_add(&headers, WP_VIEW("content-type"), WP_VIEW("text/event-stream")) != WP_OK ||
        wp_headers_add(&headers, WP_VIEW("cache-control"), WP_VIEW("no-cache")) != WP_OK ||
        wp_response_head(front->request, 200, &headers, UINT64_MAX) != WP_OK ||
        wp_response_write(front->request, WP_VIEW("retry: 2000\n\n"), &pause) != WP_OK) {
        wp_response_abort(front->request);
        return;
    }
    wp_list_append(&front->gateway->admin->live[slot].watchers, &watcher->link);
    subscribe(front->gateway->admin);
    wp_timer_start(&watcher->tick, TICK_MS);
}
