#include "sim/replay_fleet.h"
void wp_fleet_html(const struct wp_fleet_result *result, const struct wp_fleet_about *about,
                   struct wp_buf *out)
{
    (void)result;
    (void)about;
    (void)out;
}
