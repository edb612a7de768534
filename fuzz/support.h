// What the fuzz targets share: reading choices from the front of the input, and checks that end the
// process so that the fuzzer keeps the input.
#ifndef WP_FUZZ_SUPPORT_H
#define WP_FUZZ_SUPPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What a target claims; a claim that does not hold is a finding.
#define FUZZ_CHECK(condition)                                                             \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

// A copy that ends exactly where the sanitizer's red zone begins, so that a read past the end
// shows.
static inline wp_view fuzz_copy(wp_view bytes)
{
    char *copy = malloc(bytes.len == 0 ? 1 : bytes.len);
    FUZZ_CHECK(copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    return wp_view_make(copy, bytes.len);
}

static inline void fuzz_free(wp_view copy)
{
    free((void *)(uintptr_t)copy.ptr);
}

static inline wp_view fuzz_view(const uint8_t *data, size_t size)
{
    return wp_view_make((const char *)data, size);
}

// Takes one byte from the front; 0 when nothing is left.
static inline uint8_t fuzz_byte(wp_view *input)
{
    if (input->len == 0)
        return 0;
    uint8_t byte = (uint8_t)input->ptr[0];
    *input = wp_view_skip(*input, 1);
    return byte;
}

// Takes what comes before the separator byte (all, without one).
static inline wp_view fuzz_part(wp_view *input, char separator)
{
    wp_view part;
    if (!wp_view_next_token(input, separator, &part))
        return (wp_view){NULL, 0};
    if (input->ptr == NULL)
        *input = (wp_view){"", 0};
    return part;
}

#endif
