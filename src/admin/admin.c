#include "admin/private.h"

#include "base/alloc.h"

struct wp_admin *wp_admin_create(const struct wp_admin_config *config)
{
    struct wp_admin *admin = wp_alloc_or_die(sizeof(*admin));
    admin->magic = WP_ADMIN_MAGIC;
    admin->gateway = config->gateway;
    admin->assets = config->assets;
    admin->asset_count = config->asset_count;
    pthread_mutex_init(&admin->lock, NULL);
    pthread_mutex_init(&admin->subscription_lock, NULL);
    config->gateway->admin = admin;
    return admin;
}

void wp_admin_destroy(struct wp_admin *admin)
{
    if (admin == NULL)
        return;
    WP_CHECK_MAGIC(admin, WP_ADMIN_MAGIC);
    if (admin->gateway->ledger != NULL)
        wp_ledger_on_commit(admin->gateway->ledger, NULL, NULL);
    admin->gateway->admin = NULL;
    pthread_mutex_destroy(&admin->subscription_lock);
    pthread_mutex_destroy(&admin->lock);
    admin->magic = 0;
    wp_free(admin);
}

void wp_admin_send(struct wp_front *front, struct wp_buf *buf)
{
    if (wp_buf_ok(buf))
        wp_front_json(front, 200, wp_buf_view(buf));
    else
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
    wp_buf_free(buf);
}

#define ROUTE(method, path, access, serve)                                         \
    {                                                                              \
        WP_METHOD_##method, path, WP_ACCESS_##access, &wp_simple_service, 0, serve \
    }

const struct wp_route wp_admin_routes[] = {
    ROUTE(GET, "/health", CALLER, wp_admin_health),
    ROUTE(GET, "/health/liveliness", PUBLIC, wp_admin_liveliness),
    ROUTE(GET, "/health/liveness", PUBLIC, wp_admin_liveliness),
    ROUTE(GET, "/health/readiness", PUBLIC, wp_admin_readiness),
    ROUTE(GET, "/model/info", CALLER, wp_admin_model_info),
    ROUTE(GET, "/v1/model/info", CALLER, wp_admin_model_info),
    ROUTE(GET, "/metrics", ADMIN, wp_admin_metrics),
    ROUTE(GET, "/spend/logs/ui", ADMIN, wp_admin_logs),
    ROUTE(GET, "/spend/logs/ui/*", ADMIN, wp_admin_log),
    ROUTE(GET, "/spend/logs/v2", ADMIN, wp_admin_logs),
    ROUTE(GET, "/user/daily/activity", ADMIN, wp_admin_daily),
    ROUTE(GET, "/ui/api/session", PUBLIC, wp_admin_session_get),
    ROUTE(POST, "/ui/api/session", PUBLIC, wp_admin_session_post),
    ROUTE(DELETE, "/ui/api/session", PUBLIC, wp_admin_session_delete),
    ROUTE(GET, "/ui/api/summary", ADMIN, wp_admin_summary),
    ROUTE(GET, "/ui/api/export", ADMIN, wp_admin_export),
    ROUTE(GET, "/ui/api/live", ADMIN, wp_admin_live),
    ROUTE(GET, "/ui/api/deployments", ADMIN, wp_admin_deployments),
    ROUTE(GET, "/ui", PUBLIC, wp_admin_serve_asset),
    ROUTE(GET, "/ui/*", PUBLIC, wp_admin_serve_asset),
};
const size_t wp_admin_route_count = WP_COUNT_OF(wp_admin_routes);
