// Files that the build put into the program (cmake/embed.cmake): data/*.json and the console.
#ifndef WP_CLI_EMBEDDED_H
#define WP_CLI_EMBEDDED_H

#include "admin/admin.h"

struct wp_embedded_file {
    const char *name; // "data/models.json", "ui/index.html", "ui/index.html.br"
    const char *begin, *end;
};
// Ends with a row of NULLs.
extern const struct wp_embedded_file wp_embedded_files[];

// Content of one file; empty if there is none of that name.
wp_view wp_embedded(const char *name);
// The console's files with their compressed forms. The array lives as long as the process.
const struct wp_asset *wp_embedded_assets(size_t *count);

#endif
