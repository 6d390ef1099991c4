#include "follow/follow.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/worker.h"
#include "kafka/client.h"
#include "kafka/positions.h"
#include "kafka/query.h"
#include "follow/chunk.h"
#include "wh_command.h"

#include <inttypes.h>
#include <string.h>


#define WH_FOLLOW_CHUNK    50000   /* records in one transaction */
#define WH_FOLLOW_WAKE     10000   /* notifications: half of the queue */
#define WH_FOLLOW_TAKE     500     /* messages taken in one go */
#define WH_FOLLOW_POLL     200     /* ms */
#define WH_FOLLOW_SAY      15      /* polls without a message: 3 s */
#define WH_FOLLOW_SILENCE  300     /* polls without a message: a minute */


/* What one transaction writes. */

typedef struct {
    wh_chunk_t      *chunk;
    wh_positions_t   sources;    /* offsets behind those */
    int64_t          next;       /* in notifications */
    size_t           records;    /* that were read */
} wh_part_t;


typedef struct {
    const wh_conf_t                  *conf;
    wh_store_t                       *store;
    wh_worker_t                      *worker;
    rd_kafka_t                       *rk;
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
} wh_follow_t;


static int wh_follow_open(wh_follow_t *f, wh_error_t *err);
static void wh_follow_close(wh_follow_t *f);
static int wh_follow_to_end(wh_follow_t *f, wh_error_t *err);
static int wh_follow_assign(wh_follow_t *f, wh_error_t *err);
static int wh_follow_read(wh_follow_t *f, wh_error_t *err);
static int wh_follow_take(wh_follow_t *f, size_t *taken, wh_error_t *err);
static int wh_follow_message(wh_follow_t *f, const rd_kafka_message_t *m,
    wh_error_t *err);
static int wh_follow_undecodable(wh_follow_t *f, const rd_kafka_message_t *m,
    const char *why, wh_error_t *err);
static const wh_key_t *wh_follow_key(const rd_kafka_message_t *m,
    wh_key_t *key, int64_t *time);
static int64_t wh_follow_time(const rd_kafka_message_t *m,
    const wh_header_t *header);
static int wh_follow_source(wh_follow_t *f, const wh_notification_t *n,
    wh_error_t *err);
static int wh_follow_write(wh_follow_t *f, wh_error_t *err);
static int wh_follow_work(void *data, wh_error_t *err);
static int wh_follow_positions(wh_follow_t *f, const wh_part_t *part,
    wh_error_t *err);


int
wh_follow(wh_store_t *store, const wh_conf_t *conf, int64_t high,
    wh_error_t *err)
{
    int          rc, written;
    wh_error_t   why;
    wh_follow_t  f;

    memset(&f, 0, sizeof(f));

    f.conf = conf;
    f.store = store;
    f.high = high;

    rc = wh_store_get_position(store, conf->notifications_topic, 0, &f.stored,
                               err);

    if (rc == WH_OK) {
        rc = wh_follow_open(&f, err);
    }

    if (rc == WH_OK) {
        rc = wh_follow_to_end(&f, err);

        /*
         * What was read is kept where nobody reads the database yet, and where
         * somebody said what to pass over: the next start goes on from here.
         * Never behind a part that failed.
         */

        if (rc != WH_OK && !f.failed
            && (wh_store_unpublished(store) || f.skipped))
        {
            (void) wh_follow_write(&f, &why);
        }

        /* what went wrong with the database counts for more */

        written = wh_worker_wait(f.worker, &why);

        if (written != WH_OK) {
            rc = written;
            *err = why;
        }
    }

    wh_follow_close(&f);

    if (rc != WH_OK) {
        wh_store_rollback(store);
    }

    if (rc == WH_OK && f.read > 0) {
        wh_log(WH_LOG_NOTICE, "%" PRIu64 " notifications read, %" PRIu64
               " applied to the database", f.read, f.applied);
    }

    return rc;
}


static int
wh_follow_open(wh_follow_t *f, wh_error_t *err)
{
    int  i, rc;

    f->partition = rd_kafka_topic_partition_list_new(1);
    f->reading = &f->parts[0];
    f->writing = &f->parts[1];
    f->reading->next = (f->stored == -1) ? 0 : f->stored;

    rc = wh_worker_create(&f->worker, err);

    for (i = 0; i < 2; i++) {
        if (rc == WH_OK) {
            rc = wh_chunk_create(&f->parts[i].chunk, WH_FOLLOW_CHUNK, err);
        }
    }

    return rc;
}


static void
wh_follow_close(wh_follow_t *f)
{
    int  i;

    wh_worker_destroy(f->worker);

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
}


static int
wh_follow_to_end(wh_follow_t *f, wh_error_t *err)
{
    int  rc;

    rc = WH_OK;

    if (f->reading->next < f->high) {
        wh_log(WH_LOG_NOTICE, "reading notifications %" PRId64 " to %" PRId64,
               f->reading->next, f->high);

        rc = wh_client_open(&f->rk, WH_CLIENT_READER, f->conf, NULL, err);

        if (rc == WH_OK) {
            rc = wh_follow_assign(f, err);
        }

        if (rc == WH_OK) {
            rc = wh_follow_read(f, err);
        }
    }

    return (rc == WH_OK) ? wh_follow_write(f, err) : rc;
}


static int
wh_follow_assign(wh_follow_t *f, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    f->queue = rd_kafka_queue_get_consumer(f->rk);

    if (f->queue == NULL) {
        return wh_error_set(err, WH_ERROR, "the consumer has no queue");
    }

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


/*
 * Reads until f->high.  An open transaction of somebody else holds readers
 * back below it: then this waits until that one ends.
 */

static int
wh_follow_read(wh_follow_t *f, wh_error_t *err)
{
    int     rc, silence;
    size_t  taken;

    silence = 0;

    while (f->reading->next < f->high) {

        if (wh_stopping()) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }

        rc = wh_follow_take(f, &taken, err);
        if (rc != WH_OK) {
            return rc;
        }

        if (taken > 0) {
            silence = 0;
            continue;
        }

        wh_signal_serve();

        if (++silence == WH_FOLLOW_SAY) {
            wh_log(WH_LOG_NOTICE, "waiting for notifications %" PRId64
                   " to %" PRId64 ": brokers away, or somebody's "
                   "transaction is open", f->reading->next, f->high);
        }

        if (silence == WH_FOLLOW_SILENCE) {
            return wh_error_set(err, WH_AGAIN, "notifications %" PRId64
                                " to %" PRId64 " do not come: brokers "
                                "away, or a transaction is open",
                                f->reading->next, f->high);
        }
    }

    return WH_OK;
}


/*
 * Takes the messages that are there, or one if it comes in time.  librdkafka's
 * batches can pass over messages where a partition is paused, or assigned anew;
 * this one is assigned once.
 */

static int
wh_follow_take(wh_follow_t *f, size_t *taken, wh_error_t *err)
{
    int                  rc;
    size_t               i;
    ssize_t              n;
    rd_kafka_message_t  *messages[WH_FOLLOW_TAKE];

    n = rd_kafka_consume_batch_queue(f->queue, 0, messages, WH_FOLLOW_TAKE);

    if (n <= 0) {
        messages[0] = rd_kafka_consumer_poll(f->rk, WH_FOLLOW_POLL);
        n = (messages[0] != NULL);
    }

    rc = WH_OK;
    *taken = (size_t) n;

    for (i = 0; i < *taken; i++) {

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
    int                rc;
    int64_t            time;
    wh_key_t           text;
    wh_error_t         why;
    const wh_key_t    *key;
    wh_notification_t  n;

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
        return wh_error_set(err, WH_AGAIN, "reading notifications: %s",
                            rd_kafka_message_errstr(m));
    }

    if (++f->read % WH_FOLLOW_WAKE == 0) {
        wh_query_wake(f->rk, f->partition);
    }

    rc = wh_notification_decode(m->payload ? m->payload : "", m->len, &n,
                                &why);

    if (rc == WH_OK) {
        rc = wh_follow_source(f, &n, &why);
    }

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "%s", why.text);
    }

    if (rc != WH_OK) {
        rc = wh_follow_undecodable(f, m, why.text, err);

    } else {
        key = wh_follow_key(m, &text, &time);
        rc = wh_chunk_add(f->reading->chunk, &n, key, time, err);
    }

    if (rc == WH_OK) {
        f->reading->next = m->offset + 1;
        f->reading->records++;
    }

    return rc;
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
                        "once with --skip_notification=%" PRId64,
                        f->conf->notifications_topic, m->offset, why,
                        m->offset);
}


/*
 * The idempotency key of a notification, decoded to key, and the time it counts
 * from; NULL: it has none.
 */

static const wh_key_t *
wh_follow_key(const rd_kafka_message_t *m, wh_key_t *key, int64_t *time)
{
    wh_header_t  headers[2];

    headers[0].name = WH_KEY_HEADER;
    headers[1].name = WH_NOTIFICATION_TIME;

    *time = 0;

    if (wh_client_headers(m, headers, 2) != WH_OK
        || headers[0].n != 1 || headers[0].value == NULL
        || wh_key_set(key, headers[0].value, headers[0].len, NULL) != WH_OK)
    {
        return NULL;
    }

    *time = wh_follow_time(m, &headers[1]);

    return key;
}


/* When the command was written; for want of that, its notification. */

static int64_t
wh_follow_time(const rd_kafka_message_t *m, const wh_header_t *header)
{
    int64_t                    time;
    rd_kafka_timestamp_type_t  type;

    if (header->n == 1 && header->value != NULL
        && wh_notification_time(header->value, header->len, &time) == WH_OK)
    {
        return time;
    }

    return rd_kafka_message_timestamp(m, &type);
}


/* The command that a notification came from is processed. */

static int
wh_follow_source(wh_follow_t *f, const wh_notification_t *n, wh_error_t *err)
{
    if (strcmp(n->topic, f->conf->commands_topic) != 0) {
        return WH_OK;
    }

    return wh_positions_raise(&f->reading->sources, n->partition,
                              n->offset + 1, err);
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

    wh_chunk_clear(f->reading->chunk);
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
        rc = wh_chunk_write(part->chunk, f->store,
                            f->conf->idempotency_retention * 1000,
                            f->conf->idempotency_keys, &applied, err);
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
