// AWS shared config and credentials files. Private to aws/.
#ifndef WP_AWS_INI_H
#define WP_AWS_INI_H

#include "base/arena.h"
#include "base/map.h"

// "section\nkey" → value (char*, in the arena). Sections are as written: "profile x", "x",
// "default".
struct wp_ini {
    struct wp_arena *arena;
    struct wp_map values;
};

struct wp_ini *wp_ini_create(void); // NULL: no memory
void wp_ini_free(struct wp_ini *ini);
// Adds a file; false if it does not exist or cannot be read.
bool wp_ini_load(struct wp_ini *ini, const char *path);
void wp_ini_parse(struct wp_ini *ini, wp_view text);
// Empty if absent.
wp_view wp_ini_get(const struct wp_ini *ini, wp_view section, const char *key);
bool wp_ini_has_section(const struct wp_ini *ini, wp_view section);

#endif
