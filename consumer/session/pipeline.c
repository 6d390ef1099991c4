#include "session/pipeline.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watchdog.h"
#include "session/slice.h"

#include <string.h>


#define WH_PIPELINE_WAIT     100     /* ms between two tries at one slice */
#define WH_PIPELINE_RETRIES  100


static int wh_pipeline_slices(wh_handles_t *h, wh_slice_t *slice,
    wh_error_t *err);
static int wh_pipeline_conflict(wh_slice_t *slice, int *wait,
    wh_error_t *err);
static void wh_pipeline_pace(wh_handles_t *h, const wh_slice_t *slice,
    int rc);
static int wh_pipeline_slice(wh_slice_t *slice, wh_error_t *err);
static int wh_pipeline_measure(wh_slice_t *slice, wh_error_t *err);


int
wh_pipeline_run(wh_handles_t *h, wh_error_t *err)
{
    int           rc;
    wh_slice_t    slice;
    wh_polled_t  *now;

    now = &h->reader.now;

    if (wh_batch_size(now->batch) == 0 && now->ends.n == 0) {
        return WH_OK;
    }

    memset(&slice, 0, sizeof(slice));
    slice.handles = h;

    rc = wh_pipeline_slices(h, &slice, err);

    wh_positions_free(&slice.next);

    if (rc == WH_OK) {
        wh_watchdog_disk();
        wh_store_checkpoint(h->store);
        wh_watchdog_step();
    }

    return wh_fail(rc, "checkpointed", err);
}


/*
 * After a lost race the next slice is half as long, so that a writer who never
 * rests cannot keep us from getting through.
 */

static int
wh_pipeline_slices(wh_handles_t *h, wh_slice_t *slice, wh_error_t *err)
{
    int     rc, wait;
    size_t  most, size;

    wait = 1;
    most = h->pace->most;
    size = wh_batch_size(h->reader.now.batch);

    do {

        slice->count = size - slice->first;

        if (slice->count > most) {
            slice->count = most;
        }

        rc = wh_pipeline_slice(slice, err);

        if (rc == WH_CONFLICT) {
            most = (slice->count + 1) / 2;

            rc = wh_pipeline_conflict(slice, &wait, err);
            if (rc != WH_OK) {
                return rc;
            }

            continue;
        }

        wh_pipeline_pace(h, slice, rc);

        if (rc != WH_OK) {
            return rc;
        }

        slice->counts[WH_STAT_CONFLICTS] = 0;
        slice->first += slice->count;
        most = h->pace->most;
        wait = 1;

        if (wh_stopping() && slice->first < size) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }
    } while (slice->first < size);

    return WH_OK;
}


/* Another writer was faster: waits a moment.  WH_OK: try again; WH_AGAIN. */

static int
wh_pipeline_conflict(wh_slice_t *slice, int *wait, wh_error_t *err)
{
    wh_store_rollback(slice->handles->store);
    wh_log(WH_LOG_INFO, "%s: reading it again", err->text);

    slice->counts[WH_STAT_CONFLICTS]++;
    wh_figures_conflict();

    if (wh_stopping()) {
        return wh_error_set(err, WH_AGAIN, "asked to stop");
    }

    if (slice->counts[WH_STAT_CONFLICTS] == WH_PIPELINE_RETRIES) {
        /* the consumer has to be polled some time */
        return WH_AGAIN;
    }

    wh_wait(*wait);
    wh_signal_serve();
    *wait = (*wait * 2 < WH_PIPELINE_WAIT) ? *wait * 2 : WH_PIPELINE_WAIT;

    return WH_OK;
}


/* What the next transactions learn from this one. */

static void
wh_pipeline_pace(wh_handles_t *h, const wh_slice_t *slice, int rc)
{
    int64_t  timeout;

    timeout = wh_publisher_timeout(h->publisher);

    if (rc == WH_OK) {
        wh_pace_committed(h->pace, slice->count, slice->published, timeout);

    } else if (slice->published < 0) {
        wh_pace_failed(h->pace, slice->count, wh_clock() + slice->published,
                       timeout);
    }
}


static int
wh_pipeline_slice(wh_slice_t *slice, wh_error_t *err)
{
    int  rc;

    wh_positions_clear(&slice->next);

    rc = wh_pipeline_measure(slice, err);

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
wh_pipeline_measure(wh_slice_t *slice, wh_error_t *err)
{
    int                    rc;
    size_t                 k;
    int32_t                i, partition;
    int64_t                end;
    wh_handles_t          *h;
    const wh_batch_t      *batch;
    const wh_outcome_t    *o;
    const wh_positions_t  *ends;

    rc = WH_OK;
    h = slice->handles;
    batch = h->reader.now.batch;
    ends = &h->reader.now.ends;

    for (k = slice->first; rc == WH_OK && k < slice->first + slice->count; k++)
    {
        o = wh_batch_outcome(batch, k);
        rc = wh_positions_set(&slice->next, o->partition, o->offset + 1, err);
    }

    if (slice->first + slice->count < wh_batch_size(batch)) {
        return rc;
    }

    for (i = 0; rc == WH_OK && i < ends->n; i++) {
        partition = ends->partitions[i];
        end = wh_positions_get(ends, partition);

        if (end > wh_positions_get(&h->assignment.next, partition)) {
            rc = wh_positions_raise(&slice->next, partition, end, err);
        }
    }

    return rc;
}
