// One fetch of the secret that a wp_renewal keeps: what can be found on this machine is gathered on
// the pool, then the loop asks others, one HTTP request after another. An owner's own fetch begins
// with this structure.
#ifndef WP_HTTP_FETCH_H
#define WP_HTTP_FETCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/renewal.h"

struct wp_fetch {
    struct wp_renewal *renewal;
    struct wp_loop *loop;
    struct wp_client *client;
    struct wp_arena *arena; // of all that the fetch keeps
    uint64_t failures;      // of allocations, before it began
    char error[512];
    bool failed;
    // The next request.
    struct wp_headers headers; // begun with wp_fetch_begin
    wp_view body;
    bool metadata; // it goes to the machine's own agent, at addresses where no other call may go
    // Its answer.
    struct wp_call *call;
    void (*answered)(void *fetch);
    struct wp_buf answer;
    int status; // 0: there was none, and call_error says why
    const char *call_error;
};

// Zeroed memory of `size` bytes that begins with a wp_fetch; NULL if it is short. To be started.
void *wp_fetch_create(size_t size, struct wp_renewal *renewal, struct wp_loop *loop,
                      struct wp_client *client);
// Calls `gather` on the pool and `gathered` after it on the loop, both with the fetch. False: it
// could not be started and has been freed.
bool wp_fetch_start(struct wp_fetch *fetch, void (*gather)(void *fetch),
                    void (*gathered)(void *fetch)) WP_WARN_UNUSED;
// The first failure is the one that is told.
void wp_fetch_fail(struct wp_fetch *fetch, const char *format, ...) WP_PRINTF(2, 3);
// Memory was short since it began: what failed says nothing about what was asked for.
bool wp_fetch_was_short(const struct wp_fetch *fetch);

// Headers for a request to `url`, with its host. False: it has failed.
bool wp_fetch_begin(struct wp_fetch *fetch, wp_view url);
void wp_fetch_add_header(struct wp_fetch *fetch, const char *name, wp_view value);
// `answered` is called with the fetch when there is an answer or will be none. False: it has failed
// before, or now.
bool wp_fetch_call(struct wp_fetch *fetch, const char *method, wp_view url, uint32_t timeout_ms,
                   void (*answered)(void *fetch)) WP_WARN_UNUSED;

// Tells the renewal how it went (`store` as in wp_renewal_finish) and frees the fetch.
void wp_fetch_end(struct wp_fetch *fetch, void (*store)(void *owner, void *value), void *owner,
                  void *value, int64_t expires_ms);

#endif
