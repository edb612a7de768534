// Private to sim/.
#ifndef WP_SIM_PRIVATE_H
#define WP_SIM_PRIVATE_H

#include "base/buf.h"
#include "base/map.h"
#include "crypto/digest.h"
#include "http/server.h"
#include "sim/sim.h"
#include "json/doc.h"

enum {
    SIM_MAGIC = 0x53494d21,
    SIM_CALL_MAGIC = 0x53434c21,
    SIM_FAULTS_MAX = 64,
    SIM_LOG_MAX = 4096,
    SIM_BREAKPOINTS_MAX = 4,
    SIM_LOOKBACK = 20,
};

// The dialect of a body.
enum sim_platform { SIM_BEDROCK, SIM_ANTHROPIC, SIM_VERTEX };
// Whose front door a call came through: several serve the same dialect, and each has its own way
// to say who may not enter.
enum sim_front {
    SIM_FRONT_ANTHROPIC,
    SIM_FRONT_BEDROCK,          // InvokeModel
    SIM_FRONT_BEDROCK_MESSAGES, // bedrock-runtime's Messages route
    SIM_FRONT_MANTLE,
    SIM_FRONT_CLAUDE_AWS,
    SIM_FRONT_VERTEX,
    SIM_FRONT_FOUNDRY,
};

// cache.c ------------------------------------------------------------------------------------

// One cacheable position of a request.
struct sim_block {
    uint8_t digest[WP_SHA256_LEN]; // of the whole prefix up to here
    uint32_t tokens;               // of the whole prefix
    uint32_t position;             // counted as the lookback counts
    uint8_t ttl_minutes;           // 0: no breakpoint here; 5, 60
    bool takes_marker;
};

struct sim_prompt {
    struct sim_block *blocks;
    size_t count, capacity;
    uint32_t tokens;
};

struct sim_entry {
    int64_t expires_ms;
    int32_t ttl_ms;
    bool readable;
    uint32_t writers; // requests in flight that write it
};

struct sim_cache {
    struct wp_map entries; // "model\0digest" → struct sim_entry
};

struct sim_usage {
    uint32_t input, read, write_5m, write_1h, output;
};

// What one request did to the cache, until it is settled.
struct sim_cache_use {
    uint8_t keys[SIM_BREAKPOINTS_MAX][WP_SHA256_LEN];
    int32_t ttl_ms[SIM_BREAKPOINTS_MAX];
    int64_t begun_ms;
    size_t count;
};

void sim_cache_free(struct sim_cache *cache);
// Reads and notes the writes of a request that starts at now_ms. Entries become readable with
// sim_cache_begun, or vanish with sim_cache_failed.
void sim_cache_request(struct sim_cache *cache, wp_view model, uint32_t minimum,
                       const struct sim_prompt *prompt, int64_t now_ms, struct sim_usage *usage,
                       struct sim_cache_use *use);
void sim_cache_begun(struct sim_cache *cache, wp_view model, const struct sim_cache_use *use);
void sim_cache_failed(struct sim_cache *cache, wp_view model, const struct sim_cache_use *use);
size_t sim_cache_live(const struct sim_cache *cache, int64_t now_ms);

// request.c ----------------------------------------------------------------------------------

// Where an account's provider differs from the plain rules; all zero: nowhere.
struct sim_rules {
    bool thinking_in_head; // thinking and effort are rendered before tools and system
    bool hour_as_5m;       // 1 h is taken and served as 5 m
    bool bound_thinking;   // thinking that another account signed is left out, without a word
};

struct sim_request {
    const struct wp_json_val *root;
    wp_view model;
    bool stream;
    uint64_t max_tokens;
    struct sim_prompt prompt;
};

// What a request is read by: the account's name signs thinking.
struct sim_reading {
    enum sim_platform platform;
    wp_view model, betas; // of the path; of the header
    wp_view account;
    struct sim_rules rules;
};
// Parses and validates as the platform does. False: *status and *message say why.
bool sim_request_parse(struct wp_arena *arena, const struct sim_reading *reading, wp_view body,
                       struct sim_request *out, int *status, wp_view *message);
uint32_t sim_minimum_tokens(enum sim_platform platform, wp_view model);

// answer.c -----------------------------------------------------------------------------------

// Base64 of the account's name, NUL-terminated: what it signs its thinking with.
enum { SIM_SIGNATURE_MAX = 64 };
void sim_signature(wp_view account, char out[SIM_SIGNATURE_MAX]);

struct sim_event {
    const char *type;
    wp_view json;
};

struct sim_answer {
    struct sim_event *events; // message_start … message_stop
    size_t count, capacity;
    wp_view whole; // the non-streamed message
    uint32_t output_tokens;
};
// False when memory is short.
bool sim_answer_build(struct wp_arena *arena, const struct sim_request *request,
                      const struct sim_usage *usage, wp_view account, uint64_t number,
                      bool invocation_metrics, struct sim_answer *out);

// faults -------------------------------------------------------------------------------------

enum sim_fault_kind {
    SIM_FAULT_STATUS,    // answer with `status` (and retry_after, error_type, message)
    SIM_FAULT_RESET,     // close without an answer, or after `after_events` events
    SIM_FAULT_HANG,      // silence: before the head, or after `after_events` events
    SIM_FAULT_EXCEPTION, // event-stream exception or SSE error event after `after_events`
    SIM_FAULT_CORRUPT,   // a byte of the frame after `after_events` is flipped
    SIM_FAULT_TRUNCATE,  // clean end after `after_events` events, without message_stop
    SIM_FAULT_HTML,      // 200 with text/html
    SIM_FAULT_REDIRECT,  // 302 to another place
    SIM_FAULT_SLOW,      // first byte after delay_ms
    SIM_FAULT_KINDS,
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint32_t count; // requests left that it hits
    int status;
    int32_t after_events; // -1: before the head
    uint32_t delay_ms;
    char retry_after[40], retry_after_ms[24], type[64], message[256];
    char contains[64]; // only requests whose body holds this; empty: all
};

// what was received --------------------------------------------------------------------------

struct sim_logged {
    uint64_t number;
    int status;
    bool stream, complete;
    char path[256], model[128], session[80], betas[1024], body_sha256[WP_SHA256_HEX_LEN + 1];
    struct sim_usage usage;
    size_t body_len;
    char *body; // with keep_bodies
};

struct sim_account {
    struct wp_sim_account_config config;
    struct sim_cache cache;
    struct sim_rules rules;
    struct sim_fault faults[SIM_FAULTS_MAX];
    size_t fault_count;
    struct sim_logged *log;
    size_t log_count, log_capacity;
    uint64_t requests, failures, rejected;
    struct sim_usage totals;
};

struct wp_sim {
    uint32_t magic;
    struct wp_loop *loop;
    struct wp_server *server;
    struct sim_account accounts[WP_SIM_ACCOUNTS_MAX];
    size_t account_count;
    uint32_t ttft_ms, event_ms;
    bool keep_bodies;
    int64_t clock_offset_ms;
    uint64_t numbers;
    uint64_t unauthorized;
};

int64_t sim_now_ms(const struct wp_sim *sim);
// The first fault that is armed for this account and body, taken (counted down); false if there is
// none.
bool sim_fault_take(struct sim_account *account, wp_view body, struct sim_fault *out);

// calls --------------------------------------------------------------------------------------

enum sim_endpoint {
    SIM_INVOKE,
    SIM_INVOKE_STREAM,
    SIM_BEDROCK_COUNT,
    SIM_MESSAGES,
    SIM_COUNT,
    SIM_MODELS,
    SIM_CONTROL,
    SIM_UNKNOWN,
};

struct sim_call {
    uint32_t magic;
    struct wp_sim *sim;
    struct wp_server_request *request;
    const struct wp_request_head *head;
    struct wp_arena *arena;
    struct wp_buf body;
    enum sim_endpoint endpoint;
    enum sim_platform platform;
    enum sim_front front;
    wp_view model; // of the path
    struct sim_account *account;
    size_t log_index; // in account->log; SIZE_MAX: none
    struct sim_request parsed;
    struct sim_usage usage;
    struct sim_cache_use use;
    struct sim_answer answer;
    struct sim_fault fault;
    bool faulty;
    bool begun, ended; // the cache knows; the response is over
    size_t next;       // event to send
    struct wp_timer timer;
};

// reply.c: how a call is answered, faults included.
struct sim_call *sim_call_of(void *state);
// Its row in the account's log; NULL: none.
struct sim_logged *sim_call_logged(struct sim_call *call);
void sim_send_whole(struct sim_call *call, int status, const char *content_type, wp_view body,
                    const struct wp_header *extra, size_t count);
// One event as the platform's stream carries it.
void sim_event_encode(enum sim_platform platform, const struct sim_event *event,
                      struct wp_buf *out);
// Faults that strike before a head. True if the call is dealt with.
bool sim_fault_before_head(struct sim_call *call);
// Sends call->answer, as events or whole. A timer's callback: `arg` is the call.
void sim_answer_send(void *arg);

// front.c: whose door it is, and what it says to those it turns away.
void sim_front_choose(struct sim_call *call);
// What the door asks of a request before the model sees it. NULL: nothing is wrong.
const char *sim_front_refusal(const struct sim_call *call, int *status);
// The service that a signature must be for.
const char *sim_front_service(enum sim_front front);
// An error in the form of that door. `type` and `retry_after` may be NULL.
void sim_send_error(struct sim_call *call, int status, wp_view message, const char *type,
                    const char *retry_after);

// control.c
void sim_control(struct wp_sim *sim, struct wp_server_request *request,
                 const struct wp_request_head *head, wp_view body, struct wp_arena *arena);

#endif
