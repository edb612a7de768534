// What the simulated provider accepts, and how it sees the prompt: a list of positions with
// digests over their rendered content. Texts of refusals follow the providers' own.
#include <stdio.h>

#include "base/buf.h"

#include "sim/private.h"

enum { RENDER_MAX = 64 * 1024 * 1024 };

struct parse {
    struct wp_arena *arena;
    const struct sim_reading *reading;
    enum sim_platform platform;
    struct sim_request *out;
    struct wp_buf render;
    uint8_t chain[WP_SHA256_LEN];
    uint32_t position, breakpoints;
    char last_run; // 'u' or 'r' inside a run of tool_use or tool_result
    bool collapse; // such a run counts as one position
    bool seen_5m;
    bool failed;
    int status;
    wp_view message;
};

static void refuse(struct parse *p, wp_view message)
{
    if (p->failed)
        return;
    p->failed = true;
    p->status = 400;
    p->message = message;
}

static bool is_bool(const struct wp_json_val *val)
{
    return wp_json_bool(val, true) == wp_json_bool(val, false);
}

// Renders without cache_control, keys in their order, numbers in one form.
static void render(struct wp_buf *out, const struct wp_json_val *val, bool top)
{
    struct wp_json_iter iter = {0};
    const struct wp_json_val *child;
    wp_view key;
    if (wp_json_is_str(val)) {
        wp_buf_append_char(out, '"');
        wp_buf_append(out, wp_json_str(val));
        wp_buf_append_char(out, '"');
    } else if (wp_json_is_object(val) || wp_json_is_array(val)) {
        wp_buf_append_char(out, wp_json_is_object(val) ? '{' : '[');
        while (wp_json_each(val, &iter, &key, &child)) {
            if (top && wp_view_is(key, "cache_control"))
                continue;
            wp_buf_append(out, key);
            wp_buf_append_char(out, ':');
            render(out, child, false);
            wp_buf_append_char(out, ',');
        }
        wp_buf_append_char(out, wp_json_is_object(val) ? '}' : ']');
    } else if (wp_json_is_null(val)) {
        wp_buf_append_cstring(out, "null");
    } else if (is_bool(val)) {
        wp_buf_append_cstring(out, wp_json_bool(val, false) ? "true" : "false");
    } else {
        wp_buf_printf(out, "%.17g", wp_json_double(val, 0));
    }
}

// Extends the chain by text that is not a position of its own (role, tier, salt).
static void salt(struct parse *p, wp_view text)
{
    const wp_view parts[] = {wp_view_make((const char *)p->chain, sizeof(p->chain)), text};
    uint8_t next[WP_SHA256_LEN];
    wp_sha256_spans(parts, 2, next);
    memcpy(p->chain, next, sizeof(next));
}

static uint32_t next_position(struct parse *p, wp_view type)
{
    char run = wp_view_is(type, "tool_use") ? 'u' : wp_view_is(type, "tool_result") ? 'r' : 0;
    if (!(p->collapse && run != 0 && run == p->last_run))
        p->position++;
    p->last_run = run;
    return p->position;
}

static void add_block(struct parse *p, wp_view type, uint8_t ttl_minutes)
{
    struct sim_prompt *prompt = &p->out->prompt;
    if (prompt->count == prompt->capacity) {
        size_t capacity = prompt->capacity == 0 ? 64 : prompt->capacity * 2;
        struct sim_block *more = wp_arena_array(p->arena, capacity, sizeof(*more));
        if (more == NULL || !wp_buf_ok(&p->render)) {
            refuse(p, WP_VIEW("too large"));
            return;
        }
        if (prompt->count > 0)
            memcpy(more, prompt->blocks, prompt->count * sizeof(*more));
        prompt->blocks = more;
        prompt->capacity = capacity;
    }
    struct sim_block *block = &prompt->blocks[prompt->count++];
    salt(p, wp_buf_view(&p->render));
    prompt->tokens += (uint32_t)((p->render.len + 3) / 4);
    memcpy(block->digest, p->chain, sizeof(p->chain));
    block->tokens = prompt->tokens;
    block->position = next_position(p, type);
    block->ttl_minutes = ttl_minutes;
    block->takes_marker = !wp_view_is(type, "thinking") && !wp_view_is(type, "redacted_thinking");
    wp_buf_clear(&p->render);
}

static bool unknown_key(const struct wp_json_val *object, const char *const *known, size_t count,
                        wp_view *found)
{
    struct wp_json_iter iter = {0};
    const struct wp_json_val *child;
    wp_view key;
    while (wp_json_each(object, &iter, &key, &child)) {
        bool is_known = false;
        for (size_t i = 0; i < count && !is_known; i++)
            is_known = wp_view_is(key, known[i]);
        if (!is_known) {
            *found = key;
            return true;
        }
    }
    return false;
}

// Minutes of the marker on this object; 0 without one.
static uint8_t marker(struct parse *p, const struct wp_json_val *holder, const char *where,
                      size_t index)
{
    static const char *const anthropic_keys[] = {"type", "ttl", "scope"};
    static const char *const bedrock_keys[] = {"type", "ttl"};
    const struct wp_json_val *control = wp_json_get(holder, "cache_control");
    wp_view found, ttl;
    if (control == NULL || wp_json_is_null(control))
        return 0;
    bool bedrock = p->platform == SIM_BEDROCK;
    if (unknown_key(control, bedrock ? bedrock_keys : anthropic_keys, bedrock ? 2 : 3, &found))
        refuse(p, wp_arena_printf(p->arena,
                                  "%s.%zu.cache_control.%.*s: Extra inputs are not permitted",
                                  where, index, WP_VIEW_ARG(found)));
    if (!wp_view_is(wp_json_str(wp_json_get(control, "type")), "ephemeral"))
        refuse(p,
               wp_arena_printf(p->arena, "%s.%zu.cache_control.type: Input should be 'ephemeral'",
                               where, index));
    ttl = wp_json_str(wp_json_get(control, "ttl"));
    bool hour = wp_view_is(ttl, "1h");
    if (ttl.len > 0 && !hour && !wp_view_is(ttl, "5m"))
        refuse(p,
               wp_arena_printf(p->arena, "%s.%zu.cache_control.ttl: Input should be '5m' or '1h'",
                               where, index));
    if (hour && p->seen_5m)
        refuse(p, wp_arena_printf(p->arena,
                                  "%s.%zu.cache_control.ttl: a ttl='1h' cache_control block must "
                                  "not come after a ttl='5m' cache_control block",
                                  where, index));
    p->seen_5m = p->seen_5m || !hour;
    if (++p->breakpoints > SIM_BREAKPOINTS_MAX)
        refuse(p, wp_arena_printf(p->arena,
                                  "A maximum of 4 blocks with cache_control may be provided. "
                                  "Found %u.",
                                  p->breakpoints));
    return hour && !p->reading->rules.hour_as_5m ? 60 : 5;
}

static void read_tools(struct parse *p, const struct wp_json_val *tools)
{
    static const char *const bedrock_keys[] = {"name", "description", "input_schema", "type",
                                               "cache_control"};
    wp_view found;
    for (size_t i = 0; i < wp_json_count(tools); i++) {
        const struct wp_json_val *tool = wp_json_at(tools, i);
        wp_view type = wp_json_str(wp_json_get(tool, "type"));
        if (p->platform == SIM_BEDROCK && type.len == 0 &&
            unknown_key(tool, bedrock_keys, WP_COUNT_OF(bedrock_keys), &found))
            refuse(p, wp_arena_printf(p->arena, "tools.%zu.%.*s: Extra inputs are not permitted", i,
                                      WP_VIEW_ARG(found)));
        if (p->platform == SIM_BEDROCK && wp_view_starts_with(type, WP_VIEW("web_search")))
            refuse(p, wp_arena_printf(p->arena,
                                      "tools.%zu: Input tag '%.*s' found using 'type' does not "
                                      "match any of the expected tags",
                                      i, WP_VIEW_ARG(type)));
        render(&p->render, tool, true);
        add_block(p, WP_VIEW("tool"), marker(p, tool, "tools", i));
    }
}

static void text_block(struct parse *p, wp_view text)
{
    wp_buf_append_cstring(&p->render, "{type:\"text\",text:\"");
    wp_buf_append(&p->render, text);
    wp_buf_append_cstring(&p->render, "\",}");
}

// The form that both spellings of a text share.
static void render_block(struct parse *p, const struct wp_json_val *block)
{
    if (wp_view_is(wp_json_str(wp_json_get(block, "type")), "text") &&
        wp_json_count(block) <= (wp_json_get(block, "cache_control") != NULL ? 3u : 2u))
        text_block(p, wp_json_str(wp_json_get(block, "text")));
    else
        render(&p->render, block, true);
}

static bool is_billing(const struct wp_json_val *block)
{
    return wp_view_starts_with(wp_json_str(wp_json_get(block, "text")),
                               WP_VIEW("x-anthropic-billing-header:"));
}

static void read_system(struct parse *p, const struct wp_json_val *system)
{
    if (wp_json_is_str(system)) {
        text_block(p, wp_json_str(system));
        add_block(p, WP_VIEW("text"), 0);
        return;
    }
    for (size_t i = 0; i < wp_json_count(system); i++) {
        const struct wp_json_val *block = wp_json_at(system, i);
        // Anthropic takes its own attribution block out before anything is cached.
        if (i == 0 && p->platform == SIM_ANTHROPIC && is_billing(block))
            continue;
        render_block(p, block);
        add_block(p, wp_json_str(wp_json_get(block, "type")), marker(p, block, "system", i));
    }
}

// Thinking of another account: it is not rendered, and nothing says so.
static bool is_foreign(const struct parse *p, const struct wp_json_val *block)
{
    char own[SIM_SIGNATURE_MAX];
    wp_view signature = wp_json_str(wp_json_get(block, "signature"));
    sim_signature(p->reading->account, own);
    return p->reading->rules.bound_thinking && !wp_view_is(signature, own);
}

static void read_content(struct parse *p, const struct wp_json_val *content, size_t message)
{
    char where[64];
    if (wp_json_is_str(content)) {
        text_block(p, wp_json_str(content));
        add_block(p, WP_VIEW("text"), 0);
        return;
    }
    snprintf(where, sizeof(where), "messages.%zu.content", message);
    for (size_t i = 0; i < wp_json_count(content); i++) {
        const struct wp_json_val *block = wp_json_at(content, i);
        wp_view type = wp_json_str(wp_json_get(block, "type"));
        bool thinking = wp_view_is(type, "thinking") || wp_view_is(type, "redacted_thinking");
        uint8_t ttl = marker(p, block, where, i);
        if (thinking && ttl != 0)
            refuse(p,
                   wp_arena_printf(p->arena, "%s.%zu.cache_control: Extra inputs are not permitted",
                                   where, i));
        if (wp_view_is(type, "text") && wp_json_str(wp_json_get(block, "text")).len == 0)
            refuse(p,
                   wp_arena_printf(p->arena, "%s.%zu.text: text content blocks must be non-empty",
                                   where, i));
        if (thinking && is_foreign(p, block))
            continue;
        render_block(p, block);
        add_block(p, type, ttl);
    }
}

// Which models take role "system" inside messages.
static bool takes_system_role(wp_view model)
{
    static const char *const names[] = {"opus-4-8", "opus-5", "sonnet-5", "fable-5", "haiku-5"};
    for (size_t i = 0; i < WP_COUNT_OF(names); i++)
        if (wp_view_contains(model, wp_view_of(names[i])))
            return true;
    return false;
}

static void read_messages(struct parse *p, const struct wp_json_val *messages)
{
    if (!wp_json_is_array(messages) || wp_json_count(messages) == 0) {
        refuse(p, messages == NULL ? WP_VIEW("messages: Field required")
                                   : WP_VIEW("messages: at least one message is required"));
        return;
    }
    for (size_t i = 0; i < wp_json_count(messages); i++) {
        const struct wp_json_val *message = wp_json_at(messages, i);
        wp_view role = wp_json_str(wp_json_get(message, "role"));
        if (wp_view_is(role, "system") && !takes_system_role(p->out->model))
            refuse(p, wp_arena_printf(p->arena,
                                      "messages.%zu: role 'system' is not supported on this model",
                                      i));
        else if (!wp_view_is(role, "user") && !wp_view_is(role, "assistant") &&
                 !wp_view_is(role, "system"))
            refuse(p, wp_arena_printf(
                          p->arena, "messages.%zu.role: Input should be 'user' or 'assistant'", i));
        salt(p, role);
        p->last_run = 0;
        read_content(p, wp_json_get(message, "content"), i);
    }
}

// Fields and betas that the platform knows ----------------------------------------------------

static void check_bedrock_fields(struct parse *p, const struct wp_json_val *root)
{
    static const char *const known[] = {"anthropic_version",
                                        "anthropic_beta",
                                        "messages",
                                        "system",
                                        "tools",
                                        "tool_choice",
                                        "max_tokens",
                                        "temperature",
                                        "top_p",
                                        "top_k",
                                        "stop_sequences",
                                        "thinking",
                                        "metadata",
                                        "output_config",
                                        "context_management"};
    static const char *const without_effort[] = {"sonnet-4-5", "haiku-4-5", "opus-4-1",
                                                 "sonnet-4-2", "opus-4-2"};
    wp_view found;
    if (wp_json_get(root, "anthropic_version") == NULL)
        refuse(p, WP_VIEW("anthropic_version: Field required"));
    if (unknown_key(root, known, WP_COUNT_OF(known), &found))
        refuse(p, wp_arena_printf(p->arena, "%.*s: Extra inputs are not permitted",
                                  WP_VIEW_ARG(found)));
    for (size_t i = 0; i < WP_COUNT_OF(without_effort); i++)
        if (wp_json_get(root, "output_config") != NULL &&
            wp_view_contains(p->out->model, wp_view_of(without_effort[i])))
            refuse(p, WP_VIEW("output_config: Extra inputs are not permitted"));
}

static void check_bedrock_betas(struct parse *p, const struct wp_json_val *root)
{
    static const char *const known[] = {"interleaved-thinking-2025-05-14",
                                        "context-management-2025-06-27",
                                        "context-1m-2025-08-07",
                                        "tool-search-tool-2025-10-19",
                                        "effort-2025-11-24",
                                        "fine-grained-tool-streaming-2025-05-14",
                                        "claude-code-20250219",
                                        "structured-outputs-2025-12-15",
                                        "compact-2026-01-12",
                                        "computer-use-2025-01-24",
                                        "computer-use-2025-11-24"};
    const struct wp_json_val *betas = wp_json_get(root, "anthropic_beta");
    bool context_management = false;
    for (size_t i = 0; i < wp_json_count(betas); i++) {
        wp_view beta = wp_json_str(wp_json_at(betas, i));
        bool is_known = false;
        for (size_t k = 0; k < WP_COUNT_OF(known) && !is_known; k++)
            is_known = wp_view_is(beta, known[k]);
        if (!is_known)
            refuse(p, WP_VIEW("invalid beta flag"));
        context_management |= wp_view_is(beta, "context-management-2025-06-27");
    }
    if (wp_json_get(root, "context_management") != NULL && !context_management)
        refuse(p, WP_VIEW("context_management: Extra inputs are not permitted"));
}

uint32_t sim_minimum_tokens(enum sim_platform platform, wp_view model)
{
    static const struct {
        const char *name;
        uint32_t anthropic, bedrock;
    } rows[] = {{"opus-5", 512, 512},     {"sonnet-5-5", 512, 512},  {"fable-5", 512, 512},
                {"mythos-5", 512, 512},   {"opus-4-7", 2048, 4096},  {"opus-4-6", 4096, 4096},
                {"opus-4-5", 4096, 4096}, {"haiku-4-5", 4096, 4096}, {"haiku-3-5", 2048, 2048}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_contains(model, wp_view_of(rows[i].name)))
            return platform == SIM_BEDROCK ? rows[i].bedrock : rows[i].anthropic;
    return 1024;
}

static void salt_member(struct parse *p, const struct wp_json_val *root, const char *path)
{
    const struct wp_json_val *val = wp_json_path(root, path);
    wp_buf_append_cstring(&p->render, path);
    if (val != NULL)
        render(&p->render, val, false);
    salt(p, wp_buf_view(&p->render));
    wp_buf_clear(&p->render);
}

static bool has_images(const struct wp_json_val *messages)
{
    for (size_t i = 0; i < wp_json_count(messages); i++) {
        const struct wp_json_val *content = wp_json_get(wp_json_at(messages, i), "content");
        for (size_t k = 0; wp_json_is_array(content) && k < wp_json_count(content); k++)
            if (wp_view_is(wp_json_str(wp_json_get(wp_json_at(content, k), "type")), "image"))
                return true;
    }
    return false;
}

// Documents that are to be cited.
static bool has_citations(const struct wp_json_val *messages)
{
    for (size_t i = 0; i < wp_json_count(messages); i++) {
        const struct wp_json_val *content = wp_json_get(wp_json_at(messages, i), "content");
        for (size_t k = 0; wp_json_is_array(content) && k < wp_json_count(content); k++)
            if (wp_json_bool(wp_json_path(wp_json_at(content, k), "citations.enabled"), false))
                return true;
    }
    return false;
}

// An explicit default equals an omitted one.
static wp_view effort_of(const struct wp_json_val *root)
{
    wp_view effort = wp_json_str(wp_json_path(root, "output_config.effort"));
    return wp_view_is(effort, "high") ? WP_VIEW("") : effort;
}

// The top-level marker: on the last block that can carry one. There it takes one of the four,
// unless the block has one of its own, which must be of the same lifetime.
static void automatic_marker(struct parse *p, const struct wp_json_val *root)
{
    const struct wp_json_val *control = wp_json_get(root, "cache_control");
    struct sim_prompt *prompt = &p->out->prompt;
    size_t last = prompt->count;
    if (p->failed || control == NULL || wp_json_is_null(control))
        return;
    while (last > 0 && !prompt->blocks[last - 1].takes_marker)
        last--;
    if (last == 0)
        return; // silently no caching
    struct sim_block *block = &prompt->blocks[last - 1];
    bool hour = wp_view_is(wp_json_str(wp_json_get(control, "ttl")), "1h");
    if (block->ttl_minutes == 0)
        block->ttl_minutes = marker(p, root, "cache_control", 0);
    else if (block->ttl_minutes != (hour ? 60 : 5))
        refuse(p, WP_VIEW("cache_control: the last block has a cache_control of another ttl"));
}

static void salt_thinking(struct parse *p, const struct wp_json_val *root)
{
    salt_member(p, root, "thinking");
    salt(p, effort_of(root));
}

enum { BETAS_MAX = 64 };

static void note_beta(wp_view names[BETAS_MAX], size_t *count, wp_view name)
{
    name = wp_view_trim(name);
    for (size_t i = 0; i < *count; i++)
        if (wp_view_eq(names[i], name))
            return;
    if (name.len > 0 && *count < BETAS_MAX)
        names[(*count)++] = name;
}

// The set of active betas, from the header and the body: their digests added up, so that no order
// comes into it.
static void salt_betas(struct parse *p, const struct wp_json_val *root)
{
    wp_view names[BETAS_MAX], rest = p->reading->betas, name;
    const struct wp_json_val *list = wp_json_get(root, "anthropic_beta");
    uint8_t sum[WP_SHA256_LEN] = {0}, digest[WP_SHA256_LEN];
    size_t count = 0;
    while (wp_view_next_token(&rest, ',', &name))
        note_beta(names, &count, name);
    for (size_t i = 0; i < wp_json_count(list); i++)
        note_beta(names, &count, wp_json_str(wp_json_at(list, i)));
    for (size_t i = 0; i < count; i++) {
        wp_sha256(names[i], digest);
        for (size_t k = 0; k < sizeof(sum); k++)
            sum[k] = (uint8_t)(sum[k] + digest[k]);
    }
    salt(p, wp_view_make((const char *)sum, sizeof(sum)));
}

// tools → system → messages; what kills a tier is mixed in where that tier begins.
static void read_prompt(struct parse *p, const struct wp_json_val *root)
{
    const struct wp_json_val *messages = wp_json_get(root, "messages");
    if (p->reading->rules.thinking_in_head)
        salt_thinking(p, root);
    read_tools(p, wp_json_get(root, "tools"));
    salt_member(p, root, "speed");
    salt(p, has_citations(messages) ? WP_VIEW("citations") : WP_VIEW("no citations"));
    read_system(p, wp_json_get(root, "system"));
    salt_member(p, root, "tool_choice");
    if (!p->reading->rules.thinking_in_head)
        salt_thinking(p, root);
    salt_member(p, root, "context_management");
    salt_betas(p, root);
    salt(p, has_images(messages) ? WP_VIEW("images") : WP_VIEW("no images"));
    read_messages(p, messages);
    automatic_marker(p, root);
}

bool sim_request_parse(struct wp_arena *arena, const struct sim_reading *reading, wp_view body,
                       struct sim_request *out, int *status, wp_view *message)
{
    enum sim_platform platform = reading->platform;
    wp_view model = reading->model;
    struct parse p = {.arena = arena,
                      .reading = reading,
                      .platform = platform,
                      .out = out,
                      .render = wp_buf_make(RENDER_MAX),
                      .collapse = platform == SIM_ANTHROPIC};
    *out = (struct sim_request){.model = model};
    out->root = wp_json_parse(arena, body);
    if (!wp_json_is_object(out->root))
        refuse(&p, WP_VIEW("The request body is not valid JSON"));
    if (!p.failed && platform == SIM_ANTHROPIC) {
        out->model = wp_json_str(wp_json_get(out->root, "model"));
        out->stream = wp_json_bool(wp_json_get(out->root, "stream"), false);
        if (out->model.len == 0)
            refuse(&p, WP_VIEW("model: Field required"));
    }
    if (!p.failed && platform == SIM_VERTEX) {
        bool counting = wp_view_is(model, "count-tokens");
        wp_view version = wp_json_str(wp_json_get(out->root, "anthropic_version"));
        out->stream = wp_json_bool(wp_json_get(out->root, "stream"), false);
        if (!wp_view_is(version, "vertex-2023-10-16"))
            refuse(&p, WP_VIEW("anthropic_version: Field required"));
        else if ((wp_json_get(out->root, "model") != NULL) != counting)
            refuse(&p, WP_VIEW("model: Extra inputs are not permitted"));
    }
    if (!p.failed && platform == SIM_BEDROCK) {
        check_bedrock_fields(&p, out->root);
        check_bedrock_betas(&p, out->root);
    }
    out->max_tokens = wp_json_u64(wp_json_get(out->root, "max_tokens"), UINT64_MAX);
    if (!p.failed)
        read_prompt(&p, out->root);
    wp_buf_free(&p.render);
    *status = p.status;
    *message = p.message;
    return !p.failed;
}
