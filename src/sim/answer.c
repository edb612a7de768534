// Answers, as the prompt scripts them: see sim.h.
#include <stdio.h>

#include "base/buf.h"
#include "base/codec.h"
#include "sim/private.h"
#include "json/writer.h"

enum { ANSWER_MAX = 8 * 1024 * 1024, DELTA_BYTES = 24, ACTIONS_MAX = 64 };

enum action_kind { ACTION_TEXT, ACTION_THINK, ACTION_TOOL };

struct action {
    enum action_kind kind;
    wp_view text; // words, or the tool's input as JSON
    wp_view tool;
    uint32_t repeat; // `long N`
};

struct script {
    struct action actions[ACTIONS_MAX];
    size_t count;
};

// End of a JSON value that starts at text[0] == '{'.
static size_t json_end(wp_view text)
{
    int depth = 0;
    bool string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (string && c == '\\')
            i++;
        else if (c == '"')
            string = !string;
        else if (!string && c == '{')
            depth++;
        else if (!string && c == '}' && --depth == 0)
            return i + 1;
    }
    return text.len;
}

// Cuts the next piece up to `separator` that is not inside a JSON value.
static bool next_piece(wp_view *rest, char separator, wp_view *piece)
{
    size_t at = 0;
    if (rest->ptr == NULL)
        return false;
    while (at < rest->len && rest->ptr[at] != separator) {
        if (rest->ptr[at] == '{')
            at += json_end(wp_view_skip(*rest, at));
        else
            at++;
    }
    *piece = wp_view_trim(wp_view_sub(*rest, 0, at));
    *rest =
        at < rest->len ? wp_view_make(rest->ptr + at + 1, rest->len - at - 1) : (wp_view){NULL, 0};
    return true;
}

static struct action parse_action(wp_view piece)
{
    size_t space = wp_view_find_char(piece, ' ');
    wp_view word = wp_view_sub(piece, 0, space);
    wp_view rest = space == WP_NOT_FOUND ? WP_VIEW("") : wp_view_trim(wp_view_skip(piece, space));
    uint64_t count;
    if (wp_view_is(word, "text"))
        return (struct action){.kind = ACTION_TEXT, .text = rest};
    if (wp_view_is(word, "think"))
        return (struct action){.kind = ACTION_THINK, .text = rest};
    if (wp_view_is(word, "long") && wp_view_parse_u64(rest, &count))
        return (struct action){.kind = ACTION_TEXT,
                               .text = WP_VIEW("and so it goes on, "),
                               .repeat = count > 100000 ? 100000 : (uint32_t)count};
    return (struct action){
        .kind = ACTION_TOOL, .tool = word, .text = rest.len > 0 ? rest : WP_VIEW("{}")};
}

static wp_view message_text(const struct wp_json_val *message, wp_view needle)
{
    const struct wp_json_val *content = wp_json_get(message, "content");
    if (wp_json_is_str(content))
        return wp_view_contains(wp_json_str(content), needle) ? wp_json_str(content)
                                                              : (wp_view){NULL, 0};
    for (size_t i = wp_json_count(content); i-- > 0;) {
        wp_view text = wp_json_str(wp_json_get(wp_json_at(content, i), "text"));
        if (wp_view_contains(text, needle))
            return text;
    }
    return (wp_view){NULL, 0};
}

// The steps of the newest script and how many assistant turns have passed since.
static bool find_script(const struct wp_json_val *messages, wp_view *steps, size_t *turn)
{
    static const char open[] = "[[sim:";
    *turn = 0;
    for (size_t i = wp_json_count(messages); i-- > 0;) {
        const struct wp_json_val *message = wp_json_at(messages, i);
        if (wp_view_is(wp_json_str(wp_json_get(message, "role")), "assistant")) {
            (*turn)++;
            continue;
        }
        wp_view text = message_text(message, wp_view_of(open));
        size_t at = wp_view_find(text, wp_view_of(open));
        if (text.len == 0 || at == WP_NOT_FOUND)
            continue;
        *steps = wp_view_skip(text, at + sizeof(open) - 1);
        size_t end = wp_view_find(*steps, WP_VIEW("]]"));
        // "]]" may also close arrays in a tool's input: the last one counts then
        for (size_t next = end; next != WP_NOT_FOUND;) {
            end = next;
            next = wp_view_find(wp_view_skip(*steps, end + 1), WP_VIEW("]]"));
            next = next == WP_NOT_FOUND ? WP_NOT_FOUND : next + end + 1;
        }
        *steps = wp_view_sub(*steps, 0, end);
        return true;
    }
    return false;
}

static bool load_script(const struct sim_request *request, struct script *script)
{
    wp_view steps, step, piece;
    size_t turn;
    if (!find_script(wp_json_get(request->root, "messages"), &steps, &turn))
        return false;
    for (size_t i = 0; next_piece(&steps, ';', &step); i++) {
        if (i != turn)
            continue;
        while (script->count < ACTIONS_MAX && next_piece(&step, '|', &piece))
            script->actions[script->count++] = parse_action(piece);
        return script->count > 0;
    }
    return false;
}

// An instance of a JSON schema: enough for titles and the like.
static void instance(struct wp_buf *out, const struct wp_json_val *schema, int depth)
{
    wp_view type = wp_json_str(wp_json_get(schema, "type"));
    const struct wp_json_val *choices = wp_json_get(schema, "enum");
    if (wp_json_count(choices) > 0 && wp_json_is_str(wp_json_at(choices, 0))) {
        wp_json_append_string(out, wp_json_str(wp_json_at(choices, 0)));
    } else if (wp_view_is(type, "object") && depth < 8) {
        struct wp_json_iter iter = {0};
        const struct wp_json_val *child;
        wp_view key;
        bool first = true;
        wp_buf_append_char(out, '{');
        while (wp_json_each(wp_json_get(schema, "properties"), &iter, &key, &child)) {
            if (!first)
                wp_buf_append_char(out, ',');
            first = false;
            wp_json_append_string(out, key);
            wp_buf_append_char(out, ':');
            instance(out, child, depth + 1);
        }
        wp_buf_append_char(out, '}');
    } else if (wp_view_is(type, "array")) {
        wp_buf_append_cstring(out, "[]");
    } else if (wp_view_is(type, "boolean")) {
        wp_buf_append_cstring(out, "false");
    } else if (wp_view_is(type, "number") || wp_view_is(type, "integer")) {
        wp_buf_append_cstring(out, "1");
    } else {
        wp_json_append_string(out, WP_VIEW("Simulated answer"));
    }
}

static wp_view default_text(struct wp_arena *arena, const struct sim_request *request,
                            wp_view account)
{
    const struct wp_json_val *schema = wp_json_path(request->root, "output_config.format.schema");
    if (schema == NULL)
        schema = wp_json_path(request->root, "output_format.schema");
    if (schema == NULL)
        return wp_arena_printf(arena, "This is a simulated answer from %.*s.",
                               WP_VIEW_ARG(account));
    struct wp_buf buf = wp_buf_make(64 * 1024);
    instance(&buf, schema, 0);
    wp_view text = wp_arena_copy(arena, wp_buf_view(&buf));
    wp_buf_free(&buf);
    return text;
}

// Building --------------------------------------------------------------------------------------

struct builder {
    struct wp_arena *arena;
    struct sim_answer *out;
    struct wp_buf scratch;
    struct wp_buf content; // of the whole message: elements, comma-separated
    uint64_t number;
    uint32_t characters;
    bool tools, failed;
    char signature[SIM_SIGNATURE_MAX];
};

static void add_event(struct builder *b, const char *type)
{
    struct sim_answer *out = b->out;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity == 0 ? 64 : out->capacity * 2;
        struct sim_event *more = wp_arena_array(b->arena, capacity, sizeof(*more));
        if (more == NULL) {
            b->failed = true;
            return;
        }
        if (out->count > 0)
            memcpy(more, out->events, out->count * sizeof(*more));
        out->events = more;
        out->capacity = capacity;
    }
    wp_view json = wp_arena_copy(b->arena, wp_buf_view(&b->scratch));
    b->failed = b->failed || json.ptr == NULL || !wp_buf_ok(&b->scratch);
    out->events[out->count++] = (struct sim_event){type, json};
    wp_buf_clear(&b->scratch);
}

static void put_usage(struct wp_json_writer *w, const struct sim_usage *usage, uint32_t output)
{
    wp_json_open_object(w, "usage");
    wp_json_put_u64(w, "input_tokens", usage->input);
    wp_json_put_u64(w, "cache_creation_input_tokens", usage->write_5m + usage->write_1h);
    wp_json_put_u64(w, "cache_read_input_tokens", usage->read);
    wp_json_open_object(w, "cache_creation");
    wp_json_put_u64(w, "ephemeral_5m_input_tokens", usage->write_5m);
    wp_json_put_u64(w, "ephemeral_1h_input_tokens", usage->write_1h);
    wp_json_close(w);
    wp_json_put_u64(w, "output_tokens", output);
    wp_json_put_cstr(w, "service_tier", "standard");
    wp_json_close(w);
}

static void message_start(struct builder *b, const struct sim_request *request,
                          const struct sim_usage *usage)
{
    char id[40];
    struct wp_json_writer w = wp_json_writer(&b->scratch);
    snprintf(id, sizeof(id), "msg_sim_%012llu", (unsigned long long)b->number);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "message_start");
    wp_json_open_object(&w, "message");
    wp_json_put_cstr(&w, "id", id);
    wp_json_put_cstr(&w, "type", "message");
    wp_json_put_cstr(&w, "role", "assistant");
    wp_json_put_str(&w, "model", request->model);
    wp_json_open_array(&w, "content");
    wp_json_close(&w);
    wp_json_put_null(&w, "stop_reason");
    wp_json_put_null(&w, "stop_sequence");
    put_usage(&w, usage, 1);
    wp_json_close(&w);
    wp_json_close(&w);
    add_event(b, "message_start");
}

static void block_start(struct builder *b, size_t index, const struct action *action)
{
    char id[40];
    struct wp_json_writer w = wp_json_writer(&b->scratch);
    snprintf(id, sizeof(id), "toolu_sim_%08llu_%zu", (unsigned long long)b->number, index);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "content_block_start");
    wp_json_put_u64(&w, "index", index);
    wp_json_open_object(&w, "content_block");
    if (action->kind == ACTION_TOOL) {
        wp_json_put_cstr(&w, "type", "tool_use");
        wp_json_put_cstr(&w, "id", id);
        wp_json_put_str(&w, "name", action->tool);
        wp_json_open_object(&w, "input");
        wp_json_close(&w);
    } else {
        bool think = action->kind == ACTION_THINK;
        wp_json_put_cstr(&w, "type", think ? "thinking" : "text");
        wp_json_put_cstr(&w, think ? "thinking" : "text", "");
        if (think)
            wp_json_put_cstr(&w, "signature", "");
    }
    wp_json_close(&w);
    wp_json_close(&w);
    add_event(b, "content_block_start");
}

static void delta(struct builder *b, size_t index, const char *type, const char *field,
                  wp_view text)
{
    struct wp_json_writer w = wp_json_writer(&b->scratch);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "content_block_delta");
    wp_json_put_u64(&w, "index", index);
    wp_json_open_object(&w, "delta");
    wp_json_put_cstr(&w, "type", type);
    wp_json_put_str(&w, field, text);
    wp_json_close(&w);
    wp_json_close(&w);
    add_event(b, "content_block_delta");
    b->characters += (uint32_t)text.len;
}

// A piece of at most DELTA_BYTES that does not cut a UTF-8 sequence.
static wp_view cut(wp_view *text)
{
    size_t len = text->len < DELTA_BYTES ? text->len : DELTA_BYTES;
    while (len < text->len && ((unsigned char)text->ptr[len] & 0xC0) == 0x80)
        len++;
    wp_view piece = wp_view_sub(*text, 0, len);
    *text = wp_view_skip(*text, len);
    return piece;
}

static void deltas(struct builder *b, size_t index, const struct action *action)
{
    static const char *const types[] = {"text_delta", "thinking_delta", "input_json_delta"};
    static const char *const fields[] = {"text", "thinking", "partial_json"};
    for (uint32_t i = 0; i < action->repeat; i++)
        delta(b, index, "text_delta", "text", action->text);
    wp_view rest = action->repeat > 0 ? WP_VIEW("") : action->text;
    while (rest.len > 0)
        delta(b, index, types[action->kind], fields[action->kind], cut(&rest));
    if (action->kind == ACTION_THINK)
        delta(b, index, "signature_delta", "signature", wp_view_of(b->signature));
}

static void whole_block(struct builder *b, size_t index, const struct action *action)
{
    struct wp_json_writer w = wp_json_writer(&b->content);
    char id[40];
    snprintf(id, sizeof(id), "toolu_sim_%08llu_%zu", (unsigned long long)b->number, index);
    if (index > 0)
        wp_buf_append_char(&b->content, ',');
    wp_json_open_object(&w, NULL);
    if (action->kind == ACTION_TOOL) {
        wp_json_put_cstr(&w, "type", "tool_use");
        wp_json_put_cstr(&w, "id", id);
        wp_json_put_str(&w, "name", action->tool);
        wp_json_put_raw(&w, "input", action->text);
    } else if (action->kind == ACTION_THINK) {
        wp_json_put_cstr(&w, "type", "thinking");
        wp_json_put_str(&w, "thinking", action->text);
        wp_json_put_cstr(&w, "signature", b->signature);
    } else {
        struct wp_buf text = wp_buf_make(ANSWER_MAX);
        for (uint32_t i = 0; i < (action->repeat > 0 ? action->repeat : 1); i++)
            wp_buf_append(&text, action->text);
        wp_json_put_cstr(&w, "type", "text");
        wp_json_put_str(&w, "text", wp_buf_view(&text));
        wp_buf_free(&text);
    }
    wp_json_close(&w);
}

static void add_block(struct builder *b, size_t index, const struct action *action)
{
    struct wp_json_writer w;
    block_start(b, index, action);
    deltas(b, index, action);
    w = wp_json_writer(&b->scratch);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "content_block_stop");
    wp_json_put_u64(&w, "index", index);
    wp_json_close(&w);
    add_event(b, "content_block_stop");
    whole_block(b, index, action);
    b->tools = b->tools || action->kind == ACTION_TOOL;
}

static const char *stop_reason(const struct builder *b, const struct sim_request *request)
{
    return b->tools                                       ? "tool_use"
           : b->out->output_tokens >= request->max_tokens ? "max_tokens"
                                                          : "end_turn";
}

static void message_end(struct builder *b, const struct sim_request *request,
                        const struct sim_usage *usage, bool invocation_metrics)
{
    struct wp_json_writer w = wp_json_writer(&b->scratch);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "message_delta");
    wp_json_open_object(&w, "delta");
    wp_json_put_cstr(&w, "stop_reason", stop_reason(b, request));
    wp_json_put_null(&w, "stop_sequence");
    wp_json_close(&w);
    put_usage(&w, usage, b->out->output_tokens);
    wp_json_close(&w);
    add_event(b, "message_delta");
    w = wp_json_writer(&b->scratch);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "message_stop");
    if (invocation_metrics) {
        wp_json_open_object(&w, "amazon-bedrock-invocationMetrics");
        wp_json_put_u64(&w, "inputTokenCount", usage->input);
        wp_json_put_u64(&w, "outputTokenCount", b->out->output_tokens);
        wp_json_put_u64(&w, "invocationLatency", 321);
        wp_json_put_u64(&w, "firstByteLatency", 123);
        wp_json_put_u64(&w, "cacheReadInputTokenCount", usage->read);
        wp_json_put_u64(&w, "cacheWriteInputTokenCount", usage->write_5m + usage->write_1h);
        wp_json_close(&w);
    }
    wp_json_close(&w);
    add_event(b, "message_stop");
}

static void whole_message(struct builder *b, const struct sim_request *request,
                          const struct sim_usage *usage)
{
    char id[40];
    struct wp_json_writer w = wp_json_writer(&b->scratch);
    snprintf(id, sizeof(id), "msg_sim_%012llu", (unsigned long long)b->number);
    wp_buf_append_char(&b->content, ']');
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "id", id);
    wp_json_put_cstr(&w, "type", "message");
    wp_json_put_cstr(&w, "role", "assistant");
    wp_json_put_str(&w, "model", request->model);
    wp_json_put_raw(&w, "content", wp_buf_view(&b->content));
    wp_json_put_cstr(&w, "stop_reason", stop_reason(b, request));
    wp_json_put_null(&w, "stop_sequence");
    put_usage(&w, usage, b->out->output_tokens);
    wp_json_close(&w);
    b->out->whole = wp_arena_copy(b->arena, wp_buf_view(&b->scratch));
    b->failed = b->failed || b->out->whole.ptr == NULL || !wp_buf_ok(&b->scratch);
}

void sim_signature(wp_view account, char out[SIM_SIGNATURE_MAX])
{
    struct wp_buf buf = wp_buf_make_in(out, SIM_SIGNATURE_MAX, SIM_SIGNATURE_MAX);
    wp_base64_append(&buf, wp_view_sub(account, 0, 32));
    wp_buf_append_char(&buf, '\0');
}

bool sim_answer_build(struct wp_arena *arena, const struct sim_request *request,
                      const struct sim_usage *usage, wp_view account, uint64_t number,
                      bool invocation_metrics, struct sim_answer *out)
{
    struct script script = {.count = 0};
    struct builder b = {.arena = arena,
                        .out = out,
                        .scratch = wp_buf_make(ANSWER_MAX),
                        .content = wp_buf_make(ANSWER_MAX),
                        .number = number};
    *out = (struct sim_answer){0};
    sim_signature(account, b.signature);
    if (request->max_tokens > 0 && !load_script(request, &script)) {
        script.actions[0] =
            (struct action){.kind = ACTION_TEXT, .text = default_text(arena, request, account)};
        script.count = 1;
    }
    message_start(&b, request, usage);
    wp_buf_append_char(&b.content, '[');
    for (size_t i = 0; i < script.count; i++)
        add_block(&b, i, &script.actions[i]);
    uint64_t tokens = (b.characters + 3) / 4 + script.count;
    out->output_tokens = (uint32_t)(tokens < request->max_tokens ? tokens : request->max_tokens);
    message_end(&b, request, usage, invocation_metrics);
    whole_message(&b, request, usage);
    wp_buf_free(&b.scratch);
    wp_buf_free(&b.content);
    return !b.failed;
}
