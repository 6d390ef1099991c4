#include "session/slice.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "ledger/line.h"
#include "ledger/message.h"
#include "session/keeping.h"


static void wh_slice_tell(const wh_slice_t *slice, int64_t us);
static int wh_slice_prepare(void *data, wh_error_t *err);
static void wh_slice_count(wh_slice_t *slice);
static int wh_slice_write(wh_slice_t *slice, wh_error_t *err);
static int wh_slice_move(wh_handles_t *h, const char *topic, int32_t partition,
    int64_t from, int64_t to, wh_error_t *err);
static int wh_slice_publish(wh_slice_t *slice, wh_error_t *err);
static int wh_slice_send(wh_slice_t *slice, wh_error_t *err);
static void wh_slice_prefetch(const wh_slice_t *slice);
static int wh_slice_read(void *data, wh_error_t *err);
static int wh_slice_keep(void *data, wh_error_t *err);
static int wh_slice_settle(wh_slice_t *slice, wh_error_t *err);
static int wh_slice_finish(void *data, wh_error_t *err);
static size_t wh_slice_log(const wh_slice_t *slice, size_t i, int applied);


/*
 * One slice through both commits.  Kafka's comes first: then SQLite is never
 * ahead of it, and what a crash between the two leaves behind is applied by
 * the recovery.  SQLite works in a thread of its own; this one reads ahead,
 * sends and logs meanwhile.
 */

int
wh_slice_commit(wh_slice_t *slice, wh_error_t *err)
{
    int            rc;
    int64_t        begun;
    wh_handles_t  *h = slice->handles;

    begun = wh_clock_us();

    wh_worker_start(h->worker, wh_slice_prepare, slice);

    while (wh_worker_busy(h->worker) && wh_reader_ahead(&h->reader)) {
        /* SQLite reads and writes, we decode */
    }

    rc = wh_worker_wait(h->worker, err);

    if (rc == WH_OK) {
        wh_slice_prefetch(slice);

        rc = wh_slice_publish(slice, err);
        rc = wh_fail(rc, "kafka_committed", err);

        if (rc == WH_OK) {
            rc = wh_slice_settle(slice, err);

        } else {
            /* SQLite may still be at work */
            (void) wh_worker_wait(h->worker, NULL);
        }
    }

    if (rc == WH_OK) {
        rc = wh_assignment_move(&h->assignment, &slice->next, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    h->worked = 1;
    wh_slice_tell(slice, wh_clock_us() - begun);

    if (wh_publisher_suspect(h->publisher)) {
        return wh_error_set(err, WH_AGAIN, "a request of the transaction went "
                            "without its answer: the producer is replaced");
    }

    if (wh_publisher_unknown(h->publisher)) {
        return wh_error_set(err, WH_AGAIN, "the brokers did not say where the "
                            "notifications are: they are read");
    }

    return wh_fail(WH_OK, "logged", err);
}


/* The metrics' part. */

static void
wh_slice_tell(const wh_slice_t *slice, int64_t us)
{
    wh_batch_figures_t  batch;

    batch.applied = slice->counts[WH_STAT_APPLIED];
    batch.refused = slice->counts[WH_STAT_REFUSED];
    batch.duplicates = slice->counts[WH_STAT_DUPLICATES];
    batch.malformed = slice->counts[WH_STAT_MALFORMED];
    batch.us = us;

    wh_figures_batch(&batch);
    wh_figures_notified(slice->sent);
}


/* SQLite's part before Kafka's transaction. */

static int
wh_slice_prepare(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_handles_t  *h = slice->handles;

    rc = wh_batch_compute(h->reader.now.batch, slice->first, slice->count,
                          h->store, err);
    rc = wh_fail(rc, "read", err);

    if (rc == WH_OK) {
        wh_slice_count(slice);
        rc = wh_slice_write(slice, err);
        rc = wh_fail(rc, "written", err);
    }

    if (rc == WH_OK) {
        rc = wh_store_get_position(h->store, h->conf->notifications_topic, 0,
                                   &slice->stored, err);
        slice->sent = slice->stored;
    }

    return rc;
}


static void
wh_slice_count(wh_slice_t *slice)
{
    size_t             i;
    const wh_batch_t  *batch;

    static const wh_stat_t  stats[] = {
        [WH_APPLIED] = WH_STAT_APPLIED,
        [WH_REFUSED] = WH_STAT_REFUSED,
        [WH_DUPLICATE] = WH_STAT_DUPLICATES,
        [WH_MALFORMED] = WH_STAT_MALFORMED,
    };

    batch = slice->handles->reader.now.batch;

    slice->counts[WH_STAT_APPLIED] = 0;
    slice->counts[WH_STAT_REFUSED] = 0;
    slice->counts[WH_STAT_DUPLICATES] = 0;
    slice->counts[WH_STAT_MALFORMED] = 0;

    for (i = slice->first; i < slice->first + slice->count; i++) {
        slice->counts[stats[wh_batch_outcome(batch, i)->verdict]]++;
    }
}


static int
wh_slice_write(wh_slice_t *slice, wh_error_t *err)
{
    int            rc;
    int32_t        i, partition;
    wh_handles_t  *h = slice->handles;

    rc = wh_store_begin(h->store, err);
    rc = wh_fail(rc, "begun", err);

    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_batch_write(h->reader.now.batch, h->store, err);

    for (i = 0; rc == WH_OK && i < slice->next.n; i++) {
        partition = slice->next.partitions[i];

        rc = wh_slice_move(h, h->conf->commands_topic, partition,
                           wh_positions_get(&h->assignment.next, partition),
                           wh_positions_get(&slice->next, partition), err);
    }

    if (rc == WH_OK) {
        rc = wh_store_count(h->store, slice->counts, err);
    }

    return rc;
}


/* Nobody but us moves positions: if somebody has, it takes a recovery. */

static int
wh_slice_move(wh_handles_t *h, const char *topic, int32_t partition,
    int64_t from, int64_t to, wh_error_t *err)
{
    int  rc;

    rc = wh_store_move_position(h->store, topic, partition, from, to, err);

    return (rc == WH_CONFLICT) ? WH_AGAIN : rc;
}


static int
wh_slice_publish(wh_slice_t *slice, wh_error_t *err)
{
    int                               rc;
    int64_t                           begun;
    wh_handles_t                     *h = slice->handles;
    rd_kafka_topic_partition_list_t  *offsets;

    begun = wh_clock();
    slice->published = -begun;

    rc = wh_publisher_begin(h->publisher, err);

    if (rc == WH_OK) {
        rc = wh_slice_send(slice, err);
    }

    rc = wh_fail(rc, "last_sent", err);

    if (rc == WH_OK) {
        while (wh_publisher_pending(h->publisher)
               && wh_reader_ahead(&h->reader))
        {
            /* the brokers write, we decode */
        }

        wh_slice_prefetch(slice);

        rc = wh_publisher_flush(h->publisher, &slice->sent, err);
        rc = wh_fail(rc, "flushed", err);
    }

    /* a failure to read ahead may have ended SQLite's transaction */

    if (rc == WH_OK) {
        rc = wh_worker_wait(h->worker, err);
    }

    if (rc == WH_OK) {
        wh_worker_start(h->worker, wh_slice_keep, slice);

        offsets = wh_positions_list(&slice->next, h->conf->commands_topic);
        rc = wh_publisher_commit(h->publisher, offsets, h->assignment.in_use,
                                 err);
        rd_kafka_topic_partition_list_destroy(offsets);

        h->committed = wh_clock();
    }

    if (rc == WH_OK) {
        slice->published = wh_clock() - begun;
    }

    return rc;
}


/* A message for each command; of those without effect where they are wanted. */

static int
wh_slice_send(wh_slice_t *slice, wh_error_t *err)
{
    int                  rc;
    size_t               i;
    wh_message_t         message;
    wh_handles_t        *h = slice->handles;
    const wh_outcome_t  *o;

    rc = WH_OK;

    for (i = slice->first; rc == WH_OK && i < slice->first + slice->count; i++)
    {
        o = wh_batch_outcome(h->reader.now.batch, i);

        if (o->verdict == WH_APPLIED || *h->conf->rejections_topic != '\0') {

            rc = wh_message_write(&message, o, h->conf->commands_topic, err);

            if (rc == WH_OK) {
                message.offset = wh_batch_notified(h->reader.now.batch, i);
                rc = wh_publisher_send(h->publisher, &message, err);
                wh_message_free(&message);
            }
        }

        if (i == slice->first) {
            rc = wh_fail(rc, "first_sent", err);
        }
    }

    return rc;
}


/*
 * With a full batch read ahead, has its items read, too: after what this slice
 * has written, if that is the batch in hand to its end.
 */

static void
wh_slice_prefetch(const wh_slice_t *slice)
{
    wh_handles_t  *h = slice->handles;

    if (!wh_worker_busy(h->worker) && wh_batch_full(h->reader.ahead.batch)
        && !wh_batch_prefetched(h->reader.ahead.batch)
        && slice->first + slice->count == wh_batch_size(h->reader.now.batch))
    {
        wh_worker_start(h->worker, wh_slice_read, h);
    }
}


static int
wh_slice_read(void *data, wh_error_t *err)
{
    int            rc;
    wh_handles_t  *h = data;

    rc = wh_fail(WH_OK, "read_ahead", err);

    return (rc == WH_OK) ? wh_batch_prefetch(h->reader.ahead.batch, h->store,
                                             err)
                         : rc;
}


/*
 * SQLite's part beside Kafka's commit: what became of the commands, and the
 * position in notifications, which belongs to the same transaction as the items
 * it stands for.
 */

static int
wh_slice_keep(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_handles_t  *h = slice->handles;

    if (wh_publisher_unknown(h->publisher)) {
        return WH_OK;
    }

    rc = wh_keeping_pack(slice, err);

    if (rc == WH_OK) {
        rc = wh_keeper_write(h->keeper, h->store, slice->sent,
                             h->conf->outcomes, err);
    }

    if (rc == WH_OK && slice->sent != slice->stored) {
        rc = wh_slice_move(h, h->conf->notifications_topic, 0, slice->stored,
                           slice->sent, err);
    }

    return wh_fail(rc, "outcomes_written", err);
}


/* After Kafka's transaction: SQLite commits, this thread writes the log. */

static int
wh_slice_settle(wh_slice_t *slice, wh_error_t *err)
{
    int            rc;
    size_t         logged;
    wh_handles_t  *h = slice->handles;

    wh_worker_start(h->worker, wh_slice_finish, slice);

    logged = wh_slice_log(slice, slice->first, 1);
    rc = wh_worker_wait(h->worker, err);

    if (rc != WH_OK) {

        /*
         * Kafka's commit holds: what was applied will be by a recovery, which
         * says how many they were, but nobody will come back to the others.
         */

        wh_log_discard();
        logged = slice->first;
    }

    wh_log_flush();

    while (logged < slice->first + slice->count) {
        logged = wh_slice_log(slice, logged, rc == WH_OK);
        wh_log_flush();
    }

    return rc;
}


static int
wh_slice_finish(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;

    rc = wh_store_commit(slice->handles->store, err);

    return wh_fail(rc, "sqlite_committed", err);
}


/*
 * Collects lines from command i on, of those applied, too, or only of the
 * others; while there is room.  Returns the next one.
 */

static size_t
wh_slice_log(const wh_slice_t *slice, size_t i, int applied)
{
    char                 line[WH_LINE_LEN];
    wh_text_t            text;
    const wh_batch_t    *batch;
    const wh_outcome_t  *o;

    batch = slice->handles->reader.now.batch;

    for ( /* void */ ; i < slice->first + slice->count; i++) {
        o = wh_batch_outcome(batch, i);

        if (o->verdict == WH_APPLIED && !applied) {
            continue;
        }

        wh_text_init(&text, line, sizeof(line));
        wh_line_put(&text, o);

        if (wh_log_collect(line, wh_text_len(&text)) != WH_OK) {
            break;
        }
    }

    return i;
}
