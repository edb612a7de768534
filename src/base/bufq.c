#include "base/bufq.h"

#include "base/alloc.h"

struct wp_chunk {
    struct wp_chunk *next;
    uint32_t begin, end; // live bytes are data[begin, end)
    char data[];
};

enum { CHUNK_DATA = WP_CHUNK_SIZE - sizeof(struct wp_chunk) };

void wp_chunk_pool_init(struct wp_chunk_pool *pool, size_t keep)
{
    *pool = (struct wp_chunk_pool){.keep = keep};
}

void wp_chunk_pool_clear(struct wp_chunk_pool *pool)
{
    while (pool->free != NULL) {
        struct wp_chunk *chunk = pool->free;
        pool->free = chunk->next;
        wp_free(chunk);
    }
    pool->free_count = pool->least = 0;
}

size_t wp_chunk_pool_trim(struct wp_chunk_pool *pool)
{
    size_t freed = pool->least;
    for (size_t i = 0; i < freed; i++) {
        struct wp_chunk *chunk = pool->free;
        pool->free = chunk->next;
        wp_free(chunk);
    }
    pool->free_count -= freed;
    pool->least = pool->free_count;
    return freed * WP_CHUNK_SIZE;
}

static struct wp_chunk *take(struct wp_chunk_pool *pool)
{
    struct wp_chunk *chunk = pool->free;
    if (wp_alloc_must_fail())
        return NULL;
    if (chunk == NULL) {
        chunk = wp_realloc(NULL, WP_CHUNK_SIZE); // not zeroed: it is overwritten
    } else {
        pool->free = chunk->next;
        if (--pool->free_count < pool->least)
            pool->least = pool->free_count;
    }
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->begin = chunk->end = 0;
    }
    return chunk;
}

static void give_back(struct wp_chunk_pool *pool, struct wp_chunk *chunk)
{
    if (pool->free_count >= pool->keep) {
        wp_free(chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

void wp_bufq_init(struct wp_bufq *queue, struct wp_chunk_pool *pool, size_t max)
{
    *queue = (struct wp_bufq){.pool = pool, .max = max};
}

void wp_bufq_clear(struct wp_bufq *queue)
{
    wp_bufq_consume(queue, queue->len);
}

// Chunks for `len` bytes, linked, before anything is copied, so that append is all or nothing.
static bool reserve(struct wp_bufq *queue, size_t len, struct wp_chunk **first)
{
    size_t room = queue->tail == NULL ? 0 : CHUNK_DATA - queue->tail->end;
    struct wp_chunk **link = first;
    *first = NULL;
    while (room < len) {
        *link = take(queue->pool);
        if (*link == NULL) {
            while (*first != NULL) {
                struct wp_chunk *chunk = *first;
                *first = chunk->next;
                give_back(queue->pool, chunk);
            }
            return false;
        }
        link = &(*link)->next;
        room += CHUNK_DATA;
    }
    return true;
}

static void fill(struct wp_chunk *chunk, wp_view v)
{
    memcpy(chunk->data + chunk->end, v.ptr, v.len);
    chunk->end += (uint32_t)v.len;
}

bool wp_bufq_append(struct wp_bufq *queue, wp_view v)
{
    struct wp_chunk *fresh;
    if (v.len == 0)
        return true;
    if (v.len > queue->max - queue->len)
        return false;
    if (queue->tail != NULL && v.len <= CHUNK_DATA - queue->tail->end) {
        fill(queue->tail, v);
        queue->len += v.len;
        return true;
    }
    if (!reserve(queue, v.len, &fresh))
        return false;
    queue->len += v.len;
    if (queue->tail == NULL) {
        WP_CHECK(fresh != NULL); // an empty queue has no room of its own
        queue->head = queue->tail = fresh;
    } else {
        queue->tail->next = fresh;
    }
    while (v.len > 0) {
        size_t room = CHUNK_DATA - queue->tail->end;
        if (room == 0) {
            queue->tail = queue->tail->next;
            continue;
        }
        size_t part = v.len < room ? v.len : room;
        fill(queue->tail, wp_view_make(v.ptr, part));
        v = wp_view_skip(v, part);
    }
    return true;
}

size_t wp_bufq_peek(const struct wp_bufq *queue, struct iovec *vectors, size_t max)
{
    size_t count = 0;
    for (struct wp_chunk *chunk = queue->head; chunk != NULL && count < max; chunk = chunk->next) {
        if (chunk->end == chunk->begin)
            continue;
        vectors[count++] = (struct iovec){chunk->data + chunk->begin, chunk->end - chunk->begin};
    }
    return count;
}

void wp_bufq_consume(struct wp_bufq *queue, size_t count)
{
    WP_CHECK(count <= queue->len);
    queue->len -= count;
    while (queue->head != NULL) {
        struct wp_chunk *chunk = queue->head;
        size_t here = chunk->end - chunk->begin;
        if (count < here) {
            chunk->begin += (uint32_t)count;
            return;
        }
        count -= here;
        queue->head = chunk->next;
        give_back(queue->pool, chunk);
        if (queue->head == NULL)
            queue->tail = NULL;
        if (count == 0 && queue->len != 0)
            return;
    }
}
