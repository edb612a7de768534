#include "store/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

enum { PATH_MAX_LEN = 1200 };

static bool write_all(int fd, wp_view bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes = wp_view_skip(bytes, (size_t)written);
    }
    return true;
}

// Several processes may share the directory: each writes its own.
static bool temporary_name(const char *path, char out[PATH_MAX_LEN])
{
    int len = snprintf(out, PATH_MAX_LEN, "%s.%ld", path, (long)getpid());
    errno = ENAMETOOLONG;
    return len > 0 && len < PATH_MAX_LEN;
}

static bool drop(const char *temporary)
{
    int error = errno;
    (void)unlink(temporary);
    errno = error;
    return false;
}

bool wp_saved_write(const char *path, wp_view bytes)
{
    char temporary[PATH_MAX_LEN];
    if (!temporary_name(path, temporary))
        return false;
    (void)unlink(temporary); // of a process that died, with other permissions maybe
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool done = write_all(fd, bytes) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return done && rename(temporary, path) == 0 ? true : drop(temporary);
}

bool wp_saved_read(const char *path, struct wp_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && wp_file_read_open(fd, out);
}
