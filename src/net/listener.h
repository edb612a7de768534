// A listening socket of one worker (SO_REUSEPORT: each worker has its own).
#ifndef WP_NET_LISTENER_H
#define WP_NET_LISTENER_H

#include "net/loop.h"

struct wp_listener;

struct wp_peer {
    char address[46]; // numeric
    uint16_t port;
};

// on_accept takes over the (non-blocking) descriptor. `error` gets a sentence.
enum wp_err wp_listener_start(struct wp_loop *loop, wp_view host, uint16_t port,
                              void (*on_accept)(void *arg, int fd, const struct wp_peer *peer),
                              void *arg, struct wp_listener **out, char *error,
                              size_t error_size) WP_WARN_UNUSED;
// False, with a sentence, if the address cannot be listened on by one process alone. SO_REUSEPORT
// would let a second program of the same user take a share of the connections unnoticed.
bool wp_listener_is_free(wp_view host, uint16_t port, char *error, size_t error_size);
uint16_t wp_listener_port(const struct wp_listener *listener);
void wp_listener_pause(struct wp_listener *listener, bool paused);
// There is (no) room for more connections. While there is none they wait in the kernel's queue for
// a second, after that they are refused. The same happens by itself while descriptors are short.
void wp_listener_full(struct wp_listener *listener, bool full);
// What refused connections are sent (static); NULL: they are closed without a word.
void wp_listener_refuse_with(struct wp_listener *listener, const char *refusal);
void wp_listener_close(struct wp_listener *listener); // NULL allowed

#endif
