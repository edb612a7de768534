// What a log query asks for, as its address says it.
#include "admin/private.h"
#include "base/clock.h"

enum { SEARCH_MAX = 500 }; // bytes

static wp_view parameter(struct wp_front *front, struct wp_arena *arena, const char *name)
{
    wp_view value = wp_front_query(front, name);
    return value.len == 0 ? (wp_view){NULL, 0} : wp_arena_copy(arena, value);
}

static bool time_parameter(struct wp_front *front, const char *name, int64_t *out)
{
    wp_view value = wp_front_query(front, name);
    return value.len == 0 || wp_parse_time(value, out);
}

static uint32_t number_parameter(struct wp_front *front, const char *name, uint32_t fallback,
                                 uint32_t most)
{
    uint64_t value;
    if (!wp_view_parse_u64(wp_front_query(front, name), &value) || value == 0)
        return fallback;
    return value > most ? most : (uint32_t)value;
}

static enum wp_log_sort sort_parameter(struct wp_front *front)
{
    static const struct {
        const char *name;
        enum wp_log_sort sort;
    } rows[] = {{"startTime", WP_SORT_START},
                {"spend", WP_SORT_SPEND},
                {"request_duration_ms", WP_SORT_DURATION},
                {"ttft_ms", WP_SORT_TTFT},
                {"model", WP_SORT_MODEL},
                {"total_tokens", WP_SORT_TOTAL_TOKENS},
                {"cache_read_input_tokens", WP_SORT_CACHE_READ}};
    wp_view name = wp_front_query(front, "sort_by");
    for (size_t i = 0; i < WP_COUNT_OF(rows); i++)
        if (wp_view_is(name, rows[i].name))
            return rows[i].sort;
    return WP_SORT_START;
}

// The end is inclusive for a whole day, as LiteLLM's users write it: end_date=2026-11-24. The
// problem in words, or NULL.
static const char *read_filter(struct wp_front *front, struct wp_arena *arena,
                               struct wp_log_filter *filter)
{
    wp_view end = wp_front_query(front, "end_date");
    *filter = (struct wp_log_filter){0};
    if (!time_parameter(front, "start_date", &filter->start_ms) ||
        !time_parameter(front, "end_date", &filter->end_ms))
        return "start_date and end_date are times such as 2026-11-24 or 2026-11-24T08:00:00Z";
    if (end.len == 10)
        filter->end_ms += 24 * 3600 * 1000LL;
    filter->request_id = parameter(front, arena, "request_id");
    filter->session_id = parameter(front, arena, "session_id");
    filter->model_id = parameter(front, arena, "model_id");
    filter->model = parameter(front, arena, "model");
    filter->model_group = parameter(front, arena, "model_group");
    filter->status = parameter(front, arena, "status_filter");
    filter->api_key_hash = parameter(front, arena, "api_key");
    filter->error_code = parameter(front, arena, "error_code");
    filter->search = parameter(front, arena, "search");
    filter->page = number_parameter(front, "page", 1, 1000000);
    filter->page_size = number_parameter(front, "page_size", 50, 1000);
    filter->sort = sort_parameter(front);
    filter->ascending = wp_view_is(wp_front_query(front, "sort_order"), "asc");
    return filter->search.len > SEARCH_MAX ? "search is longer than 500 bytes" : NULL;
}

bool wp_admin_read_filter(struct wp_front *front, struct wp_arena *arena,
                          struct wp_log_filter *filter)
{
    const char *problem = read_filter(front, arena, filter);
    if (problem != NULL)
        wp_front_error(front, WP_ERR_INVALID, wp_view_of(problem), -1);
    return problem == NULL;
}
