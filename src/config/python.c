#include "config/python.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// --- floats

// "d.ddde-05" with the fewest digits that read back equal.
static void shortest(double value, char *out, size_t size)
{
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(out, size, "%.*e", precision, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

void wp_python_float(double value, char out[WP_PYTHON_FLOAT_MAX])
{
    char digits[WP_PYTHON_FLOAT_MAX];
    if (isnan(value) || isinf(value)) {
        snprintf(out, WP_PYTHON_FLOAT_MAX, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    shortest(value, digits, sizeof(digits));
    const char *mark = strchr(digits, 'e');
    long exponent = mark == NULL ? 0 : strtol(mark + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, WP_PYTHON_FLOAT_MAX, "%s", digits); // C's exponent has two digits as well
        return;
    }
    // Digits after the point: those of the shortest form, moved by the exponent; at least one.
    const char *point = strchr(digits, '.');
    long places = (point == NULL || mark == NULL ? 0 : (long)(mark - point) - 1) - exponent;
    snprintf(out, WP_PYTHON_FLOAT_MAX, "%.*f", (int)(places < 1 ? 1 : places), value);
}

// --- text

// The code point at *at, which moves behind it. The input is valid UTF-8 (libyaml and the
// environment lookup see to it).
static uint32_t next_code_point(wp_view text, size_t *at)
{
    unsigned char first = (unsigned char)text.ptr[(*at)++];
    size_t more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint32_t code = more == 0 ? first : first & (0x3Fu >> more);
    for (; more > 0 && *at < text.len; more--)
        code = code << 6 | ((unsigned char)text.ptr[(*at)++] & 0x3Fu);
    return code;
}

// What str.isprintable() calls not printable: separators, controls, format characters, surrogates
// and private use. Unassigned code points are taken for printable; they differ by Python version.
static bool is_printable(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1F},        {0x7F, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},
        {0x61C, 0x61C},      {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x1680, 0x1680},
        {0x180E, 0x180E},    {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},
        {0x3000, 0x3000},    {0xD800, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},
        {0xFFFE, 0xFFFF},    {0x110BD, 0x110BD}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
        {0xF0000, 0x10FFFF},
    };
    for (size_t i = 0; i < WP_COUNT_OF(ranges); i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return false;
    }
    return true;
}

static void append_escape(struct wp_buf *out, uint32_t code)
{
    if (code <= 0xFF)
        wp_buf_printf(out, "\\x%02x", code);
    else if (code <= 0xFFFF)
        wp_buf_printf(out, "\\u%04x", code);
    else
        wp_buf_printf(out, "\\U%08x", code);
}

// repr() of a str: single quotes unless only they occur inside.
static void repr_text(struct wp_buf *out, wp_view text)
{
    bool single = wp_view_find_char(text, '\'') != WP_NOT_FOUND;
    bool both = single && wp_view_find_char(text, '"') != WP_NOT_FOUND;
    char quote = single && !both ? '"' : '\'';
    wp_buf_append_char(out, quote);
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        uint32_t code = next_code_point(text, &at);
        if (code == '\\' || code == (uint32_t)quote)
            wp_buf_printf(out, "\\%c", (char)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            wp_buf_append_cstring(out, code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t");
        else if (is_printable(code))
            wp_buf_append(out, wp_view_sub(text, from, at));
        else
            append_escape(out, code);
    }
    wp_buf_append_char(out, quote);
}

static void json_code_point(struct wp_buf *out, uint32_t code)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *known = code < 0x80 && code != 0 ? strchr(plain, (char)code) : NULL;
    if (known != NULL) {
        wp_buf_printf(out, "\\%c", letters[known - plain]);
    } else if (code >= 0x20 && code < 0x7F) {
        wp_buf_append_char(out, (char)code);
    } else if (code > 0xFFFF) {
        wp_buf_printf(out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                      0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
        wp_buf_printf(out, "\\u%04x", code);
    }
}

static void json_text(struct wp_buf *out, wp_view text)
{
    wp_buf_append_char(out, '"');
    for (size_t at = 0; at < text.len;)
        json_code_point(out, next_code_point(text, &at));
    wp_buf_append_char(out, '"');
}

// --- trees

static void repr(struct wp_buf *out, const struct wp_yaml_node *node);

static void repr_date(struct wp_buf *out, wp_view text)
{
    uint64_t year = 0, month = 0, day = 0;
    if (wp_view_parse_u64(wp_view_sub(text, 0, 4), &year) &&
        wp_view_parse_u64(wp_view_sub(text, 5, 7), &month) &&
        wp_view_parse_u64(wp_view_sub(text, 8, 10), &day))
        wp_buf_printf(out, "datetime.date(%u, %u, %u)", (unsigned)year, (unsigned)month,
                      (unsigned)day);
    else
        repr_text(out, text);
}

static void repr_collection(struct wp_buf *out, const struct wp_yaml_node *node)
{
    bool map = node->kind == WP_YAML_MAP;
    wp_buf_append_char(out, map ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0)
            wp_buf_append_cstring(out, ", ");
        if (map) {
            repr(out, node->pairs[i].key);
            wp_buf_append_cstring(out, ": ");
        }
        repr(out, map ? node->pairs[i].value : node->items[i]);
    }
    wp_buf_append_char(out, map ? '}' : ']');
}

static void repr(struct wp_buf *out, const struct wp_yaml_node *node)
{
    if (node->kind >= WP_YAML_LIST)
        repr_collection(out, node);
    else if (node->kind == WP_YAML_TEXT)
        repr_text(out, node->text);
    else if (node->kind == WP_YAML_DATE && node->exact)
        repr_date(out, node->text);
    else
        wp_buf_append(out, node->text);
}

void wp_python_str(struct wp_buf *out, const struct wp_yaml_node *node)
{
    if (node->kind >= WP_YAML_LIST)
        repr_collection(out, node);
    else
        wp_buf_append(out, node->text);
}

static void json_float(struct wp_buf *out, const struct wp_yaml_node *node, bool strict)
{
    if (isfinite(node->number))
        wp_buf_append(out, node->text);
    else if (strict)
        wp_buf_append_cstring(out, "null");
    else
        wp_buf_append_cstring(out, isnan(node->number) ? "NaN"
                                   : node->number < 0  ? "-Infinity"
                                                       : "Infinity");
}

static void json_scalar(struct wp_buf *out, const struct wp_yaml_node *node, bool strict)
{
    switch (node->kind) {
    case WP_YAML_NULL:
        wp_buf_append_cstring(out, "null");
        break;
    case WP_YAML_BOOL:
        wp_buf_append_cstring(out, node->boolean ? "true" : "false");
        break;
    case WP_YAML_INT:
        wp_buf_append(out, node->text);
        break;
    case WP_YAML_FLOAT:
        json_float(out, node, strict);
        break;
    default:
        json_text(out, node->text);
        break;
    }
}

// Keys are text in JSON, whatever they were in YAML.
static void json_key(struct wp_buf *out, const struct wp_yaml_node *key)
{
    bool text = key->kind == WP_YAML_TEXT || key->kind == WP_YAML_DATE;
    if (!text)
        wp_buf_append_char(out, '"');
    json_scalar(out, key, false);
    if (!text)
        wp_buf_append_char(out, '"');
}

static void json(struct wp_buf *out, const struct wp_yaml_node *node, bool strict)
{
    if (strict && node->env.len > 0) {
        wp_buf_append_cstring(out, "\"os.environ/");
        wp_buf_append(out, node->env);
        wp_buf_append_char(out, '"');
        return;
    }
    if (node->kind < WP_YAML_LIST) {
        json_scalar(out, node, strict);
        return;
    }
    bool map = node->kind == WP_YAML_MAP;
    wp_buf_append_char(out, map ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0)
            wp_buf_append_cstring(out, ", ");
        if (map) {
            json_key(out, node->pairs[i].key);
            wp_buf_append_cstring(out, ": ");
        }
        json(out, map ? node->pairs[i].value : node->items[i], strict);
    }
    wp_buf_append_char(out, map ? '}' : ']');
}

void wp_python_json(struct wp_buf *out, const struct wp_yaml_node *node)
{
    json(out, node, false);
}

void wp_yaml_json(struct wp_buf *out, const struct wp_yaml_node *node)
{
    json(out, node, true);
}
