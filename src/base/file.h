// Reading a file in one go. Blocks: for start-up and the thread pool, not for a loop.
#ifndef WP_BASE_FILE_H
#define WP_BASE_FILE_H

#include "base/buf.h"

// Appends the whole file at `path`. False when it cannot be opened or read, is longer than the
// buffer's maximum, or memory is short; errno tells which (EFBIG: too long).
bool wp_file_read(const char *path, struct wp_buf *out) WP_WARN_UNUSED;
// The same of a descriptor, which is closed.
bool wp_file_read_open(int fd, struct wp_buf *out) WP_WARN_UNUSED;

#endif
