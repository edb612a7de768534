// Which keys a deployment has, by the usual AWS files and variables: on the pool, because files
// and programs may block.
#include <stdio.h>
#include <stdlib.h>

#include "aws/ini.h"
#include "aws/private.h"

static const char *file_of(const char *variable, const char *name, char *out, size_t size)
{
    const char *path = getenv(variable), *home = getenv("HOME");
    if (path != NULL && path[0] != '\0')
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s/.aws/%s", home != NULL ? home : "", name);
    return out;
}

static void push_role(struct wp_aws_fetch *fetch, wp_view arn, wp_view session, wp_view external_id,
                      wp_view web_token_file)
{
    if (fetch->role_count == WP_AWS_ROLES_MAX) {
        wp_fetch_fail(&fetch->common, "too many roles in a chain (%d at most)", WP_AWS_ROLES_MAX);
        return;
    }
    struct wp_aws_role *role = &fetch->roles[fetch->role_count++];
    *role = (struct wp_aws_role){.duration_s = 3600};
    snprintf(role->arn, sizeof(role->arn), "%.*s", WP_VIEW_ARG(arn));
    snprintf(role->session, sizeof(role->session), "%.*s",
             WP_VIEW_ARG(session.len > 0 ? session : WP_VIEW("warmpath")));
    snprintf(role->external_id, sizeof(role->external_id), "%.*s", WP_VIEW_ARG(external_id));
    snprintf(role->web_token_file, sizeof(role->web_token_file), "%.*s",
             WP_VIEW_ARG(web_token_file));
}

static bool has_role(const struct wp_aws_fetch *fetch, wp_view arn)
{
    for (size_t i = 0; i < fetch->role_count; i++)
        if (wp_view_is(arn, fetch->roles[i].arn))
            return true;
    return false;
}

static bool from_environment(struct wp_aws_fetch *fetch)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    if (id == NULL || secret == NULL || id[0] == '\0' || secret[0] == '\0')
        return false;
    wp_aws_set_keys(fetch, wp_view_of(id), wp_view_of(secret),
                    wp_view_of(getenv("AWS_SESSION_TOKEN")));
    return true;
}

// The section of a profile in the config file is "profile NAME", but "default" stands alone.
static wp_view config_section(struct wp_aws_fetch *fetch, wp_view profile)
{
    if (wp_view_is(profile, "default"))
        return profile;
    return wp_arena_printf(fetch->common.arena, "profile %.*s", WP_VIEW_ARG(profile));
}

// credential_source of a role: where its first keys come from.
static bool from_named_source(struct wp_aws_fetch *fetch, wp_view kind)
{
    if (wp_view_is(kind, "Environment"))
        return from_environment(fetch);
    if (wp_view_is(kind, "Ec2InstanceMetadata"))
        fetch->base = wp_aws_from_instance;
    else if (wp_view_is(kind, "EcsContainer"))
        fetch->base = wp_aws_from_container;
    return fetch->base != NULL;
}

static void from_profile(struct wp_aws_fetch *fetch, const struct wp_ini *config,
                         const struct wp_ini *credentials, wp_view profile, int depth);

static void from_role_profile(struct wp_aws_fetch *fetch, const struct wp_ini *config,
                              const struct wp_ini *credentials, wp_view section, wp_view profile,
                              int depth)
{
    wp_view source = wp_ini_get(config, section, "source_profile");
    wp_view kind = wp_ini_get(config, section, "credential_source");
    wp_view token_file = wp_ini_get(config, section, "web_identity_token_file");
    wp_view role = wp_ini_get(config, section, "role_arn");
    if (wp_ini_get(config, section, "mfa_serial").len > 0)
        wp_fetch_fail(
            &fetch->common,
            "profile %.*s asks for MFA, which a service cannot enter; use a role without it",
            WP_VIEW_ARG(profile));
    // at depth 0 it is the role that the deployment names too: assumed once
    if (depth > 0 && has_role(fetch, role)) {
        wp_fetch_fail(&fetch->common, "source_profile goes in a circle at profile %.*s",
                      WP_VIEW_ARG(profile));
        return;
    }
    if (!has_role(fetch, role))
        push_role(fetch, role, wp_ini_get(config, section, "role_session_name"),
                  wp_ini_get(config, section, "external_id"), token_file);
    if (token_file.len > 0)
        return;
    if (source.len > 0)
        from_profile(fetch, config, credentials, source, depth + 1);
    else if (!from_named_source(fetch, kind))
        wp_fetch_fail(&fetch->common,
                      "profile %.*s has role_arn, but neither a usable source_profile nor a "
                      "credential_source (Environment, Ec2InstanceMetadata, EcsContainer)",
                      WP_VIEW_ARG(profile));
}

static void from_profile(struct wp_aws_fetch *fetch, const struct wp_ini *config,
                         const struct wp_ini *credentials, wp_view profile, int depth)
{
    wp_view section = config_section(fetch, profile);
    wp_view id = wp_ini_get(credentials, profile, "aws_access_key_id");
    const struct wp_ini *file = id.len > 0 ? credentials : config;
    wp_view where = id.len > 0 ? profile : section;
    wp_view process = wp_ini_get(config, section, "credential_process");
    if (process.len == 0)
        process = wp_ini_get(credentials, profile, "credential_process");
    if (fetch->region[0] == '\0')
        snprintf(fetch->region, sizeof(fetch->region), "%.*s",
                 WP_VIEW_ARG(wp_ini_get(config, section, "region")));
    if (id.len == 0)
        id = wp_ini_get(config, section, "aws_access_key_id");
    if (!wp_ini_has_section(config, section) && !wp_ini_has_section(credentials, profile))
        wp_fetch_fail(&fetch->common,
                      "the AWS files have no profile %.*s; see: aws configure --profile %.*s",
                      WP_VIEW_ARG(profile), WP_VIEW_ARG(profile));
    // a source profile with static keys is used as such even if it has role_arn
    else if (wp_ini_get(config, section, "role_arn").len > 0 && !(depth > 0 && id.len > 0))
        from_role_profile(fetch, config, credentials, section, profile, depth);
    else if (id.len > 0)
        wp_aws_set_keys(fetch, id, wp_ini_get(file, where, "aws_secret_access_key"),
                        wp_ini_get(file, where, "aws_session_token"));
    else if (process.len > 0)
        wp_aws_run_credential_process(fetch, profile, process);
    else if (!wp_aws_sso_profile(fetch, config, section, profile))
        wp_fetch_fail(
            &fetch->common,
            "profile %.*s holds no credentials that can be used here (static keys, role_arn "
            "with source_profile, credential_process, SSO)",
            WP_VIEW_ARG(profile));
}

// Without any profile the machine itself may have keys.
static void from_files(struct wp_aws_fetch *fetch, wp_view profile, bool asked_for)
{
    char path[1024];
    struct wp_ini *config = wp_ini_create(), *credentials = wp_ini_create();
    if (config == NULL || credentials == NULL) {
        wp_fetch_fail(&fetch->common, "out of memory");
    } else {
        wp_ini_load(config, file_of("AWS_CONFIG_FILE", "config", path, sizeof(path)));
        wp_ini_load(credentials,
                    file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials", path, sizeof(path)));
        bool usable = wp_ini_get(config, profile, "role_arn").len > 0 ||
                      wp_ini_get(config, profile, "credential_process").len > 0 ||
                      wp_ini_get(config, profile, "sso_session").len > 0 ||
                      wp_ini_get(config, profile, "sso_start_url").len > 0 ||
                      wp_ini_get(config, profile, "aws_access_key_id").len > 0 ||
                      wp_ini_has_section(credentials, profile);
        if (asked_for || usable)
            from_profile(fetch, config, credentials, profile, 0);
        else
            fetch->base =
                wp_aws_container_configured() ? wp_aws_from_container : wp_aws_from_instance;
    }
    wp_ini_free(config);
    wp_ini_free(credentials);
}

void wp_aws_gather(struct wp_aws_fetch *fetch)
{
    const struct wp_aws_source_config *config = &fetch->source->config;
    const char *profile = getenv("AWS_PROFILE"), *role = getenv("AWS_ROLE_ARN"),
               *token_file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (config->role_arn.len > 0)
        push_role(fetch, config->role_arn, config->session_name, config->external_id,
                  config->web_identity_token);
    if (config->role_arn.len > 0 && config->web_identity_token.len > 0)
        return;
    if (config->profile.len > 0)
        from_files(fetch, config->profile, true);
    else if (config->access_key_id.len > 0)
        wp_aws_set_keys(fetch, config->access_key_id, config->secret_access_key,
                        config->session_token);
    else if (from_environment(fetch))
        return;
    else if (profile == NULL && role != NULL && token_file != NULL)
        push_role(fetch, wp_view_of(role), wp_view_of(getenv("AWS_ROLE_SESSION_NAME")), WP_VIEW(""),
                  wp_view_of(token_file));
    else
        from_files(fetch, profile != NULL ? wp_view_of(profile) : WP_VIEW("default"),
                   profile != NULL);
}
