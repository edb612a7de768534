// Details as JSON. The bytes come from a file: each field is looked at before it is used, and what
// cannot be read ends the reading with the JSON well-formed.
#include "store/detail.h"

#include "store/detail_form.h"
#include "json/scan.h"

struct reader {
    wp_view left;
    bool bad; // for good: nothing is left then
};

static void spoil(struct reader *in)
{
    in->bad = true;
    in->left = (wp_view){NULL, 0};
}

static wp_view bytes(struct reader *in, uint64_t len)
{
    if (in->bad || len > in->left.len) {
        spoil(in);
        return (wp_view){NULL, 0};
    }
    wp_view taken = wp_view_sub(in->left, 0, (size_t)len);
    in->left = wp_view_skip(in->left, (size_t)len);
    return taken;
}

static uint64_t number(struct reader *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && in->left.len > 0; shift += 7) {
        unsigned char byte = (unsigned char)in->left.ptr[0];
        in->left = wp_view_skip(in->left, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    spoil(in);
    return 0;
}

static wp_view text(struct reader *in)
{
    return bytes(in, number(in));
}

static double real(struct reader *in)
{
    uint64_t bits = 0;
    double value;
    wp_view taken = bytes(in, sizeof(bits));
    for (size_t i = 0; i < taken.len; i++)
        bits |= (uint64_t)(unsigned char)taken.ptr[i] << (8 * i);
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool begin(struct reader *in, wp_view detail, unsigned *flags)
{
    *in = (struct reader){.left = detail};
    wp_view head = bytes(in, 2);
    if (head.len < 2 || head.ptr[0] != STORE_DETAIL_VERSION)
        return false;
    *flags = (unsigned char)head.ptr[1];
    return true;
}

// The tag of the next item; 0 at the end.
static uint64_t next_tag(struct reader *in)
{
    return in->left.len == 0 ? 0 : number(in);
}

// Items ---------------------------------------------------------------------------------------

static void read_decision(struct reader *in, struct wp_detail_decision *out)
{
    out->group = text(in);
    out->blocks = number(in);
    out->breakpoints = number(in);
    out->estimated_tokens = number(in);
    out->waited_ms = number(in);
}

static void read_divergence(struct reader *in, struct wp_detail_divergence *out)
{
    out->index = number(in);
    out->tier = text(in);
    out->kind = text(in);
    out->shared_blocks = number(in);
    out->shared_tokens = number(in);
    out->previous_blocks = number(in);
}

static void read_prompt(struct reader *in, struct wp_detail_prompt *out)
{
    out->stream = number(in);
    out->keep = number(in);
    out->before = number(in);
    out->tools = number(in);
    out->head = number(in);
    out->tool_loop = number(in) != 0;
    out->count = number(in);
}

static void read_candidate(struct reader *in, const struct wp_record *row,
                           struct wp_detail_candidate *out)
{
    uint64_t bits = number(in);
    bool priced = (bits & STORE_CANDIDATE_PRICED) != 0;
    out->usable = (bits & STORE_CANDIDATE_USABLE) != 0;
    out->id_as_row = (bits & STORE_CANDIDATE_AS_ROW) != 0;
    out->model_id = out->id_as_row ? row->model_id : text(in);
    out->reason = text(in);
    out->predicted_read = number(in);
    out->predicted_write = number(in);
    out->predicted_uncached = number(in);
    out->predicted_write_1h = number(in);
    out->predicted_cost = out->expected_cost = priced ? real(in) : -1;
    if (priced && (bits & STORE_CANDIDATE_AS_PREDICTED) == 0)
        out->expected_cost = real(in);
    out->confidence = (bits & STORE_CANDIDATE_SURE) != 0 ? 1 : real(in);
    out->headroom = (bits & STORE_CANDIDATE_FREE) != 0 ? 1 : real(in);
    out->in_flight = number(in);
    out->cooling_ms = number(in);
}

static int64_t signed_number(struct reader *in)
{
    uint64_t value = number(in);
    return (int64_t)((value >> 1) ^ ((uint64_t)0 - (value & 1)));
}

static void read_attempt(struct reader *in, const struct wp_record *row,
                         struct wp_detail_attempt *out)
{
    uint64_t bits = number(in);
    out->reused = (bits & STORE_ATTEMPT_REUSED) != 0;
    out->id_as_row = (bits & STORE_ATTEMPT_ID_AS_ROW) != 0;
    out->base_as_row = (bits & STORE_ATTEMPT_BASE_AS_ROW) != 0;
    out->model_id = out->id_as_row ? row->model_id : text(in);
    out->api_base = out->base_as_row ? row->api_base : text(in);
    out->status = signed_number(in);
    out->error = text(in);
    out->started = number(in);
    out->connected = number(in);
    out->first_byte = number(in);
    out->ended = number(in);
}

struct field {
    wp_view name, value;
    uint64_t hidden_len;
    bool hidden;
};

static void read_field(struct reader *in, struct field *out)
{
    out->name = text(in);
    uint64_t length = number(in);
    out->hidden = (length & 1) != 0;
    out->hidden_len = length / 2;
    out->value = out->hidden ? (wp_view){NULL, 0} : bytes(in, length / 2);
}

struct json_item {
    uint64_t part;
    wp_view text;
};

static void read_json(struct reader *in, struct json_item *out)
{
    out->part = number(in);
    out->text = text(in);
}

// Passes over the item whose tag has been read.
static void skip(struct reader *in, uint64_t tag)
{
    static const struct wp_record nobody;
    union {
        struct wp_detail_decision decision;
        struct wp_detail_divergence divergence;
        struct wp_detail_prompt prompt;
        struct wp_detail_candidate candidate;
        struct wp_detail_attempt attempt;
        struct field field;
        struct json_item json;
    } any;
    switch (tag) {
    case STORE_DETAIL_DECISION:
        read_decision(in, &any.decision);
        break;
    case STORE_DETAIL_DIVERGENCE:
        read_divergence(in, &any.divergence);
        break;
    case STORE_DETAIL_PROMPT:
        read_prompt(in, &any.prompt);
        for (uint64_t i = any.prompt.count; i > 0 && !in->bad; i--) {
            (void)number(in);
            (void)number(in);
        }
        break;
    case STORE_DETAIL_CANDIDATE:
        read_candidate(in, &nobody, &any.candidate);
        break;
    case STORE_DETAIL_ATTEMPT:
        read_attempt(in, &nobody, &any.attempt);
        break;
    case STORE_DETAIL_DROPPED:
        (void)text(in);
        break;
    case STORE_DETAIL_HEADERS:
        for (uint64_t i = number(in); i > 0 && !in->bad; i--)
            read_field(in, &any.field);
        break;
    case STORE_DETAIL_JSON:
        read_json(in, &any.json);
        break;
    default:
        spoil(in);
    }
}

// Brings `in` behind the next tag of this kind; false: there is none.
static bool find(struct reader *in, uint64_t wanted)
{
    for (uint64_t tag; (tag = next_tag(in)) != 0; skip(in, tag))
        if (tag == wanted)
            return true;
    return false;
}

// JSON ----------------------------------------------------------------------------------------

static void write_divergence(struct wp_json_writer *w, const struct wp_detail_divergence *d)
{
    wp_json_open_object(w, "divergence");
    wp_json_put_u64(w, "index", d->index);
    wp_json_put_str(w, "tier", d->tier);
    wp_json_put_str(w, "kind", d->kind);
    wp_json_put_u64(w, "shared_blocks", d->shared_blocks);
    wp_json_put_u64(w, "shared_tokens", d->shared_tokens);
    wp_json_put_u64(w, "previous_blocks", d->previous_blocks);
    wp_json_close(w);
}

static void write_prompt(struct wp_json_writer *w, struct reader *in)
{
    struct wp_detail_prompt prompt;
    read_prompt(in, &prompt);
    if (in->bad)
        return;
    wp_json_open_object(w, "prompt");
    wp_json_put_u64(w, "stream", prompt.stream);
    wp_json_put_u64(w, "keep", prompt.keep);
    wp_json_put_u64(w, "before", prompt.before);
    wp_json_put_u64(w, "tools", prompt.tools);
    wp_json_put_u64(w, "head", prompt.head);
    wp_json_put_bool(w, "tool_loop", prompt.tool_loop);
    wp_json_open_array(w, "add");
    for (uint64_t i = 0; i < prompt.count; i++) {
        uint64_t hash = number(in), tokens = number(in);
        if (in->bad)
            break;
        wp_json_open_array(w, NULL);
        wp_json_put_u64(w, NULL, hash);
        wp_json_put_u64(w, NULL, tokens);
        wp_json_close(w);
    }
    wp_json_close(w);
    wp_json_close(w);
}

static void write_candidate(struct wp_json_writer *w, const struct wp_detail_candidate *candidate)
{
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "model_id", candidate->model_id);
    wp_json_put_str(w, "reason", candidate->reason);
    wp_json_put_bool(w, "usable", candidate->usable);
    wp_json_put_u64(w, "predicted_read", candidate->predicted_read);
    wp_json_put_u64(w, "predicted_write", candidate->predicted_write);
    wp_json_put_u64(w, "predicted_uncached", candidate->predicted_uncached);
    wp_json_put_u64(w, "predicted_write_1h", candidate->predicted_write_1h);
    if (candidate->predicted_cost >= 0) {
        wp_json_put_decimal(w, "predicted_cost", candidate->predicted_cost, 12);
        wp_json_put_decimal(w, "expected_cost", candidate->expected_cost, 12);
    }
    wp_json_put_decimal(w, "confidence", candidate->confidence, 3);
    wp_json_put_decimal(w, "headroom", candidate->headroom, 3);
    wp_json_put_u64(w, "in_flight", candidate->in_flight);
    wp_json_put_u64(w, "cooling_ms", candidate->cooling_ms);
    wp_json_close(w);
}

static void write_decision(struct wp_json_writer *w, struct reader *in, const struct wp_record *row)
{
    struct wp_detail_decision decision;
    struct wp_detail_divergence divergence;
    struct wp_detail_candidate candidate;
    read_decision(in, &decision);
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "group", decision.group);
    wp_json_put_u64(w, "blocks", decision.blocks);
    wp_json_put_u64(w, "breakpoints", decision.breakpoints);
    wp_json_put_u64(w, "estimated_tokens", decision.estimated_tokens);
    wp_json_put_u64(w, "waited_ms", decision.waited_ms);
    uint64_t tag = next_tag(in);
    if (tag == STORE_DETAIL_DIVERGENCE) {
        read_divergence(in, &divergence);
        if (!in->bad)
            write_divergence(w, &divergence);
        tag = next_tag(in);
    }
    if (tag == STORE_DETAIL_PROMPT) {
        write_prompt(w, in);
        tag = next_tag(in);
    }
    wp_json_open_array(w, "candidates");
    for (; tag == STORE_DETAIL_CANDIDATE; tag = next_tag(in)) {
        read_candidate(in, row, &candidate);
        if (!in->bad)
            write_candidate(w, &candidate);
    }
    wp_json_close(w);
    wp_json_close(w);
}

static void put_ms(struct wp_json_writer *w, const char *key, uint64_t reached)
{
    if (reached == WP_DETAIL_NOT_REACHED)
        wp_json_put_null(w, key);
    else
        wp_json_put_decimal(w, key, (double)(reached - 1) / 1000, 3);
}

static void write_attempt(struct wp_json_writer *w, const struct wp_detail_attempt *attempt)
{
    wp_json_open_object(w, NULL);
    wp_json_put_str(w, "model_id", attempt->model_id);
    wp_json_put_str(w, "api_base", attempt->api_base);
    wp_json_put_i64(w, "status", attempt->status);
    if (attempt->error.len > 0)
        wp_json_put_str(w, "error", attempt->error);
    else
        wp_json_put_null(w, "error");
    put_ms(w, "started_ms", attempt->started);
    put_ms(w, "connected_ms", attempt->connected);
    put_ms(w, "first_byte_ms", attempt->first_byte);
    put_ms(w, "ended_ms", attempt->ended);
    wp_json_put_bool(w, "reused", attempt->reused);
    wp_json_close(w);
}

// `in` stands behind the first attempt's tag.
static void write_attempts(struct wp_json_writer *w, struct reader *in, const struct wp_record *row)
{
    struct wp_detail_attempt attempt;
    wp_json_open_array(w, NULL);
    do {
        read_attempt(in, row, &attempt);
        if (!in->bad)
            write_attempt(w, &attempt);
    } while (next_tag(in) == STORE_DETAIL_ATTEMPT);
    wp_json_close(w);
}

// A list, empty where nothing was dropped, as soon as somebody was asked.
static void write_dropped(struct wp_json_writer *w, struct reader *in)
{
    wp_json_open_array(w, NULL);
    while (find(in, STORE_DETAIL_DROPPED)) {
        wp_view dropped = text(in);
        if (!in->bad)
            wp_json_put_str(w, NULL, dropped);
    }
    wp_json_close(w);
}

static void write_headers(struct wp_json_writer *w, struct reader *in)
{
    struct field field;
    wp_json_open_object(w, NULL);
    for (uint64_t i = number(in); i > 0 && !in->bad; i--) {
        read_field(in, &field);
        if (in->bad)
            break;
        wp_json_key_escaped(w, field.name);
        if (!field.hidden) {
            wp_json_append_string(w->buf, field.value);
            continue;
        }
        wp_buf_append(w->buf, WP_VIEW("\"(hidden, "));
        wp_buf_append_u64(w->buf, field.hidden_len);
        wp_buf_append(w->buf, WP_VIEW(" bytes)\""));
    }
    wp_json_close(w);
}

static bool is_json(wp_view value)
{
    struct wp_json_scan scan;
    wp_json_scan_init(&scan, value);
    wp_json_value(&scan);
    return wp_json_scan_finish(&scan);
}

// The part as a file of before had it.
static bool write_old(struct reader in, enum wp_detail_part part, struct wp_buf *out)
{
    struct json_item item;
    while (find(&in, STORE_DETAIL_JSON)) {
        read_json(&in, &item);
        if (!in.bad && item.part == part && is_json(item.text)) {
            wp_buf_append(out, item.text);
            return true;
        }
    }
    return false;
}

bool wp_detail_holds_prompt(wp_view detail)
{
    struct reader in;
    unsigned flags;
    return begin(&in, detail, &flags) && (flags & STORE_DETAIL_HOLDS_PROMPT) != 0;
}

bool wp_detail_write(const struct wp_record *row, enum wp_detail_part part, struct wp_buf *out)
{
    static const uint64_t first_tags[WP_DETAIL_PART_COUNT] = {
        STORE_DETAIL_DECISION, STORE_DETAIL_ATTEMPT, STORE_DETAIL_ATTEMPT, STORE_DETAIL_HEADERS};
    struct wp_json_writer w = wp_json_writer(out);
    struct reader all, in;
    unsigned flags;
    if (!begin(&all, row->detail, &flags))
        return false;
    in = all;
    if (!find(&in, first_tags[part]))
        return write_old(all, part, out);
    if (part == WP_DETAIL_PART_DECISION)
        write_decision(&w, &in, row);
    else if (part == WP_DETAIL_PART_ATTEMPTS)
        write_attempts(&w, &in, row);
    else if (part == WP_DETAIL_PART_DROPPED)
        write_dropped(&w, &all);
    else
        write_headers(&w, &in);
    return true;
}
