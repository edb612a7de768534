// The client's request headers as the log keeps them: values only of fields that are known to hold
// no secret and no prompt, of all others the name and the length.
#include "gateway/exchange.h"
#include "json/writer.h"

#include <stdio.h>

enum { FIELDS_MAX = 64, VALUE_MAX = 300, NAME_MAX = 80 };

static const char *const SHOWN[] = {
    "accept",         "accept-encoding", "accept-language", "connection",   "content-encoding",
    "content-length", "content-type",    "expect",          "host",         "sec-fetch-mode",
    "traceparent",    "user-agent",      "x-app",           "x-request-id",
};
static const char *const SHOWN_FAMILIES[] = {"anthropic-", "x-claude-code-", "x-stainless-"};

static bool is_shown(wp_view name)
{
    for (size_t i = 0; i < WP_COUNT_OF(SHOWN); i++)
        if (wp_view_eq_nocase(name, wp_view_of(SHOWN[i])))
            return true;
    for (size_t i = 0; i < WP_COUNT_OF(SHOWN_FAMILIES); i++) {
        wp_view family = wp_view_of(SHOWN_FAMILIES[i]);
        if (wp_view_eq_nocase(wp_view_sub(name, 0, family.len), family))
            return true;
    }
    return false;
}

static void put_header(struct wp_json_writer *w, const struct wp_header *header)
{
    char hidden[48], name[NAME_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(wp_view_sub(header->name, 0, NAME_MAX)));
    snprintf(hidden, sizeof(hidden), "(hidden, %zu bytes)", header->value.len);
    if (is_shown(header->name))
        wp_json_put_str(w, name, wp_view_sub(header->value, 0, VALUE_MAX));
    else
        wp_json_put_cstr(w, name, hidden);
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
