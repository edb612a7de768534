// Fails the n-th allocation of the gateway's worker, for every n, over each kind of request: the
// client gets the answer, a 503 or a closed connection; there is one row or a counted loss; what
// the request held is gone; the next request is served. Needs a build with WP_ALLOC_FAULTS, and
// AddressSanitizer to see leaks.
#include "base/clock.h"
#include "tests/support/gateway.h"
#include "tests/support/stub.h"

enum { MOST = 20000 };

#define KEY "x-api-key: " TEST_MASTER_KEY "\r\n"
#define CACHED                                                                 \
    "\"system\":[{\"type\":\"text\",\"text\":\"Be brief.\",\"cache_control\":" \
    "{\"type\":\"ephemeral\"}}],"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
#define BODY(model, stream) \
    "{\"model\":\"" model "\",\"max_tokens\":50,\"stream\":" stream "," CACHED MESSAGES "}"

struct path {
    const char *name, *method, *target, *headers, *body;
    const char *fault; // armed at the simulated provider before each request; NULL: none
    int status;        // of the answer when nothing fails
    bool model;        // a request to a model: it leaves a row
    bool tokens;       // that counts tokens
};

#define VERTEX "/v1/projects/p/locations/l/publishers/anthropic/models/"

static const struct path PATHS[] = {
    {"Bedrock, stream", "POST", "/v1/messages", KEY, BODY("bedrock", "true"), NULL, 200, true,
     true},
    {"Bedrock, whole", "POST", "/v1/messages", KEY, BODY("bedrock", "false"), NULL, 200, true,
     true},
    {"Anthropic, stream", "POST", "/v1/messages", KEY, BODY("anthropic", "true"), NULL, 200, true,
     true},
    {"Anthropic, whole", "POST", "/v1/messages", KEY, BODY("anthropic", "false"), NULL, 200, true,
     true},
    {"a role, stream", "POST", "/v1/messages", KEY, BODY("role", "true"), NULL, 200, true, true},
    {"Vertex's token, whole", "POST", "/v1/messages", KEY, BODY("vertex", "false"), NULL, 200, true,
     true},
    {"retry after 500", "POST", "/v1/messages", KEY, BODY("ordered", "true"),
     "{\"account\":\"account-1\",\"kind\":\"status\",\"status\":500}", 200, true, true},
    {"retry after a reset", "POST", "/v1/messages", KEY, BODY("ordered", "false"),
     "{\"account\":\"account-1\",\"kind\":\"reset\"}", 200, true, true},
    {"refused by the upstream", "POST", "/v1/messages", KEY, BODY("bedrock", "true"),
     "{\"account\":\"*\",\"kind\":\"status\",\"status\":400}", 400, true, false},
    {"exception inside the stream", "POST", "/v1/messages", KEY, BODY("bedrock", "true"),
     "{\"account\":\"*\",\"kind\":\"exception\",\"after_events\":3}", 200, true, false},
    {"Bedrock's dialect, stream", "POST", "/model/bedrock/invoke-with-response-stream", KEY,
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":50," CACHED MESSAGES "}", NULL,
     200, true, true},
    {"Bedrock's dialect, whole", "POST", "/model/bedrock/invoke", KEY,
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":50," CACHED MESSAGES "}", NULL,
     200, true, true},
    {"Bedrock's dialect, count", "POST", "/model/bedrock/count-tokens", KEY,
     "{\"input\":{\"invokeModel\":{\"body\":\"eyJtYXhfdG9rZW5zIjo1LCJtZXNzYWdlcyI6W3sicm9sZSI6InVz"
     "ZXIiLCJjb250ZW50IjoiaGVsbG8ifV19\"}}}",
     NULL, 200, true, false},
    {"Vertex's dialect, stream", "POST", VERTEX "anthropic:streamRawPredict", KEY,
     "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true,\"max_tokens\":50," CACHED
         MESSAGES "}",
     NULL, 200, true, true},
    {"Vertex's dialect, count", "POST", VERTEX "count-tokens:rawPredict", KEY,
     "{\"anthropic_version\":\"vertex-2023-10-16\",\"model\":\"anthropic\"," MESSAGES "}", NULL,
     200, true, false},
    {"count_tokens", "POST", "/v1/messages/count_tokens", KEY,
     "{\"model\":\"anthropic\"," MESSAGES "}", NULL, 200, true, false},
    {"bad JSON", "POST", "/v1/messages", KEY, "{\"model\":\"bedrock\",", NULL, 400, true, false},
    {"unknown model", "POST", "/v1/messages", KEY, BODY("nothing", "true"), NULL, 404, true, false},
    {"wrong key", "POST", "/v1/messages", "x-api-key: wrong\r\n", BODY("bedrock", "true"), NULL,
     401, true, false},
    {"inference profile", "GET", "/inference-profiles/bedrock", KEY, "", NULL, 200, false, false},
    {"models", "GET", "/v1/models", KEY, "", NULL, 200, false, false},
    {"metrics", "GET", "/metrics", KEY, "", NULL, 200, false, false},
    {"model info", "GET", "/model/info", KEY, "", NULL, 200, false, false},
    {"request logs", "GET", "/spend/logs/ui?page_size=5", KEY, "", NULL, 200, false, false},
    {"sign-in", "POST", "/ui/api/session", "", "{\"key\":\"" TEST_MASTER_KEY "\"}", NULL, 204,
     false, false},
};

static const char SETTINGS[] = "router_settings:\n"
                               "  disable_cooldowns: true\n"
                               "  retry_budget: 100\n"
                               "  optional_pre_call_checks: [\"prompt_caching\"]\n"
                               "general_settings:\n"
                               "  master_key: " TEST_MASTER_KEY "\n"
                               "  failed_keys_per_minute: 0\n";

// STS and Google's token endpoint: what they give out the simulated provider knows.
static const struct stub_row ROWS[] = {
    {"POST / ", "text/xml",
     "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIASIMULATED0000001"
     "</AccessKeyId><SecretAccessKey>simulated/secret/access/key/of/account/001</SecretAccessKey>"
     "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
     "</AssumeRoleResult></AssumeRoleResponse>"},
    {"POST /token", "application/json",
     "{\"access_token\":\"simulated-bedrock-api-key-1\",\"expires_in\":3599}"},
};
static struct stub stub;

static struct test_gateway gateway;
static struct test_answer answer;

// The groups "role" and "vertex" beside those of every test: first what fetches its credentials,
// then what has them.
static void add_fetching_groups(void)
{
    char error[256] = "";
    struct wp_buf text = wp_buf_make(64 * 1024);
    wp_buf_printf(&text,
                  "  - model_name: role\n"
                  "    litellm_params: {model: "
                  "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, order: 1,"
                  " aws_access_key_id: AKIABASE, aws_secret_access_key: base,"
                  " aws_role_name: 'arn:aws:iam::1:role/x', aws_region_name: us-west-2,"
                  " aws_sts_endpoint: 'http://127.0.0.1:%u',"
                  " aws_bedrock_runtime_endpoint: 'http://127.0.0.1:%u'}\n"
                  "  - model_name: role\n"
                  "    litellm_params: {model: "
                  "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, order: 2,"
                  " api_key: %s, aws_region_name: us-west-2,"
                  " aws_bedrock_runtime_endpoint: 'http://127.0.0.1:%u'}\n",
                  stub.port, gateway.sim_port, gateway.accounts[1].bearer, gateway.sim_port);
    wp_buf_printf(
        &text,
        "  - model_name: vertex\n"
        "    litellm_params: {model: vertex_ai/claude-sonnet-4-5, order: 1, vertex_project: p,"
        " vertex_location: us-east5, api_base: 'http://127.0.0.1:%u',"
        " vertex_credentials: '{\"type\":\"authorized_user\",\"client_id\":\"c\","
        "\"client_secret\":\"s\",\"refresh_token\":\"r\","
        "\"token_uri\":\"http://127.0.0.1:%u/token\"}'}\n"
        "  - model_name: vertex\n"
        "    litellm_params: {model: vertex_ai/claude-sonnet-4-5, order: 2, vertex_project: p,"
        " vertex_location: us-east5, api_base: 'http://127.0.0.1:%u', api_key: %s}\n%s",
        gateway.sim_port, stub.port, gateway.sim_port, gateway.accounts[1].bearer, SETTINGS);
    wp_buf_append_char(&text, '\0');
    struct wp_snapshot *snapshot = test_snapshot(&gateway, text.ptr);
    assert_ok(wp_gateway_configure(gateway.gateway, snapshot, error, sizeof(error)));
    wp_snapshot_unref(snapshot);
    wp_buf_free(&text);
}

// Whether credentials are fetched for it, which are forgotten before each request.
static bool fetches(const struct path *path)
{
    return strstr(path->body, "\"model\":\"role\"") != NULL ||
           strstr(path->body, "\"model\":\"vertex\"") != NULL;
}

static void forget_credentials(void)
{
    struct wp_runtime *runtime = wp_gateway_runtime(gateway.gateway);
    for (size_t i = 0; i < runtime->snapshot->deployment_count; i++) {
        if (runtime->deployments[i].aws != NULL)
            wp_aws_source_invalidate(runtime->deployments[i].aws, WP_VIEW("AKIASIMULATED0000001"));
        if (runtime->deployments[i].google != NULL)
            wp_google_source_invalidate(runtime->deployments[i].google);
    }
    wp_runtime_unref(runtime);
}

static void count_here(void *arg)
{
    (void)arg;
    wp_alloc_count_only_here();
}

static void arm(const char *fault)
{
    test_ask(gateway.sim_port, "POST", "/_sim/faults", "", "{\"clear\":true}", &answer);
    assert_int_equal(answer.status, 200);
    if (fault == NULL)
        return;
    test_ask(gateway.sim_port, "POST", "/_sim/faults", "", fault, &answer);
    assert_int_equal(answer.status, 200);
}

struct counts {
    size_t connections, requests;
};

static void read_counts(void *arg)
{
    struct counts *counts = arg;
    wp_server_counts(gateway.worker.server, &counts->connections, &counts->requests);
}

// Everything that the request held has been let go.
static void wait_until_idle(const char *name, uint64_t n)
{
    struct counts counts = {1, 1};
    for (int i = 0; i < 5000; i++) {
        test_on_loop(gateway.worker.loop, read_counts, &counts);
        if (counts.requests == 0 && atomic_load(&gateway.gateway->counters.in_flight) == 0)
            return;
        usleep(1000);
    }
    fail_msg("%s, allocation %llu: a request lives on", name, (unsigned long long)n);
}

struct found {
    size_t rows;
    int http_status;
    unsigned long prompt_tokens, completion_tokens;
};

static unsigned long number_behind(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoul(at + strlen(key), NULL, 10);
}

static void find_rows(const char *agent, struct found *found)
{
    struct wp_buf out = wp_buf_make(1024 * 1024);
    const struct wp_log_filter filter = {.search = wp_view_of(agent), .page = 1, .page_size = 10};
    assert_ok(wp_ledger_query_logs(gateway.ledger, &filter, &out));
    wp_buf_append_char(&out, '\0');
    *found = (struct found){
        .rows = number_behind(out.ptr, "\"total\":"),
        .http_status = (int)number_behind(out.ptr, "\"http_status\":"),
        .prompt_tokens = number_behind(out.ptr, "\"prompt_tokens\":"),
        .completion_tokens = number_behind(out.ptr, "\"completion_tokens\":"),
    };
    wp_buf_free(&out);
}

// One row, whole and in agreement with what the client saw; or a loss that was counted.
static void check_row(const struct path *path, uint64_t n, const char *agent, int status,
                      uint64_t dropped_before)
{
    struct wp_ledger_stats stats;
    struct found found;
    wp_ledger_flush(gateway.ledger);
    wp_ledger_stats(gateway.ledger, &stats);
    find_rows(agent, &found);
    bool lost = stats.dropped > dropped_before;
    bool billed = path->tokens && status == 200;
    assert_int_equal(stats.submitted, stats.written + stats.dropped + stats.queued);
    if (found.rows > 1 || (found.rows == 0 && !lost && status != 0 && status != 503))
        fail_msg("%s, allocation %llu: %zu rows after %d", path->name, (unsigned long long)n,
                 found.rows, status);
    if (found.rows == 1 && status != 0 && found.http_status != status)
        fail_msg("%s, allocation %llu: the row says %d, the client saw %d", path->name,
                 (unsigned long long)n, found.http_status, status);
    if (found.rows == 1 && billed && (found.prompt_tokens == 0 || found.completion_tokens == 0))
        fail_msg("%s, allocation %llu: a row with %lu + %lu tokens", path->name,
                 (unsigned long long)n, found.prompt_tokens, found.completion_tokens);
}

static void check_next(const struct path *path, uint64_t n)
{
    arm(NULL);
    test_ask(gateway.port, "POST", "/v1/messages", KEY, BODY("bedrock", "false"), &answer);
    if (answer.status != 200 || !answer.whole)
        fail_msg("%s, allocation %llu: the next request got %d\n%s", path->name,
                 (unsigned long long)n, answer.status, answer.text);
}

// Failures that the router holds against deployments.
static uint64_t blamed(void)
{
    struct wp_runtime *runtime = wp_gateway_runtime(gateway.gateway);
    uint64_t sum = 0;
    for (size_t i = 0; i < runtime->snapshot->deployment_count; i++) {
        struct wp_deployment_status status;
        wp_router_status(gateway.gateway->router, &runtime->snapshot->deployments[i], wp_now_ns(),
                         &status);
        sum += status.failures;
    }
    wp_runtime_unref(runtime);
    return sum;
}

struct tally {
    uint64_t sites, served, unavailable, closed;
};

// False: there is no n-th allocation.
static bool one(const struct path *path, uint64_t n, struct tally *tally)
{
    char headers[256], agent[48];
    struct wp_ledger_stats before;
    static uint64_t number;
    snprintf(agent, sizeof(agent), "sweep-%06llu", (unsigned long long)++number);
    snprintf(headers, sizeof(headers), "%sUser-Agent: %s\r\n", path->headers, agent);
    arm(path->fault);
    if (fetches(path))
        forget_credentials();
    wp_ledger_stats(gateway.ledger, &before);
    uint64_t failures = blamed();
    uint64_t made = wp_alloc_count();
    wp_alloc_fail_after(n);
    test_ask(gateway.port, path->method, path->target, headers, path->body, &answer);
    wait_until_idle(path->name, n);
    bool fired = wp_alloc_count() - made >= n;
    wp_alloc_fail_after(0);
    int status = answer.status;
    if (status == path->status && answer.whole)
        tally->served++;
    else if (status == 503 && answer.whole)
        tally->unavailable++;
    else if (status == 0 || !answer.whole)
        tally->closed++;
    else
        fail_msg("%s, allocation %llu: %.900s", path->name, (unsigned long long)n, answer.text);
    if (path->fault == NULL && blamed() != failures)
        fail_msg("%s, allocation %llu: a deployment is blamed", path->name, (unsigned long long)n);
    if (!fired)
        assert_true(status == path->status && answer.whole);
    if (path->model)
        check_row(path, n, agent, status, before.dropped);
    check_next(path, n);
    wait_until_idle(path->name, n);
    if (fetches(path))
        usleep(25000); // a fetch that lacked memory is not begun again at once
    return fired;
}

static void sweep(void **state)
{
    (void)state;
    struct tally sum = {0};
    for (size_t i = 0; i < WP_COUNT_OF(PATHS); i++) {
        struct tally tally = {0};
        bool more = true;
        for (uint64_t n = 1; n <= MOST && more; n++, tally.sites++)
            more = one(&PATHS[i], n, &tally);
        assert_false(more);
#ifdef WP_ALLOC_FAULTS
        assert_true(tally.sites > 2);
#endif
        print_message("%-28s %5llu allocations: answered %llu, 503 %llu, closed %llu\n",
                      PATHS[i].name, (unsigned long long)tally.sites - 1,
                      (unsigned long long)tally.served, (unsigned long long)tally.unavailable,
                      (unsigned long long)tally.closed);
        sum.sites += tally.sites - 1;
    }
    print_message("# measured: %llu allocations failed in turn over %zu kinds of request\n",
                  (unsigned long long)sum.sites, WP_COUNT_OF(PATHS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sweep)};
    stub_start(&stub, ROWS, WP_COUNT_OF(ROWS));
    test_gateway_start(&gateway, SETTINGS);
    add_fetching_groups();
    test_on_loop(gateway.worker.loop, count_here, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_gateway_stop(&gateway);
    stub_stop(&stub);
    return failed;
}
