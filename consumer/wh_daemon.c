#include "wh_daemon.h"
#include "wh_log.h"
#include "wh_session.h"
#include "wh_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>


#define WH_BACKOFF_MIN   100     /* ms between two sessions */
#define WH_BACKOFF_MAX   5000
#define WH_RETRY_MAX     100     /* ms between two tries at one batch */


/* A slice of the batch: what goes into one transaction. */

typedef struct {
    size_t                            first;
    size_t                            count;
    rd_kafka_topic_partition_list_t  *next;      /* offsets behind it */
    int64_t                           counts[WH_STAT_LAST];
} wh_slice_t;


static int wh_daemon_lock(const wh_conf_t *conf, int *fd, wh_error_t *err);
static int wh_daemon_session(const wh_conf_t *conf, wh_batch_t *batch,
    int *backoff, wh_error_t *err);
static int wh_daemon_batch(wh_session_t *s, wh_error_t *err);
static int wh_daemon_slice(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static void wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice);
static int wh_daemon_write(wh_session_t *s, const wh_slice_t *slice,
    wh_error_t *err);
static int wh_daemon_publish(wh_session_t *s, const wh_slice_t *slice,
    wh_error_t *err);
static void wh_daemon_log(const wh_session_t *s, const wh_slice_t *slice);


int
wh_daemon_run(const wh_conf_t *conf)
{
    int          backoff, lock, rc;
    wh_batch_t  *batch;
    wh_error_t   err;

    err.reason = NULL;
    lock = -1;
    batch = NULL;
    backoff = WH_BACKOFF_MIN;

    rc = wh_daemon_lock(conf, &lock, &err);

    if (rc == WH_OK) {
        rc = wh_batch_create(&batch, (size_t) conf->batch_size, &err);
    }

    if (rc == WH_OK) {
        rc = WH_AGAIN;
    }

    while (rc == WH_AGAIN && !wh_stopping()) {

        rc = wh_daemon_session(conf, batch, &backoff, &err);

        if (rc == WH_AGAIN && !wh_stopping()) {
            wh_log(WH_LOG_WARN, "%s; trying again in %d ms", err.text, backoff);
            wh_wait(backoff);
            wh_signal_serve();

            backoff = (backoff * 2 < WH_BACKOFF_MAX) ? backoff * 2
                                                     : WH_BACKOFF_MAX;
        }
    }

    wh_batch_destroy(batch);

    if (lock != -1) {
        (void) close(lock);
    }

    if (rc == WH_OK || rc == WH_AGAIN) {
        wh_log(WH_LOG_NOTICE, "stopped, as asked");
        return WH_EXIT_OK;
    }

    if (err.reason != NULL && strcmp(err.reason, WH_FENCED) == 0) {
        wh_log(WH_LOG_ERROR, "stopped: another process runs with group_id "
               "\"%s\" and has taken over: %s", conf->group_id, err.text);
        return WH_EXIT_FENCED;
    }

    wh_log(WH_LOG_ERROR, "stopped: %s", err.text);

    return WH_EXIT_ERROR;
}


/* One daemon a database; the lock goes with the process. */

static int
wh_daemon_lock(const wh_conf_t *conf, int *fd, wh_error_t *err)
{
    int   n;
    char  file[PATH_MAX];

    n = snprintf(file, sizeof(file), "%s.lock", conf->database);

    if (n < 0 || (size_t) n >= sizeof(file)) {
        return wh_error_set(err, WH_ERROR, "the path \"%s\" is too long",
                            conf->database);
    }

    *fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (*fd == -1) {
        return wh_error_set(err, WH_ERROR, "cannot open \"%s\": %s", file,
                            strerror(errno));
    }

    if (flock(*fd, LOCK_EX | LOCK_NB) == -1) {
        return wh_error_set(err, WH_ERROR, errno == EWOULDBLOCK
                            ? "\"%s\" is locked: another warehouse-consumer "
                              "works on this database"
                            : "cannot lock \"%s\"", file);
    }

    return WH_OK;
}


static int
wh_daemon_session(const wh_conf_t *conf, wh_batch_t *batch, int *backoff,
    wh_error_t *err)
{
    int           rc;
    wh_session_t  s;

    rc = wh_session_open(&s, conf, batch, err);

    while (rc == WH_OK && !wh_stopping()) {

        wh_signal_serve();

        rc = wh_session_poll(&s, err);

        if (rc == WH_OK && wh_batch_size(batch) > 0) {
            rc = wh_daemon_batch(&s, err);
        }
    }

    if (rc == WH_ERROR && err->reason != NULL
        && strcmp(err->reason, WH_FENCED) == 0 && s.consumer != NULL
        && !wh_session_replaced(&s))
    {
        rc = WH_AGAIN;
    }

    if (s.worked) {
        *backoff = WH_BACKOFF_MIN;
    }

    wh_session_close(&s);

    return rc;
}


/*
 * Processes the batch in slices: normally one.  After a lost race the next
 * slice is half as long, so that a writer who never rests cannot keep us from
 * getting through.
 */

static int
wh_daemon_batch(wh_session_t *s, wh_error_t *err)
{
    int         rc, wait;
    wh_slice_t  slice;

    rc = wh_store_same_file(s->store, err);
    if (rc != WH_OK) {
        return rc;
    }

    memset(&slice, 0, sizeof(slice));
    slice.count = wh_batch_size(s->batch);
    wait = 1;

    while (slice.first < wh_batch_size(s->batch)) {

        rc = wh_daemon_slice(s, &slice, err);

        if (rc == WH_CONFLICT) {
            wh_store_rollback(s->store);
            wh_log(WH_LOG_INFO, "%s: reading it again", err->text);

            slice.count = (slice.count + 1) / 2;
            slice.counts[WH_STAT_CONFLICTS]++;

            wh_wait(wait);
            wait = (wait * 2 < WH_RETRY_MAX) ? wait * 2 : WH_RETRY_MAX;

            if (wh_stopping()) {
                return wh_error_set(err, WH_AGAIN, "asked to stop");
            }

            continue;
        }

        if (rc != WH_OK) {
            return rc;
        }

        slice.counts[WH_STAT_CONFLICTS] = 0;
        slice.first += slice.count;
        slice.count = wh_batch_size(s->batch) - slice.first;
        wait = 1;
    }

    wh_store_checkpoint(s->store);

    return WH_OK;
}


/*
 * One slice through both commits.  Kafka's comes first: then SQLite is never
 * ahead of it, and what a crash between the two leaves behind is applied by
 * the recovery.
 */

static int
wh_daemon_slice(wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int  i, rc;

    rc = wh_batch_compute(s->batch, slice->first, slice->count, s->store, err);
    if (rc != WH_OK) {
        return rc;
    }

    slice->next = rd_kafka_topic_partition_list_new(s->next->cnt);
    wh_daemon_measure(s, slice);

    rc = wh_daemon_write(s, slice, err);

    if (rc == WH_OK) {
        rc = wh_daemon_publish(s, slice, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_commit(s->store, err);
    }

    if (rc == WH_OK) {
        for (i = 0; i < slice->next->cnt; i++) {
            (void) rd_kafka_topic_partition_list_set_offset(s->next,
                                              s->conf->commands_topic,
                                              slice->next->elems[i].partition,
                                              slice->next->elems[i].offset);
        }

        s->worked = 1;
        wh_daemon_log(s, slice);

        if (wh_publisher_suspect(s->publisher)) {
            rc = wh_error_set(err, WH_AGAIN, "a request of the transaction "
                              "went without its answer: the producer is "
                              "replaced");
        }
    }

    rd_kafka_topic_partition_list_destroy(slice->next);
    slice->next = NULL;

    return rc;
}


/* Counts the verdicts and finds the offsets behind the slice. */

static void
wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice)
{
    size_t                       i;
    const wh_outcome_t          *o;
    rd_kafka_topic_partition_t  *next;

    static const wh_stat_t  stats[] = {
        [WH_APPLIED] = WH_STAT_APPLIED,
        [WH_REFUSED] = WH_STAT_REFUSED,
        [WH_MALFORMED] = WH_STAT_MALFORMED,
    };

    next = NULL;

    slice->counts[WH_STAT_APPLIED] = 0;
    slice->counts[WH_STAT_REFUSED] = 0;
    slice->counts[WH_STAT_MALFORMED] = 0;

    for (i = slice->first; i < slice->first + slice->count; i++) {
        o = wh_batch_outcome(s->batch, i);

        slice->counts[stats[o->verdict]]++;

        if (next == NULL || next->partition != o->partition) {
            next = rd_kafka_topic_partition_list_find(slice->next,
                                                      s->conf->commands_topic,
                                                      o->partition);
        }

        if (next == NULL) {
            next = rd_kafka_topic_partition_list_add(slice->next,
                                                     s->conf->commands_topic,
                                                     o->partition);
        }

        next->offset = o->offset + 1;
    }
}


static int
wh_daemon_write(wh_session_t *s, const wh_slice_t *slice, wh_error_t *err)
{
    int                                i, rc;
    const rd_kafka_topic_partition_t  *from, *to;

    rc = wh_store_begin(s->store, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_batch_write(s->batch, s->store, err);

    for (i = 0; rc == WH_OK && i < slice->next->cnt; i++) {
        to = &slice->next->elems[i];
        from = rd_kafka_topic_partition_list_find(s->next, to->topic,
                                                  to->partition);

        rc = wh_store_move_position(s->store, to->topic, to->partition,
                                    from->offset, to->offset, err);

        if (rc == WH_CONFLICT) {
            /* nobody but us moves positions: recover */
            rc = WH_AGAIN;
        }
    }

    if (rc == WH_OK) {
        rc = wh_store_count(s->store, slice->counts, err);
    }

    return rc;
}


static int
wh_daemon_publish(wh_session_t *s, const wh_slice_t *slice, wh_error_t *err)
{
    int                  rc;
    size_t               i;
    int64_t              stored, next;
    const wh_outcome_t  *o;

    rc = wh_publisher_begin(s->publisher, err);

    for (i = slice->first; rc == WH_OK && i < slice->first + slice->count; i++)
    {
        o = wh_batch_outcome(s->batch, i);

        if (o->verdict == WH_APPLIED) {
            rc = wh_publisher_send(s->publisher, o, err);
        }
    }

    if (rc == WH_OK) {
        rc = wh_store_get_position(s->store, s->conf->notifications_topic, 0,
                                   &stored, err);
        next = stored;
    }

    if (rc == WH_OK) {
        rc = wh_publisher_flush(s->publisher, &next, err);
    }

    /* in the same SQLite transaction as the items it stands for */

    if (rc == WH_OK && next != stored) {
        rc = wh_store_move_position(s->store, s->conf->notifications_topic, 0,
                                    stored, next, err);
    }

    if (rc == WH_OK) {
        rc = wh_publisher_commit(s->publisher, slice->next, s->metadata, err);
    }

    return rc;
}


static void
wh_daemon_log(const wh_session_t *s, const wh_slice_t *slice)
{
    int                  n;
    char                 line[WH_COMMAND_LEN + 256], command[WH_COMMAND_LEN];
    size_t               i, len;
    const wh_outcome_t  *o;

    for (i = slice->first; i < slice->first + slice->count; i++) {
        o = wh_batch_outcome(s->batch, i);

        if (o->verdict == WH_MALFORMED) {
            n = snprintf(line, sizeof(line), "Malformed: reason=%s "
                         "position=%" PRId32 ":%" PRId64, o->reason,
                         o->partition, o->offset);

        } else {
            len = wh_command_write(command, &o->command);

            if (o->verdict == WH_APPLIED) {
                n = snprintf(line, sizeof(line), "Processed and notified: "
                             "%.*s stock=%" PRId64 " version=%" PRId64
                             " position=%" PRId32 ":%" PRId64, (int) len,
                             command, o->stock, o->version, o->partition,
                             o->offset);
            } else {
                n = snprintf(line, sizeof(line), "Refused: %.*s reason=%s "
                             "stock=%" PRId64 " position=%" PRId32 ":%" PRId64,
                             (int) len, command, o->reason, o->stock,
                             o->partition, o->offset);
            }
        }

        if (n > 0) {
            wh_log_collect(line, (size_t) n);
        }
    }

    wh_log_flush();
}
