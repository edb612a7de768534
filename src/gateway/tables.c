#include "gateway/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

// Nothing is appended for an empty name.
static bool read_file(wp_view name, struct wp_buf *out, char *error, size_t error_size)
{
    char path[4096];
    if (name.len == 0)
        return true;
    if (name.len < sizeof(path)) {
        memcpy(path, name.ptr, name.len);
        path[name.len] = '\0';
        if (wp_file_read(path, out))
            return true;
    } else {
        errno = ENAMETOOLONG;
    }
    snprintf(error, error_size, "%.*s cannot be read: %s", WP_VIEW_ARG(name), strerror(errno));
    return false;
}

// The built-in tables are sound: what is wrong stands in the file.
static void blame(wp_view name, const char *reason, char *error, size_t error_size)
{
    if (name.len > 0)
        snprintf(error, error_size, "%.*s: %s", WP_VIEW_ARG(name), reason);
    else
        snprintf(error, error_size, "%s", reason);
}

enum wp_err wp_tables_load(const struct wp_table_sources *sources, struct wp_model_table **models,
                           struct wp_provider_tables **tables, char *error, size_t error_size)
{
    char reason[512] = "";
    struct wp_buf of_models = wp_buf_make(FILE_MAX), of_betas = wp_buf_make(FILE_MAX);
    enum wp_err err = WP_ERR_INVALID;
    *models = NULL;
    *tables = NULL;
    if (read_file(sources->models_file, &of_models, error, error_size) &&
        read_file(sources->betas_file, &of_betas, error, error_size)) {
        *models = wp_model_table_load(sources->models_json, wp_buf_view(&of_models), reason,
                                      sizeof(reason));
        if (*models == NULL) {
            blame(sources->models_file, reason, error, error_size);
        } else {
            *tables = wp_provider_tables_load(sources->betas_json, wp_buf_view(&of_betas), reason,
                                              sizeof(reason));
            if (*tables == NULL)
                blame(sources->betas_file, reason, error, error_size);
            else
                err = WP_OK;
        }
    }
    if (err != WP_OK) {
        wp_model_table_free(*models);
        *models = NULL;
    }
    wp_buf_free(&of_models);
    wp_buf_free(&of_betas);
    return err;
}
