// The gateway in front of two simulated Bedrock accounts: everything but the money is real.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/process.h"
#include "cli/simulated.h"

enum { DEMO_ACCOUNTS = 2 };

static struct {
    const char *host, *state_dir;
    uint32_t port, ttft_ms, event_ms;
} args = {.host = "127.0.0.1", .port = 4000, .ttft_ms = 250, .event_ms = 15};

static const struct wp_option OPTIONS[] = {
    {"--port", "-p", "N", WP_OPTION_NUMBER, &args.port, 0, 65535, "port (4000; 0: any free one)"},
    {"--host", NULL, "ADDR", WP_OPTION_TEXT, &args.host, 0, 0, "address to listen on (127.0.0.1)"},
    {"--state-dir", NULL, "DIR", WP_OPTION_TEXT, &args.state_dir, 0, 0,
     "where the ledger lives (XDG state directory, below demo)"},
    {"--ttft-ms", NULL, "N", WP_OPTION_NUMBER, &args.ttft_ms, 0, 60000,
     "the accounts' time to the first token (250)"},
    {"--event-ms", NULL, "N", WP_OPTION_NUMBER, &args.event_ms, 0, 60000,
     "the accounts' time between events (15)"},
};

#define DEMO_KEY "sk-warmpath-demo"

static void append_deployment(struct wp_buf *out, const char *group, const char *model,
                              const struct wp_sim_account_config *account, uint16_t port)
{
    wp_buf_printf(out,
                  "  - model_name: \"%s\"\n"
                  "    litellm_params:\n"
                  "      model: \"bedrock/%s\"\n"
                  "      aws_profile_name: %s\n"
                  "      aws_region_name: us-west-2\n"
                  "      aws_bedrock_runtime_endpoint: http://127.0.0.1:%u\n",
                  group, model, account->name, port);
}

static void write_config(struct wp_buf *out, const struct wp_sim_account_config *accounts,
                         uint16_t port)
{
    wp_buf_append_cstring(out, "router_settings:\n"
                               "  optional_pre_call_checks: [\"prompt_caching\"]\n"
                               "general_settings:\n"
                               "  master_key: " DEMO_KEY "\n"
                               // the simulated accounts' caches end with this process
                               "  store_cache_state: false\n"
                               "model_list:\n");
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
        append_deployment(out, "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                          "us.anthropic.claude-sonnet-4-5-20250929-v1:0", &accounts[i], port);
    // whatever name the client asks for by default
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
        append_deployment(out, "claude-*", "us.anthropic.claude-*", &accounts[i], port);
}

// The accounts' keys as AWS profiles, where the gateway looks for them; one's own AWS files are
// left out of it.
static bool write_profiles(const struct wp_sim_account_config *accounts, const char *directory)
{
    char path[1100];
    snprintf(path, sizeof(path), "%s/aws-credentials", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        fprintf(stderr, "warmpath: %s cannot be written: %s\n", path, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
        fprintf(file, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
                accounts[i].name, accounts[i].access_key_id, accounts[i].secret_access_key);
    bool written = fclose(file) == 0;
    return written && setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1) == 0 &&
           setenv("AWS_CONFIG_FILE", "/dev/null", 1) == 0;
}

static void ready(void *arg, uint16_t port)
{
    (void)arg;
    printf("\nWarmpath runs in front of two simulated Bedrock accounts: no keys, no costs.\n\n"
           "Point Claude Code at it, in another terminal:\n\n"
           "  export ANTHROPIC_BASE_URL=http://%s:%u ANTHROPIC_AUTH_TOKEN=" DEMO_KEY "\n"
           "  claude --model us.anthropic.claude-sonnet-4-5-20250929-v1:0\n\n"
           "or ask without it:\n\n"
           "  curl -s http://%s:%u/v1/messages -H 'x-api-key: " DEMO_KEY "' -H 'content-type: "
           "application/json' \\\n"
           "    -d '{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":100,\"messages\":[{\"role\":"
           "\"user\",\"content\":\"Hello\"}]}'\n\n"
           "Console: http://%s:%u/ui/#key=" DEMO_KEY "\n"
           "Stop with Ctrl-C.\n\n",
           args.host, port, args.host, port, args.host, port);
    fflush(stdout);
}

static int run_gateway(const struct wp_sim_account_config *accounts, uint16_t provider_port)
{
    char base[1024], directory[1032];
    struct wp_snapshot *snapshot = NULL;
    struct wp_buf text = wp_buf_make(64 * 1024);
    const wp_view none = {NULL, 0};
    if (!wp_process_state_dir(args.state_dir, none, base, sizeof(base)))
        return 1;
    snprintf(directory, sizeof(directory), "%s%s", base, args.state_dir == NULL ? "/demo" : "");
    if (!wp_process_state_dir(directory, none, base, sizeof(base)) ||
        !write_profiles(accounts, directory))
        return 1;
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    write_config(&text, accounts, provider_port);
    enum wp_err err =
        wp_config_load_text(wp_buf_view(&text), WP_VIEW("demo"), diagnostics, &snapshot);
    wp_process_print(diagnostics);
    wp_diagnostics_free(diagnostics);
    wp_buf_free(&text);
    if (err != WP_OK) {
        wp_snapshot_unref(snapshot);
        return 1;
    }
    const struct wp_process_options options = {
        .host = args.host,
        .port = args.port,
        .workers = 1,
        .drain_s = 5,
        .state_dir = directory,
        .ready = ready,
    };
    return wp_process_run(snapshot, &options);
}

static int run(int argc, char **argv)
{
    int positional;
    struct wp_sim_account_config accounts[DEMO_ACCOUNTS];
    int result = wp_options_parse(&wp_command_demo, OPTIONS, WP_COUNT_OF(OPTIONS), argc, argv,
                                  &positional, 0);
    if (result >= 0)
        return result;
    wp_log_init(WP_LOG_WARN, false, STDERR_FILENO);
    wp_process_block_signals();
    wp_sim_default_accounts(accounts, DEMO_ACCOUNTS);
    const struct wp_sim_config config = {
        .host = "127.0.0.1",
        .accounts = accounts,
        .account_count = DEMO_ACCOUNTS,
        .ttft_ms = args.ttft_ms,
        .event_ms = args.event_ms,
    };
    struct wp_simulated *simulated = wp_simulated_start(&config);
    if (simulated == NULL)
        return 1;
    int status = run_gateway(accounts, wp_simulated_port(simulated));
    wp_simulated_stop(simulated);
    return status;
}

const struct wp_command wp_command_demo = {
    .name = "demo",
    .arguments = "",
    .summary = "the gateway in front of two simulated accounts",
    .details =
        "  warmpath demo\n  warmpath demo --port 4001\n\n"
        "Real signatures, event streams and prompt caches; the answers are made up. To "
        "script\nthem, put this into a prompt: [[sim: Bash {\"command\":\"ls\"}; text done]]",
    .run = run,
};
