// What every unit test includes: cmocka in the order it wants, and a few comparisons.
#ifndef WP_TESTS_SUPPORT_TEST_H
#define WP_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/view.h"

// A view against a C string, with both shown on failure.
static inline void assert_view_at(wp_view actual, const char *expected, const char *file, int line)
{
    if (wp_view_is(actual, expected))
        return;
    print_error("expected \"%s\"\n  actual \"%.*s\"\n", expected, WP_VIEW_ARG(actual));
    _fail(file, line);
}
#define assert_view(actual, expected) assert_view_at((actual), (expected), __FILE__, __LINE__)

static inline void assert_err_at(enum wp_err actual, enum wp_err expected, const char *file,
                                 int line)
{
    if (actual == expected)
        return;
    print_error("expected %s, got %s\n", wp_err_info(expected)->name, wp_err_info(actual)->name);
    _fail(file, line);
}
#define assert_err(actual, expected) assert_err_at((actual), (expected), __FILE__, __LINE__)
#define assert_ok(actual)            assert_err((actual), WP_OK)

// Whole file into malloc'd memory, NUL-terminated; the test fails if it cannot be read.
static inline char *test_read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_error("cannot open %s\n", path);
        fail();
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    text[size] = '\0';
    fclose(file);
    if (len != NULL)
        *len = (size_t)size;
    return text;
}

#endif
