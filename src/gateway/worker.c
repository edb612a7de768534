#include "gateway/worker.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/warm.h"
#include "net/listener.h"

enum { WORKER_MAGIC = 0x574f524b, HOUSEKEEPING_MS = 1000, TIDY_MS = 5000, LOOSE_MOST = 256 * 1024 };

struct wp_crew {
    struct wp_gateway *gateway;
    struct wp_crew_config config;
    struct wp_worker *workers;
    pthread_t *threads;
    struct wp_tls_context **read_tls; // one per worker, until they are put in force
    bool has_tls;
    uint32_t count;   // workers with a loop
    uint32_t running; // threads started
    _Atomic uint32_t drains;
    _Atomic uint32_t finished; // threads whose loop has ended
    _Atomic size_t loose;      // bytes that tidying gave back to the heap since it was trimmed
};

static void housekeeping(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    wp_router_expire(worker->gateway->router, wp_now_ns());
    if (!atomic_load(&worker->gateway->draining))
        wp_warmer_tick(worker->warmer);
    wp_timer_start(&worker->housekeeping, HOUSEKEEPING_MS);
}

// Spare memory that the last seconds did not need goes back to the heap. The heap is trimmed when
// no request has come: once after the last, and again while open streams leave something behind.
static void tidy(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    uint64_t served = atomic_load(&worker->gateway->counters.requests);
    bool quiet = served == worker->served;
    _Atomic size_t *loose = &worker->crew->loose;
    atomic_fetch_add(loose, wp_arena_trim() + wp_chunk_pool_trim(wp_loop_chunks(worker->loop)));
    if (quiet && worker->index == 0 &&
        (served != worker->tidied || atomic_load(loose) > LOOSE_MOST)) {
        atomic_store(loose, 0);
        wp_alloc_trim();
        worker->tidied = served;
    }
    worker->served = served;
    wp_timer_start(&worker->tidy, TIDY_MS);
}

static enum wp_err start_worker(struct wp_crew *crew, struct wp_worker *worker, uint16_t port,
                                char *error, size_t error_size)
{
    const struct wp_crew_config *config = &crew->config;
    const struct wp_server_config server = {
        .host = config->host,
        .port = port,
        .tls_certificate_file = config->tls_certificate_file,
        .tls_key_file = config->tls_key_file,
        .limits = config->limits,
        .handler = &wp_front_handler,
        .context = worker,
    };
    enum wp_err err = wp_loop_create(&worker->loop);
    if (err == WP_OK)
        err = wp_client_create(worker->loop, &config->client, &worker->client);
    if (err != WP_OK) {
        snprintf(error, error_size, "%s", wp_err_info(err)->sentence);
        return err;
    }
    wp_timer_init(&worker->housekeeping, worker->loop, housekeeping, worker);
    wp_timer_init(&worker->tidy, worker->loop, tidy, worker);
    wp_timer_start(&worker->tidy, TIDY_MS + 100 * worker->index);
    if (worker->index == 0 && (worker->warmer = wp_warmer_create(worker)) == NULL)
        return WP_ERR_NO_MEMORY;
    if (worker->index == 0)
        wp_timer_start(&worker->housekeeping, HOUSEKEEPING_MS);
    return wp_server_start(worker->loop, &server, &worker->server, error, error_size);
}

static void destroy_worker(struct wp_worker *worker)
{
    wp_timer_stop(&worker->housekeeping);
    wp_timer_stop(&worker->tidy);
    if (worker->server != NULL)
        wp_server_destroy(worker->server);
    wp_warmer_destroy(worker->warmer);
    if (worker->client != NULL)
        wp_client_destroy(worker->client);
    if (worker->loop != NULL)
        wp_loop_destroy(worker->loop);
    wp_tls_context_unref(atomic_load(&worker->next_tls));
}

static void *run(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", worker->index);
    pthread_setname_np(pthread_self(), name);
    // Nobody cancels a worker. While its thread is one that might be cancelled anywhere, the C
    // library's calls to send, receive and wait spare two locked instructions each, by which they
    // would first make it so.
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    wp_loop_run(worker->loop);
    atomic_fetch_add(&worker->crew->finished, 1);
    return NULL;
}

static void drop_read_tls(struct wp_crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        wp_tls_context_unref(crew->read_tls[i]);
        crew->read_tls[i] = NULL;
    }
}

static void crew_free(struct wp_crew *crew)
{
    drop_read_tls(crew);
    for (uint32_t i = 0; i < crew->count; i++)
        destroy_worker(&crew->workers[i]);
    wp_free(crew->read_tls);
    wp_free(crew->workers);
    wp_free(crew->threads);
    wp_free(crew);
}

enum wp_err wp_crew_start(const struct wp_crew_config *config, struct wp_crew **out, char *error,
                          size_t error_size)
{
    struct wp_crew *crew = wp_alloc_or_die(sizeof(*crew));
    crew->gateway = config->gateway;
    crew->config = *config;
    crew->workers = wp_alloc_or_die(config->workers * sizeof(*crew->workers));
    crew->threads = wp_alloc_or_die(config->workers * sizeof(*crew->threads));
    crew->read_tls = wp_alloc_or_die(config->workers * sizeof(struct wp_tls_context *));
    crew->has_tls = config->tls_certificate_file.len > 0;
    uint16_t port = config->port;
    enum wp_err err = WP_OK;
    if (port != 0 && !wp_listener_is_free(config->host, port, error, error_size))
        err = WP_ERR_INVALID;
    for (uint32_t i = 0; i < config->workers && err == WP_OK; i++) {
        struct wp_worker *worker = &crew->workers[i];
        *worker = (struct wp_worker){.magic = WORKER_MAGIC,
                                     .index = i,
                                     .gateway = config->gateway,
                                     .routes = config->routes,
                                     .crew = crew};
        crew->count++;
        err = start_worker(crew, worker, port, error, error_size);
        if (err == WP_OK)
            port = wp_server_port(worker->server); // the first one chose it, if it was 0
    }
    for (uint32_t i = 0; i < crew->count && err == WP_OK; i++) {
        if (pthread_create(&crew->threads[i], NULL, run, &crew->workers[i]) == 0)
            crew->running++;
        else
            err = WP_ERR_NO_MEMORY;
    }
    *out = crew;
    if (err != WP_OK) {
        for (uint32_t i = 0; i < crew->running; i++)
            wp_loop_stop(crew->workers[i].loop);
        for (uint32_t i = 0; i < crew->running; i++)
            pthread_join(crew->threads[i], NULL);
        crew_free(crew);
        *out = NULL;
    }
    return err;
}

uint16_t wp_crew_port(const struct wp_crew *crew)
{
    return wp_server_port(crew->workers[0].server);
}

static void drained(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    wp_loop_stop(worker->loop);
}

static void drain_worker(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    wp_server_drain(worker->server, worker->crew->config.drain_ms, drained, worker);
}

void wp_crew_drain(struct wp_crew *crew)
{
    bool first = atomic_fetch_add(&crew->drains, 1) == 0;
    atomic_store(&crew->gateway->draining, true);
    for (uint32_t i = 0; i < crew->count; i++) {
        if (!first || wp_loop_post(crew->workers[i].loop, drain_worker, &crew->workers[i]) != WP_OK)
            wp_loop_stop(crew->workers[i].loop);
    }
}

bool wp_crew_finished(const struct wp_crew *crew)
{
    return atomic_load(&crew->finished) == crew->running;
}

void wp_crew_join(struct wp_crew *crew)
{
    for (uint32_t i = 0; i < crew->running; i++)
        pthread_join(crew->threads[i], NULL);
    crew_free(crew);
}

// One context per worker: they would share its locks.
enum wp_err wp_crew_read_tls(struct wp_crew *crew, wp_view certificate_file, wp_view key_file,
                             char *error, size_t error_size)
{
    drop_read_tls(crew);
    if ((certificate_file.len > 0) != crew->has_tls) {
        snprintf(error, error_size, "HTTPS is switched %s by a restart only",
                 crew->has_tls ? "off" : "on");
        return WP_ERR_NOT_SUPPORTED;
    }
    enum wp_err err = WP_OK;
    for (uint32_t i = 0; i < crew->count && crew->has_tls && err == WP_OK; i++)
        err =
            wp_tls_server_create(certificate_file, key_file, &crew->read_tls[i], error, error_size);
    if (err != WP_OK)
        drop_read_tls(crew);
    return err;
}

static void take_tls(void *arg)
{
    struct wp_worker *worker = arg;
    WP_CHECK_MAGIC(worker, WORKER_MAGIC);
    struct wp_tls_context *context = atomic_exchange(&worker->next_tls, NULL);
    if (context != NULL) // an earlier call has taken the later one's
        wp_server_set_tls(worker->server, context);
}

void wp_crew_use_tls(struct wp_crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct wp_worker *worker = &crew->workers[i];
        if (crew->read_tls[i] == NULL)
            continue;
        wp_tls_context_unref(atomic_exchange(&worker->next_tls, crew->read_tls[i]));
        crew->read_tls[i] = NULL;
        if (wp_loop_post(worker->loop, take_tls, worker) != WP_OK)
            wp_log(WP_LOG_ERROR, "tls", "worker %u was not told of the new certificate", i);
    }
}

// The counts are read without a lock: they are for display.
void wp_crew_counts(struct wp_crew *crew, size_t *connections, size_t *requests)
{
    *connections = *requests = 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        size_t c = 0, r = 0;
        wp_server_counts(crew->workers[i].server, &c, &r);
        *connections += c;
        *requests += r;
    }
}
