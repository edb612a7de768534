#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool wp_file_read_open(int fd, struct wp_buf *out)
{
    char part[8192];
    ssize_t got = 1;
    while (got > 0 && wp_buf_ok(out)) {
        got = read(fd, part, sizeof(part));
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            wp_buf_append(out, wp_view_make(part, (size_t)got));
    }
    int error = got < 0 ? errno : wp_buf_ok(out) ? 0 : out->no_memory ? ENOMEM : EFBIG;
    close(fd);
    errno = error;
    return error == 0;
}

bool wp_file_read(const char *path, struct wp_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && wp_file_read_open(fd, out);
}
