// One worker's event loop: timers, deferred calls, calls posted from other threads, blocking
// work on the pool, signals. Adapter of libuv (with net/conn and net/listener the only users).
// Unless said otherwise a function is called on the loop's own thread.
#ifndef WP_NET_LOOP_H
#define WP_NET_LOOP_H

#include "base/bufq.h"
#include "base/err.h"
#include "base/list.h"
#include "base/view.h"

struct wp_loop;

enum wp_err wp_loop_create(struct wp_loop **out) WP_WARN_UNUSED;
// After run has returned; closes what is left.
void wp_loop_destroy(struct wp_loop *loop);
// Runs until wp_loop_stop; may be run again.
void wp_loop_run(struct wp_loop *loop);
// Any thread.
void wp_loop_stop(struct wp_loop *loop);
// Monotonic time at the start of the turn's stage, in ns.
uint64_t wp_loop_now_ns(const struct wp_loop *loop);
// Chunks for the queues of this worker.
struct wp_chunk_pool *wp_loop_chunks(struct wp_loop *loop);

// Calls fn(arg) on the loop's thread, in order of posting. Any thread. WP_ERR_NO_MEMORY, or
// WP_ERR_SHUTTING_DOWN once the loop is being destroyed (fn is not called then).
enum wp_err wp_loop_post(struct wp_loop *loop, void (*fn)(void *arg), void *arg) WP_WARN_UNUSED;
// The same with memory of the caller's, which lives until fn is called: it cannot fail for want of
// memory.
struct wp_post {
    struct wp_post *next;
    void (*fn)(void *arg);
    void *arg;
    bool callers; // the memory; false: the loop frees it
};
enum wp_err wp_loop_post_with(struct wp_loop *loop, struct wp_post *post, void (*fn)(void *arg),
                              void *arg) WP_WARN_UNUSED;
// A turn is worked through stage by stage: what is ready on many connections is read from all of
// them, then scanned for all, and so on. A request passes through more code than the processor's
// first cache holds; a stage's code stays there while it serves one after another.
enum wp_stage {
    WP_STAGE_CLIENTS,   // what clients sent is read and parsed
    WP_STAGE_INSPECT,   // requests that are whole are looked into
    WP_STAGE_PLAN,      // where they go
    WP_STAGE_CALL,      // what is sent upstream is made
    WP_STAGE_UPSTREAMS, // what upstreams sent is read, parsed and relayed
    WP_STAGE_ANSWER,    // answers that are whole are brought to their end
    WP_STAGE_SEND,      // what was written leaves
    WP_STAGE_LAST,      // books; objects destroy themselves safely
    WP_STAGE_COUNT,
};
// Calls fn(arg) in that stage of this turn. What an earlier stage is given by a later one is done
// before the next stage begins. The node must stay valid until then; deferring it twice calls it
// once.
struct wp_deferred {
    struct wp_list link;
    void (*fn)(void *arg);
    void *arg;
    enum wp_stage stage;
};
void wp_deferred_init(struct wp_deferred *deferred, enum wp_stage stage, void (*fn)(void *arg),
                      void *arg);
void wp_loop_defer(struct wp_loop *loop, struct wp_deferred *deferred);
void wp_deferred_cancel(struct wp_deferred *deferred);
// Runs what is deferred now: for owners that are taken down after the loop has stopped.
void wp_loop_flush_deferred(struct wp_loop *loop);

// One-shot timer. Embedded in its owner; stopping is idempotent; a stopped timer may be freed.
struct wp_timer {
    void (*fn)(void *arg);
    void *arg;
    struct wp_loop *loop;
    uint64_t due_ns;     // UINT64_MAX while it rests
    uint64_t looked_ns;  // when the loop looks at it: not later than it is due
    uint32_t heap_index; // UINT32_MAX while stopped
};
void wp_timer_init(struct wp_timer *timer, struct wp_loop *loop, void (*fn)(void *arg), void *arg);
// (Re)starts it; fires once after at least `ms` milliseconds.
void wp_timer_start(struct wp_timer *timer, uint64_t ms);
void wp_timer_stop(struct wp_timer *timer);
// Does not fire until it is started again. Cheaper than to stop it where that happens often; but it
// must be stopped before it is freed.
void wp_timer_rest(struct wp_timer *timer);
bool wp_timer_active(const struct wp_timer *timer);

// Runs work(arg) on the thread pool, then done(arg) on the loop's thread. WP_ERR_NO_MEMORY if it
// could not be queued.
enum wp_err wp_loop_work(struct wp_loop *loop, void (*work)(void *arg), void (*done)(void *arg),
                         void *arg) WP_WARN_UNUSED;

// Calls fn(arg, signum) on the loop's thread when the process gets the signal.
enum wp_err wp_loop_on_signal(struct wp_loop *loop, int signum, void (*fn)(void *arg, int signum),
                              void *arg) WP_WARN_UNUSED;

#endif
