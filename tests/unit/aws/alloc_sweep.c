// Each allocation of each way to AWS credentials fails in turn (tests/support/renewal_sweep.h).
#include "tests/support/renewal_sweep.h"

#include <sys/stat.h>

#include "aws/credentials.h"
#include "tests/support/stub.h"

#define ACCESS "ASIAFETCHED"
#define SECRET "fetched-secret"
#define LATER  "2099-01-01T00:00:00Z"

static const struct stub_row ROWS[] = {
    {"POST / ", "text/xml",
     "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" ACCESS
     "</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>t</SessionToken>"
     "<Expiration>" LATER "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"},
    {"GET /federation/credentials", "application/json",
     "{\"roleCredentials\":{\"accessKeyId\":\"" ACCESS "\",\"secretAccessKey\":\"" SECRET
     "\",\"sessionToken\":\"t\",\"expiration\":4070908800000}}"},
    {"POST /token", "application/json",
     "{\"accessToken\":\"sso-access-2\",\"expiresIn\":3600,\"refreshToken\":\"sso-refresh-2\"}"},
    {"PUT /latest/api/token", "text/plain", "metadata-token"},
    {"GET /latest/meta-data/iam/security-credentials/role", "application/json",
     "{\"AccessKeyId\":\"" ACCESS "\",\"SecretAccessKey\":\"" SECRET
     "\",\"Token\":\"t\",\"Expiration\":\"" LATER "\"}"},
    {"GET /latest/meta-data/iam/security-credentials/", "text/plain", "role"},
    {"GET /container", "application/json",
     "{\"AccessKeyId\":\"" ACCESS "\",\"SecretAccessKey\":\"" SECRET
     "\",\"Token\":\"t\",\"Expiration\":\"" LATER "\"}"},
};

static struct stub stub;
static char home[64];

static void *create(const void *config)
{
    return wp_aws_source_create(config);
}

static void unref(void *source)
{
    wp_aws_source_unref(source);
}

static enum wp_renewal_state get(struct sweep *sweep, struct wp_arena *arena, bool *right,
                                 struct wp_renewal_wait **wait, char *error, size_t error_size)
{
    struct wp_aws_keys keys = {.access_key_id = {NULL, 0}};
    enum wp_renewal_state state =
        wp_aws_source_get(sweep->source, sweep->loop, sweep->client, arena, sweep_woken, sweep,
                          &keys, wait, error, error_size);
    *right = wp_view_is(keys.access_key_id, ACCESS) && wp_view_is(keys.secret_access_key, SECRET) &&
             wp_view_is(keys.session_token, "t");
    return state;
}

static void run(const char *name, const struct wp_aws_source_config *config)
{
    struct sweep sweep = {.config = config, .create = create, .get = get, .unref = unref};
    sweep_all(&sweep, name);
    assert_int_equal(stub.unknown, 0);
}

static void write_file(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void roles_are_assumed(void **state)
{
    (void)state;
    char url[64], token[96];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", stub.port);
    snprintf(token, sizeof(token), "%s/token", home);
    write_file("token", "web-identity");
    struct wp_aws_source_config config = {.access_key_id = WP_VIEW("AKIABASE"),
                                          .secret_access_key = WP_VIEW("base-secret"),
                                          .region = WP_VIEW("us-west-2"),
                                          .role_arn = WP_VIEW("arn:aws:iam::1:role/x"),
                                          .external_id = WP_VIEW("outside"),
                                          .sts_endpoint = wp_view_of(url)};
    run("STS, a role", &config);
    config.access_key_id = config.secret_access_key = (wp_view){NULL, 0};
    config.web_identity_token = wp_view_of(token);
    run("STS, web identity", &config);
}

static void profiles_of_sso_are_used(void **state)
{
    (void)state;
    // sha1 of "corp": where the AWS tools keep the session
    static const char *const cache = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    char text[512];
    const struct wp_aws_source_config config = {.profile = WP_VIEW("dev")};
    write_file(".aws/config",
               "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\n"
               "sso_role_name = Engineer\n[sso-session corp]\n"
               "sso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n");
    snprintf(text, sizeof(text),
             "{\"accessToken\":\"sso-access\",\"refreshToken\":\"sso-refresh\",\"clientId\":\"c\","
             "\"clientSecret\":\"s\",\"region\":\"eu-west-1\",\"expiresAt\":\"%s\"}",
             LATER);
    write_file(cache, text);
    run("SSO", &config);
}

static void the_machine_is_asked(void **state)
{
    (void)state;
    char url[64];
    const struct wp_aws_source_config config = {.region = WP_VIEW("us-west-2")};
    write_file(".aws/config", "");
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", stub.port);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    run("IMDS", &config);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/container", stub.port);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    run("container", &config);
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static void prepare(void)
{
    static const char *const folders[] = {".aws", ".aws/sso", ".aws/sso/cache"};
    static const char *const unset[] = {"AWS_PROFILE",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_ROLE_ARN",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_CONFIG_FILE",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_SHARED_CREDENTIALS_FILE"};
    char path[160], url[64];
    snprintf(home, sizeof(home), "/tmp/warmpath-aws-XXXXXX");
    assert_non_null(mkdtemp(home));
    for (size_t i = 0; i < WP_COUNT_OF(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", home, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < WP_COUNT_OF(unset); i++)
        unsetenv(unset[i]);
    setenv("HOME", home, 1);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", stub.port);
    setenv("AWS_ENDPOINT_URL_SSO", url, 1);
    setenv("AWS_ENDPOINT_URL_SSO_OIDC", url, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_assumed),
        cmocka_unit_test(profiles_of_sso_are_used),
        cmocka_unit_test(the_machine_is_asked),
    };
    char command[96];
    wp_log_init(WP_LOG_ERROR, false, open("/dev/null", O_WRONLY | O_CLOEXEC));
    stub_start(&stub, ROWS, WP_COUNT_OF(ROWS));
    prepare();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stub_stop(&stub);
    snprintf(command, sizeof(command), "rm -rf '%s'", home);
    return system(command) == 0 ? failed : 1;
}
