#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

enum { LINE_MAX_BYTES = 4096, SECRETS_MAX = 4096, SECRET_MIN = 8 };

static struct {
    _Atomic int level;
    bool json;
    int fd;
} sink = {.level = WP_LOG_INFO, .fd = STDERR_FILENO};

static struct {
    pthread_mutex_t lock;
    wp_view list[SECRETS_MAX];
    size_t count;
} secrets = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const LEVEL_NAMES[] = {"error", "warn", "info", "debug"};

void wp_log_init(enum wp_log_level level, bool json, int fd)
{
    atomic_store(&sink.level, (int)level);
    sink.json = json;
    sink.fd = fd;
}

bool wp_log_enabled(enum wp_log_level level)
{
    return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

void wp_log_register_secret(wp_view secret)
{
    if (secret.len < SECRET_MIN)
        return;
    pthread_mutex_lock(&secrets.lock);
    bool known = false;
    for (size_t i = 0; i < secrets.count && !known; i++)
        known = wp_view_eq(secrets.list[i], secret);
    if (!known && secrets.count < SECRETS_MAX) {
        char *copy = wp_alloc(secret.len);
        if (copy != NULL) {
            memcpy(copy, secret.ptr, secret.len);
            secrets.list[secrets.count++] = wp_view_make(copy, secret.len);
        }
    }
    pthread_mutex_unlock(&secrets.lock);
}

// Length of the registered secret that starts at `text`, or 0.
static size_t secret_at(wp_view text)
{
    for (size_t i = 0; i < secrets.count; i++)
        if (wp_view_starts_with(text, secrets.list[i]))
            return secrets.list[i].len;
    return 0;
}

bool wp_log_mask_secrets(char *text, size_t len)
{
    bool found = false;
    pthread_mutex_lock(&secrets.lock);
    for (size_t i = 0; i < len;) {
        size_t masked = secret_at(wp_view_make(text + i, len - i));
        memset(text + i, '*', masked);
        found |= masked > 0;
        i += masked > 0 ? masked : 1;
    }
    pthread_mutex_unlock(&secrets.lock);
    return found;
}

void wp_log_sanitize(wp_view text, char *out, size_t size)
{
    size_t at = 0;
    pthread_mutex_lock(&secrets.lock);
    for (size_t i = 0; i < text.len && at + 5 < size;) {
        size_t masked = secret_at(wp_view_skip(text, i));
        unsigned char c = (unsigned char)text.ptr[i];
        if (masked > 0) {
            memcpy(out + at, "***", 3);
            at += 3;
            i += masked;
            continue;
        }
        if (c < 0x20 || c == 0x7f)
            at += (size_t)snprintf(out + at, size - at, "\\x%02x", c);
        else
            out[at++] = (char)c;
        i++;
    }
    pthread_mutex_unlock(&secrets.lock);
    out[at] = '\0';
}

static void append_json_string(struct wp_buf *line, const char *text)
{
    wp_buf_append_char(line, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            wp_buf_append_char(line, '\\');
        wp_buf_append_char(line, *c);
    }
    wp_buf_append_char(line, '"');
}

static void write_line(const char *stamp, const char *level, const char *area, const char *message)
{
    struct wp_buf line = wp_buf_make(2 * LINE_MAX_BYTES + 256);
    if (sink.json) {
        wp_buf_printf(&line,
                      "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"%s\",\"message\":", stamp,
                      level, area);
        append_json_string(&line, message);
        wp_buf_append_cstring(&line, "}\n");
    } else {
        wp_buf_printf(&line, "%s %-5s %s: %s\n", stamp, level, area, message);
    }
    ssize_t written = wp_buf_ok(&line) ? write(sink.fd, line.ptr, line.len) : 0;
    (void)written; // a log that cannot be written must not stop the work
    wp_buf_free(&line);
}

void wp_log(enum wp_log_level level, const char *area, const char *format, ...)
{
    char raw[LINE_MAX_BYTES], message[LINE_MAX_BYTES], stamp[WP_RFC3339_LEN + 1];
    if (!wp_log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    if (len < 0)
        return;
    size_t used = (size_t)len < sizeof(raw) ? (size_t)len : sizeof(raw) - 1;
    wp_log_sanitize(wp_view_make(raw, used), message, sizeof(message));
    wp_format_rfc3339(wp_wall_ms(), stamp);
    write_line(stamp, LEVEL_NAMES[level], area, message);
}
