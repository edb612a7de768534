// The body of a request, cut to what a platform and a model take. Every change is a splice of a
// named range; what is not named stays byte for byte, because the provider's cache is keyed on
// those bytes.
#include "provider/build.h"

#include "base/buf.h"
#include "json/doc.h"
#include "json/scan.h"
#include "json/writer.h"

enum { INLINE_TEXT_MAX = 1024 * 1024 };

struct adapt {
    struct wp_build *build;
    const struct wp_provider_ops *ops;
    const struct wp_platform_rules *rules;
    const struct wp_request *request;
    const struct wp_model_info *model;
    wp_view schema;  // of an output format that must be asked for in words
    bool breakpoint; // a top-level cache_control has to become one on a block
    bool drops_billing;
};

// --- helpers ----------------------------------------------------------------------------------

static size_t offset_of(const struct wp_build *build, wp_view part)
{
    return (size_t)(part.ptr - build->splice.source.ptr);
}

static void insert_at(struct wp_build *build, size_t offset, wp_view text)
{
    if (text.ptr == NULL)
        build->no_memory = true;
    else
        wp_splice_replace(&build->splice, offset, offset, text);
}

static void replace(struct wp_build *build, wp_view part, wp_view text)
{
    size_t from = offset_of(build, part);
    wp_splice_replace(&build->splice, from, from + part.len, text);
}

// A JSON string with quotes, in the arena; ptr NULL without memory.
static wp_view json_string(struct wp_build *build, wp_view text)
{
    wp_view string = wp_json_quoted(build->arena, text);
    build->no_memory |= string.ptr == NULL;
    return string;
}

// Text of a JSON string; empty if it is none.
static wp_view decoded(struct wp_build *build, wp_view value)
{
    if (!wp_json_is_string(value))
        return (wp_view){NULL, 0};
    wp_view text = wp_json_decode_string(build->arena, value);
    build->no_memory |= text.ptr == NULL;
    return text;
}

static const char *cstring(struct wp_build *build, wp_view text)
{
    const char *copy = wp_arena_cstring(build->arena, text);
    build->no_memory |= copy == NULL;
    return copy;
}

// --- model, stream, billing block ---------------------------------------------------------------

void wp_build_replace_model(struct wp_build *build, wp_view name)
{
    const struct wp_request *request = build->input->request;
    wp_view with = {NULL, 0};
    for (size_t i = 0; i < request->member_count; i++) {
        const struct wp_member *member = &request->members[i];
        if (!wp_json_key_is(member->key, "model"))
            continue;
        wp_view present = decoded(build, member->value);
        if (present.ptr != NULL && wp_view_eq(present, name))
            continue;
        if (with.ptr == NULL)
            with = json_string(build, name);
        if (with.ptr != NULL)
            replace(build, member->value, with);
    }
}

void wp_build_remove_member(struct wp_build *build, const char *name)
{
    const struct wp_request *request = build->input->request;
    for (size_t i = 0; i < request->member_count; i++) {
        if (wp_json_key_is(request->members[i].key, name))
            wp_splice_remove_item(&build->splice, build->object, request->members[i].member);
    }
}

static bool drops_billing_block(const struct wp_build *build, const struct wp_provider_ops *ops)
{
    enum wp_billing_header choice = build->input->deployment->billing_header;
    return choice == WP_BILLING_DROP || (choice == WP_BILLING_DEFAULT && ops->drops_billing_block);
}

// An array that holds nothing else goes as a whole: an empty system is refused by some platforms.
void wp_build_billing_block(struct wp_build *build, const struct wp_provider_ops *ops)
{
    const struct wp_request *request = build->input->request;
    if (!drops_billing_block(build, ops))
        return;
    size_t billing = 0, blocks = 0;
    for (size_t i = 0; i < request->block_count; i++) {
        if (request->blocks[i].tier == WP_TIER_SYSTEM) {
            blocks++;
            billing += request->blocks[i].billing;
        }
    }
    if (billing == 0)
        return;
    wp_build_drop(build, "billing_header", (wp_view){NULL, 0});
    if (billing == blocks) {
        wp_build_remove_member(build, "system");
        return;
    }
    for (size_t i = 0; i < request->block_count; i++) {
        const struct wp_request_block *block = &request->blocks[i];
        if (block->tier == WP_TIER_SYSTEM && block->billing)
            wp_splice_remove_item(&build->splice, request->system, block->value);
    }
}

// --- rules --------------------------------------------------------------------------------------

static bool kept(const struct adapt *adapt, const struct wp_rule *rule)
{
    if (rule == NULL)
        return true;
    if (!rule->keep || !wp_rule_fits_model(rule, adapt->model))
        return false;
    return rule->beta.len == 0 || wp_build_has_beta(adapt->build, rule->beta);
}

// Betas first, by name and model: fields depend on them. Those that must not go alone are dropped
// at the end.
static void choose_betas(struct adapt *adapt)
{
    struct wp_build *build = adapt->build;
    wp_view wanted[WP_BUILD_BETAS_MAX];
    size_t count = build->beta_count;
    memcpy(wanted, build->betas, count * sizeof(*wanted));
    build->beta_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct wp_rule *rule = wp_rules_find(&adapt->rules->betas, wanted[i]);
        if (rule != NULL && (!rule->keep || !wp_rule_fits_model(rule, adapt->model)))
            wp_build_drop(build, "beta", wanted[i]);
        else
            wp_build_add_beta(build, rule != NULL && rule->send.len > 0 ? rule->send : wanted[i]);
    }
}

static bool tool_in_use(const struct adapt *adapt, wp_view prefix)
{
    for (size_t i = 0; i < adapt->request->block_count; i++) {
        const struct wp_request_block *block = &adapt->request->blocks[i];
        if (block->tier != WP_TIER_TOOLS)
            break;
        wp_view type = decoded(adapt->build, wp_json_scan_member(block->value, "type"));
        if (wp_view_starts_with(type, prefix))
            return true;
    }
    return false;
}

static bool tool_field_in_use(const struct adapt *adapt, wp_view name)
{
    const char *text = cstring(adapt->build, name);
    for (size_t i = 0; text != NULL && i < adapt->request->block_count; i++) {
        const struct wp_request_block *block = &adapt->request->blocks[i];
        if (block->tier != WP_TIER_TOOLS)
            break;
        if (wp_json_scan_member(block->value, text).ptr != NULL)
            return true;
    }
    return false;
}

static bool was_dropped(const struct wp_build *build, const char *kind, wp_view name)
{
    wp_view prefix = wp_view_of(kind);
    for (size_t i = 0; i < build->dropped_count; i++) {
        wp_view note = build->dropped[i];
        if (note.len == prefix.len + 1 + name.len && wp_view_starts_with(note, prefix) &&
            wp_view_ends_with(note, name))
            return true;
    }
    return false;
}

// "field", "field.member", "tool:TYPE_PREFIX" or "tool_field:NAME" is part of what is sent.
static bool is_sent(const struct adapt *adapt, wp_view what)
{
    const struct wp_build *build = adapt->build;
    wp_view rest = what, head;
    if (wp_view_starts_with(what, WP_VIEW("tool:")))
        return tool_in_use(adapt, wp_view_skip(what, 5));
    if (wp_view_starts_with(what, WP_VIEW("tool_field:"))) {
        wp_view name = wp_view_skip(what, 11);
        return !was_dropped(build, "tool_field", name) && tool_field_in_use(adapt, name);
    }
    (void)wp_view_next_token(&rest, '.', &head);
    const char *field = cstring(adapt->build, head);
    const struct wp_member *member =
        field == NULL ? NULL : wp_request_member(adapt->request, field);
    if (member == NULL || was_dropped(build, "field", head) || was_dropped(build, "field", what))
        return false;
    const char *inner = rest.len == 0 ? NULL : cstring(adapt->build, rest);
    return inner == NULL || wp_json_scan_member(member->value, inner).ptr != NULL;
}

// Half a pair, header without field, is as wrong as the other half.
static void drop_lonely_betas(struct adapt *adapt)
{
    struct wp_build *build = adapt->build;
    size_t count = 0;
    for (size_t i = 0; i < build->beta_count; i++) {
        wp_view name = build->betas[i];
        const struct wp_rule *rule = wp_rules_find(&adapt->rules->betas, name);
        bool company = rule == NULL || rule->with.count == 0;
        for (size_t k = 0; !company && k < rule->with.count; k++)
            company = is_sent(adapt, rule->with.list[k]);
        if (company)
            build->betas[count++] = name;
        else
            wp_build_drop(build, "beta", name);
    }
    build->beta_count = count;
}

// --- top-level fields

static void take_replacement(struct adapt *adapt, const struct wp_rule *rule, wp_view value)
{
    if (rule->otherwise == WP_OTHERWISE_BREAKPOINT)
        adapt->breakpoint = true;
    else if (rule->otherwise == WP_OTHERWISE_INLINE && adapt->schema.ptr == NULL)
        adapt->schema = wp_json_scan_member(value, "schema");
}

static void remove_field(struct adapt *adapt, const struct wp_member *member)
{
    wp_build_drop(adapt->build, "field", member->key);
    wp_splice_remove_item(&adapt->build->splice, adapt->build->object, member->member);
}

struct item {
    wp_view name; // of the member, or the type of the element
    wp_view item; // exact range
    wp_view value;
    const struct wp_rule *rule;
};
enum { ITEMS_MAX = 64 };

// Removes those of `items` that their rules refuse; true if nothing is left, so that the caller
// removes the whole.
static bool remove_refused(struct adapt *adapt, wp_view container, const struct item *items,
                           size_t count, const char *kind)
{
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept(adapt, items[i].rule))
            continue;
        refused++;
        wp_build_drop(adapt->build, kind, items[i].name);
        take_replacement(adapt, items[i].rule, items[i].value);
    }
    if (refused == count)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (!kept(adapt, items[i].rule))
            wp_splice_remove_item(&adapt->build->splice, container, items[i].item);
    }
    return false;
}

// Rules "field.member" of a field that is an object.
static bool adapt_members(struct adapt *adapt, const struct wp_member *field)
{
    struct item items[ITEMS_MAX];
    size_t count = 0;
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, field->value);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return false;
    while (wp_json_next_key(&scan, &key) && count < ITEMS_MAX) {
        wp_view value = wp_json_value(&scan);
        wp_view path = wp_arena_printf(adapt->build->arena, "%.*s.%.*s", WP_VIEW_ARG(field->key),
                                       WP_VIEW_ARG(key));
        if (path.ptr == NULL) {
            adapt->build->no_memory = true;
            return false;
        }
        items[count++] = (struct item){
            .name = path,
            .item = wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - (key.ptr - 1))),
            .value = value,
            .rule = wp_rules_find(&adapt->rules->fields, path),
        };
    }
    return remove_refused(adapt, field->value, items, count, "field");
}

// The elements of context_management.edits have a type each, and rules by that type.
static bool adapt_edits(struct adapt *adapt, const struct wp_member *field)
{
    wp_view edits = wp_json_scan_member(field->value, "edits");
    struct item items[ITEMS_MAX];
    size_t count = 0;
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, edits);
    if (adapt->rules->edits.count == 0 || wp_json_peek(&scan) != WP_JSON_ARRAY ||
        !wp_json_enter_array(&scan))
        return false;
    while (wp_json_next_element(&scan) && count < ITEMS_MAX) {
        wp_view value = wp_json_value(&scan);
        wp_view type = decoded(adapt->build, wp_json_scan_member(value, "type"));
        items[count++] = (struct item){
            .name = type,
            .item = value,
            .value = value,
            .rule = wp_rules_find(&adapt->rules->edits, type),
        };
    }
    return remove_refused(adapt, edits, items, count, "edit");
}

// Members that the platforms' builders handle themselves.
static bool is_framing(wp_view key)
{
    return wp_json_key_is(key, "model") || wp_json_key_is(key, "stream") ||
           wp_json_key_is(key, "anthropic_version") || wp_json_key_is(key, "anthropic_beta");
}

static void adapt_fields(struct adapt *adapt)
{
    const struct wp_rules *rules = &adapt->rules->fields;
    for (size_t i = 0; i < adapt->request->member_count; i++) {
        const struct wp_member *member = &adapt->request->members[i];
        if (is_framing(member->key))
            continue;
        const struct wp_rule *rule = wp_rules_find(rules, member->key);
        bool keep = kept(adapt, rule);
        if (!keep)
            take_replacement(adapt, rule, member->value);
        else if (wp_view_is(member->key, "context_management"))
            keep = !adapt_edits(adapt, member);
        else if (wp_view_is(member->key, "output_config"))
            keep = !adapt_members(adapt, member);
        if (!keep)
            remove_field(adapt, member);
    }
}

// --- tools

static enum wp_err refuse_tool(struct adapt *adapt, wp_view type)
{
    struct wp_build *build = adapt->build;
    wp_view text = wp_arena_printf(
        build->arena,
        "tools: %s does not offer the tool type '%.*s'; it needs a deployment of the Anthropic API",
        adapt->ops->title, (int)(type.len < 64 ? type.len : 64), type.ptr == NULL ? "" : type.ptr);
    return wp_build_fail(build, WP_ERR_NOT_SUPPORTED, text.ptr == NULL ? "tool type" : text.ptr);
}

static enum wp_err adapt_tool(struct adapt *adapt, wp_view tool)
{
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, tool);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return WP_OK;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_json_key_is(key, "type")) {
            wp_view type = decoded(adapt->build, value);
            if (!kept(adapt, wp_rules_find(&adapt->rules->tools, type)))
                return refuse_tool(adapt, type);
        }
        if (kept(adapt, wp_rules_find(&adapt->rules->tool_fields, key)))
            continue;
        wp_build_drop(adapt->build, "tool_field", key);
        wp_splice_remove_item(
            &adapt->build->splice, tool,
            wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - (key.ptr - 1))));
    }
    return WP_OK;
}

static enum wp_err adapt_tools(struct adapt *adapt)
{
    if (adapt->rules->tools.count == 0 && adapt->rules->tool_fields.count == 0)
        return WP_OK;
    for (size_t i = 0; i < adapt->request->block_count; i++) {
        const struct wp_request_block *block = &adapt->request->blocks[i];
        if (block->tier != WP_TIER_TOOLS)
            break;
        enum wp_err err = adapt_tool(adapt, block->value);
        if (err != WP_OK)
            return err;
    }
    return WP_OK;
}

// --- cache markers

static bool is_dropped_block(const struct adapt *adapt, const struct wp_request_block *block)
{
    return adapt->drops_billing && block->tier == WP_TIER_SYSTEM && block->billing;
}

static void adapt_markers(struct adapt *adapt)
{
    const struct wp_rules *rules = &adapt->rules->cache_control;
    bool keep_scope = kept(adapt, wp_rules_find(rules, WP_VIEW("scope")));
    bool keep_ttl = kept(adapt, wp_rules_find(rules, WP_VIEW("ttl")));
    struct wp_build *build = adapt->build;
    for (size_t i = 0; i < adapt->request->marker_count; i++) {
        const struct wp_marker *marker = &adapt->request->markers[i];
        bool gone = marker->tier == WP_TIER_TOP
                        ? adapt->breakpoint
                        : marker->block < adapt->request->block_count &&
                              is_dropped_block(adapt, &adapt->request->blocks[marker->block]);
        if (gone)
            continue;
        if (marker->scope.len > 0 && !keep_scope) {
            wp_build_drop(build, "cache_control", WP_VIEW("scope"));
            wp_splice_remove_item(&build->splice, marker->value, marker->scope);
        }
        if (marker->ttl_member.len > 0 && !keep_ttl) {
            wp_build_drop(build, "cache_control", WP_VIEW("ttl"));
            wp_splice_remove_item(&build->splice, marker->value, marker->ttl_member);
        }
    }
    wp_build_markers(build,
                     (keep_ttl ? WP_MARKERS_TTL : 0u) | (adapt->breakpoint ? 0u : WP_MARKERS_TOP));
}

void wp_build_markers(struct wp_build *build, uint32_t target)
{
    const struct wp_provider_input *input = build->input;
    if (input->markers != NULL)
        wp_markers_splice(input->markers, input->request, target, &build->splice);
}

static bool is_cacheable(const struct adapt *adapt, const struct wp_request_block *block)
{
    if (is_dropped_block(adapt, block))
        return false;
    if (block->kind == WP_BLOCK_TEXT)
        return block->text.len > 2;
    return block->kind != WP_BLOCK_THINKING && block->kind != WP_BLOCK_OTHER;
}

static const struct wp_marker *top_marker(const struct wp_request *request)
{
    for (size_t i = request->marker_count; i > 0; i--) {
        if (request->markers[i - 1].tier == WP_TIER_TOP)
            return &request->markers[i - 1];
    }
    return NULL;
}

// The automatic marker stands for one on the last block that can carry it.
static void add_breakpoint(struct adapt *adapt)
{
    struct wp_build *build = adapt->build;
    const struct wp_marker *top = top_marker(adapt->request);
    const struct wp_request_block *block = NULL;
    for (size_t i = adapt->request->block_count; i > 0 && block == NULL; i--) {
        if (is_cacheable(adapt, &adapt->request->blocks[i - 1]))
            block = &adapt->request->blocks[i - 1];
    }
    if (top == NULL || block == NULL || block->marker != UINT32_MAX)
        return;
    const struct wp_marker_edits *edits = build->input->markers;
    enum wp_ttl ttl = edits != NULL && edits->ttl != WP_TTL_NONE ? edits->ttl : top->ttl;
    bool hour = ttl == WP_TTL_1H &&
                kept(adapt, wp_rules_find(&adapt->rules->cache_control, WP_VIEW("ttl")));
    wp_view text = hour ? WP_VIEW("\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}")
                        : WP_VIEW("\"cache_control\":{\"type\":\"ephemeral\"}");
    if (!wp_json_is_string(block->value)) {
        wp_splice_insert_first(&build->splice, block->value, text);
        return;
    }
    // A plain string has no place for a marker; its one-block form is the same prompt.
    const wp_view tail[] = {WP_VIEW(","), text, WP_VIEW("}]")};
    size_t from = offset_of(build, block->value);
    insert_at(build, from, WP_VIEW("[{\"type\":\"text\",\"text\":"));
    insert_at(build, from + block->value.len, wp_arena_concat(build->arena, tail, 3));
}

// --- what the model lacks

// A client takes an unknown name for a current model: thinking of the wrong
// type becomes the other one, or goes.
static void adapt_thinking(struct adapt *adapt)
{
    const struct wp_request *request = adapt->request;
    struct wp_build *build = adapt->build;
    if (request->thinking.len == 0 || adapt->model == NULL || !adapt->model->price.known ||
        was_dropped(build, "field", WP_VIEW("thinking")))
        return;
    wp_view type = decoded(build, wp_json_scan_member(request->thinking, "type"));
    bool adaptive = wp_view_is(type, "adaptive"), enabled = wp_view_is(type, "enabled");
    if ((adaptive && adapt->model->adaptive_thinking) ||
        (enabled && adapt->model->budget_thinking) || !(adaptive || enabled))
        return;
    wp_build_drop(build, "thinking", type);
    if (enabled && adapt->model->adaptive_thinking) {
        replace(build, request->thinking, WP_VIEW("{\"type\":\"adaptive\"}"));
        return;
    }
    enum { BUDGET_MIN = 1024, BUDGET_MAX = 31999 }; // of the API; of the client's own choice
    if (adaptive && adapt->model->budget_thinking && request->max_tokens > BUDGET_MIN) {
        uint64_t budget =
            request->max_tokens - 1 < BUDGET_MAX ? request->max_tokens - 1 : BUDGET_MAX;
        wp_view text =
            wp_arena_printf(build->arena, "{\"type\":\"enabled\",\"budget_tokens\":%llu}",
                            (unsigned long long)budget);
        if (text.ptr == NULL)
            build->no_memory = true;
        else
            replace(build, request->thinking, text);
        return;
    }
    replace(build, request->thinking, WP_VIEW("{\"type\":\"disabled\"}"));
}

struct effort {
    wp_view item, value; // the member in output_config; empty: there is none
    size_t members;      // of output_config
};

static struct effort find_effort(const struct wp_member *field)
{
    struct effort found = {.members = 0};
    struct wp_json_scan scan;
    wp_view key;
    wp_json_scan_init(&scan, field->value);
    if (wp_json_peek(&scan) != WP_JSON_OBJECT || !wp_json_enter_object(&scan))
        return found;
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        found.members++;
        if (!wp_json_key_is(key, "effort"))
            continue;
        found.item = wp_view_make(key.ptr - 1, (size_t)(value.ptr + value.len - (key.ptr - 1)));
        found.value = value;
    }
    return found;
}

// The next lower level that the model takes; without one, its lowest.
static enum wp_effort nearest_effort(uint8_t taken, enum wp_effort asked)
{
    int level = (int)asked;
    while (level >= 0 && (taken & (1u << level)) == 0)
        level--;
    for (int i = 0; level < 0 && i < WP_EFFORT_COUNT; i++)
        level = (taken & (1u << i)) != 0 ? i : -1;
    return (enum wp_effort)level;
}

// A level above what the model takes is a 400 that no client recovers from. Names of another time
// go as they are.
static void lower_effort(struct adapt *adapt, const struct effort *effort)
{
    struct wp_build *build = adapt->build;
    wp_view name = decoded(build, effort->value);
    enum wp_effort asked = wp_effort_of(name);
    if (asked == WP_EFFORT_COUNT || (adapt->model->effort & (1u << asked)) != 0)
        return;
    wp_build_drop(build, "effort", name);
    wp_view text = wp_arena_printf(build->arena, "\"%s\"",
                                   wp_effort_name(nearest_effort(adapt->model->effort, asked)));
    if (text.ptr == NULL)
        build->no_memory = true;
    else
        replace(build, effort->value, text);
}

// Older models refuse output_config.effort; without anything else in it the whole field goes.
static void adapt_effort(struct adapt *adapt)
{
    const struct wp_member *field = wp_request_member(adapt->request, "output_config");
    struct wp_build *build = adapt->build;
    if (field == NULL || adapt->model == NULL || !adapt->model->price.known ||
        was_dropped(build, "field", field->key) ||
        was_dropped(build, "field", WP_VIEW("output_config.effort")))
        return;
    struct effort effort = find_effort(field);
    if (effort.item.ptr == NULL)
        return;
    if (adapt->model->effort != 0) {
        lower_effort(adapt, &effort);
        return;
    }
    wp_build_drop(build, "field", WP_VIEW("output_config.effort"));
    if (effort.members == 1)
        wp_splice_remove_item(&build->splice, build->object, field->member);
    else
        wp_splice_remove_item(&build->splice, field->value, effort.item);
}

static bool is_system_message(const struct wp_request_block *block)
{
    return block->tier == WP_TIER_MESSAGES && wp_view_is(block->role, "system");
}

// The client's own form for models without system messages: the same text as a reminder in a user
// message. Adjacent user messages are one turn to the provider.
static void adapt_system_messages(struct adapt *adapt)
{
    const struct wp_request *request = adapt->request;
    struct wp_build *build = adapt->build;
    if (adapt->model == NULL || !adapt->model->price.known || adapt->model->role_system)
        return;
    for (size_t i = 0; i < request->block_count; i++) {
        const struct wp_request_block *block = &request->blocks[i];
        if (!is_system_message(block))
            continue;
        bool first = i == 0 || !is_system_message(block - 1) || block[-1].message != block->message;
        if (first) {
            wp_build_drop(build, "role", WP_VIEW("system"));
            replace(build, block->role, WP_VIEW("user"));
        }
        if (block->kind != WP_BLOCK_TEXT || block->text.len <= 2)
            continue;
        size_t from = offset_of(build, block->text);
        insert_at(build, from + 1, WP_VIEW("<system-reminder>\\n"));
        insert_at(build, from + block->text.len - 1, WP_VIEW("\\n</system-reminder>"));
    }
}

static const struct wp_request_block *last_user_block(const struct wp_request *request)
{
    for (size_t i = request->block_count; i > 0; i--) {
        const struct wp_request_block *block = &request->blocks[i - 1];
        if (block->tier == WP_TIER_MESSAGES && wp_view_is(block->role, "user"))
            return block;
    }
    return NULL;
}

// Inside its quotes if `quoted`, as a JSON string otherwise.
static wp_view schema_request(struct adapt *adapt, bool quoted)
{
    wp_view text = wp_arena_printf(adapt->build->arena,
                                   "\n\nAnswer with one JSON value that matches this JSON schema, "
                                   "and with nothing else:\n%.*s",
                                   WP_VIEW_ARG(adapt->schema));
    if (text.ptr == NULL)
        return text;
    wp_view string = json_string(adapt->build, text);
    return quoted || string.ptr == NULL ? string : wp_view_sub(string, 1, string.len - 1);
}

// Where a platform has no output format, the schema is asked for in words.
static void inline_schema(struct adapt *adapt)
{
    const struct wp_request_block *block = last_user_block(adapt->request);
    struct wp_build *build = adapt->build;
    if (adapt->schema.ptr == NULL || block == NULL || adapt->schema.len > INLINE_TEXT_MAX)
        return;
    if (block->kind == WP_BLOCK_TEXT && block->text.len >= 2) {
        insert_at(build, offset_of(build, block->text) + block->text.len - 1,
                  schema_request(adapt, false));
        return;
    }
    const wp_view parts[] = {WP_VIEW(",{\"type\":\"text\",\"text\":"), schema_request(adapt, true),
                             WP_VIEW("}")};
    insert_at(build, offset_of(build, block->value) + block->value.len,
              wp_arena_concat(build->arena, parts, 3));
}

// --- all of it

enum wp_err wp_build_adapt(struct wp_build *build, const struct wp_provider_ops *ops)
{
    struct adapt adapt = {
        .build = build,
        .ops = ops,
        .rules = wp_tables_platform(build->input->tables, ops->rules),
        .request = build->input->request,
        .model = build->input->model,
        .drops_billing = drops_billing_block(build, ops),
    };
    if (adapt.rules == NULL) {
        wp_build_markers(build, WP_MARKERS_TTL | WP_MARKERS_TOP);
        return WP_OK;
    }
    choose_betas(&adapt);
    adapt_fields(&adapt);
    enum wp_err err = adapt_tools(&adapt);
    if (err != WP_OK)
        return err;
    adapt_markers(&adapt);
    if (adapt.breakpoint)
        add_breakpoint(&adapt);
    adapt_effort(&adapt);
    adapt_thinking(&adapt);
    adapt_system_messages(&adapt);
    inline_schema(&adapt);
    drop_lonely_betas(&adapt);
    return build->no_memory ? WP_ERR_NO_MEMORY : WP_OK;
}

enum wp_err wp_build_adapt_alias(struct wp_build *build, const struct wp_provider_ops *ops)
{
    const struct wp_model_info *model = build->input->model;
    struct adapt adapt = {
        .build = build, .ops = ops, .request = build->input->request, .model = model};
    if (model == NULL || !model->price.known ||
        wp_model_is_spelling(build->input->request->model, model->family))
        return WP_OK;
    adapt_effort(&adapt);
    adapt_thinking(&adapt);
    adapt_system_messages(&adapt);
    return build->no_memory ? WP_ERR_NO_MEMORY : WP_OK;
}

enum wp_err wp_build_finish_body(struct wp_build *build)
{
    if (build->no_memory || build->splice.failed)
        return WP_ERR_NO_MEMORY;
    return wp_splice_spans(&build->splice, &build->out->body);
}
