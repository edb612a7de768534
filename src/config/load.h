// YAML files → snapshot, through the descriptor table (config/descriptors.c).
#ifndef WP_CONFIG_LOAD_H
#define WP_CONFIG_LOAD_H

#include "base/buf.h"
#include "config/snapshot.h"

enum wp_diagnostic_level { WP_DIAG_NOTE, WP_DIAG_WARNING, WP_DIAG_ERROR };

struct wp_diagnostic {
    enum wp_diagnostic_level level;
    wp_view file;
    uint32_t line, column; // 1-based; 0 where there is none
    wp_view path;          // "model_list[0].litellm_params.rpm"
    wp_view message;       // never shows a secret's value
};

struct wp_diagnostics {
    struct wp_arena *arena;
    struct wp_diagnostic *list;
    size_t count, capacity;
    size_t errors, warnings;
};
// In the caller's memory, for a process that must not end for want of it.
void wp_diagnostics_init(struct wp_diagnostics *diagnostics);
void wp_diagnostics_clear(struct wp_diagnostics *diagnostics);
// At start-up: ends the process without memory.
struct wp_diagnostics *wp_diagnostics_create(void);
void wp_diagnostics_free(struct wp_diagnostics *diagnostics);
// "FILE:LINE:COL: error: PATH: MESSAGE" lines.
void wp_diagnostics_print(const struct wp_diagnostics *diagnostics, struct wp_buf *out);

// Loads `path` with its includes. All problems at once go to `diagnostics`; *out is set only if
// there was no error. Registers every secret with base/log. WP_ERR_INVALID when there were errors,
// WP_ERR_NO_MEMORY (told as one) when memory was short meanwhile, whatever for.
enum wp_err wp_config_load_file(const char *path, struct wp_diagnostics *diagnostics,
                                struct wp_snapshot **out) WP_WARN_UNUSED;
// The same for a text; `name` is used in messages, includes are relative to the working directory.
enum wp_err wp_config_load_text(wp_view text, wp_view name, struct wp_diagnostics *diagnostics,
                                struct wp_snapshot **out) WP_WARN_UNUSED;

// What is wrong with the files that general_settings.tls_certificate_file and its key name, which
// only who reads them can tell; noted at the place where they are named.
void wp_config_add_tls_problem(struct wp_diagnostics *diagnostics,
                               const struct wp_snapshot *snapshot, const char *problem);

// docs/configuration.md, generated from the descriptor table.
void wp_config_write_reference(struct wp_buf *out);
// `warmpath check`: groups with their deployments (ids, platform, upstream) and fallbacks, then
// aliases; secrets masked.
void wp_config_describe(const struct wp_snapshot *snapshot, struct wp_buf *out);

#endif
