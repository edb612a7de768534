// What queries of the ledger have in common: they outlive their client, who may leave while the
// pool works.
#include "admin/private.h"
#include "base/alloc.h"

void *wp_admin_query_begin(struct wp_front *front, size_t size, size_t out_max)
{
    if (front->gateway->ledger == NULL) {
        wp_front_error(front, WP_ERR_NOT_FOUND,
                       WP_VIEW("Request logs are switched off (disable_spend_logs)"), -1);
        return NULL;
    }
    struct wp_admin_query *query = wp_alloc(size);
    struct wp_arena *arena = wp_arena_create(0);
    if (query == NULL || arena == NULL) {
        wp_free(query);
        wp_arena_destroy(arena);
        wp_front_error(front, WP_ERR_NO_MEMORY, (wp_view){NULL, 0}, 1);
        return NULL;
    }
    *query = (struct wp_admin_query){.magic = WP_ADMIN_QUERY_MAGIC,
                                     .front = front,
                                     .ledger = front->gateway->ledger,
                                     .arena = arena,
                                     .out = wp_buf_make(out_max)};
    if (wp_admin_read_filter(front, arena, &query->filter))
        return query;
    wp_admin_query_free(query);
    return NULL;
}

void wp_admin_query_free(struct wp_admin_query *query)
{
    wp_buf_free(&query->out);
    wp_arena_destroy(query->arena);
    query->magic = 0;
    wp_free(query);
}

void wp_admin_query_refuse(struct wp_front *front, enum wp_err err)
{
    wp_view own = {NULL, 0}; // the error's sentence
    wp_front_error(
        front, err,
        err == WP_ERR_SLOW_QUERY ? own : WP_VIEW("The ledger could not be read; see the log"), -1);
}
