#include "store/wal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/signal.h"
#include "store/files.h"
#include "store/look.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>


#define WH_WAL_FRAME     (4096 + 24)   /* bytes of a page in the log */
#define WH_WAL_WAIT_MIN  50            /* ms to wait for readers at first */
#define WH_WAL_WAIT_MAX  21000         /* twice what nginx gives a list */


static const char  *wh_wal_files[] = { "-wal", "-shm" };


static int wh_wal_hook(void *data, sqlite3 *db, const char *name, int pages);
static int wh_wal_wait(void *data, int count);
static ino_t wh_wal_ino(const wh_store_t *store, int i);
static void wh_wal_remove(const wh_store_t *store, int i);
static int wh_wal_save(const wh_store_t *store);


void
wh_store_wal_init(wh_store_t *s)
{
    s->wal_retry = s->conf.wal_limit;
    s->wal_wait = WH_WAL_WAIT_MIN;

    (void) sqlite3_wal_hook(s->db, wh_wal_hook, s);
}


/* Runs after each commit: remembers the log's size, copies what it may. */

static int
wh_wal_hook(void *data, sqlite3 *db, const char *name, int pages)
{
    wh_store_t  *s = data;

    s->wal_size = (int64_t) pages * WH_WAL_FRAME;

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
wh_wal_wait(void *data, int count)
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
    (void) sqlite3_busy_handler(s->db, wh_wal_wait, s);

    rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                   NULL, NULL);

    (void) sqlite3_busy_timeout(s->db, WH_STORE_BUSY_TIMEOUT);

    if (rc == SQLITE_OK) {
        s->wal_size = 0;
        s->wal_retry = s->conf.wal_limit;
        s->wal_wait = WH_WAL_WAIT_MIN;
        return;
    }

    /*
     * Not again at once, only after the log has grown by a quarter; but then
     * with more patience, or readers who follow each other closely would have
     * it grow for ever.
     */

    s->wal_retry = s->wal_size + s->conf.wal_limit / 4;

    if (s->wal_wait < WH_WAL_WAIT_MAX) {
        s->wal_wait = (s->wal_wait * 2 < WH_WAL_WAIT_MAX)
                      ? s->wal_wait * 2 : WH_WAL_WAIT_MAX;

    } else if (rc == SQLITE_BUSY && !wh_stopping()) {

        /* none of nginx's: commands do not wait for it all the time */

        s->wal_wait = WH_WAL_WAIT_MIN;
        wh_log(WH_LOG_WARN, "the log of the database is %" PRId64 " bytes long "
               "and cannot be emptied: somebody has been reading the database "
               "for more than %d s", s->wal_size, WH_WAL_WAIT_MAX / 1000);
    }

    if (rc != SQLITE_BUSY) {
        wh_log(WH_LOG_WARN, "checkpoint of the database: %s",
               sqlite3_errmsg(s->db));
    }
}


void
wh_store_log_opened(wh_store_t *s)
{
    s->log_ino[0] = wh_wal_ino(s, 0);
    s->log_ino[1] = wh_wal_ino(s, 1);
}


static ino_t
wh_wal_ino(const wh_store_t *s, int i)
{
    char         file[PATH_MAX];
    wh_error_t   err;
    struct stat  st;

    if (wh_file_name(file, s->file, wh_wal_files[i], &err) != WH_OK
        || stat(file, &st) == -1)
    {
        return 0;
    }

    return st.st_ino;
}


int
wh_store_log_same(const wh_store_t *s)
{
    return s->log_ino[0] == 0 || wh_wal_ino(s, 0) == s->log_ino[0];
}


/*
 * The database was replaced, its log was not: SQLite would apply the log of
 * the one to the other.
 */

void
wh_store_log_drop(const wh_store_t *s)
{
    int  i;

    for (i = 0; i < 2; i++) {

        if (s->log_ino[i] != 0 && wh_wal_ino(s, i) == s->log_ino[i]) {
            wh_wal_remove(s, i);
        }
    }
}


static void
wh_wal_remove(const wh_store_t *s, int i)
{
    wh_error_t  err;

    if (wh_file_remove(s->file, wh_wal_files[i], &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
    }
}


/*
 * What a checkpoint has left out, for a reader, may belong to what it has
 * copied: SQLite copies each page as it was at last, or not at all.  So until
 * all is in, nobody is to open the file, neither after a crash.
 */

void
wh_store_log_lost(const wh_store_t *s)
{
    int          i, rc;
    char         aside[PATH_MAX];
    wh_error_t   err;
    struct stat  st;

    wh_log(WH_LOG_WARN, "the log of the database \"%s\" was removed: saving "
           "what it has", s->file);

    rc = wh_file_name(aside, s->file, WH_FILES_DAMAGED, &err);

    if (rc == WH_OK && rename(s->file, aside) == -1) {
        rc = wh_error_set(&err, WH_ERROR, "%s", strerror(errno));
    }

    if (rc != WH_OK) {
        wh_log(WH_LOG_ERROR, "cannot rename the database: %s", err.text);

        if (wh_wal_save(s) != WH_OK) {
            wh_log(WH_LOG_ERROR, "without its log, the database \"%s\" may be "
                   "damaged: move it away to have it rebuilt", s->file);
        }

        return;
    }

    if (wh_wal_save(s) != WH_OK) {
        wh_log(WH_LOG_ERROR, "without its log, the database may be damaged: it "
               "is \"%s\" now, and is rebuilt from Kafka", aside);

    } else if (stat(s->file, &st) == 0 || rename(aside, s->file) == -1) {
        wh_log(WH_LOG_ERROR, "the database, with all of its log, is \"%s\" "
               "now: \"%s\" is another", aside, s->file);
    }

    /* by whose names nginx knows whether it reads what is written */

    for (i = 0; i < 2; i++) {
        wh_wal_remove(s, i);
    }
}


/* Moves what only this connection has into the file. */

static int
wh_wal_save(const wh_store_t *s)
{
    int      rc;
    int64_t  until;

    until = wh_clock() + WH_WAL_WAIT_MAX;

    for ( ;; ) {
        rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_FULL,
                                       NULL, NULL);

        if (rc != SQLITE_BUSY || wh_stopping() || wh_clock() >= until) {
            break;
        }

        wh_wait(WH_WAL_WAIT_MIN);
    }

    if (rc != SQLITE_OK) {
        wh_log(WH_LOG_ERROR, "checkpoint of the database: %s",
               sqlite3_errmsg(s->db));
        return WH_ERROR;
    }

    /* with the index of this one, pages of the two may have been confused */

    if (wh_look_beside(s->file, wh_wal_files[0])) {
        wh_log(WH_LOG_ERROR, "somebody has begun another log");
        return WH_ERROR;
    }

    return WH_OK;
}
