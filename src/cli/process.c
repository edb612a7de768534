#include "cli/process.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/pages.h"
#include "cli/embedded.h"
#include "gateway/saved.h"
#include "gateway/worker.h"
#include "store/saved.h"

enum { SAVE_EVERY_S = 60 };

struct process {
    const struct wp_process_options *options;
    struct wp_ledger *ledger;
    struct wp_gateway *gateway;
    struct wp_admin *admin;
    struct wp_crew *crew;
    struct wp_route_table routes;
    char saved_path[1100]; // of what outlives a restart; empty without a state directory
    uint64_t saved_plans;  // as many had been made when it was last written
};

void wp_process_print(const struct wp_diagnostics *diagnostics)
{
    struct wp_buf out = wp_buf_make(4 * 1024 * 1024);
    wp_diagnostics_print(diagnostics, &out);
    if (out.len > 0)
        fwrite(out.ptr, 1, out.len, stderr);
    wp_buf_free(&out);
}

void wp_process_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    // A file that may not grow any further is an error to report, not the end.
    signal(SIGXFSZ, SIG_IGN);
}

static bool make_dirs(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *at = '/';
        if (!ok)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool wp_process_state_dir(const char *wanted, wp_view configured, char *out, size_t size)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (wanted != NULL)
        snprintf(out, size, "%s", wanted);
    else if (configured.len > 0)
        snprintf(out, size, "%.*s", WP_VIEW_ARG(configured));
    else if (xdg != NULL && xdg[0] == '/')
        snprintf(out, size, "%s/warmpath", xdg);
    else
        snprintf(out, size, "%s/.local/state/warmpath", home != NULL ? home : "/var/tmp");
    if (make_dirs(out) && access(out, W_OK | X_OK) == 0)
        return true;
    fprintf(stderr,
            "warmpath: the state directory %s cannot be written: %s; choose another with "
            "--state-dir\n",
            out, strerror(errno));
    return false;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

// Without a key anybody who can connect may spend the operator's money.
static bool exposure_allowed(const struct wp_snapshot *snapshot,
                             const struct wp_process_options *options)
{
    if (snapshot->general.master_key.len > 0)
        return true;
    if (!is_loopback(options->host)) {
        fprintf(stderr,
                "warmpath: refusing to listen on %s without general_settings.master_key: anyone "
                "who can connect could use your accounts. Set a master key, or listen on "
                "127.0.0.1.\n",
                options->host);
        return false;
    }
    wp_log(WP_LOG_WARN, "serve",
           "no general_settings.master_key: any program on this machine may use the gateway; "
           "listening on loopback (%s) only",
           options->host);
    return true;
}

// Names that nobody resolves and slow disks may hold threads of the pool; the others go on.
static void widen_thread_pool(void)
{
    setenv("UV_THREADPOOL_SIZE", "16", 0);
}

// What a large query held goes back to the kernel, instead of staying with each thread that ever
// ran one. glibc would raise these by itself.
static void return_memory(void)
{
    enum { LARGE = 1024 * 1024 };
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, LARGE);
    mallopt(M_ARENA_MAX, 8);
}

// A core would hold keys and prompts. Who needs one raises the limit of the running process.
static void limit_cores(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return;
    limit.rlim_cur = 0;
    (void)setrlimit(RLIMIT_CORE, &limit);
}

// Each request may need a connection to an upstream beside the client's, and the ledger, names and
// queries need some: accepting pauses before descriptors run out.
static uint32_t connections_per_worker(uint32_t workers, uint32_t most)
{
    enum { APART = 64, LEAST = 4 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return most;
    uint64_t apart = limit.rlim_cur > 2 * APART ? APART : limit.rlim_cur / 2;
    uint64_t each = (limit.rlim_cur - apart) / 2 / workers;
    return each < LEAST ? LEAST : each > most ? most : (uint32_t)each;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        wp_log(WP_LOG_WARN, "serve", "the descriptor limit stays at its soft value: %s",
               strerror(errno));
}

static bool open_ledger(struct process *p, const struct wp_snapshot *snapshot)
{
    char directory[1024], path[1100], error[512] = "";
    if (snapshot->general.disable_spend_logs)
        return true;
    if (!wp_process_state_dir(p->options->state_dir, snapshot->general.state_dir, directory,
                              sizeof(directory)))
        return false;
    snprintf(path, sizeof(path), "%s/ledger.sqlite3", directory);
    snprintf(p->saved_path, sizeof(p->saved_path), "%s/cache-state", directory);
    const struct wp_ledger_config config = {
        .path = wp_view_of(path),
        .retention_days = snapshot->general.retention_days,
    };
    if (wp_ledger_open(&config, &p->ledger, error, sizeof(error)) == WP_OK)
        return true;
    fprintf(stderr, "warmpath: the ledger could not be opened: %s\n", error);
    return false;
}

// What an earlier process knew of the caches. Without it everything is learnt anew, so that nothing
// here is an error.
static void restore_state(struct process *p, const struct wp_snapshot *snapshot)
{
    if (p->saved_path[0] == '\0' || !snapshot->general.store_cache_state)
        return;
    struct wp_buf saved = wp_buf_make(WP_SAVED_MAX);
    if (!wp_saved_read(p->saved_path, &saved)) {
        if (errno != ENOENT)
            wp_log(WP_LOG_WARN, "cache",
                   "%s cannot be read (%s): where prompts are cached is "
                   "learnt anew",
                   p->saved_path, strerror(errno));
    } else if (wp_gateway_restore(p->gateway, wp_buf_view(&saved)) != WP_OK) {
        wp_log(WP_LOG_WARN, "cache",
               "%s is damaged or of another version: where prompts are "
               "cached is learnt anew",
               p->saved_path);
    }
    wp_buf_free(&saved);
}

static bool keeps_state(const struct process *p)
{
    struct wp_runtime *runtime = wp_gateway_runtime(p->gateway);
    bool keeps =
        p->saved_path[0] != '\0' && runtime != NULL && runtime->snapshot->general.store_cache_state;
    wp_runtime_unref(runtime);
    return keeps;
}

// Nothing new, nothing to write; but what was planned may since have begun and ended (`last`).
static void save_state(struct process *p, bool last)
{
    struct wp_router_totals totals;
    wp_router_totals(p->gateway->router, &totals);
    if (!keeps_state(p) || totals.plans == 0 || (totals.plans == p->saved_plans && !last))
        return;
    struct wp_buf saved = wp_buf_make(WP_SAVED_MAX);
    if (!wp_gateway_save(p->gateway, &saved))
        wp_log(WP_LOG_WARN, "cache", "no memory to write down what is cached where");
    else if (!wp_saved_write(p->saved_path, wp_buf_view(&saved)))
        wp_log(WP_LOG_WARN, "cache", "%s cannot be written: %s", p->saved_path, strerror(errno));
    else
        p->saved_plans = totals.plans;
    wp_buf_free(&saved);
}

struct wp_table_sources wp_process_tables(const char *models_file, const char *betas_file)
{
    return (struct wp_table_sources){
        .models_json = wp_embedded("data/models.json"),
        .betas_json = wp_embedded("data/betas.json"),
        .models_file = wp_view_of(models_file),
        .betas_file = wp_view_of(betas_file),
    };
}

static bool create_gateway(struct process *p, struct wp_snapshot *snapshot)
{
    char error[512] = "";
    const struct wp_gateway_options options = {
        .tables = wp_process_tables(p->options->models_file, p->options->betas_file),
        .cache_json = wp_embedded("data/cache.json"),
        .ledger = p->ledger,
        .version = WP_VERSION,
    };
    bool made = wp_gateway_create(&options, &p->gateway, error, sizeof(error)) == WP_OK;
    if (made)
        restore_state(p, snapshot);
    if (!made || wp_gateway_configure(p->gateway, snapshot, error, sizeof(error)) != WP_OK) {
        fprintf(stderr, "warmpath: %s\n", error);
        return false;
    }
    struct wp_admin_config admin = {.gateway = p->gateway};
    admin.assets = wp_embedded_assets(&admin.asset_count);
    p->admin = wp_admin_create(&admin);
    wp_routes_add(&p->routes, wp_gateway_routes, wp_gateway_route_count);
    wp_routes_add(&p->routes, wp_admin_routes, wp_admin_route_count);
    return true;
}

static void take(uint32_t configured, uint32_t *limit)
{
    if (configured > 0)
        *limit = configured;
}

static void apply_limits(const struct wp_general_settings *general, struct wp_crew_config *config)
{
    const struct wp_listen_settings *listen = &general->listen;
    struct wp_server_limits *limits = &config->limits;
    wp_server_limits_default(limits);
    wp_client_config_default(&config->client);
    take(listen->head_timeout_ms, &limits->head_timeout_ms);
    take(listen->body_idle_ms, &limits->body_idle_ms);
    take(listen->body_rate_min, &limits->body_rate_min);
    take(listen->idle_timeout_ms, &limits->idle_timeout_ms);
    take(listen->write_idle_ms, &limits->write_idle_ms);
    take(listen->tls_handshake_ms, &limits->tls_handshake_ms);
    take(listen->connections_max, &limits->connections_max);
    if (listen->head_bytes_max > 0)
        limits->head_max = listen->head_bytes_max;
    if (listen->header_count_max > 0)
        limits->header_count_max = listen->header_count_max;
    if (listen->upstream_head_bytes_max > 0)
        config->client.head_max = listen->upstream_head_bytes_max;
    if (general->max_request_bytes > 0)
        limits->body_max = general->max_request_bytes;
    limits->connections_max = connections_per_worker(config->workers, limits->connections_max);
}

// What only the files that the configuration names can tell.
static enum wp_err read_tls(struct process *p, const struct wp_snapshot *snapshot,
                            struct wp_diagnostics *diagnostics)
{
    char error[512] = "";
    const struct wp_general_settings *general = &snapshot->general;
    enum wp_err err = wp_crew_read_tls(p->crew, general->tls_certificate_file,
                                       general->tls_key_file, error, sizeof(error));
    if (err != WP_OK)
        wp_config_add_tls_problem(diagnostics, snapshot, error);
    return err;
}

static bool start_crew(struct process *p, const struct wp_snapshot *snapshot)
{
    char error[512] = "";
    struct wp_crew_config config = {
        .gateway = p->gateway,
        .routes = &p->routes,
        .host = wp_view_of(p->options->host),
        .port = (uint16_t)p->options->port,
        .tls_certificate_file = snapshot->general.tls_certificate_file,
        .tls_key_file = snapshot->general.tls_key_file,
        .workers = p->options->workers,
        .drain_ms = p->options->drain_s * 1000,
    };
    apply_limits(&snapshot->general, &config);
    config.client.ca_file = wp_view_of(p->options->ca_file);
    if (wp_crew_start(&config, &p->crew, error, sizeof(error)) == WP_OK)
        return true;
    fprintf(stderr, "warmpath: cannot listen on %s:%u: %s\n", p->options->host, p->options->port,
            error);
    return false;
}

// A bad file leaves the configuration in force; a good one moves no running stream.
static void reload(struct process *p)
{
    char error[512] = "";
    struct wp_snapshot *snapshot = NULL;
    if (p->options->config_path == NULL) {
        wp_log(WP_LOG_WARN, "config", "there is no file to reload");
        return;
    }
    struct wp_diagnostics diagnostics;
    wp_diagnostics_init(&diagnostics);
    enum wp_err err = wp_config_load_file(p->options->config_path, &diagnostics, &snapshot);
    if (err == WP_OK)
        err = read_tls(p, snapshot, &diagnostics);
    wp_process_print(&diagnostics);
    wp_diagnostics_clear(&diagnostics);
    if (err == WP_OK && !exposure_allowed(snapshot, p->options))
        err = WP_ERR_INVALID;
    if (err == WP_OK)
        err = wp_gateway_configure(p->gateway, snapshot, error, sizeof(error));
    wp_snapshot_unref(snapshot);
    if (err != WP_OK) {
        wp_log(WP_LOG_ERROR, "config", "reload of %s failed, the old configuration stays%s%s",
               p->options->config_path, error[0] != '\0' ? ": " : "", error);
        return;
    }
    wp_crew_use_tls(p->crew);
    wp_log(WP_LOG_INFO, "config", "reloaded %s", p->options->config_path);
}

// Waits for signals until the workers have ended.
static void supervise(struct process *p)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    bool draining = false;
    while (!wp_crew_finished(p->crew)) {
        const struct timespec step = {draining ? 0 : SAVE_EVERY_S, draining ? 20000000 : 0};
        int signum = sigtimedwait(&set, NULL, &step);
        if (signum < 0 && !draining) {
            save_state(p, false);
        } else if (signum == SIGHUP) {
            reload(p);
        } else if (signum == SIGTERM || signum == SIGINT) {
            wp_log(WP_LOG_INFO, "serve", "%s: %s", signum == SIGTERM ? "SIGTERM" : "SIGINT",
                   draining ? "stopping at once" : "finishing what runs, then stopping");
            if (!draining)
                save_state(p, false); // who takes over may start before the last stream has ended
            draining = true;
            wp_crew_drain(p->crew);
        }
    }
}

static void cleanup(struct process *p)
{
    if (p->crew != NULL) {
        wp_crew_join(p->crew);
        save_state(p, true);
    }
    wp_admin_destroy(p->admin);
    wp_gateway_destroy(p->gateway);
    if (p->ledger != NULL)
        wp_ledger_close(p->ledger);
}

int wp_process_run(struct wp_snapshot *snapshot, const struct wp_process_options *options)
{
    struct process p = {.options = options};
    raise_descriptor_limit();
    limit_cores();
    return_memory();
    widen_thread_pool();
    bool ok = exposure_allowed(snapshot, options) && open_ledger(&p, snapshot) &&
              create_gateway(&p, snapshot) && start_crew(&p, snapshot);
    wp_snapshot_unref(snapshot);
    if (ok) {
        if (options->ready != NULL)
            options->ready(options->ready_arg, wp_crew_port(p.crew));
        wp_alloc_trim();
        wp_pages_release();
        supervise(&p);
    }
    cleanup(&p);
    return ok ? 0 : 1;
}
