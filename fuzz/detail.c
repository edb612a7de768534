// What a row's detail holds: whatever the bytes are, each part is left out or is one JSON value.
//
// Input: the bytes.
#include "fuzz/support.h"

#include "store/detail.h"
#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wp_view bytes = fuzz_copy(fuzz_view(data, size));
    const struct wp_record row = {
        .detail = bytes, .model_id = WP_VIEW("d"), .api_base = WP_VIEW("b")};
    (void)wp_detail_holds_prompt(bytes);
    for (int part = 0; part < WP_DETAIL_PART_COUNT; part++) {
        struct wp_buf out = wp_buf_make(1 << 26);
        bool there = wp_detail_write(&row, (enum wp_detail_part)part, &out);
        FUZZ_CHECK(there || out.len == 0);
        if (there && wp_buf_ok(&out)) {
            struct wp_json_scan scan;
            wp_json_scan_init(&scan, wp_buf_view(&out));
            wp_json_value(&scan);
            FUZZ_CHECK(wp_json_scan_finish(&scan));
        }
        wp_buf_free(&out);
    }
    fuzz_free(bytes);
    return 0;
}
