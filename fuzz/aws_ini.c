// AWS shared files: any text, in one file or as the second of two; values have no line ends.
#include "fuzz/support.h"

#include "aws/ini.h"

static const char *const keys[] = {"aws_access_key_id", "region", "sso_session", "x"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wp_view text = fuzz_copy(fuzz_view(data, size));
    struct wp_ini *ini = wp_ini_create();
    FUZZ_CHECK(ini != NULL);
    wp_ini_parse(ini, WP_VIEW("[default]\nregion = us-west-2\n[profile a]\nx = 1\n"));
    wp_ini_parse(ini, text);
    FUZZ_CHECK(wp_ini_has_section(ini, WP_VIEW("default")));
    const wp_view sections[] = {WP_VIEW("default"), WP_VIEW("profile a"), WP_VIEW("a"),
                                wp_view_sub(text, 0, 20)};
    for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            wp_view value = wp_ini_get(ini, sections[s], keys[k]);
            FUZZ_CHECK(wp_view_find_char(value, '\n') == WP_NOT_FOUND);
            FUZZ_CHECK(wp_view_eq(value, wp_view_trim(value)));
        }
    }
    wp_ini_free(ini);
    fuzz_free(text);
    return 0;
}
