// One request to a model and its answer, from head to ledger row. Private to gateway/.
//
//   HEAD → BODY → INSPECT → PLAN → CREDENTIALS → SEND → RELAY → SETTLE → DONE
//                             ↑ ↘      |           |       |
//                           WAIT ←─────┴───────────┴───────┘  (a failed attempt, nothing sent)
//
// Every state may go to SETTLE (an error, the client left). Until the first byte is sent to the
// client a failed attempt may go to the next candidate; after it only an error event may follow.
#ifndef WP_GATEWAY_EXCHANGE_H
#define WP_GATEWAY_EXCHANGE_H

#include "gateway/dialect.h"
#include "gateway/flight.h"
#include "gateway/front.h"
#include "gateway/keeper.h"
#include "gateway/worker.h"
#include "provider/reframe.h"

enum wp_exchange_state {
    WP_EXCHANGE_HEAD,
    WP_EXCHANGE_BODY,
    WP_EXCHANGE_INSPECT,
    WP_EXCHANGE_PLAN,
    WP_EXCHANGE_WAIT, // back-off before another attempt, or for another request's cache write
    WP_EXCHANGE_CREDENTIALS,
    WP_EXCHANGE_SEND,
    WP_EXCHANGE_RELAY,
    WP_EXCHANGE_SETTLE,
    WP_EXCHANGE_DONE,
    WP_EXCHANGE_STATE_COUNT,
};

enum {
    WP_EXCHANGE_MAGIC = 0x45584348,
    WP_HOLD_MAX = 1024 * 1024,           // bytes of a stream held back before its first content
    WP_HOLD_MS = 1000,                   // longest that message_start is held back
    WP_UPSTREAM_ERROR_MAX = 1024 * 1024, // bytes of an upstream's error body
    WP_JSON_ANSWER_MAX = 64 * 1024 * 1024,
    WP_ATTEMPTS_LOGGED = 16,
};

// One attempt, as the log shows it. Times in ns on the monotonic clock, 0 if not reached.
struct wp_try {
    const struct wp_deployment_config *deployment;
    wp_view upstream_model;
    wp_view api_base;
    uint64_t begun_ns, connected_ns, first_byte_ns, ended_ns;
    int status;
    enum wp_err err;
    bool reused;
};

struct wp_exchange {
    uint32_t magic;
    enum wp_exchange_state state;
    uint64_t state_since_ns;
    struct wp_deferred step; // what comes next, in a later stage of the turn
    struct wp_front *front;
    struct wp_worker *worker;
    struct wp_gateway *gateway;
    struct wp_arena *arena;
    enum wp_operation operation;
    enum wp_dialect dialect;    // of the client
    struct wp_model_path asked; // of dialects that say it in the path
    struct wp_reframe *reframe; // DIALECT_BEDROCK: the stream's frames

    // the request
    struct wp_buf body;
    struct wp_arena *body_arena;      // it, and what is found in it, until the answer begins
    struct wp_request_reader *reader; // in it, of a large body that is read as it comes
    size_t read_at;                   // bytes of it that were there when it was read last
    uint64_t body_bytes;
    struct wp_request request;
    struct wp_prompt prompt;
    bool has_prompt;
    struct wp_divergence divergence; // from the session's previous request
    wp_view history_stream;          // what the history knows the session's stream as; may be empty
    struct wp_hash128 stream;        // names the conversation to the keeper, when it is followed
    bool followed, marked;
    uint32_t lasting;               // tokens that an earlier entry of an hour holds
    struct wp_kept kept;            // what renewals did since its last request
    double kept_warm_saved;         // USD
    struct wp_marker_edits markers; // auto_ttl, breakpoint_repair
    wp_view session_id;
    uint64_t body_end_ns;

    // where it may go
    struct wp_resolved group;
    wp_view asked_group;          // the first group: what fallbacks are looked up by
    struct wp_model_info *models; // one per group.deployments; with the body
    struct wp_plan *plan;         // with room for plan_room candidates
    size_t plan_room;
    struct wp_plan_request plan_request;
    uint64_t tried;   // bit per group.deployments
    uint64_t refused; // of them the first that asked to come again later, and when
    uint64_t refused_until_ns;
    uint32_t retries, retries_max; // in this group
    uint32_t total_retries;        // that reached an upstream
    bool retrying;                 // the next attempt will be one
    uint32_t fallbacks;            // groups entered beyond the first
    struct wp_flight *flight;      // waiting for another request's cache write
    uint64_t wait_begun_ns;
    uint32_t waited_ms;        // in all
    uint32_t waited_before_ms; // of that, before the first call
    uint32_t plans_since_wait;
    bool context_exceeded;
    bool refreshed_credentials;

    // the attempt under way
    struct wp_attempt attempt;
    bool attempt_open;
    struct wp_try *tries, first_try; // try_count of them; there is mostly one
    uint32_t try_count, try_room;
    size_t candidate_index; // in group.deployments
    const struct wp_model_info *model;
    wp_view upstream_model;
    struct wp_upstream_request *upstream; // with the body
    struct wp_aws_keys keys;
    wp_view access_token; // Google's
    struct wp_renewal_wait *credentials_wait;
    struct wp_call *call;
    struct wp_answer *answer;
    struct wp_answer_options answer_options;
    struct wp_headers upstream_headers; // live as long as the call
    wp_view upstream_request_id;
    int upstream_status;
    struct wp_buf upstream_error_body;
    bool response_begun; // the router knows that the entries are readable
    uint64_t chunk_ns;   // when the bytes arrived that are being worked on, until the commit

    // the client
    struct wp_buf hold;    // client bytes not yet sent, before the commit; what a row shows of JSON
    struct wp_buf *gather; // while one piece of the answer is worked on: its events leave together
    bool committed;        // the response head has been sent
    bool writing_failed;
    bool upstream_paused;
    bool ended;            // response_end or abort has been called
    struct wp_timer timer; // hold, back-off
    struct wp_timer ping;
    uint64_t last_write_ns, commit_ns, first_call_ns, response_head_ns;
    uint64_t response_bytes;
    int http_status;

    // the outcome
    struct wp_upstream_error last_error;
    bool has_last_error;
    enum wp_err err;
    wp_view error_message;
    wp_view error_type; // Anthropic's name of it
    wp_view *dropped;
    size_t dropped_count;
    bool estimated;
    bool client_gone;
    bool complete; // the answer has been handed over whole
    bool recorded;
};

// route->kind: enum wp_operation, or WP_OP_IN_PATH where the path's end says which.
extern const struct wp_service wp_exchange_service;
enum { WP_OP_IN_PATH = -1 };

// exchange.c
void wp_exchange_set(struct wp_exchange *x, enum wp_exchange_state state);
const char *wp_exchange_action(const struct wp_exchange *x);
// Goes on with fn(x) in that stage of the loop's turn; one step at a time.
void wp_exchange_step(struct wp_exchange *x, enum wp_stage stage, void (*fn)(void *exchange));

// plan.c
// Enters the model group that `model` names; WP_ERR_UNKNOWN_MODEL, WP_ERR_NO_MEMORY.
enum wp_err wp_exchange_enter_group(struct wp_exchange *x, wp_view model) WP_WARN_UNUSED;
// Chooses a deployment, or what comes instead, when the turn comes to it.
void wp_exchange_plan(struct wp_exchange *x);
// The next group of the asked group's fallbacks that there is; false: none is left.
bool wp_exchange_enter_fallback(struct wp_exchange *x, enum wp_fallback_kind kind);
// A 429 that names its end, once per group and while another retry is left for elsewhere: the
// conversation may wait for its home instead of being written anew.
void wp_exchange_note_refusal(struct wp_exchange *x, const struct wp_upstream_error *error);
// Ends the wait for another's cache write; nothing if there is none.
void wp_exchange_stop_waiting(struct wp_exchange *x);

// attempt.c: the upstream side.
// Carries the plan out: its first candidate has begun (wp_router_begin).
void wp_exchange_start_attempt(struct wp_exchange *x);
// Ends what is under way without a word to the client (it left, or the exchange is over).
void wp_exchange_cancel_attempt(struct wp_exchange *x, enum wp_outcome outcome);

// retry.c: what a failed attempt means for the next one.
enum wp_error_kind wp_exchange_error_kind(const struct wp_upstream_error *error);
// How many further attempts this group gets after such a failure.
uint32_t wp_exchange_retries_allowed(const struct wp_exchange *x, enum wp_error_kind kind);
// False: the process's retry budget is used up.
bool wp_exchange_may_try_again(struct wp_exchange *x, const struct wp_upstream_error *error);
// Says so in error->message when credentials were refused and this machine's clock is wrong.
void wp_exchange_explain_skew(struct wp_exchange *x, struct wp_upstream_error *error);

// enable_pre_call_checks left nothing: no deployment of the plan's group takes a prompt of this
// size. The largest that one of them takes; 0 where the size is not the reason.
uint32_t wp_exchange_prompt_limit(const struct wp_exchange *x);
// In the words of the provider, by which clients know that they have to compact.
void wp_exchange_fail_too_long(struct wp_exchange *x, uint32_t most);
// The plan names nothing that could be tried: 429 where limits are the reason, 503 otherwise.
void wp_exchange_fail_unavailable(struct wp_exchange *x);

// relay.c: the client side.
void wp_exchange_write(void *exchange, wp_view bytes); // wp_answer_write
// A JSON answer as it is handed over: nothing of it is copied until it is sent.
struct wp_document {
    wp_view parts[WP_ANSWER_PARTS];
    size_t count;
};
void wp_document_add(void *document, wp_view bytes); // wp_answer_write
// A piece of the upstream's answer: what it yields for the client is sent at once, as one. False:
// memory is short.
bool wp_exchange_feed(struct wp_exchange *x, wp_view bytes) WP_WARN_UNUSED;
void wp_exchange_commit(struct wp_exchange *x);
// The answer has begun and nothing will ask for the request again: gives its memory back, where
// neither logs nor renewals want it.
void wp_exchange_drop_body(struct wp_exchange *x);
// The answer is complete; `document` holds it unless it is a stream.
void wp_exchange_complete(struct wp_exchange *x, const struct wp_document *document);
// Ends with an error: an envelope before the first byte, an event after it.
void wp_exchange_fail(struct wp_exchange *x, enum wp_err err, wp_view message,
                      int64_t retry_after_ms);
// Ends a count_tokens with the gateway's own estimate, where nobody else counts. False: this is
// none, or the client's request is at fault.
bool wp_exchange_estimate(struct wp_exchange *x);
// Ends with the upstream's last error.
void wp_exchange_fail_upstream(struct wp_exchange *x);

// settle.c: books.
void wp_exchange_record(struct wp_exchange *x);
// detail.c: what the row's drawer shows (store/detail.h).
void wp_exchange_put_detail(const struct wp_exchange *x, struct wp_buf *out);
// headers.c: of that, the client's headers, redacted.
void wp_exchange_put_headers(const struct wp_exchange *x, struct wp_buf *out);
// x-litellm-* fields for the response; strings in the arena.
enum wp_err wp_exchange_headers(struct wp_exchange *x, struct wp_headers *out) WP_WARN_UNUSED;
double wp_exchange_spend(const struct wp_exchange *x, double *saved);
// Output tokens estimated from what was sent, when the usage is not final.
void wp_exchange_estimate_output(struct wp_exchange *x);

#endif
