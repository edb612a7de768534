#include "base/err.h"

static const struct wp_err_info table[WP_ERR_COUNT] = {
#define X(name, status, retry, type, sentence) \
    [WP_ERR_##name] = {#name, status, WP_RETRY_##retry, type, sentence},
    WP_ERRORS(X)
#undef X
};

bool wp_err_is_ours(enum wp_err err)
{
    return err == WP_ERR_NO_MEMORY || err == WP_ERR_STALLED;
}

const struct wp_err_info *wp_err_info(enum wp_err err)
{
    WP_CHECK((unsigned)err < WP_ERR_COUNT);
    return &table[err];
}
