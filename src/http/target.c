#include "http/target.h"

#include "base/codec.h"

// Sets of ASCII bytes, a bit each.
#define BIT(c)  ((uint64_t)1 << ((c)&63))
#define DIGITS  ((uint64_t)0x3ff << '0')
#define LETTERS (((uint64_t)0x3ffffff << ('A' & 63)) | ((uint64_t)0x3ffffff << ('a' & 63)))
static const uint64_t NAME_BYTES[2] = {DIGITS | BIT('-'), LETTERS | BIT('_')};
static const uint64_t HOST_BYTES[2] = {DIGITS | BIT('-') | BIT('.') | BIT(':'), LETTERS | BIT('_')};
#undef BIT
#undef DIGITS
#undef LETTERS

static inline bool is_in(const uint64_t set[2], char byte)
{
    unsigned char c = (unsigned char)byte;
    return c < 128 && ((set[c >> 6] >> (c & 63)) & 1) != 0;
}

// "http://host/path" names the same resource as "/path"; the authority is not used for routing.
static wp_view origin_form(wp_view raw)
{
    bool absolute = wp_view_starts_with_nocase(raw, WP_VIEW("http://")) ||
                    wp_view_starts_with_nocase(raw, WP_VIEW("https://"));
    if (!absolute)
        return raw;
    wp_view rest = wp_view_skip(raw, wp_view_find(raw, WP_VIEW("://")) + 3);
    size_t slash = wp_view_find_char(rest, '/');
    if (!wp_host_valid(wp_view_sub(rest, 0, slash)))
        return WP_VIEW("");
    return slash == WP_NOT_FOUND ? WP_VIEW("/") : wp_view_skip(rest, slash);
}

// Encoded slashes and NULs hide what a path is.
static bool hides_something(wp_view path)
{
    static const char *const bad[] = {"%2f", "%2F", "%00", "%5c", "%5C"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (wp_view_contains(path, wp_view_of(bad[i])))
            return true;
    return false;
}

static bool canonical(wp_view path)
{
    wp_view rest = wp_view_skip(path, 1), segment;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            return false;
    }
    while (wp_view_next_token(&rest, '/', &segment)) {
        bool last = rest.ptr == NULL;
        if (wp_view_is(segment, ".") || wp_view_is(segment, "..") || (segment.len == 0 && !last))
            return false;
    }
    return true;
}

// Model ids of Bedrock's dialect may hold encoded slashes (ARNs): they stay encoded there.
static bool is_model_path(wp_view path)
{
    static const wp_view mount = {"/bedrock/", 9};
    if (wp_view_starts_with(path, mount))
        path = wp_view_skip(path, mount.len - 1);
    return wp_view_starts_with(path, WP_VIEW("/model/")) ||
           wp_view_starts_with(path, WP_VIEW("/inference-profiles/"));
}

// Bytes of the path that the target begins with, if it reads the same in every spelling: letters,
// digits and a few marks, no segment that is empty or begins with a dot. 0: it has to be read with
// care, as most have not.
static size_t plain_path(wp_view target)
{
    if (target.len == 0 || target.ptr[0] != '/')
        return 0;
    size_t at = 1;
    for (; at < target.len && target.ptr[at] != '?'; at++) {
        char c = target.ptr[at];
        bool mark = c == '/' || c == '.' || c == ':';
        if (!is_in(NAME_BYTES, c) && (!mark || target.ptr[at - 1] == '/'))
            return 0;
    }
    return at;
}

bool wp_target_parse(struct wp_arena *arena, wp_view raw, struct wp_request_head *head)
{
    size_t plain = plain_path(raw);
    if (wp_view_find_char(wp_view_skip(raw, plain), '#') != WP_NOT_FOUND)
        return false; // no form of a target has a fragment
    if (plain > 0) {
        head->target = raw;
        head->path = wp_view_sub(raw, 0, plain);
        head->query = wp_view_skip(raw, plain + 1);
        return true;
    }
    head->target = origin_form(raw);
    if (wp_view_is(head->target, "*")) {
        head->path = head->target;
        return true;
    }
    if (head->target.len == 0 || head->target.ptr[0] != '/')
        return false;
    size_t question = wp_view_find_char(head->target, '?');
    wp_view path = wp_view_sub(head->target, 0, question);
    head->query = question == WP_NOT_FOUND ? WP_VIEW("") : wp_view_skip(head->target, question + 1);
    bool model_path = is_model_path(path);
    if (hides_something(path) && (!model_path || wp_view_contains(path, WP_VIEW("%00"))))
        return false;
    char *decoded = wp_arena_alloc(arena, path.len + 1);
    size_t len = path.len;
    head->path = (wp_view){NULL, 0};
    if (decoded == NULL)
        return true;
    memcpy(decoded, path.ptr, path.len);
    if (!model_path && !wp_percent_decode(path, decoded, &len))
        return false;
    head->path = wp_view_make(decoded, len);
    return canonical(head->path);
}

bool wp_host_valid(wp_view host)
{
    if (host.ptr == NULL || host.len == 0 || host.len > 255)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (is_in(HOST_BYTES, host.ptr[i]))
            continue;
        if (c <= 0x20 || c >= 0x7f || strchr("/\\#@?%,;\"'<>{}|^`", c) != NULL)
            return false;
    }
    return true;
}
