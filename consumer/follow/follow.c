#include "follow/follow.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "kafka/client.h"
#include "kafka/positions.h"
#include "kafka/query.h"
#include "follow/chunk.h"
#include "follow/notified.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


#define WH_FOLLOW_CHUNK  50000   /* records in one transaction */
#define WH_FOLLOW_WAKE   10000   /* notifications: half of the queue */
#define WH_FOLLOW_TAKE   500     /* messages taken in one go */
#define WH_FOLLOW_POLL   200     /* ms */


/* What one transaction writes. */

typedef struct {
    wh_chunk_t      *chunk;
    wh_positions_t   sources;    /* offsets behind those */
    int64_t          next;       /* in notifications */
    size_t           records;    /* that were read */
} wh_part_t;


struct wh_follow_s {
    const wh_conf_t                  *conf;
    wh_store_t                       *store;
    wh_worker_t                      *worker;
    rd_kafka_t                       *rk;         /* NULL: nothing to read */
    rd_kafka_queue_t                 *queue;      /* of its messages */
    rd_kafka_topic_partition_list_t  *partition;  /* of notifications */
    int64_t                           stored;     /* its position as stored */
    int64_t                           high;

    wh_part_t                         parts[2];
    wh_part_t                        *reading;    /* this thread's */
    wh_part_t                        *writing;    /* the worker's */

    int                               failed;     /* to write a part */
    int                               skipped;    /* a record that is none */
    uint64_t                          read;
    uint64_t                          applied;
};


static int wh_follow_begin(wh_follow_t *f, wh_error_t *err);
static int wh_follow_assign(wh_follow_t *f, wh_error_t *err);
static int wh_follow_message(wh_follow_t *f, const rd_kafka_message_t *m,
    wh_error_t *err);
static int wh_follow_record(wh_follow_t *f, const rd_kafka_message_t *m,
    wh_error_t *err);
static int wh_follow_undecodable(wh_follow_t *f, const rd_kafka_message_t *m,
    const char *why, wh_error_t *err);
static int wh_follow_write(wh_follow_t *f, wh_error_t *err);
static int wh_follow_work(void *data, wh_error_t *err);
static int wh_follow_positions(wh_follow_t *f, const wh_part_t *part,
    wh_error_t *err);


int
wh_follow_open(wh_follow_t **follow, const wh_conf_t *conf,
    wh_store_t *store, wh_worker_t *worker, int64_t high, wh_error_t *err)
{
    int           rc;
    wh_follow_t  *f;

    *follow = NULL;

    f = calloc(1, sizeof(wh_follow_t));
    if (f == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    f->conf = conf;
    f->store = store;
    f->worker = worker;
    f->high = high;

    rc = wh_follow_begin(f, err);

    if (rc != WH_OK) {
        wh_follow_close(f);
        return rc;
    }

    *follow = f;

    return WH_OK;
}


static int
wh_follow_begin(wh_follow_t *f, wh_error_t *err)
{
    int  i, rc;

    rc = wh_store_get_position(f->store, f->conf->notifications_topic, 0,
                               &f->stored, err);

    for (i = 0; rc == WH_OK && i < 2; i++) {
        rc = wh_chunk_create(&f->parts[i].chunk, WH_FOLLOW_CHUNK, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    f->reading = &f->parts[0];
    f->writing = &f->parts[1];
    f->reading->next = (f->stored == -1) ? 0 : f->stored;
    wh_chunk_clear(f->reading->chunk, f->reading->next);

    if (f->reading->next >= f->high) {
        return WH_OK;
    }

    wh_log(WH_LOG_NOTICE, "reading notifications %" PRId64 " to %" PRId64,
           f->reading->next, f->high);

    rc = wh_client_open(&f->rk, WH_CLIENT_READER, f->conf, NULL, err);

    return (rc == WH_OK) ? wh_follow_assign(f, err) : rc;
}


static int
wh_follow_assign(wh_follow_t *f, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    f->queue = rd_kafka_queue_get_consumer(f->rk);

    if (f->queue == NULL) {
        return wh_error_set(err, WH_ERROR, "the consumer has no queue");
    }

    f->partition = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(f->partition,
                                      f->conf->notifications_topic, 0)
        ->offset = f->reading->next;

    e = rd_kafka_assign(f->rk, f->partition);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "assigning notifications: %s",
                            rd_kafka_err2str(e));
    }

    return WH_OK;
}


void
wh_follow_close(wh_follow_t *f)
{
    int  i;

    if (f == NULL) {
        return;
    }

    if (wh_worker_wait(f->worker, NULL) != WH_OK || f->failed) {
        wh_store_rollback(f->store);
    }

    for (i = 0; i < 2; i++) {
        wh_chunk_destroy(f->parts[i].chunk);
        wh_positions_free(&f->parts[i].sources);
    }

    if (f->partition != NULL) {
        rd_kafka_topic_partition_list_destroy(f->partition);
    }

    if (f->queue != NULL) {
        rd_kafka_queue_destroy(f->queue);
    }

    wh_client_close(f->rk);
    free(f);
}


int64_t
wh_follow_position(const wh_follow_t *f)
{
    return f->reading->next;
}


int
wh_follow_skipped(const wh_follow_t *f)
{
    return f->skipped;
}


void
wh_follow_counts(const wh_follow_t *f, uint64_t *read, uint64_t *applied)
{
    *read = f->read;
    *applied = f->applied;
}


/*
 * Takes the messages that are there, or one if it comes in time.  librdkafka's
 * batches can pass over messages where a partition is paused, or assigned anew;
 * this one is assigned once.
 */

int
wh_follow_step(wh_follow_t *f, wh_error_t *err)
{
    int                  rc;
    ssize_t              i, n;
    rd_kafka_message_t  *messages[WH_FOLLOW_TAKE];

    n = rd_kafka_consume_batch_queue(f->queue, 0, messages, WH_FOLLOW_TAKE);

    if (n <= 0) {
        messages[0] = rd_kafka_consumer_poll(f->rk, WH_FOLLOW_POLL);
        n = (messages[0] != NULL);
    }

    rc = WH_OK;

    for (i = 0; i < n; i++) {

        if (rc == WH_OK && f->reading->next < f->high) {
            rc = wh_follow_message(f, messages[i], err);
        }

        if (rc == WH_OK && f->reading->records == WH_FOLLOW_CHUNK) {
            rc = wh_follow_write(f, err);
        }

        rd_kafka_message_destroy(messages[i]);
    }

    return rc;
}


static int
wh_follow_message(wh_follow_t *f, const rd_kafka_message_t *m, wh_error_t *err)
{
    int  rc;

    switch (m->err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;

    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        /* behind control and aborted records, which are not shown to us */
        if (m->offset > f->reading->next) {
            f->reading->next = m->offset;
        }
        return WH_OK;

    default:
        return wh_error_set(err, WH_AGAIN, "reading topic \"%s\": %s",
                            f->conf->notifications_topic,
                            rd_kafka_message_errstr(m));
    }

    /* the end lies behind control records */

    if (m->offset >= f->high) {
        f->reading->next = f->high;
        return WH_OK;
    }

    if (++f->read % WH_FOLLOW_WAKE == 0) {
        wh_query_wake(f->rk, f->partition);
    }

    rc = wh_follow_record(f, m, err);

    if (rc == WH_OK) {
        f->reading->next = m->offset + 1;
        f->reading->records++;
    }

    return rc;
}


static int
wh_follow_record(wh_follow_t *f, const rd_kafka_message_t *m, wh_error_t *err)
{
    int            rc;
    wh_error_t     why;
    wh_notified_t  n;

    rc = wh_notified_decode(m, &n, &why);

    /* the command that it came from is processed */

    if (rc == WH_OK
        && strcmp(n.notification.topic, f->conf->commands_topic) == 0)
    {
        rc = wh_positions_raise(&f->reading->sources, n.notification.partition,
                                n.notification.offset + 1, &why);
    }

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "%s", why.text);
    }

    if (rc != WH_OK) {
        return wh_follow_undecodable(f, m, why.text, err);
    }

    /* behind each of them there may be a marker */

    return wh_chunk_add(f->reading->chunk, m->offset, &n.notification,
                        n.keyed ? &n.key : NULL, n.time,
                        (f->high - m->offset) / 2 <= f->conf->outcomes, err);
}


/* To pass over it could lose an update: somebody has to decide that. */

static int
wh_follow_undecodable(wh_follow_t *f, const rd_kafka_message_t *m,
    const char *why, wh_error_t *err)
{
    if (m->offset == f->conf->skip_notification) {
        f->skipped = 1;
        wh_log(WH_LOG_WARN, "%s:0:%" PRId64 " is not a notification and is "
               "passed over, as asked: %s", f->conf->notifications_topic,
               m->offset, why);
        return WH_OK;
    }

    return wh_error_set(err, WH_ERROR, "%s:0:%" PRId64 " is not a notification "
                        "(%s): something else wrote to the topic, or a newer "
                        "warehouse-consumer; to go on without this one, start "
                        "(or verify) once with --skip_notification=%" PRId64,
                        f->conf->notifications_topic, m->offset, why,
                        m->offset);
}


int
wh_follow_finish(wh_follow_t *f, int keep, wh_error_t *err)
{
    int  rc;

    rc = (keep && !f->failed) ? wh_follow_write(f, err) : WH_OK;

    if (rc == WH_OK) {
        rc = wh_worker_wait(f->worker, err);
    }

    if (rc != WH_OK) {
        f->failed = 1;
    }

    return rc;
}


/* Has the worker write what was read; reading goes on with the other part. */

static int
wh_follow_write(wh_follow_t *f, wh_error_t *err)
{
    int         rc;
    wh_part_t  *part;

    rc = wh_worker_wait(f->worker, err);
    if (rc != WH_OK) {
        f->failed = 1;
        return rc;
    }

    part = f->reading;
    f->reading = f->writing;
    f->writing = part;

    wh_chunk_clear(f->reading->chunk, part->next);
    f->reading->next = part->next;
    f->reading->records = 0;
    wh_positions_clear(&f->reading->sources);

    wh_worker_start(f->worker, wh_follow_work, f);

    return WH_OK;
}


/* Runs in the worker's thread. */

static int
wh_follow_work(void *data, wh_error_t *err)
{
    int               rc;
    int64_t           counts[WH_STAT_LAST];
    uint64_t          applied;
    wh_follow_t      *f = data;
    const wh_part_t  *part = f->writing;

    if (part->next == f->stored) {
        return WH_OK;
    }

    memset(counts, 0, sizeof(counts));

    rc = wh_store_begin(f->store, err);

    if (rc == WH_OK) {
        rc = wh_chunk_write(part->chunk, f->store, f->conf, part->next,
                            &applied, err);
    }

    if (rc == WH_OK) {
        counts[WH_STAT_APPLIED] = (int64_t) applied;
        rc = wh_store_count(f->store, counts, err);
    }

    if (rc == WH_OK) {
        rc = wh_follow_positions(f, part, err);
    }

    if (rc == WH_OK && part->next < f->high) {
        /* readers would see a state between two batches */
        rc = wh_store_set_meta(f->store, "state", "recovering", err);
    }

    rc = wh_fail(rc, "follow_written", err);

    if (rc == WH_OK) {
        rc = wh_store_commit(f->store, err);
        rc = wh_fail(rc, "follow_committed", err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    f->stored = part->next;
    f->applied += applied;

    wh_figures_recovered(part->records, applied);
    wh_figures_notified(part->next);

    wh_store_checkpoint(f->store);

    return WH_OK;
}


static int
wh_follow_positions(wh_follow_t *f, const wh_part_t *part, wh_error_t *err)
{
    int          rc;
    int32_t      i, partition;
    int64_t      stored, next;
    const char  *topic;

    topic = f->conf->commands_topic;

    for (i = 0; i < part->sources.n; i++) {

        partition = part->sources.partitions[i];
        next = wh_positions_get(&part->sources, partition);

        rc = wh_store_get_position(f->store, topic, partition, &stored, err);

        if (rc == WH_OK && stored < next) {
            rc = wh_store_move_position(f->store, topic, partition, stored,
                                        next, err);
        }

        if (rc != WH_OK) {
            return rc;
        }
    }

    return wh_store_move_position(f->store, f->conf->notifications_topic, 0,
                                  f->stored, part->next, err);
}
