#include "base/file.h"

#include <errno.h>
#include <stdio.h>

bool wp_file_read(const char *path, struct wp_buf *out)
{
    char part[8192];
    size_t got;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return false;
    while (wp_buf_ok(out) && (got = fread(part, 1, sizeof(part), file)) > 0)
        wp_buf_append(out, wp_view_make(part, got));
    int error = ferror(file) ? errno : wp_buf_ok(out) ? 0 : out->no_memory ? ENOMEM : EFBIG;
    fclose(file);
    errno = error;
    return error == 0;
}
