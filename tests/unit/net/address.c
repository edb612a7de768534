// Which addresses lead to a machine's metadata rather than to an upstream.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/resolver.h"
#include "tests/support/test.h"

static bool forbidden(const char *text)
{
    struct wp_address address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&address.storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    return wp_address_is_link_local(&address);
}

static void metadata_and_link_local(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "169.254.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fe80::1",
        "febf::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
    };
    for (size_t i = 0; i < WP_COUNT_OF(texts); i++)
        if (!forbidden(texts[i]))
            fail_msg("%s is let through", texts[i]);
}

static void what_operators_use(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "127.0.0.1", "10.0.0.1",     "192.168.1.1", "172.16.0.1",      "169.253.1.1", "8.8.8.8",
        "::1",       "fd12:3456::1", "2001:db8::1", "::ffff:10.0.0.1", "192.0.0.1",   "100.64.0.1",
    };
    for (size_t i = 0; i < WP_COUNT_OF(texts); i++)
        if (forbidden(texts[i]))
            fail_msg("%s is refused", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_and_link_local),
        cmocka_unit_test(what_operators_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
