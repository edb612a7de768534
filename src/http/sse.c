#include "http/sse.h"

void wp_sse_init(struct wp_sse *sse, size_t event_max)
{
    *sse = (struct wp_sse){.pending = wp_buf_make(event_max)};
}

void wp_sse_free(struct wp_sse *sse)
{
    wp_buf_free(&sse->pending);
}

wp_view wp_sse_pending(const struct wp_sse *sse)
{
    return wp_buf_view(&sse->pending);
}

// Lines ------------------------------------------------------------------------------------------

struct line {
    size_t end;   // behind its text; as far as it is known
    size_t after; // behind its LF, CR or CRLF; 0: it is not complete, or an LF may follow its CR
};

static struct line next_line(wp_view text, size_t at, bool has_cr)
{
    wp_view rest = wp_view_skip(text, at);
    size_t lf = wp_view_find_char(rest, '\n');
    size_t cr = has_cr ? wp_view_find_char(wp_view_sub(rest, 0, lf), '\r') : WP_NOT_FOUND;
    if (cr != WP_NOT_FOUND && cr + 1 == rest.len)
        return (struct line){at + cr, 0};
    if (cr != WP_NOT_FOUND)
        return (struct line){at + cr, at + cr + (rest.ptr[cr + 1] == '\n' ? 2 : 1)};
    return lf == WP_NOT_FOUND ? (struct line){text.len, 0} : (struct line){at + lf, at + lf + 1};
}

// The event that begins `text` has ended. Each byte of it is looked at once, in however many pieces
// it comes.
static bool event_ends(struct wp_sse *sse, wp_view text)
{
    size_t at = sse->scanned;
    for (;;) {
        struct line line = next_line(text, at, sse->has_cr);
        if (line.after == 0) {
            sse->in_line = sse->in_line || line.end > at;
            sse->scanned = line.end;
            return false;
        }
        if (line.end == at && !sse->in_line)
            return true;
        sse->in_line = false;
        at = line.after;
    }
}

// Events -----------------------------------------------------------------------------------------

struct fields {
    wp_view name, data;
    struct wp_buf joined; // data of several lines
    size_t lines;
};

// The value of the field `name` with its colon; a line that is the name alone has an empty one.
static bool is_field(wp_view line, wp_view name, wp_view *value)
{
    if (!wp_view_starts_with(line, name)) {
        *value = (wp_view){line.ptr, 0};
        return line.len + 1 == name.len && wp_view_starts_with(name, line);
    }
    *value = wp_view_skip(line, name.len);
    if (value->len > 0 && value->ptr[0] == ' ')
        *value = wp_view_skip(*value, 1);
    return true;
}

static void add_line(struct fields *fields, wp_view line)
{
    wp_view value;
    if (is_field(line, WP_VIEW("event:"), &value)) {
        fields->name = value;
    } else if (is_field(line, WP_VIEW("data:"), &value)) {
        if (fields->lines == 1)
            wp_buf_append(&fields->joined, fields->data);
        if (fields->lines > 0) {
            wp_buf_append_char(&fields->joined, '\n');
            wp_buf_append(&fields->joined, value);
        } else {
            fields->data = value;
        }
        fields->lines++;
    }
}

// Offset behind the event that begins at `begin`, or 0: it has not ended.
static size_t read_event(wp_view text, size_t begin, bool has_cr, struct fields *fields)
{
    for (size_t at = begin;;) {
        struct line line = next_line(text, at, has_cr);
        if (line.after == 0)
            return 0;
        if (line.end == at)
            return line.after;
        add_line(fields, wp_view_sub(text, at, line.end));
        at = line.after;
    }
}

static enum wp_err report(const struct fields *fields, wp_view raw,
                          bool (*on_event)(void *arg, const struct wp_sse_event *event), void *arg,
                          bool *go_on)
{
    wp_view data = fields->lines > 1 ? wp_buf_view(&fields->joined) : fields->data;
    const struct wp_sse_event event = {fields->name, data, raw};
    if (!wp_buf_ok(&fields->joined))
        return WP_ERR_NO_MEMORY;
    *go_on = on_event(arg, &event);
    return WP_OK;
}

static wp_view without_bom(struct wp_sse *sse, wp_view text, bool *undecided)
{
    static const char bom[] = "\xEF\xBB\xBF";
    size_t len = text.len < 3 ? text.len : 3;
    *undecided = false;
    if (sse->started || text.len == 0)
        return text;
    if (len < 3 && memcmp(text.ptr, bom, len) == 0) {
        *undecided = true;
        return text;
    }
    sse->started = true;
    return len == 3 && memcmp(text.ptr, bom, 3) == 0 ? wp_view_skip(text, 3) : text;
}

// All complete events of `text`; *used counts the bytes that they took.
static enum wp_err events_of(struct wp_sse *sse, wp_view text, size_t *used,
                             bool (*on_event)(void *arg, const struct wp_sse_event *event),
                             void *arg, bool *go_on)
{
    enum wp_err err = WP_OK;
    *used = 0;
    while (err == WP_OK && *go_on) {
        struct fields fields = {.joined = wp_buf_make(sse->pending.max)};
        size_t end = read_event(text, *used, sse->has_cr, &fields);
        if (end > 0)
            err = report(&fields, wp_view_sub(text, *used, end), on_event, arg, go_on);
        wp_buf_free(&fields.joined);
        if (end == 0)
            break;
        *used = end;
    }
    sse->scanned = 0;
    sse->in_line = false;
    return err;
}

enum wp_err wp_sse_feed(struct wp_sse *sse, wp_view bytes,
                        bool (*on_event)(void *arg, const struct wp_sse_event *event), void *arg)
{
    size_t used = 0;
    bool go_on = true, undecided;
    bool buffered = sse->pending.len > 0;
    wp_view text = bytes;
    if (buffered) {
        if (bytes.len > sse->pending.max - sse->pending.len)
            return WP_ERR_PROTOCOL;
        wp_buf_append(&sse->pending, bytes);
        text = wp_buf_view(&sse->pending);
    }
    if (!wp_buf_ok(&sse->pending))
        return WP_ERR_NO_MEMORY;
    sse->has_cr = sse->has_cr || wp_view_find_char(bytes, '\r') != WP_NOT_FOUND;
    wp_view content = without_bom(sse, text, &undecided);
    if (content.len != text.len)
        sse->scanned = 0;
    size_t skipped = text.len - content.len;
    if (!undecided && (!buffered || event_ends(sse, content))) {
        enum wp_err err = events_of(sse, content, &used, on_event, arg, &go_on);
        if (err != WP_OK || !go_on) {
            wp_buf_clear(&sse->pending);
            return err;
        }
    }
    used += skipped;
    if (buffered) {
        wp_buf_consume(&sse->pending, used);
        return WP_OK;
    }
    wp_view rest = wp_view_skip(bytes, used);
    if (rest.len > sse->pending.max)
        return WP_ERR_PROTOCOL;
    wp_buf_append(&sse->pending, rest);
    return wp_buf_ok(&sse->pending) ? WP_OK : WP_ERR_NO_MEMORY;
}
