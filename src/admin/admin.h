// What people and monitoring see: console assets and its API, LiteLLM's log and model queries,
// health, metrics. Reads only, through the query functions of store, route and gateway.
#ifndef WP_ADMIN_ADMIN_H
#define WP_ADMIN_ADMIN_H

#include "gateway/worker.h"

// One file of the console, embedded in the program.
struct wp_asset {
    const char *path; // below /ui/, "index.html"
    const char *content_type;
    wp_view plain, gzip, brotli; // gzip and brotli may be empty
    bool immutable;              // the name holds a hash of the content
};

struct wp_admin_config {
    struct wp_gateway *gateway;
    const struct wp_asset *assets;
    size_t asset_count;
};

// Creates the state behind the routes and hangs it into the gateway. Before workers start.
struct wp_admin *wp_admin_create(const struct wp_admin_config *config);
// After the workers have ended, before the ledger is closed.
void wp_admin_destroy(struct wp_admin *admin);

extern const struct wp_route wp_admin_routes[];
extern const size_t wp_admin_route_count;

// Parts, one per file.
void wp_admin_serve_asset(struct wp_front *front);
void wp_admin_session_get(struct wp_front *front);
void wp_admin_session_post(struct wp_front *front);
void wp_admin_session_delete(struct wp_front *front);
void wp_admin_logs(struct wp_front *front);
void wp_admin_log(struct wp_front *front);
void wp_admin_summary(struct wp_front *front);
void wp_admin_daily(struct wp_front *front);
void wp_admin_export(struct wp_front *front);
void wp_admin_live(struct wp_front *front);
void wp_admin_deployments(struct wp_front *front);
void wp_admin_health(struct wp_front *front);
void wp_admin_liveliness(struct wp_front *front);
void wp_admin_readiness(struct wp_front *front);
void wp_admin_model_info(struct wp_front *front);
void wp_admin_metrics(struct wp_front *front);

// Sends the buffer as JSON, or 503 if it failed; frees it.
void wp_admin_send(struct wp_front *front, struct wp_buf *buf);

#endif
