// Substring search over several columns at once. One call per row instead of a LIKE per column:
// that is most of what a search costs beside reading the rows. And how far a statement has come
// that is stopped before it is through: what it found until then is an answer too.
#include "store/private.h"

static unsigned char other_case(unsigned char lower)
{
    return lower >= 'a' && lower <= 'z' ? (unsigned char)(lower - 'a' + 'A') : lower;
}

static bool matches(const unsigned char *at, const unsigned char *what, size_t len)
{
    size_t i = 0;
    while (i < len && (at[i] == what[i] || at[i] == other_case(what[i])))
        i++;
    return i == len;
}

// `what` is lower case and not empty.
static bool holds(const unsigned char *text, size_t text_len, const unsigned char *what, size_t len)
{
    unsigned char lower = what[0], upper = other_case(lower);
    if (text_len < len)
        return false;
    const unsigned char *end = text + (text_len - len) + 1;
    for (const unsigned char *at = text; at < end; at++)
        if ((*at == lower || *at == upper) && matches(at, what, len))
            return true;
    return false;
}

static void any_holds(sqlite3_context *context, int count, sqlite3_value **values)
{
    const unsigned char *what = sqlite3_value_text(values[0]);
    size_t len = (size_t)sqlite3_value_bytes(values[0]);
    bool found = len == 0;
    for (int i = 1; i < count && !found && what != NULL; i++) {
        const unsigned char *text = sqlite3_value_text(values[i]);
        found = text != NULL && holds(text, (size_t)sqlite3_value_bytes(values[i]), what, len);
    }
    sqlite3_result_int(context, found);
}

static void note_reached(sqlite3_context *context, int count, sqlite3_value **values)
{
    int64_t *reached = sqlite3_user_data(context);
    (void)count;
    *reached = sqlite3_value_int64(values[0]);
    sqlite3_result_int(context, 1);
}

int store_search_register(sqlite3 *db, int64_t *reached)
{
    int rc = sqlite3_create_function_v2(db, "any_holds", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                        NULL, any_holds, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "reached", 1, SQLITE_UTF8, reached, note_reached, NULL,
                                        NULL, NULL);
    return rc;
}
