// A simulated provider: Bedrock (InvokeModel, event streams, verified SigV4 or bearer) and the
// Anthropic API (SSE), several accounts, each with the prompt cache that the provider's documented
// rules give it. Used by `warmpath demo` and by the end-to-end tests. It shares framing and
// signatures with the gateway, but no line of what it is there to prove: cache semantics,
// validation and answers are its own (json/doc.h trees, no prompt/, provider/ or route/).
//
// Answers are scripted by the prompt. The newest user text that holds "[[sim: STEPS]]" rules; STEPS
// are separated by ";", one per assistant turn since then; a step is one or more actions separated
// by "|": `text WORDS`, `long N` (N deltas), `think WORDS`, or `TOOL {json}`. Without a script: a
// short text; with a JSON schema asked for: an instance of it.
//
// Control, on the same port: GET /_sim/state, POST /_sim/faults, POST /_sim/reset, POST
// /_sim/clock, POST /_sim/latency. See control.c.
#ifndef WP_SIM_SIM_H
#define WP_SIM_SIM_H

#include "base/err.h"
#include "base/view.h"
#include "net/loop.h"

struct wp_sim;

struct wp_sim_account_config {
    const char *name;
    const char *access_key_id, *secret_access_key; // SigV4
    const char *bearer;                            // Authorization: Bearer (Bedrock API key)
    const char *api_key;                           // Anthropic: x-api-key or Bearer
    const char *workspace_id;                      // Anthropic: cache scope
};

struct wp_sim_config {
    const char *host;
    uint16_t port; // 0: chosen by the kernel
    const struct wp_sim_account_config *accounts;
    size_t account_count;
    uint32_t ttft_ms;  // from request to first event
    uint32_t event_ms; // between events; 0: all at once
    bool keep_bodies;  // GET /_sim/state shows request bodies
};

enum { WP_SIM_ACCOUNTS_MAX = 32 };

// The accounts of the demo and of `warmpath provider`: account-1 … account-N, with made-up keys.
// N at most WP_SIM_ACCOUNTS_MAX. Strings are static.
void wp_sim_default_accounts(struct wp_sim_account_config *accounts, size_t count);

enum wp_err wp_sim_start(struct wp_loop *loop, const struct wp_sim_config *config,
                         struct wp_sim **out, char *error, size_t error_size) WP_WARN_UNUSED;
uint16_t wp_sim_port(const struct wp_sim *sim);
// Ends at once; `stopped` is called when nothing is left, then wp_sim_free.
void wp_sim_stop(struct wp_sim *sim, void (*stopped)(void *arg), void *arg);
void wp_sim_free(struct wp_sim *sim);

#endif
