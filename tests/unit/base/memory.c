#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bufq.h"
#include "base/file.h"
#include "base/random.h"

static char notes[8];

static void note(void *arg)
{
    strncat(notes, arg, 1);
}

static void arena_limits_and_hooks(void **state)
{
    (void)state;
    char first[] = "1", second[] = "2";
    struct wp_arena *arena = wp_arena_create(100000);
    assert_non_null(arena);
    unsigned char *a = wp_arena_alloc(arena, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(a[i], 0);
    assert_non_null(wp_arena_alloc(arena, 90000));
    assert_null(wp_arena_alloc(arena, 20000));
    assert_null(wp_arena_array(arena, SIZE_MAX / 2, 4));
    assert_view(wp_arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    assert_true(wp_arena_on_destroy(arena, note, first));
    assert_true(wp_arena_on_destroy(arena, note, second));
    wp_arena_destroy(arena);
    assert_string_equal(notes, "21");
    wp_arena_destroy(NULL);
}

// Pieces of all sizes, strings between what must be aligned: none lies in another.
static void arena_pieces_keep_apart(void **state)
{
    (void)state;
    enum { PIECES = 3000, MOST = 3000 };
    struct wp_arena *arena = wp_arena_create_with(0, 1024);
    struct {
        const char *ptr;
        size_t len;
    } pieces[PIECES];
    char *text = malloc(MOST);
    size_t total = 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = wp_random_below(i % 50 == 0 ? MOST : 60);
        memset(text, (int)i, len);
        if (i % 3 == 0) {
            char *ptr = wp_arena_raw(arena, len);
            assert_int_equal((uintptr_t)ptr % 16, 0);
            pieces[i].ptr = memcpy(ptr, text, len);
            total += len;
        } else {
            wp_view copy = wp_arena_copy(arena, wp_view_make(text, len));
            assert_int_equal(copy.ptr[len], '\0');
            pieces[i].ptr = copy.ptr;
            total += len + 1;
        }
        pieces[i].len = len;
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t at = 0; at < pieces[i].len; at++)
            assert_int_equal((unsigned char)pieces[i].ptr[at], i & 0xff);
    assert_int_equal(wp_arena_used(arena), total);
    wp_arena_destroy(arena);
    free(text);
}

// To the byte, whatever chunks the pieces lie in; what did not fit changes nothing.
static void arena_limit_is_exact(void **state)
{
    (void)state;
    struct wp_arena *arena = wp_arena_create(5000);
    assert_non_null(wp_arena_alloc(arena, 4990));
    assert_null(wp_arena_alloc(arena, 11));
    assert_null(wp_arena_copy(arena, WP_VIEW("0123456789")).ptr); // and its NUL
    assert_view(wp_arena_copy(arena, WP_VIEW("012345678")), "012345678");
    assert_int_equal(wp_arena_used(arena), 5000);
    assert_null(wp_arena_raw(arena, 1));
    wp_arena_destroy(arena);
    arena = wp_arena_create(0);
    assert_null(wp_arena_raw(arena, SIZE_MAX));
    assert_null(wp_arena_raw(arena, SIZE_MAX - 8));
    assert_non_null(wp_arena_raw(arena, 1));
    wp_arena_destroy(arena);
}

static void *make_arena(void *arg)
{
    struct wp_arena *arena = wp_arena_create(0);
    (void)arg;
    assert_non_null(wp_arena_alloc(arena, 1000000));
    return arena;
}

// Arenas may end on another thread than they began on, and after that thread.
static void arena_totals_add_up_over_threads(void **state)
{
    (void)state;
    struct wp_arena_totals before, now;
    pthread_t thread;
    void *arena;
    wp_arena_totals(&before);
    assert_int_equal(pthread_create(&thread, NULL, make_arena, NULL), 0);
    assert_int_equal(pthread_join(thread, &arena), 0);
    wp_arena_totals(&now);
    assert_true(now.live >= before.live + 1000000 && now.live < before.live + 1100000);
    wp_arena_destroy(arena);
    wp_arena_totals(&now);
    assert_int_equal(now.live, before.live);
    assert_true(now.idle >= before.idle);
    wp_arena_trim(); // what was not needed since the last time
    wp_arena_trim();
    wp_arena_totals(&now);
    assert_int_equal(now.idle, 0);
}

static int64_t idle_bytes(void)
{
    struct wp_arena_totals now;
    wp_arena_totals(&now);
    return now.idle;
}

static void *touch_large(size_t size)
{
    struct wp_arena *arena = wp_arena_create(0);
    char *at = wp_arena_raw(arena, size);
    assert_non_null(at);
    at[0] = at[size - 1] = 'x';
    wp_arena_destroy(arena);
    return at;
}

// The memory of a large body serves the next one, which is a little longer; what nobody needed
// between two trims goes back, and so does what is more than a thread may keep.
static void arena_keeps_large_chunks_for_a_while(void **state)
{
    enum { MB = 1000 * 1000 };
    (void)state;
    wp_arena_trim();
    wp_arena_trim();
    void *first = touch_large(2 * MB);
    int64_t kept = idle_bytes();
    if (kept == 0) // a build that watches every allocation keeps nothing
        skip();
    assert_true(kept >= 2 * MB && kept < 3 * MB);
    assert_ptr_equal(touch_large(2 * MB + 20000), first);
    assert_int_equal(idle_bytes(), kept);
    touch_large(5 * MB); // for which the first is too small
    assert_true(idle_bytes() >= 7 * MB && idle_bytes() < 9 * MB);
    touch_large(3 * MB);  // in the one of 5
    touch_large(70 * MB); // more than is kept
    assert_true(idle_bytes() < 9 * MB);
    wp_arena_trim();
    assert_true(idle_bytes() >= 7 * MB); // all were in use since the last trim
    assert_ptr_equal(touch_large(2 * MB), first);
    assert_true(wp_arena_trim() >= 5 * MB);
    assert_true(idle_bytes() >= 2 * MB && idle_bytes() < 3 * MB);
    assert_true(wp_arena_trim() >= 2 * MB);
    assert_int_equal(idle_bytes(), 0);
}

static void buf_stops_at_its_maximum(void **state)
{
    (void)state;
    struct wp_buf buf = wp_buf_make(10);
    wp_buf_append(&buf, WP_VIEW("12345"));
    wp_buf_append_u64(&buf, 67890);
    assert_true(wp_buf_ok(&buf));
    assert_view(wp_buf_view(&buf), "1234567890");
    wp_buf_append_char(&buf, 'x');
    assert_false(wp_buf_ok(&buf));
    wp_buf_clear(&buf);
    wp_buf_printf(&buf, "%s", "abc");
    wp_buf_consume(&buf, 1);
    assert_view(wp_buf_view(&buf), "bc");
    wp_buf_free(&buf);
}

static void drain_into(struct wp_bufq *queue, char *out, size_t *at, size_t count)
{
    struct iovec vectors[4];
    size_t n = wp_bufq_peek(queue, vectors, 4), taken = 0;
    for (size_t i = 0; i < n && taken < count; i++) {
        size_t part = vectors[i].iov_len < count - taken ? vectors[i].iov_len : count - taken;
        memcpy(out + *at, vectors[i].iov_base, part);
        *at += part;
        taken += part;
    }
    wp_bufq_consume(queue, taken);
}

// Random appends and drains: what comes out is what went in, and chunks return to the pool.
static void bufq_is_a_queue(void **state)
{
    (void)state;
    struct wp_chunk_pool pool;
    struct wp_bufq queue;
    enum { TOTAL = 1000000 };
    char *in = malloc(TOTAL), *out = malloc(TOTAL);
    size_t sent = 0, got = 0;
    wp_random_bytes(in, TOTAL);
    wp_chunk_pool_init(&pool, 4);
    wp_bufq_init(&queue, &pool, 200000);
    while (got < TOTAL) {
        size_t part = (size_t)wp_random_below(50000);
        if (part > TOTAL - sent)
            part = TOTAL - sent;
        if (wp_bufq_append(&queue, wp_view_make(in + sent, part)))
            sent += part;
        else
            assert_true(queue.len + part > 200000);
        drain_into(&queue, out, &got, (size_t)wp_random_below(60000));
        assert_int_equal(queue.len, sent - got);
    }
    assert_memory_equal(in, out, TOTAL);
    assert_true(pool.free_count <= 4);
    wp_bufq_clear(&queue);
    wp_chunk_pool_clear(&pool);
    free(in);
    free(out);
}

// What is lent again and again stays; what nobody needed between two trims goes back.
static void check_number(uint64_t value, uint32_t places)
{
    char wanted[64], digits[32];
    struct wp_buf buf = wp_buf_make(64);
    int len =
        snprintf(digits, sizeof(digits), "%0*llu", (int)places + 1, (unsigned long long)value);
    snprintf(wanted, sizeof(wanted), "%.*s%s%s", len - (int)places, digits, places > 0 ? "." : "",
             digits + len - (int)places);
    wp_buf_append_decimal(&buf, value, places);
    assert_view(wp_buf_view(&buf), wanted);
    if (places == 0) {
        wp_buf_clear(&buf);
        wp_buf_append_u64(&buf, value);
        assert_view(wp_buf_view(&buf), wanted);
    }
    wp_buf_free(&buf);
}

static void numbers_are_written_in_full(void **state)
{
    (void)state;
    for (uint32_t places = 0; places <= 12; places++) {
        check_number(0, places);
        check_number(UINT64_MAX, places);
        for (uint64_t power = 1;; power *= 10) {
            check_number(power, places);
            check_number(power - 1, places);
            check_number(power + 7, places);
            if (power == 10000000000000000000u)
                break;
        }
    }
    char room[4];
    struct wp_buf small = wp_buf_make_in(room, sizeof(room), sizeof(room));
    wp_buf_append_u64(&small, 12345);
    assert_false(wp_buf_ok(&small));
    assert_int_equal(small.len, 0);
}

static void pool_trim_follows_use(void **state)
{
    (void)state;
    struct wp_chunk_pool pool;
    struct wp_bufq queue;
    char *bytes = calloc(1, 10 * WP_CHUNK_SIZE);
    wp_chunk_pool_init(&pool, 64);
    wp_bufq_init(&queue, &pool, 20 * WP_CHUNK_SIZE);
    assert_true(wp_bufq_append(&queue, wp_view_make(bytes, 9 * WP_CHUNK_SIZE)));
    wp_bufq_clear(&queue);
    assert_int_equal(pool.free_count, 10);          // nine chunks' worth of bytes, and the headers
    assert_int_equal(wp_chunk_pool_trim(&pool), 0); // all were in use since the last trim
    assert_true(wp_bufq_append(&queue, wp_view_make(bytes, 2 * WP_CHUNK_SIZE)));
    wp_bufq_clear(&queue);
    assert_int_equal(wp_chunk_pool_trim(&pool), 7 * WP_CHUNK_SIZE);
    assert_int_equal(pool.free_count, 3);
    assert_int_equal(wp_chunk_pool_trim(&pool), 3 * WP_CHUNK_SIZE);
    assert_int_equal(wp_chunk_pool_trim(&pool), 0);
    wp_chunk_pool_clear(&pool);
    free(bytes);
}

static void files_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    char path[] = "/tmp/warmpath-file-XXXXXX";
    int fd = mkstemp(path);
    char bytes[20000];
    wp_random_bytes(bytes, sizeof(bytes));
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    close(fd);
    struct wp_buf buf = wp_buf_make(sizeof(bytes)), small = wp_buf_make(sizeof(bytes) - 1);
    assert_true(wp_file_read(path, &buf));
    assert_int_equal(buf.len, sizeof(bytes));
    assert_memory_equal(buf.ptr, bytes, sizeof(bytes));
    assert_false(wp_file_read(path, &small));
    assert_int_equal(errno, EFBIG);
    wp_buf_free(&buf);
    wp_buf_free(&small);
    unlink(path);
    assert_false(wp_file_read(path, &buf));
    assert_int_equal(errno, ENOENT);
    assert_false(wp_file_read("/tmp", &buf)); // a folder opens, and cannot be read
    assert_int_equal(errno, EISDIR);
    wp_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_limits_and_hooks),
        cmocka_unit_test(arena_pieces_keep_apart),
        cmocka_unit_test(arena_limit_is_exact),
        cmocka_unit_test(arena_totals_add_up_over_threads),
        cmocka_unit_test(arena_keeps_large_chunks_for_a_while),
        cmocka_unit_test(buf_stops_at_its_maximum),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(pool_trim_follows_use),
        cmocka_unit_test(files_are_read_whole_or_not_at_all),
        cmocka_unit_test(bufq_is_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
