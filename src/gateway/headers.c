// The client's request headers as the log keeps them: values only of fields that are known to hold
// no secret and no prompt, of all others the name and the length.
#include "gateway/exchange.h"
#include "json/writer.h"

enum { FIELDS_MAX = 64, VALUE_MAX = 300, NAME_MAX = 80 };

#define NAME(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }
static const wp_view SHOWN[] = {
    NAME("accept"),         NAME("accept-encoding"),  NAME("accept-language"),
    NAME("connection"),     NAME("content-encoding"), NAME("content-length"),
    NAME("content-type"),   NAME("expect"),           NAME("host"),
    NAME("sec-fetch-mode"), NAME("traceparent"),      NAME("user-agent"),
    NAME("x-app"),          NAME("x-request-id"),
};
static const wp_view SHOWN_FAMILIES[] = {NAME("anthropic-"), NAME("x-claude-code-"),
                                         NAME("x-stainless-")};
#undef NAME

static bool is_shown(wp_view name)
{
    for (size_t i = 0; i < WP_COUNT_OF(SHOWN); i++)
        if (wp_view_eq_nocase(name, SHOWN[i]))
            return true;
    for (size_t i = 0; i < WP_COUNT_OF(SHOWN_FAMILIES); i++)
        if (wp_view_starts_with_nocase(name, SHOWN_FAMILIES[i]))
            return true;
    return false;
}

static void put_header(struct wp_json_writer *w, const struct wp_header *header)
{
    wp_json_key_escaped(w, wp_view_sub(header->name, 0, NAME_MAX));
    if (is_shown(header->name)) {
        wp_json_append_string(w->buf, wp_view_sub(header->value, 0, VALUE_MAX));
        return;
    }
    wp_buf_append(w->buf, WP_VIEW("\"(hidden, "));
    wp_buf_append_u64(w->buf, header->value.len);
    wp_buf_append(w->buf, WP_VIEW(" bytes)\""));
}

wp_view wp_exchange_headers_json(const struct wp_exchange *x)
{
    char room[4096];
    const struct wp_headers *headers = &x->front->head->headers;
    struct wp_buf buf = wp_buf_make_in(room, sizeof(room), 64 * 1024);
    struct wp_json_writer w = wp_json_writer(&buf);
    wp_json_open_object(&w, NULL);
    for (size_t i = 0; i < headers->count && i < FIELDS_MAX; i++)
        put_header(&w, &headers->list[i]);
    wp_json_close(&w);
    wp_view copy =
        wp_buf_ok(&buf) ? wp_arena_copy(x->arena, wp_buf_view(&buf)) : (wp_view){NULL, 0};
    wp_buf_free(&buf);
    return copy;
}
