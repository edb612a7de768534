// The response: its head, framing and end. What becomes of the connection afterwards is server.c's.
#include "base/clock.h"
#include "http/server_private.h"

enum { HEAD_ROOM = 2048 }; // most response heads fit

const char *wp_status_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {{100, "Continue"},
                {200, "OK"},
                {204, "No Content"},
                {301, "Moved Permanently"},
                {302, "Found"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {417, "Expectation Failed"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {499, "Client Closed Request"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {508, "Loop Detected"},
                {529, "Overloaded"}};
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

static void build_head(struct wp_server_request *request, int status,
                       const struct wp_headers *headers, uint64_t content_length,
                       struct wp_buf *out)
{
    struct client *client = request->client;
    char date[30];
    bool http10 = client->message.parser.http_minor == 0;
    wp_format_http_date(wp_wall_ms_coarse(), date);
    wp_buf_append_cstring(out, "HTTP/1.1 ");
    wp_buf_append_u64(out, (uint64_t)status);
    wp_buf_append_char(out, ' ');
    wp_buf_append_cstring(out, wp_status_reason(status));
    wp_buf_append_cstring(out, "\r\nDate: ");
    wp_buf_append_cstring(out, date);
    wp_buf_append_cstring(out, "\r\n");
    for (size_t i = 0; i < headers->count; i++)
        wp_header_write(out, headers->list[i].name, headers->list[i].value);
    request->silent = wp_view_is(request->head.method, "HEAD") || status == 204 || status == 304;
    if (content_length != UINT64_MAX && status != 204) {
        wp_buf_append_cstring(out, "Content-Length: ");
        wp_buf_append_u64(out, content_length);
        wp_buf_append_cstring(out, "\r\n");
    } else if (content_length == UINT64_MAX && !request->silent) {
        request->chunked = !http10;
        if (request->chunked)
            wp_buf_append_cstring(out, "Transfer-Encoding: chunked\r\n");
        else
            client->close_after = true;
    }
    // A body that nobody will read: the connection cannot be used again.
    if (request->head.has_body && !request->body_done)
        client->close_after = true;
    if (client->server->draining)
        client->close_after = true;
    if (client->close_after)
        wp_buf_append_cstring(out, "Connection: close\r\n");
    else if (http10)
        wp_buf_append_cstring(out, "Connection: keep-alive\r\n");
    wp_buf_append_cstring(out, "\r\n");
}

static enum wp_err write_parts(struct wp_server_request *request, const wp_view *parts,
                               size_t count)
{
    struct client *client = request->client;
    enum wp_err err = wp_conn_write(client->conn, parts, count);
    if (err == WP_OK && wp_conn_queued(client->conn) > WP_CONN_HIGH &&
        !wp_timer_active(&client->write_timer))
        wp_timer_start(&client->write_timer, client->server->limits.write_idle_ms);
    return err == WP_OK ? WP_OK : WP_ERR_CLIENT_GONE;
}

enum wp_err wp_response_head(struct wp_server_request *request, int status,
                             const struct wp_headers *headers, uint64_t content_length)
{
    char room[HEAD_ROOM];
    struct wp_buf head = wp_buf_make_in(room, sizeof(room), 1024 * 1024);
    if (request->client == NULL || request->aborted)
        return WP_ERR_CLIENT_GONE;
    WP_CHECK(!request->started);
    request->started = true;
    build_head(request, status, headers, content_length, &head);
    wp_view part = wp_buf_view(&head);
    enum wp_err err = wp_buf_ok(&head) ? write_parts(request, &part, 1) : WP_ERR_NO_MEMORY;
    wp_buf_free(&head);
    return err;
}

enum wp_err wp_response_write(struct wp_server_request *request, wp_view bytes, bool *pause)
{
    char size[24];
    size_t at = sizeof(size);
    *pause = false;
    if (request->client == NULL || request->aborted || request->ended)
        return WP_ERR_CLIENT_GONE;
    if (request->silent || bytes.len == 0)
        return WP_OK;
    size[--at] = '\n';
    size[--at] = '\r';
    for (size_t rest = bytes.len; rest > 0; rest >>= 4)
        size[--at] = "0123456789abcdef"[rest & 15];
    const wp_view chunk[] = {wp_view_make(size + at, sizeof(size) - at), bytes, WP_VIEW("\r\n")};
    enum wp_err err =
        request->chunked ? write_parts(request, chunk, 3) : write_parts(request, &bytes, 1);
    if (err == WP_OK && wp_conn_queued(request->client->conn) > WP_CONN_HIGH) {
        *pause = true;
        request->want_drain = true;
    }
    return err;
}

void wp_response_end(struct wp_server_request *request)
{
    const wp_view last = WP_VIEW("0\r\n\r\n");
    struct client *client = request->client;
    if (request->ended || request->aborted)
        return;
    request->ended = true;
    if (client == NULL)
        return;
    wp_timer_rest(&client->timer);
    if (request->chunked && !request->silent && write_parts(request, &last, 1) != WP_OK)
        client->close_after = true;
    bool body_done = !request->head.has_body || request->body_done;
    wp_server_let_go(request);
    wp_server_response_sent(client, body_done);
}

void wp_response_abort(struct wp_server_request *request)
{
    struct client *client = request->client;
    if (request->aborted || request->ended)
        return;
    request->ended = true;
    if (client == NULL)
        return;
    wp_server_let_go(request);
    wp_timer_stop(&client->timer);
    wp_server_cut(client);
}

void wp_response_send_parts(struct wp_server_request *request, int status,
                            const struct wp_headers *headers, const wp_view *body, size_t count)
{
    char room[HEAD_ROOM];
    struct wp_buf head = wp_buf_make_in(room, sizeof(room), 1024 * 1024);
    wp_view parts[1 + WP_RESPONSE_PARTS];
    uint64_t length = 0;
    if (request->client == NULL || request->aborted || request->ended)
        return;
    WP_CHECK(!request->started && count <= WP_RESPONSE_PARTS);
    request->started = true;
    for (size_t i = 0; i < count; i++) {
        parts[1 + i] = body[i];
        length += body[i].len;
    }
    build_head(request, status, headers, length, &head);
    parts[0] = wp_buf_view(&head);
    bool ok =
        wp_buf_ok(&head) && write_parts(request, parts, request->silent ? 1 : 1 + count) == WP_OK;
    wp_buf_free(&head);
    if (ok)
        wp_response_end(request);
    else
        wp_response_abort(request);
}

void wp_response_send(struct wp_server_request *request, int status,
                      const struct wp_headers *headers, wp_view body)
{
    wp_response_send_parts(request, status, headers, &body, 1);
}

bool wp_response_started(const struct wp_server_request *request)
{
    return request->started;
}

uint64_t wp_response_bytes_queued(const struct wp_server_request *request)
{
    return request->client == NULL ? 0 : wp_conn_queued(request->client->conn);
}
