// One small file beside the ledger that is replaced as a whole: written under another name, made
// durable, then renamed. Readable by its owner only.
#ifndef WP_STORE_SAVED_H
#define WP_STORE_SAVED_H

#include "base/buf.h"

// False, with errno set, where it fails; the file is then as it was.
bool wp_saved_write(const char *path, wp_view bytes) WP_WARN_UNUSED;
// False, with errno set: ENOENT where there is none, EFBIG where it passes out->max.
bool wp_saved_read(const char *path, struct wp_buf *out) WP_WARN_UNUSED;

#endif
