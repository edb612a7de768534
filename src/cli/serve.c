#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/process.h"

static struct {
    const char *config, *host, *state_dir, *models, *betas, *ca_file, *log_level;
    uint32_t port, workers, drain_s;
    bool log_json, debug;
} args = {.host = "127.0.0.1", .port = 4000, .drain_s = 30, .log_level = "info"};

static const struct wp_option OPTIONS[] = {
    {"--config", "-c", "FILE", WP_OPTION_TEXT, &args.config, 0, 0,
     "LiteLLM config.yaml (or WARMPATH_CONFIG)"},
    {"--port", "-p", "N", WP_OPTION_NUMBER, &args.port, 0, 65535, "port (4000; 0: any free one)"},
    {"--host", NULL, "ADDR", WP_OPTION_TEXT, &args.host, 0, 0, "address to listen on (127.0.0.1)"},
    {"--num_workers", "--workers", "N", WP_OPTION_NUMBER, &args.workers, 1, 64,
     "worker threads (one per processor, at most 8)"},
    {"--state-dir", NULL, "DIR", WP_OPTION_TEXT, &args.state_dir, 0, 0,
     "where the ledger lives (XDG state directory)"},
    {"--drain-seconds", NULL, "N", WP_OPTION_NUMBER, &args.drain_s, 0, 3600,
     "how long streams may run on after SIGTERM (30)"},
    {"--models", NULL, "FILE", WP_OPTION_TEXT, &args.models, 0, 0,
     "prices and model facts over the built-in table and models_file"},
    {"--betas", NULL, "FILE", WP_OPTION_TEXT, &args.betas, 0, 0,
     "beta and field rules over the built-in table and betas_file"},
    {"--ca-file", NULL, "FILE", WP_OPTION_TEXT, &args.ca_file, 0, 0,
     "certificates to trust upstream (the system's)"},
    {"--log-level", NULL, "LEVEL", WP_OPTION_TEXT, &args.log_level, 0, 0,
     "error, warn, info or debug (info)"},
    {"--log-json", NULL, NULL, WP_OPTION_FLAG, &args.log_json, 0, 0, "log lines as JSON"},
    {"--detailed_debug", NULL, NULL, WP_OPTION_FLAG, &args.debug, 0, 0,
     "same as --log-level debug"},
};

static bool log_level(enum wp_log_level *out)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++) {
        if (wp_view_is(wp_view_of(args.log_level), names[i])) {
            *out = args.debug ? WP_LOG_DEBUG : (enum wp_log_level)i;
            return true;
        }
    }
    fprintf(stderr, "warmpath serve: --log-level is error, warn, info or debug, not \"%s\"\n",
            args.log_level);
    return false;
}

static uint32_t default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors > 8 ? 8 : (uint32_t)processors;
}

static void ready(void *arg, uint16_t port)
{
    const struct wp_snapshot *snapshot = arg;
    const char *scheme = snapshot->general.tls_certificate_file.len > 0 ? "https" : "http";
    wp_log(WP_LOG_INFO, "serve",
           "listening on %s://%s:%u with %zu deployment%s, console at %s://%s:%u/ui/", scheme,
           args.host, port, snapshot->deployment_count, snapshot->deployment_count == 1 ? "" : "s",
           scheme, args.host, port);
}

static int run(int argc, char **argv)
{
    int positional;
    enum wp_log_level level;
    struct wp_snapshot *snapshot = NULL;
    int result = wp_options_parse(&wp_command_serve, OPTIONS, WP_COUNT_OF(OPTIONS), argc, argv,
                                  &positional, 1);
    if (result >= 0)
        return result;
    if (!log_level(&level))
        return 2;
    if (args.config == NULL)
        args.config = positional == 1 ? argv[1] : getenv("WARMPATH_CONFIG");
    if (args.config == NULL) {
        fputs("warmpath serve: no configuration. Give one with --config FILE, or try the demo: "
              "warmpath demo\n",
              stderr);
        return 2;
    }
    wp_log_init(level, args.log_json, STDERR_FILENO);
    wp_process_block_signals();
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    enum wp_err err = wp_config_load_file(args.config, diagnostics, &snapshot);
    wp_process_print(diagnostics);
    wp_diagnostics_free(diagnostics);
    if (err != WP_OK)
        return 1;
    const struct wp_process_options options = {
        .config_path = args.config,
        .host = args.host,
        .port = args.port,
        .workers = args.workers != 0 ? args.workers : default_workers(),
        .drain_s = args.drain_s,
        .state_dir = args.state_dir,
        .models_file = args.models,
        .betas_file = args.betas,
        .ca_file = args.ca_file,
        .ready = ready,
        .ready_arg = snapshot,
    };
    return wp_process_run(snapshot, &options);
}

const struct wp_command wp_command_serve = {
    .name = "serve",
    .arguments = "[FILE]",
    .summary = "run the gateway",
    .details = "  warmpath serve --config config.yaml --port 4000\n"
               "  warmpath serve --config config.yaml --host 0.0.0.0 --num_workers 4\n\n"
               "SIGHUP reads the configuration again, SIGTERM finishes what runs and stops; a "
               "second\nSIGTERM stops at once.",
    .run = run,
};
