// Numbers as little-endian bytes, for files that this program writes and reads itself.
#ifndef WP_BASE_PACK_H
#define WP_BASE_PACK_H

#include "base/buf.h"
#include "base/view.h"

void wp_pack_u8(struct wp_buf *out, uint8_t value);
void wp_pack_u32(struct wp_buf *out, uint32_t value);
void wp_pack_u64(struct wp_buf *out, uint64_t value);
void wp_pack_f32(struct wp_buf *out, float value);
void wp_pack_f64(struct wp_buf *out, double value);

// Reads from the front of `left`. Past the end, or at a number that is no number, `failed` is set
// once and for all and every read gives zero.
struct wp_unpack {
    wp_view left;
    bool failed;
};
uint8_t wp_unpack_u8(struct wp_unpack *in);
uint32_t wp_unpack_u32(struct wp_unpack *in);
uint64_t wp_unpack_u64(struct wp_unpack *in);
float wp_unpack_f32(struct wp_unpack *in);  // finite
double wp_unpack_f64(struct wp_unpack *in); // finite
wp_view wp_unpack_bytes(struct wp_unpack *in, size_t len);

#endif
