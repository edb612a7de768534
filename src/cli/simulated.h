// The simulated provider on a thread of its own.
#ifndef WP_CLI_SIMULATED_H
#define WP_CLI_SIMULATED_H

#include "sim/sim.h"

struct wp_simulated;

// NULL with a message on stderr.
struct wp_simulated *wp_simulated_start(const struct wp_sim_config *config);
uint16_t wp_simulated_port(const struct wp_simulated *simulated);
void wp_simulated_stop(struct wp_simulated *simulated);

// SIGTERM and SIGINT, for a process that does nothing else.
void wp_simulated_block_signals(void);
void wp_simulated_wait_signal(void);

#endif
