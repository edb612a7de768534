#include "net/tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"

struct wp_tls_context {
    SSL_CTX *ctx;
    _Atomic uint32_t references;
    bool trust_missing; // a client's: the system's certificates are read when they are needed
};

struct wp_tls {
    SSL *ssl;
    int fd;
    struct wp_tls_context *context;
    char error[200];
    bool broken, more;
};

static void last_error(char *out, size_t size, const char *what)
{
    char text[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, text, sizeof(text));
    snprintf(out, size, "%s%s%s", what, code != 0 ? ": " : "", code != 0 ? text : "");
    ERR_clear_error();
}

// HTTP/1.1 is all that is spoken, whatever is offered.
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof(ours) - 1, in,
                              in_len) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_NOACK;
}

static struct wp_tls_context *new_context(const SSL_METHOD *method)
{
    struct wp_tls_context *context = wp_alloc(sizeof(*context));
    if (context == NULL)
        return NULL;
    context->ctx = SSL_CTX_new(method);
    context->references = 1;
    if (context->ctx == NULL) {
        wp_free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context->ctx, TLS1_2_VERSION);
    SSL_CTX_set_read_ahead(context->ctx, 1); // a record's head and body in one read
    SSL_CTX_set_mode(context->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    return context;
}

static bool path_of(wp_view view, char *out, size_t size)
{
    return view.len < size && (size_t)snprintf(out, size, "%.*s", WP_VIEW_ARG(view)) == view.len;
}

enum wp_err wp_tls_server_create(wp_view certificate_file, wp_view key_file,
                                 struct wp_tls_context **out, char *error, size_t error_size)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    struct wp_tls_context *context = new_context(TLS_server_method());
    if (context == NULL)
        return WP_ERR_NO_MEMORY;
    if (!path_of(certificate_file, certificate, sizeof(certificate)) ||
        !path_of(key_file, key, sizeof(key)) ||
        SSL_CTX_use_certificate_chain_file(context->ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context->ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context->ctx) != 1) {
        last_error(error, error_size, "the TLS certificate or key cannot be used");
        wp_tls_context_unref(context);
        return WP_ERR_INVALID;
    }
    SSL_CTX_set_alpn_select_cb(context->ctx, select_protocol, NULL);
    *out = context;
    return WP_OK;
}

// Whether a directory holds certificates by hash of subject ("1e08bfd1.0").
static bool is_hashed(const char *path)
{
    DIR *directory = path == NULL ? NULL : opendir(path);
    bool found = false;
    if (directory == NULL)
        return false;
    for (struct dirent *entry = readdir(directory); entry != NULL && !found;
         entry = readdir(directory))
        found = strlen(entry->d_name) == 10 && strcmp(entry->d_name + 8, ".0") == 0;
    closedir(directory);
    return found;
}

// The system's certificates. Out of a hashed directory OpenSSL takes what a chain needs when it
// needs it; the one large file is parsed whole (some 40 ms and 1 MB), so it comes second.
static bool trust_system(SSL_CTX *ctx)
{
    const char *directory = getenv(X509_get_default_cert_dir_env());
    if (directory == NULL)
        directory = X509_get_default_cert_dir();
    if (getenv(X509_get_default_cert_file_env()) == NULL && is_hashed(directory))
        return SSL_CTX_set_default_verify_dir(ctx) == 1;
    return SSL_CTX_set_default_verify_paths(ctx) == 1;
}

enum wp_err wp_tls_client_create(wp_view ca_file, bool verify, struct wp_tls_context **out,
                                 char *error, size_t error_size)
{
    char file[PATH_MAX];
    struct wp_tls_context *context = new_context(TLS_client_method());
    if (context == NULL)
        return WP_ERR_NO_MEMORY;
    context->trust_missing = ca_file.len == 0;
    bool ok = ca_file.len == 0 || (path_of(ca_file, file, sizeof(file)) &&
                                   SSL_CTX_load_verify_file(context->ctx, file) == 1);
    if (!ok) {
        last_error(error, error_size, "the CA certificates cannot be read");
        wp_tls_context_unref(context);
        return WP_ERR_INVALID;
    }
    SSL_CTX_set_verify(context->ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    static const unsigned char protocols[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(context->ctx, protocols, sizeof(protocols) - 1);
    *out = context;
    return WP_OK;
}

void wp_tls_context_unref(struct wp_tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->references, 1) != 1)
        return;
    SSL_CTX_free(context->ctx);
    wp_free(context);
}

static bool expect_host(SSL *ssl, wp_view host)
{
    char name[256];
    unsigned char address[16];
    if (!path_of(host, name, sizeof(name)))
        return false;
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

// The writing end
// ----------------------------------------------------------------------------------

// Like OpenSSL's socket BIO, but tells the kernel when another record follows: one large body is
// then sent in full segments rather than record by record.
static int socket_write(BIO *bio, const char *bytes, int len)
{
    const struct wp_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    for (;;) {
        ssize_t sent = send(tls->fd, bytes, (size_t)len, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            BIO_set_retry_write(bio);
        return (int)sent;
    }
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static BIO_METHOD *socket_method;
static pthread_once_t socket_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    WP_CHECK(socket_method != NULL && BIO_meth_set_write(socket_method, socket_write) == 1 &&
             BIO_meth_set_ctrl(socket_method, socket_control) == 1);
}

static bool attach(struct wp_tls *tls)
{
    pthread_once(&socket_once, make_method);
    BIO *in = BIO_new_socket(tls->fd, BIO_NOCLOSE), *out = BIO_new(socket_method);
    if (in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        return false;
    }
    BIO_set_data(out, tls);
    BIO_set_init(out, 1);
    SSL_set_bio(tls->ssl, in, out);
    return true;
}

struct wp_tls *wp_tls_create(struct wp_tls_context *context, int fd, wp_view host, bool server)
{
    struct wp_tls *tls = wp_alloc(sizeof(*tls));
    if (tls == NULL)
        return NULL;
    if (context->trust_missing) {
        // Without them the handshake fails and says why.
        context->trust_missing = false;
        (void)trust_system(context->ctx);
    }
    tls->fd = fd;
    tls->ssl = SSL_new(context->ctx);
    if (tls->ssl == NULL || !attach(tls) || (!server && !expect_host(tls->ssl, host))) {
        SSL_free(tls->ssl);
        wp_free(tls);
        ERR_clear_error();
        return NULL;
    }
    tls->context = context;
    atomic_fetch_add(&context->references, 1);
    if (server)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    return tls;
}

void wp_tls_free(struct wp_tls *tls)
{
    if (tls == NULL)
        return;
    if (!tls->broken && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
    SSL_free(tls->ssl);
    wp_tls_context_unref(tls->context);
    wp_free(tls);
}

static int io_result(struct wp_tls *tls, int result, const char *what)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return WP_IO_AGAIN_READ;
    case SSL_ERROR_WANT_WRITE:
        return WP_IO_AGAIN_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls->broken = true;
        long verify = SSL_get_verify_result(tls->ssl);
        if (verify != X509_V_OK)
            snprintf(tls->error, sizeof(tls->error), "certificate: %s",
                     X509_verify_cert_error_string(verify));
        else
            last_error(tls->error, sizeof(tls->error), what);
        ERR_clear_error();
        return WP_IO_FAILED;
    }
}

int wp_tls_handshake(struct wp_tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return 1;
    result = io_result(tls, result, "TLS handshake");
    return result == 0 ? WP_IO_FAILED : result;
}

ssize_t wp_tls_read(struct wp_tls *tls, char *out, size_t size)
{
    ERR_clear_error();
    int result = SSL_read(tls->ssl, out, size > INT_MAX ? INT_MAX : (int)size);
    return result > 0 ? result : io_result(tls, result, "TLS read");
}

ssize_t wp_tls_write(struct wp_tls *tls, const char *bytes, size_t len, bool more)
{
    tls->more = more || len > SSL3_RT_MAX_PLAIN_LENGTH;
    ERR_clear_error();
    int result = SSL_write(tls->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
    if (result > 0)
        return result;
    result = io_result(tls, result, "TLS write");
    return result == 0 ? WP_IO_FAILED : result;
}

bool wp_tls_pending(const struct wp_tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

const char *wp_tls_error(const struct wp_tls *tls)
{
    return tls->error;
}
