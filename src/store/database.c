// Opening the database file: modes, pragmas, and migrations by number.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/private.h"

// "WARP": tells our file from another program's database at the same path.
enum { APPLICATION_ID = 0x57415250, BUSY_MS = 5000, STEP_MS = 20 };

static const char *const migrations[] = {
#include "store/schema/0001_requests.h"
    ,
#include "store/schema/0002_rollups.h"
    ,
#include "store/schema/0003_kept_warm.h"
    ,
#include "store/schema/0004_headers.h"
    ,
#include "store/schema/0005_hourly_kept_warm.h"
    ,
#include "store/schema/0006_one_row.h"
    ,
#include "store/schema/0007_other_ids.h"
};
enum { ROWS_MOVE = 6 }; // by this one; store_upgrade_rows does it

int store_schema_version(void)
{
    return (int)WP_COUNT_OF(migrations);
}

int store_exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int read_integer(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

// The parent directories of `path`, private to the user.
static bool make_directories(const char *path, char *error, size_t error_size)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(part)) {
        snprintf(error, error_size, "the path of the ledger is longer than %d bytes", PATH_MAX - 1);
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            snprintf(error, error_size,
                     "cannot create the directory %s: %s; name a writable state directory", part,
                     strerror(errno));
            return false;
        }
    }
    return true;
}

// Rows may hold prompts, so nobody else may read them; SQLite gives its -wal and -shm files the
// mode of the database. An existing file is not opened here: closing any descriptor of it would
// drop the locks of this process's other connections.
static bool make_file(const char *path, char *error, size_t error_size)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno != EEXIST) {
        snprintf(error, error_size, "cannot create %s: %s; name a writable state directory", path,
                 strerror(errno));
        return false;
    }
    if (stat(path, &info) == 0 && (info.st_mode & 077) != 0 && chmod(path, 0600) != 0)
        wp_log(WP_LOG_WARN, "ledger", "%s is readable by others and stays so: %s", path,
               strerror(errno));
    return true;
}

static int check_owner(sqlite3 *db, const char *path, int64_t version, char *error,
                       size_t error_size)
{
    int64_t application = 0, tables = 0;
    int rc = read_integer(db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = read_integer(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc == SQLITE_OK && tables > 0 && application != APPLICATION_ID) {
        snprintf(error, error_size,
                 "%s is another program's database; move it away or name another state directory",
                 path);
        return SQLITE_MISMATCH;
    }
    if (rc == SQLITE_OK && version > store_schema_version()) {
        snprintf(error, error_size,
                 "%s was written by a newer Warmpath (schema %d, this program knows %d); run that "
                 "version, or move the file away to start anew",
                 path, (int)version, store_schema_version());
        return SQLITE_MISMATCH;
    }
    return rc;
}

static void explain(sqlite3 *db, const char *path, int rc, char *error, size_t error_size)
{
    const char *cause = db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db);
    const char *fix = "name a writable state directory";
    if ((rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_CORRUPT)
        fix = "move the file away to start anew, or restore a copy";
    else if ((rc & 0xff) == SQLITE_FULL)
        fix = "free space on that disk";
    else if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
        fix = "another process holds it: end that one or name another state directory";
    snprintf(error, error_size, "%s: %s; %s", path, cause, fix);
}

// Every row is written anew: with more of the pages at hand the index on sessions is not read and
// written a page per row.
static int move_rows(sqlite3 *db, const char *path)
{
    int rc = store_exec(db, "PRAGMA cache_size = -65536");
    if (rc == SQLITE_OK)
        rc = store_upgrade_rows(db, path);
    if (rc == SQLITE_OK)
        rc = store_exec(db, "PRAGMA cache_size = -4096");
    return rc;
}

static int migrate_from(sqlite3 *db, const char *path, int64_t version)
{
    char sql[96];
    int rc = SQLITE_OK;
    for (int64_t i = version; i < store_schema_version() && rc == SQLITE_OK; i++) {
        rc = store_exec(db, migrations[i]);
        if (rc == SQLITE_OK && i + 1 == ROWS_MOVE)
            rc = move_rows(db, path);
    }
    if (rc != SQLITE_OK || version == store_schema_version())
        return rc;
    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, store_schema_version());
    return store_exec(db, sql);
}

// The version is read under the write lock, so that two processes that start at once do not
// migrate twice.
static int migrate(sqlite3 *db, const char *path, char *error, size_t error_size)
{
    int64_t version = 0;
    int rc = store_exec(db, "BEGIN IMMEDIATE");
    if (rc != SQLITE_OK)
        return rc;
    rc = read_integer(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = check_owner(db, path, version, error, error_size);
    if (rc == SQLITE_OK)
        rc = migrate_from(db, path, version);
    if (rc == SQLITE_OK)
        rc = store_exec(db, "COMMIT");
    if (rc != SQLITE_OK && error_size > 0 && error[0] == '\0')
        explain(db, path, rc, error, error_size); // the roll-back forgets it
    if (rc != SQLITE_OK)
        (void)store_exec(db, "ROLLBACK");
    return rc;
}

static int journal_mode(sqlite3 *db, const char *path)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (!wp_view_is(store_column_text(statement, 0), "wal"))
            wp_log(WP_LOG_WARN, "ledger",
                   "%s: this file system has no shared memory for WAL; queries will wait for "
                   "commits",
                   path);
    }
    sqlite3_finalize(statement);
    return rc;
}

// page_size and auto_vacuum must come before anything is written, and the switch to WAL writes.
// Rows with their details are some 2 KB: larger pages halve the writes, a rarer checkpoint writes
// the pages at the indexes' ends fewer times.
static int configure(sqlite3 *db, const char *path)
{
    int rc = store_exec(db, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL");
    if (rc == SQLITE_OK)
        rc = journal_mode(db, path);
    // The switch does not wait for another process that makes it at the same moment.
    for (int waited = 0; (rc & 0xff) == SQLITE_BUSY && waited < BUSY_MS; waited += STEP_MS) {
        usleep(STEP_MS * 1000);
        rc = journal_mode(db, path);
    }
    if (rc == SQLITE_OK)
        rc = store_exec(db, "PRAGMA synchronous = NORMAL;"
                            "PRAGMA journal_size_limit = 67108864;"
                            "PRAGMA cache_size = -4096;"
                            "PRAGMA wal_autocheckpoint = 2000;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA secure_delete = OFF;" // but while rows are deleted: writer.c
                            "PRAGMA trusted_schema = OFF");
    return rc;
}

// Whose file it is, before anything is written to it; one moment's view of it.
static int look(sqlite3 *db, const char *path, char *error, size_t error_size)
{
    int64_t version = 0;
    int rc = store_exec(db, "BEGIN");
    if (rc == SQLITE_OK)
        rc = read_integer(db, "SELECT count(*) FROM sqlite_schema", &version); // takes the lock
    if (rc == SQLITE_OK)
        rc = read_integer(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = check_owner(db, path, version, error, error_size);
    if (!sqlite3_get_autocommit(db))
        (void)store_exec(db, "ROLLBACK");
    return rc;
}

enum wp_err store_open_writer(const char *path, sqlite3 **out, char *error, size_t error_size)
{
    sqlite3 *db = NULL;
    *out = NULL;
    if (error_size > 0)
        error[0] = '\0';
    if (!make_directories(path, error, error_size) || !make_file(path, error, error_size))
        return WP_ERR_INTERNAL;
    // Its memory statistics cost a lock per allocation. Refused once it is in use: then it is set.
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int rc = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = look(db, path, error, error_size);
    if (rc == SQLITE_OK)
        rc = configure(db, path);
    if (rc == SQLITE_OK)
        rc = migrate(db, path, error, error_size);
    if (rc == SQLITE_OK) {
        *out = db;
        return WP_OK;
    }
    if (error_size > 0 && error[0] == '\0')
        explain(db, path, rc, error, error_size);
    sqlite3_close_v2(db);
    return WP_ERR_INTERNAL;
}

// Little memory of their own: the pages lie in the kernel's cache, and what a thread of the pool
// has once allocated page by page stays in that thread's heap, in pieces, for good.
enum wp_err store_open_reader(const char *path, sqlite3 **out)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = store_exec(db, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;"
                            "PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF");
    if (rc == SQLITE_OK) {
        *out = db;
        return WP_OK;
    }
    wp_log(WP_LOG_ERROR, "ledger", "a reader could not be opened: %s",
           db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db));
    sqlite3_close_v2(db);
    *out = NULL;
    return WP_ERR_INTERNAL;
}
