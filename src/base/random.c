#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/codec.h"

void wp_random_bytes(void *out, size_t len)
{
    unsigned char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort();
        at += got;
        len -= (size_t)got;
    }
}

static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t wp_random_u64(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        wp_random_bytes(&state, sizeof(state));
    return split_mix(&state);
}

uint64_t wp_random_below(uint64_t bound)
{
    return bound == 0 ? 0 : (uint64_t)(((unsigned __int128)wp_random_u64() * bound) >> 64);
}

double wp_random_unit(void)
{
    return (double)(wp_random_u64() >> 11) * 0x1.0p-53;
}

static uint64_t process_seed;

static void draw_process_seed(void)
{
    wp_random_bytes(&process_seed, sizeof(process_seed));
}

uint64_t wp_random_process_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, draw_process_seed);
    return process_seed;
}

// Random bytes by the hundred: a system call per identifier is felt at thousands a second. For
// names, not for secrets.
static void name_bytes(unsigned char *out, size_t len)
{
    static _Thread_local unsigned char pool[512];
    static _Thread_local size_t left;
    if (left < len) {
        wp_random_bytes(pool, sizeof(pool));
        left = sizeof(pool);
    }
    left -= len;
    memcpy(out, pool + left, len);
}

void wp_random_uuid(char out[37])
{
    wp_random_uuid_at(wp_wall_ms(), out);
}

// Version 7 (RFC 9562 5.7): identifiers of one time lie side by side in an index.
void wp_random_uuid_at(int64_t wall_ms, char out[37])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6}; // bytes of each
    unsigned char bytes[16];
    uint64_t now = (uint64_t)wall_ms;
    for (size_t i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(now >> (40 - 8 * i));
    name_bytes(bytes + 6, 10);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x70);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    const unsigned char *from = bytes;
    for (size_t i = 0; i < sizeof(groups); i++) {
        wp_hex_encode(from, groups[i], out);
        from += groups[i];
        out += 2 * groups[i];
        *out++ = i + 1 < sizeof(groups) ? '-' : '\0';
    }
}
