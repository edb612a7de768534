// What serve and demo share: the gateway as a process, from a loaded config to a clean end.
#ifndef WP_CLI_PROCESS_H
#define WP_CLI_PROCESS_H

#include "config/load.h"
#include "gateway/gateway.h"

struct wp_process_options {
    const char *config_path; // read again on SIGHUP; NULL: cannot be reloaded
    const char *host;
    uint32_t port;
    uint32_t workers;
    uint32_t drain_s;
    const char *state_dir; // NULL: the configuration's, else the XDG state directory
    const char *models_file,
        *betas_file;     // operator's tables, on top of the embedded ones; may be NULL
    const char *ca_file; // NULL: the system's
    // Called once when the gateway answers.
    void (*ready)(void *arg, uint16_t port);
    void *ready_arg;
};

// Runs until SIGTERM or SIGINT; returns the exit status. Takes over `snapshot`.
int wp_process_run(struct wp_snapshot *snapshot, const struct wp_process_options *options);

// The embedded tables, with the operator's files of the options (may be NULL).
struct wp_table_sources wp_process_tables(const char *models_file, const char *betas_file);
// Logs diagnostics as lines on stderr.
void wp_process_print(const struct wp_diagnostics *diagnostics);
// The directory for state, created with mode 0700; false (with a message on stderr) if that fails.
bool wp_process_state_dir(const char *wanted, wp_view configured, char *out, size_t size);
// Signals that the process waits for itself; before any thread is started.
void wp_process_block_signals(void);

#endif
