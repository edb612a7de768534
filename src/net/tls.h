// TLS 1.2 and 1.3 through OpenSSL 3, and the transports that a connection reads and writes
// through.
#ifndef WP_NET_TLS_H
#define WP_NET_TLS_H

#include <sys/uio.h>

#include "base/err.h"
#include "base/view.h"

struct wp_tls_context; // shared by many connections, reference-counted

// PEM files. `error` gets a sentence.
enum wp_err wp_tls_server_create(wp_view certificate_file, wp_view key_file,
                                 struct wp_tls_context **out, char *error,
                                 size_t error_size) WP_WARN_UNUSED;
// ca_file empty: the system's certificates, read at the first connection. A client's context
// belongs to one worker.
enum wp_err wp_tls_client_create(wp_view ca_file, bool verify, struct wp_tls_context **out,
                                 char *error, size_t error_size) WP_WARN_UNUSED;
void wp_tls_context_unref(struct wp_tls_context *context); // NULL allowed

// How bytes reach a descriptor. Results: > 0 bytes; 0: the peer has ended; or:
enum { WP_IO_AGAIN_READ = -1, WP_IO_AGAIN_WRITE = -2, WP_IO_FAILED = -3 };

struct wp_tls;
// host: name or address to verify (client); empty for servers. NULL when memory is short.
struct wp_tls *wp_tls_create(struct wp_tls_context *context, int fd, wp_view host, bool server);
void wp_tls_free(struct wp_tls *tls); // sends close_notify if it can
// 1 when done, else WP_IO_*.
int wp_tls_handshake(struct wp_tls *tls);
ssize_t wp_tls_read(struct wp_tls *tls, char *out, size_t size);
// Writes one record at most. `more`: further bytes follow at once, so that the kernel may wait for
// them instead of sending what it has.
ssize_t wp_tls_write(struct wp_tls *tls, const char *bytes, size_t len, bool more);
// Bytes taken from the socket but not read yet (perhaps not a whole record).
bool wp_tls_pending(const struct wp_tls *tls);
// Why the handshake failed; static or owned by tls.
const char *wp_tls_error(const struct wp_tls *tls);

#endif
