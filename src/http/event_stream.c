#include "http/event_stream.h"

#include <arpa/inet.h>

#include "base/codec.h"

enum { PRELUDE = 12, TRAILER = 4, STRING_TYPE = 7, BYTES_TYPE = 6 };

void wp_event_stream_init(struct wp_event_stream *stream)
{
    *stream = (struct wp_event_stream){.pending = wp_buf_make(2 * WP_EVENT_STREAM_FRAME_MAX)};
}

void wp_event_stream_free(struct wp_event_stream *stream)
{
    wp_buf_free(&stream->pending);
}

bool wp_event_stream_partial(const struct wp_event_stream *stream)
{
    return stream->pending.len > 0;
}

static uint32_t read_u32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return ntohl(value);
}

static uint16_t read_u16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return ntohs(value);
}

// Bytes of a header value of this type at `rest`; false if the type is unknown or the bytes are not
// all there. *value is the content of strings and byte arrays.
static bool value_length(uint8_t type, wp_view rest, size_t *len, wp_view *value)
{
    static const uint8_t fixed[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
    *value = (wp_view){NULL, 0};
    if (type > 9)
        return false;
    if (type != STRING_TYPE && type != BYTES_TYPE) {
        *len = fixed[type];
        return rest.len >= *len;
    }
    if (rest.len < 2)
        return false;
    *len = 2u + read_u16(rest.ptr);
    *value = wp_view_sub(rest, 2, *len);
    return rest.len >= *len;
}

static void take_header(struct wp_event_message *message, wp_view name, wp_view value)
{
    const struct {
        const char *name;
        wp_view *field;
    } rows[] = {
        {":message-type", &message->message_type},     {":event-type", &message->event_type},
        {":exception-type", &message->exception_type}, {":error-code", &message->error_code},
        {":error-message", &message->error_message},   {":content-type", &message->content_type}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (wp_view_is(name, rows[i].name))
            *rows[i].field = value;
}

static bool read_headers(wp_view headers, struct wp_event_message *message)
{
    while (headers.len > 0) {
        size_t name_len = (unsigned char)headers.ptr[0], len;
        wp_view value;
        if (headers.len < 2 + name_len)
            return false;
        wp_view name = wp_view_sub(headers, 1, 1 + name_len);
        uint8_t type = (unsigned char)headers.ptr[1 + name_len];
        headers = wp_view_skip(headers, 2 + name_len);
        if (!value_length(type, headers, &len, &value))
            return false;
        if (type == STRING_TYPE)
            take_header(message, name, value);
        headers = wp_view_skip(headers, len);
    }
    return true;
}

// Length of the frame that begins here; 0: more bytes are needed; SIZE_MAX: not a frame.
static size_t frame_length(wp_view bytes)
{
    if (bytes.len < PRELUDE)
        return 0;
    uint32_t total = read_u32(bytes.ptr), headers = read_u32(bytes.ptr + 4);
    if (wp_crc32(0, wp_view_sub(bytes, 0, 8)) != read_u32(bytes.ptr + 8) ||
        total > WP_EVENT_STREAM_FRAME_MAX || headers > WP_EVENT_STREAM_HEADERS_MAX ||
        total < PRELUDE + TRAILER || headers > total - PRELUDE - TRAILER)
        return SIZE_MAX;
    return bytes.len < total ? 0 : total;
}

static bool decode(wp_view frame, struct wp_event_message *message)
{
    size_t body_end = frame.len - TRAILER, headers = read_u32(frame.ptr + 4);
    *message = (struct wp_event_message){0};
    if (wp_crc32(0, wp_view_sub(frame, 0, body_end)) != read_u32(frame.ptr + body_end))
        return false;
    message->payload = wp_view_sub(frame, PRELUDE + headers, body_end);
    return read_headers(wp_view_sub(frame, PRELUDE, PRELUDE + headers), message);
}

static enum wp_err frames_of(wp_view text, size_t *used,
                             bool (*on_message)(void *arg, const struct wp_event_message *),
                             void *arg, bool *go_on)
{
    struct wp_event_message message;
    *used = 0;
    while (*go_on) {
        wp_view rest = wp_view_skip(text, *used);
        size_t len = frame_length(rest);
        if (len == 0)
            break;
        if (len == SIZE_MAX || !decode(wp_view_sub(rest, 0, len), &message))
            return WP_ERR_PROTOCOL;
        *used += len;
        *go_on = on_message(arg, &message);
    }
    return WP_OK;
}

enum wp_err wp_event_stream_feed(struct wp_event_stream *stream, wp_view bytes,
                                 bool (*on_message)(void *arg, const struct wp_event_message *),
                                 void *arg)
{
    bool buffered = stream->pending.len > 0, go_on = true;
    size_t used;
    if (buffered)
        wp_buf_append(&stream->pending, bytes);
    if (!wp_buf_ok(&stream->pending))
        return WP_ERR_NO_MEMORY;
    enum wp_err err =
        frames_of(buffered ? wp_buf_view(&stream->pending) : bytes, &used, on_message, arg, &go_on);
    if (err != WP_OK || !go_on) {
        wp_buf_clear(&stream->pending);
        return err;
    }
    if (buffered)
        wp_buf_consume(&stream->pending, used);
    else
        wp_buf_append(&stream->pending, wp_view_skip(bytes, used));
    return wp_buf_ok(&stream->pending) ? WP_OK : WP_ERR_NO_MEMORY;
}

static void append_u32(struct wp_buf *out, uint32_t value)
{
    uint32_t big = htonl(value);
    wp_buf_append(out, wp_view_make((const char *)&big, sizeof(big)));
}

void wp_event_stream_encode(struct wp_buf *out, const struct wp_event_header *headers, size_t count,
                            wp_view payload)
{
    size_t begin = out->len, header_len = 0;
    for (size_t i = 0; i < count; i++)
        header_len += 4 + headers[i].name.len + headers[i].value.len;
    append_u32(out, (uint32_t)(PRELUDE + header_len + payload.len + TRAILER));
    append_u32(out, (uint32_t)header_len);
    if (!wp_buf_ok(out))
        return;
    append_u32(out, wp_crc32(0, wp_view_make(out->ptr + begin, 8)));
    for (size_t i = 0; i < count; i++) {
        uint16_t len = htons((uint16_t)headers[i].value.len);
        wp_buf_append_char(out, (char)headers[i].name.len);
        wp_buf_append(out, headers[i].name);
        wp_buf_append_char(out, STRING_TYPE);
        wp_buf_append(out, wp_view_make((const char *)&len, sizeof(len)));
        wp_buf_append(out, headers[i].value);
    }
    wp_buf_append(out, payload);
    if (wp_buf_ok(out))
        append_u32(out, wp_crc32(0, wp_view_make(out->ptr + begin, out->len - begin)));
}
