// The usual AWS files: how they are read, and which keys and roles a deployment gets from them.
#include "tests/support/test.h"

#include <unistd.h>

#include "aws/ini.h"
#include "aws/private.h"

static void files_are_read_as_the_aws_tools_do(void **state)
{
    (void)state;
    struct wp_ini *ini = wp_ini_create();
    wp_ini_parse(ini, WP_VIEW("stray = before any section\n"
                              "[default]\r\n"
                              "region = eu-west-1   # here\r\n"
                              "; a comment\n"
                              "s3 =\n"
                              "    region = nested\n"
                              "[profile  one ]\n"
                              "aws_secret_access_key=a=b#c/+;d\n"
                              "empty =\n"
                              "  indented = no\n"
                              "[profile two]\n"
                              "no equals sign\n"
                              "region = us-east-1\n"
                              "[profile two]\n"
                              "region = us-east-2"));
    assert_view(wp_ini_get(ini, WP_VIEW("default"), "region"), "eu-west-1");
    assert_view(wp_ini_get(ini, WP_VIEW("profile  one"), "aws_secret_access_key"), "a=b#c/+;d");
    assert_view(wp_ini_get(ini, WP_VIEW("profile  one"), "empty"), "");
    assert_view(wp_ini_get(ini, WP_VIEW("profile  one"), "indented"), "");
    assert_view(wp_ini_get(ini, WP_VIEW("profile two"), "region"), "us-east-2");
    assert_true(wp_ini_has_section(ini, WP_VIEW("profile two")));
    assert_false(wp_ini_has_section(ini, WP_VIEW("profile three")));
    assert_view(wp_ini_get(ini, WP_VIEW(""), "stray"), "");
    assert_false(wp_ini_load(ini, "/nonexistent/file"));
    wp_ini_free(ini);
}

// One gather over given files ------------------------------------------------------------------

static char directory[] = "/tmp/warmpath-aws-XXXXXX";

static void write_file(const char *variable, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    setenv(variable, path, 1);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                            "AWS_SECRET_ACCESS_KEY",
                                            "AWS_SESSION_TOKEN",
                                            "AWS_PROFILE",
                                            "AWS_ROLE_ARN",
                                            "AWS_WEB_IDENTITY_TOKEN_FILE",
                                            "AWS_ROLE_SESSION_NAME",
                                            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                            "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < WP_COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    if (strstr(directory, "XXXXXX") != NULL)
        assert_non_null(mkdtemp(directory));
    write_file("AWS_CONFIG_FILE", "config",
               "[default]\nregion = eu-central-1\n"
               "[profile account-1]\nregion = us-west-2\n"
               "[profile in-config]\naws_access_key_id = AKIDCONFIG\n"
               "aws_secret_access_key = config-secret\n"
               "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = account-1\n"
               "external_id = ext\nrole_session_name = me\nregion = eu-north-1\n"
               "[profile role-of-role]\nrole_arn = arn:aws:iam::2:role/s\nsource_profile = role\n"
               "[profile self]\nrole_arn = arn:aws:iam::3:role/t\nsource_profile = self\n"
               "[profile circle-a]\nrole_arn = arn:aws:iam::4:role/a\nsource_profile = circle-b\n"
               "[profile circle-b]\nrole_arn = arn:aws:iam::4:role/b\nsource_profile = circle-a\n"
               "[profile mfa]\nrole_arn = arn:aws:iam::5:role/m\nsource_profile = account-1\n"
               "mfa_serial = arn:aws:iam::5:mfa/me\n"
               "[profile environment]\nrole_arn = arn:aws:iam::6:role/e\n"
               "credential_source = Environment\n"
               "[profile instance]\nrole_arn = arn:aws:iam::6:role/e\n"
               "credential_source = Ec2InstanceMetadata\n"
               "[profile web]\nrole_arn = arn:aws:iam::7:role/w\n"
               "web_identity_token_file = /var/run/token\n"
               "[profile process]\ncredential_process = printf "
               "'{\"Version\":1,\"AccessKeyId\":\"AKIDPROCESS\",\"SecretAccessKey\":\"made\","
               "\"SessionToken\":\"tok\",\"Expiration\":\"2099-01-01T00:00:00Z\"}'\n"
               "[profile process-old]\ncredential_process = printf "
               "'{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
               "\"Expiration\":\"2001-01-01T00:00:00Z\"}'\n"
               "[profile process-bad]\ncredential_process = false\n"
               "[profile nothing]\nregion = us-east-1\n");
    write_file("AWS_SHARED_CREDENTIALS_FILE", "credentials",
               "[account-1]\naws_access_key_id = AKIDONE\naws_secret_access_key = first\n"
               "[account-2]\naws_access_key_id = AKIDTWO\naws_secret_access_key = second\n"
               "aws_session_token = session\n"
               "[self]\naws_access_key_id = AKIDSELF\naws_secret_access_key = own\n");
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    unlink(getenv("AWS_CONFIG_FILE"));
    unlink(getenv("AWS_SHARED_CREDENTIALS_FILE"));
    rmdir(directory);
    return 0;
}

static struct wp_aws_fetch *gather(struct wp_aws_source_config config)
{
    static struct wp_aws_fetch fetch;
    wp_arena_destroy(fetch.common.arena);
    wp_aws_source_unref(fetch.source);
    fetch = (struct wp_aws_fetch){.source = wp_aws_source_create(&config),
                                  .common.arena = wp_arena_create(0)};
    wp_aws_gather(&fetch);
    return &fetch;
}

static struct wp_aws_fetch *gather_profile(const char *profile)
{
    return gather((struct wp_aws_source_config){.profile = wp_view_of(profile)});
}

static void static_keys_of_profiles(void **state)
{
    (void)state;
    struct wp_aws_fetch *fetch = gather_profile("account-1");
    assert_false(fetch->common.failed);
    assert_string_equal(fetch->keys.id, "AKIDONE");
    assert_string_equal(fetch->keys.secret, "first");
    assert_string_equal(fetch->keys.token, "");
    assert_string_equal(fetch->region, "us-west-2");
    fetch = gather_profile("account-2");
    assert_string_equal(fetch->keys.id, "AKIDTWO");
    assert_string_equal(fetch->keys.token, "session");
    fetch = gather_profile("in-config");
    assert_string_equal(fetch->keys.id, "AKIDCONFIG");
    assert_string_equal(fetch->keys.secret, "config-secret");
}

static void roles_are_assumed_from_their_source(void **state)
{
    (void)state;
    struct wp_aws_fetch *fetch = gather_profile("role");
    assert_false(fetch->common.failed);
    assert_int_equal(fetch->role_count, 1);
    assert_string_equal(fetch->roles[0].arn, "arn:aws:iam::1:role/r");
    assert_string_equal(fetch->roles[0].session, "me");
    assert_string_equal(fetch->roles[0].external_id, "ext");
    assert_string_equal(fetch->keys.id, "AKIDONE");
    assert_string_equal(fetch->region, "eu-north-1");
    fetch = gather_profile("role-of-role"); // last first: role, then role-of-role
    assert_int_equal(fetch->role_count, 2);
    assert_string_equal(fetch->roles[0].arn, "arn:aws:iam::2:role/s");
    assert_string_equal(fetch->roles[1].arn, "arn:aws:iam::1:role/r");
    fetch = gather_profile("self");
    assert_int_equal(fetch->role_count, 1);
    assert_string_equal(fetch->keys.id, "AKIDSELF");
    fetch = gather_profile("web");
    assert_false(fetch->common.failed);
    assert_string_equal(fetch->roles[0].web_token_file, "/var/run/token");
    assert_string_equal(fetch->roles[0].session, "warmpath");
    fetch = gather_profile("instance");
    assert_ptr_equal(fetch->base, wp_aws_from_instance);
    fetch = gather((struct wp_aws_source_config){.profile = WP_VIEW("account-1"),
                                                 .role_arn = WP_VIEW("arn:aws:iam::9:role/x"),
                                                 .session_name = WP_VIEW("s")});
    assert_string_equal(fetch->roles[0].arn, "arn:aws:iam::9:role/x");
    assert_string_equal(fetch->keys.id, "AKIDONE");
    // the same role, named by the deployment and by its profile
    fetch = gather((struct wp_aws_source_config){.profile = WP_VIEW("role"),
                                                 .role_arn = WP_VIEW("arn:aws:iam::1:role/r")});
    assert_false(fetch->common.failed);
    assert_int_equal(fetch->role_count, 1);
}

static void what_cannot_work_says_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *error;
    } rows[] = {
        {"missing", "no profile missing; see: aws configure --profile missing"},
        {"circle-a", "in a circle"},
        {"mfa", "asks for MFA"},
        {"environment", "neither a usable source_profile nor a credential_source"},
        {"nothing", "holds no credentials that can be used here"},
        {"process-old", "printed expired credentials"},
        {"process-bad", "failed or took longer"},
    };
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++) {
        struct wp_aws_fetch *fetch = gather_profile(rows[i].profile);
        assert_true(fetch->common.failed);
        if (strstr(fetch->common.error, rows[i].error) == NULL)
            print_error("%s: %s\n", rows[i].profile, fetch->common.error);
        assert_non_null(strstr(fetch->common.error, rows[i].error));
    }
}

static void programs_and_the_environment(void **state)
{
    (void)state;
    struct wp_aws_fetch *fetch = gather_profile("process");
    assert_false(fetch->common.failed);
    assert_string_equal(fetch->keys.id, "AKIDPROCESS");
    assert_string_equal(fetch->keys.token, "tok");
    assert_true(fetch->keys.expires_ms > 4000000000000);

    // nothing at all: the machine's own role
    fetch = gather((struct wp_aws_source_config){.region = WP_VIEW("us-east-1")});
    assert_ptr_equal(fetch->base, wp_aws_from_instance);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/", 1);
    fetch = gather((struct wp_aws_source_config){.region = WP_VIEW("us-east-1")});
    assert_ptr_equal(fetch->base, wp_aws_from_container);

    setenv("AWS_PROFILE", "account-2", 1);
    fetch = gather((struct wp_aws_source_config){.region = WP_VIEW("us-east-1")});
    assert_string_equal(fetch->keys.id, "AKIDTWO");
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "environment", 1);
    fetch = gather((struct wp_aws_source_config){.region = WP_VIEW("us-east-1")});
    assert_string_equal(fetch->keys.id, "AKIDENV");
    fetch = gather_profile("environment");
    assert_false(fetch->common.failed);
    assert_string_equal(fetch->keys.id, "AKIDENV");
    assert_int_equal(fetch->role_count, 1);
    // a profile that the deployment names goes before the environment, explicit keys too
    fetch = gather_profile("account-1");
    assert_string_equal(fetch->keys.id, "AKIDONE");
    fetch = gather((struct wp_aws_source_config){.access_key_id = WP_VIEW("AKIDOWN"),
                                                 .secret_access_key = WP_VIEW("given")});
    assert_string_equal(fetch->keys.id, "AKIDOWN");
}

static void a_web_identity_of_the_environment(void **state)
{
    (void)state;
    setenv("AWS_ROLE_ARN", "arn:aws:iam::8:role/pod", 1);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token", 1);
    struct wp_aws_fetch *fetch =
        gather((struct wp_aws_source_config){.region = WP_VIEW("us-east-1")});
    assert_false(fetch->common.failed);
    assert_int_equal(fetch->role_count, 1);
    assert_string_equal(fetch->roles[0].arn, "arn:aws:iam::8:role/pod");
    assert_string_equal(fetch->roles[0].web_token_file, "/var/run/secrets/token");
    gather((struct wp_aws_source_config){.access_key_id = WP_VIEW("AKIDOWN"),
                                         .secret_access_key = WP_VIEW("given")});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_the_aws_tools_do),
        cmocka_unit_test_setup(static_keys_of_profiles, set_up),
        cmocka_unit_test_setup(roles_are_assumed_from_their_source, set_up),
        cmocka_unit_test_setup(what_cannot_work_says_what_to_do, set_up),
        cmocka_unit_test_setup(programs_and_the_environment, set_up),
        cmocka_unit_test_setup(a_web_identity_of_the_environment, set_up),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
