#include "doctor/internal.h"
#include "base/thread.h"
#include "store/check.h"
#include "store/files.h"
#include "store/look.h"
#include "wh_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>


#define WH_DOCTOR_CHECK  10000    /* ms for looking at all pages */


typedef struct {
    sqlite3          *db;
    pthread_t         thread;
    pthread_mutex_t   lock;      /* guards what follows */
    pthread_cond_t    wake;
    int               done;
    int               late;
} wh_limit_t;


static int wh_doctor_owner(wh_doctor_t *d, const struct stat *st);
static void wh_doctor_read(wh_doctor_t *d, const char *file);
static int wh_doctor_in_use(wh_doctor_t *d);
static void wh_doctor_schema(wh_doctor_t *d, sqlite3 *db);
static void wh_doctor_contents(wh_doctor_t *d, sqlite3 *db);
static int64_t wh_doctor_outcomes(sqlite3 *db);
static int wh_doctor_positions(wh_doctor_t *d, sqlite3 *db, wh_error_t *err);
static int wh_doctor_meta(wh_doctor_t *d, sqlite3 *db, wh_error_t *err);
static void wh_doctor_integrity(wh_doctor_t *d, sqlite3 *db);
static int wh_doctor_limit(wh_limit_t *limit, sqlite3 *db, wh_error_t *err);
static int wh_doctor_limit_end(wh_limit_t *limit);
static void *wh_doctor_limit_run(void *data);


void
wh_doctor_database(wh_doctor_t *d)
{
    char         file[PATH_MAX];
    struct stat  st;

    if (wh_file_name(file, d->conf->database, "", NULL) != WH_OK) {
        return;
    }

    if (stat(file, &st) == -1) {
        wh_report(d->report, errno == ENOENT ? WH_FOUND_WARNING
                                             : WH_FOUND_ERROR, "database",
                  errno == ENOENT ? "the daemon builds it from Kafka" : NULL,
                  "\"%s\": %s", file, strerror(errno));
        return;
    }

    /* of root SQLite would give the owner what is beside the database */

    if (geteuid() != 0) {
        wh_doctor_read(d, file);

    } else if (wh_doctor_owner(d, &st)) {
        wh_doctor_read(d, file);

        if (seteuid(0) == -1 || setegid(0) == -1) {
            wh_report(d->report, WH_FOUND_WARNING, "access", NULL,
                      "cannot be root again: %s", strerror(errno));
        }
    }
}


/* From here on with the rights of the file's owner. */

static int
wh_doctor_owner(wh_doctor_t *d, const struct stat *st)
{
    if (setegid(st->st_gid) == -1 || seteuid(st->st_uid) == -1) {
        wh_report(d->report, WH_FOUND_ERROR, "database", NULL, "\"%s\": "
                  "cannot be read as its owner: %s", d->conf->database,
                  strerror(errno));
        (void) setegid(0);
        return 0;
    }

    return 1;
}


static void
wh_doctor_read(wh_doctor_t *d, const char *file)
{
    sqlite3     *db;
    wh_error_t   err;

    if (!d->running && wh_look_beside(d->conf->database, "-wal")
        && !wh_look_beside(d->conf->database, "-shm"))
    {
        wh_report(d->report, WH_FOUND_WARNING, "database",
                  "start the daemon, which recovers it",
                  "\"%s\" has a write-ahead log without its -shm: it cannot "
                  "be read without a change to it", file);
        return;
    }

    d->alone = !d->running && !d->fresh
               && !wh_look_beside(d->conf->database, "-wal");

    if (wh_look_open(&db, file, d->alone, &err) == WH_OK) {
        wh_doctor_schema(d, db);

    } else {
        wh_report(d->report, WH_FOUND_ERROR, "database", NULL, "\"%s\": %s",
                  file, err.text);
    }

    (void) sqlite3_close(db);
}


static void
wh_doctor_schema(wh_doctor_t *d, sqlite3 *db)
{
    int         rc;
    wh_error_t  err;

    rc = wh_schema_check(db, &err);

    if (rc != WH_OK) {
        wh_report(d->report, WH_FOUND_ERROR, "database",
                  rc == WH_NONE ? "move it away: the daemon builds one from "
                                  "Kafka"
                                : NULL,
                  "\"%s\": %s", d->conf->database, err.text);
        return;
    }

    wh_doctor_contents(d, db);
    wh_doctor_integrity(d, db);
}


static void
wh_doctor_contents(wh_doctor_t *d, sqlite3 *db)
{
    int          rc, ready;
    char         file[PATH_MAX];
    wh_error_t   err;
    struct stat  st;

    ready = wh_schema_ready(db, &err);

    rc = (ready == WH_RECOVERING) ? WH_OK : ready;

    if (rc == WH_OK) {
        rc = wh_doctor_meta(d, db, &err);
    }

    if (rc == WH_OK) {
        rc = wh_doctor_positions(d, db, &err);
    }

    if (rc != WH_OK) {
        wh_report(d->report, WH_FOUND_ERROR, "database", NULL, "\"%s\": %s",
                  d->conf->database, err.text);
        return;
    }

    d->known = 1;

    if (ready == WH_RECOVERING && !d->running) {
        wh_report(d->report, WH_FOUND_WARNING, "database",
                  "start the daemon: it goes on where it was",
                  "\"%s\" is not up to date: a recovery was interrupted",
                  d->conf->database);
        return;
    }

    wh_report(d->report, WH_FOUND_OK, "database", NULL, "\"%s\"%s, stands for "
              "notifications before %" PRId64 " and tells what became of %"
              PRId64 " commands", d->conf->database,
              ready == WH_RECOVERING ? " is being recovered" : "",
              d->notified >= 0 ? d->notified : 0, wh_doctor_outcomes(db));

    if (!d->running
        && wh_file_name(file, d->conf->database, ".new", NULL) == WH_OK
        && stat(file, &st) == 0)
    {
        wh_report(d->report, WH_FOUND_OK, "database", NULL,
                  "\"%s\" is left of a rebuild; the next one goes on with it",
                  file);
    }
}


/* One of an older schema has none. */

static int64_t
wh_doctor_outcomes(sqlite3 *db)
{
    int64_t        n;
    sqlite3_stmt  *stmt;

    if (sqlite3_prepare_v2(db, WH_SQL_KEPT, -1, &stmt, NULL) != SQLITE_OK) {
        return 0;
    }

    n = (sqlite3_step(stmt) == SQLITE_ROW) ? sqlite3_column_int64(stmt, 0) : 0;

    (void) sqlite3_finalize(stmt);

    return n;
}


/* The cluster, and the topics' positions. */

static int
wh_doctor_meta(wh_doctor_t *d, sqlite3 *db, wh_error_t *err)
{
    int            rc;
    const char    *text;
    sqlite3_stmt  *stmt;

    if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name ="
                           " 'cluster_id'", -1, &stmt, NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(db, "reading the cluster's id", err);
    }

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        text = (const char *) sqlite3_column_text(stmt, 0);
        (void) snprintf(d->cluster, sizeof(d->cluster), "%s",
                        text != NULL ? text : "");
    }

    rc = (rc == SQLITE_ROW || rc == SQLITE_DONE)
         ? WH_OK : wh_schema_fail(db, "reading the cluster's id", err);

    (void) sqlite3_finalize(stmt);

    return rc;
}


static int
wh_doctor_positions(wh_doctor_t *d, sqlite3 *db, wh_error_t *err)
{
    int            rc, step;
    int64_t        next, partition;
    const char    *topic;
    sqlite3_stmt  *stmt;

    if (sqlite3_prepare_v2(db, "SELECT topic, partition, next FROM positions",
                           -1, &stmt, NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(db, "reading the positions", err);
    }

    rc = WH_OK;

    while (rc == WH_OK && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        topic = (const char *) sqlite3_column_text(stmt, 0);
        partition = sqlite3_column_int64(stmt, 1);
        next = sqlite3_column_int64(stmt, 2);

        if (topic != NULL && strcmp(topic, d->conf->commands_topic) == 0) {
            rc = (partition >= 0 && partition < WH_PARTITIONS_MAX)
                 ? wh_positions_set(&d->next, (int32_t) partition, next, err)
                 : wh_error_set(err, WH_ERROR, "it has a partition %" PRId64,
                                partition);

        } else if (topic != NULL && partition == 0
                   && strcmp(topic, d->conf->notifications_topic) == 0)
        {
            d->notified = next;
        }
    }

    if (rc == WH_OK && step != SQLITE_DONE) {
        rc = wh_schema_fail(db, "reading the positions", err);
    }

    (void) sqlite3_finalize(stmt);

    return rc;
}


/*
 * While this reads, the daemon cannot begin its write-ahead log anew: thus not
 * for long.
 */

static void
wh_doctor_integrity(wh_doctor_t *d, sqlite3 *db)
{
    int         rc;
    wh_error_t  err, why;
    wh_limit_t  limit;

    if (wh_doctor_limit(&limit, db, &err) != WH_OK) {
        wh_report(d->report, WH_FOUND_WARNING, "integrity", NULL, "%s",
                  err.text);
        return;
    }

    rc = wh_store_check_pages(db, &why);

    if (wh_doctor_limit_end(&limit)) {
        wh_report(d->report, WH_FOUND_OK, "integrity", NULL, "looked for %d s "
                  "without an end; the daemon looks at every page when it "
                  "starts", WH_DOCTOR_CHECK / 1000);

    } else if (rc == WH_OK) {
        wh_report(d->report, WH_FOUND_OK, "integrity", NULL,
                  "every page was looked at");

    } else if (wh_doctor_in_use(d)) {
        wh_report(d->report, WH_FOUND_WARNING, "integrity", "look again",
                  "a daemon began to work on the database meanwhile");

    } else {
        wh_report(d->report, WH_FOUND_ERROR, "integrity", NULL, "%s",
                  why.text);
    }
}


/* Now, where none was seen before: what was read without locks means nothing. */

static int
wh_doctor_in_use(wh_doctor_t *d)
{
    return d->alone && (wh_doctor_running(d) || wh_look_beside(d->conf->database, "-wal"));
}


/* SQLite itself looks at no clock while it checks. */

static int
wh_doctor_limit(wh_limit_t *l, sqlite3 *db, wh_error_t *err)
{
    memset(l, 0, sizeof(wh_limit_t));

    l->db = db;

    (void) pthread_mutex_init(&l->lock, NULL);
    (void) pthread_cond_init(&l->wake, NULL);

    return wh_thread_start(&l->thread, wh_doctor_limit_run, l, err);
}


/* Returns whether it was too long. */

static int
wh_doctor_limit_end(wh_limit_t *l)
{
    (void) pthread_mutex_lock(&l->lock);
    l->done = 1;
    (void) pthread_cond_signal(&l->wake);
    (void) pthread_mutex_unlock(&l->lock);

    (void) pthread_join(l->thread, NULL);

    (void) pthread_cond_destroy(&l->wake);
    (void) pthread_mutex_destroy(&l->lock);

    return l->late;
}


static void *
wh_doctor_limit_run(void *data)
{
    wh_limit_t       *l = data;
    struct timespec   end;

    (void) clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WH_DOCTOR_CHECK / 1000;

    (void) pthread_mutex_lock(&l->lock);

    while (!l->done && !l->late) {
        if (pthread_cond_timedwait(&l->wake, &l->lock, &end) == ETIMEDOUT
            && !l->done)
        {
            l->late = 1;
            sqlite3_interrupt(l->db);
        }
    }

    (void) pthread_mutex_unlock(&l->lock);

    return NULL;
}
