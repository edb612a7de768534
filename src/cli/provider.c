#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/simulated.h"

static struct {
    const char *host;
    uint32_t port, accounts, ttft_ms, event_ms;
    bool keep_bodies;
} args = {.host = "127.0.0.1", .port = 4100, .accounts = 2};

static const struct wp_option OPTIONS[] = {
    {"--port", "-p", "N", WP_OPTION_NUMBER, &args.port, 0, 65535, "port (4100; 0: any free one)"},
    {"--host", NULL, "ADDR", WP_OPTION_TEXT, &args.host, 0, 0, "address to listen on (127.0.0.1)"},
    {"--accounts", NULL, "N", WP_OPTION_NUMBER, &args.accounts, 1, 32, "simulated accounts (2)"},
    {"--ttft-ms", NULL, "N", WP_OPTION_NUMBER, &args.ttft_ms, 0, 600000,
     "time to the first event (0)"},
    {"--event-ms", NULL, "N", WP_OPTION_NUMBER, &args.event_ms, 0, 600000,
     "time between events (0: all at once)"},
    {"--keep-bodies", NULL, NULL, WP_OPTION_FLAG, &args.keep_bodies, 0, 0,
     "show request bodies in GET /_sim/state"},
};

static int run(int argc, char **argv)
{
    int positional;
    struct wp_sim_account_config accounts[WP_SIM_ACCOUNTS_MAX];
    int result = wp_options_parse(&wp_command_provider, OPTIONS, WP_COUNT_OF(OPTIONS), argc, argv,
                                  &positional, 0);
    if (result >= 0)
        return result;
    wp_log_init(WP_LOG_WARN, false, STDERR_FILENO);
    wp_simulated_block_signals();
    wp_sim_default_accounts(accounts, args.accounts);
    const struct wp_sim_config config = {
        .host = args.host,
        .port = (uint16_t)args.port,
        .accounts = accounts,
        .account_count = args.accounts,
        .ttft_ms = args.ttft_ms,
        .event_ms = args.event_ms,
        .keep_bodies = args.keep_bodies,
    };
    struct wp_simulated *simulated = wp_simulated_start(&config);
    if (simulated == NULL)
        return 1;
    printf("{\"port\":%u,\"accounts\":[", wp_simulated_port(simulated));
    for (uint32_t i = 0; i < args.accounts; i++)
        printf("%s{\"name\":\"%s\",\"aws_access_key_id\":\"%s\",\"aws_secret_access_key\":\"%s\","
               "\"bearer\":\"%s\",\"api_key\":\"%s\"}",
               i > 0 ? "," : "", accounts[i].name, accounts[i].access_key_id,
               accounts[i].secret_access_key, accounts[i].bearer, accounts[i].api_key);
    puts("]}");
    fflush(stdout);
    wp_simulated_wait_signal();
    wp_simulated_stop(simulated);
    return 0;
}

const struct wp_command wp_command_provider = {
    .name = "provider",
    .arguments = "",
    .summary = "run only the simulated provider (for tests)",
    .details =
        "  warmpath provider --port 4100 --accounts 2\n\n"
        "Speaks Bedrock and the Anthropic API with made-up accounts, which the first line "
        "of\noutput lists as JSON. GET /_sim/state shows what it received; POST /_sim/faults "
        "makes\nit misbehave.",
    .run = run,
};
