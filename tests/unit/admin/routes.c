// Every route of the table with every role: no key, a wrong one, the key, a console session, both
// from another site. The table is walked, so a new route is tested the day it is added.
#include "tests/support/gateway.h"

enum role { NOBODY, WRONG_KEY, KEY, KEY_ELSEWHERE, SESSION, SESSION_ELSEWHERE, FORGED, ROLES };

static const char *const ROLE_NAMES[ROLES] = {"nobody",          "a wrong key",
                                              "the key",         "the key from another site",
                                              "a session",       "a session from another site",
                                              "a forged session"};

static struct test_gateway gateway;
static struct test_answer answer;
static char session[256];

static void sign_in(void)
{
    test_ask(gateway.port, "POST", "/ui/api/session", "", "{\"key\":\"" TEST_MASTER_KEY "\"}",
             &answer);
    assert_int_equal(answer.status, 204);
    const char *cookie = strstr(answer.text, "set-cookie: ");
    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "HttpOnly; SameSite=Strict"));
    cookie += strlen("set-cookie: ");
    snprintf(session, sizeof(session), "%.*s", (int)strcspn(cookie, ";"), cookie);
}

static void headers_of(enum role role, char *out, size_t size)
{
    static const char elsewhere[] = "Origin: https://elsewhere.example\r\n";
    const char *key = "Authorization: Bearer " TEST_MASTER_KEY "\r\n";
    switch (role) {
    case NOBODY:
        out[0] = '\0';
        return;
    case WRONG_KEY:
        snprintf(out, size, "Authorization: Bearer sk-wrong\r\n");
        return;
    case KEY:
        snprintf(out, size, "%s", key);
        return;
    case KEY_ELSEWHERE:
        snprintf(out, size, "%s%s", key, elsewhere);
        return;
    case SESSION:
        snprintf(out, size, "Cookie: a=b; %s\r\nOrigin: http://gateway\r\n", session);
        return;
    case SESSION_ELSEWHERE:
        snprintf(out, size, "Cookie: %s\r\n%s", session, elsewhere);
        return;
    default:
        snprintf(out, size, "Cookie: warmpath_session=9999999999.00.%064d\r\n", 0);
        return;
    }
}

static bool may(const struct wp_route *route, enum role role)
{
    bool reading = route->methods == WP_METHOD_GET;
    if (route->access == WP_ACCESS_PUBLIC)
        return true;
    switch (role) {
    case KEY:
        return true;
    case KEY_ELSEWHERE: // a key is no cookie: no browser adds it by itself
        return route->access == WP_ACCESS_CALLER;
    case SESSION:
        return route->access == WP_ACCESS_ADMIN || reading;
    default:
        return false;
    }
}

// The status alone: some answers never end.
static int status_of(const char *method, const char *path, enum role role)
{
    char headers[512], request[1024], text[64] = "";
    size_t len = 0;
    headers_of(role, headers, sizeof(headers));
    int size = snprintf(request, sizeof(request),
                        "%s %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: 2\r\n%s\r\n{}",
                        method, path, headers);
    int fd = test_dial(gateway.port);
    assert_int_equal(send(fd, request, (size_t)size, MSG_NOSIGNAL), size);
    while (len < 13) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    return len < 13 ? 0 : (int)strtol(text + 9, NULL, 10);
}

static void concrete(const char *pattern, char *out, size_t size)
{
    snprintf(out, size, "%s", pattern);
    char *star = strchr(out, '*');
    if (star != NULL)
        snprintf(star, size - (size_t)(star - out), "%s",
                 strncmp(out, "/model/", 7) == 0 ? "m/invoke" : "x");
}

static void check(const struct wp_route *route, const char *method, enum role role)
{
    char path[256];
    concrete(route->path, path, sizeof(path));
    int status = status_of(method, path, role);
    bool refused = status == 401 || status == 403;
    if (refused == may(route, role) || status == 0 || status == 500)
        fail_msg("%s %s as %s: %d", method, path, ROLE_NAMES[role], status);
}

static size_t walk(const struct wp_route *routes, size_t count)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } methods[] = {{WP_METHOD_GET, "GET"},
                   {WP_METHOD_GET, "HEAD"},
                   {WP_METHOD_POST, "POST"},
                   {WP_METHOD_DELETE, "DELETE"}};
    size_t checked = 0;
    for (size_t i = 0; i < count; i++) {
        // Signing in is the one public route that judges what is sent.
        bool signs_in = strcmp(routes[i].path, "/ui/api/session") == 0;
        for (size_t m = 0; m < WP_COUNT_OF(methods); m++) {
            if ((routes[i].methods & methods[m].bit) == 0 ||
                (signs_in && routes[i].methods == WP_METHOD_POST))
                continue;
            for (enum role role = NOBODY; role < ROLES; role++, checked++)
                check(&routes[i], methods[m].name, role);
        }
    }
    return checked;
}

static void every_route_with_every_role(void **state)
{
    (void)state;
    size_t checked = walk(wp_gateway_routes, wp_gateway_route_count);
    checked += walk(wp_admin_routes, wp_admin_route_count);
    print_message("# measured: %zu routes, %zu combinations of method and role\n",
                  wp_gateway_route_count + wp_admin_route_count, checked);
}

static void other_methods_are_not_served(void **state)
{
    (void)state;
    static const char *const methods[] = {"PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT"};
    for (size_t i = 0; i < wp_admin_route_count; i++) {
        char path[256];
        concrete(wp_admin_routes[i].path, path, sizeof(path));
        for (size_t m = 0; m < WP_COUNT_OF(methods); m++) {
            int status = status_of(methods[m], path, KEY);
            bool probe = strcmp(methods[m], "OPTIONS") == 0 && status == 204; // says nothing
            if ((status < 400 && !probe) || status == 500)
                fail_msg("%s %s: %d", methods[m], path, status);
        }
    }
}

// What authorisation saw is what is dispatched: no spelling of a path leads past it.
static void spellings_lead_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "//metrics",           "/./metrics",
        "/ui/../metrics",      "/%6detrics",
        "/metrics/",           "/metrics%2f",
        "/metrics%00",         "/METRICS",
        "/metrics;x",          "/ui/api/session/../summary",
        "/metrics?a=b",        "http://x/metrics",
        "/ui%2fapi%2fsummary",
    };
    for (size_t i = 0; i < WP_COUNT_OF(paths); i++) {
        int status = status_of("GET", paths[i], NOBODY);
        if (status != 400 && status != 401 && status != 404)
            fail_msg("%s: %d", paths[i], status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_with_every_role),
        cmocka_unit_test(other_methods_are_not_served),
        cmocka_unit_test(spellings_lead_nowhere),
    };
    test_gateway_start(&gateway, "general_settings:\n  master_key: " TEST_MASTER_KEY "\n"
                                 "  failed_keys_per_minute: 0\n");
    sign_in();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_gateway_stop(&gateway);
    return failed;
}
