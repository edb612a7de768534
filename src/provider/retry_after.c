// When the upstream answered, and how long it asks to wait. No clock: a date counts from the
// answer's own Date field.
#include <time.h>

#include "provider/errors.h"

enum { RETRY_AFTER_MAX_MS = 24 * 60 * 60 * 1000 };

static bool parse_digits(wp_view text, size_t from, size_t count, int *out)
{
    uint64_t value;
    if (!wp_view_parse_u64(wp_view_sub(text, from, from + count), &value))
        return false;
    *out = (int)value;
    return true;
}

static bool parse_month(wp_view name, int *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    size_t at = wp_view_find(WP_VIEW(months), name);
    if (name.len != 3 || at == WP_NOT_FOUND || at % 3 != 0)
        return false;
    *out = (int)(at / 3);
    return true;
}

// IMF-fixdate of RFC 9110 5.6.7, "Tue, 24 Nov 2026 01:54:42 GMT": fixed columns.
static bool parse_http_date(wp_view text, int64_t *seconds)
{
    struct tm tm = {0};
    if (text.len != 29 || !wp_view_ends_with(text, WP_VIEW(" GMT")))
        return false;
    if (!parse_digits(text, 5, 2, &tm.tm_mday) ||
        !parse_month(wp_view_sub(text, 8, 11), &tm.tm_mon) ||
        !parse_digits(text, 12, 4, &tm.tm_year) || !parse_digits(text, 17, 2, &tm.tm_hour) ||
        !parse_digits(text, 20, 2, &tm.tm_min) || !parse_digits(text, 23, 2, &tm.tm_sec))
        return false;
    tm.tm_year -= 1900;
    *seconds = (int64_t)timegm(&tm);
    return true;
}

static int64_t clamp(double ms)
{
    if (ms < 0)
        return 0;
    return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : (int64_t)ms;
}

bool wp_answer_date(const struct wp_headers *headers, int64_t *wall_ms)
{
    int64_t seconds;
    if (!parse_http_date(wp_headers_get(headers, "date"), &seconds))
        return false;
    *wall_ms = seconds * 1000;
    return true;
}

int64_t wp_error_retry_after(const struct wp_headers *headers)
{
    double value;
    if (headers == NULL)
        return -1;
    if (wp_view_parse_double(wp_headers_get(headers, "retry-after-ms"), &value))
        return clamp(value);
    wp_view text = wp_headers_get(headers, "retry-after");
    if (wp_view_parse_double(text, &value))
        return clamp(value * 1000);
    int64_t until, now;
    if (parse_http_date(text, &until) && parse_http_date(wp_headers_get(headers, "date"), &now))
        return clamp((double)(until - now) * 1000);
    return -1;
}
