// The configuration: whatever the text, either there are errors that name a place in it, or a
// snapshot whose tables hold together. Nothing outside the text is read (include is left out).
#include "fuzz/support.h"

#include "config/load.h"

static void check_diagnostics(const struct wp_diagnostics *diagnostics, wp_view text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' ? 1 : 0;
    for (size_t i = 0; i < diagnostics->count; i++) {
        FUZZ_CHECK(diagnostics->list[i].message.len > 0);
        FUZZ_CHECK(diagnostics->list[i].line <= lines + 1 ||
                   wp_view_contains(text, WP_VIEW("\xE2\x80\xA8")) || // YAML 1.1 breaks lines there
                   wp_view_contains(text, WP_VIEW("\xE2\x80\xA9")) ||
                   wp_view_contains(text, WP_VIEW("\xC2\x85")));
    }
}

static void check_snapshot(const struct wp_snapshot *snapshot)
{
    struct wp_resolved resolved;
    size_t count = 0;
    for (size_t i = 0; i < snapshot->group_count; i++) {
        const struct wp_model_group *group = &snapshot->groups[i];
        FUZZ_CHECK(group->name.len > 0 && group->count > 0);
        if (!group->wildcard)
            FUZZ_CHECK(wp_snapshot_resolve(snapshot, group->name, &resolved));
        (void)wp_snapshot_fallbacks(snapshot, group->name, WP_FALLBACK_GENERAL, &count);
    }
    (void)wp_snapshot_resolve(snapshot, WP_VIEW("claude-sonnet-4-5[1m]"), &resolved);
    (void)wp_snapshot_public_models(snapshot, &count);
    struct wp_buf text = wp_buf_make(64 * 1024 * 1024);
    wp_config_describe(snapshot, &text);
    wp_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wp_view input = fuzz_view(data, size);
    if (wp_view_contains(input, WP_VIEW("include")) || wp_view_contains(input, WP_VIEW("\\x")) ||
        wp_view_contains(input, WP_VIEW("\\u")) || wp_view_contains(input, WP_VIEW("\\U")))
        return 0; // escapes could spell it
    wp_view text = fuzz_copy(input);
    struct wp_diagnostics *diagnostics = wp_diagnostics_create();
    struct wp_snapshot *snapshot = NULL;
    struct wp_buf printed = wp_buf_make(64 * 1024 * 1024);
    enum wp_err err = wp_config_load_text(text, WP_VIEW("fuzz.yaml"), diagnostics, &snapshot);
    FUZZ_CHECK((err == WP_OK) == (snapshot != NULL));
    FUZZ_CHECK((err == WP_OK) == (diagnostics->errors == 0));
    check_diagnostics(diagnostics, text);
    wp_diagnostics_print(diagnostics, &printed);
    if (snapshot != NULL)
        check_snapshot(snapshot);
    wp_buf_free(&printed);
    wp_snapshot_unref(snapshot);
    wp_diagnostics_free(diagnostics);
    fuzz_free(text);
    return 0;
}
