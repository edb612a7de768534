// Bad days for a program that is not told of them: preloaded into the gateway (LD_PRELOAD) by the
// end-to-end tests. The file that WARMPATH_SHIM names says what is wrong at the moment, one
// KEY=VALUE per line:
//
//   disk=full | readonly   writes to *.sqlite3* fail with ENOSPC | EROFS
//   clock=SECONDS          the wall clock is off by so much (the monotonic one is not)
//   dns.NAME=ADDRESS       where NAME leads; "none": no such name; "slow": no answer for 4 seconds
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SLOW_S = 4 };

// The value of a key; false if the file does not have it.
static bool setting(const char *key, char *out, size_t size)
{
    const char *path = getenv("WARMPATH_SHIM");
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    char line[256];
    size_t len = strlen(key);
    bool found = false;
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, key, len) == 0 && line[len] == '=';
        if (found)
            snprintf(out, size, "%s", line + len + 1);
    }
    fclose(file);
    return found;
}

#define REAL(name)                 \
    static __typeof__(name) *real; \
    if (real == NULL)              \
    real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// Disk -------------------------------------------------------------------------------------------

static int disk_error(const char *path)
{
    char value[32];
    if (strstr(path, ".sqlite3") == NULL || !setting("disk", value, sizeof(value)))
        return 0;
    return strcmp(value, "full") == 0 ? ENOSPC : strcmp(value, "readonly") == 0 ? EROFS : 0;
}

static bool refused(int fd)
{
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    int problem = disk_error(path);
    errno = problem != 0 ? problem : saved;
    return problem != 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    REAL(pwrite);
    return refused(fd) ? -1 : real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    REAL(pwrite64);
    return refused(fd) ? -1 : real(fd, bytes, count, offset);
}

int ftruncate(int fd, off_t length)
{
    REAL(ftruncate);
    return refused(fd) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    REAL(ftruncate64);
    return refused(fd) ? -1 : real(fd, length);
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    REAL(posix_fallocate);
    return refused(fd) ? errno : real(fd, offset, length);
}

// Clock ------------------------------------------------------------------------------------------

static time_t clock_offset(void)
{
    static __thread time_t offset;
    static __thread long looked;
    static __typeof__(clock_gettime) *real;
    struct timespec now;
    char value[32];
    if (real == NULL)
        real = (__typeof__(clock_gettime) *)dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_MONOTONIC, &now);
    long slot = now.tv_sec * 50 + now.tv_nsec / 20000000; // the file is read every 20 ms at most
    if (slot != looked) {
        looked = slot;
        offset = setting("clock", value, sizeof(value)) ? (time_t)atol(value) : 0;
    }
    return offset;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    REAL(clock_gettime);
    int result = real(clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += clock_offset();
    return result;
}

int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

// Names ------------------------------------------------------------------------------------------

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    REAL(getaddrinfo);
    char key[300], value[64];
    snprintf(key, sizeof(key), "dns.%s", host == NULL ? "" : host);
    if (host == NULL || !setting(key, value, sizeof(value)))
        return real(host, service, hints, out);
    if (strcmp(value, "none") == 0)
        return EAI_NONAME;
    if (strcmp(value, "slow") == 0) {
        sleep(SLOW_S);
        return EAI_AGAIN;
    }
    return real(value, service, hints, out);
}
