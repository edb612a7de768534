#include "sim/replay_file.h"

#include <errno.h>
#include <stdio.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { PIECE = 1 << 18, LINE_MOST = 64 << 20 };
static const unsigned char ZSTD_MAGIC[4] = {0x28, 0xb5, 0x2f, 0xfd};

struct wp_replay_file {
    FILE *file;
    ZSTD_DCtx *zstd; // NULL: plain
    char *piece;
    ZSTD_inBuffer in;
    struct wp_buf text; // not yet handed out
    size_t at;          // of `text` handed out
    bool ended;         // the file; what is left lies in `text`
    bool open_frame;    // zstd: a frame has begun and not ended
};

void wp_replay_file_close(struct wp_replay_file *file)
{
    if (file == NULL)
        return;
    if (file->file != NULL)
        fclose(file->file);
    ZSTD_freeDCtx(file->zstd);
    wp_free(file->piece);
    wp_buf_free(&file->text);
    wp_free(file);
}

struct wp_replay_file *wp_replay_file_open(const char *path, char *error, size_t error_size)
{
    unsigned char magic[sizeof(ZSTD_MAGIC)];
    struct wp_replay_file *file = wp_alloc(sizeof(*file));
    if (file == NULL || (file->piece = wp_alloc(PIECE)) == NULL) {
        snprintf(error, error_size, "memory is short");
        wp_replay_file_close(file);
        return NULL;
    }
    file->text = wp_buf_make(LINE_MOST);
    file->file = fopen(path, "rb");
    if (file->file == NULL) {
        snprintf(error, error_size, "%s",
                 errno == ENOENT ? "there is no such file" : "it cannot be opened");
        wp_replay_file_close(file);
        return NULL;
    }
    size_t len = fread(magic, 1, sizeof(magic), file->file);
    rewind(file->file);
    if (len == sizeof(magic) && memcmp(magic, ZSTD_MAGIC, sizeof(magic)) == 0)
        file->zstd = ZSTD_createDCtx();
    file->in.src = file->piece;
    return file;
}

static const char *fill_plain(struct wp_replay_file *file)
{
    size_t len = fread(file->piece, 1, PIECE, file->file);
    file->ended = len == 0;
    wp_buf_append(&file->text, wp_view_make(file->piece, len));
    return len == 0 && ferror(file->file) != 0 ? "the file cannot be read" : NULL;
}

static const char *fill_zstd(struct wp_replay_file *file)
{
    if (file->in.pos == file->in.size) {
        file->in.size = fread(file->piece, 1, PIECE, file->file);
        file->in.pos = 0;
        if (file->in.size == 0) {
            file->ended = true;
            return file->open_frame || ferror(file->file) != 0 ? "the zstd stream is cut off"
                                                               : NULL;
        }
    }
    if (!wp_buf_reserve(&file->text, PIECE))
        return NULL; // told by the caller
    ZSTD_outBuffer out = {file->text.ptr + file->text.len, PIECE, 0};
    size_t status = ZSTD_decompressStream(file->zstd, &out, &file->in);
    if (ZSTD_isError(status))
        return "the zstd stream is damaged";
    file->open_frame = status != 0;
    file->text.len += out.pos;
    return NULL;
}

bool wp_replay_file_line(struct wp_replay_file *file, wp_view *line, const char **failure)
{
    size_t searched = 0;
    *failure = NULL;
    for (;;) {
        wp_view rest = wp_view_skip(wp_buf_view(&file->text), file->at);
        size_t end = wp_view_find_char(wp_view_skip(rest, searched), '\n');
        if (end != WP_NOT_FOUND) {
            *line = wp_view_sub(rest, 0, searched + end);
            file->at += searched + end + 1;
            return true;
        }
        if (file->ended) {
            *line = rest;
            file->at = file->text.len;
            return rest.len > 0;
        }
        searched = rest.len;
        wp_buf_consume(&file->text, file->at);
        file->at = 0;
        *failure = file->zstd != NULL ? fill_zstd(file) : fill_plain(file);
        if (*failure == NULL && !wp_buf_ok(&file->text))
            *failure = "a line is too long";
        if (*failure != NULL)
            return false;
    }
}
