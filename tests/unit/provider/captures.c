// Real bodies through both providers: what arrives upstream differs by the named splices only.
// WARMPATH_CAPTURES names a folder of *.jsonl files, one recorded request a line (method, url,
// rawHeaders, body); without it the test is skipped. The expected bytes are made here by other
// means than the code under test: a walk over text that was written without white space.
#include "support.h"

#include <dirent.h>

#include "base/clock.h"
#include "base/codec.h"
#include "json/doc.h"
#include "json/scan.h"

// --- text

// End of the JSON value at `at` in text without white space.
static size_t value_end(const char *text, size_t at)
{
    int depth = 0;
    for (;; at++) {
        if (text[at] == '"') {
            for (at++; text[at] != '"'; at++)
                at += text[at] == '\\';
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
        }
        if (depth == 0 && strchr(",}]", text[at + 1]) != NULL)
            return at + 1;
        assert_true(text[at] != '\0');
    }
}

static void cut(char *text, size_t from, size_t to)
{
    memmove(text + from, text + to, strlen(text + to) + 1);
}

// Cuts the member of the top-level object with its comma, if there is one; true then.
static bool cut_member(char *text, const char *key)
{
    size_t at = 1;
    while (text[at] == '"') {
        size_t name = at + 1;
        size_t colon = name + strcspn(text + name, "\"") + 1;
        size_t end = value_end(text, colon + 1);
        if (strlen(key) == colon - 1 - name && strncmp(text + name, key, strlen(key)) == 0) {
            if (text[end] == ',')
                cut(text, at, end + 1);
            else
                cut(text, at > 1 ? at - 1 : at, end);
            return true;
        }
        at = end + (text[end] == ',');
    }
    return false;
}

static bool cut_all(char *text, const char *part)
{
    bool found = false;
    for (char *at; (at = strstr(text, part)) != NULL; found = true)
        cut(text, (size_t)(at - text), (size_t)(at - text) + strlen(part));
    return found;
}

static char *insert(const char *text, size_t at, const char *what)
{
    char *out = malloc(strlen(text) + strlen(what) + 1);
    assert_non_null(out);
    memcpy(out, text, at);
    memcpy(out + at, what, strlen(what));
    memcpy(out + at + strlen(what), text + at, strlen(text + at) + 1);
    return out;
}

// --- records

struct record {
    struct wp_arena *arena;
    char *method, *url, *body;
    const struct wp_json_val *headers; // name, value, name, value …
};

static void read_record(struct record *record, wp_view line)
{
    struct wp_json_scan scan;
    wp_view key;
    *record = (struct record){.arena = wp_arena_create(0)};
    wp_json_scan_init(&scan, line);
    assert_true(wp_json_enter_object(&scan));
    while (wp_json_next_key(&scan, &key)) {
        wp_view value = wp_json_value(&scan);
        if (wp_view_is(key, "body"))
            record->body = wp_arena_cstring(record->arena, value);
        else if (wp_view_is(key, "rawHeaders"))
            record->headers = wp_json_parse(record->arena, value);
        else if (wp_view_is(key, "method"))
            record->method =
                wp_arena_cstring(record->arena, wp_json_decode_string(record->arena, value));
        else if (wp_view_is(key, "url"))
            record->url =
                wp_arena_cstring(record->arena, wp_json_decode_string(record->arena, value));
    }
    assert_true(wp_json_scan_finish(&scan));
}

static void give_headers(struct bench *bench, const struct record *record)
{
    for (size_t i = 0; i + 1 < wp_json_count(record->headers); i += 2)
        assert_ok(wp_headers_add(&bench->client, wp_json_str(wp_json_at(record->headers, i)),
                                 wp_json_str(wp_json_at(record->headers, i + 1))));
}

struct totals {
    size_t requests, bytes, refused;
    uint64_t ns;
};

static enum wp_err pass(struct bench *bench, const struct record *record, struct totals *totals)
{
    give_headers(bench, record);
    bench->input.operation =
        strstr(record->url, "count_tokens") != NULL ? WP_OP_COUNT_TOKENS : WP_OP_MESSAGES;
    uint64_t begin = wp_now_ns();
    enum wp_err err = bench_try(bench, record->body);
    totals->ns += wp_now_ns() - begin;
    totals->requests++;
    totals->bytes += strlen(record->body);
    return err;
}

// --- Anthropic

static void check_anthropic(const struct record *record, struct totals *totals)
{
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_ANTHROPIC);
    bench.deployment.api_key = WP_VIEW("k");
    bench.deployment.upstream_model = WP_VIEW("claude-upstream");
    assert_ok(pass(&bench, record, totals));
    char *text = strdup(record->body);
    const char *model = strstr(text, "\"model\":\"");
    size_t from = (size_t)(model - text) + strlen("\"model\":");
    cut(text, from, value_end(text, from));
    char *expected = insert(text, from, "\"claude-upstream\"");
    assert_view(bench.body, expected);
    for (size_t i = 0; i + 1 < wp_json_count(record->headers); i += 2) {
        wp_view name = wp_json_str(wp_json_at(record->headers, i));
        wp_view value = wp_json_str(wp_json_at(record->headers, i + 1));
        if (wp_view_starts_with_nocase(name, WP_VIEW("x-claude-code")) ||
            wp_view_eq_nocase(name, WP_VIEW("anthropic-beta")))
            assert_view(wp_headers_get(&bench.out.headers, wp_arena_cstring(bench.arena, name)),
                        wp_arena_cstring(bench.arena, value));
    }
    free(expected);
    free(text);
    bench_free(&bench);
}

// --- Bedrock

static void add_beta(char *list, const char *name)
{
    strncat(list, list[0] == '\0' ? ",\"anthropic_beta\":[\"" : ",\"", 1024);
    strncat(list, name, 1024);
    strncat(list, "\"", 2);
}

static void expected_betas(const struct bench *bench, const char *body, char *list)
{
    static const char *const passing[] = {"interleaved-thinking-2025-05-14",
                                          "context-1m-2025-08-07", "effort-2025-11-24"};
    wp_view header = wp_headers_get(&bench->client, "anthropic-beta"), name;
    list[0] = '\0';
    while (wp_view_next_token(&header, ',', &name)) {
        name = wp_view_trim(name);
        for (size_t i = 0; i < WP_COUNT_OF(passing); i++) {
            if (wp_view_is(name, passing[i]))
                add_beta(list, passing[i]);
        }
        if (wp_view_is(name, "advanced-tool-use-2025-11-20"))
            add_beta(list, "tool-search-tool-2025-10-19");
        if (wp_view_is(name, "structured-outputs-2025-12-15") &&
            strstr(body, "\"format\":{\"type\":\"json_schema\"") != NULL)
            add_beta(list, name.ptr != NULL ? "structured-outputs-2025-12-15" : "");
    }
    if (list[0] != '\0')
        strncat(list, "]", 2);
}

// The body as the platform must get it.
static char *expected_bedrock(const struct bench *bench, const struct record *record)
{
    static const char *const gone[] = {"model", "stream", "context_management", "service_tier"};
    char *text = strdup(record->body), head[2048], list[1024];
    for (size_t i = 0; i < WP_COUNT_OF(gone); i++)
        cut_member(text, gone[i]);
    char *billing = strstr(text, "{\"type\":\"text\",\"text\":\"x-anthropic-billing-header:");
    if (billing != NULL) {
        size_t from = (size_t)(billing - text), end = value_end(text, from);
        cut(text, from, text[end] == ',' ? end + 1 : end);
    }
    if (strstr(text, "\"system\":[]") != NULL)
        cut_member(text, "system");
    cut_all(text, ",\"eager_input_streaming\":true");
    expected_betas(bench, text, list);
    bool counts = bench->input.operation == WP_OP_COUNT_TOKENS;
    snprintf(head, sizeof(head), "\"anthropic_version\":\"bedrock-2023-05-31\"%s%s,", list,
             counts && strstr(text, "\"max_tokens\":") == NULL ? ",\"max_tokens\":1" : "");
    char *expected = insert(text, 1, head);
    free(text);
    return expected;
}

static wp_view unwrap_count(struct bench *bench)
{
    wp_view prefix = WP_VIEW("{\"input\":{\"invokeModel\":{\"body\":\"");
    assert_true(wp_view_starts_with(bench->body, prefix));
    wp_view encoded = wp_view_sub(bench->body, prefix.len, bench->body.len - 4);
    char *decoded = wp_arena_alloc(bench->arena, encoded.len + 1);
    size_t len;
    assert_true(wp_base64_decode(encoded, decoded, &len));
    return wp_view_make(decoded, len);
}

static void check_bedrock(const struct record *record, struct totals *totals)
{
    struct bench bench;
    bench_init(&bench, WP_PLATFORM_BEDROCK);
    bench.deployment.api_key = WP_VIEW("bearer");
    enum wp_err err = pass(&bench, record, totals);
    if (strstr(record->body, "\"type\":\"web_search_20250305\"") != NULL) {
        assert_err(err, WP_ERR_NOT_SUPPORTED);
        totals->refused++;
        bench_free(&bench);
        return;
    }
    assert_ok(err);
    char *expected = expected_bedrock(&bench, record);
    assert_view(bench.input.operation == WP_OP_COUNT_TOKENS ? unwrap_count(&bench) : bench.body,
                expected);
    free(expected);
    bench_free(&bench);
}

// --- all

static void check_file(const char *path, struct totals totals[2])
{
    size_t len;
    char *text = test_read_file(path, &len);
    wp_view rest = wp_view_make(text, len), line;
    while (wp_view_next_token(&rest, '\n', &line)) {
        struct record record;
        if (line.len == 0)
            continue;
        read_record(&record, line);
        if (strcmp(record.method, "POST") == 0 && strstr(record.url, "/v1/messages") != NULL &&
            record.body != NULL) {
            check_anthropic(&record, &totals[0]);
            check_bedrock(&record, &totals[1]);
        }
        wp_arena_destroy(record.arena);
    }
    free(text);
}

static void print_totals(const char *name, const struct totals *totals)
{
    print_message("%s: %zu bodies, %zu bytes on average, %zu refused, scan + splice %.0f us each\n",
                  name, totals->requests, totals->bytes / totals->requests, totals->refused,
                  (double)totals->ns / 1000 / (double)totals->requests);
}

static void test_captures(void **state)
{
    (void)state;
    const char *folder = getenv("WARMPATH_CAPTURES");
    if (folder == NULL)
        skip();
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    struct totals totals[2] = {0};
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (!wp_view_ends_with(wp_view_of(entry->d_name), WP_VIEW(".jsonl")))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        check_file(path, totals);
    }
    closedir(dir);
    assert_true(totals[0].requests > 0);
    print_totals("anthropic", &totals[0]);
    print_totals("bedrock", &totals[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_captures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
