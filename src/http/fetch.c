#include "http/fetch.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/url.h"

enum { ANSWER_MAX = 256 * 1024 };

static void destroy(struct wp_fetch *fetch)
{
    wp_buf_free(&fetch->answer);
    wp_arena_destroy(fetch->arena);
    wp_free(fetch);
}

void *wp_fetch_create(size_t size, struct wp_renewal *renewal, struct wp_loop *loop,
                      struct wp_client *client)
{
    uint64_t failures = wp_alloc_failures();
    struct wp_fetch *fetch = wp_alloc(size);
    if (fetch == NULL)
        return NULL;
    fetch->renewal = renewal;
    fetch->loop = loop;
    fetch->client = client;
    fetch->failures = failures;
    fetch->answer = wp_buf_make(ANSWER_MAX);
    fetch->arena = wp_arena_create(0);
    if (fetch->arena != NULL)
        return fetch;
    destroy(fetch);
    return NULL;
}

bool wp_fetch_start(struct wp_fetch *fetch, void (*gather)(void *fetch),
                    void (*gathered)(void *fetch))
{
    if (wp_loop_work(fetch->loop, gather, gathered, fetch) == WP_OK)
        return true;
    destroy(fetch);
    return false;
}

void wp_fetch_fail(struct wp_fetch *fetch, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!fetch->failed)
        vsnprintf(fetch->error, sizeof(fetch->error), format, args);
    va_end(args);
    fetch->failed = true;
}

bool wp_fetch_was_short(const struct wp_fetch *fetch)
{
    return wp_alloc_failures() != fetch->failures;
}

bool wp_fetch_begin(struct wp_fetch *fetch, wp_view text)
{
    struct wp_url url;
    wp_headers_init(&fetch->headers, fetch->arena);
    if (wp_url_parse(text, &url))
        wp_fetch_add_header(fetch, "host", url.authority);
    else
        wp_fetch_fail(fetch, "an endpoint is not a URL: %.*s", WP_VIEW_ARG(text));
    return !fetch->failed;
}

void wp_fetch_add_header(struct wp_fetch *fetch, const char *name, wp_view value)
{
    if (value.len > 0 && (!wp_header_value_valid(value) ||
                          wp_headers_add(&fetch->headers, wp_view_of(name), value) != WP_OK))
        wp_fetch_fail(fetch, "the field %s could not be sent", name);
}

static void on_head(void *arg, int status, const struct wp_headers *headers)
{
    struct wp_fetch *fetch = arg;
    (void)headers;
    fetch->status = status;
}

static void on_body(void *arg, wp_view bytes)
{
    struct wp_fetch *fetch = arg;
    wp_buf_append(&fetch->answer, bytes);
}

static void on_end(void *arg)
{
    struct wp_fetch *fetch = arg;
    fetch->call = NULL;
    fetch->answered(fetch);
}

static void on_error(void *arg, enum wp_err err, const char *detail)
{
    struct wp_fetch *fetch = arg;
    (void)detail;
    fetch->call = NULL;
    fetch->status = 0;
    fetch->call_error = wp_err_info(err)->sentence;
    fetch->answered(fetch);
}

bool wp_fetch_call(struct wp_fetch *fetch, const char *method, wp_view text, uint32_t timeout_ms,
                   void (*answered)(void *fetch))
{
    static const struct wp_call_events events = {on_head, on_body, on_end, on_error};
    struct wp_url url = {0};
    if (!wp_url_parse(text, &url))
        wp_fetch_fail(fetch, "an endpoint is not a URL: %.*s", WP_VIEW_ARG(text));
    if (wp_fetch_was_short(fetch)) // half a request would be refused
        wp_fetch_fail(fetch, "out of memory");
    if (fetch->failed)
        return false;
    wp_view target = wp_view_skip(text, (size_t)(url.authority.ptr + url.authority.len - text.ptr));
    const struct wp_call_request request = {
        .tls = url.tls,
        .host = url.host,
        .port = url.port,
        .method = wp_view_of(method),
        .target = target.len > 0 ? target : WP_VIEW("/"),
        .headers = fetch->headers.list,
        .header_count = fetch->headers.count,
        .body = &fetch->body,
        .body_count = fetch->body.len > 0 ? 1 : 0,
        .arena = fetch->arena,
        .connect_timeout_ms = timeout_ms,
        .first_byte_timeout_ms = timeout_ms,
        .idle_timeout_ms = timeout_ms,
        .retry_stale = true,
        .allow_link_local = fetch->metadata,
    };
    wp_buf_clear(&fetch->answer);
    fetch->status = 0;
    fetch->call_error = "";
    fetch->answered = answered;
    fetch->metadata = false;
    if (wp_call_start(fetch->client, &request, &events, fetch, &fetch->call) == WP_OK)
        return true;
    wp_fetch_fail(fetch, "the call could not be started");
    return false;
}

void wp_fetch_end(struct wp_fetch *fetch, void (*store)(void *owner, void *value), void *owner,
                  void *value, int64_t expires_ms)
{
    if (fetch->failed && wp_fetch_was_short(fetch))
        wp_renewal_give_up(fetch->renewal, fetch->loop);
    else
        wp_renewal_finish(fetch->renewal, fetch->loop, store, owner, value, expires_ms,
                          fetch->failed ? fetch->error : NULL);
    destroy(fetch);
}
