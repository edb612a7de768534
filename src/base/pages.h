// Pages of the program's own files: what only start-up ran need not stay resident.
#ifndef WP_BASE_PAGES_H
#define WP_BASE_PAGES_H

// Unmaps the clean pages of the program and its libraries (code, constants). What is needed again
// comes back from the page cache at first touch. Any thread.
void wp_pages_release(void);

#endif
