#include "wh_daemon.h"
#include "wh_fail.h"
#include "wh_instance.h"
#include "wh_json.h"
#include "wh_log.h"
#include "wh_session.h"
#include "wh_signal.h"
#include "wh_worker.h"

#include <string.h>


#define WH_BACKOFF_MIN   100     /* ms between two sessions */
#define WH_BACKOFF_MAX   5000
#define WH_RETRY_MAX     100     /* ms between two tries at one batch */
#define WH_RETRIES       100


/* A slice of the batch: what goes into one transaction. */

typedef struct {
    wh_session_t                     *session;
    size_t                            first;
    size_t                            count;
    rd_kafka_topic_partition_list_t  *next;      /* offsets behind it */
    int64_t                           counts[WH_STAT_LAST];
    int64_t                           stored;    /* position in notifications */
    int64_t                           sent;      /* and behind those sent */
} wh_slice_t;


static int wh_daemon_session(const wh_conf_t *conf, int *backoff,
    wh_error_t *err);
static int wh_daemon_batch(wh_session_t *s, wh_error_t *err);
static int wh_daemon_slice(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static void wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice);
static rd_kafka_topic_partition_t *wh_daemon_behind(const wh_session_t *s,
    wh_slice_t *slice, int32_t partition);
static int wh_daemon_commit(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static int wh_daemon_prepare(void *data, wh_error_t *err);
static void wh_daemon_count(wh_slice_t *slice);
static int wh_daemon_write(wh_slice_t *slice, wh_error_t *err);
static int wh_daemon_publish(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static void wh_daemon_prefetch(wh_session_t *s, const wh_slice_t *slice);
static int wh_daemon_read(void *data, wh_error_t *err);
static int wh_daemon_finish(void *data, wh_error_t *err);
static void wh_daemon_log(const wh_session_t *s, const wh_slice_t *slice);
static size_t wh_daemon_line(char *line, const wh_outcome_t *outcome);
static char *wh_daemon_position(char *p, int32_t partition, int64_t offset);


int
wh_daemon_run(const wh_conf_t *conf)
{
    int             backoff, rc;
    wh_error_t      err;
    wh_instance_t   instance;

    err.reason = NULL;
    backoff = WH_BACKOFF_MIN;

    rc = wh_instance_claim(&instance, conf, &err);

    if (rc == WH_OK) {
        rc = WH_AGAIN;
    }

    while (rc == WH_AGAIN && !wh_stopping()) {

        rc = wh_daemon_session(conf, &backoff, &err);

        if (rc == WH_AGAIN && !wh_stopping()) {
            wh_log(WH_LOG_WARN, "%s; trying again in %d ms", err.text, backoff);
            wh_wait(backoff);
            wh_signal_serve();

            backoff = (backoff * 2 < WH_BACKOFF_MAX) ? backoff * 2
                                                     : WH_BACKOFF_MAX;
        }
    }

    (void) wh_fail(WH_OK, "stopping", &err);

    wh_instance_release(&instance);

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


static int
wh_daemon_session(const wh_conf_t *conf, int *backoff, wh_error_t *err)
{
    int           rc;
    wh_session_t  s;

    rc = wh_session_open(&s, conf, err);

    while (rc == WH_OK && !wh_stopping()) {

        wh_signal_serve();

        rc = wh_session_poll(&s, err);

        if (rc == WH_OK && wh_batch_size(s.now.batch) > 0) {
            rc = wh_fail(rc, "polled", err);
        }

        if (rc == WH_OK) {
            rc = wh_daemon_batch(&s, err);
        }
    }

    if (rc == WH_AGAIN && s.failed == WH_ERROR) {
        /* the batch failed, but what was read ahead of it says more */
        rc = s.failed;
        *err = s.why;
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

    if (wh_batch_size(s->now.batch) == 0 && s->now.ends->cnt == 0) {
        return WH_OK;
    }

    memset(&slice, 0, sizeof(slice));
    slice.session = s;
    slice.count = wh_batch_size(s->now.batch);
    wait = 1;

    do {

        rc = wh_daemon_slice(s, &slice, err);

        if (rc == WH_CONFLICT) {
            wh_store_rollback(s->store);
            wh_log(WH_LOG_INFO, "%s: reading it again", err->text);

            slice.count = (slice.count + 1) / 2;
            slice.counts[WH_STAT_CONFLICTS]++;

            if (wh_stopping()) {
                return wh_error_set(err, WH_AGAIN, "asked to stop");
            }

            if (slice.counts[WH_STAT_CONFLICTS] == WH_RETRIES) {
                /* the consumer has to be polled some time */
                return WH_AGAIN;
            }

            wh_wait(wait);
            wh_signal_serve();
            wait = (wait * 2 < WH_RETRY_MAX) ? wait * 2 : WH_RETRY_MAX;

            continue;
        }

        if (rc != WH_OK) {
            return rc;
        }

        slice.counts[WH_STAT_CONFLICTS] = 0;
        slice.first += slice.count;
        slice.count = wh_batch_size(s->now.batch) - slice.first;
        wait = 1;
    } while (slice.first < wh_batch_size(s->now.batch));

    wh_store_checkpoint(s->store);

    return wh_fail(WH_OK, "checkpointed", err);
}


static int
wh_daemon_slice(wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int  rc;

    slice->next = rd_kafka_topic_partition_list_new(s->next->cnt);
    wh_daemon_measure(s, slice);

    rc = (slice->next->cnt > 0) ? wh_daemon_commit(s, slice, err) : WH_OK;

    rd_kafka_topic_partition_list_destroy(slice->next);
    slice->next = NULL;

    return rc;
}


/*
 * Finds the offsets behind the slice.  Where it ends the batch, these may be
 * ends that were reached: a position left in front of records that are never
 * shown to us would look like lost commands once retention has deleted them.
 * More commands may have come in the batch after an end was reached.
 */

static void
wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice)
{
    int                           i;
    size_t                        k;
    const wh_outcome_t           *o;
    rd_kafka_topic_partition_t   *end, *known, *next;

    for (k = slice->first; k < slice->first + slice->count; k++) {
        o = wh_batch_outcome(s->now.batch, k);
        wh_daemon_behind(s, slice, o->partition)->offset = o->offset + 1;
    }

    if (slice->first + slice->count < wh_batch_size(s->now.batch)) {
        return;
    }

    for (i = 0; i < s->now.ends->cnt; i++) {
        end = &s->now.ends->elems[i];
        known = rd_kafka_topic_partition_list_find(s->next, end->topic,
                                                   end->partition);

        if (end->offset <= known->offset) {
            continue;
        }

        next = wh_daemon_behind(s, slice, end->partition);

        if (end->offset > next->offset) {
            next->offset = end->offset;
        }
    }
}


/* The element of a partition in slice->next, added where it is missing. */

static rd_kafka_topic_partition_t *
wh_daemon_behind(const wh_session_t *s, wh_slice_t *slice, int32_t partition)
{
    rd_kafka_topic_partition_t  *next;

    next = rd_kafka_topic_partition_list_find(slice->next,
                                              s->conf->commands_topic,
                                              partition);
    if (next == NULL) {
        next = rd_kafka_topic_partition_list_add(slice->next,
                                                 s->conf->commands_topic,
                                                 partition);
    }

    return next;
}


/*
 * One slice through both commits.  Kafka's comes first: then SQLite is never
 * ahead of it, and what a crash between the two leaves behind is applied by
 * the recovery.  SQLite works in a thread of its own; this one reads ahead,
 * sends and logs meanwhile.
 */

static int
wh_daemon_commit(wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int  i, rc;

    wh_worker_start(s->worker, wh_daemon_prepare, slice);

    while (wh_worker_busy(s->worker) && wh_session_poll_ahead(s)) {
        /* SQLite reads and writes, we decode */
    }

    rc = wh_worker_wait(s->worker, err);

    if (rc == WH_OK) {
        wh_daemon_prefetch(s, slice);

        rc = wh_daemon_publish(s, slice, err);
        rc = wh_fail(rc, "kafka_committed", err);

        /* what could not be read ahead is read again */
        (void) wh_worker_wait(s->worker, NULL);
    }

    if (rc == WH_OK) {
        wh_worker_start(s->worker, wh_daemon_finish, slice);
        wh_daemon_log(s, slice);

        rc = wh_worker_wait(s->worker, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    for (i = 0; i < slice->next->cnt; i++) {
        (void) rd_kafka_topic_partition_list_set_offset(s->next,
                                              s->conf->commands_topic,
                                              slice->next->elems[i].partition,
                                              slice->next->elems[i].offset);
    }

    s->worked = 1;
    s->committed = wh_clock();

    if (wh_publisher_suspect(s->publisher)) {
        return wh_error_set(err, WH_AGAIN, "a request of the transaction went "
                            "without its answer: the producer is replaced");
    }

    return wh_fail(WH_OK, "logged", err);
}


/* SQLite's part before Kafka's transaction. */

static int
wh_daemon_prepare(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_session_t  *s = slice->session;

    rc = wh_batch_compute(s->now.batch, slice->first, slice->count, s->store,
                          err);
    rc = wh_fail(rc, "read", err);

    if (rc == WH_OK) {
        wh_daemon_count(slice);
        rc = wh_daemon_write(slice, err);
        rc = wh_fail(rc, "written", err);
    }

    if (rc == WH_OK) {
        rc = wh_store_get_position(s->store, s->conf->notifications_topic, 0,
                                   &slice->stored, err);
        slice->sent = slice->stored;
    }

    return rc;
}


static void
wh_daemon_count(wh_slice_t *slice)
{
    size_t             i;
    const wh_batch_t  *batch;

    static const wh_stat_t  stats[] = {
        [WH_APPLIED] = WH_STAT_APPLIED,
        [WH_REFUSED] = WH_STAT_REFUSED,
        [WH_DUPLICATE] = WH_STAT_DUPLICATES,
        [WH_MALFORMED] = WH_STAT_MALFORMED,
    };

    batch = slice->session->now.batch;

    slice->counts[WH_STAT_APPLIED] = 0;
    slice->counts[WH_STAT_REFUSED] = 0;
    slice->counts[WH_STAT_DUPLICATES] = 0;
    slice->counts[WH_STAT_MALFORMED] = 0;

    for (i = slice->first; i < slice->first + slice->count; i++) {
        slice->counts[stats[wh_batch_outcome(batch, i)->verdict]]++;
    }
}


static int
wh_daemon_write(wh_slice_t *slice, wh_error_t *err)
{
    int                                i, rc;
    wh_session_t                      *s = slice->session;
    const rd_kafka_topic_partition_t  *from, *to;

    rc = wh_store_begin(s->store, err);
    rc = wh_fail(rc, "begun", err);

    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_batch_write(s->now.batch, s->store, err);

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
wh_daemon_publish(wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int     rc;
    size_t  i;

    rc = wh_publisher_begin(s->publisher, err);

    for (i = slice->first; rc == WH_OK && i < slice->first + slice->count; i++)
    {
        rc = wh_publisher_send(s->publisher, wh_batch_outcome(s->now.batch, i),
                               err);
        if (i == slice->first) {
            rc = wh_fail(rc, "first_sent", err);
        }
    }

    rc = wh_fail(rc, "last_sent", err);

    if (rc == WH_OK) {
        while (wh_publisher_pending(s->publisher)
               && wh_session_poll_ahead(s))
        {
            /* the brokers write, we decode */
        }

        wh_daemon_prefetch(s, slice);

        rc = wh_publisher_flush(s->publisher, &slice->sent, err);
        rc = wh_fail(rc, "flushed", err);
    }

    if (rc == WH_OK) {
        rc = wh_publisher_commit(s->publisher, slice->next, s->in_use, err);
    }

    return rc;
}


/*
 * With a full batch read ahead, has its items read, too: after what this slice
 * has written, if that is the batch in hand to its end.
 */

static void
wh_daemon_prefetch(wh_session_t *s, const wh_slice_t *slice)
{
    if (!wh_worker_busy(s->worker) && wh_batch_full(s->ahead.batch)
        && !wh_batch_prefetched(s->ahead.batch)
        && slice->first + slice->count == wh_batch_size(s->now.batch))
    {
        wh_worker_start(s->worker, wh_daemon_read, s);
    }
}


static int
wh_daemon_read(void *data, wh_error_t *err)
{
    wh_session_t  *s = data;

    return wh_batch_prefetch(s->ahead.batch, s->store, err);
}


/*
 * SQLite's part after Kafka's transaction.  The position in notifications
 * belongs to the same transaction as the items it stands for.
 */

static int
wh_daemon_finish(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_session_t  *s = slice->session;

    rc = WH_OK;

    if (slice->sent != slice->stored) {
        rc = wh_store_move_position(s->store, s->conf->notifications_topic, 0,
                                    slice->stored, slice->sent, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_commit(s->store, err);
    }

    return wh_fail(rc, "sqlite_committed", err);
}


static void
wh_daemon_log(const wh_session_t *s, const wh_slice_t *slice)
{
    char    line[WH_COMMAND_LEN + WH_KEY_MAX + 256];
    size_t  i, len;

    for (i = slice->first; i < slice->first + slice->count; i++) {
        len = wh_daemon_line(line, wh_batch_outcome(s->now.batch, i));
        wh_log_collect(line, len);
    }

    wh_log_flush();
}


/* One for each command, so without printf(), which is slow. */

static size_t
wh_daemon_line(char *line, const wh_outcome_t *o)
{
    char  *p;

    static const char *const  verdicts[] = {
        [WH_APPLIED] = "Processed and notified: ",
        [WH_REFUSED] = "Refused: ",
        [WH_DUPLICATE] = "Duplicate: ",
        [WH_MALFORMED] = "Malformed: reason=",
    };

    p = wh_put(line, verdicts[o->verdict]);

    if (o->verdict == WH_MALFORMED) {
        p = wh_put(p, o->reason);

    } else {
        p += wh_command_write(p, &o->command);
    }

    if (o->verdict == WH_REFUSED) {
        p = wh_put(wh_put(p, " reason="), o->reason);
    }

    if (o->verdict == WH_DUPLICATE) {
        p = wh_put(wh_put(p, " idempotency_key="), o->key);
        p = wh_daemon_position(wh_put(p, " original="), o->original.partition,
                               o->original.offset);
    }

    if (o->verdict != WH_MALFORMED) {
        p = wh_put(p, " stock=");
        p += wh_json_int(p, o->stock);
    }

    if (o->verdict == WH_APPLIED) {
        p = wh_put(p, " version=");
        p += wh_json_int(p, o->version);
    }

    p = wh_daemon_position(wh_put(p, " position="), o->partition, o->offset);

    return (size_t) (p - line);
}


static char *
wh_daemon_position(char *p, int32_t partition, int64_t offset)
{
    p += wh_json_int(p, partition);
    *p++ = ':';

    return p + wh_json_int(p, offset);
}
