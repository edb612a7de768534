// `warmpath export`: the ledger as a trace that `warmpath simulate` replays. Needs rows written
// with store_prompt_hashes; holds hashes and sizes of blocks, no text.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/process.h"
#include "store/ledger.h"
#include "json/doc.h"
#include "json/writer.h"

enum { BLOCK_TOKENS = 64, STREAMS_MAX = 256, LINE_MAX = 64 << 20 };

static struct {
    const char *state_dir;
} args;

static const struct wp_option OPTIONS[] = {
    {"--state-dir", NULL, "DIR", WP_OPTION_TEXT, &args.state_dir, 0, 0,
     "where the ledger lives (XDG state directory)"},
};

// A content block of a prompt, as so many blocks of the trace.
struct piece {
    uint64_t id;
    uint32_t count;
};

// One kind of requests inside a session; its prompts follow each other.
struct stream {
    uint64_t name;
    struct piece *pieces;
    uint32_t count, capacity;
    uint32_t kept; // pieces that are as in the last request that was written
};

struct exporter {
    struct wp_buf line;
    struct stream streams[STREAMS_MAX];
    uint32_t stream_count;
    char session[128];
    int64_t begun_ms; // of this conversation
    uint64_t conversations, requests, skipped;
    bool open, failed;
};

static void forget_streams(struct exporter *e)
{
    for (uint32_t i = 0; i < e->stream_count; i++)
        wp_free(e->streams[i].pieces);
    e->stream_count = 0;
}

static void flush_line(struct exporter *e)
{
    wp_buf_append_char(&e->line, '\n');
    if (!wp_buf_ok(&e->line) || fwrite(e->line.ptr, 1, e->line.len, stdout) != e->line.len)
        e->failed = true;
    wp_buf_clear(&e->line);
}

static void write_header(struct exporter *e)
{
    struct wp_json_writer w = wp_json_writer(&e->line);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "format", "prompt-trace");
    wp_json_put_u64(&w, "version", 1);
    wp_json_put_u64(&w, "block_tokens", BLOCK_TOKENS);
    wp_json_put_cstr(&w, "source", "warmpath export");
    wp_json_close(&w);
    flush_line(e);
}

static struct stream *stream_of(struct exporter *e, uint64_t name)
{
    for (uint32_t i = 0; i < e->stream_count; i++)
        if (e->streams[i].name == name)
            return &e->streams[i];
    if (e->stream_count == STREAMS_MAX)
        return NULL;
    e->streams[e->stream_count] = (struct stream){.name = name};
    return &e->streams[e->stream_count++];
}

static bool add_piece(struct stream *stream, uint64_t id, uint64_t tokens)
{
    if (stream->count == stream->capacity) {
        uint32_t capacity = stream->capacity == 0 ? 64 : stream->capacity * 2;
        struct piece *pieces = wp_realloc(stream->pieces, capacity * sizeof(*pieces));
        if (pieces == NULL)
            return false;
        stream->pieces = pieces;
        stream->capacity = capacity;
    }
    uint64_t count = (tokens + BLOCK_TOKENS / 2) / BLOCK_TOKENS;
    stream->pieces[stream->count++] = (struct piece){id, count == 0       ? 1
                                                         : count > 100000 ? 100000
                                                                          : (uint32_t)count};
    return true;
}

// Brings the stream to this request's prompt; false if the rows before it are missing.
static bool follow(struct stream *stream, const struct wp_json_val *prompt)
{
    const struct wp_json_val *add = wp_json_get(prompt, "add");
    uint64_t keep = wp_json_u64(wp_json_get(prompt, "keep"), 0);
    bool known = keep == 0 || (stream->count == wp_json_u64(wp_json_get(prompt, "before"), 0) &&
                               keep <= stream->count);
    stream->count = known ? (uint32_t)keep : 0;
    for (size_t i = 0; known && i < wp_json_count(add); i++) {
        const struct wp_json_val *piece = wp_json_at(add, i);
        known = add_piece(stream, wp_json_u64(wp_json_at(piece, 0), 0),
                          wp_json_u64(wp_json_at(piece, 1), 0));
    }
    if (!known)
        stream->count = 0;
    if (keep < stream->kept || !known)
        stream->kept = known ? (uint32_t)keep : 0;
    return known && stream->count > 0;
}

static uint64_t blocks_of(const struct stream *stream, uint64_t pieces)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < stream->count && i < pieces; i++)
        blocks += stream->pieces[i].count;
    return blocks;
}

static void write_conversation(struct exporter *e, const struct wp_record *record,
                               const struct stream *stream, const struct wp_json_val *prompt)
{
    uint64_t tools = blocks_of(stream, wp_json_u64(wp_json_get(prompt, "tools"), 0));
    uint64_t head = blocks_of(stream, wp_json_u64(wp_json_get(prompt, "head"), 0));
    struct wp_json_writer w = wp_json_writer(&e->line);
    e->open = true;
    e->begun_ms = record->start_ms;
    wp_json_open_object(&w, NULL);
    wp_json_put_u64(&w, "conversation", ++e->conversations);
    wp_json_put_u64(&w, "group", 1);
    wp_json_put_u64(&w, "tool_tokens", tools * BLOCK_TOKENS);
    wp_json_put_u64(&w, "system_tokens", (head - tools) * BLOCK_TOKENS);
    wp_json_put_decimal(&w, "start", (double)record->start_ms / 1000, 3);
    wp_json_close(&w);
    flush_line(e);
}

static void write_blocks(struct wp_json_writer *w, const struct stream *stream, uint64_t keep)
{
    uint64_t end = blocks_of(stream, keep);
    wp_json_put_u64(w, "keep", end);
    wp_json_open_array(w, "add");
    for (uint64_t i = keep; i < stream->count; i++) {
        wp_json_open_array(w, NULL);
        wp_json_put_u64(w, NULL, stream->pieces[i].id);
        wp_json_put_u64(w, NULL, stream->pieces[i].count);
        wp_json_close(w);
    }
    wp_json_close(w);
    wp_json_open_array(w, "ends");
    for (uint64_t i = keep; i < stream->count; i++)
        wp_json_put_u64(w, NULL, end += stream->pieces[i].count);
    wp_json_close(w);
}

static void write_request(struct exporter *e, const struct wp_record *record, struct stream *stream,
                          const struct wp_json_val *prompt)
{
    struct wp_json_writer w = wp_json_writer(&e->line);
    uint64_t least = blocks_of(stream, stream->count) * BLOCK_TOKENS;
    uint64_t input = record->input_tokens + record->cache_read_tokens +
                     record->cache_write_5m_tokens + record->cache_write_1h_tokens;
    wp_json_open_object(&w, NULL);
    wp_json_put_u64(&w, "c", e->conversations);
    wp_json_put_u64(&w, "a", (uint64_t)(stream - e->streams));
    wp_json_put_decimal(&w, "t", (double)(record->start_ms - e->begun_ms) / 1000, 3);
    wp_json_put_str(&w, "m", record->model_group);
    wp_json_put_u64(&w, "in", input > least ? input : least);
    wp_json_put_u64(&w, "out", record->output_tokens);
    wp_json_put_decimal(&w, "api", (double)record->duration_us / 1e6, 3);
    wp_json_put_decimal(&w, "ttft", (double)record->ttft_us / 1e6, 3);
    wp_json_put_str(&w, "stop", record->stop_reason);
    wp_json_open_array(&w, "kinds");
    wp_json_put_cstr(
        &w, NULL, wp_json_bool(wp_json_get(prompt, "tool_loop"), false) ? "tool_result" : "text");
    wp_json_close(&w);
    write_blocks(&w, stream, stream->kept);
    stream->kept = stream->count;
    wp_json_close(&w);
    flush_line(e);
    e->requests++;
}

static void next_session(struct exporter *e, wp_view session)
{
    wp_view head = wp_view_sub(session, 0, sizeof(e->session) - 1);
    if (e->open && session.len > 0 && wp_view_is(head, e->session))
        return;
    forget_streams(e);
    memcpy(e->session, head.ptr == NULL ? "" : head.ptr, head.len);
    e->session[head.len] = '\0';
    e->open = false;
}

static bool export_row(void *arg, const struct wp_record *record, wp_view decision)
{
    struct exporter *e = arg;
    struct wp_arena *arena = wp_arena_create(0);
    const struct wp_json_val *prompt =
        arena == NULL ? NULL : wp_json_get(wp_json_parse(arena, decision), "prompt");
    next_session(e, record->session_id);
    struct stream *stream =
        prompt == NULL ? NULL : stream_of(e, wp_json_u64(wp_json_get(prompt, "stream"), 0));
    if (stream == NULL || !follow(stream, prompt)) {
        e->skipped++;
    } else if (wp_view_is(record->status, "success")) {
        if (!e->open)
            write_conversation(e, record, stream, prompt);
        write_request(e, record, stream, prompt);
    }
    wp_arena_destroy(arena);
    return !e->failed;
}

static int export_ledger(const char *path)
{
    struct exporter e = {.line = wp_buf_make(LINE_MAX)};
    write_header(&e);
    enum wp_err err = wp_ledger_each_prompt(path, export_row, &e);
    forget_streams(&e);
    wp_buf_free(&e.line);
    if (fflush(stdout) != 0 || e.failed) {
        fputs("warmpath export: standard output cannot be written\n", stderr);
        return 1;
    }
    if (err != WP_OK) {
        fprintf(stderr, "warmpath export: %s cannot be read\n", path);
        return 1;
    }
    fprintf(stderr, "%llu conversations, %llu requests; %llu rows left out\n",
            (unsigned long long)e.conversations, (unsigned long long)e.requests,
            (unsigned long long)e.skipped);
    if (e.requests == 0)
        fputs(
            "Rows hold prompts' blocks only while general_settings.store_prompt_hashes is true.\n",
            stderr);
    return e.requests > 0 ? 0 : 1;
}

static int run(int argc, char **argv)
{
    int positional;
    char directory[1024], path[1100];
    int result = wp_options_parse(&wp_command_export, OPTIONS, WP_COUNT_OF(OPTIONS), argc, argv,
                                  &positional, 0);
    if (result >= 0)
        return result;
    wp_log_init(WP_LOG_ERROR, false, STDERR_FILENO);
    if (!wp_process_state_dir(args.state_dir, (wp_view){NULL, 0}, directory, sizeof(directory)))
        return 1;
    snprintf(path, sizeof(path), "%s/ledger.sqlite3", directory);
    return export_ledger(path);
}

const struct wp_command wp_command_export = {
    .name = "export",
    .arguments = "",
    .summary = "write the ledger as a trace for warmpath simulate",
    .details = "  warmpath export --state-dir DIR > own.jsonl\n"
               "  warmpath simulate --deployments 2,4 own.jsonl\n\n"
               "Only rows written with general_settings.store_prompt_hashes are exported: hashes "
               "and sizes of the\nblocks of each prompt, no text. The gateway may go on running.",
    .run = run,
};
