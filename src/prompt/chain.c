#include "prompt/chain.h"

#include "json/scan.h"
#include "json/splice.h"

enum { TAG_TOOL = 1, TAG_SYSTEM, TAG_MESSAGE, TAG_SALT };

struct builder {
    const struct wp_chain_options *options;
    const struct wp_request *request;
    struct wp_prompt *out;
    struct wp_hash128 at;
    uint64_t bytes; // of rendered content so far
    uint32_t position;
    uint8_t run; // kind of the run that shares a position
    uint32_t message;
    size_t marker; // the first one of this block or of those that follow
    struct wp_arena *scratch;
    bool no_memory;
};

static void salt(struct builder *b, wp_view text)
{
    b->at = wp_hash128_link(b->options->key, b->at, TAG_SALT, text);
}

// A server's tool for the web: its type begins with "web_, near the tool's begin.
static bool is_web_tool(const struct wp_request_block *block)
{
    static const char name[] = "\"web_";
    enum { WITHIN = 200, LEN = sizeof(name) - 1 };
    wp_view text = wp_view_sub(block->value, 0, WITHIN);
    // by the byte that is rare in it: the tools of a request are many
    for (size_t at = 0, hit; (hit = wp_view_find_char(wp_view_skip(text, at), '_')) != WP_NOT_FOUND;
         at += hit + 1)
        if (at + hit + 1 >= LEN && memcmp(text.ptr + at + hit + 1 - LEN, name, LEN) == 0)
            return true;
    return false;
}

// What kills the system tier at the provider.
static void salt_system(struct builder *b)
{
    const struct wp_member *speed = wp_request_member(b->request, "speed");
    const struct wp_request_block *blocks = b->request->blocks;
    bool web_search = false;
    for (size_t i = 0; i < b->request->block_count && blocks[i].tier == WP_TIER_TOOLS; i++)
        web_search = web_search || is_web_tool(&blocks[i]);
    salt(b, speed == NULL ? WP_VIEW("") : speed->value);
    salt(b, web_search ? WP_VIEW("web") : WP_VIEW(""));
    salt(b, b->request->has_citations ? WP_VIEW("citations") : WP_VIEW(""));
}

// An explicit default equals an omitted one.
static wp_view effort_of(const struct wp_request *request)
{
    wp_view effort = wp_json_scan_member(request->output_config, "effort");
    return wp_view_is(effort, "\"high\"") ? (wp_view){NULL, 0} : effort;
}

static void salt_thinking(struct builder *b)
{
    salt(b, b->request->thinking);
    salt(b, effort_of(b->request));
}

static bool before(wp_view a, wp_view b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order < 0 || (order == 0 && a.len < b.len);
}

// A set: neither order nor repetition matters. Beyond the most that clients send they count as they
// stand.
static void salt_betas(struct builder *b)
{
    enum { SORTED = 32 };
    wp_view sorted[SORTED], rest = b->options->betas, name;
    uint32_t count = 0;
    while (count < SORTED && wp_view_next_token(&rest, ',', &name)) {
        uint32_t at = count;
        name = wp_view_trim(name);
        while (at > 0 && before(name, sorted[at - 1]))
            at--;
        if (name.len == 0 || (at > 0 && wp_view_eq(name, sorted[at - 1])))
            continue;
        memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof(*sorted));
        sorted[at] = name;
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        salt(b, sorted[i]);
    if (rest.len > 0)
        salt(b, rest);
}

static void salt_messages(struct builder *b)
{
    salt(b, b->request->tool_choice);
    if (!b->options->thinking_in_head)
        salt_thinking(b);
    salt(b, b->request->has_images ? WP_VIEW("images") : WP_VIEW(""));
    if (b->request->context_management.ptr != NULL)
        salt(b, b->request->context_management);
    salt_betas(b);
}

// The block's bytes without its markers, those in a tool result's content included: no provider
// renders them. The markers of a request stand in the order of its blocks.
static struct wp_hash128 hash_without_markers(struct builder *b, uint32_t source, wp_view value,
                                              uint32_t tag, size_t *len)
{
    struct wp_splice splice;
    struct wp_spans spans;
    const struct wp_request *request = b->request;
    wp_splice_init(&splice, b->scratch, value);
    for (size_t i = b->marker; i < request->marker_count && request->markers[i].block == source;
         i++)
        wp_splice_remove_item(&splice, request->markers[i].container, request->markers[i].member);
    enum wp_err err = wp_splice_spans(&splice, &spans);
    wp_view joined =
        err == WP_OK ? wp_arena_concat(b->scratch, spans.list, spans.count) : (wp_view){NULL, 0};
    if (joined.ptr == NULL) {
        b->no_memory = true;
        return b->at;
    }
    *len = joined.len;
    return wp_hash128_link(b->options->key, b->at, tag, joined);
}

static bool is_marked(struct builder *b, uint32_t source)
{
    const struct wp_request *request = b->request;
    while (b->marker < request->marker_count && request->markers[b->marker].block < source)
        b->marker++;
    return b->marker < request->marker_count && request->markers[b->marker].block == source;
}

static uint32_t tag_of(const struct wp_request_block *block)
{
    if (block->tier == WP_TIER_TOOLS)
        return TAG_TOOL;
    return block->tier == WP_TIER_SYSTEM ? TAG_SYSTEM : TAG_MESSAGE;
}

static void link_block(struct builder *b, uint32_t source)
{
    const struct wp_request_block *block = &b->request->blocks[source];
    uint32_t tag = tag_of(block);
    size_t len = block->value.len;
    if (block->plain_text) {
        // both spellings of a text hash alike; the tag's high bit keeps them apart from objects
        b->at = wp_hash128_link(b->options->key, b->at, tag | 0x80, block->text);
        len = block->text.len;
    } else if (is_marked(b, source)) {
        b->at = hash_without_markers(b, source, block->value, tag, &len);
    } else {
        b->at = wp_hash128_link(b->options->key, b->at, tag, block->value);
    }
    b->bytes += len;
}

static bool joins_run(struct builder *b, const struct wp_request_block *block)
{
    uint8_t run = block->kind == WP_BLOCK_TOOL_USE || block->kind == WP_BLOCK_TOOL_RESULT
                      ? (uint8_t)block->kind + 1
                      : 0;
    bool joins = run != 0 && run == b->run;
    b->run = run;
    return joins;
}

static uint8_t breakpoint_ttl(const struct builder *b, const struct wp_request_block *block)
{
    if (block->marker == UINT32_MAX || block->kind == WP_BLOCK_THINKING)
        return WP_TTL_NONE;
    return (uint8_t)b->request->markers[block->marker].ttl;
}

static void add_block(struct builder *b, size_t source)
{
    const struct wp_request_block *block = &b->request->blocks[source];
    struct wp_prompt *out = b->out;
    if (block->tier == WP_TIER_MESSAGES && (b->message != block->message || out->count == 0)) {
        b->message = block->message;
        b->run = 0;
        salt(b, block->role);
    }
    link_block(b, (uint32_t)source);
    bool joins = joins_run(b, block);
    if (!joins || !b->options->collapse_tool_runs)
        b->position++;
    out->blocks[out->count++] = (struct wp_block){
        .prefix = b->at,
        .tokens = wp_tokens_estimate((size_t)b->bytes),
        .position = b->position,
        .tier = (uint8_t)block->tier,
        .kind = (uint8_t)block->kind,
        .ttl = breakpoint_ttl(b, block),
        .joins = joins,
        .source = (uint32_t)source,
    };
}

// The automatic top-level marker stands on the last block that can carry one.
static void resolve_automatic(struct builder *b)
{
    const struct wp_request *request = b->request;
    struct wp_prompt *out = b->out;
    if (request->marker_count == 0 ||
        request->markers[request->marker_count - 1].tier != WP_TIER_TOP)
        return;
    for (uint32_t i = out->count; i-- > 0;) {
        const struct wp_request_block *block = &request->blocks[out->blocks[i].source];
        if (block->kind == WP_BLOCK_THINKING ||
            (block->kind == WP_BLOCK_TEXT && wp_view_is(block->text, "\"\"")))
            continue;
        if (out->blocks[i].ttl == WP_TTL_NONE)
            out->blocks[i].ttl = (uint8_t)request->markers[request->marker_count - 1].ttl;
        return;
    }
}

static void collect_breakpoints(struct wp_prompt *out)
{
    for (uint32_t i = 0; i < out->count; i++)
        if (out->blocks[i].ttl != WP_TTL_NONE &&
            out->breakpoint_count < sizeof(out->breakpoints) / sizeof(out->breakpoints[0]))
            out->breakpoints[out->breakpoint_count++] = i;
}

static void describe(struct builder *b)
{
    const struct wp_request *request = b->request;
    struct wp_prompt *out = b->out;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct wp_request_block *block = &request->blocks[out->blocks[i].source];
        if (block->tier != WP_TIER_MESSAGES) {
            out->system_end = i + 1;
            continue;
        }
        if (block->message == 0)
            out->first_user = out->blocks[i].prefix;
        if (block->kind == WP_BLOCK_THINKING) {
            out->has_thinking_in_history = true;
            out->thinking_tokens += wp_tokens_estimate(block->value.len);
        }
        if (block->message + 1 == request->message_count && block->kind == WP_BLOCK_TOOL_RESULT)
            out->in_tool_loop = true;
    }
    if (out->system_end > 0)
        out->head = out->blocks[out->system_end - 1].prefix;
    out->tokens = wp_tokens_estimate((size_t)b->bytes);
}

enum wp_err wp_chain_build(struct wp_arena *arena, const struct wp_request *request,
                           const struct wp_chain_options *options, struct wp_prompt *out)
{
    struct builder b = {.options = options,
                        .request = request,
                        .out = out,
                        .scratch = options->scratch == NULL ? arena : options->scratch};
    bool system_salted = false, messages_salted = false;
    *out = (struct wp_prompt){0};
    out->blocks = wp_arena_raw(arena, (request->block_count + 1) * sizeof(*out->blocks));
    if (out->blocks == NULL)
        return WP_ERR_NO_MEMORY;
    if (options->thinking_in_head)
        salt_thinking(&b);
    for (size_t i = 0; i < request->block_count && !b.no_memory; i++) {
        const struct wp_request_block *block = &request->blocks[i];
        if (block->tier >= WP_TIER_SYSTEM && !system_salted) {
            system_salted = true;
            salt_system(&b);
        }
        if (block->tier == WP_TIER_MESSAGES && !messages_salted) {
            messages_salted = true;
            b.message = UINT32_MAX;
            salt_messages(&b);
        }
        if (!block->billing)
            add_block(&b, i);
    }
    if (b.no_memory)
        return WP_ERR_NO_MEMORY;
    resolve_automatic(&b);
    collect_breakpoints(out);
    describe(&b);
    return WP_OK;
}
