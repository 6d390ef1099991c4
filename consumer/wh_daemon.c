#include "wh_daemon.h"
#include "wh_fail.h"
#include "wh_instance.h"
#include "wh_log.h"
#include "wh_session.h"
#include "wh_signal.h"
#include "wh_slice.h"

#include <string.h>


#define WH_BACKOFF_MIN   100     /* ms between two sessions */
#define WH_BACKOFF_MAX   5000
#define WH_RETRY_MAX     100     /* ms between two tries at one batch */
#define WH_RETRIES       100


static int wh_daemon_session(const wh_conf_t *conf, wh_store_file_t *whole,
    int *backoff, wh_error_t *err);
static int wh_daemon_batch(wh_session_t *s, wh_error_t *err);
static int wh_daemon_slice(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static void wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice);
static rd_kafka_topic_partition_t *wh_daemon_behind(const wh_session_t *s,
    wh_slice_t *slice, int32_t partition);


int
wh_daemon_run(const wh_conf_t *conf)
{
    int              backoff, rc;
    wh_error_t       err;
    wh_instance_t    instance;
    wh_store_file_t  whole;

    memset(&whole, 0, sizeof(wh_store_file_t));

    err.reason = NULL;
    backoff = WH_BACKOFF_MIN;

    rc = wh_instance_claim(&instance, conf, &err);

    if (rc == WH_OK) {
        rc = WH_AGAIN;
    }

    while (rc == WH_AGAIN && !wh_stopping()) {

        rc = wh_daemon_session(conf, &whole, &backoff, &err);

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
wh_daemon_session(const wh_conf_t *conf, wh_store_file_t *whole,
    int *backoff, wh_error_t *err)
{
    int           rc;
    wh_session_t  s;

    rc = wh_session_open(&s, conf, whole, err);

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

    rc = (slice->next->cnt > 0) ? wh_slice_commit(slice, err) : WH_OK;

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
