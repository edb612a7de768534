// Loading texts and looking at what is said about them.
#ifndef WP_TESTS_CONFIG_SUPPORT_H
#define WP_TESTS_CONFIG_SUPPORT_H

#include "tests/support/test.h"

#include "config/load.h"

struct loaded {
    struct wp_diagnostics *diagnostics;
    struct wp_snapshot *snapshot; // NULL: there were errors
    struct wp_buf text;           // the diagnostics as they are printed
};

static inline struct loaded load(const char *yaml)
{
    struct loaded loaded = {.diagnostics = wp_diagnostics_create()};
    enum wp_err err = wp_config_load_text(wp_view_of(yaml), WP_VIEW("test.yaml"),
                                          loaded.diagnostics, &loaded.snapshot);
    assert_int_equal(err == WP_OK, loaded.diagnostics->errors == 0);
    assert_int_equal(err == WP_OK, loaded.snapshot != NULL);
    loaded.text = wp_buf_make(1 << 20);
    wp_diagnostics_print(loaded.diagnostics, &loaded.text);
    return loaded;
}

static inline void unload(struct loaded *loaded)
{
    wp_snapshot_unref(loaded->snapshot);
    wp_diagnostics_free(loaded->diagnostics);
    wp_buf_free(&loaded->text);
}

// Nothing is said, and it can be served.
static inline struct loaded load_clean(const char *yaml)
{
    struct loaded loaded = load(yaml);
    if (loaded.snapshot == NULL || loaded.text.len > 0)
        print_error("%.*s", WP_VIEW_ARG(wp_buf_view(&loaded.text)));
    assert_non_null(loaded.snapshot);
    assert_int_equal(loaded.text.len, 0);
    return loaded;
}

static inline void assert_says(const struct loaded *loaded, const char *line)
{
    if (wp_view_contains(wp_buf_view(&loaded->text), wp_view_of(line)))
        return;
    print_error("not said: %s\n%.*s", line, WP_VIEW_ARG(wp_buf_view(&loaded->text)));
    fail();
}

static inline void assert_silent_about(const struct loaded *loaded, const char *text)
{
    if (wp_view_contains(wp_buf_view(&loaded->text), wp_view_of(text)))
        print_error("%.*s", WP_VIEW_ARG(wp_buf_view(&loaded->text)));
    assert_false(wp_view_contains(wp_buf_view(&loaded->text), wp_view_of(text)));
}

#endif
