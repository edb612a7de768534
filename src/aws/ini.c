#include "aws/ini.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"

enum { FILE_MAX = 4 * 1024 * 1024, KEYS_MAX = 100000 };

struct wp_ini *wp_ini_create(void)
{
    struct wp_ini *ini = wp_alloc(sizeof(*ini));
    if (ini == NULL)
        return NULL;
    ini->arena = wp_arena_create(0);
    ini->values = wp_map_make(KEYS_MAX);
    if (ini->arena == NULL) {
        wp_free(ini);
        return NULL;
    }
    return ini;
}

void wp_ini_free(struct wp_ini *ini)
{
    if (ini == NULL)
        return;
    wp_map_free(&ini->values);
    wp_arena_destroy(ini->arena);
    wp_free(ini);
}

static void put(struct wp_ini *ini, wp_view section, wp_view key, wp_view value)
{
    char name[1024];
    int len = snprintf(name, sizeof(name), "%.*s\n%.*s", WP_VIEW_ARG(section), WP_VIEW_ARG(key));
    char *copy = wp_arena_cstring(ini->arena, value);
    if (len <= 0 || (size_t)len >= sizeof(name) || copy == NULL)
        return;
    if (!wp_map_set(&ini->values, wp_view_make(name, (size_t)len), copy))
        return;
}

// A comment begins with # or ; at the start of a line, or after white space behind a value.
static wp_view without_comment(wp_view value)
{
    for (size_t i = 1; i < value.len; i++)
        if ((value.ptr[i] == '#' || value.ptr[i] == ';') &&
            (value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t'))
            return wp_view_trim(wp_view_sub(value, 0, i));
    return value;
}

static wp_view section_name(wp_view line)
{
    size_t close = wp_view_find_char(line, ']');
    return wp_view_trim(wp_view_sub(line, 1, close));
}

void wp_ini_parse(struct wp_ini *ini, wp_view text)
{
    wp_view rest = text, line, section = {NULL, 0};
    while (rest.ptr != NULL && wp_view_next_token(&rest, '\n', &line)) {
        bool nested = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
        line = wp_view_trim(line);
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';' ||
            wp_view_find_char(line, '\0') != WP_NOT_FOUND)
            continue;
        if (line.ptr[0] == '[') {
            section = section_name(line);
            put(ini, section, WP_VIEW(""), WP_VIEW("1"));
            continue;
        }
        size_t equals = wp_view_find_char(line, '=');
        wp_view key = wp_view_trim(wp_view_sub(line, 0, equals)); // "" marks the section itself
        // indented lines belong to a nested key (s3 = …), which nothing here reads
        if (equals == WP_NOT_FOUND || key.len == 0 || nested || section.ptr == NULL)
            continue;
        put(ini, section, key, without_comment(wp_view_trim(wp_view_skip(line, equals + 1))));
    }
}

bool wp_ini_load(struct wp_ini *ini, const char *path)
{
    struct wp_buf buf = wp_buf_make(FILE_MAX);
    bool ok = wp_file_read(path, &buf);
    if (ok && buf.len > 0)
        wp_ini_parse(ini, wp_buf_view(&buf));
    wp_buf_free(&buf);
    return ok;
}

wp_view wp_ini_get(const struct wp_ini *ini, wp_view section, const char *key)
{
    char name[1024];
    int len = snprintf(name, sizeof(name), "%.*s\n%s", WP_VIEW_ARG(section), key);
    if (len <= 0 || (size_t)len >= sizeof(name))
        return (wp_view){NULL, 0};
    return wp_view_of(wp_map_get(&ini->values, wp_view_make(name, (size_t)len)));
}

bool wp_ini_has_section(const struct wp_ini *ini, wp_view section)
{
    return wp_ini_get(ini, section, "").len > 0;
}
