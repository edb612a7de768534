// Pages: of the program's own files, what only start-up ran need not stay resident; of large
// memory, fewer and larger ones cost less to get.
#ifndef WP_BASE_PAGES_H
#define WP_BASE_PAGES_H

#include <stddef.h>

// Unmaps the clean pages of the program and its libraries (code, constants). What is needed again
// comes back from the page cache at first touch. Any thread.
void wp_pages_release(void);

// Asks for huge pages where memory of that range is touched from now on; where the system has none
// to give, nothing changes. Only for what will be filled: one touch takes 2 MiB. Any thread.
void wp_pages_enlarge(void *from, size_t len);

#endif
