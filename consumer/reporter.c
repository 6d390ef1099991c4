#include "reporter.h"
#include "base/clock.h"
#include "base/figures.h"
#include "base/log.h"
#include "base/manager.h"
#include "base/thread.h"
#include "base/watchdog.h"
#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


#define WH_REPORTER_EVERY   1     /* s */
#define WH_REPORTER_STATUS  128   /* bytes */


struct wh_reporter_s {
    const wh_conf_t  *conf;
    pthread_t         writer;    /* of the metrics, on a disk that may hang */
    pthread_t         teller;    /* of what the service manager is told */

    pthread_mutex_t   lock;      /* guards what follows */
    pthread_cond_t    wake;
    int               stop;
    int64_t           size;      /* bytes of all databases, seen last */

    int               failing;   /* writer's: the log knows */
    int               late;      /* teller's: the same */
    char              status[WH_REPORTER_STATUS];    /* told last */
};


static int wh_reporter_threads(wh_reporter_t *r, wh_error_t *err);
static void wh_reporter_end(wh_reporter_t *r);
static void *wh_reporter_writer(void *data);
static void *wh_reporter_teller(void *data);
static void wh_reporter_every(wh_reporter_t *r,
    void (*work)(wh_reporter_t *r));
static void wh_reporter_report(wh_reporter_t *r);
static void wh_reporter_tell(wh_reporter_t *r);
static void wh_reporter_watch(wh_reporter_t *r);
static int wh_reporter_write(wh_reporter_t *r, wh_error_t *err);
static void wh_reporter_measure(wh_reporter_t *r, int64_t size, int64_t wal);
static int wh_reporter_replace(const wh_conf_t *conf, const wh_text_t *text,
    wh_error_t *err);
static int wh_reporter_fill(const char *file, int64_t mode,
    const wh_text_t *text, wh_error_t *err);
static int64_t wh_reporter_size(const wh_conf_t *conf, const char *suffix);
static void wh_reporter_free(wh_reporter_t *r);


int
wh_reporter_start(wh_reporter_t **reporter, const wh_conf_t *conf,
    wh_error_t *err)
{
    wh_reporter_t      *r;
    pthread_condattr_t  attr;

    *reporter = NULL;

    r = calloc(1, sizeof(wh_reporter_t));
    if (r == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    r->conf = conf;

    (void) pthread_mutex_init(&r->lock, NULL);

    /* a clock that only goes forward: reports go on when somebody sets one */

    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&r->wake, &attr);
    (void) pthread_condattr_destroy(&attr);

    /* at a start somebody looks: there is no going on without it */

    if (wh_reporter_threads(r, err) != WH_OK) {
        wh_reporter_free(r);
        return WH_ERROR;
    }

    *reporter = r;

    return WH_OK;
}


static int
wh_reporter_threads(wh_reporter_t *r, wh_error_t *err)
{
    int  rc;

    rc = wh_thread_start(&r->writer, wh_reporter_writer, r, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_thread_start(&r->teller, wh_reporter_teller, r, err);

    if (rc != WH_OK) {
        wh_reporter_end(r);
        (void) pthread_join(r->writer, NULL);
    }

    return rc;
}


void
wh_reporter_stop(wh_reporter_t *r)
{
    if (r == NULL) {
        return;
    }

    wh_reporter_end(r);

    (void) pthread_join(r->teller, NULL);
    (void) pthread_join(r->writer, NULL);

    (void) wh_file_remove(r->conf->database, WH_FILES_METRICS, NULL);

    wh_reporter_free(r);
}


static void
wh_reporter_end(wh_reporter_t *r)
{
    (void) pthread_mutex_lock(&r->lock);
    r->stop = 1;
    (void) pthread_cond_broadcast(&r->wake);
    (void) pthread_mutex_unlock(&r->lock);
}


static void
wh_reporter_free(wh_reporter_t *r)
{
    (void) pthread_cond_destroy(&r->wake);
    (void) pthread_mutex_destroy(&r->lock);

    free(r);
}


static void *
wh_reporter_writer(void *data)
{
    wh_reporter_every(data, wh_reporter_report);

    return NULL;
}


static void *
wh_reporter_teller(void *data)
{
    wh_reporter_every(data, wh_reporter_tell);

    return NULL;
}


static void
wh_reporter_every(wh_reporter_t *r, void (*work)(wh_reporter_t *r))
{
    struct timespec  next;

    (void) pthread_mutex_lock(&r->lock);

    while (!r->stop) {
        (void) pthread_mutex_unlock(&r->lock);
        work(r);
        (void) pthread_mutex_lock(&r->lock);

        (void) clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec += WH_REPORTER_EVERY;

        if (!r->stop) {
            (void) pthread_cond_timedwait(&r->wake, &r->lock, &next);
        }
    }

    (void) pthread_mutex_unlock(&r->lock);
}


static void
wh_reporter_report(wh_reporter_t *r)
{
    wh_error_t  err;

    if (wh_reporter_write(r, &err) == WH_OK) {

        if (r->failing) {
            wh_log(WH_LOG_NOTICE, "the metrics are written again");
        }

        r->failing = 0;
        return;
    }

    if (!r->failing) {
        wh_log(WH_LOG_WARN, "the metrics cannot be written: %s", err.text);
    }

    r->failing = 1;
}


/* Tells the service manager what has changed. */

static void
wh_reporter_tell(wh_reporter_t *r)
{
    char       status[WH_REPORTER_STATUS];
    wh_text_t  text;

    wh_text_init(&text, status, sizeof(status) - 1);
    wh_figures_put_status(&text);
    status[wh_text_len(&text)] = '\0';

    if (strcmp(status, r->status) != 0) {
        wh_manager_status(status);
        memcpy(r->status, status, sizeof(status));
    }

    wh_reporter_watch(r);
}


/* Vouches for the first thread, as long as it goes on.  Asks no disk. */

static void
wh_reporter_watch(wh_reporter_t *r)
{
    int64_t  late, size;

    (void) pthread_mutex_lock(&r->lock);
    size = r->size;
    (void) pthread_mutex_unlock(&r->lock);

    late = wh_watchdog_late(wh_clock(), size);

    if (late == 0) {
        wh_manager_alive();

    } else if (!r->late) {
        wh_log(WH_LOG_ERROR, "nothing has gone on for too long, in state "
               "\"%s\": the watchdog is no longer kept from ending the "
               "process", r->status);
    }

    r->late = (late > 0);
}


static int
wh_reporter_write(wh_reporter_t *r, wh_error_t *err)
{
    int               rc;
    char             *buf;
    size_t            room;
    int64_t           size, wal;
    wh_text_t         text;
    const wh_conf_t  *conf = r->conf;

    size = wh_reporter_size(conf, "");
    wal = wh_reporter_size(conf, "-wal");

    wh_reporter_measure(r, size, wal);

    room = wh_figures_size();

    buf = malloc(room);
    if (buf == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    wh_text_init(&text, buf, room);
    wh_figures_put(&text, conf->commands_topic, size, wal);

    /* partitions may have come meanwhile: the next second has room for them */

    rc = text.full ? WH_OK : wh_reporter_replace(conf, &text, err);

    free(buf);

    return rc;
}


/* A rebuild is one, too. */

static void
wh_reporter_measure(wh_reporter_t *r, int64_t size, int64_t wal)
{
    size_t   i;
    int64_t  all[4] = { size, wal, 0, 0 }, sum;

    all[2] = wh_reporter_size(r->conf, ".new");
    all[3] = wh_reporter_size(r->conf, ".new-wal");

    sum = 0;

    for (i = 0; i < 4; i++) {
        sum += (all[i] > 0) ? all[i] : 0;
    }

    (void) pthread_mutex_lock(&r->lock);
    r->size = sum;
    (void) pthread_mutex_unlock(&r->lock);
}


static int
wh_reporter_replace(const wh_conf_t *conf, const wh_text_t *text,
    wh_error_t *err)
{
    int   rc;
    char  file[PATH_MAX], new[PATH_MAX];

    rc = wh_file_name(file, conf->database, WH_FILES_METRICS, err);

    if (rc == WH_OK) {
        rc = wh_file_name(new, conf->database, WH_FILES_METRICS ".new", err);
    }

    if (rc == WH_OK) {
        rc = wh_reporter_fill(new, conf->database_mode, text, err);
    }

    if (rc == WH_OK && rename(new, file) == -1) {
        rc = wh_error_set(err, WH_ERROR, "cannot rename \"%s\" to \"%s\": %s",
                          new, file, strerror(errno));
    }

    return rc;
}


/* Readable by who may read the database. */

static int
wh_reporter_fill(const char *file, int64_t mode, const wh_text_t *text,
    wh_error_t *err)
{
    int      fd, ok;
    ssize_t  n;

    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd == -1) {
        return wh_error_set(err, WH_ERROR, "cannot create \"%s\": %s", file,
                            strerror(errno));
    }

    ok = (fchmod(fd, (mode_t) mode) == 0);

    if (ok) {
        n = write(fd, text->start, wh_text_len(text));
        ok = (n == (ssize_t) wh_text_len(text));

        if (!ok && n >= 0) {
            errno = ENOSPC;
        }
    }

    if (!ok) {
        (void) wh_error_set(err, WH_ERROR, "cannot write \"%s\": %s", file,
                            strerror(errno));
    }

    if (close(fd) == -1 && ok) {
        return wh_error_set(err, WH_ERROR, "cannot write \"%s\": %s", file,
                            strerror(errno));
    }

    return ok ? WH_OK : WH_ERROR;
}


/* In bytes; -1: there is no such file, or it cannot be told. */

static int64_t
wh_reporter_size(const wh_conf_t *conf, const char *suffix)
{
    char         file[PATH_MAX];
    struct stat  st;

    if (wh_file_name(file, conf->database, suffix, NULL) != WH_OK
        || stat(file, &st) == -1)
    {
        return -1;
    }

    return st.st_size;
}
