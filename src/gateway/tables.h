// The data tables of a runtime: what the program holds, with the operator's files on top. Private
// to gateway/, and to cli/, which checks them.
#ifndef WP_GATEWAY_TABLES_H
#define WP_GATEWAY_TABLES_H

#include "prompt/model_table.h"
#include "provider/provider.h"

struct wp_table_sources {
    wp_view models_json, betas_json; // data/models.json, data/betas.json
    wp_view models_file, betas_file; // the operator's, of the same shape; empty: none
};

// `error` gets a sentence that names the file. Blocks: for start-up, reloads and checks.
enum wp_err wp_tables_load(const struct wp_table_sources *sources, struct wp_model_table **models,
                           struct wp_provider_tables **tables, char *error,
                           size_t error_size) WP_WARN_UNUSED;

#endif
