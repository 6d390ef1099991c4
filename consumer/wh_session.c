#include "wh_session.h"
#include "wh_client.h"
#include "wh_fail.h"
#include "wh_log.h"
#include "wh_recover.h"
#include "wh_signal.h"

#include <inttypes.h>
#include <string.h>


#define WH_SESSION_POLL        200     /* ms */
#define WH_SESSION_HEARTBEATS  8000    /* ms: more than two heartbeats */


static void wh_session_clear(wh_session_t *s);
static int wh_session_open_store(wh_session_t *s, wh_error_t *err);
static int wh_session_recover(wh_session_t *s, wh_error_t *err);
static int wh_session_join(wh_session_t *s, wh_error_t *err);
static void wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data);
static int wh_session_assign(wh_session_t *s, wh_error_t *err);
static int wh_session_message(wh_session_t *s, const rd_kafka_message_t *m,
    wh_error_t *err);
static void wh_session_record(const rd_kafka_message_t *m,
    wh_record_t *record);
static int wh_session_fatal(wh_session_t *s, wh_error_t *err);


int
wh_session_open(wh_session_t *s, const wh_conf_t *conf, wh_batch_t *batch,
    wh_error_t *err)
{
    int             rc;
    wh_callbacks_t  callbacks;

    memset(s, 0, sizeof(wh_session_t));

    s->conf = conf;
    s->batch = batch;

    wh_batch_clear(batch);
    s->ends = rd_kafka_topic_partition_list_new(1);

    memset(&callbacks, 0, sizeof(callbacks));
    callbacks.opaque = s;
    callbacks.rebalanced = wh_session_rebalanced;

    rc = wh_session_open_store(s, err);
    rc = wh_fail(rc, "store_opened", err);

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
    wh_session_clear(s);
    rd_kafka_topic_partition_list_destroy(s->ends);

    if (s->store != NULL) {
        wh_store_rollback(s->store);
    }

    (void) wh_fail(WH_OK, "closing", NULL);

    wh_publisher_close(s->publisher);
    wh_client_close(s->consumer);
    wh_client_close(s->watcher);
    wh_store_close(s->store);

    if (s->metadata != NULL) {
        rd_kafka_consumer_group_metadata_destroy(s->metadata);
    }

    if (s->next != NULL) {
        rd_kafka_topic_partition_list_destroy(s->next);
    }

    s->ends = NULL;
    s->publisher = NULL;
    s->consumer = NULL;
    s->watcher = NULL;
    s->store = NULL;
    s->metadata = NULL;
    s->next = NULL;

    (void) wh_fail(WH_OK, "closed", NULL);
}


/* Forgets what was polled. */

static void
wh_session_clear(wh_session_t *s)
{
    wh_batch_clear(s->batch);

    while (s->ends->cnt > 0) {
        (void) rd_kafka_topic_partition_list_del_by_idx(s->ends, 0);
    }
}


static int
wh_session_open_store(wh_session_t *s, wh_error_t *err)
{
    int               rc;
    const wh_conf_t  *c;

    c = s->conf;

    rc = wh_store_open(&s->store, c->database, c->wal_limit, err);

    if (rc == WH_NONE) {
        wh_log(WH_LOG_NOTICE, "no database yet (%s): building it beside \"%s\"",
               err->text, c->database);

        rc = wh_store_create(&s->store, c->database, c->database_mode,
                             c->wal_limit, err);
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


/* Called by rd_kafka_consumer_poll(), in our own thread, between batches. */

static void
wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data)
{
    wh_session_t  *s = data;

    /* what was polled under the old assignment is not ours to process */

    wh_session_clear(s);
    s->assigned = 0;

    if (s->metadata != NULL) {
        rd_kafka_consumer_group_metadata_destroy(s->metadata);
        s->metadata = NULL;
    }

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
    int                  rc, timeout;
    rd_kafka_message_t  *m;

    wh_session_clear(s);
    timeout = WH_SESSION_POLL;

    /* the other handles' errors and logs */

    (void) rd_kafka_poll(wh_publisher_handle(s->publisher), 0);
    (void) rd_kafka_poll(s->watcher, 0);

    while (wh_batch_size(s->batch) < (size_t) s->conf->batch_size) {

        m = rd_kafka_consumer_poll(s->consumer, timeout);

        if (s->assigned) {
            if (m != NULL) {
                rd_kafka_message_destroy(m);
            }

            return wh_session_assign(s, err);
        }

        if (m == NULL) {
            break;
        }

        rc = wh_session_message(s, m, err);
        rd_kafka_message_destroy(m);

        if (rc != WH_OK) {
            return rc;
        }

        timeout = 0;
    }

    if (wh_batch_size(s->batch) == (size_t) s->conf->batch_size) {
        wh_client_wake(s->consumer, s->next);
    }

    rc = wh_session_fatal(s, err);

    return (rc == WH_OK) ? wh_store_same_file(s->store, err) : rc;
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
        (void) rd_kafka_topic_partition_list_del(s->ends, next->topic,
                                                 next->partition);
        rd_kafka_topic_partition_list_add(s->ends, next->topic,
                                          next->partition)
            ->offset = m->offset;
        return WH_OK;
    }

    if (m->offset < next->offset) {
        return WH_OK;
    }

    wh_session_record(m, &record);

    return wh_batch_add(s->batch, &record, err);
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
