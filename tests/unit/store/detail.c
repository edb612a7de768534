// Details of a row: what is put in comes out as the JSON of the API, and bytes that are cut or
// changed do no harm.
#include "store/detail.h"
#include "tests/support/test.h"
#include "json/scan.h"

static char room[8192], answer[65536];

static struct wp_buf empty(void)
{
    return wp_buf_make_in(room, sizeof(room), sizeof(room));
}

// The part as JSON, or "" for none. Valid until the next call.
static const char *part_of(wp_view detail, enum wp_detail_part part)
{
    const struct wp_record row = {.detail = detail,
                                  .model_id = WP_VIEW("chosen"),
                                  .api_base = WP_VIEW("https://chosen.example")};
    struct wp_buf out = wp_buf_make_in(answer, sizeof(answer) - 1, sizeof(answer) - 1);
    bool there = wp_detail_write(&row, part, &out);
    assert_true(wp_buf_ok(&out));
    assert_true(there || out.len == 0);
    answer[out.len] = '\0';
    return answer;
}

static void put_all(struct wp_buf *out)
{
    wp_detail_begin(out, true);
    wp_detail_put_decision(out, &(struct wp_detail_decision){.group = WP_VIEW("a \"group\""),
                                                             .blocks = 25,
                                                             .breakpoints = 3,
                                                             .estimated_tokens = 53211,
                                                             .waited_ms = 1200});
    wp_detail_put_divergence(out, &(struct wp_detail_divergence){.tier = WP_VIEW("messages"),
                                                                 .kind = WP_VIEW("tool_use"),
                                                                 .index = 17,
                                                                 .shared_blocks = 16,
                                                                 .shared_tokens = 40000,
                                                                 .previous_blocks = 24});
    wp_detail_put_prompt(out, &(struct wp_detail_prompt){.stream = 4503599627370495,
                                                         .keep = 16,
                                                         .before = 24,
                                                         .tools = 2,
                                                         .head = 4,
                                                         .count = 2,
                                                         .tool_loop = true});
    wp_detail_put_block(out, 4503599627370494, 312);
    wp_detail_put_block(out, 0, 0);
    wp_detail_put_candidate(out, &(struct wp_detail_candidate){.id_as_row = true,
                                                               .reason = WP_VIEW("cache"),
                                                               .predicted_read = 50000,
                                                               .predicted_write = 1200,
                                                               .predicted_uncached = 7,
                                                               .predicted_write_1h = 900,
                                                               .predicted_cost = 0.0195,
                                                               .expected_cost = 0.021375,
                                                               .confidence = 0.9554,
                                                               .headroom = 0.25,
                                                               .in_flight = 3,
                                                               .cooling_ms = 60000,
                                                               .usable = true});
    wp_detail_put_candidate(out, &(struct wp_detail_candidate){.model_id = WP_VIEW("other"),
                                                               .reason = WP_VIEW("order"),
                                                               .predicted_cost = -1,
                                                               .expected_cost = -1,
                                                               .confidence = 1,
                                                               .headroom = 1});
    wp_detail_put_candidate(out, &(struct wp_detail_candidate){.model_id = WP_VIEW("third"),
                                                               .reason = WP_VIEW("order"),
                                                               .predicted_cost = 0,
                                                               .expected_cost = 0,
                                                               .confidence = 1,
                                                               .headroom = 1});
    wp_detail_put_attempt(out, &(struct wp_detail_attempt){.model_id = WP_VIEW("other"),
                                                           .api_base = WP_VIEW("https://other"),
                                                           .error = WP_VIEW("UPSTREAM_ERROR"),
                                                           .status = -1,
                                                           .started = 1,
                                                           .ended = 1235});
    wp_detail_put_attempt(out, &(struct wp_detail_attempt){.id_as_row = true,
                                                           .base_as_row = true,
                                                           .status = 200,
                                                           .started = 1300,
                                                           .connected = 1501,
                                                           .first_byte = 900001,
                                                           .ended = 4000124,
                                                           .reused = true});
    wp_detail_put_dropped(out, WP_VIEW("a-beta-2025"));
    wp_detail_put_dropped(out, WP_VIEW("thinking"));
    wp_detail_put_headers(out, 3);
    wp_detail_put_field(out, WP_VIEW("Host"), WP_VIEW("gateway"));
    wp_detail_put_hidden_field(out, WP_VIEW("Authorization"), 40);
    wp_detail_put_field(out, WP_VIEW("x-\"odd\""), WP_VIEW("\xff\n"));
    assert_true(wp_buf_ok(out));
}

static void everything_comes_out_as_the_api_has_it(void **state)
{
    (void)state;
    struct wp_buf buf = empty();
    put_all(&buf);
    assert_string_equal(
        part_of(wp_buf_view(&buf), WP_DETAIL_PART_DECISION),
        "{\"group\":\"a \\\"group\\\"\",\"blocks\":25,\"breakpoints\":3,\"estimated_tokens\":53211,"
        "\"waited_ms\":1200,\"divergence\":{\"index\":17,\"tier\":\"messages\",\"kind\":"
        "\"tool_use\",\"shared_blocks\":16,\"shared_tokens\":40000,\"previous_blocks\":24},"
        "\"prompt\":{\"stream\":4503599627370495,\"keep\":16,\"before\":24,\"tools\":2,\"head\":4,"
        "\"tool_loop\":true,\"add\":[[4503599627370494,312],[0,0]]},\"candidates\":["
        "{\"model_id\":\"chosen\",\"reason\":\"cache\",\"usable\":true,\"predicted_read\":50000,"
        "\"predicted_write\":1200,\"predicted_uncached\":7,\"predicted_write_1h\":900,"
        "\"predicted_cost\":0.0195,\"expected_cost\":0.021375,\"confidence\":0.955,"
        "\"headroom\":0.25,\"in_flight\":3,\"cooling_ms\":60000},"
        "{\"model_id\":\"other\",\"reason\":\"order\",\"usable\":false,\"predicted_read\":0,"
        "\"predicted_write\":0,\"predicted_uncached\":0,\"predicted_write_1h\":0,"
        "\"confidence\":1,\"headroom\":1,\"in_flight\":0,\"cooling_ms\":0},"
        "{\"model_id\":\"third\",\"reason\":\"order\",\"usable\":false,\"predicted_read\":0,"
        "\"predicted_write\":0,\"predicted_uncached\":0,\"predicted_write_1h\":0,"
        "\"predicted_cost\":0,\"expected_cost\":0,"
        "\"confidence\":1,\"headroom\":1,\"in_flight\":0,\"cooling_ms\":0}]}");
    assert_string_equal(
        part_of(wp_buf_view(&buf), WP_DETAIL_PART_ATTEMPTS),
        "[{\"model_id\":\"other\",\"api_base\":\"https://other\",\"status\":-1,\"error\":"
        "\"UPSTREAM_ERROR\",\"started_ms\":0,\"connected_ms\":null,\"first_byte_ms\":null,"
        "\"ended_ms\":1.234,\"reused\":false},"
        "{\"model_id\":\"chosen\",\"api_base\":\"https://chosen.example\",\"status\":200,"
        "\"error\":null,\"started_ms\":1.299,\"connected_ms\":1.5,\"first_byte_ms\":900,"
        "\"ended_ms\":4000.123,\"reused\":true}]");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DROPPED),
                        "[\"a-beta-2025\",\"thinking\"]");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_HEADERS),
                        "{\"Host\":\"gateway\",\"Authorization\":\"(hidden, 40 bytes)\","
                        "\"x-\\\"odd\\\"\":\"\xEF\xBF\xBD\\n\"}");
    assert_true(wp_detail_holds_prompt(wp_buf_view(&buf)));
}

// Turned away before a plan, planned but never sent, nothing dropped, no headers.
static void what_was_not_there_is_null_or_empty(void **state)
{
    (void)state;
    struct wp_buf buf = empty();
    wp_detail_begin(&buf, false);
    wp_detail_put_headers(&buf, 0);
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DECISION), "");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_ATTEMPTS), "");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DROPPED), "");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_HEADERS), "{}");
    assert_false(wp_detail_holds_prompt(wp_buf_view(&buf)));
    buf = empty();
    wp_detail_begin(&buf, false);
    wp_detail_put_decision(&buf, &(struct wp_detail_decision){.group = WP_VIEW("g")});
    wp_detail_put_attempt(&buf, &(struct wp_detail_attempt){.id_as_row = true});
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DECISION),
                        "{\"group\":\"g\",\"blocks\":0,\"breakpoints\":0,\"estimated_tokens\":0,"
                        "\"waited_ms\":0,\"candidates\":[]}");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DROPPED), "[]");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_HEADERS), "");
    assert_string_equal(part_of((wp_view){NULL, 0}, WP_DETAIL_PART_HEADERS), "");
}

static void json_of_older_files_passes_through(void **state)
{
    (void)state;
    struct wp_buf buf = empty();
    wp_detail_begin(&buf, true);
    wp_detail_put_json(&buf, WP_DETAIL_PART_DECISION, WP_VIEW("{\"prompt\":{}}"));
    wp_detail_put_json(&buf, WP_DETAIL_PART_ATTEMPTS, WP_VIEW("[ 1 ]"));
    wp_detail_put_json(&buf, WP_DETAIL_PART_HEADERS, WP_VIEW("{broken"));
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DECISION), "{\"prompt\":{}}");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_ATTEMPTS), "[ 1 ]");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_DROPPED), "");
    assert_string_equal(part_of(wp_buf_view(&buf), WP_DETAIL_PART_HEADERS), "");
}

static void a_full_buffer_fails_and_is_left_alone(void **state)
{
    (void)state;
    struct wp_buf whole = empty();
    put_all(&whole);
    size_t len = whole.len;
    for (size_t max = 0; max < len; max += 7) {
        char *small = malloc(max + 1);
        struct wp_buf buf = wp_buf_make_in(small, max, max);
        wp_detail_begin(&buf, true);
        for (int i = 0; i < 20; i++)
            wp_detail_put_candidate(&buf, &(struct wp_detail_candidate){
                                              .model_id = WP_VIEW("a deployment"), .headroom = 2});
        assert_true(buf.len <= max);
        assert_false(wp_buf_ok(&buf));
        wp_buf_free(&buf);
        free(small);
    }
}

static void assert_harmless(wp_view detail)
{
    // where a red zone ends it
    char *copy = malloc(detail.len + 1);
    memcpy(copy, detail.ptr, detail.len);
    for (int part = 0; part < WP_DETAIL_PART_COUNT; part++) {
        const char *json = part_of(wp_view_make(copy, detail.len), (enum wp_detail_part)part);
        struct wp_json_scan scan;
        wp_json_scan_init(&scan, wp_view_of(json));
        wp_json_value(&scan);
        assert_true(json[0] == '\0' || wp_json_scan_finish(&scan));
    }
    free(copy);
}

static void bytes_that_are_cut_or_changed_do_no_harm(void **state)
{
    (void)state;
    struct wp_buf buf = empty();
    put_all(&buf);
    wp_detail_put_json(&buf, WP_DETAIL_PART_DROPPED, WP_VIEW("[]"));
    size_t len = buf.len;
    for (size_t cut = 0; cut < len; cut++)
        assert_harmless(wp_view_make(room, cut));
    static const unsigned char masks[] = {0x01, 0x02, 0x08, 0x20, 0x80, 0xff};
    for (size_t at = 0; at < len; at++)
        for (size_t i = 0; i < sizeof(masks); i++) {
            room[at] = (char)(room[at] ^ masks[i]);
            assert_harmless(wp_view_make(room, len));
            room[at] = (char)(room[at] ^ masks[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_out_as_the_api_has_it),
        cmocka_unit_test(what_was_not_there_is_null_or_empty),
        cmocka_unit_test(json_of_older_files_passes_through),
        cmocka_unit_test(a_full_buffer_fails_and_is_left_alone),
        cmocka_unit_test(bytes_that_are_cut_or_changed_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
