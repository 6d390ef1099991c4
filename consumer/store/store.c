#include "store/store.h"
#include "store/internal.h"
#include "base/fail.h"
#include "base/log.h"
#include "store/files.h"
#include "store/wal.h"
#include "wh_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static int wh_store_open_database(wh_store_t **store,
    const wh_store_conf_t *conf, const char *suffix, wh_error_t *err);
static int wh_store_resume(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err);
static int wh_store_create_new(wh_store_t **store,
    const wh_store_conf_t *conf, wh_error_t *err);
static int wh_store_opened(wh_store_t **store, int rc);
static int wh_store_open_file(wh_store_t **store,
    const wh_store_conf_t *conf, const char *suffix, wh_error_t *err);
static int wh_store_connect(wh_store_t *s, wh_error_t *err);
static int wh_store_same_name(const wh_store_t *s, wh_error_t *err);


int
wh_store_open(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    rc = wh_store_open_database(store, conf, "", err);
    if (rc != WH_OK) {
        return rc;
    }

    wh_store_log_opened(*store);

    /* of a rebuild that was interrupted before this one was brought back */

    return wh_file_remove_new(conf->path, err);
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

    rc = wh_file_name(file, conf->path, suffix, err);
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

    return wh_store_opened(store, rc);
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

    return wh_store_opened(store, rc);
}


static int
wh_store_create_new(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    *store = NULL;

    rc = wh_file_remove_new(conf->path, err);

    if (rc == WH_OK) {
        rc = wh_file_create(conf->path, ".new", err);
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

    return wh_store_opened(store, rc);
}


/* What was opened is good, or is closed. */

static int
wh_store_opened(wh_store_t **store, int rc)
{
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
        rc = wh_file_remove(conf.path, "-wal", err);
    }

    if (rc == WH_OK) {
        rc = wh_file_remove(conf.path, "-shm", err);
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


static int
wh_store_open_file(wh_store_t **store, const wh_store_conf_t *conf,
    const char *suffix, wh_error_t *err)
{
    int          rc;
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

    rc = wh_store_connect(s, err);

    if (rc != WH_OK) {
        wh_store_close(s);
        return rc;
    }

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

    wh_store_wal_init(s);

    *store = s;

    return WH_OK;
}


static int
wh_store_connect(wh_store_t *s, wh_error_t *err)
{
    int   on;
    char  pragmas[128];

    /* a negative size is one in KiB */

    (void) snprintf(pragmas, sizeof(pragmas),
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                    "PRAGMA cache_size = -%" PRId64, s->conf.cache / 1024);

    if (sqlite3_open_v2(s->file, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK
        || sqlite3_busy_timeout(s->db, WH_STORE_BUSY_TIMEOUT) != SQLITE_OK
        || sqlite3_exec(s->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
    {
        return wh_schema_fail(s->db, "opening the database", err);
    }

    /* readers under another uid need the log to stay when we leave */

    on = 1;
    (void) sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &on);

    return WH_OK;
}


void
wh_store_close(wh_store_t *s)
{
    if (s == NULL) {
        return;
    }

    if (s->log_ino[0] != 0) {

        if (wh_store_same_name(s, NULL) != WH_OK) {
            wh_store_log_drop(s);

        } else if (!wh_store_log_same(s)) {
            wh_store_log_lost(s);
        }
    }

    wh_store_finalize(s);

    if (sqlite3_close(s->db) != SQLITE_OK) {
        wh_log(WH_LOG_ERROR, "closing the database: %s", sqlite3_errmsg(s->db));
    }

    free(s->file);
    free(s);
}


int
wh_store_unpublished(const wh_store_t *s)
{
    return s->unpublished;
}


int
wh_store_same_file(const wh_store_t *s, wh_error_t *err)
{
    int  rc;

    rc = wh_store_same_name(s, err);

    /* as SQLite does for who closes the file that was there before this one */

    if (rc == WH_OK && !wh_store_log_same(s)) {
        rc = wh_error_set(err, WH_AGAIN,
                          "the log of the database \"%s\" was removed",
                          s->file);
    }

    return rc;
}


/* Whether the name is still that of the file. */

static int
wh_store_same_name(const wh_store_t *s, wh_error_t *err)
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
