// Implicit types of plain scalars, after the regular expressions of PyYAML's resolver.
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "config/python.h"
#include "config/yaml.h"

#include <stdio.h>

enum { NUMBER_TEXT_MAX = 512 };

// --- a small matcher: each take_ function moves `at` over what it accepts

struct cursor {
    wp_view text;
    size_t at;
};

static char peek(const struct cursor *c)
{
    return c->at < c->text.len ? c->text.ptr[c->at] : '\0';
}

static bool at_end(const struct cursor *c)
{
    return c->at == c->text.len;
}

static bool take_char(struct cursor *c, char wanted)
{
    if (at_end(c) || peek(c) != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_sign(struct cursor *c)
{
    return take_char(c, '+') || take_char(c, '-');
}

static bool in_set(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static size_t take_set(struct cursor *c, const char *set)
{
    size_t from = c->at;
    while (!at_end(c) && in_set(peek(c), set))
        c->at++;
    return c->at - from;
}

static bool take_digits(struct cursor *c, size_t least, size_t most)
{
    size_t count = 0;
    while (count < most && peek(c) >= '0' && peek(c) <= '9') {
        c->at++;
        count++;
    }
    return count >= least;
}

// (?::[0-5]?[0-9])+
static bool take_sexagesimal_tail(struct cursor *c)
{
    size_t groups = 0;
    while (peek(c) == ':') {
        struct cursor saved = *c;
        c->at++;
        size_t from = c->at;
        if (!take_digits(c, 1, 2) || (c->at - from == 2 && c->text.ptr[from] > '5')) {
            *c = saved;
            break;
        }
        groups++;
    }
    return groups > 0;
}

// --- integers

enum int_form { NO_INT, BINARY, OCTAL, DECIMAL, HEXADECIMAL, BASE_60 };

static const char UNDERSCORED[] = "0123456789_";

static enum int_form int_form(wp_view text)
{
    struct cursor c = {text, 0};
    take_sign(&c);
    if (take_char(&c, '0')) {
        if (at_end(&c))
            return DECIMAL;
        if (take_char(&c, 'b'))
            return take_set(&c, "01_") > 0 && at_end(&c) ? BINARY : NO_INT;
        if (take_char(&c, 'x'))
            return take_set(&c, "0123456789abcdefABCDEF_") > 0 && at_end(&c) ? HEXADECIMAL : NO_INT;
        return take_set(&c, "01234567_") > 0 && at_end(&c) ? OCTAL : NO_INT;
    }
    if (!in_set(peek(&c), "123456789"))
        return NO_INT;
    take_set(&c, UNDERSCORED);
    if (at_end(&c))
        return DECIMAL;
    return take_sexagesimal_tail(&c) && at_end(&c) ? BASE_60 : NO_INT;
}

// The text without underscores and sign; false if it is too long to be a number.
static bool strip(wp_view text, char out[NUMBER_TEXT_MAX], bool *negative)
{
    size_t len = 0, at = 0;
    *negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len > 0 && in_set(text.ptr[0], "+-"))
        at++;
    for (; at < text.len; at++) {
        if (text.ptr[at] == '_')
            continue;
        if (len + 1 >= NUMBER_TEXT_MAX)
            return false;
        out[len++] = text.ptr[at];
    }
    out[len] = '\0';
    return len > 0;
}

static int digit_of(char c)
{
    return c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static bool accumulate(const char *digits, unsigned base, uint64_t *value)
{
    *value = 0;
    if (*digits == '\0')
        return false;
    for (; *digits != '\0'; digits++) {
        if (__builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit_of(*digits), value))
            return false;
    }
    return true;
}

static bool accumulate_base_60(const char *text, uint64_t *value)
{
    wp_view rest = wp_view_of(text), part;
    uint64_t total = 0, number;
    while (wp_view_next_token(&rest, ':', &part)) {
        if (!wp_view_parse_u64(part, &number) || __builtin_mul_overflow(total, 60, &total) ||
            __builtin_add_overflow(total, number, &total))
            return false;
    }
    *value = total;
    return true;
}

static enum wp_yaml_scalar finish_int(struct wp_arena *arena, struct wp_yaml_node *node,
                                      wp_view digits, bool negative)
{
    bool zero = wp_view_is(digits, "0");
    const wp_view parts[2] = {wp_view_of(negative && !zero ? "-" : ""), digits};
    node->text = wp_arena_concat(arena, parts, 2);
    if (node->text.ptr == NULL)
        return WP_YAML_SCALAR_NO_MEMORY;
    node->kind = WP_YAML_INT;
    node->exact = wp_view_parse_i64(node->text, &node->integer);
    node->number = strtod(node->text.ptr, NULL);
    return WP_YAML_SCALAR_OK;
}

static enum wp_yaml_scalar set_int(struct wp_arena *arena, wp_view text, enum int_form form,
                                   struct wp_yaml_node *node)
{
    char digits[NUMBER_TEXT_MAX], decimal[24];
    bool negative;
    uint64_t value = 0;
    bool ok = strip(text, digits, &negative);
    if (ok && form == DECIMAL)
        return finish_int(arena, node, wp_view_of(digits), negative);
    if (ok && form == BINARY)
        ok = accumulate(digits + 2, 2, &value);
    else if (ok && form == OCTAL)
        ok = accumulate(digits, 8, &value);
    else if (ok && form == HEXADECIMAL)
        ok = accumulate(digits + 2, 16, &value);
    else if (ok)
        ok = accumulate_base_60(digits, &value);
    if (!ok)
        return WP_YAML_SCALAR_BAD;
    snprintf(decimal, sizeof(decimal), "%llu", (unsigned long long)value);
    return finish_int(arena, node, wp_view_of(decimal), negative);
}

// --- floats

// [eE][-+][0-9]+, or nothing
static bool take_exponent(struct cursor *c)
{
    if (peek(c) != 'e' && peek(c) != 'E')
        return true;
    c->at++;
    return take_sign(c) && take_digits(c, 1, SIZE_MAX);
}

static bool is_special_float(wp_view text)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    wp_view unsigned_text =
        text.len > 0 && in_set(text.ptr[0], "+-") ? wp_view_skip(text, 1) : text;
    for (size_t i = 0; i < 3; i++) {
        if (wp_view_is(unsigned_text, infinities[i]) || wp_view_is(text, nans[i]))
            return true;
    }
    return false;
}

static bool is_float(wp_view text)
{
    struct cursor c = {text, 0};
    bool sign = take_sign(&c);
    if (is_special_float(text))
        return true;
    if (!sign && take_char(&c, '.'))
        return in_set(peek(&c), "0123456789") && take_set(&c, UNDERSCORED) > 0 &&
               take_exponent(&c) && at_end(&c);
    if (!in_set(peek(&c), "0123456789"))
        return false;
    take_set(&c, UNDERSCORED);
    bool base_60 = take_sexagesimal_tail(&c);
    if (!take_char(&c, '.'))
        return false;
    take_set(&c, UNDERSCORED);
    return (base_60 || take_exponent(&c)) && at_end(&c);
}

static double base_60_value(const char *digits)
{
    double total = 0;
    wp_view rest = wp_view_of(digits), part;
    while (wp_view_next_token(&rest, ':', &part)) {
        char text[NUMBER_TEXT_MAX];
        snprintf(text, sizeof(text), "%.*s", WP_VIEW_ARG(part));
        total = total * 60 + strtod(text, NULL);
    }
    return total;
}

static enum wp_yaml_scalar set_float(struct wp_arena *arena, wp_view text,
                                     struct wp_yaml_node *node)
{
    char digits[NUMBER_TEXT_MAX], shown[WP_PYTHON_FLOAT_MAX];
    bool negative;
    double value;
    if (!strip(text, digits, &negative))
        return WP_YAML_SCALAR_BAD;
    if (in_set(digits[0], ".") && in_set(digits[1], "iInN"))
        value = in_set(digits[1], "iI") ? (double)INFINITY : (double)NAN;
    else
        value = strchr(digits, ':') != NULL ? base_60_value(digits) : strtod(digits, NULL);
    node->kind = WP_YAML_FLOAT;
    node->number = negative ? -value : value;
    wp_python_float(node->number, shown);
    node->text = wp_arena_copy(arena, wp_view_of(shown));
    return node->text.ptr == NULL ? WP_YAML_SCALAR_NO_MEMORY : WP_YAML_SCALAR_OK;
}

// --- dates

static bool take_time_zone(struct cursor *c)
{
    take_set(c, " \t");
    if (take_char(c, 'Z'))
        return true;
    if (!take_sign(c))
        return at_end(c);
    return take_digits(c, 1, 2) && (!take_char(c, ':') || take_digits(c, 2, 2));
}

static bool is_timestamp(wp_view text)
{
    struct cursor c = {text, 0};
    if (!take_digits(&c, 4, 4) || !take_char(&c, '-') || !take_digits(&c, 1, 2) ||
        !take_char(&c, '-') || !take_digits(&c, 1, 2))
        return false;
    if (!take_char(&c, 'T') && !take_char(&c, 't') && take_set(&c, " \t") == 0)
        return false;
    if (!take_digits(&c, 1, 2) || !take_char(&c, ':') || !take_digits(&c, 2, 2) ||
        !take_char(&c, ':') || !take_digits(&c, 2, 2))
        return false;
    if (take_char(&c, '.'))
        take_digits(&c, 0, SIZE_MAX);
    return take_time_zone(&c) && at_end(&c);
}

static bool is_date(wp_view text)
{
    struct cursor c = {text, 0};
    return take_digits(&c, 4, 4) && take_char(&c, '-') && take_digits(&c, 2, 2) &&
           take_char(&c, '-') && take_digits(&c, 2, 2) && at_end(&c);
}

static bool is_calendar_day(wp_view text)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year = 0, month = 0, day = 0;
    if (!wp_view_parse_u64(wp_view_sub(text, 0, 4), &year) ||
        !wp_view_parse_u64(wp_view_sub(text, 5, 7), &month) ||
        !wp_view_parse_u64(wp_view_sub(text, 8, 10), &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

// --- the choice

void wp_yaml_set_text(struct wp_yaml_node *node, wp_view text)
{
    node->kind = WP_YAML_TEXT;
    node->text = text;
}

void wp_yaml_set_bool(struct wp_yaml_node *node, bool value)
{
    node->kind = WP_YAML_BOOL;
    node->boolean = value;
    node->text = wp_view_of(value ? "True" : "False");
}

// Lower case, Capitalised or UPPER, as YAML 1.1 lists them ("tRuE" is text).
static bool is_word(wp_view text, const char *lower)
{
    if (!wp_view_eq_nocase(text, wp_view_of(lower)))
        return false;
    size_t upper = 0;
    for (size_t i = 0; i < text.len; i++)
        upper += isupper((unsigned char)text.ptr[i]) ? 1 : 0;
    return upper == 0 || upper == text.len || (upper == 1 && isupper((unsigned char)text.ptr[0]));
}

static bool resolve_word(wp_view text, struct wp_yaml_node *node)
{
    static const char *const yes[] = {"yes", "true", "on"};
    static const char *const no[] = {"no", "false", "off"};
    if (text.len == 0 || wp_view_is(text, "~") || is_word(text, "null")) {
        node->kind = WP_YAML_NULL;
        node->text = WP_VIEW("None");
        return true;
    }
    for (size_t i = 0; i < 3; i++) {
        bool positive = is_word(text, yes[i]);
        if (!positive && !is_word(text, no[i]))
            continue;
        wp_yaml_set_bool(node, positive);
        return true;
    }
    return false;
}

enum wp_yaml_scalar wp_yaml_resolve_plain(struct wp_arena *arena, wp_view text,
                                          struct wp_yaml_node *node)
{
    if (resolve_word(text, node))
        return WP_YAML_SCALAR_OK;
    if (is_float(text))
        return set_float(arena, text, node);
    enum int_form form = int_form(text);
    if (form != NO_INT)
        return set_int(arena, text, form, node);
    wp_yaml_set_text(node, text);
    bool date = is_date(text);
    if (!date && !is_timestamp(text))
        return WP_YAML_SCALAR_OK;
    node->kind = WP_YAML_DATE;
    node->exact = date;
    return date && !is_calendar_day(text) ? WP_YAML_SCALAR_BAD : WP_YAML_SCALAR_OK;
}
