#include "base/pack.h"

#include <math.h>

static void put(struct wp_buf *out, uint64_t value, size_t len)
{
    char bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(uint8_t)(value >> (8 * i));
    wp_buf_append(out, wp_view_make(bytes, len));
}

static uint64_t get(struct wp_unpack *in, size_t len)
{
    uint64_t value = 0;
    wp_view bytes = wp_unpack_bytes(in, len);
    for (size_t i = 0; i < bytes.len; i++)
        value |= (uint64_t)(uint8_t)bytes.ptr[i] << (8 * i);
    return value;
}

void wp_pack_u8(struct wp_buf *out, uint8_t value)
{
    put(out, value, 1);
}

void wp_pack_u32(struct wp_buf *out, uint32_t value)
{
    put(out, value, 4);
}

void wp_pack_u64(struct wp_buf *out, uint64_t value)
{
    put(out, value, 8);
}

void wp_pack_f32(struct wp_buf *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put(out, bits, sizeof(bits));
}

void wp_pack_f64(struct wp_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put(out, bits, sizeof(bits));
}

uint8_t wp_unpack_u8(struct wp_unpack *in)
{
    return (uint8_t)get(in, 1);
}

uint32_t wp_unpack_u32(struct wp_unpack *in)
{
    return (uint32_t)get(in, 4);
}

uint64_t wp_unpack_u64(struct wp_unpack *in)
{
    return get(in, 8);
}

float wp_unpack_f32(struct wp_unpack *in)
{
    float value;
    uint32_t bits = (uint32_t)get(in, sizeof(bits));
    memcpy(&value, &bits, sizeof(value));
    if (isfinite(value))
        return value;
    in->failed = true;
    return 0;
}

double wp_unpack_f64(struct wp_unpack *in)
{
    double value;
    uint64_t bits = get(in, sizeof(bits));
    memcpy(&value, &bits, sizeof(value));
    if (isfinite(value))
        return value;
    in->failed = true;
    return 0;
}

wp_view wp_unpack_bytes(struct wp_unpack *in, size_t len)
{
    if (in->failed || in->left.len < len) {
        in->failed = true;
        return (wp_view){NULL, 0};
    }
    wp_view bytes = wp_view_sub(in->left, 0, len);
    in->left = wp_view_skip(in->left, len);
    return bytes;
}
