#include "cli/embedded.h"

#include <stdio.h>

#include "base/alloc.h"

wp_view wp_embedded(const char *name)
{
    for (const struct wp_embedded_file *file = wp_embedded_files; file->name != NULL; file++)
        if (wp_view_is(wp_view_of(file->name), name))
            return wp_view_make(file->begin, (size_t)(file->end - file->begin));
    return (wp_view){NULL, 0};
}

static const char *content_type(wp_view path)
{
    static const struct {
        const char *extension, *type;
    } rows[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
        {".woff2", "font/woff2"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_ends_with(path, wp_view_of(rows[i].extension)))
            return rows[i].type;
    return "application/octet-stream";
}

static wp_view variant(const char *name, const char *suffix)
{
    char full[512];
    int len = snprintf(full, sizeof(full), "%s%s", name, suffix);
    return len > 0 && (size_t)len < sizeof(full) ? wp_embedded(full) : (wp_view){NULL, 0};
}

static bool is_asset(const struct wp_embedded_file *file)
{
    wp_view name = wp_view_of(file->name);
    return wp_view_starts_with(name, WP_VIEW("ui/")) && !wp_view_ends_with(name, WP_VIEW(".br")) &&
           !wp_view_ends_with(name, WP_VIEW(".gz"));
}

const struct wp_asset *wp_embedded_assets(size_t *count)
{
    static struct wp_asset *assets;
    static size_t total;
    size_t files = 0;
    for (const struct wp_embedded_file *file = wp_embedded_files; file->name != NULL; file++)
        files++;
    if (assets == NULL) {
        assets = wp_alloc_or_die((files + 1) * sizeof(*assets));
        for (size_t i = 0; i < files; i++) {
            const struct wp_embedded_file *file = &wp_embedded_files[i];
            if (!is_asset(file))
                continue;
            assets[total++] = (struct wp_asset){
                .path = file->name + 3,
                .content_type = content_type(wp_view_of(file->name)),
                .plain = wp_embedded(file->name),
                .gzip = variant(file->name, ".gz"),
                .brotli = variant(file->name, ".br"),
                // Vite puts what it names by content below assets/
                .immutable = wp_view_starts_with(wp_view_of(file->name), WP_VIEW("ui/assets/")),
            };
        }
    }
    *count = total;
    return assets;
}
