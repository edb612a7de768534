#include "tests/support/test.h"

#include "base/codec.h"
#include "crypto/digest.h"

static void known_answers(void **state)
{
    (void)state;
    char hex[WP_SHA256_HEX_LEN + 1], sha1[2 * WP_SHA1_LEN + 1];
    uint8_t mac[WP_SHA256_LEN], spans_digest[WP_SHA256_LEN], whole[WP_SHA256_LEN];
    wp_sha256_hex(WP_VIEW("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    wp_sha256_hex(WP_VIEW(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    wp_sha1_hex(WP_VIEW("abc"), sha1);
    assert_string_equal(sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    // RFC 4231, test cases 2 and 6 (a key longer than the block)
    wp_hmac_sha256(WP_VIEW("Jefe"), WP_VIEW("what do ya want for nothing?"), mac);
    wp_hex_encode(mac, sizeof(mac), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof(key));
    wp_hmac_sha256(wp_view_make(key, sizeof(key)),
                   WP_VIEW("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    wp_hex_encode(mac, sizeof(mac), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    const wp_view spans[] = {WP_VIEW("a"), WP_VIEW(""), WP_VIEW("bc")};
    wp_sha256_spans(spans, 3, spans_digest);
    wp_sha256(WP_VIEW("abc"), whole);
    assert_memory_equal(spans_digest, whole, sizeof(whole));
    assert_true(wp_equal_constant_time("abc", "abc", 3));
    assert_false(wp_equal_constant_time("abc", "abd", 3));
}

static void prefix_hashes(void **state)
{
    (void)state;
    struct wp_hash_key a, b, again;
    struct wp_hash128 none = {0, 0};
    wp_hash_key_init(&a, WP_VIEW("seed a"));
    wp_hash_key_init(&again, WP_VIEW("seed a"));
    wp_hash_key_init(&b, WP_VIEW("seed b"));
    struct wp_hash128 one = wp_hash128_link(&a, none, 1, WP_VIEW("block"));
    assert_true(wp_hash128_eq(one, wp_hash128_link(&again, none, 1, WP_VIEW("block"))));
    assert_false(wp_hash128_eq(one, wp_hash128_link(&b, none, 1, WP_VIEW("block"))));
    assert_false(wp_hash128_eq(one, wp_hash128_link(&a, none, 2, WP_VIEW("block"))));
    assert_false(wp_hash128_eq(one, wp_hash128_link(&a, one, 1, WP_VIEW("block"))));
    assert_false(wp_hash128_eq(one, wp_hash128_link(&a, none, 1, WP_VIEW("blocks"))));
    assert_false(wp_hash128_eq(one, none));
    // A link is the hash of what came before, of the data, of tag and length.
    for (size_t len = 0; len < 400; len += len < 20 ? 1 : 37) {
        char data[400];
        memset(data, 'a', len);
        struct {
            struct wp_hash128 previous, data;
            uint64_t tag, len;
        } tuple = {one, wp_hash128(&a, wp_view_make(data, len)), 77, len};
        assert_true(
            wp_hash128_eq(wp_hash128_link(&a, one, 77, wp_view_make(data, len)),
                          wp_hash128(&a, wp_view_make((const char *)&tuple, sizeof(tuple)))));
    }
    struct wp_hash_key kept;
    wp_hash_key_set(&kept, a.secret);
    assert_true(wp_hash128_eq(one, wp_hash128_link(&kept, none, 1, WP_VIEW("block"))));
    assert_true(wp_hash128_eq(wp_hash128_link(&a, none, 1, WP_VIEW("")),
                              wp_hash128_link(&kept, none, 1, WP_VIEW(""))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(prefix_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
