// What a request's head has to be before anyone sees it (RFC 9112 3, 6; RFC 9110 10.1.1).
#include "http/server_private.h"
#include "http/target.h"

// Fields that mean one thing: two of them mean two things to two readers.
static bool has_doubles(const struct wp_headers *headers)
{
    static const wp_view single[] = {
        {"authorization", 13}, {"content-type", 12}, {"content-encoding", 16}, {"expect", 6}};
    for (size_t i = 0; i < WP_COUNT_OF(single); i++)
        if (wp_headers_count(headers, single[i]) > 1)
            return true;
    return false;
}

// Digits without a leading zero: some read "010" as eight.
static bool parse_length(wp_view text, uint64_t *out)
{
    return !(text.len > 1 && text.ptr[0] == '0') && wp_view_parse_u64(text, out);
}

static enum wp_err check_framing(const struct wp_message *message, struct wp_request_head *head)
{
    const struct wp_headers *headers = &head->headers;
    wp_view coding = wp_headers_get(headers, "transfer-encoding");
    wp_view length = wp_headers_get(headers, "content-length");
    bool http10 = message->parser.http_major == 1 && message->parser.http_minor == 0;
    if (message->parser.http_major != 1)
        return WP_ERR_INVALID;
    if (wp_headers_count(headers, WP_VIEW("transfer-encoding")) > 1 ||
        wp_headers_count(headers, WP_VIEW("content-length")) > 1 ||
        (coding.ptr != NULL && length.ptr != NULL))
        return WP_ERR_INVALID;
    if (coding.ptr != NULL && (http10 || !wp_view_eq_nocase(coding, WP_VIEW("chunked"))))
        return http10 ? WP_ERR_INVALID : WP_ERR_NOT_SUPPORTED;
    if (length.ptr != NULL && !parse_length(length, &head->content_length))
        return WP_ERR_INVALID;
    if (has_doubles(headers))
        return WP_ERR_INVALID;
    if (coding.ptr != NULL)
        head->content_length = UINT64_MAX;
    head->has_body = coding.ptr != NULL || head->content_length > 0;
    size_t hosts = wp_headers_count(headers, WP_VIEW("host"));
    if (hosts > 1 || (hosts == 0 && !http10))
        return WP_ERR_INVALID;
    if (hosts == 1 && !wp_host_valid(wp_headers_get(headers, "host")))
        return WP_ERR_INVALID;
    return WP_OK;
}

enum wp_err wp_request_head_read(struct wp_server_request *request,
                                 const struct wp_message *message)
{
    const struct client *client = request->client;
    struct wp_request_head *head = &request->head;
    wp_view raw = message->target.here;
    head->method = wp_view_of(llhttp_method_name(message->parser.method));
    head->headers = message->headers;
    head->peer_address = wp_view_of(client->peer.address);
    head->peer_port = client->peer.port;
    head->tls = client->server->tls != NULL;
    if (raw.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    enum wp_err err = check_framing(message, head);
    if (err == WP_OK && !wp_target_parse(request->arena, raw, head))
        err = WP_ERR_INVALID;
    if (err == WP_OK && head->path.ptr == NULL)
        err = WP_ERR_NO_MEMORY;
    if (err == WP_OK && wp_view_is(head->path, "*") && !wp_view_is(head->method, "OPTIONS"))
        err = WP_ERR_INVALID;
    wp_view expect = wp_headers_get(&head->headers, "expect");
    bool http10 = message->parser.http_minor == 0; // its expectations are ignored (RFC 9110 10.1.1)
    if (err == WP_OK && expect.ptr != NULL && !http10) {
        head->expect_continue = wp_view_eq_nocase(expect, WP_VIEW("100-continue"));
        err = head->expect_continue ? WP_OK : WP_ERR_EXPECTATION;
    }
    if (err == WP_OK && head->has_body && head->content_length != UINT64_MAX &&
        head->content_length > client->server->limits.body_max)
        err = WP_ERR_TOO_LARGE;
    return err;
}
