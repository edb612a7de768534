// Whole exchanges: one input says what the client sends, what the upstream answers, in which order,
// in which pieces, and who leaves when. Whatever comes: what the gateway says to either side is
// HTTP/1.1, and when both are gone nothing is left of the exchange.
//
// Input: operations. The low three bits of the first byte say what (see `enum`), the upper five
// and, for the two that send, the next byte say how much.
#include "fuzz/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/load.h"
#include "gateway/worker.h"
#include "http/message.h"

enum operation {
    CLIENT_SAYS,
    UPSTREAM_SAYS,
    CLIENT_SAYS_MUCH, // in steps of 16 bytes
    UPSTREAM_SAYS_MUCH,
    CLIENT_FINISHES, // FIN
    CLIENT_LEAVES,   // RST, then another client comes
    UPSTREAM_LEAVES, // even: FIN, odd: RST
    TURNS,           // of the loop, without anything said
};

enum { UPSTREAMS = 16, HEARD_MAX = 4 * 1024 * 1024, PATIENCE_MS = 20000 };

static struct wp_gateway *gateway;
static struct wp_worker worker;
static struct wp_route_table routes;
static int listener;
static uint16_t upstream_port;

static struct drive {
    wp_view script;
    int client, upstream[UPSTREAMS];
    size_t upstream_count, turns;
    struct wp_buf client_sent, client_heard, upstream_heard;
    bool ending;
    int64_t deadline_ms;
} drive;

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 64) == 0);
    FUZZ_CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static wp_view file_text(const char *path)
{
    static char text[1024 * 1024];
    static size_t used;
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file != NULL);
    size_t len = fread(text + used, 1, sizeof(text) - used, file);
    fclose(file);
    used += len;
    return wp_view_make(text + used - len, len);
}

static struct wp_snapshot *configuration(void)
{
    char text[2048];
    struct wp_snapshot *snapshot = NULL;
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    snprintf(
        text, sizeof(text),
        "router_settings: {num_retries: 0, disable_cooldowns: true, retry_budget: 100}\n"
        "general_settings: {max_request_size_mb: 1}\n"
        "model_list:\n"
        "- model_name: a\n"
        "  litellm_params: {model: anthropic/a, api_base: 'http://127.0.0.1:%u', api_key: k}\n"
        "- model_name: b\n"
        "  litellm_params: {model: bedrock/invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0,"
        " aws_bedrock_runtime_endpoint: 'http://127.0.0.1:%u', api_key: k,"
        " aws_region_name: us-west-2}\n",
        upstream_port, upstream_port);
    if (wp_config_load_text(wp_view_of(text), WP_VIEW("fuzz"), diagnostics, &snapshot) != WP_OK) {
        struct wp_buf out = wp_buf_make(65536);
        wp_diagnostics_print(diagnostics, &out);
        fprintf(stderr, "%.*s\n", WP_VIEW_ARG(wp_buf_view(&out)));
        abort();
    }
    wp_diagnostics_free(diagnostics);
    return snapshot;
}

static void set_up(void)
{
    char error[512] = "";
    const struct wp_gateway_options options = {
        .tables.models_json = file_text(WP_SOURCE_DIR "/data/models.json"),
        .tables.betas_json = file_text(WP_SOURCE_DIR "/data/betas.json"),
        .cache_json = file_text(WP_SOURCE_DIR "/data/cache.json"),
        .version = "fuzz",
    };
    struct wp_client_config client;
    struct wp_server_config server = {
        .host = WP_VIEW("127.0.0.1"), .handler = &wp_front_handler, .context = &worker};
    wp_log_init(WP_LOG_ERROR, false, 2);
    listener = listen_anywhere(&upstream_port);
    struct wp_snapshot *snapshot = configuration();
    FUZZ_CHECK(wp_gateway_create(&options, &gateway, error, sizeof(error)) == WP_OK);
    FUZZ_CHECK(wp_gateway_configure(gateway, snapshot, error, sizeof(error)) == WP_OK);
    wp_snapshot_unref(snapshot);
    wp_routes_add(&routes, wp_gateway_routes, wp_gateway_route_count);
    worker = (struct wp_worker){.gateway = gateway, .routes = &routes};
    wp_client_config_default(&client);
    wp_server_limits_default(&server.limits);
    server.limits.body_max = 1024 * 1024;
    FUZZ_CHECK(wp_loop_create(&worker.loop) == WP_OK);
    FUZZ_CHECK(wp_client_create(worker.loop, &client, &worker.client) == WP_OK);
    FUZZ_CHECK(wp_server_start(worker.loop, &server, &worker.server, error, sizeof(error)) ==
               WP_OK);
}

// The peers ------------------------------------------------------------------------------------

static void reset(int *fd)
{
    const struct linger hard = {1, 0};
    if (*fd < 0)
        return;
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(*fd);
    *fd = -1;
}

// libFuzzer's alarm, each half of its -timeout, may interrupt it: then it goes on by itself.
static bool connected(int fd, const struct sockaddr_in *address)
{
    while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno != EISCONN)
        if (errno != EINTR && errno != EALREADY)
            return false;
    return true;
}

static void client_comes(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(wp_server_port(worker.server))};
    drive.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(drive.client >= 0);
    FUZZ_CHECK(connected(drive.client, &address));
}

static void say(int fd, wp_view bytes)
{
    while (fd >= 0 && bytes.len > 0) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            return; // the peer has gone, or takes nothing more
        bytes = wp_view_skip(bytes, (size_t)sent);
    }
}

static void hear(int fd, struct wp_buf *heard)
{
    char bytes[16384];
    ssize_t got;
    while (fd >= 0 && (got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        wp_buf_append(heard, wp_view_make(bytes, (size_t)got));
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (drive.upstream_count == UPSTREAMS)
            reset(&fd);
        else
            drive.upstream[drive.upstream_count++] = fd;
    }
}

// Each side must be HTTP/1.1 from the first byte on; a cut end is no fault.
static bool on_head(void *arg, struct wp_message *message)
{
    (void)arg;
    (void)message;
    return true;
}

static void on_body(void *arg, wp_view bytes)
{
    (void)arg;
    (void)bytes;
}

static void on_complete(void *arg)
{
    (void)arg;
}

static void check_http(struct wp_buf *heard, bool requests)
{
    static const struct wp_message_events events = {on_head, on_body, on_complete};
    struct wp_message message;
    struct wp_arena *arena = wp_arena_create(0);
    wp_view rest = wp_buf_view(heard);
    wp_message_init(&message, requests, &events, NULL, 1024 * 1024, 1000);
    wp_message_begin(&message, arena);
    while (rest.len > 0) {
        size_t used = 0;
        enum wp_err err = wp_message_feed(&message, rest, &used);
        if (err != WP_OK)
            fprintf(stderr, "%s at: %.*s\n", wp_err_info(err)->name,
                    WP_VIEW_ARG(wp_view_sub(rest, 0, 400)));
        FUZZ_CHECK(err == WP_OK);
        rest = wp_view_skip(rest, used);
        if (message.state == WP_MESSAGE_DONE)
            wp_message_begin(&message, arena);
    }
    wp_message_free(&message);
    wp_arena_destroy(arena);
    wp_buf_clear(heard);
}

static void check_client(void)
{
    // what answers HEAD cannot be told apart from an answer that is cut
    if (!wp_view_contains(wp_buf_view(&drive.client_sent), WP_VIEW("HEAD ")))
        check_http(&drive.client_heard, false);
    wp_buf_clear(&drive.client_heard);
    wp_buf_clear(&drive.client_sent);
}

static void upstream_leaves(bool hard)
{
    if (drive.upstream_count == 0)
        return;
    int fd = drive.upstream[--drive.upstream_count];
    hear(fd, &drive.upstream_heard);
    check_http(&drive.upstream_heard, true);
    if (hard)
        reset(&fd);
    else
        close(fd);
}

static wp_view take(size_t len)
{
    wp_view bytes = wp_view_sub(drive.script, 0, len);
    drive.script = wp_view_skip(drive.script, bytes.len);
    return bytes;
}

static void operate(void)
{
    uint8_t byte = fuzz_byte(&drive.script);
    size_t much = (size_t)(byte >> 3);
    switch ((enum operation)(byte & 7)) {
    case CLIENT_SAYS:
    case CLIENT_SAYS_MUCH: {
        size_t unit = (byte & 7) == CLIENT_SAYS ? 1 : 16;
        wp_view bytes = take((much << 8 | fuzz_byte(&drive.script)) * unit);
        wp_buf_append(&drive.client_sent, bytes);
        say(drive.client, bytes);
        break;
    }
    case UPSTREAM_SAYS:
    case UPSTREAM_SAYS_MUCH: {
        size_t unit = (byte & 7) == UPSTREAM_SAYS ? 1 : 16;
        wp_view bytes = take((much << 8 | fuzz_byte(&drive.script)) * unit);
        if (drive.upstream_count > 0)
            say(drive.upstream[drive.upstream_count - 1], bytes);
        break;
    }
    case CLIENT_FINISHES:
        shutdown(drive.client, SHUT_WR);
        break;
    case CLIENT_LEAVES:
        hear(drive.client, &drive.client_heard);
        reset(&drive.client);
        check_client();
        client_comes();
        break;
    case UPSTREAM_LEAVES:
        upstream_leaves((much & 1) != 0);
        break;
    case TURNS:
        drive.turns = much;
        break;
    }
}

static bool all_gone(void)
{
    size_t connections, requests;
    wp_server_counts(worker.server, &connections, &requests);
    return connections == 0 && requests == 0 && atomic_load(&gateway->counters.in_flight) == 0;
}

static void tell_what_is_left(void)
{
    size_t connections, requests;
    wp_server_counts(worker.server, &connections, &requests);
    fprintf(stderr, "left behind: %zu connections, %zu requests, %llu exchanges\n", connections,
            requests, (unsigned long long)atomic_load(&gateway->counters.in_flight));
    abort();
}

// One turn of the loop: something is said, or is waited for.
static void step(void *arg)
{
    (void)arg;
    accept_all();
    hear(drive.client, &drive.client_heard);
    for (size_t i = 0; i < drive.upstream_count; i++)
        if (drive.upstream_count == 1 || drive.ending)
            hear(drive.upstream[i], &drive.upstream_heard);
    if (drive.turns > 0) {
        drive.turns--;
    } else if (drive.script.len > 0) {
        operate();
        drive.turns = 3; // what was said is read, acted on and sent on
    } else if (!drive.ending) {
        drive.ending = true;
        drive.deadline_ms = wp_wall_ms() + PATIENCE_MS;
        hear(drive.client, &drive.client_heard);
        reset(&drive.client);
        check_client();
        while (drive.upstream_count > 0)
            upstream_leaves(true);
    } else {
        while (drive.upstream_count > 0)
            upstream_leaves(true);
        if (all_gone()) {
            wp_loop_stop(worker.loop);
            return;
        }
        if (wp_wall_ms() >= drive.deadline_ms)
            tell_what_is_left();
    }
    FUZZ_CHECK(wp_loop_post(worker.loop, step, NULL) == WP_OK); // next turn
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (gateway == NULL)
        set_up();
    drive = (struct drive){.script = fuzz_view(data, size),
                           .client_sent = wp_buf_make(HEARD_MAX),
                           .client_heard = wp_buf_make(HEARD_MAX),
                           .upstream_heard = wp_buf_make(HEARD_MAX)};
    client_comes();
    FUZZ_CHECK(wp_loop_post(worker.loop, step, NULL) == WP_OK);
    wp_loop_run(worker.loop);
    wp_buf_free(&drive.client_sent);
    wp_buf_free(&drive.client_heard);
    wp_buf_free(&drive.upstream_heard);
    return 0;
}
