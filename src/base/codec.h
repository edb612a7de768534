// Hex, base64 (RFC 4648), percent encoding (RFC 3986), CRC-32 (IEEE 802.3), UTF-8.
#ifndef WP_BASE_CODEC_H
#define WP_BASE_CODEC_H

#include "base/buf.h"
#include "base/view.h"

// Writes 2 * len lower-case digits and NUL.
void wp_hex_encode(const void *bytes, size_t len, char *out);
// Exactly out_len bytes from 2 * out_len digits of either case; false otherwise.
bool wp_hex_decode(wp_view hex, void *out, size_t out_len);

static inline size_t wp_base64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}
void wp_base64_append(struct wp_buf *buf, wp_view bytes);
// Strict standard alphabet with padding; `out` holds text.len / 4 * 3 bytes and may be the
// text's own memory. Returns false on any other character or length, and when bits are left over
// that are not zero (RFC 4648, 3.5).
bool wp_base64_decode(wp_view text, void *out, size_t *out_len);

// RFC 3986 unreserved characters stay, all others become %XX (upper case); '/' stays only if
// keep_slash.
void wp_percent_append(struct wp_buf *buf, wp_view text, bool keep_slash);
// Decodes %XX in place into `out` (at least text.len bytes); false on a broken escape.
bool wp_percent_decode(wp_view text, char *out, size_t *out_len);

// Continue from `crc` (0 to begin).
uint32_t wp_crc32(uint32_t crc, wp_view bytes);

#endif
