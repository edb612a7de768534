#include "prompt/request.h"

#include <stdio.h>

#include "json/scan.h"

// Growing arrays in the arena: the old copy stays until the request ends, doubling bounds the
// waste.
struct list {
    void *items;
    size_t count, capacity, size;
};

// Where the scan stands between two steps; what lies within a step is read in one go.
enum stage {
    START,
    MEMBERS,  // of the top-level object
    ELEMENTS, // of the array that is the value of `key`
    REST,     // behind the object
};

struct wp_request_reader {
    struct wp_arena *arena;
    struct wp_json_scan scan;
    struct wp_request *out, request;
    struct list members, blocks, markers;
    bool no_memory, too_large;
    const char *invalid; // what is wrong with the shape
    enum stage stage;
    size_t object_begin; // the whole object holds the automatic marker
    wp_view key;         // of the member under way, its array and what came before it
    enum wp_tier tier;
    size_t value_begin, blocks_before;
    size_t retry_at; // bytes that have to be there before it is worth going on
};

// A place for one more, which the caller fills.
static void *push(struct wp_request_reader *r, struct list *list, size_t most)
{
    if (list->count >= most) {
        r->too_large = true;
        return NULL;
    }
    if (list->count == list->capacity) {
        // Small requests have one block, Claude Code's some hundred.
        size_t capacity = list->capacity == 0   ? 4
                          : list->capacity < 64 ? list->capacity * 4
                                                : list->capacity * 2;
        void *more = wp_arena_raw(r->arena, capacity * list->size);
        if (more == NULL) {
            r->no_memory = true;
            return NULL;
        }
        if (list->count > 0)
            memcpy(more, list->items, list->count * list->size);
        list->items = more;
        list->capacity = capacity;
    }
    return (char *)list->items + list->count++ * list->size;
}

static void invalid(struct wp_request_reader *r, const char *what)
{
    if (r->invalid == NULL)
        r->invalid = what;
}

static wp_view member_range(wp_view key, wp_view value)
{
    return wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - key.ptr) + 1);
}

// cache_control -----------------------------------------------------------------------------------

static enum wp_ttl marker_ttl(struct wp_request_reader *r, wp_view value, struct wp_marker *marker)
{
    struct wp_json_scan scan;
    wp_view key;
    enum wp_ttl ttl = WP_TTL_5M;
    bool ephemeral = false;
    wp_json_scan_init(&scan, value);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return WP_TTL_NONE;
    while (wp_json_next_key(&scan, &key)) {
        wp_view item = wp_json_value(&scan);
        if (wp_view_is(key, "type"))
            ephemeral = wp_json_string_is(item, "ephemeral");
        if (wp_view_is(key, "ttl")) {
            marker->ttl_member = member_range(key, item);
            ttl = wp_json_string_is(item, "1h") ? WP_TTL_1H : WP_TTL_5M;
        }
        if (wp_view_is(key, "scope"))
            marker->scope = member_range(key, item);
    }
    (void)r;
    return ephemeral ? ttl : WP_TTL_NONE;
}

// Returns the marker's index, or UINT32_MAX.
static uint32_t add_marker(struct wp_request_reader *r, enum wp_tier tier, uint32_t block,
                           wp_view key, wp_view value, bool nested)
{
    struct wp_marker *marker = push(r, &r->markers, WP_REQUEST_MAX_BLOCKS);
    if (marker == NULL)
        return UINT32_MAX;
    *marker = (struct wp_marker){.tier = tier,
                                 .block = block,
                                 .member = member_range(key, value),
                                 .value = value,
                                 .nested = nested};
    marker->ttl = marker_ttl(r, value, marker);
    return (uint32_t)(r->markers.count - 1);
}

// Blocks -----------------------------------------------------------------------------------------

static enum wp_block_kind kind_of(wp_view type)
{
    static const struct {
        const char *name;
        enum wp_block_kind kind;
    } rows[] = {{"text", WP_BLOCK_TEXT},
                {"tool_use", WP_BLOCK_TOOL_USE},
                {"tool_result", WP_BLOCK_TOOL_RESULT},
                {"thinking", WP_BLOCK_THINKING},
                {"redacted_thinking", WP_BLOCK_THINKING},
                {"image", WP_BLOCK_IMAGE},
                {"document", WP_BLOCK_DOCUMENT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (wp_json_string_is(type, rows[i].name))
            return rows[i].kind;
    return WP_BLOCK_OTHER;
}

static bool is_billing(wp_view text)
{
    return wp_view_starts_with(text, WP_VIEW("\"x-anthropic-billing-header:"));
}

// The object that began at `begin` ends here: it holds the markers from `first` on, except those
// that an object within it holds.
static void set_containers(struct wp_request_reader *r, size_t first, size_t begin)
{
    struct wp_marker *markers = r->markers.items;
    for (size_t i = first; i < r->markers.count; i++)
        if (markers[i].container.len == 0)
            markers[i].container = wp_view_sub(r->scan.source, begin, r->scan.at);
}

// Markers inside a tool_result's content: no breakpoints, but they carry scope and ttl too.
static void nested_content(struct wp_request_reader *r, enum wp_tier tier, uint32_t block)
{
    wp_view key;
    if (wp_json_peek(&r->scan) != WP_JSON_ARRAY) {
        wp_json_value(&r->scan);
        return;
    }
    if (!wp_json_enter_array(&r->scan))
        return;
    while (wp_json_next_element(&r->scan)) {
        if (wp_json_peek(&r->scan) != WP_JSON_OBJECT) {
            wp_json_value(&r->scan);
            continue;
        }
        size_t begin = r->scan.at, first = r->markers.count;
        if (!wp_json_enter_object(&r->scan))
            return;
        while (wp_json_next_key(&r->scan, &key)) {
            wp_view value = wp_json_value(&r->scan);
            if (wp_view_is(key, "cache_control") && value.len > 0 && value.ptr[0] == '{')
                add_marker(r, tier, block, key, value, true);
            if (wp_view_is(key, "type") && tier == WP_TIER_MESSAGES &&
                kind_of(value) == WP_BLOCK_IMAGE)
                r->out->has_images = true;
        }
        set_containers(r, first, begin);
    }
}

// {"enabled": true} of a document; a list of citations, on a text of the assistant's, is none.
static bool citations_enabled(wp_view value)
{
    struct wp_json_scan scan;
    wp_view key;
    bool enabled = false;
    wp_json_scan_init(&scan, value);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return false;
    while (wp_json_next_key(&scan, &key)) {
        wp_view item = wp_json_value(&scan);
        if (wp_view_is(key, "enabled"))
            enabled = wp_json_is_true(item);
    }
    return enabled;
}

// One element of tools, system or a content array.
static void read_block(struct wp_request_reader *r, enum wp_tier tier, wp_view role,
                       uint32_t message)
{
    uint32_t index = (uint32_t)r->blocks.count;
    struct wp_request_block block = {.tier = tier,
                                     .kind = WP_BLOCK_OTHER,
                                     .message = message,
                                     .marker = UINT32_MAX,
                                     .role = role};
    wp_view key;
    struct wp_request_block *slot = push(r, &r->blocks, WP_REQUEST_MAX_BLOCKS);
    if (wp_json_peek(&r->scan) != WP_JSON_OBJECT) {
        block.value = wp_json_value(&r->scan);
        invalid(r, tier == WP_TIER_TOOLS ? "tools: Input should be a list of objects"
                                         : "content: Input should be a string or a list of blocks");
        return;
    }
    size_t begin = r->scan.at, first = r->markers.count, others = 0;
    if (!wp_json_enter_object(&r->scan))
        return;
    while (wp_json_next_key(&r->scan, &key)) {
        bool content = wp_view_is(key, "content") && tier == WP_TIER_MESSAGES;
        if (content) {
            nested_content(r, tier, index);
            others++;
            continue;
        }
        wp_view value = wp_json_value(&r->scan);
        if (wp_view_is(key, "cache_control")) {
            if (value.len > 0 && value.ptr[0] == '{')
                block.marker = add_marker(r, tier, index, key, value, false);
        } else if (wp_view_is(key, "type")) {
            block.kind = kind_of(value);
        } else if (wp_view_is(key, "citations") && tier == WP_TIER_MESSAGES) {
            r->out->has_citations |= citations_enabled(value);
            others++;
        } else if (wp_view_is(key, "text") && wp_json_is_string(value)) {
            block.text = value;
        } else {
            others++;
        }
    }
    if (tier == WP_TIER_TOOLS)
        block.kind = WP_BLOCK_TOOL;
    block.value = wp_view_sub(r->scan.source, begin, r->scan.at);
    block.plain_text = block.kind == WP_BLOCK_TEXT && others == 0 && block.text.len > 0;
    block.billing = tier == WP_TIER_SYSTEM && block.kind == WP_BLOCK_TEXT && is_billing(block.text);
    set_containers(r, first, begin);
    if (tier == WP_TIER_MESSAGES && block.kind == WP_BLOCK_IMAGE)
        r->out->has_images = true;
    if (slot != NULL)
        ((struct wp_request_block *)r->blocks.items)[index] = block;
}

static void read_blocks(struct wp_request_reader *r, enum wp_tier tier, wp_view role,
                        uint32_t message)
{
    if (!wp_json_enter_array(&r->scan))
        return;
    while (wp_json_next_element(&r->scan) && !r->no_memory && !r->too_large)
        read_block(r, tier, role, message);
}

// A string where blocks may stand is one text block.
static void string_block(struct wp_request_reader *r, enum wp_tier tier, wp_view role,
                         uint32_t message)
{
    wp_view value = wp_json_value(&r->scan);
    struct wp_request_block *block = push(r, &r->blocks, WP_REQUEST_MAX_BLOCKS);
    if (block != NULL)
        *block = (struct wp_request_block){.tier = tier,
                                           .kind = WP_BLOCK_TEXT,
                                           .message = message,
                                           .marker = UINT32_MAX,
                                           .role = role,
                                           .value = value,
                                           .text = value,
                                           .plain_text = true,
                                           .billing = tier == WP_TIER_SYSTEM && is_billing(value)};
}

static void read_content(struct wp_request_reader *r, enum wp_tier tier, wp_view role,
                         uint32_t message)
{
    switch (wp_json_peek(&r->scan)) {
    case WP_JSON_STRING:
        string_block(r, tier, role, message);
        return;
    case WP_JSON_ARRAY:
        read_blocks(r, tier, role, message);
        return;
    default:
        wp_json_value(&r->scan);
        invalid(r, tier == WP_TIER_SYSTEM
                       ? "system: Input should be a valid string or list"
                       : "messages: content: Input should be a valid string or list");
    }
}

// The role may stand after the content: blocks get it when the message is over.
static void read_message(struct wp_request_reader *r)
{
    uint32_t message = r->out->message_count++;
    size_t first = r->blocks.count;
    wp_view key, role = {NULL, 0};
    bool content = false;
    if (wp_json_peek(&r->scan) != WP_JSON_OBJECT) {
        wp_json_value(&r->scan);
        invalid(r, "messages: Input should be a list of objects");
        return;
    }
    if (!wp_json_enter_object(&r->scan))
        return;
    while (wp_json_next_key(&r->scan, &key)) {
        if (wp_view_is(key, "content")) {
            content = true;
            read_content(r, WP_TIER_MESSAGES, role, message);
        } else if (wp_view_is(key, "role")) {
            wp_view value = wp_json_value(&r->scan);
            role = wp_json_is_string(value) ? wp_view_sub(value, 1, value.len - 1) : role;
        } else {
            wp_json_value(&r->scan);
        }
    }
    for (size_t i = first; i < r->blocks.count; i++)
        ((struct wp_request_block *)r->blocks.items)[i].role = role;
    if (role.ptr == NULL)
        invalid(r, "messages: role: Field required");
    if (!content)
        invalid(r, "messages: content: Field required");
}

// The top level ------------------------------------------------------------------------------

static void plain_member(struct wp_request_reader *r, wp_view key, wp_view value)
{
    struct wp_request *out = r->out;
    if (wp_view_is(key, "model")) {
        out->model_value = value;
        out->model = wp_json_decode_string(r->arena, value);
    } else if (wp_view_is(key, "stream")) {
        out->has_stream = true;
        out->stream = wp_json_is_true(value);
        if (!wp_json_is_true(value) && !wp_view_is(value, "false") && !wp_view_is(value, "null"))
            invalid(r, "stream: Input should be a valid boolean");
    } else if (wp_view_is(key, "max_tokens")) {
        out->has_max_tokens = wp_json_number_u64(value, &out->max_tokens);
        if (!out->has_max_tokens)
            invalid(r, "max_tokens: Input should be a valid integer");
    } else if (wp_view_is(key, "tool_choice")) {
        out->tool_choice = value;
    } else if (wp_view_is(key, "thinking")) {
        out->thinking = value;
    } else if (wp_view_is(key, "output_config")) {
        out->output_config = value;
    } else if (wp_view_is(key, "context_management")) {
        out->context_management = value;
    } else if (wp_view_is(key, "metadata")) {
        out->metadata = value;
    } else if (wp_view_is(key, "cache_control") && value.len > 0 && value.ptr[0] == '{') {
        add_marker(r, WP_TIER_TOP, UINT32_MAX, key, value, false);
    }
}

static void end_member(struct wp_request_reader *r)
{
    struct wp_request *out = r->out;
    wp_view key = r->key, value = wp_view_sub(r->scan.source, r->value_begin, r->scan.at);
    if (wp_view_is(key, "messages"))
        out->messages = value;
    else if (wp_view_is(key, "tools"))
        out->tools = value;
    else if (wp_view_is(key, "system"))
        out->system = value;
    struct wp_member *member = push(r, &r->members, WP_REQUEST_MAX_MEMBERS);
    if (member != NULL && r->scan.error == NULL)
        *member = (struct wp_member){key, value, member_range(key, value)};
    r->stage = MEMBERS;
}

// Only a list has elements; what else stands there is read whole, and may be wrong.
static void begin_list(struct wp_request_reader *r, enum wp_tier tier, const char *wrong)
{
    enum wp_json_kind kind = wp_json_peek(&r->scan);
    if (kind == WP_JSON_ARRAY) {
        r->tier = tier;
        r->blocks_before = r->blocks.count;
        r->stage = ELEMENTS;
        (void)wp_json_enter_array(&r->scan);
        return;
    }
    if (tier == WP_TIER_SYSTEM) {
        read_content(r, tier, (wp_view){NULL, 0}, 0);
    } else {
        if (tier == WP_TIER_MESSAGES || kind != WP_JSON_NULL)
            invalid(r, wrong);
        wp_json_value(&r->scan);
    }
    end_member(r);
}

static void begin_member(struct wp_request_reader *r)
{
    wp_view key;
    if (!wp_json_next_key(&r->scan, &key)) {
        r->stage = REST;
        return;
    }
    r->key = key;
    enum wp_json_kind kind = wp_json_peek(&r->scan); // moves past white space
    r->value_begin = r->scan.at;
    if (wp_view_is(key, "messages")) {
        begin_list(r, WP_TIER_MESSAGES, "messages: Input should be a valid list");
    } else if (wp_view_is(key, "tools")) {
        begin_list(r, WP_TIER_TOOLS, "tools: Input should be a valid list");
    } else if (wp_view_is(key, "system") && kind != WP_JSON_NULL) {
        begin_list(r, WP_TIER_SYSTEM, NULL);
    } else {
        plain_member(r, key, wp_json_value(&r->scan));
        end_member(r);
    }
}

static void read_element(struct wp_request_reader *r)
{
    if (!wp_json_next_element(&r->scan)) {
        if (r->tier == WP_TIER_TOOLS)
            r->out->tool_count = (uint32_t)(r->blocks.count - r->blocks_before);
        end_member(r);
    } else if (r->tier == WP_TIER_MESSAGES) {
        read_message(r);
    } else {
        read_block(r, r->tier, (wp_view){NULL, 0}, 0);
    }
}

static void begin_object(struct wp_request_reader *r)
{
    if (wp_json_peek(&r->scan) != WP_JSON_OBJECT)
        invalid(r, "Input should be a valid dictionary");
    r->object_begin = r->scan.at;
    r->stage = REST;
    if (r->invalid != NULL)
        wp_json_value(&r->scan);
    else if (wp_json_enter_object(&r->scan))
        r->stage = MEMBERS;
}

static void step(struct wp_request_reader *r)
{
    switch (r->stage) {
    case START:
        begin_object(r);
        return;
    case MEMBERS:
        begin_member(r);
        return;
    case ELEMENTS:
        read_element(r);
        return;
    case REST:
        return;
    }
}

static bool goes_on(const struct wp_request_reader *r)
{
    return r->stage != REST && !r->no_memory && !r->too_large && r->scan.error == NULL;
}

// Provider order: tools, system, messages, whatever the body's order is. Stable; markers follow.
static void order_blocks(struct wp_request_reader *r)
{
    struct wp_request_block *blocks = r->blocks.items;
    struct wp_marker *markers = r->markers.items;
    bool ordered = true;
    for (size_t i = 1; i < r->blocks.count && ordered; i++)
        ordered = blocks[i - 1].tier <= blocks[i].tier;
    uint32_t *moved = NULL;
    if (!ordered) {
        struct wp_request_block *sorted =
            wp_arena_array(r->arena, r->blocks.count, sizeof(*sorted));
        moved = wp_arena_array(r->arena, r->blocks.count, sizeof(*moved));
        if (sorted == NULL || moved == NULL) {
            r->no_memory = true;
            return;
        }
        uint32_t at = 0;
        for (int tier = WP_TIER_TOOLS; tier <= WP_TIER_MESSAGES; tier++)
            for (size_t i = 0; i < r->blocks.count; i++)
                if ((int)blocks[i].tier == tier) {
                    moved[i] = at;
                    sorted[at++] = blocks[i];
                }
        r->blocks.items = sorted;
    }
    if (r->markers.count == 0)
        return;
    struct wp_marker *list = wp_arena_array(r->arena, r->markers.count, sizeof(*list));
    uint32_t count = 0;
    if (list == NULL) {
        r->no_memory = true;
        return;
    }
    for (int tier = WP_TIER_TOOLS; tier <= WP_TIER_TOP; tier++) {
        for (size_t i = 0; i < r->markers.count; i++) {
            if ((int)markers[i].tier != tier)
                continue;
            list[count] = markers[i];
            if (tier != WP_TIER_TOP && moved != NULL)
                list[count].block = moved[markers[i].block];
            if (tier != WP_TIER_TOP && !markers[i].nested)
                ((struct wp_request_block *)r->blocks.items)[list[count].block].marker = count;
            count++;
        }
    }
    r->markers.items = list;
}

// metadata.user_id is a JSON string that holds JSON: {"device_id":…,"session_id":…}.
static wp_view session_id(struct wp_request_reader *r)
{
    struct wp_json_scan scan;
    wp_view key, user = {NULL, 0}, found = {NULL, 0};
    wp_json_scan_init(&scan, r->out->metadata);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return found;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "session_id"))
            found = wp_json_decode_string(r->arena, value);
        if (wp_view_is(key, "user_id"))
            user = wp_json_decode_string(r->arena, value);
    }
    if (found.len > 0 || user.len == 0 || user.ptr[0] != '{')
        return found;
    wp_json_scan_init(&scan, user);
    if (!wp_json_enter_object(&scan))
        return found;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "session_id"))
            found = wp_json_decode_string(r->arena, value);
    }
    return scan.error == NULL ? found : (wp_view){NULL, 0};
}

static const char *missing(const struct wp_request *out)
{
    if (out->model_value.len == 0)
        return "model: Field required";
    if (out->model.len == 0)
        return "model: Input should be a valid string";
    if (out->messages.len == 0)
        return "messages: Field required";
    if (out->message_count == 0)
        return "messages: at least one message is required";
    return NULL;
}

static void init(struct wp_request_reader *r, struct wp_arena *arena, wp_view body)
{
    *r = (struct wp_request_reader){.arena = arena,
                                    .members = {.size = sizeof(struct wp_member)},
                                    .blocks = {.size = sizeof(struct wp_request_block)},
                                    .markers = {.size = sizeof(struct wp_marker)}};
    wp_json_scan_init(&r->scan, body);
}

struct wp_request_reader *wp_request_begin(struct wp_arena *arena, const char *body)
{
    struct wp_request_reader *r = WP_ARENA_NEW(arena, struct wp_request_reader);
    if (r == NULL)
        return NULL;
    init(r, arena, wp_view_make(body, 0));
    r->out = &r->request;
    return r;
}

// What a step may change that reading it again would not set anew. Lists only grow.
struct mark {
    struct wp_json_scan scan;
    size_t members, blocks, markers, value_begin, blocks_before;
    enum stage stage;
    wp_view key;
    enum wp_tier tier;
    const char *invalid;
    uint32_t messages, tools;
    bool images, citations;
};

static struct mark mark_of(const struct wp_request_reader *r)
{
    return (struct mark){r->scan,
                         r->members.count,
                         r->blocks.count,
                         r->markers.count,
                         r->value_begin,
                         r->blocks_before,
                         r->stage,
                         r->key,
                         r->tier,
                         r->invalid,
                         r->out->message_count,
                         r->out->tool_count,
                         r->out->has_images,
                         r->out->has_citations};
}

static void go_back(struct wp_request_reader *r, const struct mark *mark)
{
    r->scan = mark->scan;
    r->members.count = mark->members;
    r->blocks.count = mark->blocks;
    r->markers.count = mark->markers;
    r->value_begin = mark->value_begin;
    r->blocks_before = mark->blocks_before;
    r->stage = mark->stage;
    r->key = mark->key;
    r->tier = mark->tier;
    r->invalid = mark->invalid;
    r->out->message_count = mark->messages;
    r->out->tool_count = mark->tools;
    r->out->has_images = mark->images;
    r->out->has_citations = mark->citations;
    r->no_memory = r->too_large = false;
}

void wp_request_more(struct wp_request_reader *r, size_t len)
{
    if (len < r->retry_at)
        return;
    r->scan.source.len = len;
    while (goes_on(r)) {
        struct mark mark = mark_of(r);
        step(r);
        // A number that ends where the bytes end may go on, and so may whatever seems wrong.
        bool whole = r->scan.error == NULL && !r->no_memory && !r->too_large && r->scan.at < len;
        if (whole)
            continue;
        go_back(r, &mark);
        // Twice as much of it: however large it is, it is read at most twice in all.
        r->retry_at = len + (len - r->scan.at);
        return;
    }
}

static enum wp_err finish(struct wp_request_reader *r, const char **detail, size_t *offset)
{
    struct wp_request *out = r->out;
    out->body = r->scan.source;
    *detail = NULL;
    *offset = 0;
    while (goes_on(r))
        step(r);
    if (r->no_memory)
        return WP_ERR_NO_MEMORY;
    if (r->too_large) {
        *detail = "The request holds too many fields or blocks";
        return WP_ERR_TOO_LARGE;
    }
    if (!wp_json_scan_finish(&r->scan)) {
        *detail = r->scan.error;
        *offset = r->scan.error_offset;
        return WP_ERR_INVALID_JSON;
    }
    set_containers(r, 0, r->object_begin);
    *detail = r->invalid != NULL ? r->invalid : missing(out);
    if (*detail != NULL)
        return WP_ERR_INVALID;
    order_blocks(r);
    out->members = r->members.items;
    out->member_count = r->members.count;
    out->blocks = r->blocks.items;
    out->block_count = r->blocks.count;
    out->markers = r->markers.items;
    out->marker_count = r->markers.count;
    out->session_id = session_id(r);
    return r->no_memory ? WP_ERR_NO_MEMORY : WP_OK;
}

enum wp_err wp_request_end(struct wp_request_reader *r, size_t len, struct wp_request *out,
                           const char **detail, size_t *offset)
{
    r->scan.source.len = len;
    enum wp_err err = finish(r, detail, offset);
    *out = r->request;
    return err;
}

enum wp_err wp_request_scan(struct wp_arena *arena, wp_view body, struct wp_request *out,
                            const char **detail, size_t *offset)
{
    struct wp_request_reader r;
    init(&r, arena, body);
    *out = (struct wp_request){0};
    r.out = out;
    return finish(&r, detail, offset);
}

const struct wp_member *wp_request_member(const struct wp_request *request, const char *key)
{
    wp_view name = wp_view_of(key);
    for (size_t i = request->member_count; i > 0; i--)
        if (wp_view_eq(request->members[i - 1].key, name))
            return &request->members[i - 1];
    return NULL;
}
