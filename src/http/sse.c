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

// Length of the line end at `at` (LF, CR, CRLF), 0 if there is none; SIZE_MAX when a CR stands last
// and an LF may follow.
static size_t line_end(wp_view text, size_t at)
{
    if (at >= text.len)
        return 0;
    if (text.ptr[at] == '\n')
        return 1;
    if (text.ptr[at] != '\r')
        return 0;
    if (at + 1 == text.len)
        return SIZE_MAX;
    return text.ptr[at + 1] == '\n' ? 2 : 1;
}

// Offset behind the first blank line at or after `from`, or 0. *resume is where to look next time.
static size_t event_end(wp_view text, size_t from, size_t *resume)
{
    size_t line = from; // begin of a line
    for (;;) {
        size_t blank = line_end(text, line);
        if (blank == SIZE_MAX)
            break;
        if (blank > 0)
            return line + blank;
        const char *cr = line < text.len ? memchr(text.ptr + line, '\r', text.len - line) : NULL;
        const char *lf = line < text.len ? memchr(text.ptr + line, '\n', text.len - line) : NULL;
        const char *end = cr == NULL ? lf : lf == NULL ? cr : cr < lf ? cr : lf;
        if (end == NULL)
            break;
        size_t len = line_end(text, (size_t)(end - text.ptr));
        if (len == SIZE_MAX)
            break;
        line = (size_t)(end - text.ptr) + len;
    }
    *resume = line;
    return 0;
}

static wp_view field_value(wp_view line, size_t colon)
{
    if (colon == WP_NOT_FOUND)
        return (wp_view){line.ptr, 0};
    wp_view value = wp_view_skip(line, colon + 1);
    return value.len > 0 && value.ptr[0] == ' ' ? wp_view_skip(value, 1) : value;
}

struct fields {
    wp_view name, data;
    struct wp_buf joined; // data of several lines
    size_t lines;
};

static void add_line(struct fields *fields, wp_view line)
{
    size_t colon = wp_view_find_char(line, ':');
    wp_view field = wp_view_sub(line, 0, colon), value = field_value(line, colon);
    if (wp_view_is(field, "event")) {
        fields->name = value;
    } else if (wp_view_is(field, "data")) {
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

static enum wp_err report(wp_view raw, size_t max,
                          bool (*on_event)(void *arg, const struct wp_sse_event *event), void *arg,
                          bool *go_on)
{
    struct fields fields = {.joined = wp_buf_make(max)};
    for (size_t at = 0; at < raw.len;) {
        size_t end = at;
        while (end < raw.len && raw.ptr[end] != '\n' && raw.ptr[end] != '\r')
            end++;
        add_line(&fields, wp_view_sub(raw, at, end));
        size_t len = line_end(raw, end);
        at = end + (len == SIZE_MAX ? 1 : len == 0 ? 1 : len);
    }
    bool ok = wp_buf_ok(&fields.joined);
    if (fields.lines > 1)
        fields.data = wp_buf_view(&fields.joined);
    const struct wp_sse_event event = {fields.name, fields.data, raw};
    *go_on = ok && on_event(arg, &event);
    wp_buf_free(&fields.joined);
    return ok ? WP_OK : WP_ERR_NO_MEMORY;
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
static enum wp_err events_of(struct wp_sse *sse, wp_view text, size_t from, size_t *used,
                             bool (*on_event)(void *arg, const struct wp_sse_event *event),
                             void *arg, bool *go_on)
{
    size_t begin = 0, resume = from;
    for (;;) {
        size_t end = event_end(text, resume, &resume);
        if (end == 0)
            break;
        enum wp_err err =
            report(wp_view_sub(text, begin, end), sse->pending.max, on_event, arg, go_on);
        begin = resume = end;
        if (err != WP_OK || !*go_on) {
            *used = text.len;
            return err;
        }
    }
    *used = begin;
    sse->scanned = resume - begin;
    return WP_OK;
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
    wp_view content = without_bom(sse, text, &undecided);
    if (content.len != text.len)
        sse->scanned = 0;
    size_t skipped = text.len - content.len;
    if (!undecided) {
        enum wp_err err =
            events_of(sse, content, buffered ? sse->scanned : 0, &used, on_event, arg, &go_on);
        if (err != WP_OK || !go_on) {
            wp_buf_clear(&sse->pending);
            sse->scanned = 0;
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
