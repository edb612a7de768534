// What a request's head has to be before anyone sees it (RFC 9112 3, 6; RFC 9110 10.1.1).
#include "http/server_private.h"
#include "http/target.h"

// What tells where a request ends and whose it is. Of each there is one at most: two of them mean
// two things to two readers.
enum { HOST, LENGTH, CODING, EXPECT, AUTHORIZATION, TYPE, ENCODING, SINGLE_COUNT };
static const wp_view SINGLE[SINGLE_COUNT] = {
    [HOST] = {"host", 4},
    [LENGTH] = {"content-length", 14},
    [CODING] = {"transfer-encoding", 17},
    [EXPECT] = {"expect", 6},
    [AUTHORIZATION] = {"authorization", 13},
    [TYPE] = {"content-type", 12},
    [ENCODING] = {"content-encoding", 16},
};
// No two of these names are of one length: it tells which one a field may be.
enum { LENGTHS = 18, NONE = 0 };
static const uint8_t SINGLE_OF_LENGTH[LENGTHS] = {
    [4] = 1 + HOST,           [14] = 1 + LENGTH, [17] = 1 + CODING,   [6] = 1 + EXPECT,
    [13] = 1 + AUTHORIZATION, [12] = 1 + TYPE,   [16] = 1 + ENCODING,
};

// Their values, {NULL, 0} of what is not there; false: one is there twice.
static bool read_single(const struct wp_headers *headers, wp_view values[SINGLE_COUNT])
{
    memset(values, 0, SINGLE_COUNT * sizeof(*values));
    for (size_t i = 0; i < headers->count; i++) {
        const struct wp_header *header = &headers->list[i];
        uint8_t which = header->name.len < LENGTHS ? SINGLE_OF_LENGTH[header->name.len] : NONE;
        if (which == NONE || !wp_view_eq_nocase(header->name, SINGLE[which - 1]))
            continue;
        if (values[which - 1].ptr != NULL)
            return false;
        values[which - 1] = header->value;
    }
    return true;
}

// Digits without a leading zero: some read "010" as eight.
static bool parse_length(wp_view text, uint64_t *out)
{
    return !(text.len > 1 && text.ptr[0] == '0') && wp_view_parse_u64(text, out);
}

static enum wp_err check_framing(const struct wp_message *message, const wp_view *single,
                                 struct wp_request_head *head)
{
    wp_view coding = single[CODING], length = single[LENGTH], host = single[HOST];
    bool http10 = message->parser.http_major == 1 && message->parser.http_minor == 0;
    if (message->parser.http_major != 1)
        return WP_ERR_INVALID;
    if (coding.ptr != NULL && length.ptr != NULL)
        return WP_ERR_INVALID;
    if (coding.ptr != NULL && (http10 || !wp_view_eq_nocase(coding, WP_VIEW("chunked"))))
        return http10 ? WP_ERR_INVALID : WP_ERR_NOT_SUPPORTED;
    if (length.ptr != NULL && !parse_length(length, &head->content_length))
        return WP_ERR_INVALID;
    if (coding.ptr != NULL)
        head->content_length = UINT64_MAX;
    head->has_body = coding.ptr != NULL || head->content_length > 0;
    bool host_ok = host.ptr == NULL ? http10 : wp_host_valid(host);
    return host_ok ? WP_OK : WP_ERR_INVALID;
}

// "*" asks about the server as a whole (RFC 9110 9.3.7).
static enum wp_err check_target(struct wp_arena *arena, wp_view raw, struct wp_request_head *head)
{
    if (!wp_target_parse(arena, raw, head))
        return WP_ERR_INVALID;
    if (head->path.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    bool star = wp_view_is(head->path, "*");
    return star && !wp_view_is(head->method, "OPTIONS") ? WP_ERR_INVALID : WP_OK;
}

// An old client's expectations are ignored (RFC 9110 10.1.1).
static enum wp_err check_expectation(const struct wp_message *message, wp_view expect,
                                     struct wp_request_head *head)
{
    if (expect.ptr == NULL || message->parser.http_minor == 0)
        return WP_OK;
    head->expect_continue = wp_view_eq_nocase(expect, WP_VIEW("100-continue"));
    return head->expect_continue ? WP_OK : WP_ERR_EXPECTATION;
}

enum wp_err wp_request_head_read(struct wp_server_request *request,
                                 const struct wp_message *message)
{
    const struct client *client = request->client;
    struct wp_request_head *head = &request->head;
    wp_view raw = message->target.here, single[SINGLE_COUNT];
    head->method = wp_view_of(llhttp_method_name(message->parser.method));
    head->headers = message->headers;
    head->peer_address = wp_view_of(client->peer.address);
    head->peer_port = client->peer.port;
    head->tls = client->server->tls != NULL;
    if (raw.ptr == NULL)
        return WP_ERR_NO_MEMORY;
    if (!read_single(&head->headers, single))
        return WP_ERR_INVALID;
    enum wp_err err = check_framing(message, single, head);
    if (err == WP_OK)
        err = check_target(request->arena, raw, head);
    if (err == WP_OK)
        err = check_expectation(message, single[EXPECT], head);
    if (err == WP_OK && head->has_body && head->content_length != UINT64_MAX &&
        head->content_length > client->server->limits.body_max)
        err = WP_ERR_TOO_LARGE;
    return err;
}
