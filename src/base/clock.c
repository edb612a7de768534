#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wp_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t wp_now_ns_coarse(void)
{
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t wp_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t wp_wall_ms_coarse(void)
{
    return read_ms(CLOCK_REALTIME_COARSE);
}

static struct tm split(int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0 ? 1 : 0));
    struct tm parts;
    gmtime_r(&seconds, &parts);
    return parts;
}

void wp_format_rfc3339(int64_t wall_ms, char out[WP_RFC3339_LEN + 1])
{
    struct tm t = split(wall_ms);
    unsigned millis = (unsigned)((wall_ms % 1000 + 1000) % 1000);
    char text[64];
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", (t.tm_year + 1900) % 10000,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, millis);
    memcpy(out, text, WP_RFC3339_LEN);
    out[WP_RFC3339_LEN] = '\0';
}

void wp_format_amz_date(int64_t wall_ms, char out[17])
{
    struct tm t = split(wall_ms);
    strftime(out, 17, "%Y%m%dT%H%M%SZ", &t);
}

void wp_format_http_date(int64_t wall_ms, char out[30])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static _Thread_local int64_t second = INT64_MIN; // of what `last` says
    static _Thread_local char last[30];
    char text[64];
    if (wall_ms >= 0 && wall_ms / 1000 == second) {
        memcpy(out, last, sizeof(last));
        return;
    }
    struct tm t = split(wall_ms);
    snprintf(text, sizeof(text), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * t.tm_wday,
             t.tm_mday, months + 3 * t.tm_mon, (t.tm_year + 1900) % 10000, t.tm_hour, t.tm_min,
             t.tm_sec);
    memcpy(out, text, 29);
    out[29] = '\0';
    second = wall_ms >= 0 ? wall_ms / 1000 : INT64_MIN;
    memcpy(last, out, sizeof(last));
}

// `count` digits at *text, which moves past them.
static bool digits(wp_view *text, size_t count, int *out)
{
    uint64_t value;
    if (text->len < count || !wp_view_parse_u64(wp_view_sub(*text, 0, count), &value))
        return false;
    *text = wp_view_skip(*text, count);
    *out = (int)value;
    return true;
}

static bool take(wp_view *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = wp_view_skip(*text, 1);
    return true;
}

static bool parse_clock(wp_view *text, struct tm *t, int *millis)
{
    if (!take(text, 'T') && !take(text, ' '))
        return false;
    if (!digits(text, 2, &t->tm_hour) || !take(text, ':') || !digits(text, 2, &t->tm_min) ||
        !take(text, ':') || !digits(text, 2, &t->tm_sec))
        return false;
    if (take(text, '.')) {
        int scale = 100, digit;
        size_t seen = 0;
        for (; seen < 9 && digits(text, 1, &digit); seen++, scale /= 10)
            *millis += digit * scale;
        if (seen == 0)
            return false;
    }
    return t->tm_hour < 24 && t->tm_min < 60 && t->tm_sec <= 60;
}

static bool parse_offset(wp_view *text, int *offset_minutes)
{
    if (text->len == 0 || take(text, 'Z'))
        return true;
    bool minus = text->ptr[0] == '-';
    int hours, minutes;
    if (!take(text, minus ? '-' : '+') || !digits(text, 2, &hours) || !take(text, ':') ||
        !digits(text, 2, &minutes))
        return false;
    *offset_minutes = (hours * 60 + minutes) * (minus ? -1 : 1);
    return true;
}

bool wp_parse_time(wp_view text, int64_t *wall_ms)
{
    struct tm t = {0};
    int millis = 0, offset_minutes = 0;
    text = wp_view_trim(text);
    if (!digits(&text, 4, &t.tm_year) || !take(&text, '-') || !digits(&text, 2, &t.tm_mon) ||
        !take(&text, '-') || !digits(&text, 2, &t.tm_mday))
        return false;
    if (t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31)
        return false;
    if (text.len > 0 && (!parse_clock(&text, &t, &millis) || !parse_offset(&text, &offset_minutes)))
        return false;
    if (text.len > 0)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *wall_ms = ((int64_t)timegm(&t) - (int64_t)offset_minutes * 60) * 1000 + millis;
    return true;
}
