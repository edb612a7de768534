// Bounded queue of bytes in pooled chunks: what a connection has yet to send. Appending copies;
// consuming returns chunks to the pool. Not thread-safe: a pool and its queues belong to one
// worker.
#ifndef WP_BASE_BUFQ_H
#define WP_BASE_BUFQ_H

#include <sys/uio.h>

#include "base/check.h"
#include "base/view.h"

enum { WP_CHUNK_SIZE = 16 * 1024 }; // bytes of a chunk with its header

struct wp_chunk;

// Free chunks of one worker; at most `keep` are retained, the rest go back to malloc.
struct wp_chunk_pool {
    struct wp_chunk *free;
    size_t free_count;
    size_t keep;
    size_t least; // fewest free since the last trim: those were not needed
};
void wp_chunk_pool_init(struct wp_chunk_pool *pool, size_t keep);
void wp_chunk_pool_clear(struct wp_chunk_pool *pool);  // frees what is not lent
size_t wp_chunk_pool_trim(struct wp_chunk_pool *pool); // frees what was not lent since; bytes

struct wp_bufq {
    struct wp_chunk_pool *pool;
    struct wp_chunk *head, *tail;
    size_t len; // bytes queued
    size_t max; // bytes; appending beyond it fails
};
void wp_bufq_init(struct wp_bufq *queue, struct wp_chunk_pool *pool, size_t max);
void wp_bufq_clear(struct wp_bufq *queue);
// All of `v` or nothing: false past the maximum or when memory is short.
bool wp_bufq_append(struct wp_bufq *queue, wp_view v) WP_WARN_UNUSED;
// Fills up to `max` vectors with the oldest bytes, without copying; returns how many.
size_t wp_bufq_peek(const struct wp_bufq *queue, struct iovec *vectors, size_t max);
// Drops the oldest `count` bytes (count <= len).
void wp_bufq_consume(struct wp_bufq *queue, size_t count);

#endif
