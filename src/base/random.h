// Randomness. wp_random_bytes is for identifiers and keys (getrandom); wp_random_u64 is a fast
// per-thread generator for load balancing and jitter, never for secrets.
#ifndef WP_BASE_RANDOM_H
#define WP_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

// Fills `out` from the kernel; aborts if the kernel refuses (it does not after boot).
void wp_random_bytes(void *out, size_t len);
uint64_t wp_random_u64(void);
// Uniform in [0, bound); 0 when bound is 0.
uint64_t wp_random_below(uint64_t bound);
// Uniform in [0, 1).
double wp_random_unit(void);
// One value per process, drawn at first use.
uint64_t wp_random_process_seed(void);
// RFC 9562 version 7 (begins with the time), 36 characters and NUL. A name, not a secret.
void wp_random_uuid(char out[37]);
void wp_random_uuid_at(int64_t wall_ms, char out[37]);

#endif
