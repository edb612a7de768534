// credential_process: a program that prints keys as JSON.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/private.h"
#include "base/clock.h"
#include "json/doc.h"

enum { PROCESS_MS = 60000, PROCESS_OUTPUT_MAX = 256 * 1024 };

extern char **environ;

// Words as a shell splits them, with quotes; no expansion (the AWS CLI does the same).
static size_t split_words(char *text, char **words, size_t most)
{
    size_t count = 0;
    char *to = text;
    for (char *at = text; *at != '\0' && count + 1 < most;) {
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '\0')
            break;
        words[count++] = to;
        char quote = '\0';
        for (; *at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')); at++) {
            if (quote == '\0' && (*at == '"' || *at == '\''))
                quote = *at;
            else if (*at == quote)
                quote = '\0';
            else if (*at == '\\' && quote != '\'' && at[1] != '\0')
                *to++ = *++at;
            else
                *to++ = *at;
        }
        bool more = *at != '\0';
        *to++ = '\0';
        if (more)
            at++;
    }
    words[count] = NULL;
    return count;
}

static bool read_output(int fd, struct wp_buf *out)
{
    uint64_t limit = wp_now_ns() + (uint64_t)PROCESS_MS * 1000000u;
    char part[4096];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        uint64_t now = wp_now_ns();
        if (now >= limit || poll(&ready, 1, (int)((limit - now) / 1000000u) + 1) == 0)
            return false;
        ssize_t got = read(fd, part, sizeof(part));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 && wp_buf_ok(out);
        wp_buf_append(out, wp_view_make(part, (size_t)got));
    }
}

static bool run_process(const char *command, struct wp_buf *out)
{
    char line[4096], *words[64];
    int pipes[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(line, sizeof(line), "%s", command);
    if (split_words(line, words, WP_COUNT_OF(words)) == 0 || pipe2(pipes, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    bool ok = posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (ok) {
        ok = read_output(pipes[0], out);
        if (!ok)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        ok = ok && status == 0;
    }
    close(pipes[0]);
    return ok;
}

void wp_aws_run_credential_process(struct wp_aws_fetch *fetch, wp_view profile, wp_view command)
{
    struct wp_buf out = wp_buf_make(PROCESS_OUTPUT_MAX);
    const char *text = wp_arena_cstring(fetch->common.arena, command);
    if (text == NULL || !run_process(text, &out)) {
        wp_fetch_fail(
            &fetch->common,
            "credential_process of profile %.*s failed or took longer than 60 s; run it by "
            "hand to see why",
            WP_VIEW_ARG(profile));
        wp_buf_free(&out);
        return;
    }
    const struct wp_json_val *root = wp_json_parse(fetch->common.arena, wp_buf_view(&out));
    wp_view id = wp_json_str(wp_json_get(root, "AccessKeyId"));
    wp_view secret = wp_json_str(wp_json_get(root, "SecretAccessKey"));
    wp_view expiration = wp_json_str(wp_json_get(root, "Expiration"));
    int64_t expires = 0;
    if (wp_json_u64(wp_json_get(root, "Version"), 0) != 1 || id.len == 0 || secret.len == 0)
        wp_fetch_fail(&fetch->common,
                      "credential_process of profile %.*s printed no Version 1 credentials",
                      WP_VIEW_ARG(profile));
    else if (expiration.len > 0 &&
             (!wp_parse_time(expiration, &expires) || expires <= wp_wall_ms()))
        wp_fetch_fail(&fetch->common,
                      "credential_process of profile %.*s printed expired credentials",
                      WP_VIEW_ARG(profile));
    else
        wp_aws_set_keys(fetch, id, secret, wp_json_str(wp_json_get(root, "SessionToken")));
    fetch->keys.expires_ms = expires;
    wp_buf_free(&out);
}
