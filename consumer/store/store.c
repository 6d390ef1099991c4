#include "store/store.h"
#include "store/internal.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "wh_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define WH_STORE_BUSY_TIMEOUT  5000    /* ms to wait for another writer */
#define WH_STORE_FRAME         (4096 + 24)   /* bytes of a page in the log */
#define WH_STORE_WAIT_MIN      50      /* ms to wait for readers at first */
#define WH_STORE_WAIT_MAX      21000   /* twice what nginx gives a list */


static const char  *wh_store_logs[] = { "-wal", "-shm" };


static int wh_store_open_database(wh_store_t **store,
    const wh_store_conf_t *conf, const char *suffix, wh_error_t *err);
static int wh_store_resume(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err);
static int wh_store_create_new(wh_store_t **store,
    const wh_store_conf_t *conf, wh_error_t *err);
static int wh_store_name(char *file, const char *path, const char *suffix,
    wh_error_t *err);
static int wh_store_create_file(const char *path, const char *suffix,
    wh_error_t *err);
static int wh_store_open_file(wh_store_t **store,
    const wh_store_conf_t *conf, const char *suffix, wh_error_t *err);
static int wh_store_wal_hook(void *data, sqlite3 *db, const char *name,
    int pages);
static int wh_store_remove_new(const char *path, wh_error_t *err);
static int wh_store_remove(const char *path, const char *suffix,
    wh_error_t *err);
static int wh_store_wait(void *data, int count);
static ino_t wh_store_log_ino(const wh_store_t *store, int i);
static void wh_store_drop_log(const wh_store_t *store);


int
wh_store_open(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    rc = wh_store_open_database(store, conf, "", err);
    if (rc != WH_OK) {
        return rc;
    }

    (*store)->log_ino[0] = wh_store_log_ino(*store, 0);
    (*store)->log_ino[1] = wh_store_log_ino(*store, 1);

    /* of a rebuild that was interrupted before this one was brought back */

    return wh_store_remove_new(conf->path, err);
}


/*
 * A file that has tables already.  WH_NONE: it does not exist or has nothing
 * in it; *store is NULL after a failure.
 */

static int
wh_store_open_database(wh_store_t **store, const wh_store_conf_t *conf,
    const char *suffix, wh_error_t *err)
{
    int          rc;
    char         file[PATH_MAX];
    struct stat  st;

    *store = NULL;

    rc = wh_store_name(file, conf->path, suffix, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (stat(file, &st) == -1) {
        return wh_error_set(err, errno == ENOENT ? WH_NONE : WH_ERROR,
                            "database \"%s\": %s", file, strerror(errno));
    }

    rc = wh_store_open_file(store, conf, suffix, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_schema_check((*store)->db, err);

    if (rc == WH_OK) {
        rc = wh_schema_upgrade((*store)->db, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_prepare(*store, err);
    }

    if (rc != WH_OK) {
        wh_store_close(*store);
        *store = NULL;
    }

    return rc;
}


int
wh_store_create(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    rc = wh_store_resume(store, conf, err);

    if (rc == WH_OK || rc == WH_AGAIN || rc == WH_NOMEM) {
        return rc;
    }

    /* there is none, or nobody could go on with it */

    return wh_store_create_new(store, conf, err);
}


int
wh_store_renew(wh_store_t **store, wh_error_t *err)
{
    wh_store_conf_t  conf;

    conf = (*store)->conf;
    wh_store_close(*store);

    return wh_store_create_new(store, &conf, err);
}


/* Opens what an interrupted rebuild left behind, if that is whole. */

static int
wh_store_resume(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int              rc;
    wh_store_file_t  whole;

    memset(&whole, 0, sizeof(wh_store_file_t));

    rc = wh_store_open_database(store, conf, ".new", err);
    if (rc != WH_OK) {
        return rc;
    }

    (*store)->unpublished = 1;

    rc = wh_store_check(*store, &whole, err);

    if (rc != WH_OK) {
        wh_store_close(*store);
        *store = NULL;
    }

    return rc;
}


static int
wh_store_create_new(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    *store = NULL;

    rc = wh_store_remove_new(conf->path, err);

    if (rc == WH_OK) {
        rc = wh_store_create_file(conf->path, ".new", err);
    }

    if (rc == WH_OK) {
        rc = wh_store_open_file(store, conf, ".new", err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    (*store)->unpublished = 1;

    /* -wal and -shm take the database's mode, whatever the umask */

    if (chmod((*store)->file, (mode_t) conf->mode) == -1) {
        rc = wh_error_set(err, WH_ERROR, "cannot set the mode of \"%s\": %s",
                          (*store)->file, strerror(errno));
    }

    if (rc == WH_OK) {
        rc = wh_schema_create((*store)->db, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_prepare(*store, err);
    }

    if (rc != WH_OK) {
        wh_store_close(*store);
        *store = NULL;
    }

    return rc;
}


int
wh_store_publish(wh_store_t **store, wh_error_t *err)
{
    int               off, rc;
    char             *file;
    wh_store_t       *s;
    wh_store_conf_t   conf;

    s = *store;
    *store = NULL;

    conf = s->conf;
    file = strdup(s->file);

    /* the last connection's close moves all of the log into the file */

    off = 0;
    (void) sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &off);

    if (file == NULL) {
        rc = wh_error_set(err, WH_NOMEM, "out of memory");

    } else if (sqlite3_wal_checkpoint_v2(s->db, NULL,
                                         SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                         NULL)
               != SQLITE_OK)
    {
        rc = wh_schema_fail(s->db, "writing the rebuilt database", err);

    } else {
        rc = WH_OK;
    }

    wh_store_close(s);

    rc = wh_fail(rc, "rebuilt_closed", err);

    /* a log left behind by a lost database must not be replayed into this */

    if (rc == WH_OK) {
        rc = wh_store_remove(conf.path, "-wal", err);
    }

    if (rc == WH_OK) {
        rc = wh_store_remove(conf.path, "-shm", err);
    }

    if (rc == WH_OK && rename(file, conf.path) == -1) {
        rc = wh_error_set(err, WH_ERROR, "cannot rename \"%s\" to \"%s\": %s",
                          file, conf.path, strerror(errno));
    }

    rc = wh_fail(rc, "rebuilt_renamed", err);

    if (rc == WH_OK) {
        rc = wh_store_open(store, &conf, err);
    }

    free(file);

    return rc;
}


/* What is beside the path was never anybody's database. */

static int
wh_store_remove_new(const char *path, wh_error_t *err)
{
    if (wh_store_remove(path, ".new", err) != WH_OK
        || wh_store_remove(path, ".new-wal", err) != WH_OK
        || wh_store_remove(path, ".new-shm", err) != WH_OK)
    {
        return WH_ERROR;
    }

    return WH_OK;
}


static int
wh_store_remove(const char *path, const char *suffix, wh_error_t *err)
{
    char  file[PATH_MAX];

    if (wh_store_name(file, path, suffix, err) != WH_OK) {
        return WH_ERROR;
    }

    if (unlink(file) == -1 && errno != ENOENT) {
        return wh_error_set(err, WH_ERROR, "cannot remove \"%s\": %s", file,
                            strerror(errno));
    }

    return WH_OK;
}


/* Writes a file's name, at most PATH_MAX bytes.  WH_OK, WH_ERROR: too long. */

static int
wh_store_name(char *file, const char *path, const char *suffix,
    wh_error_t *err)
{
    int  n;

    n = snprintf(file, PATH_MAX, "%s%s", path, suffix);

    if (n < 0 || n >= PATH_MAX) {
        return wh_error_set(err, WH_ERROR, "the path \"%s\" is too long", path);
    }

    return WH_OK;
}


/* Before SQLite does, which would not say why it cannot be made. */

static int
wh_store_create_file(const char *path, const char *suffix, wh_error_t *err)
{
    int   fd;
    char  file[PATH_MAX];

    if (wh_store_name(file, path, suffix, err) != WH_OK) {
        return WH_ERROR;
    }

    fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd == -1) {
        return wh_error_set(err, (errno == ENOSPC || errno == EDQUOT)
                            ? WH_AGAIN : WH_ERROR, "cannot create \"%s\": %s",
                            file, strerror(errno));
    }

    /* nobody can have locks on it yet, which this would drop */
    (void) close(fd);

    return WH_OK;
}


static int
wh_store_open_file(wh_store_t **store, const wh_store_conf_t *conf,
    const char *suffix, wh_error_t *err)
{
    int          on, rc;
    char         pragmas[128];
    size_t       len;
    wh_store_t  *s;
    struct stat  st;

    s = calloc(1, sizeof(wh_store_t));
    if (s == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    s->conf = *conf;
    len = strlen(conf->path) + strlen(suffix) + 1;
    s->file = malloc(len);

    if (s->file == NULL) {
        wh_store_close(s);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    (void) snprintf(s->file, len, "%s%s", conf->path, suffix);

    /* a negative size is one in KiB */

    (void) snprintf(pragmas, sizeof(pragmas),
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                    "PRAGMA cache_size = -%" PRId64, conf->cache / 1024);

    if (sqlite3_open_v2(s->file, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK
        || sqlite3_busy_timeout(s->db, WH_STORE_BUSY_TIMEOUT) != SQLITE_OK
        || sqlite3_exec(s->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
    {
        rc = wh_schema_fail(s->db, "opening the database", err);
        wh_store_close(s);
        return rc;
    }

    /* readers under another uid need the log to stay when we leave */

    on = 1;
    (void) sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &on);

    if (stat(s->file, &st) == -1) {
        (void) wh_error_set(err, WH_ERROR, "database \"%s\": %s", s->file,
                            strerror(errno));
        wh_store_close(s);
        return WH_ERROR;
    }

    s->opened.dev = st.st_dev;
    s->opened.ino = st.st_ino;
    s->opened.size = st.st_size;
    s->opened.mtime = st.st_mtim;
    s->wal_retry = conf->wal_limit;
    s->wal_wait = WH_STORE_WAIT_MIN;

    (void) sqlite3_wal_hook(s->db, wh_store_wal_hook, s);

    *store = s;

    return WH_OK;
}


void
wh_store_close(wh_store_t *s)
{
    if (s == NULL) {
        return;
    }

    if (s->log_ino[0] != 0 && wh_store_same_file(s, NULL) != WH_OK) {
        wh_store_drop_log(s);
    }

    wh_store_finalize(s);

    if (sqlite3_close(s->db) != SQLITE_OK) {
        wh_log(WH_LOG_ERROR, "closing the database: %s", sqlite3_errmsg(s->db));
    }

    free(s->file);
    free(s);
}


static ino_t
wh_store_log_ino(const wh_store_t *s, int i)
{
    char         file[PATH_MAX];
    wh_error_t   err;
    struct stat  st;

    if (wh_store_name(file, s->file, wh_store_logs[i], &err) != WH_OK
        || stat(file, &st) == -1)
    {
        return 0;
    }

    return st.st_ino;
}


/*
 * The database was replaced, its log was not: SQLite would apply the log of
 * the one to the other.
 */

static void
wh_store_drop_log(const wh_store_t *s)
{
    int         i;
    wh_error_t  err;

    for (i = 0; i < 2; i++) {

        if (s->log_ino[i] != 0 && wh_store_log_ino(s, i) == s->log_ino[i]
            && wh_store_remove(s->file, wh_store_logs[i], &err) != WH_OK)
        {
            wh_log(WH_LOG_ERROR, "%s", err.text);
        }
    }
}


int
wh_store_unpublished(const wh_store_t *s)
{
    return s->unpublished;
}


int
wh_store_same_file(const wh_store_t *s, wh_error_t *err)
{
    struct stat  st;

    if (stat(s->file, &st) == -1) {
        return wh_error_set(err, WH_AGAIN, "database \"%s\": %s", s->file,
                            strerror(errno));
    }

    if (st.st_dev != s->opened.dev || st.st_ino != s->opened.ino) {
        return wh_error_set(err, WH_AGAIN,
                            "database \"%s\" was replaced by another file",
                            s->file);
    }

    return WH_OK;
}


/* Runs after each commit: remembers the log's size, copies what it may. */

static int
wh_store_wal_hook(void *data, sqlite3 *db, const char *name, int pages)
{
    wh_store_t  *s = data;

    s->wal_size = (int64_t) pages * WH_STORE_FRAME;

    if (s->wal_size > s->conf.wal_limit / 2
        && s->wal_size <= s->conf.wal_limit)
    {
        (void) sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE,
                                         NULL, NULL);
    }

    return SQLITE_OK;
}


/* SQLite asks whether to wait for readers once more. */

static int
wh_store_wait(void *data, int count)
{
    wh_store_t  *s = data;

    if (wh_stopping() || wh_clock() >= s->wal_since + s->wal_wait) {
        return 0;
    }

    wh_wait(count < 10 ? 1 : 5);

    return 1;
}


/*
 * A reader marks the snapshot it uses, and those that come later share the
 * newest mark there is; back-to-back readers thus keep an old mark in use, and
 * the checkpoint waits.  A read of our own first sets a fresh mark.
 */

void
wh_store_checkpoint(wh_store_t *s)
{
    int         rc;
    wh_item_t   item;
    wh_error_t  err;

    if (s->wal_size <= s->wal_retry) {
        return;
    }

    if (wh_store_get_item(s, "", 0, &item, &err) != WH_OK) {
        wh_log(WH_LOG_WARN, "%s", err.text);
    }

    s->wal_since = wh_clock();
    (void) sqlite3_busy_handler(s->db, wh_store_wait, s);

    rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                   NULL, NULL);

    (void) sqlite3_busy_timeout(s->db, WH_STORE_BUSY_TIMEOUT);

    if (rc == SQLITE_OK) {
        s->wal_size = 0;
        s->wal_retry = s->conf.wal_limit;
        s->wal_wait = WH_STORE_WAIT_MIN;
        return;
    }

    /*
     * Not again at once, only after the log has grown by a quarter; but then
     * with more patience, or readers who follow each other closely would have
     * it grow for ever.
     */

    s->wal_retry = s->wal_size + s->conf.wal_limit / 4;

    if (s->wal_wait < WH_STORE_WAIT_MAX) {
        s->wal_wait = (s->wal_wait * 2 < WH_STORE_WAIT_MAX)
                      ? s->wal_wait * 2 : WH_STORE_WAIT_MAX;

    } else if (rc == SQLITE_BUSY && !wh_stopping()) {

        /* none of nginx's: commands do not wait for it all the time */

        s->wal_wait = WH_STORE_WAIT_MIN;
        wh_log(WH_LOG_WARN, "the log of the database is %" PRId64 " bytes long "
               "and cannot be emptied: somebody has been reading the database "
               "for more than %d s", s->wal_size, WH_STORE_WAIT_MAX / 1000);
    }

    if (rc != SQLITE_BUSY) {
        wh_log(WH_LOG_WARN, "checkpoint of the database: %s",
               sqlite3_errmsg(s->db));
    }
}
