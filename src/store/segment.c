// Memory of waiting records: one after another in segments, which go from the workers to the
// recorder and back. Allocations of 2 KB that another thread frees are what malloc is worst at.
#include "base/alloc.h"
#include "store/private.h"

enum { ALIGNMENT = 16 };
#if defined(__SANITIZE_ADDRESS__) || defined(WP_ALLOC_FAULTS)
static const size_t item_max = 0; // where tools watch every allocation
#else
static const size_t item_max = 16 * 1024;
#endif

struct store_segment {
    struct store_segment *next;
    size_t used;
    size_t live; // items in it
    size_t padding;
    char data[64 * 1024 - 32];
};

bool store_item_is_large(size_t size)
{
    return size > item_max;
}

static struct store_segment *take(struct store_segments *segments)
{
    struct store_segment *segment = segments->spare;
    if (segment == NULL) {
        segment = wp_realloc(NULL, sizeof(*segment)); // not zeroed: only its used part is touched
    } else {
        segments->spare = segment->next;
        segments->spare_count--;
    }
    if (segment != NULL) {
        segment->next = NULL;
        segment->used = segment->live = 0;
    }
    return segment;
}

struct store_item *store_segments_place(struct store_segments *segments, size_t size)
{
    struct store_segment *segment = segments->filling;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (segment == NULL || size > sizeof(segment->data) - segment->used) {
        segment = take(segments); // the one before is given back by its last item
        if (segment == NULL)
            return NULL;
        segments->filling = segment;
    }
    struct store_item *item = (struct store_item *)(void *)(segment->data + segment->used);
    segment->used += size;
    segment->live++;
    *item = (struct store_item){.segment = segment};
    return item;
}

void store_segments_release(struct store_segments *segments, struct store_item *item)
{
    struct store_segment *segment = item->segment;
    if (--segment->live > 0)
        return;
    if (segment == segments->filling) {
        segment->used = 0;
        return;
    }
    segment->next = segments->spare;
    segments->spare = segment;
    segments->spare_count++;
    segments->freed++;
}

struct store_segment *store_segments_trim(struct store_segments *segments)
{
    struct store_segment *surplus = NULL;
    while (segments->spare_count > segments->freed + 1) {
        struct store_segment *segment = segments->spare;
        segments->spare = segment->next;
        segments->spare_count--;
        segment->next = surplus;
        surplus = segment;
    }
    segments->freed = 0;
    return surplus;
}

void store_segment_free_list(struct store_segment *first)
{
    while (first != NULL) {
        struct store_segment *next = first->next;
        wp_free(first);
        first = next;
    }
}

void store_segments_free(struct store_segments *segments)
{
    store_segment_free_list(segments->spare);
    wp_free(segments->filling);
    *segments = (struct store_segments){0};
}

// Order -----------------------------------------------------------------------------------------

// Two sorted lists as one; of equals those of `a` come first.
static struct store_item *merge(struct store_item *a, struct store_item *b)
{
    struct store_item *first = NULL, **tail = &first;
    while (a != NULL && b != NULL) {
        struct store_item **from = b->record.start_ms < a->record.start_ms ? &b : &a;
        *tail = *from;
        tail = &(*from)->next;
        *from = *tail;
    }
    *tail = a != NULL ? a : b;
    return first;
}

// Takes the longest ordered list from the front of *rest.
static struct store_item *take_run(struct store_item **rest)
{
    struct store_item *first = *rest, *last = first;
    while (last->next != NULL && last->next->record.start_ms >= last->record.start_ms)
        last = last->next;
    *rest = last->next;
    last->next = NULL;
    return first;
}

void store_items_sort(struct store_item **items)
{
    enum { LEVELS = 16 };
    struct store_item *levels[LEVELS] = {NULL}; // level i: of 2^i runs
    struct store_item *rest = *items, *all = NULL;
    while (rest != NULL) {
        struct store_item *run = take_run(&rest);
        size_t level = 0;
        for (; level + 1 < LEVELS && levels[level] != NULL; level++) {
            run = merge(levels[level], run);
            levels[level] = NULL;
        }
        levels[level] = levels[level] == NULL ? run : merge(levels[level], run);
    }
    for (size_t i = 0; i < LEVELS; i++)
        all = merge(levels[i], all);
    *items = all;
}
