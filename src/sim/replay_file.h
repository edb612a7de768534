// Lines of a file, plain or zstd (by its magic). Not thread-safe.
#ifndef WP_SIM_REPLAY_FILE_H
#define WP_SIM_REPLAY_FILE_H

#include "base/view.h"

struct wp_replay_file;

// NULL with a sentence in `error`.
struct wp_replay_file *wp_replay_file_open(const char *path, char *error, size_t error_size);
void wp_replay_file_close(struct wp_replay_file *file);
// The next line without its newline; valid until the next call. False at the end, or on failure:
// then *failure is a static sentence.
bool wp_replay_file_line(struct wp_replay_file *file, wp_view *line, const char **failure);

#endif
