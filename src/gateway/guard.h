// Against guessing keys: wrong keys and failed sign-ins are counted per address. An address with
// too many in a minute is told to wait, right key or not, so that a guess tells nothing; a key that
// was right from that address before keeps working, so that one broken client behind a shared
// address does not lock out the others. Any thread.
#ifndef WP_GATEWAY_GUARD_H
#define WP_GATEWAY_GUARD_H

#include "base/view.h"
#include "crypto/digest.h"

struct wp_guard;

struct wp_guard *wp_guard_create(void); // NULL: no memory
void wp_guard_destroy(struct wp_guard *guard);

// Before a key's verdict is told: false if it may not be, and then the attempt does not count.
// `digest`: the SHA-256 of what was shown, `right`: the verdict. `limit`: failures per minute, 0
// for none.
bool wp_guard_admits(struct wp_guard *guard, wp_view address, const uint8_t digest[WP_SHA256_LEN],
                     bool right, uint32_t limit, uint64_t now_ns);

#endif
