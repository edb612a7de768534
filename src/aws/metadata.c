// Keys of the machine: the container's agent (ECS, EKS Pod Identity) and the instance metadata
// service (IMDSv2).
#include <stdio.h>
#include <stdlib.h>

#include "aws/private.h"
#include "base/file.h"
#include "base/url.h"

enum { METADATA_MS = 1000, TOKEN_MAX = 16 * 1024 };

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool wp_aws_container_configured(void)
{
    return variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
           variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;
}

// Plain HTTP only to this machine and to the agents' own addresses: the token must not leave.
static bool is_trusted(const struct wp_url *url)
{
    static const char *const hosts[] = {"localhost",     "127.0.0.1",      "::1",
                                        "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    for (size_t i = 0; i < WP_COUNT_OF(hosts) && !url->tls; i++)
        if (wp_view_is(url->host, hosts[i]))
            return true;
    return url->tls;
}

static wp_view container_url(struct wp_aws_fetch *fetch)
{
    const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (relative != NULL)
        return wp_arena_printf(fetch->common.arena, "http://169.254.170.2%s", relative);
    return wp_view_of(variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
}

// The file is read each time: the agent replaces it.
static bool container_token(struct wp_aws_fetch *fetch, wp_view *out)
{
    const char *path = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *value = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct wp_buf text = wp_buf_make(TOKEN_MAX);
    *out = wp_view_of(value);
    if (path == NULL)
        return true;
    bool ok = wp_file_read(path, &text) && text.len > 0;
    *out = wp_arena_copy(fetch->common.arena, wp_buf_view(&text));
    wp_buf_free(&text);
    if (!ok)
        wp_fetch_fail(&fetch->common, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %s cannot be read",
                      path);
    return ok;
}

// These services live at link-local addresses, where no other call may go.
static void call_metadata(struct wp_aws_fetch *fetch, const char *method, wp_view url,
                          void (*answered)(void *fetch))
{
    fetch->common.metadata = true;
    wp_aws_call(fetch, method, url, METADATA_MS, answered);
}

static void container_answered(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    if (fetch->common.status == 0)
        wp_fetch_fail(&fetch->common, "the container's credential agent did not answer: %s",
                      fetch->common.call_error);
    else if (fetch->common.status != 200 || !wp_aws_set_keys_json(fetch))
        wp_fetch_fail(&fetch->common,
                      "the container's credential agent answered %d without credentials",
                      fetch->common.status);
    wp_aws_next_role(fetch);
}

void wp_aws_from_container(struct wp_aws_fetch *fetch)
{
    struct wp_url url;
    wp_view text = container_url(fetch), token;
    if (!wp_url_parse(text, &url) || !is_trusted(&url)) {
        wp_fetch_fail(&fetch->common,
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this "
                      "machine or the agent's address");
    } else if (container_token(fetch, &token)) {
        if (wp_view_find_char(token, '\r') != WP_NOT_FOUND ||
            wp_view_find_char(token, '\n') != WP_NOT_FOUND)
            wp_fetch_fail(&fetch->common, "the container's authorization token holds a line end");
        else if (wp_fetch_begin(&fetch->common, text))
            wp_fetch_add_header(&fetch->common, "authorization", token);
    }
    if (fetch->common.failed)
        wp_aws_next_role(fetch);
    else
        call_metadata(fetch, "GET", text, container_answered);
}

// The instance.

static const char instance_path[] = "/latest/meta-data/iam/security-credentials/";

static wp_view instance_url(struct wp_aws_fetch *fetch, const char *path, wp_view more)
{
    const char *endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    wp_view base = wp_view_of(endpoint != NULL ? endpoint : "http://169.254.169.254");
    while (wp_view_ends_with(base, WP_VIEW("/")))
        base.len--;
    return wp_arena_printf(fetch->common.arena, "%.*s%s%.*s", WP_VIEW_ARG(base), path,
                           WP_VIEW_ARG(more));
}

static void instance_failed(struct wp_aws_fetch *fetch, const char *what)
{
    if (fetch->common.status == 0)
        wp_fetch_fail(&fetch->common,
                      "no AWS credentials: none in the environment or the AWS files, and the "
                      "instance metadata service did not answer (%s); inside a container its hop "
                      "limit must be 2",
                      fetch->common.call_error);
    else
        wp_fetch_fail(&fetch->common, "the instance metadata service answered %d to %s%s",
                      fetch->common.status, what,
                      fetch->common.status == 404 ? "; attach a role to the instance" : "");
    wp_aws_next_role(fetch);
}

static void instance_get(struct wp_aws_fetch *fetch, wp_view name, void (*answered)(void *fetch))
{
    wp_view url = instance_url(fetch, instance_path, name);
    fetch->common.body = WP_VIEW("");
    if (!wp_fetch_begin(&fetch->common, url)) {
        wp_aws_next_role(fetch);
        return;
    }
    wp_fetch_add_header(&fetch->common, "x-aws-ec2-metadata-token", fetch->metadata_token);
    call_metadata(fetch, "GET", url, answered);
}

static void instance_keys(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    if (fetch->common.status != 200 || !wp_aws_set_keys_json(fetch))
        instance_failed(fetch, "the question for the role's keys");
    else
        wp_aws_next_role(fetch);
}

static void instance_role(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    wp_view rest = wp_buf_view(&fetch->common.answer), line;
    if (fetch->common.status != 200 || !wp_view_next_token(&rest, '\n', &line) || line.len == 0) {
        instance_failed(fetch, "the question for the instance's role");
        return;
    }
    instance_get(fetch, wp_arena_copy(fetch->common.arena, wp_view_trim(line)), instance_keys);
}

static void instance_token(void *arg)
{
    struct wp_aws_fetch *fetch = arg;
    if (fetch->common.status != 200) {
        instance_failed(fetch, "the question for a session token");
        return;
    }
    fetch->metadata_token =
        wp_arena_copy(fetch->common.arena, wp_view_trim(wp_buf_view(&fetch->common.answer)));
    instance_get(fetch, WP_VIEW(""), instance_role);
}

void wp_aws_from_instance(struct wp_aws_fetch *fetch)
{
    const char *disabled = variable("AWS_EC2_METADATA_DISABLED");
    wp_view url = instance_url(fetch, "/latest/api/token", WP_VIEW(""));
    if (disabled != NULL && wp_view_eq_nocase(wp_view_of(disabled), WP_VIEW("true")))
        wp_fetch_fail(&fetch->common,
                      "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                      "or a profile (aws_profile_name), or a role");
    else if (wp_fetch_begin(&fetch->common, url))
        wp_fetch_add_header(&fetch->common, "x-aws-ec2-metadata-token-ttl-seconds",
                            WP_VIEW("21600"));
    if (fetch->common.failed)
        wp_aws_next_role(fetch);
    else
        call_metadata(fetch, "PUT", url, instance_token);
}
