#include "base/codec.h"

#include <pthread.h>

static const char LOWER_HEX[] = "0123456789abcdef";
static const char UPPER_HEX[] = "0123456789ABCDEF";

void wp_hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = LOWER_HEX[in[i] >> 4];
        *out++ = LOWER_HEX[in[i] & 15];
    }
    *out = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool wp_hex_decode(wp_view hex, void *out, size_t out_len)
{
    unsigned char *bytes = out;
    if (hex.len != out_len * 2)
        return false;
    for (size_t i = 0; i < out_len; i++) {
        int high = hex_digit(hex.ptr[2 * i]), low = hex_digit(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wp_base64_append(struct wp_buf *buf, wp_view bytes)
{
    if (bytes.len == 0 || !wp_buf_reserve(buf, wp_base64_encoded_len(bytes.len)))
        return;
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    char *out = buf->ptr + buf->len;
    size_t i = 0;
    for (; i + 3 <= bytes.len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *out++ = BASE64[v >> 18];
        *out++ = BASE64[v >> 12 & 63];
        *out++ = BASE64[v >> 6 & 63];
        *out++ = BASE64[v & 63];
    }
    size_t rest = bytes.len - i;
    if (rest > 0) {
        uint32_t v = (uint32_t)in[i] << 16 | (rest == 2 ? (uint32_t)in[i + 1] << 8 : 0);
        *out++ = BASE64[v >> 18];
        *out++ = BASE64[v >> 12 & 63];
        *out++ = rest == 2 ? BASE64[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    buf->len = (size_t)(out - buf->ptr);
}

// 0-63, or 255 for characters outside the alphabet.
static uint8_t base64_value[256];
static uint32_t crc_table[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void build_tables(void)
{
    memset(base64_value, 255, sizeof(base64_value));
    for (uint8_t i = 0; i < 64; i++)
        base64_value[(unsigned char)BASE64[i]] = i;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int slice = 1; slice < 8; slice++)
            crc_table[slice][i] =
                (crc_table[slice - 1][i] >> 8) ^ crc_table[0][crc_table[slice - 1][i] & 255];
}

bool wp_base64_decode(wp_view text, void *out, size_t *out_len)
{
    pthread_once(&tables_once, build_tables);
    if (text.len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    unsigned char *to = out;
    const unsigned char *in = (const unsigned char *)text.ptr;
    // Bits that no byte holds are zero: of one value there is one text.
    if ((padding == 2 && (base64_value[in[text.len - 3]] & 15) != 0) ||
        (padding == 1 && (base64_value[in[text.len - 2]] & 3) != 0))
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        uint8_t a = base64_value[in[i]], b = base64_value[in[i + 1]];
        uint8_t c = last && padding == 2 ? 0 : base64_value[in[i + 2]];
        uint8_t d = last && padding > 0 ? 0 : base64_value[in[i + 3]];
        if ((a | b | c | d) > 63)
            return false;
        uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;
        *to++ = (unsigned char)(v >> 16);
        if (!last || padding < 2)
            *to++ = (unsigned char)(v >> 8);
        if (!last || padding < 1)
            *to++ = (unsigned char)v;
    }
    *out_len = (size_t)(to - (unsigned char *)out);
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void wp_percent_append(struct wp_buf *buf, wp_view text, bool keep_slash)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved((char)c) || (keep_slash && c == '/')) {
            wp_buf_append_char(buf, (char)c);
            continue;
        }
        char escape[3] = {'%', UPPER_HEX[c >> 4], UPPER_HEX[c & 15]};
        wp_buf_append(buf, wp_view_make(escape, sizeof(escape)));
    }
}

bool wp_percent_decode(wp_view text, char *out, size_t *out_len)
{
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            out[at++] = text.ptr[i];
            continue;
        }
        int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        out[at++] = (char)(high << 4 | low);
        i += 2;
    }
    *out_len = at;
    return true;
}

uint32_t wp_crc32(uint32_t crc, wp_view bytes)
{
    pthread_once(&tables_once, build_tables);
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    size_t len = bytes.len;
    crc = ~crc;
    for (; len >= 8; len -= 8, in += 8) {
        uint32_t low, high;
        memcpy(&low, in, 4);
        memcpy(&high, in + 4, 4);
        low ^= crc;
        crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^
              crc_table[5][low >> 16 & 255] ^ crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^
              crc_table[2][high >> 8 & 255] ^ crc_table[1][high >> 16 & 255] ^
              crc_table[0][high >> 24];
    }
    while (len-- > 0)
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *in++) & 255];
    return ~crc;
}
