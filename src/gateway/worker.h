// One worker: a thread with its loop, listener and connection pool.
#ifndef WP_GATEWAY_WORKER_H
#define WP_GATEWAY_WORKER_H

#include "gateway/front.h"
#include "http/client.h"

struct wp_worker {
    uint32_t magic;
    uint32_t index;
    struct wp_gateway *gateway;
    const struct wp_route_table *routes;
    struct wp_loop *loop;
    struct wp_server *server;
    struct wp_client *client;
    struct wp_timer housekeeping; // worker 0: expiry of cache entries, renewals
    struct wp_timer tidy;         // gives memory back after load
    uint64_t served, tidied;      // requests of the process at the last tidying; when it trimmed
    struct wp_warmer *warmer;     // worker 0
    struct wp_crew *crew;
    struct wp_tls_context *_Atomic next_tls; // for connections to come; NULL: no change
};

struct wp_crew_config {
    struct wp_gateway *gateway;
    const struct wp_route_table *routes;
    wp_view host;
    uint16_t port; // 0: chosen by the kernel
    wp_view tls_certificate_file, tls_key_file;
    struct wp_server_limits limits;
    struct wp_client_config client;
    uint32_t workers;
    uint32_t drain_ms; // how long streams may run on after a drain (default 30 s)
};

struct wp_crew; // all workers of the process

// Starts the listeners and threads. `error` gets a sentence on failure.
enum wp_err wp_crew_start(const struct wp_crew_config *config, struct wp_crew **out, char *error,
                          size_t error_size) WP_WARN_UNUSED;
uint16_t wp_crew_port(const struct wp_crew *crew);
// Any thread. Stops accepting, lets requests end, then the threads end. A second call forces.
void wp_crew_drain(struct wp_crew *crew);
// True once every worker's loop has ended (after a drain).
bool wp_crew_finished(const struct wp_crew *crew);
// Waits for the threads and frees everything.
void wp_crew_join(struct wp_crew *crew);
// A certificate for connections to come, in two steps: its files are read, and nothing changes if
// they are no good (`error` gets a sentence); then what was read last is put in force. HTTPS cannot
// be switched on or off. Both on the thread that started the crew.
enum wp_err wp_crew_read_tls(struct wp_crew *crew, wp_view certificate_file, wp_view key_file,
                             char *error, size_t error_size) WP_WARN_UNUSED;
void wp_crew_use_tls(struct wp_crew *crew);
void wp_crew_counts(struct wp_crew *crew, size_t *connections, size_t *requests);

#endif
