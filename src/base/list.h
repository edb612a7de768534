// Intrusive doubly linked ring. Unlinking is idempotent: an unlinked node points at itself.
#ifndef WP_BASE_LIST_H
#define WP_BASE_LIST_H

#include <stdbool.h>

#include "base/check.h"

struct wp_list {
    struct wp_list *next, *prev;
};

static inline void wp_list_init(struct wp_list *node)
{
    node->next = node->prev = node;
}
static inline bool wp_list_empty(const struct wp_list *head)
{
    return head->next == head;
}
static inline void wp_list_unlink(struct wp_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    wp_list_init(node);
}
// Puts `node` (unlinked) at the end, before `head`.
static inline void wp_list_append(struct wp_list *head, struct wp_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline void wp_list_prepend(struct wp_list *head, struct wp_list *node)
{
    wp_list_append(head->next, node);
}

// The loop variable may be unlinked in the body.
#define WP_LIST_FOREACH(node, head)                                                      \
    for (struct wp_list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
