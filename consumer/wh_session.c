#include "wh_session.h"
#include "wh_client.h"
#include "wh_fail.h"
#include "wh_log.h"
#include "wh_recover.h"
#include "wh_signal.h"

#include <inttypes.h>
#include <string.h>


#define WH_SESSION_POLL        200     /* ms */
#define WH_SESSION_AHEAD       200     /* commands read ahead in one go */
#define WH_SESSION_WAKE        10000   /* commands: half of the queue */
#define WH_SESSION_MARKERS     3       /* ms: what writing those takes */
#define WH_SESSION_HEARTBEATS  8000    /* ms: more than two heartbeats */


static int wh_session_create(wh_polled_t *polled, const wh_conf_t *conf,
    wh_error_t *err);
static void wh_session_clear(wh_polled_t *polled);
static void wh_session_destroy(wh_polled_t *polled);
static int wh_session_open_store(wh_session_t *s, wh_error_t *err);
static int wh_session_recover(wh_session_t *s, wh_error_t *err);
static int wh_session_join(wh_session_t *s, wh_error_t *err);
static void wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data);
static int wh_session_assign(wh_session_t *s, wh_error_t *err);
static int wh_session_take(wh_session_t *s, int timeout, int *taken,
    wh_error_t *err);
static int wh_session_patience(const wh_session_t *s);
static void wh_session_release(wh_session_t *s);
static int wh_session_message(wh_session_t *s, const rd_kafka_message_t *m,
    wh_error_t *err);
static void wh_session_record(const rd_kafka_message_t *m,
    wh_record_t *record);
static int wh_session_fatal(wh_session_t *s, wh_error_t *err);


int
wh_session_open(wh_session_t *s, const wh_conf_t *conf, wh_error_t *err)
{
    int             rc;
    wh_callbacks_t  callbacks;

    memset(s, 0, sizeof(wh_session_t));

    s->conf = conf;

    memset(&callbacks, 0, sizeof(callbacks));
    callbacks.opaque = s;
    callbacks.rebalanced = wh_session_rebalanced;

    rc = wh_session_create(&s->now, conf, err);

    if (rc == WH_OK) {
        rc = wh_session_create(&s->ahead, conf, err);
    }

    if (rc == WH_OK) {
        rc = wh_worker_create(&s->worker, err);
    }

    if (rc == WH_OK) {
        rc = wh_session_open_store(s, err);
        rc = wh_fail(rc, "store_opened", err);
    }

    if (rc == WH_OK) {
        rc = wh_publisher_open(&s->publisher, conf, err);
        rc = wh_fail(rc, "transactions_initialized", err);
    }

    if (rc == WH_OK) {
        rc = wh_client_open(&s->watcher, WH_CLIENT_WATCHER, conf, NULL, err);
    }

    if (rc == WH_OK) {
        rc = wh_client_open(&s->consumer, WH_CLIENT_CONSUMER, conf,
                            &callbacks, err);
    }

    /*
     * Catch up before joining: recovery in the assign callback has to be
     * quick, or the group gives up on us (max.poll.interval.ms).
     */

    if (rc == WH_OK) {
        rc = wh_session_recover(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_session_join(s, err);
        rc = wh_fail(rc, "joined", err);
    }

    return rc;
}


void
wh_session_close(wh_session_t *s)
{
    wh_worker_destroy(s->worker);

    if (s->store != NULL) {
        wh_store_rollback(s->store);
    }

    (void) wh_fail(WH_OK, "closing", NULL);

    wh_publisher_close(s->publisher);
    wh_client_close(s->consumer);
    wh_client_close(s->watcher);
    wh_store_close(s->store);

    wh_session_release(s);

    if (s->metadata != NULL) {
        rd_kafka_consumer_group_metadata_destroy(s->metadata);
        s->metadata = NULL;
    }

    if (s->next != NULL) {
        rd_kafka_topic_partition_list_destroy(s->next);
    }

    wh_session_destroy(&s->now);
    wh_session_destroy(&s->ahead);

    s->worker = NULL;
    s->publisher = NULL;
    s->consumer = NULL;
    s->watcher = NULL;
    s->store = NULL;
    s->next = NULL;

    (void) wh_fail(WH_OK, "closed", NULL);
}


static int
wh_session_create(wh_polled_t *p, const wh_conf_t *conf, wh_error_t *err)
{
    wh_limits_t  limits;

    limits.max = (size_t) conf->batch_size;
    limits.keep = (*conf->rejections_topic != '\0');
    limits.retention = conf->idempotency_retention * 1000;
    limits.keys = conf->idempotency_keys;

    p->ends = rd_kafka_topic_partition_list_new(1);

    return wh_batch_create(&p->batch, &limits, err);
}


static void
wh_session_clear(wh_polled_t *p)
{
    wh_batch_clear(p->batch);

    while (p->ends->cnt > 0) {
        (void) rd_kafka_topic_partition_list_del_by_idx(p->ends, 0);
    }
}


static void
wh_session_destroy(wh_polled_t *p)
{
    wh_batch_destroy(p->batch);

    if (p->ends != NULL) {
        rd_kafka_topic_partition_list_destroy(p->ends);
    }

    p->batch = NULL;
    p->ends = NULL;
}


static int
wh_session_open_store(wh_session_t *s, wh_error_t *err)
{
    int              rc;
    wh_store_conf_t  conf;

    conf.path = s->conf->database;
    conf.mode = s->conf->database_mode;
    conf.wal_limit = s->conf->wal_limit;
    conf.cache = s->conf->database_cache;

    rc = wh_store_open(&s->store, &conf, err);

    if (rc == WH_NONE) {
        wh_log(WH_LOG_NOTICE, "no database yet (%s): building it beside \"%s\"",
               err->text, conf.path);

        rc = wh_store_create(&s->store, &conf, err);
    }

    return rc;
}


static int
wh_session_recover(wh_session_t *s, wh_error_t *err)
{
    wh_recovery_t  r;

    r.conf = s->conf;
    r.producer = wh_publisher_handle(s->publisher);
    r.consumer = s->consumer;
    r.watcher = s->watcher;

    r.again = (s->next != NULL);

    if (s->next != NULL) {
        rd_kafka_topic_partition_list_destroy(s->next);
        s->next = NULL;
    }

    return wh_recover(&r, &s->store, &s->next, err);
}


static int
wh_session_join(wh_session_t *s, wh_error_t *err)
{
    rd_kafka_resp_err_t               e;
    rd_kafka_topic_partition_list_t  *topics;

    topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, s->conf->commands_topic,
                                      RD_KAFKA_PARTITION_UA);

    e = rd_kafka_subscribe(s->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "joining the group: %s",
                            rd_kafka_err2str(e));
    }

    return WH_OK;
}


/*
 * Called by rd_kafka_consumer_poll(), in our own thread; the batch in hand
 * may be on its way.  If its partitions have gone to somebody else, the
 * brokers refuse its offsets, and with them the transaction.
 */

static void
wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data)
{
    wh_session_t  *s = data;

    /* what was polled under the old assignment is not ours to process */

    wh_session_clear(&s->ahead);
    s->assigned = 0;

    if (s->metadata != NULL && s->metadata != s->in_use) {
        rd_kafka_consumer_group_metadata_destroy(s->metadata);
    }

    s->metadata = NULL;

    if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        s->metadata = rd_kafka_consumer_group_metadata(rk);
        s->partitions = partitions->cnt;
        s->assigned = 1;
        return;
    }

    wh_log(WH_LOG_NOTICE, "partitions of \"%s\" %s", s->conf->commands_topic,
           rd_kafka_assignment_lost(rk) ? "lost" : "revoked");

    (void) rd_kafka_assign(rk, NULL);
}


static int
wh_session_assign(wh_session_t *s, wh_error_t *err)
{
    int                  rc;
    rd_kafka_resp_err_t  e;

    s->assigned = 0;

    if (s->metadata == NULL) {
        return wh_error_set(err, WH_AGAIN, "no group metadata");
    }

    rc = wh_session_recover(s, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (s->partitions != s->next->cnt) {
        return wh_error_set(err, WH_AGAIN, "group \"%s\" gave us %d of %d "
                            "partitions: partitions were added, or there is "
                            "another member, which there must not be",
                            s->conf->group_id, s->partitions, s->next->cnt);
    }

    e = rd_kafka_assign(s->consumer, s->next);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "assigning commands: %s",
                            rd_kafka_err2str(e));
    }

    wh_log(WH_LOG_NOTICE, "processing \"%s\", %d partition(s)",
           s->conf->commands_topic, s->partitions);

    return wh_fail(WH_OK, "assigned", err);
}


int
wh_session_poll(wh_session_t *s, wh_error_t *err)
{
    int          rc, taken;
    wh_polled_t  done;

    wh_session_release(s);

    /* the other handles' errors and logs */

    (void) rd_kafka_poll(wh_publisher_handle(s->publisher), 0);
    (void) rd_kafka_poll(s->watcher, 0);

    rc = s->failed;
    *err = s->why;

    do {
        taken = 0;

        if (rc == WH_OK && !wh_batch_full(s->ahead.batch)) {
            rc = wh_session_take(s, wh_session_patience(s), &taken, err);
        }
    } while (taken);

    if (rc == WH_OK && s->assigned) {
        rc = wh_session_assign(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_session_fatal(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_same_file(s->store, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    done = s->now;
    s->now = s->ahead;
    s->ahead = done;
    s->in_use = s->metadata;

    wh_session_clear(&s->ahead);

    return WH_OK;
}


int
wh_session_poll_ahead(wh_session_t *s)
{
    int  i, taken;

    taken = 1;

    for (i = 0; i < WH_SESSION_AHEAD && taken; i++) {
        taken = 0;

        if (s->failed == WH_OK && !wh_batch_full(s->ahead.batch)) {
            s->failed = wh_session_take(s, 0, &taken, &s->why);
        }
    }

    return taken;
}


/*
 * How long to wait for a command, ms.  A transaction that begins before the
 * brokers have written the markers of the one before is refused, and
 * librdkafka tries again after 20 ms; so a moment is waited for more commands
 * instead.
 */

static int
wh_session_patience(const wh_session_t *s)
{
    int64_t  rest;

    if (wh_batch_size(s->ahead.batch) == 0) {
        return (s->ahead.ends->cnt > 0) ? 0 : WH_SESSION_POLL;
    }

    rest = s->committed + WH_SESSION_MARKERS - wh_clock();

    return (rest > 0) ? (int) rest : 0;
}


/* Takes one message or event, if it comes in time. */

static int
wh_session_take(wh_session_t *s, int timeout, int *taken, wh_error_t *err)
{
    int                  rc;
    rd_kafka_message_t  *m;

    if (s->assigned) {
        return WH_OK;
    }

    m = rd_kafka_consumer_poll(s->consumer, timeout);
    if (m == NULL) {
        return WH_OK;
    }

    rc = s->assigned ? WH_OK : wh_session_message(s, m, err);
    *taken = !s->assigned;

    rd_kafka_message_destroy(m);

    if (*taken && ++s->taken % WH_SESSION_WAKE == 0) {
        wh_client_wake(s->consumer, s->next);
    }

    return rc;
}


/* The batch in hand is done. */

static void
wh_session_release(wh_session_t *s)
{
    if (s->in_use != NULL && s->in_use != s->metadata) {
        rd_kafka_consumer_group_metadata_destroy(s->in_use);
    }

    s->in_use = NULL;
}


static int
wh_session_message(wh_session_t *s, const rd_kafka_message_t *m,
    wh_error_t *err)
{
    wh_record_t                  record;
    rd_kafka_topic_partition_t  *next;

    switch (m->err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;

    case RD_KAFKA_RESP_ERR__FATAL:
        return wh_session_fatal(s, err);

    default:
        /* the recovery finds out what there is to tell the operator */
        return wh_error_set(err, WH_AGAIN, "reading commands: %s",
                            rd_kafka_message_errstr(m));
    }

    next = rd_kafka_topic_partition_list_find(s->next,
                                              s->conf->commands_topic,
                                              m->partition);

    if (s->metadata == NULL || next == NULL) {
        return wh_error_set(err, WH_AGAIN, "a command of a partition that is "
                            "not assigned");
    }

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        (void) rd_kafka_topic_partition_list_del(s->ahead.ends, next->topic,
                                                 next->partition);
        rd_kafka_topic_partition_list_add(s->ahead.ends, next->topic,
                                          next->partition)
            ->offset = m->offset;
        return WH_OK;
    }

    if (m->offset < next->offset) {
        return WH_OK;
    }

    wh_session_record(m, &record);

    return wh_batch_add(s->ahead.batch, &record, err);
}


static void
wh_session_record(const rd_kafka_message_t *m, wh_record_t *record)
{
    int                        n;
    rd_kafka_timestamp_type_t  type;

    record->value = m->payload;
    record->len = m->payload ? m->len : 0;
    record->key = NULL;
    record->time = rd_kafka_message_timestamp(m, &type);
    record->partition = m->partition;
    record->offset = m->offset;

    n = wh_client_header(m, WH_KEY_HEADER, &record->key, &record->key_len);

    if (n > 1 || (n == 1 && record->key == NULL)) {
        /* which is meant?  no key at all is no valid one either */
        record->key = "";
        record->key_len = 0;
    }
}


static int
wh_session_fatal(wh_session_t *s, wh_error_t *err)
{
    char                 text[512];
    rd_kafka_resp_err_t  e;

    e = rd_kafka_fatal_error(s->consumer, text, sizeof(text));

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return WH_OK;
    }

    if (e != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
        return wh_error_set(err, WH_AGAIN, "consumer: %s", text);
    }

    (void) wh_error_set(err, WH_ERROR, "consumer: %s", text);
    err->reason = WH_FENCED;

    return WH_ERROR;
}


int
wh_session_replaced(wh_session_t *s)
{
    int64_t              end;
    wh_error_t           err;
    rd_kafka_message_t  *m;

    end = wh_clock() + WH_SESSION_HEARTBEATS;

    while (wh_clock() < end && !wh_stopping()) {

        if (wh_session_fatal(s, &err) == WH_ERROR) {

            /*
             * A JoinGroup of our own that came late has the same effect.  But
             * a process fences our producer before it joins.
             */

            return wh_publisher_fenced(s->publisher, s->next);
        }

        m = rd_kafka_consumer_poll(s->consumer, WH_SESSION_POLL);

        if (m != NULL) {
            /* of a batch that the next session reads again */
            rd_kafka_message_destroy(m);
        }
    }

    return 0;
}
