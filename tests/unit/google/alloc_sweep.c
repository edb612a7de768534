// Each allocation of each way to a Google token fails in turn (tests/support/renewal_sweep.h).
#include "tests/support/renewal_sweep.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "google/credentials.h"
#include "tests/support/stub.h"
#include "json/writer.h"

#define TOKEN "{\"access_token\":\"fetched-token\",\"expires_in\":3599,\"token_type\":\"Bearer\"}"

static const struct stub_row ROWS[] = {
    {"POST /token", "application/json", TOKEN},
    {"GET /computeMetadata/v1/", "application/json", TOKEN},
};

static struct stub stub;

static void *create(const void *config)
{
    return wp_google_source_create(*(const wp_view *)config);
}

static void unref(void *source)
{
    wp_google_source_unref(source);
}

static enum wp_renewal_state get(struct sweep *sweep, struct wp_arena *arena, bool *right,
                                 struct wp_renewal_wait **wait, char *error, size_t error_size)
{
    wp_view token = {NULL, 0};
    enum wp_renewal_state state =
        wp_google_source_get(sweep->source, sweep->loop, sweep->client, arena, sweep_woken, sweep,
                             &token, wait, error, error_size);
    *right = wp_view_is(token, "fetched-token");
    return state;
}

static void run(const char *name, wp_view credentials)
{
    struct sweep sweep = {.config = &credentials, .create = create, .get = get, .unref = unref};
    sweep_all(&sweep, name);
    assert_int_equal(stub.unknown, 0);
}

static char *new_key(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *out = BIO_new(BIO_s_mem());
    char *at;
    assert_int_equal(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(out, &at);
    char *text = strndup(at, (size_t)len);
    BIO_free(out);
    EVP_PKEY_free(key);
    return text;
}

static void a_service_account_signs(void **state)
{
    (void)state;
    char uri[64], *key = new_key();
    struct wp_buf json = wp_buf_make(64 * 1024);
    struct wp_json_writer w = wp_json_writer(&json);
    snprintf(uri, sizeof(uri), "http://127.0.0.1:%u/token", stub.port);
    wp_json_open_object(&w, NULL);
    wp_json_put_cstr(&w, "type", "service_account");
    wp_json_put_cstr(&w, "client_email", "robot@project.iam.gserviceaccount.com");
    wp_json_put_cstr(&w, "private_key", key);
    wp_json_put_cstr(&w, "token_uri", uri);
    wp_json_close(&w);
    run("service account", wp_buf_view(&json));
    wp_buf_free(&json);
    free(key);
}

static void the_user_has_logged_in(void **state)
{
    (void)state;
    char json[512];
    snprintf(json, sizeof(json),
             "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\","
             "\"refresh_token\":\"r\",\"token_uri\":\"http://127.0.0.1:%u/token\"}",
             stub.port);
    run("user", wp_view_of(json));
}

static void the_machine_is_asked(void **state)
{
    (void)state;
    char host[64];
    snprintf(host, sizeof(host), "127.0.0.1:%u", stub.port);
    setenv("GCE_METADATA_HOST", host, 1);
    setenv("HOME", "/nonexistent", 1);
    unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
    unsetenv("CLOUDSDK_CONFIG");
    run("metadata server", WP_VIEW(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_account_signs),
        cmocka_unit_test(the_user_has_logged_in),
        cmocka_unit_test(the_machine_is_asked),
    };
    // Threads of the pool end after main: OpenSSL's own clean-up would leave theirs behind.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    wp_log_init(WP_LOG_ERROR, false, open("/dev/null", O_WRONLY | O_CLOEXEC));
    stub_start(&stub, ROWS, WP_COUNT_OF(ROWS));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stub_stop(&stub);
    return failed;
}
