#include "http/message.h"

#include "base/alloc.h"

enum { EXTENSIONS_MAX = 4096 };

static struct wp_message *of(llhttp_t *parser)
{
    return parser->data;
}

static int fail(struct wp_message *message, enum wp_err err)
{
    message->err = err;
    return HPE_USER;
}

static int count_head(struct wp_message *message, size_t len, enum wp_err err)
{
    message->head_bytes += len;
    return message->head_bytes > message->head_max ? fail(message, err) : 0;
}

static int on_status(llhttp_t *parser, const char *at, size_t len)
{
    (void)at;
    return count_head(of(parser), len, WP_ERR_HEAD_TOO_LARGE);
}

// Fields mostly lie in one piece in what is being fed. Only what has not ended with it is kept.
static enum wp_err keep(struct wp_field *field, size_t max, enum wp_err full)
{
    if (field->kept == NULL && (field->kept = wp_alloc(sizeof(*field->kept))) == NULL)
        return WP_ERR_NO_MEMORY;
    if (field->kept->max == 0)
        *field->kept = wp_buf_make(max);
    wp_buf_append(field->kept, field->here);
    field->here = (wp_view){NULL, 0};
    return wp_buf_ok(field->kept) ? WP_OK : field->kept->no_memory ? WP_ERR_NO_MEMORY : full;
}

static int add_to_field(struct wp_message *message, struct wp_field *field, wp_view bytes,
                        enum wp_err full)
{
    if (field->here.ptr != NULL && field->here.ptr + field->here.len == bytes.ptr) {
        field->here.len += bytes.len;
    } else {
        enum wp_err err = field->here.ptr == NULL ? WP_OK : keep(field, message->head_max, full);
        if (err != WP_OK)
            return fail(message, err);
        field->here = bytes;
    }
    return count_head(message, bytes.len, full);
}

// The whole field, until it is cleared.
static enum wp_err take_field(struct wp_message *message, struct wp_field *field, enum wp_err full,
                              wp_view *out)
{
    if (field->kept != NULL) {
        enum wp_err err = keep(field, message->head_max, full);
        *out = wp_buf_view(field->kept);
        return err;
    }
    *out = field->here;
    return WP_OK;
}

static void drop_kept(struct wp_field *field)
{
    wp_buf_free(field->kept);
    wp_free(field->kept);
    field->kept = NULL;
}

static inline void clear_field(struct wp_field *field)
{
    field->here = (wp_view){NULL, 0};
    if (field->kept != NULL)
        drop_kept(field);
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    return add_to_field(of(parser), &of(parser)->target, wp_view_make(at, len),
                        WP_ERR_URI_TOO_LONG);
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    return add_to_field(of(parser), &of(parser)->name, wp_view_make(at, len),
                        WP_ERR_HEAD_TOO_LARGE);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    return add_to_field(of(parser), &of(parser)->value, wp_view_make(at, len),
                        WP_ERR_HEAD_TOO_LARGE);
}

// Copies the headers that lie in what is being fed, as they lie there, and moves the views.
static enum wp_err settle_headers(struct wp_message *message)
{
    struct wp_headers *headers = &message->headers;
    if (message->settled == headers->count)
        return WP_OK;
    wp_view last = headers->list[headers->count - 1].value;
    const char *from = headers->list[message->settled].name.ptr;
    wp_view copy =
        wp_arena_copy(message->arena, wp_view_make(from, (size_t)(last.ptr + last.len - from)));
    if (copy.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    for (; message->settled < headers->count; message->settled++) {
        struct wp_header *header = &headers->list[message->settled];
        header->name.ptr = copy.ptr + (header->name.ptr - from);
        header->value.ptr = copy.ptr + (header->value.ptr - from);
    }
    return WP_OK;
}

// Mostly there is nothing to trim.
static inline wp_view trimmed(wp_view value)
{
    bool whole = value.len == 0 || (value.ptr[0] > ' ' && value.ptr[value.len - 1] > ' ');
    return whole ? value : wp_view_trim(value);
}

static inline enum wp_err put_header(struct wp_message *message, wp_view name, wp_view value)
{
    // Answers may have few; theirs stay with a long stream.
    if (!message->request && message->headers.capacity == 0 &&
        !wp_headers_reserve(&message->headers, 4))
        return WP_ERR_NO_MEMORY;
    return wp_headers_add(&message->headers, name, value);
}

// A header of which something has been kept lies elsewhere than the others.
static enum wp_err put_kept_header(struct wp_message *message)
{
    wp_view name, value;
    enum wp_err err = settle_headers(message);
    if (err == WP_OK)
        err = take_field(message, &message->name, WP_ERR_HEAD_TOO_LARGE, &name);
    if (err == WP_OK)
        err = take_field(message, &message->value, WP_ERR_HEAD_TOO_LARGE, &value);
    if (err != WP_OK)
        return err;
    name = wp_arena_copy(message->arena, name);
    value = wp_arena_copy(message->arena, value);
    if (name.ptr == NULL || value.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    err = put_header(message, name, wp_view_trim(value));
    message->settled = message->headers.count;
    return err;
}

static enum wp_err add_header(struct wp_message *message)
{
    wp_view name = message->name.here, value = message->value.here;
    if (message->headers.count >= message->header_count_max)
        return WP_ERR_HEAD_TOO_LARGE;
    if (message->name.kept != NULL || message->value.kept != NULL)
        return put_kept_header(message);
    if (name.len == 0)
        return WP_ERR_INVALID;
    if (value.ptr == NULL) // an empty value is one all the same
        value = wp_view_make(name.ptr + name.len, 0);
    return put_header(message, name, trimmed(value));
}

static int on_value_complete(llhttp_t *parser)
{
    struct wp_message *message = of(parser);
    // Trailers name nothing that counts: dropped.
    enum wp_err err = message->state == WP_MESSAGE_HEAD ? add_header(message) : WP_OK;
    clear_field(&message->name);
    clear_field(&message->value);
    return err == WP_OK ? 0 : fail(message, err);
}

// What was fed ends within a head or a trailer.
static enum wp_err keep_unfinished(struct wp_message *message)
{
    struct wp_field *const fields[] = {&message->target, &message->name, &message->value};
    for (size_t i = message->state == WP_MESSAGE_HEAD ? 0 : 1; i < WP_COUNT_OF(fields); i++) {
        enum wp_err full = i == 0 ? WP_ERR_URI_TOO_LONG : WP_ERR_HEAD_TOO_LARGE;
        enum wp_err err =
            fields[i]->here.ptr == NULL ? WP_OK : keep(fields[i], message->head_max, full);
        if (err != WP_OK)
            return err;
    }
    return settle_headers(message);
}

static enum wp_err settle_target(struct wp_message *message)
{
    wp_view target;
    enum wp_err err = take_field(message, &message->target, WP_ERR_URI_TOO_LONG, &target);
    if (err == WP_OK && message->request)
        target = wp_arena_copy(message->arena, target);
    clear_field(&message->target);
    message->target.here = target;
    return err == WP_OK && message->request && target.ptr == NULL ? WP_ERR_NO_MEMORY : err;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct wp_message *message = of(parser);
    message->state = WP_MESSAGE_BODY;
    enum wp_err err = settle_target(message);
    if (err == WP_OK)
        err = settle_headers(message);
    if (err != WP_OK)
        return fail(message, err);
    bool go_on = message->events->on_head(message->arg, message);
    if (message->err != WP_OK)
        return HPE_USER;
    if (message->no_body)
        return 1; // llhttp: the message has no body whatever its head says
    if (!go_on) {
        message->paused = true;
        return HPE_PAUSED;
    }
    return 0;
}

// Chunk extensions mean nothing here; a body made of them would never count as one.
static int on_extension(llhttp_t *parser, const char *at, size_t len)
{
    struct wp_message *message = of(parser);
    (void)at;
    message->extension_bytes += len;
    return message->extension_bytes > EXTENSIONS_MAX ? fail(message, WP_ERR_INVALID) : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct wp_message *message = of(parser);
    message->events->on_body(message->arg, wp_view_make(at, len));
    return message->err != WP_OK ? HPE_USER : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct wp_message *message = of(parser);
    // 1xx answers are followed by the real one
    if (!message->request && parser->status_code / 100 == 1 && parser->status_code != 101) {
        message->state = WP_MESSAGE_HEAD;
        wp_headers_clear(&message->headers);
        message->settled = 0;
        return 0;
    }
    message->state = WP_MESSAGE_DONE;
    message->paused = true;
    message->events->on_complete(message->arg);
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void wp_message_init(struct wp_message *message, bool request,
                     const struct wp_message_events *events, void *arg, size_t head_max,
                     size_t header_count_max)
{
    *message = (struct wp_message){
        .events = events,
        .arg = arg,
        .request = request,
        .head_max = head_max,
        .header_count_max = header_count_max,
    };
}

void wp_message_free(struct wp_message *message)
{
    clear_field(&message->name);
    clear_field(&message->value);
    clear_field(&message->target);
}

void wp_message_begin(struct wp_message *message, struct wp_arena *arena)
{
    llhttp_init(&message->parser, message->request ? HTTP_REQUEST : HTTP_RESPONSE, &SETTINGS);
    message->parser.data = message;
    message->arena = arena;
    wp_headers_init(&message->headers, arena);
    clear_field(&message->name);
    clear_field(&message->value);
    clear_field(&message->target);
    message->settled = message->head_bytes = message->extension_bytes = 0;
    message->state = WP_MESSAGE_HEAD;
    message->err = WP_OK;
    message->no_body = message->paused = false;
}

void wp_message_resume(struct wp_message *message)
{
    message->paused = false;
    llhttp_resume(&message->parser);
}

static enum wp_err error_of(const struct wp_message *message)
{
    return message->err != WP_OK ? message->err : WP_ERR_INVALID;
}

enum wp_err wp_message_feed(struct wp_message *message, wp_view bytes, size_t *used)
{
    *used = 0;
    if (bytes.len == 0 || message->paused)
        return WP_OK;
    llhttp_errno_t code = llhttp_execute(&message->parser, bytes.ptr, bytes.len);
    if (code == HPE_OK) {
        enum wp_err err = keep_unfinished(message);
        *used = err == WP_OK ? bytes.len : 0;
        return err;
    }
    if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
        *used = (size_t)(llhttp_get_error_pos(&message->parser) - bytes.ptr);
        return code == HPE_PAUSED ? WP_OK : WP_ERR_INVALID;
    }
    return error_of(message);
}

bool wp_message_finish(struct wp_message *message)
{
    if (message->state == WP_MESSAGE_DONE)
        return true;
    if (message->state != WP_MESSAGE_BODY || message->paused)
        return false;
    llhttp_errno_t code = llhttp_finish(&message->parser);
    return (code == HPE_OK || code == HPE_PAUSED) && message->state == WP_MESSAGE_DONE;
}
