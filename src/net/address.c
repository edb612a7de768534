// Addresses that lead to the machine's own metadata instead of to an upstream.
#include <netinet/in.h>

#include "net/resolver.h"

static bool is_v4_link_local(uint32_t address)
{
    switch (address) {
    case 0x646464c8: // 100.100.100.200: Alibaba
    case 0xc00000c0: // 192.0.0.192: Oracle
    case 0xa83f8110: // 168.63.129.16: Azure's wire server
        return true;
    default:
        // 169.254.0.0/16 holds most metadata services; 0.0.0.0/8 reaches this machine on Linux
        return address >> 16 == 0xa9fe || address >> 24 == 0;
    }
}

static bool is_v6_link_local(const struct in6_addr *address)
{
    static const uint8_t aws[] = {0xfd, 0x00, 0x0e, 0xc2}, google[] = {0xfd, 0x20, 0x00, 0xce};
    const uint8_t *bytes = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address) || (IN6_IS_ADDR_V4COMPAT(address) && bytes[15] > 1)) {
        uint32_t v4 = (uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 |
                      (uint32_t)bytes[14] << 8 | bytes[15];
        return is_v4_link_local(v4);
    }
    return IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_UNSPECIFIED(address) ||
           memcmp(bytes, aws, sizeof(aws)) == 0 || memcmp(bytes, google, sizeof(google)) == 0;
}

bool wp_address_is_link_local(const struct wp_address *address)
{
    const struct sockaddr_storage *storage = &address->storage;
    if (storage->ss_family == AF_INET)
        return is_v4_link_local(
            ntohl(((const struct sockaddr_in *)(const void *)storage)->sin_addr.s_addr));
    if (storage->ss_family == AF_INET6)
        return is_v6_link_local(&((const struct sockaddr_in6 *)(const void *)storage)->sin6_addr);
    return true; // nothing else is dialled
}
