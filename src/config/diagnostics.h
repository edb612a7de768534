// Inside config/: problems with their place. Everything is copied into the diagnostics' own arena.
#ifndef WP_CONFIG_DIAGNOSTICS_H
#define WP_CONFIG_DIAGNOSTICS_H

#include "config/load.h"
#include "config/snapshot.h"

// Where a value stands in the document, as a chain of stack frames: "model_list[0].model_info".
struct wp_path {
    const struct wp_path *up;
    wp_view key;  // ptr == NULL: an index
    size_t index; // 0-based
};

// A problem at `place` (NULL: none) under `path` (NULL: none). Control bytes in the message are
// escaped. Callers keep secrets out of the arguments.
void wp_diagnostics_add(struct wp_diagnostics *diagnostics, enum wp_diagnostic_level level,
                        const struct wp_place *place, const struct wp_path *path,
                        const char *format, ...) WP_PRINTF(5, 6);
void wp_path_append(struct wp_buf *out, const struct wp_path *path);
// Problems of one file in the order of its lines, files in the order of their first problem.
void wp_diagnostics_sort(struct wp_diagnostics *diagnostics);

#endif
