#include "session/session.h"
#include "session/internal.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "kafka/client.h"
#include "kafka/query.h"
#include "follow/recover.h"

#include <inttypes.h>
#include <string.h>


static int wh_session_create(wh_polled_t *polled, const wh_conf_t *conf,
    wh_error_t *err);
static void wh_session_destroy(wh_polled_t *polled);
static int wh_session_open_store(wh_session_t *s, wh_store_file_t *whole,
    wh_error_t *err);
static int wh_session_recover(wh_session_t *s, wh_error_t *err);
static int wh_session_join(wh_session_t *s, wh_error_t *err);
static void wh_session_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions, void *data);


int
wh_session_open(wh_session_t *s, const wh_conf_t *conf,
    wh_store_file_t *whole, wh_error_t *err)
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
        rc = wh_session_open_store(s, whole, err);
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

    if (s->list != NULL) {
        rd_kafka_topic_partition_list_destroy(s->list);
    }

    wh_positions_free(&s->next);
    wh_session_destroy(&s->now);
    wh_session_destroy(&s->ahead);

    s->worker = NULL;
    s->publisher = NULL;
    s->consumer = NULL;
    s->watcher = NULL;
    s->store = NULL;
    s->list = NULL;

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

    return wh_batch_create(&p->batch, &limits, err);
}


void
wh_session_clear(wh_polled_t *p)
{
    wh_batch_clear(p->batch);
    wh_positions_clear(&p->ends);
}


static void
wh_session_destroy(wh_polled_t *p)
{
    wh_batch_destroy(p->batch);
    wh_positions_free(&p->ends);

    p->batch = NULL;
}


/* Before the producer, which fences the owner that another node may have. */

static int
wh_session_open_store(wh_session_t *s, wh_store_file_t *whole,
    wh_error_t *err)
{
    int              rc;
    wh_store_conf_t  conf;

    conf.path = s->conf->database;
    conf.mode = s->conf->database_mode;
    conf.wal_limit = s->conf->wal_limit;
    conf.cache = s->conf->database_cache;

    rc = wh_store_open(&s->store, &conf, err);

    if (rc == WH_OK) {
        rc = wh_store_check(s->store, whole, err);

    } else if (rc == WH_NONE) {
        wh_log(WH_LOG_NOTICE, "no database yet (%s): building it beside \"%s\"",
               err->text, conf.path);

        rc = wh_store_create(&s->store, &conf, err);
    }

    return rc;
}


static int
wh_session_recover(wh_session_t *s, wh_error_t *err)
{
    int            i, rc;
    wh_recovery_t  r;

    r.conf = s->conf;
    r.producer = wh_publisher_handle(s->publisher);
    r.consumer = s->consumer;
    r.watcher = s->watcher;

    r.again = (s->list != NULL);

    if (s->list != NULL) {
        rd_kafka_topic_partition_list_destroy(s->list);
        s->list = NULL;
    }

    rc = wh_recover(&r, &s->store, &s->list, err);

    wh_positions_clear(&s->next);

    for (i = 0; rc == WH_OK && i < s->list->cnt; i++) {
        rc = wh_positions_set(&s->next, s->list->elems[i].partition,
                              s->list->elems[i].offset, err);
    }

    return rc;
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


int
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

    if (s->partitions != s->list->cnt) {
        return wh_error_set(err, WH_AGAIN, "group \"%s\" gave us %d of %d "
                            "partitions: partitions were added, or there is "
                            "another member, which there must not be",
                            s->conf->group_id, s->partitions, s->list->cnt);
    }

    e = rd_kafka_assign(s->consumer, s->list);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "assigning commands: %s",
                            rd_kafka_err2str(e));
    }

    wh_log(WH_LOG_NOTICE, "processing \"%s\", %d partition(s)",
           s->conf->commands_topic, s->partitions);

    return wh_fail(WH_OK, "assigned", err);
}
