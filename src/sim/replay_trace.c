#include "sim/replay_trace.h"

#include <stdio.h>

#include "base/alloc.h"
#include "sim/replay_file.h"
#include "sim/replay_trace_private.h"
#include "json/doc.h"

enum { CONTENT_TOKENS = 4096, HEAD_OF_FANOUT_TOOLS = 2 }; // tools: a half of a fan-out's head
static const double VISIBLE_S = 3, DURATION_S = 8;        // where a trace is silent

// One agent of the conversation that is being read.
struct stream {
    uint64_t agent;
    uint32_t index;
    struct replay_runs runs;
    struct replay_path path;
    uint32_t root;         // model's node
    uint32_t first_blocks; // path nodes of its first request: what names the conversation
    uint32_t last;         // request
    bool thinking, tool_loop;
};

enum { STREAMS_MAX = 256 };

struct loader {
    struct wp_replay_trace *trace;
    const struct wp_replay_load_options *options;
    struct wp_arena *arena; // of one line
    uint32_t content_blocks;
    uint64_t file; // salt of block ids
    uint64_t line;
    bool skip;                      // the present conversation is of the other half
    bool loose;                     // no conversations: each request stands alone
    uint32_t seen;                  // conversations of this file
    uint32_t tools_end, system_end; // blocks
    uint64_t group;
    struct stream streams[STREAMS_MAX];
    uint32_t stream_count;
    uint64_t *groups; // of the conversations
    uint32_t group_capacity;
    char *error;
    size_t error_size;
};

static bool complain(struct loader *l, const char *what)
{
    if (l->error[0] == '\0')
        snprintf(l->error, l->error_size, "line %llu: %s", (unsigned long long)l->line, what);
    return false;
}

static uint64_t name_of(wp_view text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}

// Conversations.

static void close_streams(struct loader *l)
{
    for (uint32_t i = 0; i < l->stream_count; i++)
        wp_free(l->streams[i].runs.list);
    l->stream_count = 0;
}

static bool open_conversation(struct loader *l, uint64_t number, uint64_t group, double fixed_s)
{
    struct wp_replay_trace *trace = l->trace;
    struct wp_replay_store *store = trace->store;
    uint32_t groups = l->group_capacity;
    bool b = (l->seen++ & 1) != 0;
    close_streams(l);
    l->skip = (l->options->half == WP_REPLAY_HALF_A && b) ||
              (l->options->half == WP_REPLAY_HALF_B && !b) ||
              (l->options->max_conversations > 0 &&
               trace->conversation_count >= l->options->max_conversations);
    if (l->skip)
        return true;
    if (!replay_grow((void **)&trace->conversations, trace->conversation_count,
                     &store->conversation_capacity, sizeof(*trace->conversations)) ||
        !replay_grow((void **)&l->groups, trace->conversation_count, &groups, sizeof(uint64_t)))
        return complain(l, "memory is short");
    l->group_capacity = groups;
    l->groups[trace->conversation_count] = group ^ l->file << 32;
    trace->conversations[trace->conversation_count++] = (struct wp_replay_conversation){
        .first = trace->request_count,
        .number = (uint32_t)number,
        .fixed_start_s = fixed_s,
        .b = b,
    };
    return true;
}

static bool read_conversation(struct loader *l, const struct wp_json_val *root)
{
    uint32_t block = l->trace->block_tokens;
    uint64_t tools = wp_json_u64(wp_json_get(root, "tool_tokens"), 0);
    uint64_t system = wp_json_u64(wp_json_get(root, "system_tokens"), 0);
    if (tools > 10000000 || system > 10000000)
        return complain(l, "tool_tokens or system_tokens is out of range");
    l->tools_end = (uint32_t)tools / block;
    l->system_end = (uint32_t)(tools + system) / block;
    return open_conversation(l, wp_json_u64(wp_json_get(root, "conversation"), 0),
                             wp_json_u64(wp_json_get(root, "group"), 0),
                             wp_json_double(wp_json_get(root, "start"), -1));
}

// Requests.

static struct stream *stream_of(struct loader *l, uint64_t agent)
{
    for (uint32_t i = 0; i < l->stream_count; i++)
        if (l->streams[i].agent == agent)
            return &l->streams[i];
    if (l->stream_count == STREAMS_MAX)
        return NULL;
    l->streams[l->stream_count] =
        (struct stream){.agent = agent, .index = l->trace->stream_count++, .last = WP_REPLAY_NONE};
    return &l->streams[l->stream_count++];
}

static bool read_runs(struct loader *l, struct stream *stream, const struct wp_json_val *root)
{
    const struct wp_json_val *add = wp_json_get(root, "add");
    uint64_t keep = wp_json_u64(wp_json_get(root, "keep"), 0);
    if (keep > stream->runs.blocks)
        return complain(l, "keep is longer than the previous request of this agent");
    replay_runs_cut(&stream->runs, (uint32_t)keep);
    for (size_t i = 0; i < wp_json_count(add); i++) {
        const struct wp_json_val *run = wp_json_at(add, i);
        uint64_t first = wp_json_u64(wp_json_at(run, 0), UINT64_MAX);
        uint64_t count = wp_json_u64(wp_json_at(run, 1), UINT64_MAX);
        if (first > UINT64_MAX >> 8 || count > 1000000)
            return complain(l, "a run is not [first id, count]");
        // Files are told apart in bits that ids do not use.
        if (!replay_runs_append(&stream->runs, first ^ l->file << 56, (uint32_t)count))
            return complain(l, "memory is short");
    }
    return true;
}

// Where the content block that begins after `blocks` ends: at the tools' or the system's end, at
// an end that the trace names, or after content_blocks.
static uint32_t piece_end(const struct loader *l, const struct wp_json_val *ends, uint32_t blocks,
                          uint32_t total)
{
    uint32_t end = total;
    if (wp_json_count(ends) > 0) {
        for (size_t i = 0; i < wp_json_count(ends); i++) {
            uint64_t at = wp_json_u64(wp_json_at(ends, i), 0);
            if (at > blocks && at < end)
                end = (uint32_t)at;
        }
    } else if (blocks >= l->system_end && total - blocks > l->content_blocks) {
        end = blocks + l->content_blocks;
    }
    if (blocks < l->tools_end && end > l->tools_end)
        end = l->tools_end;
    else if (blocks < l->system_end && end > l->system_end)
        end = l->system_end;
    return end;
}

static uint8_t tier_at(const struct loader *l, uint32_t end)
{
    return end <= l->tools_end    ? WP_TIER_TOOLS
           : end <= l->system_end ? WP_TIER_SYSTEM
                                  : WP_TIER_MESSAGES;
}

// Brings the stream's path to its runs, of which the first `keep` blocks are as before.
static bool lay_path(struct loader *l, struct stream *stream, uint32_t root, uint32_t keep,
                     uint32_t input, const struct wp_json_val *ends)
{
    struct wp_replay_trace *trace = l->trace;
    uint32_t total = stream->runs.blocks, kept = stream->path.count;
    if (total > input / trace->block_tokens) // the last block is not whole
        total = input / trace->block_tokens;
    if (root != stream->root)
        kept = 0;
    while (kept > 0 && trace->nodes[stream->path.nodes[kept - 1]].blocks > keep)
        kept--;
    if (!replay_path_cut(trace, &stream->path, kept))
        return complain(l, "memory is short");
    stream->root = root;
    uint32_t node = kept > 0 ? stream->path.nodes[kept - 1] : root;
    bool known = true; // others may have been here before
    while (trace->nodes[node].blocks < total) {
        uint32_t end = piece_end(l, ends, trace->nodes[node].blocks, total);
        uint32_t child = WP_REPLAY_NONE;
        if (known && wp_json_count(ends) == 0)
            child = replay_tree_follow(trace, node, &stream->runs, total);
        known = known && child != WP_REPLAY_NONE;
        if (child == WP_REPLAY_NONE)
            child = replay_tree_child(trace, node, &stream->runs, end);
        if (child == WP_REPLAY_NONE ||
            !replay_path_append(trace, &stream->path, child, tier_at(l, trace->nodes[child].blocks),
                                WP_BLOCK_TEXT))
            return complain(l, "memory is short");
        node = child;
    }
    return true;
}

static bool add_mark(struct loader *l, struct wp_replay_request *request, uint32_t at,
                     const struct stream *stream)
{
    struct wp_prompt *prompt = &request->prompt;
    uint32_t count = request->mark_count;
    if (count > 0 && prompt->breakpoints[count - 1] == at)
        return true;
    if (!replay_tree_mark(l->trace, stream->path.nodes[at]))
        return complain(l, "memory is short");
    request->marks[count] = stream->path.nodes[at];
    prompt->breakpoints[count] = at;
    prompt->breakpoint_count = ++request->mark_count;
    return true;
}

// As Claude Code marks: tools, system, and the end of the last message.
static bool add_marks(struct loader *l, struct wp_replay_request *request,
                      const struct stream *stream)
{
    const struct replay_path *path = &stream->path;
    const struct wp_replay_node *nodes = l->trace->nodes;
    struct wp_prompt *prompt = &request->prompt;
    for (uint32_t i = 0; i < path->count; i++) {
        uint32_t blocks = nodes[path->nodes[i]].blocks;
        if (blocks > l->system_end)
            break;
        prompt->system_end = i + 1;
        if ((blocks == l->tools_end || blocks == l->system_end) && !add_mark(l, request, i, stream))
            return false;
    }
    return path->count == 0 || add_mark(l, request, path->count - 1, stream);
}

static bool fill_prompt(struct loader *l, struct wp_replay_request *request, struct stream *stream)
{
    struct wp_prompt *prompt = &request->prompt;
    const struct replay_path *path = &stream->path;
    *prompt = (struct wp_prompt){
        .blocks = path->blocks,
        .count = path->count,
        .tokens = request->input,
        .has_thinking_in_history = stream->thinking,
        .in_tool_loop = request->tool_loop,
    };
    if (!add_marks(l, request, stream))
        return false;
    if (stream->first_blocks == 0)
        stream->first_blocks = path->count;
    uint32_t first = stream->first_blocks < path->count ? stream->first_blocks : path->count;
    if (first > 0)
        prompt->first_user = path->blocks[first - 1].prefix;
    if (prompt->system_end > 0)
        prompt->head = path->blocks[prompt->system_end - 1].prefix;
    request->end = path->count > 0 ? path->nodes[path->count - 1] : stream->root;
    return true;
}

static bool has_kind(const struct wp_json_val *kinds, const char *name)
{
    for (size_t i = 0; i < wp_json_count(kinds); i++)
        if (wp_view_is(wp_json_str(wp_json_at(kinds, i)), name))
            return true;
    return false;
}

static void read_times(struct wp_replay_request *request, const struct wp_json_val *root)
{
    double api = wp_json_double(wp_json_get(root, "api"), DURATION_S);
    double ttft = wp_json_double(wp_json_get(root, "ttft"), api < VISIBLE_S ? api : VISIBLE_S);
    request->duration_s = api > 0.01 ? api : 0.01;
    request->visible_s = ttft < request->duration_s ? ttft : request->duration_s;
}

static struct wp_replay_request *new_request(struct loader *l, struct stream *stream)
{
    struct wp_replay_trace *trace = l->trace;
    if (!replay_grow((void **)&trace->requests, trace->request_count,
                     &trace->store->request_capacity, sizeof(*trace->requests))) {
        complain(l, "memory is short");
        return NULL;
    }
    struct wp_replay_request *request = &trace->requests[trace->request_count];
    *request = (struct wp_replay_request){
        .conversation = trace->conversation_count - 1,
        .stream = stream->index,
        .following = WP_REPLAY_NONE,
        .subagent = stream->agent != 0,
    };
    return request;
}

static void link_request(struct loader *l, struct stream *stream,
                         const struct wp_replay_request *request)
{
    struct wp_replay_trace *trace = l->trace;
    if (stream->last != WP_REPLAY_NONE)
        trace->requests[stream->last].following = trace->request_count;
    stream->last = trace->request_count++;
    trace->conversations[request->conversation].count++;
    trace->tokens += request->input;
}

static bool read_numbers(struct loader *l, struct wp_replay_request *request,
                         const struct wp_json_val *root)
{
    uint64_t input = wp_json_u64(wp_json_get(root, "in"), 0);
    uint64_t output = wp_json_u64(wp_json_get(root, "out"), 0);
    request->at_s = wp_json_double(wp_json_get(root, "t"), -1);
    if (input == 0 || input > 100000000 || output > 100000000 || request->at_s < 0)
        return complain(l, "in, out or t is missing or out of range");
    request->input = (uint32_t)input;
    request->output = (uint32_t)output;
    read_times(request, root);
    return true;
}

static void read_state(struct stream *stream, struct wp_replay_request *request,
                       const struct wp_json_val *root)
{
    const struct wp_json_val *kinds = wp_json_get(root, "kinds");
    wp_view stop = wp_json_str(wp_json_get(root, "stop"));
    stream->thinking = stream->thinking || has_kind(kinds, "thinking");
    if (wp_json_count(kinds) > 0) // none: the same prompt again
        stream->tool_loop = has_kind(kinds, "tool_result");
    request->tool_loop = stream->tool_loop && stream->last != WP_REPLAY_NONE;
    request->ended_turn = wp_view_is(stop, "end_turn");
    request->tool_use = wp_view_is(stop, "tool_use");
}

static bool read_request(struct loader *l, const struct wp_json_val *root)
{
    struct wp_replay_trace *trace = l->trace;
    l->loose = l->loose || wp_json_is_null(wp_json_get(root, "c"));
    if (l->loose && !open_conversation(l, l->seen, 0, wp_json_double(wp_json_get(root, "t"), 0)))
        return false;
    if (l->skip)
        return true;
    if (trace->conversation_count == 0)
        return complain(l, "a request before its conversation");
    struct stream *stream = stream_of(l, wp_json_u64(wp_json_get(root, "a"), 0));
    struct wp_replay_request *request = stream == NULL ? NULL : new_request(l, stream);
    if (request == NULL)
        return complain(l, "too many agents in one conversation");
    if (!read_numbers(l, request, root) || !read_runs(l, stream, root))
        return false;
    if (l->loose)
        request->at_s = 0;
    read_state(stream, request, root);
    uint32_t root_node = replay_tree_model(trace, name_of(wp_json_str(wp_json_get(root, "m"))) | 1);
    uint32_t keep = (uint32_t)wp_json_u64(wp_json_get(root, "keep"), 0);
    if (root_node == WP_REPLAY_NONE)
        return complain(l, "memory is short");
    if (!lay_path(l, stream, root_node, keep, request->input, wp_json_get(root, "ends")) ||
        !fill_prompt(l, request, stream))
        return false;
    link_request(l, stream, request);
    return true;
}

static bool read_header(struct loader *l, const struct wp_json_val *root)
{
    uint64_t block = wp_json_u64(wp_json_get(root, "block_tokens"), 0);
    if (block == 0 || block > 100000)
        return complain(l, "block_tokens is missing");
    if (l->trace->block_tokens != 0 && l->trace->block_tokens != block)
        return complain(l, "the files differ in block_tokens");
    if (wp_json_u64(wp_json_get(root, "version"), 0) != 1)
        return complain(l, "this version of the format is not known");
    l->trace->block_tokens = (uint32_t)block;
    uint32_t tokens = l->options->content_tokens > 0 ? l->options->content_tokens : CONTENT_TOKENS;
    l->content_blocks = tokens > block ? tokens / (uint32_t)block : 1;
    return true;
}

static bool read_line(struct loader *l, wp_view line)
{
    l->line++;
    if (wp_view_trim(line).len == 0)
        return true;
    l->arena = wp_arena_create(0);
    const struct wp_json_val *root = l->arena == NULL ? NULL : wp_json_parse(l->arena, line);
    bool done = root != NULL && wp_json_is_object(root);
    if (!done)
        complain(l, "not a JSON object");
    else if (l->line == 1 && !wp_view_is(wp_json_str(wp_json_get(root, "format")), "prompt-trace"))
        done = complain(l, "not a trace: the first line has no \"format\":\"prompt-trace\"");
    else if (l->line == 1)
        done = read_header(l, root);
    else if (wp_json_get(root, "conversation") != NULL)
        done = read_conversation(l, root);
    else
        done = read_request(l, root);
    wp_arena_destroy(l->arena);
    l->arena = NULL;
    return done;
}

// Fan-outs: subagents that begin at once with the same head.

static bool add_sibling(struct loader *l, uint32_t number, uint32_t sibling, uint32_t head,
                        uint32_t tail)
{
    struct stream *stream = stream_of(l, sibling + 1);
    struct wp_replay_request *request = stream == NULL ? NULL : new_request(l, stream);
    uint64_t salt = (uint64_t)0xfa << 48;
    if (request == NULL ||
        !replay_runs_append(&stream->runs, salt + (uint64_t)number * 1000000, head) ||
        !replay_runs_append(&stream->runs,
                            salt + (uint64_t)number * 1000000 + 500000 + sibling * 1000, tail))
        return complain(l, "memory is short");
    request->at_s = 0.005 * sibling;
    request->visible_s = 2;
    request->duration_s = 8;
    request->input = stream->runs.blocks * l->trace->block_tokens;
    request->output = 400;
    request->ended_turn = true;
    uint32_t root = replay_tree_model(l->trace, name_of(WP_VIEW("fanout")) | 1);
    if (root == WP_REPLAY_NONE || !lay_path(l, stream, root, 0, request->input, NULL) ||
        !fill_prompt(l, request, stream))
        return complain(l, "memory is short");
    link_request(l, stream, request);
    return true;
}

static bool add_fanouts(struct loader *l)
{
    const struct wp_replay_load_options *o = l->options;
    uint32_t head = o->fanout_tokens / l->trace->block_tokens, tail = head / 50 + 1;
    l->system_end = head;
    l->tools_end = head / HEAD_OF_FANOUT_TOOLS;
    for (uint32_t i = 0; i < o->fanouts; i++) {
        if (!open_conversation(l, 1000000 + i, UINT64_MAX - i, -1))
            return false;
        for (uint32_t s = 0; !l->skip && s < o->fanout_siblings; s++)
            if (!add_sibling(l, i, s, head, tail))
                return false;
    }
    return true;
}

// Life.

static struct wp_replay_trace *new_trace(struct loader *l)
{
    struct wp_replay_trace *trace = wp_alloc(sizeof(*trace));
    if (trace == NULL || (trace->store = wp_alloc(sizeof(*trace->store))) == NULL) {
        wp_free(trace);
        complain(l, "memory is short");
        return NULL;
    }
    l->trace = trace;
    if (replay_tree_init(trace))
        return trace;
    complain(l, "memory is short");
    wp_replay_trace_free(trace);
    return NULL;
}

void wp_replay_trace_free(struct wp_replay_trace *trace)
{
    if (trace == NULL)
        return;
    for (uint32_t i = 0; i < trace->store->array_count; i++)
        wp_free(trace->store->arrays[i]);
    wp_free(trace->store->arrays);
    wp_free(trace->store->buckets);
    wp_free(trace->store);
    wp_free(trace->nodes);
    wp_free(trace->marks);
    wp_free(trace->requests);
    wp_free(trace->conversations);
    wp_free(trace);
}

static void note_shared_heads(struct loader *l)
{
    for (uint32_t i = 0; i < l->trace->conversation_count; i++)
        for (uint32_t k = 0; k < l->trace->conversation_count; k++)
            if (i != k && l->groups[i] == l->groups[k])
                l->trace->conversations[i].shares_head = true;
}

// Recorded starts count from the first of them.
static void move_to_zero(struct wp_replay_trace *trace)
{
    double first = -1;
    for (uint32_t i = 0; i < trace->conversation_count; i++) {
        double start_s = trace->conversations[i].fixed_start_s;
        if (start_s >= 0 && (first < 0 || start_s < first))
            first = start_s;
    }
    for (uint32_t i = 0; i < trace->conversation_count; i++)
        if (trace->conversations[i].fixed_start_s >= 0)
            trace->conversations[i].fixed_start_s -= first;
}

static struct wp_replay_trace *finish(struct loader *l, bool done)
{
    struct wp_replay_trace *trace = l->trace;
    if (done && l->options->fanout_siblings > 0)
        done = add_fanouts(l);
    if (done && trace->request_count == 0)
        done = complain(l, "the trace holds no requests");
    close_streams(l);
    if (done) {
        note_shared_heads(l);
        replay_tree_finish(trace);
        move_to_zero(trace);
    } else {
        wp_replay_trace_free(trace);
        trace = NULL;
    }
    wp_free(l->groups);
    wp_free(l);
    return trace;
}

static struct loader *new_loader(const struct wp_replay_load_options *options, char *error,
                                 size_t error_size)
{
    struct loader *l = wp_alloc(sizeof(*l));
    error[0] = '\0';
    if (l == NULL) {
        snprintf(error, error_size, "memory is short");
        return NULL;
    }
    l->options = options;
    l->error = error;
    l->error_size = error_size;
    if (new_trace(l) != NULL)
        return l;
    wp_free(l);
    return NULL;
}

static bool read_file(struct loader *l, const char *path)
{
    wp_view line;
    const char *failure = NULL;
    bool done = true;
    struct wp_replay_file *file = wp_replay_file_open(path, l->error, l->error_size);
    if (file == NULL)
        return false;
    l->line = 0;
    l->seen = 0;
    l->loose = false;
    while (done && wp_replay_file_line(file, &line, &failure))
        done = read_line(l, line);
    if (failure != NULL)
        done = complain(l, failure);
    wp_replay_file_close(file);
    l->file++;
    return done;
}

struct wp_replay_trace *wp_replay_load(const char *const *paths, size_t count,
                                       const struct wp_replay_load_options *options, char *error,
                                       size_t error_size)
{
    char detail[256];
    struct loader *l = new_loader(options, detail, sizeof(detail));
    bool done = l != NULL;
    size_t i = 0;
    if (l == NULL) {
        snprintf(error, error_size, "%s", detail);
        return NULL;
    }
    for (; done && i < count; i++)
        done = read_file(l, paths[i]);
    struct wp_replay_trace *trace = finish(l, done);
    error[0] = '\0';
    if (trace == NULL)
        snprintf(error, error_size, "%s: %s", i > 0 ? paths[i - 1] : "no file", detail);
    return trace;
}

struct wp_replay_trace *wp_replay_load_text(wp_view text,
                                            const struct wp_replay_load_options *options,
                                            char *error, size_t error_size)
{
    wp_view line;
    struct loader *l = new_loader(options, error, error_size);
    bool done = l != NULL;
    if (l == NULL)
        return NULL;
    while (done && wp_view_next_token(&text, '\n', &line))
        done = read_line(l, line);
    return finish(l, done);
}
