#include "net/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "net/private.h"

enum { CACHE_S = 30, CACHE_MAX = 1024 };

struct cached {
    struct wp_addresses addresses;
    uint64_t until_ns;
};

struct wp_resolver {
    struct wp_loop *loop;
    struct wp_map cache; // host → struct cached
    uint32_t references; // the owner and the questions under way
};

struct wp_lookup {
    uv_getaddrinfo_t request;
    struct wp_resolver *resolver;
    char host[256];
    uint16_t port;
    void (*done)(void *arg, const struct wp_addresses *addresses); // NULL: cancelled
    void *arg;
};

struct wp_resolver *wp_resolver_create(struct wp_loop *loop)
{
    struct wp_resolver *resolver = wp_alloc(sizeof(*resolver));
    if (resolver == NULL)
        return NULL;
    *resolver =
        (struct wp_resolver){.loop = loop, .cache = wp_map_make(CACHE_MAX), .references = 1};
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

static void remember(struct wp_resolver *resolver, const char *host,
                     const struct wp_addresses *addresses)
{
    struct cached *entry = wp_map_get(&resolver->cache, wp_view_of(host));
    if (entry == NULL) {
        entry = wp_alloc(sizeof(*entry));
        if (entry == NULL || !wp_map_set(&resolver->cache, wp_view_of(host), entry)) {
            wp_free(entry);
            return;
        }
    }
    entry->addresses = *addresses;
    entry->until_ns = wp_now_ns() + (uint64_t)CACHE_S * 1000000000u;
}

static void answered(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct wp_lookup *lookup = request->data;
    struct wp_addresses addresses = {.count = 0};
    for (struct addrinfo *at = found; status == 0 && at != NULL; at = at->ai_next) {
        if (addresses.count == WP_ADDRESSES_MAX || at->ai_addrlen > sizeof(struct sockaddr_storage))
            break;
        struct wp_address *address = &addresses.list[addresses.count++];
        memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
        set_port(address, lookup->port);
    }
    if (found != NULL)
        uv_freeaddrinfo(found);
    if (addresses.count > 0)
        remember(lookup->resolver, lookup->host, &addresses);
    if (lookup->done != NULL)
        lookup->done(lookup->arg, &addresses);
    unref(lookup->resolver);
    wp_free(lookup);
}

bool wp_resolve(struct wp_resolver *resolver, wp_view host, uint16_t port, struct wp_addresses *out,
                void (*done)(void *arg, const struct wp_addresses *addresses), void *arg,
                struct wp_lookup **lookup)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char name[256];
    *lookup = NULL;
    *out = (struct wp_addresses){.count = 0};
    if (host.len >= sizeof(name))
        return true;
    snprintf(name, sizeof(name), "%.*s", WP_VIEW_ARG(host));
    if (numeric(name, port, out))
        return true;
    const struct cached *entry = wp_map_get(&resolver->cache, host);
    if (entry != NULL && entry->until_ns > wp_now_ns()) {
        *out = entry->addresses;
        for (size_t i = 0; i < out->count; i++)
            set_port(&out->list[i], port);
        return true;
    }
    struct wp_lookup *question = wp_alloc(sizeof(*question));
    if (question == NULL)
        return true;
    question->resolver = resolver;
    question->port = port;
    question->done = done;
    question->arg = arg;
    question->request.data = question;
    snprintf(question->host, sizeof(question->host), "%s", name);
    if (uv_getaddrinfo(&resolver->loop->uv, &question->request, answered, name, NULL, &hints) !=
        0) {
        wp_free(question);
        return true;
    }
    resolver->references++;
    *lookup = question;
    return false;
}

void wp_resolve_cancel(struct wp_lookup *lookup)
{
    if (lookup != NULL)
        lookup->done = NULL; // the answer frees it
}
