#include "store/saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

static char folder[] = "/tmp/warmpath-saved-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder); // nothing else is left in it
}

static void replaces_the_whole_and_is_the_owners_alone(void **state)
{
    (void)state;
    struct stat found;
    struct wp_buf read = wp_buf_make(1 << 20);
    char *large = calloc(1, 200000);
    assert_non_null(large);
    assert_false(wp_saved_read(path, &read));
    assert_int_equal(errno, ENOENT);
    umask(0);
    assert_true(wp_saved_write(path, wp_view_make(large, 200000)));
    assert_true(wp_saved_read(path, &read));
    assert_int_equal(read.len, 200000);
    assert_true(wp_saved_write(path, WP_VIEW("short")));
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    wp_buf_clear(&read);
    assert_true(wp_saved_read(path, &read));
    assert_view(wp_buf_view(&read), "short");
    wp_buf_free(&read);
    free(large);
}

static void reads_no_more_than_the_bound(void **state)
{
    (void)state;
    char *large = calloc(1, 200000);
    struct wp_buf small = wp_buf_make(70000);
    assert_non_null(large);
    assert_true(wp_saved_write(path, wp_view_make(large, 200000)));
    assert_false(wp_saved_read(path, &small));
    assert_int_equal(errno, EFBIG);
    wp_buf_free(&small);
    free(large);
}

static void a_failed_write_leaves_what_was_there(void **state)
{
    (void)state;
    char beyond[128];
    struct wp_buf read = wp_buf_make(1 << 20);
    assert_true(wp_saved_write(path, WP_VIEW("before")));
    snprintf(beyond, sizeof(beyond), "%s/absent/state", folder);
    assert_false(wp_saved_write(beyond, WP_VIEW("x")));
    assert_int_equal(errno, ENOENT);
    assert_true(wp_saved_read(path, &read));
    assert_view(wp_buf_view(&read), "before");
    wp_buf_free(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_the_whole_and_is_the_owners_alone),
        cmocka_unit_test(reads_no_more_than_the_bound),
        cmocka_unit_test(a_failed_write_leaves_what_was_there),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
