#include "daemon.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "session/pace.h"
#include "session/session.h"
#include "session/slice.h"
#include "instance.h"

#include <string.h>


#define WH_BACKOFF_MIN   100     /* ms between two sessions */
#define WH_BACKOFF_MAX   5000
#define WH_RETRY_MAX     100     /* ms between two tries at one batch */
#define WH_RETRIES       100


/* What outlives a session. */

typedef struct {
    const wh_conf_t  *conf;
    wh_store_file_t   whole;      /* see wh_store_check() */
    wh_pace_t         pace;
    int               backoff;    /* ms to the next session */
} wh_daemon_t;


static int wh_daemon_session(wh_daemon_t *d, wh_error_t *err);
static int wh_daemon_batch(wh_daemon_t *d, wh_session_t *s, wh_error_t *err);
static int wh_daemon_slices(wh_daemon_t *d, wh_session_t *s,
    wh_slice_t *slice, wh_error_t *err);
static int wh_daemon_slice(wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);
static int wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err);


int
wh_daemon_run(const wh_conf_t *conf)
{
    int            rc;
    wh_error_t     err;
    wh_daemon_t    d;
    wh_instance_t  instance;

    memset(&d, 0, sizeof(wh_daemon_t));

    d.conf = conf;
    d.backoff = WH_BACKOFF_MIN;
    wh_pace_init(&d.pace, (size_t) conf->batch_size);

    rc = wh_instance_claim(&instance, conf, &err);

    if (rc == WH_OK) {
        rc = WH_AGAIN;
    }

    while (rc == WH_AGAIN && !wh_stopping()) {

        rc = wh_daemon_session(&d, &err);

        if (rc == WH_AGAIN && !wh_stopping()) {
            wh_log(WH_LOG_WARN, "%s; trying again in %d ms", err.text,
                   d.backoff);
            wh_wait(d.backoff);
            wh_signal_serve();

            d.backoff = (d.backoff * 2 < WH_BACKOFF_MAX) ? d.backoff * 2
                                                         : WH_BACKOFF_MAX;
        }
    }

    (void) wh_fail(WH_OK, "stopping", &err);

    wh_instance_release(&instance);

    if (rc == WH_OK || rc == WH_AGAIN) {
        wh_log(WH_LOG_NOTICE, "stopped, as asked");
        return WH_EXIT_OK;
    }

    if (rc == WH_FENCED) {
        wh_log(WH_LOG_ERROR, "stopped: another process runs with group_id "
               "\"%s\" and has taken over: %s", conf->group_id, err.text);
        return WH_EXIT_FENCED;
    }

    wh_log(WH_LOG_ERROR, "stopped: %s", err.text);

    return WH_EXIT_ERROR;
}


static int
wh_daemon_session(wh_daemon_t *d, wh_error_t *err)
{
    int           rc;
    wh_session_t  s;

    rc = wh_session_open(&s, d->conf, &d->whole, err);

    while (rc == WH_OK && !wh_stopping()) {

        wh_signal_serve();

        rc = wh_session_poll(&s, d->pace.most, err);

        if (rc == WH_OK && wh_batch_size(s.now.batch) > 0) {
            rc = wh_fail(rc, "polled", err);
        }

        if (rc == WH_OK) {
            rc = wh_daemon_batch(d, &s, err);
        }
    }

    if (rc == WH_AGAIN && (s.failed == WH_ERROR || s.failed == WH_FENCED)) {
        /* the batch failed, but what was read ahead of it says more */
        rc = s.failed;
        *err = s.why;
    }

    if (rc == WH_FENCED && s.consumer != NULL && !wh_session_replaced(&s)) {
        rc = WH_AGAIN;
    }

    if (s.worked) {
        d->backoff = WH_BACKOFF_MIN;
    }

    wh_session_close(&s);

    return rc;
}


static int
wh_daemon_batch(wh_daemon_t *d, wh_session_t *s, wh_error_t *err)
{
    int         rc;
    wh_slice_t  slice;

    if (wh_batch_size(s->now.batch) == 0 && s->now.ends.n == 0) {
        return WH_OK;
    }

    memset(&slice, 0, sizeof(slice));
    slice.session = s;

    rc = wh_daemon_slices(d, s, &slice, err);

    wh_positions_free(&slice.next);

    if (rc == WH_OK) {
        wh_store_checkpoint(s->store);
    }

    return wh_fail(rc, "checkpointed", err);
}


/*
 * Processes the batch in slices: normally one.  After a lost race the next
 * slice is half as long, so that a writer who never rests cannot keep us from
 * getting through.
 */

static int
wh_daemon_slices(wh_daemon_t *d, wh_session_t *s, wh_slice_t *slice,
    wh_error_t *err)
{
    int     rc, wait;
    size_t  most;

    wait = 1;
    most = d->pace.most;

    do {

        slice->count = wh_batch_size(s->now.batch) - slice->first;

        if (slice->count > most) {
            slice->count = most;
        }

        rc = wh_daemon_slice(s, slice, err);

        if (rc == WH_CONFLICT) {
            wh_store_rollback(s->store);
            wh_log(WH_LOG_INFO, "%s: reading it again", err->text);

            most = (slice->count + 1) / 2;
            slice->counts[WH_STAT_CONFLICTS]++;

            if (wh_stopping()) {
                return wh_error_set(err, WH_AGAIN, "asked to stop");
            }

            if (slice->counts[WH_STAT_CONFLICTS] == WH_RETRIES) {
                /* the consumer has to be polled some time */
                return WH_AGAIN;
            }

            wh_wait(wait);
            wh_signal_serve();
            wait = (wait * 2 < WH_RETRY_MAX) ? wait * 2 : WH_RETRY_MAX;

            continue;
        }

        if (rc != WH_OK) {

            if (slice->published < 0) {
                wh_pace_failed(&d->pace, slice->count,
                               wh_clock() + slice->published,
                               wh_publisher_timeout(s->publisher));
            }

            return rc;
        }

        wh_pace_committed(&d->pace, slice->count, slice->published,
                          wh_publisher_timeout(s->publisher));

        slice->counts[WH_STAT_CONFLICTS] = 0;
        slice->first += slice->count;
        most = d->pace.most;
        wait = 1;

        if (wh_stopping() && slice->first < wh_batch_size(s->now.batch)) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }
    } while (slice->first < wh_batch_size(s->now.batch));

    return WH_OK;
}


static int
wh_daemon_slice(wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int  rc;

    wh_positions_clear(&slice->next);

    rc = wh_daemon_measure(s, slice, err);

    return (rc == WH_OK && slice->next.n > 0) ? wh_slice_commit(slice, err)
                                              : rc;
}


/*
 * Finds the offsets behind the slice.  Where it ends the batch, these may be
 * ends that were reached: a position left in front of records that are never
 * shown to us would look like lost commands once retention has deleted them.
 * More commands may have come in the batch after an end was reached.
 */

static int
wh_daemon_measure(const wh_session_t *s, wh_slice_t *slice, wh_error_t *err)
{
    int                    rc;
    size_t                 k;
    int32_t                i, partition;
    int64_t                end;
    const wh_outcome_t    *o;
    const wh_positions_t  *ends;

    rc = WH_OK;
    ends = &s->now.ends;

    for (k = slice->first; rc == WH_OK && k < slice->first + slice->count; k++)
    {
        o = wh_batch_outcome(s->now.batch, k);
        rc = wh_positions_set(&slice->next, o->partition, o->offset + 1, err);
    }

    if (slice->first + slice->count < wh_batch_size(s->now.batch)) {
        return rc;
    }

    for (i = 0; rc == WH_OK && i < ends->n; i++) {
        partition = ends->partitions[i];
        end = wh_positions_get(ends, partition);

        if (end > wh_positions_get(&s->next, partition)) {
            rc = wh_positions_raise(&slice->next, partition, end, err);
        }
    }

    return rc;
}
