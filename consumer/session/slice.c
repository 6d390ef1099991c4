#include "session/slice.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "wh_json.h"


static int wh_slice_prepare(void *data, wh_error_t *err);
static void wh_slice_count(wh_slice_t *slice);
static int wh_slice_write(wh_slice_t *slice, wh_error_t *err);
static int wh_slice_move(wh_session_t *s, const char *topic, int32_t partition,
    int64_t from, int64_t to, wh_error_t *err);
static int wh_slice_publish(wh_slice_t *slice, wh_error_t *err);
static void wh_slice_prefetch(const wh_slice_t *slice);
static int wh_slice_read(void *data, wh_error_t *err);
static int wh_slice_finish(void *data, wh_error_t *err);
static size_t wh_slice_log(const wh_slice_t *slice, size_t i, int applied);
static size_t wh_slice_line(char *line, const wh_outcome_t *outcome);
static char *wh_slice_position(char *p, int32_t partition, int64_t offset);


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
    size_t         logged;
    int32_t        i, partition;
    wh_session_t  *s = slice->session;

    wh_worker_start(s->worker, wh_slice_prepare, slice);

    while (wh_worker_busy(s->worker) && wh_session_poll_ahead(s)) {
        /* SQLite reads and writes, we decode */
    }

    rc = wh_worker_wait(s->worker, err);

    if (rc == WH_OK) {
        wh_slice_prefetch(slice);

        rc = wh_slice_publish(slice, err);
        rc = wh_fail(rc, "kafka_committed", err);

        /* after a failure SQLite may still be at work */
        (void) wh_worker_wait(s->worker, NULL);
    }

    if (rc == WH_OK) {
        wh_worker_start(s->worker, wh_slice_finish, slice);

        /* SQLite commits, we put the log together */

        logged = wh_slice_log(slice, slice->first, 1);
        rc = wh_worker_wait(s->worker, err);

        if (rc != WH_OK) {

            /*
             * Kafka's commit holds: what was applied will be by a recovery,
             * which says how many they were, but nobody will come back to the
             * others.
             */

            wh_log_discard();
            logged = slice->first;
        }

        wh_log_flush();

        while (logged < slice->first + slice->count) {
            logged = wh_slice_log(slice, logged, rc == WH_OK);
            wh_log_flush();
        }
    }

    for (i = 0; rc == WH_OK && i < slice->next.n; i++) {
        partition = slice->next.partitions[i];
        rc = wh_positions_set(&s->next, partition,
                              wh_positions_get(&slice->next, partition), err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    s->worked = 1;

    if (wh_publisher_suspect(s->publisher)) {
        return wh_error_set(err, WH_AGAIN, "a request of the transaction went "
                            "without its answer: the producer is replaced");
    }

    return wh_fail(WH_OK, "logged", err);
}


/* SQLite's part before Kafka's transaction. */

static int
wh_slice_prepare(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_session_t  *s = slice->session;

    rc = wh_batch_compute(s->now.batch, slice->first, slice->count, s->store,
                          err);
    rc = wh_fail(rc, "read", err);

    if (rc == WH_OK) {
        wh_slice_count(slice);
        rc = wh_slice_write(slice, err);
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
wh_slice_write(wh_slice_t *slice, wh_error_t *err)
{
    int            rc;
    int32_t        i, partition;
    wh_session_t  *s = slice->session;

    rc = wh_store_begin(s->store, err);
    rc = wh_fail(rc, "begun", err);

    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_batch_write(s->now.batch, s->store, err);

    for (i = 0; rc == WH_OK && i < slice->next.n; i++) {
        partition = slice->next.partitions[i];

        rc = wh_slice_move(s, s->conf->commands_topic, partition,
                           wh_positions_get(&s->next, partition),
                           wh_positions_get(&slice->next, partition), err);
    }

    if (rc == WH_OK) {
        rc = wh_store_count(s->store, slice->counts, err);
    }

    return rc;
}


/* Nobody but us moves positions: if somebody has, it takes a recovery. */

static int
wh_slice_move(wh_session_t *s, const char *topic, int32_t partition,
    int64_t from, int64_t to, wh_error_t *err)
{
    int  rc;

    rc = wh_store_move_position(s->store, topic, partition, from, to, err);

    return (rc == WH_CONFLICT) ? WH_AGAIN : rc;
}


static int
wh_slice_publish(wh_slice_t *slice, wh_error_t *err)
{
    int                               rc;
    size_t                            i;
    int64_t                           begun;
    wh_session_t                     *s = slice->session;
    rd_kafka_topic_partition_list_t  *offsets;

    begun = wh_clock();
    slice->published = -begun;

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

        wh_slice_prefetch(slice);

        rc = wh_publisher_flush(s->publisher, &slice->sent, err);
        rc = wh_fail(rc, "flushed", err);
    }

    /* a failure to read ahead may have ended SQLite's transaction */

    if (rc == WH_OK) {
        rc = wh_worker_wait(s->worker, err);
    }

    if (rc == WH_OK) {
        offsets = wh_positions_list(&slice->next, s->conf->commands_topic);
        rc = wh_publisher_commit(s->publisher, offsets, s->in_use, err);
        rd_kafka_topic_partition_list_destroy(offsets);

        s->committed = wh_clock();
    }

    if (rc == WH_OK) {
        slice->published = wh_clock() - begun;
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
    wh_session_t  *s = slice->session;

    if (!wh_worker_busy(s->worker) && wh_batch_full(s->ahead.batch)
        && !wh_batch_prefetched(s->ahead.batch)
        && slice->first + slice->count == wh_batch_size(s->now.batch))
    {
        wh_worker_start(s->worker, wh_slice_read, s);
    }
}


static int
wh_slice_read(void *data, wh_error_t *err)
{
    int            rc;
    wh_session_t  *s = data;

    rc = wh_fail(WH_OK, "read_ahead", err);

    return (rc == WH_OK) ? wh_batch_prefetch(s->ahead.batch, s->store, err)
                         : rc;
}


/*
 * SQLite's part after Kafka's transaction.  The position in notifications
 * belongs to the same transaction as the items it stands for.
 */

static int
wh_slice_finish(void *data, wh_error_t *err)
{
    int            rc;
    wh_slice_t    *slice = data;
    wh_session_t  *s = slice->session;

    rc = WH_OK;

    if (slice->sent != slice->stored) {
        rc = wh_slice_move(s, s->conf->notifications_topic, 0, slice->stored,
                           slice->sent, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_commit(s->store, err);
    }

    return wh_fail(rc, "sqlite_committed", err);
}


/*
 * Collects lines from command i on, of those applied, too, or only of the
 * others; while there is room.  Returns the next one.
 */

static size_t
wh_slice_log(const wh_slice_t *slice, size_t i, int applied)
{
    char                 line[WH_COMMAND_LEN + WH_KEY_MAX + 256];
    size_t               len;
    const wh_outcome_t  *o;

    for ( /* void */ ; i < slice->first + slice->count; i++) {
        o = wh_batch_outcome(slice->session->now.batch, i);

        if (o->verdict == WH_APPLIED && !applied) {
            continue;
        }

        len = wh_slice_line(line, o);

        if (wh_log_collect(line, len) != WH_OK) {
            break;
        }
    }

    return i;
}


/* One for each command, so without printf(), which is slow. */

static size_t
wh_slice_line(char *line, const wh_outcome_t *o)
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
        p = wh_slice_position(wh_put(p, " original="), o->original.partition,
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

    p = wh_slice_position(wh_put(p, " position="), o->partition, o->offset);

    return (size_t) (p - line);
}


static char *
wh_slice_position(char *p, int32_t partition, int64_t offset)
{
    p += wh_json_int(p, partition);
    *p++ = ':';

    return p + wh_json_int(p, offset);
}
