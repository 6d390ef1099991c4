#include "session/session.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watchdog.h"
#include "follow/recover.h"
#include "kafka/client.h"
#include "kafka/query.h"
#include "session/pipeline.h"
#include "session/watch.h"
#include "wh_stats.h"

#include <string.h>


#define WH_SESSION_POLL        200     /* ms */
#define WH_SESSION_HEARTBEATS  2000    /* ms, on top of two heartbeats */
#define WH_SESSION_GHOST       5000    /* ms, on top of session.timeout.ms */
#define WH_SESSION_LOOK        1000    /* ms from one look at the group on */


static int wh_session_open_store(wh_session_t *s, wh_store_file_t *whole,
    wh_error_t *err);
static int wh_session_open_kafka(wh_session_t *s, wh_error_t *err);
static int wh_session_recover(wh_session_t *s, wh_error_t *err);
static void wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data);
static int wh_session_stats(rd_kafka_t *rk, char *json, size_t len,
    void *data);
static int wh_session_read(wh_session_t *s, wh_error_t *err);
static int wh_session_assign(wh_session_t *s, wh_error_t *err);
static int wh_session_fenced(wh_session_t *s);
static int wh_session_held(wh_session_t *s);


int
wh_session_open(wh_session_t *s, const wh_conf_t *conf,
    wh_store_file_t *whole, wh_pace_t *pace, wh_error_t *err)
{
    int            rc;
    wh_handles_t  *h;

    memset(s, 0, sizeof(wh_session_t));

    h = &s->handles;
    h->conf = conf;
    h->pace = pace;

    wh_pace_restart(pace);

    rc = wh_reader_open(&h->reader, conf, err);

    if (rc == WH_OK) {
        rc = wh_worker_create(&h->worker, err);
    }

    if (rc == WH_OK) {
        rc = wh_keeper_create(&h->keeper, err);
    }

    /* before the producer, which fences the owner that another node may have */

    if (rc == WH_OK) {
        rc = wh_session_open_store(s, whole, err);
        rc = wh_fail(rc, "store_opened", err);
    }

    if (rc == WH_OK) {
        rc = wh_session_open_kafka(s, err);
    }

    /*
     * Catch up before joining: recovery in the assign callback has to be
     * quick, or the group gives up on us (max.poll.interval.ms).
     */

    if (rc == WH_OK) {
        rc = wh_session_recover(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_assignment_join(&h->assignment, err);
        rc = wh_fail(rc, "joined", err);
    }

    return rc;
}


void
wh_session_close(wh_session_t *s)
{
    wh_handles_t  *h = &s->handles;

    wh_worker_destroy(h->worker);
    wh_keeper_destroy(h->keeper);

    if (h->store != NULL) {
        wh_store_rollback(h->store);
    }

    (void) wh_fail(WH_OK, "closing", NULL);

    wh_watchdog_step();
    wh_publisher_close(h->publisher);
    wh_watchdog_step();
    wh_client_close(s->consumer);
    wh_client_close(s->watcher);

    wh_watchdog_disk();
    wh_store_close(h->store);
    wh_watchdog_step();

    wh_assignment_close(&h->assignment);
    wh_reader_close(&h->reader);

    memset(s, 0, sizeof(wh_session_t));

    (void) wh_fail(WH_OK, "closed", NULL);
}


static int
wh_session_open_store(wh_session_t *s, wh_store_file_t *whole,
    wh_error_t *err)
{
    int               rc;
    wh_handles_t     *h = &s->handles;
    wh_store_conf_t   conf;

    conf.path = h->conf->database;
    conf.mode = h->conf->database_mode;
    conf.wal_limit = h->conf->wal_limit;
    conf.cache = h->conf->database_cache;

    wh_watchdog_disk();

    rc = wh_store_open(&h->store, &conf, err);

    if (rc == WH_OK) {
        rc = wh_store_check(h->store, whole, err);

    } else if (rc == WH_NONE) {
        wh_log(WH_LOG_NOTICE, "no database yet (%s): building it beside "
               "\"%s\"", err->text, conf.path);

        rc = wh_store_create(&h->store, &conf, err);
    }

    wh_watchdog_step();

    return rc;
}


static int
wh_session_open_kafka(wh_session_t *s, wh_error_t *err)
{
    int              rc;
    wh_handles_t    *h = &s->handles;
    wh_callbacks_t   callbacks;

    rc = wh_publisher_open(&h->publisher, h->conf, err);
    rc = wh_fail(rc, "transactions_initialized", err);

    if (rc == WH_OK) {
        rc = wh_client_open(&s->watcher, WH_CLIENT_WATCHER, h->conf, NULL,
                            err);
    }

    if (rc == WH_OK) {
        memset(&callbacks, 0, sizeof(callbacks));
        callbacks.opaque = s;
        callbacks.rebalanced = wh_session_rebalanced;
        callbacks.stats = wh_session_stats;

        rc = wh_client_open(&s->consumer, WH_CLIENT_CONSUMER, h->conf,
                            &callbacks, err);
    }

    if (rc == WH_OK) {
        wh_watch_begin(h, s->consumer);
    }

    h->assignment.conf = h->conf;
    h->assignment.consumer = s->consumer;

    h->reader.consumer = s->consumer;
    h->reader.assignment = &h->assignment;
    h->reader.pace = h->pace;

    return rc;
}


static int
wh_session_recover(wh_session_t *s, wh_error_t *err)
{
    int                               rc;
    int64_t                           notified;
    wh_handles_t                     *h = &s->handles;
    wh_recovery_t                     r;
    rd_kafka_topic_partition_list_t  *start;

    wh_figures_state(WH_CATCHING_UP);

    r.conf = h->conf;
    r.worker = h->worker;
    r.producer = wh_publisher_handle(h->publisher);
    r.consumer = s->consumer;
    r.watcher = s->watcher;
    r.again = (h->assignment.list != NULL);

    rc = wh_recover(&r, &h->store, &start, err);

    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_assignment_begin_at(&h->assignment, start, err);

    if (rc == WH_OK) {
        rc = wh_store_get_position(h->store, h->conf->notifications_topic, 0,
                                   &notified, err);
    }

    if (rc == WH_OK) {
        wh_figures_notified(notified);
        h->heard = wh_clock();
    }

    return rc;
}


/*
 * Called by rd_kafka_consumer_poll(), in our own thread; the batch in hand
 * may be on its way.  If its partitions have gone to somebody else, the
 * brokers refuse its offsets, and with them the transaction.  What was read
 * ahead under the old assignment is not ours to process.
 */

static void
wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data)
{
    wh_session_t  *s = data;

    (void) rk;

    wh_reader_drop(&s->handles.reader);
    wh_assignment_rebalanced(&s->handles.assignment, e, partitions);
}


/* The same; 0: librdkafka frees the text. */

static int
wh_session_stats(rd_kafka_t *rk, char *json, size_t len, void *data)
{
    int64_t        heard;
    wh_stats_t     stats;
    wh_session_t  *s = data;

    (void) rk;

    if (wh_stats_parse(&stats, json, len) == WH_OK && stats.idle >= 0) {
        heard = wh_clock() - stats.idle / 1000;

        if (heard > s->handles.heard) {
            s->handles.heard = heard;
        }
    }

    return 0;
}


int
wh_session_step(wh_session_t *s, wh_error_t *err)
{
    int            rc;
    wh_handles_t  *h = &s->handles;

    rc = wh_session_read(s, err);

    if (rc == WH_OK && wh_batch_size(h->reader.now.batch) > 0) {

        /* statistics may lie behind the messages in the queue */
        h->heard = wh_clock();

        rc = wh_fail(rc, "polled", err);
    }

    wh_watch(h, s->consumer);

    if (rc == WH_OK) {
        rc = wh_watch_brokers(h, err);
    }

    if (rc == WH_OK) {
        rc = wh_pipeline_run(h, err);
    }

    if (rc == WH_AGAIN
        && (h->reader.failed == WH_ERROR || h->reader.failed == WH_FENCED))
    {
        /* the batch failed, but what was read ahead of it says more */
        rc = h->reader.failed;
        *err = h->reader.why;
    }

    return rc;
}


/* Puts the next batch in hand, in a session that is still good. */

static int
wh_session_read(wh_session_t *s, wh_error_t *err)
{
    int            rc;
    wh_handles_t  *h = &s->handles;

    wh_assignment_release(&h->assignment);

    /* the other handles' errors and logs */

    (void) rd_kafka_poll(wh_publisher_handle(h->publisher), 0);
    (void) rd_kafka_poll(s->watcher, 0);

    rc = wh_reader_poll(&h->reader, h->committed, err);

    if (rc == WH_OK && h->assignment.due) {
        rc = wh_session_assign(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_assignment_fatal(&h->assignment, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_same_file(h->store, err);
    }

    if (rc == WH_OK) {
        wh_assignment_hold(&h->assignment);
        wh_reader_next(&h->reader);
    }

    return rc;
}


static int
wh_session_assign(wh_session_t *s, wh_error_t *err)
{
    int               rc;
    wh_assignment_t  *a = &s->handles.assignment;

    a->due = 0;

    if (a->metadata == NULL) {
        return wh_error_set(err, WH_AGAIN, "no group metadata");
    }

    rc = wh_session_recover(s, err);

    if (rc == WH_OK) {
        rc = wh_assignment_take_up(a, err);
    }

    if (rc == WH_OK) {
        wh_figures_state(WH_PROCESSING);
    }

    return wh_fail(rc, "assigned", err);
}


int
wh_session_replaced(wh_session_t *s)
{
    int64_t              end;
    wh_error_t           err;
    rd_kafka_message_t  *m;

    if (s->consumer == NULL) {
        /* fenced before it could join: the next session will see */
        return 0;
    }

    end = wh_clock() + WH_SESSION_HEARTBEATS
          + 2 * wh_client_number(s->consumer, "heartbeat.interval.ms");

    while (wh_clock() < end && !wh_stopping()) {

        if (wh_assignment_fatal(&s->handles.assignment, &err) == WH_FENCED) {
            return wh_session_fenced(s) && wh_session_held(s);
        }

        m = rd_kafka_consumer_poll(s->consumer, WH_SESSION_POLL);

        if (m != NULL) {
            /* of a batch that the next session reads again */
            rd_kafka_message_destroy(m);
        }
    }

    return 0;
}


/*
 * The group member is fenced.  A JoinGroup of our own that came late has the
 * same effect; but a process fences our producer before it joins.
 */

static int
wh_session_fenced(wh_session_t *s)
{
    int                               fenced;
    wh_handles_t                     *h = &s->handles;
    rd_kafka_topic_partition_list_t  *offsets;

    offsets = wh_positions_list(&h->assignment.next, h->conf->commands_topic);
    fenced = wh_publisher_fenced(h->publisher, offsets);
    rd_kafka_topic_partition_list_destroy(offsets);

    return fenced;
}


/*
 * The producer is fenced, too, which a transaction that timed out or a request
 * of our own that came late does as well.  But for a process that lives the
 * group soon has no member: what is left of ours sends no heartbeats.
 */

static int
wh_session_held(wh_session_t *s)
{
    int            rc, answered, members;
    char           host[256];
    int64_t        end, patience;
    wh_error_t     err;
    wh_handles_t  *h = &s->handles;

    wh_figures_state(WH_WAITING);

    patience = WH_SESSION_GHOST
               + wh_client_number(s->consumer, "session.timeout.ms");

    wh_log(WH_LOG_NOTICE, "member and producer are fenced: waiting up to %d s "
           "to see whether another process is there", (int) (patience / 1000));

    answered = 1;
    end = wh_clock() + patience;

    while (wh_clock() < end && !wh_stopping()) {
        wh_watchdog_step();
        wh_signal_serve();

        rc = wh_query_members(s->watcher, h->conf->group_id, &members, host,
                              sizeof(host), &err);

        if (rc == WH_NONE || (rc == WH_OK && members == 0)) {
            return 0;
        }

        if (rc == WH_AGAIN) {
            /* a coordinator that starts gives every member its time anew */
            end = wh_clock() + patience;
        }

        if (rc == WH_AGAIN && answered) {
            wh_log(WH_LOG_WARN, "%s", err.text);
        }

        answered = (rc == WH_OK);

        wh_wait(WH_SESSION_LOOK);
    }

    return !wh_stopping();
}
