// A whole gateway in the test's process: one worker on a thread of its own, the simulated provider
// on another, a ledger in a scratch directory, and a client made of blocking sockets.
#ifndef WP_TESTS_SUPPORT_GATEWAY_H
#define WP_TESTS_SUPPORT_GATEWAY_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/alloc.h"
#include "base/log.h"
#include "config/load.h"
#include "gateway/worker.h"
#include "sim/sim.h"
#include "tests/support/test.h"

#define TEST_MASTER_KEY "sk-test-master-key"

struct test_loop {
    struct wp_loop *loop;
    pthread_t thread;
};

struct test_gateway {
    struct test_loop gateway_loop, sim_loop;
    struct wp_sim_account_config accounts[2];
    struct wp_sim *sim;
    uint16_t sim_port, port;
    char directory[64], ledger_path[96];
    char *models, *betas, *cache;
    struct wp_ledger *ledger;
    struct wp_gateway *gateway;
    struct wp_admin *admin;
    struct wp_route_table routes;
    struct wp_worker worker;
};

static inline void *test_loop_main(void *arg)
{
    wp_loop_run(((struct test_loop *)arg)->loop);
    return NULL;
}

static inline void test_loop_start(struct test_loop *loop)
{
    assert_int_equal(pthread_create(&loop->thread, NULL, test_loop_main, loop), 0);
}

static inline void test_loop_ended(void *arg)
{
    wp_loop_stop(((struct test_loop *)arg)->loop);
}

// Calls fn(arg) on the loop's thread and waits for it.
struct test_call {
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool over;
};

static inline void test_call_run(void *arg)
{
    struct test_call *call = arg;
    call->fn(call->arg);
    pthread_mutex_lock(&call->lock);
    call->over = true;
    pthread_cond_signal(&call->done);
    pthread_mutex_unlock(&call->lock);
}

static inline void test_on_loop(struct wp_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct test_call call = {
        .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    assert_ok(wp_loop_post(loop, test_call_run, &call));
    pthread_mutex_lock(&call.lock);
    while (!call.over)
        pthread_cond_wait(&call.done, &call.lock);
    pthread_mutex_unlock(&call.lock);
}

static inline struct wp_snapshot *test_snapshot(const struct test_gateway *t, const char *settings)
{
    // In "ordered" the first account comes first; the others leave it to the router.
    static const char *const groups[] = {"bedrock", "anthropic", "ordered"};
    struct wp_buf text = wp_buf_make(64 * 1024);
    struct wp_snapshot *snapshot = NULL;
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    wp_buf_append_cstring(&text, "model_list:\n");
    for (size_t i = 0; i < 6; i++) {
        const struct wp_sim_account_config *account = &t->accounts[i % 2];
        wp_buf_printf(&text, "  - model_name: %s\n    litellm_params:\n", groups[i / 2]);
        if (i / 2 == 2)
            wp_buf_printf(&text, "      order: %zu\n", i);
        if (i / 2 != 1)
            wp_buf_printf(&text,
                          "      model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                          "      aws_access_key_id: %s\n      aws_secret_access_key: %s\n"
                          "      aws_region_name: us-west-2\n"
                          "      aws_bedrock_runtime_endpoint: http://127.0.0.1:%u\n",
                          account->access_key_id, account->secret_access_key, t->sim_port);
        else
            wp_buf_printf(&text,
                          "      model: anthropic/claude-sonnet-4-5\n      api_key: %s\n"
                          "      api_base: http://127.0.0.1:%u\n",
                          account->api_key, t->sim_port);
    }
    wp_buf_append_cstring(&text, settings);
    enum wp_err err =
        wp_config_load_text(wp_buf_view(&text), WP_VIEW("test"), diagnostics, &snapshot);
    wp_buf_clear(&text);
    wp_diagnostics_print(diagnostics, &text);
    if (err != WP_OK)
        print_error("%.*s\n", WP_VIEW_ARG(wp_buf_view(&text)));
    assert_ok(err);
    wp_buf_free(&text);
    wp_diagnostics_free(diagnostics);
    return snapshot;
}

static inline void test_sim_start(struct test_gateway *t)
{
    char error[256] = "";
    wp_sim_default_accounts(t->accounts, 2);
    const struct wp_sim_config config = {
        .host = "127.0.0.1", .accounts = t->accounts, .account_count = 2};
    assert_ok(wp_loop_create(&t->sim_loop.loop));
    assert_ok(wp_sim_start(t->sim_loop.loop, &config, &t->sim, error, sizeof(error)));
    t->sim_port = wp_sim_port(t->sim);
    test_loop_start(&t->sim_loop);
}

// `settings`: YAML after the model list, with general_settings.
static inline void test_gateway_start(struct test_gateway *t, const char *settings)
{
    char error[512] = "";
    *t = (struct test_gateway){.port = 0};
    wp_log_init(WP_LOG_ERROR, false, STDERR_FILENO);
    test_sim_start(t);
    snprintf(t->directory, sizeof(t->directory), "/tmp/warmpath-test-XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    snprintf(t->ledger_path, sizeof(t->ledger_path), "%s/ledger.sqlite3", t->directory);
    const struct wp_ledger_config ledger = {.path = wp_view_of(t->ledger_path), .batch_ms = 5};
    assert_ok(wp_ledger_open(&ledger, &t->ledger, error, sizeof(error)));
    t->models = test_read_file(WP_SOURCE_DIR "/data/models.json", NULL);
    t->betas = test_read_file(WP_SOURCE_DIR "/data/betas.json", NULL);
    t->cache = test_read_file(WP_SOURCE_DIR "/data/cache.json", NULL);
    const struct wp_gateway_options options = {.tables.models_json = wp_view_of(t->models),
                                               .tables.betas_json = wp_view_of(t->betas),
                                               .cache_json = wp_view_of(t->cache),
                                               .ledger = t->ledger,
                                               .version = "test"};
    assert_ok(wp_gateway_create(&options, &t->gateway, error, sizeof(error)));
    struct wp_snapshot *snapshot = test_snapshot(t, settings);
    assert_ok(wp_gateway_configure(t->gateway, snapshot, error, sizeof(error)));
    wp_snapshot_unref(snapshot);
    t->admin = wp_admin_create(&(struct wp_admin_config){.gateway = t->gateway});
    wp_routes_add(&t->routes, wp_gateway_routes, wp_gateway_route_count);
    wp_routes_add(&t->routes, wp_admin_routes, wp_admin_route_count);
    struct wp_client_config client;
    wp_client_config_default(&client);
    t->worker = (struct wp_worker){.gateway = t->gateway, .routes = &t->routes};
    assert_ok(wp_loop_create(&t->gateway_loop.loop));
    t->worker.loop = t->gateway_loop.loop;
    assert_ok(wp_client_create(t->worker.loop, &client, &t->worker.client));
    struct wp_server_config server = {
        .host = WP_VIEW("127.0.0.1"), .handler = &wp_front_handler, .context = &t->worker};
    wp_server_limits_default(&server.limits);
    assert_ok(wp_server_start(t->worker.loop, &server, &t->worker.server, error, sizeof(error)));
    t->port = wp_server_port(t->worker.server);
    test_loop_start(&t->gateway_loop);
}

static inline void test_drain_gateway(void *arg)
{
    struct test_gateway *t = arg;
    wp_server_drain(t->worker.server, 1000, test_loop_ended, &t->gateway_loop);
}

static inline void test_stop_sim(void *arg)
{
    struct test_gateway *t = arg;
    wp_sim_stop(t->sim, test_loop_ended, &t->sim_loop);
}

static inline void test_gateway_stop(struct test_gateway *t)
{
    char command[160];
    assert_ok(wp_loop_post(t->worker.loop, test_drain_gateway, t));
    pthread_join(t->gateway_loop.thread, NULL);
    wp_server_destroy(t->worker.server);
    wp_client_destroy(t->worker.client);
    wp_loop_destroy(t->worker.loop);
    wp_admin_destroy(t->admin);
    wp_gateway_destroy(t->gateway);
    wp_ledger_close(t->ledger);
    assert_ok(wp_loop_post(t->sim_loop.loop, test_stop_sim, t));
    pthread_join(t->sim_loop.thread, NULL);
    wp_sim_free(t->sim);
    wp_loop_destroy(t->sim_loop.loop);
    free(t->models);
    free(t->betas);
    free(t->cache);
    snprintf(command, sizeof(command), "rm -rf '%s'", t->directory);
    assert_int_equal(system(command), 0);
}

// One exchange over a connection of its own. -----------------------------------------------------

struct test_answer {
    int status; // 0: the connection was closed without a head
    bool whole; // ended as its framing says
    size_t len;
    char text[256 * 1024]; // NUL-terminated
};

static inline int test_dial(uint16_t port)
{
    const struct timeval patience = {20, 0};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline bool test_is_whole(const struct test_answer *answer)
{
    const char *body = strstr(answer->text, "\r\n\r\n"), *length;
    if (body == NULL)
        return false;
    if (strstr(answer->text, "Transfer-Encoding: chunked") != NULL)
        return answer->len >= 5 && memcmp(answer->text + answer->len - 5, "0\r\n\r\n", 5) == 0;
    length = strstr(answer->text, "Content-Length: ");
    size_t have = answer->len - (size_t)(body + 4 - answer->text);
    return length == NULL ? have == 0 : have == strtoul(length + 16, NULL, 10);
}

// Sends the bytes and reads until the server closes.
static inline void test_exchange(uint16_t port, const char *request, size_t len,
                                 struct test_answer *out)
{
    int fd = test_dial(port);
    out->len = 0;
    for (size_t at = 0; at < len;) {
        ssize_t sent = send(fd, request + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            break; // refused early: what was said is read below
        at += (size_t)sent;
    }
    for (;;) {
        ssize_t got = recv(fd, out->text + out->len, sizeof(out->text) - 1 - out->len, 0);
        if (got < 0 && errno == EAGAIN)
            fail_msg("the gateway neither answers nor closes");
        if (got <= 0)
            break;
        out->len += (size_t)got;
    }
    close(fd);
    out->text[out->len] = '\0';
    out->status = out->len > 12 ? (int)strtol(out->text + 9, NULL, 10) : 0;
    out->whole = test_is_whole(out);
}

// A request with the key and "Connection: close". `extra`: further header lines.
static inline void test_ask(uint16_t port, const char *method, const char *path, const char *extra,
                            const char *body, struct test_answer *out)
{
    size_t size = strlen(body) + strlen(extra) + 1024;
    char *request = malloc(size);
    assert_non_null(request);
    int len = snprintf(request, size,
                       "%s %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
                       method, path, strlen(body), extra, body);
    test_exchange(port, request, (size_t)len, out);
    free(request);
}

#endif
