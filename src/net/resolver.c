#include "net/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "net/private.h"

// An answer is used for CACHE_S; after that it is still given, while the name is asked again, for
// STALE_S more: a slow or broken resolver does not stop an upstream that has not moved. That a name
// does not exist is believed for NEGATIVE_S. One question per name is under way at most, so that a
// name that nobody answers holds one thread of the pool, however many requests want it.
enum { CACHE_S = 30, STALE_S = 600, NEGATIVE_S = 2, CACHE_MAX = 1024 };

static const uint64_t SECOND_NS = 1000000000u;

struct cached {
    struct wp_addresses addresses; // count 0: no such name
    uint64_t fresh_ns, stale_ns;   // until when
};

struct wp_resolver {
    struct wp_loop *loop;
    struct wp_map cache; // host → struct cached
    struct wp_list questions;
    uint32_t references; // the owner and the questions under way
};

// One name being asked for.
struct question {
    uv_getaddrinfo_t request;
    struct wp_list link, waiters;
    struct wp_resolver *resolver;
    char host[256];
};

// Somebody who waits for the answer.
struct wp_lookup {
    struct wp_list link;
    uint16_t port;
    void (*done)(void *arg, const struct wp_addresses *addresses);
    void *arg;
};

struct wp_resolver *wp_resolver_create(struct wp_loop *loop)
{
    struct wp_resolver *resolver = wp_alloc(sizeof(*resolver));
    if (resolver == NULL)
        return NULL;
    *resolver =
        (struct wp_resolver){.loop = loop, .cache = wp_map_make(CACHE_MAX), .references = 1};
    wp_list_init(&resolver->questions);
    return resolver;
}

static void unref(struct wp_resolver *resolver)
{
    size_t cursor = 0;
    wp_view key;
    void *entry;
    if (--resolver->references > 0)
        return;
    while (wp_map_next(&resolver->cache, &cursor, &key, &entry))
        wp_free(entry);
    wp_map_free(&resolver->cache);
    wp_free(resolver);
}

void wp_resolver_destroy(struct wp_resolver *resolver)
{
    if (resolver != NULL)
        unref(resolver);
}

static void set_port(struct wp_address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons(port);
}

static bool numeric(const char *host, uint16_t port, struct wp_addresses *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&out->list[0].storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&out->list[0].storage;
    *out = (struct wp_addresses){.count = 1};
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        out->list[0].len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        out->list[0].len = sizeof(*v6);
    } else {
        out->count = 0;
        return false;
    }
    set_port(&out->list[0], port);
    return true;
}

static struct cached *entry_of(struct wp_resolver *resolver, wp_view host)
{
    struct cached *entry = wp_map_get(&resolver->cache, host);
    if (entry != NULL)
        return entry;
    entry = wp_alloc(sizeof(*entry));
    if (entry != NULL && !wp_map_set(&resolver->cache, host, entry)) {
        wp_free(entry);
        return NULL;
    }
    return entry;
}

static void remember(struct wp_resolver *resolver, const char *host,
                     const struct wp_addresses *addresses)
{
    struct cached *entry = entry_of(resolver, wp_view_of(host));
    uint64_t now = wp_now_ns();
    if (entry == NULL)
        return;
    if (addresses->count > 0) {
        *entry = (struct cached){*addresses, now + CACHE_S * SECOND_NS, now + STALE_S * SECOND_NS};
        return;
    }
    if (entry->stale_ns < now)
        entry->addresses.count = 0;
    entry->fresh_ns = now + NEGATIVE_S * SECOND_NS;
}

static void give(const struct wp_addresses *addresses, uint16_t port, struct wp_addresses *out)
{
    *out = *addresses;
    for (size_t i = 0; i < out->count; i++)
        set_port(&out->list[i], port);
}

static void tell_waiters(struct question *question, const struct wp_addresses *addresses)
{
    while (!wp_list_empty(&question->waiters)) {
        struct wp_lookup *lookup = WP_CONTAINER_OF(question->waiters.next, struct wp_lookup, link);
        struct wp_addresses own;
        wp_list_unlink(&lookup->link);
        give(addresses, lookup->port, &own);
        lookup->done(lookup->arg, &own);
        wp_free(lookup);
    }
}

static void answered(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct question *question = request->data;
    struct wp_addresses addresses = {.count = 0};
    for (struct addrinfo *at = found; status == 0 && at != NULL; at = at->ai_next) {
        if (addresses.count == WP_ADDRESSES_MAX || at->ai_addrlen > sizeof(struct sockaddr_storage))
            break;
        struct wp_address *address = &addresses.list[addresses.count++];
        memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
    }
    if (found != NULL)
        uv_freeaddrinfo(found);
    wp_list_unlink(&question->link);
    remember(question->resolver, question->host, &addresses);
    const struct cached *entry = wp_map_get(&question->resolver->cache, wp_view_of(question->host));
    if (addresses.count == 0 && entry != NULL)
        addresses = entry->addresses; // what was known before, while it may still be given
    tell_waiters(question, &addresses);
    unref(question->resolver);
    wp_free(question);
}

static struct question *running(struct wp_resolver *resolver, const char *host)
{
    WP_LIST_FOREACH(node, &resolver->questions)
    {
        struct question *question = WP_CONTAINER_OF(node, struct question, link);
        if (strcmp(question->host, host) == 0)
            return question;
    }
    return NULL;
}

// The question under way for this name, begun if there is none. NULL: it cannot be asked.
static struct question *ask(struct wp_resolver *resolver, const char *host)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct question *question = running(resolver, host);
    if (question != NULL)
        return question;
    question = wp_alloc(sizeof(*question));
    if (question == NULL)
        return NULL;
    question->resolver = resolver;
    question->request.data = question;
    snprintf(question->host, sizeof(question->host), "%s", host);
    wp_list_init(&question->waiters);
    if (uv_getaddrinfo(&resolver->loop->uv, &question->request, answered, host, NULL, &hints) !=
        0) {
        wp_free(question);
        return NULL;
    }
    resolver->references++;
    wp_list_append(&resolver->questions, &question->link);
    return question;
}

bool wp_resolve(struct wp_resolver *resolver, wp_view host, uint16_t port, struct wp_addresses *out,
                void (*done)(void *arg, const struct wp_addresses *addresses), void *arg,
                struct wp_lookup **lookup)
{
    char name[256];
    *lookup = NULL;
    *out = (struct wp_addresses){.count = 0};
    if (host.len >= sizeof(name))
        return true;
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(host));
    if (numeric(name, port, out))
        return true;
    const struct cached *entry = wp_map_get(&resolver->cache, host);
    uint64_t now = wp_now_ns();
    bool fresh = entry != NULL && entry->fresh_ns > now;
    bool stale = entry != NULL && entry->addresses.count > 0 && entry->stale_ns > now;
    if (fresh || stale) {
        give(&entry->addresses, port, out);
        if (!fresh)
            (void)ask(resolver, name);
        return true;
    }
    struct wp_lookup *waiter = wp_alloc(sizeof(*waiter));
    struct question *question = waiter == NULL ? NULL : ask(resolver, name);
    if (question == NULL) {
        wp_free(waiter);
        return true;
    }
    *waiter = (struct wp_lookup){.port = port, .done = done, .arg = arg};
    wp_list_append(&question->waiters, &waiter->link);
    *lookup = waiter;
    return false;
}

void wp_resolve_cancel(struct wp_lookup *lookup)
{
    if (lookup == NULL)
        return;
    wp_list_unlink(&lookup->link);
    wp_free(lookup);
}
