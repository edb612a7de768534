// What the provider's tests share: a request on the bench, with everything that surrounds it.
#ifndef WP_TESTS_PROVIDER_SUPPORT_H
#define WP_TESTS_PROVIDER_SUPPORT_H

#include "tests/support/test.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "provider/provider.h"

struct bench {
    struct wp_arena *arena;
    struct wp_provider_tables *tables;
    struct wp_deployment_config deployment;
    struct wp_model_info model;
    struct wp_headers client;
    struct wp_request request;
    struct wp_aws_keys keys;
    struct wp_provider_input input;
    struct wp_upstream_request out;
    const char *detail;
    wp_view body; // joined, after bench_build
};

static inline struct wp_provider_tables *bench_tables(void)
{
    size_t len = 0;
    char error[256] = "";
    char *text = test_read_file(WP_SOURCE_DIR "/data/betas.json", &len);
    struct wp_provider_tables *tables =
        wp_provider_tables_load(wp_view_make(text, len), (wp_view){NULL, 0}, error, sizeof(error));
    if (tables == NULL)
        print_error("%s\n", error);
    assert_non_null(tables);
    free(text);
    return tables;
}

// A current model: every capability.
static inline void bench_init(struct bench *bench, enum wp_platform platform)
{
    *bench = (struct bench){.arena = wp_arena_create(0), .tables = bench_tables()};
    assert_non_null(bench->arena);
    bench->deployment = (struct wp_deployment_config){
        .id = WP_VIEW("d1"),
        .platform = platform,
        .upstream_model = WP_VIEW("us.anthropic.claude-opus-4-6-v1"),
    };
    bench->model = (struct wp_model_info){
        .family = WP_VIEW("claude-opus-4-6"),
        .price = {.known = true},
        .cache_ttl_1h = true,
        .role_system = true,
        .adaptive_thinking = true,
        .budget_thinking = true,
        .effort = WP_EFFORT_ALL,
        .anthropic_version_2026 = true,
    };
    bench->keys = (struct wp_aws_keys){
        .access_key_id = WP_VIEW("AKIDEXAMPLE"),
        .secret_access_key = WP_VIEW("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    };
    wp_headers_init(&bench->client, bench->arena);
    bench->input = (struct wp_provider_input){
        .operation = WP_OP_MESSAGES,
        .region = WP_VIEW("us-west-2"),
        .wall_ms = 1795392000000, // 2026-11-23T00:00:00Z
    };
}

// An older one, as behind an alias: Sonnet 4.5.
static inline void bench_older_model(struct bench *bench)
{
    bench->model = (struct wp_model_info){
        .family = WP_VIEW("claude-sonnet-4-5"),
        .price = {.known = true},
        .cache_ttl_1h = true,
        .budget_thinking = true,
    };
}

static inline void bench_free(struct bench *bench)
{
    wp_arena_destroy(bench->arena);
    wp_provider_tables_free(bench->tables);
}

static inline void bench_header(struct bench *bench, const char *name, const char *value)
{
    assert_ok(wp_headers_add(&bench->client, wp_view_of(name), wp_view_of(value)));
}

static inline enum wp_err bench_try_view(struct bench *bench, wp_view body)
{
    const char *detail = NULL;
    size_t offset = 0;
    assert_ok(wp_request_scan(bench->arena, body, &bench->request, &detail, &offset));
    bench->input.deployment = &bench->deployment;
    bench->input.endpoint = wp_provider_prepare(&bench->deployment, bench->arena);
    assert_non_null(bench->input.endpoint);
    if (bench->input.upstream_model.len == 0)
        bench->input.upstream_model = bench->deployment.upstream_model;
    bench->input.request = &bench->request;
    bench->input.client_headers = &bench->client;
    bench->input.model = &bench->model;
    bench->input.tables = bench->tables;
    bench->input.keys = &bench->keys;
    enum wp_err err = wp_provider_build(&bench->input, bench->arena, &bench->out, &bench->detail);
    if (err != WP_OK)
        return err;
    size_t total = 0;
    for (size_t i = 0; i < bench->out.body.count; i++) {
        assert_true(bench->out.body.list[i].len > 0);
        total += bench->out.body.list[i].len;
    }
    assert_int_equal(bench->out.body.total, total);
    bench->body = wp_arena_concat(bench->arena, bench->out.body.list, bench->out.body.count);
    return WP_OK;
}

static inline enum wp_err bench_try(struct bench *bench, const char *body)
{
    return bench_try_view(bench, wp_view_of(body));
}

static inline void bench_build(struct bench *bench, const char *body)
{
    enum wp_err err = bench_try(bench, body);
    if (err != WP_OK)
        print_error("%s\n", bench->detail == NULL ? "" : bench->detail);
    assert_ok(err);
}

static inline wp_view bench_sent(struct bench *bench, const char *name)
{
    return wp_headers_get(&bench->out.headers, name);
}

// The fields as the call sends them; in the arena.
static inline wp_view bench_fields(struct bench *bench)
{
    struct wp_buf text = wp_buf_make(65536);
    struct wp_call_request call = wp_upstream_call(&bench->out);
    wp_buf_append(&text, call.lines.text);
    wp_header_lines_append(&text, call.headers + call.lines.count,
                           call.header_count - call.lines.count);
    assert_true(wp_buf_ok(&text));
    wp_view copy = wp_arena_copy(bench->arena, wp_buf_view(&text));
    wp_buf_free(&text);
    return copy;
}

static inline bool bench_dropped(const struct bench *bench, const char *what)
{
    for (size_t i = 0; i < bench->out.dropped_count; i++) {
        if (wp_view_is(bench->out.dropped[i], what))
            return true;
    }
    return false;
}

// --- answers

struct reply {
    struct wp_arena *arena;
    struct wp_deployment_config deployment;
    struct wp_headers headers;
    struct wp_answer_options options;
    struct wp_answer *answer;
    struct wp_buf client; // what the client got
};

static inline void reply_collect(void *arg, wp_view bytes)
{
    wp_buf_append(arg, bytes);
}

static inline enum wp_err reply_try(struct reply *reply, enum wp_platform platform, bool stream,
                                    const char *type)
{
    *reply = (struct reply){.arena = wp_arena_create(0), .client = wp_buf_make(1 << 26)};
    reply->deployment.platform = platform;
    wp_headers_init(&reply->headers, reply->arena);
    if (type != NULL)
        assert_ok(wp_headers_add(&reply->headers, WP_VIEW("Content-Type"), wp_view_of(type)));
    reply->options = (struct wp_answer_options){
        .deployment = &reply->deployment,
        .stream = stream,
        .requested_model = WP_VIEW("my \"alias\""),
        .status = 200,
        .headers = &reply->headers,
        .arena = reply->arena,
    };
    return wp_answer_create(&reply->options, &reply->answer);
}

static inline void reply_begin(struct reply *reply, enum wp_platform platform, bool stream,
                               const char *type)
{
    assert_ok(reply_try(reply, platform, stream, type));
}

static inline void reply_feed(struct reply *reply, wp_view bytes)
{
    wp_answer_feed(reply->answer, bytes, reply_collect, &reply->client);
}

static inline void reply_finish(struct reply *reply)
{
    wp_answer_finish(reply->answer, reply_collect, &reply->client);
    assert_true(wp_buf_ok(&reply->client));
}

static inline wp_view reply_client(const struct reply *reply)
{
    return wp_buf_view(&reply->client);
}

static inline void reply_free(struct reply *reply)
{
    wp_buf_free(&reply->client);
    wp_arena_destroy(reply->arena);
}

#endif
