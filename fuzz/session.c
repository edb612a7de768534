// Console sessions and keys: nothing but what was issued is valid, whatever is shown.
//
// Input: two bytes that change an issued token, then headers as lines "name: value".
#include "fuzz/support.h"

#include "gateway/identity.h"

static const int64_t NOW = 1700000000000;

static void check_token(const struct wp_runtime *runtime, wp_view token)
{
    FUZZ_CHECK(!wp_session_valid(runtime, token, NOW));
}

// An issued token is good; one character changed, one dropped, or time gone by: it is not.
static void check_issued(const struct wp_runtime *runtime, uint8_t at, uint8_t change)
{
    char token[WP_SESSION_TOKEN_MAX];
    wp_session_issue(runtime, NOW, token);
    size_t len = strlen(token);
    FUZZ_CHECK(wp_session_valid(runtime, wp_view_make(token, len), NOW));
    FUZZ_CHECK(!wp_session_valid(runtime, wp_view_make(token, len - 1), NOW));
    FUZZ_CHECK(!wp_session_valid(runtime, wp_view_make(token, len), NOW + 400LL * 86400 * 1000));
    if (change != 0) {
        token[at % len] = (char)(token[at % len] ^ change);
        check_token(runtime, wp_view_make(token, len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wp_runtime runtime = {.identity_required = true};
    struct wp_request_head head = {.path = WP_VIEW("/v1/messages")};
    struct wp_caller caller;
    wp_view input = fuzz_view(data, size);
    uint8_t at = fuzz_byte(&input), change = fuzz_byte(&input);
    wp_view text = fuzz_copy(input), rest = text;
    struct wp_arena *arena = wp_arena_create(0);
    wp_sha256(WP_VIEW("sk-the-master-key"), runtime.master_key_digest);
    check_issued(&runtime, at, change);
    wp_headers_init(&head.headers, arena);
    while (rest.len > 0) {
        wp_view line = fuzz_part(&rest, '\n'), value = line;
        wp_view name = fuzz_part(&value, ':');
        check_token(&runtime, line);
        check_token(&runtime, value);
        FUZZ_CHECK(wp_headers_add(&head.headers, name, wp_view_trim(value)) == WP_OK);
    }
    wp_identify(&runtime, &head, &caller);
    // only the key itself opens
    FUZZ_CHECK(!caller.known || wp_view_contains(text, WP_VIEW("sk-the-master-key")));
    wp_arena_destroy(arena);
    fuzz_free(text);
    return 0;
}
