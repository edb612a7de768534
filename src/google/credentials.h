// Google access tokens of one deployment: a service account's key, the user's own credentials
// (gcloud auth application-default login), or the metadata server. Shared by all workers.
#ifndef WP_GOOGLE_CREDENTIALS_H
#define WP_GOOGLE_CREDENTIALS_H

#include "base/arena.h"
#include "http/renewal.h"

struct wp_google_source;

// `credentials`: a file, or JSON itself (vertex_credentials); empty:
// GOOGLE_APPLICATION_CREDENTIALS, then gcloud's file, then the metadata server (GCE_METADATA_HOST).
// NULL: no memory.
struct wp_google_source *wp_google_source_create(wp_view credentials);
void wp_google_source_ref(struct wp_google_source *source);
void wp_google_source_unref(struct wp_google_source *source); // any thread; NULL is allowed

// As wp_renewal_get. *token lives in the arena when READY.
enum wp_renewal_state wp_google_source_get(struct wp_google_source *source, struct wp_loop *loop,
                                           struct wp_client *client, struct wp_arena *arena,
                                           void (*done)(void *arg), void *arg, wp_view *token,
                                           struct wp_renewal_wait **wait, char *error,
                                           size_t error_size);
// The provider refused the token: forget it.
void wp_google_source_invalidate(struct wp_google_source *source);
// "service account x@y.iam.gserviceaccount.com", for health and logs.
void wp_google_source_describe(struct wp_google_source *source, char *out, size_t size);

#endif
