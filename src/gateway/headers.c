// The client's request headers as the log keeps them: values only of fields that are known to hold
// no secret and no prompt, of all others the name and the length.
#include "gateway/exchange.h"
#include "store/detail.h"

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

void wp_exchange_put_headers(const struct wp_exchange *x, struct wp_buf *out)
{
    const struct wp_headers *headers = &x->front->head->headers;
    size_t count = headers->count < FIELDS_MAX ? headers->count : FIELDS_MAX;
    wp_detail_put_headers(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct wp_header *header = &headers->list[i];
        wp_view name = wp_view_sub(header->name, 0, NAME_MAX);
        if (is_shown(header->name))
            wp_detail_put_field(out, name, wp_view_sub(header->value, 0, VALUE_MAX));
        else
            wp_detail_put_hidden_field(out, name, header->value.len);
    }
}
