#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/process.h"
#include "net/tls.h"

// What only the files that the configuration names can tell.
static void check_certificate(const struct wp_snapshot *snapshot,
                              struct wp_diagnostics *diagnostics)
{
    struct wp_tls_context *context = NULL;
    char error[512] = "";
    if (snapshot->general.tls_certificate_file.len == 0)
        return;
    enum wp_err err =
        wp_tls_server_create(snapshot->general.tls_certificate_file, snapshot->general.tls_key_file,
                             &context, error, sizeof(error));
    wp_tls_context_unref(context);
    if (err != WP_OK)
        wp_config_add_tls_problem(diagnostics, snapshot, error);
}

static size_t check_tables(const struct wp_snapshot *snapshot, const char *file)
{
    struct wp_table_sources sources = wp_process_tables(NULL, NULL);
    struct wp_model_table *models;
    struct wp_provider_tables *tables;
    char error[512] = "";
    sources.models_file = snapshot->general.models_file;
    sources.betas_file = snapshot->general.betas_file;
    enum wp_err err = wp_tables_load(&sources, &models, &tables, error, sizeof(error));
    wp_provider_tables_free(tables);
    wp_model_table_free(models);
    if (err == WP_OK)
        return 0;
    fprintf(stderr, "%s: error: general_settings.models_file, betas_file: %s\n", file, error);
    return 1;
}

static int run(int argc, char **argv)
{
    int positional;
    struct wp_snapshot *snapshot = NULL;
    int result = wp_options_parse(&wp_command_check, NULL, 0, argc, argv, &positional, 1);
    if (result >= 0)
        return result;
    if (positional != 1) {
        fputs("warmpath check: which file? warmpath check config.yaml\n", stderr);
        return 2;
    }
    wp_log_init(WP_LOG_ERROR, false, STDERR_FILENO);
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    enum wp_err err = wp_config_load_file(argv[1], diagnostics, &snapshot);
    if (err == WP_OK)
        check_certificate(snapshot, diagnostics);
    wp_process_print(diagnostics);
    size_t errors = diagnostics->errors, warnings = diagnostics->warnings;
    wp_diagnostics_free(diagnostics);
    if (err == WP_OK) {
        struct wp_buf out = wp_buf_make(64 * 1024 * 1024);
        wp_config_describe(snapshot, &out);
        fwrite(out.ptr, 1, out.len, stdout);
        wp_buf_free(&out);
        errors += check_tables(snapshot, argv[1]);
        if (snapshot->general.master_key.len == 0)
            puts("no general_settings.master_key: only loopback addresses would be served");
    }
    wp_snapshot_unref(snapshot);
    printf("%s: %zu error%s, %zu warning%s\n", argv[1], errors, errors == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s");
    return errors == 0 ? 0 : 1;
}

const struct wp_command wp_command_check = {
    .name = "check",
    .arguments = "FILE",
    .summary = "check a configuration and show its deployments",
    .details = "  warmpath check config.yaml\n\n"
               "Prints every problem with file, line and column, then the deployments with their "
               "ids.\nExit status 0 if the gateway would start with it, 1 if not.",
    .run = run,
};

static int run_reference(int argc, char **argv)
{
    int positional;
    int result = wp_options_parse(&wp_command_reference, NULL, 0, argc, argv, &positional, 0);
    if (result >= 0)
        return result;
    struct wp_buf out = wp_buf_make(4 * 1024 * 1024);
    wp_config_write_reference(&out);
    fwrite(out.ptr, 1, out.len, stdout);
    wp_buf_free(&out);
    return 0;
}

const struct wp_command wp_command_reference = {
    .name = "reference",
    .arguments = "",
    .summary = "print the configuration reference (docs/configuration.md)",
    .details = "  warmpath reference > docs/configuration.md",
    .run = run_reference,
};
