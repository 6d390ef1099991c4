#include "kafka/publisher.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watchdog.h"
#include "kafka/client.h"
#include "kafka/produce.h"
#include "kafka/suspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


#define WH_PUBLISHER_INIT_TIMEOUT   1000    /* ms, then asked again */
#define WH_PUBLISHER_INIT_TRIES     10
#define WH_PUBLISHER_FLUSH_TIMEOUT  30000   /* ms, above message.timeout.ms */
#define WH_PUBLISHER_ABORT_TIMEOUT  500     /* ms */
#define WH_PUBLISHER_SERVE          1000    /* messages between two polls */


struct wh_publisher_s {
    rd_kafka_t          *rk;
    rd_kafka_topic_t    *notifications;
    rd_kafka_topic_t    *rejections;    /* NULL: none are wanted */
    const wh_conf_t     *conf;
    wh_suspect_t         suspect;
    size_t               sent;          /* messages, ever */
    int64_t              timeout;       /* ms a transaction may take */
    int64_t              first;         /* offset of the first notification */
    int64_t              last;          /* and of the last */
    int                  unknown;       /* some have none */
    rd_kafka_resp_err_t  failed;        /* of the first one not delivered */
};


static int wh_publisher_init(wh_publisher_t *p, wh_error_t *err);
static int wh_publisher_topic(wh_publisher_t *p, rd_kafka_topic_t **topic,
    const char *name, wh_error_t *err);
static void wh_publisher_delivered(rd_kafka_t *rk,
    const rd_kafka_message_t *message, void *data);
static int wh_publisher_fail(wh_publisher_t *p, const char *what,
    rd_kafka_error_t *error, wh_error_t *err);
static int wh_publisher_is_fenced(rd_kafka_resp_err_t e);
static void wh_publisher_forget(rd_kafka_error_t *error);


int
wh_publisher_open(wh_publisher_t **publisher, const wh_conf_t *conf,
    wh_error_t *err)
{
    int              rc;
    wh_callbacks_t   callbacks;
    wh_publisher_t  *p;

    *publisher = NULL;

    p = calloc(1, sizeof(wh_publisher_t));
    if (p == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    p->conf = conf;

    memset(&callbacks, 0, sizeof(callbacks));
    callbacks.opaque = p;
    callbacks.delivered = wh_publisher_delivered;
    callbacks.on_new = wh_suspect_on_new;
    callbacks.on_new_opaque = &p->suspect;

    rc = wh_client_open(&p->rk, WH_CLIENT_PRODUCER, conf, &callbacks, err);
    if (rc != WH_OK) {
        free(p);
        return rc;
    }

    p->timeout = wh_client_number(p->rk, "transaction.timeout.ms");

    rc = wh_publisher_topic(p, &p->notifications, conf->notifications_topic,
                            err);

    if (rc == WH_OK && *conf->rejections_topic != '\0') {
        rc = wh_publisher_topic(p, &p->rejections, conf->rejections_topic,
                                err);
    }

    if (rc == WH_OK) {
        rc = wh_publisher_init(p, err);
    }

    if (rc != WH_OK) {
        wh_publisher_close(p);
        return rc;
    }

    /* the producer is new: nothing of it can be on its way any more */
    wh_suspect_clear(&p->suspect);
    *publisher = p;

    return WH_OK;
}


/*
 * Waits for the brokers, and in the end gives up: a new handle finds files with
 * certificates and passwords that have been replaced.
 */

static int
wh_publisher_init(wh_publisher_t *p, wh_error_t *err)
{
    int                waiting;
    rd_kafka_error_t  *error;

    for (waiting = 0; ; waiting++) {
        error = rd_kafka_init_transactions(p->rk, WH_PUBLISHER_INIT_TIMEOUT);

        if (error == NULL) {
            return WH_OK;
        }

        if (wh_stopping() || waiting == WH_PUBLISHER_INIT_TRIES
            || !rd_kafka_error_is_retriable(error))
        {
            return wh_publisher_fail(p, "init_transactions", error, err);
        }

        if (waiting == 0) {
            wh_figures_state(WH_WAITING);
            wh_log(WH_LOG_WARN, "waiting for Kafka: %s",
                   rd_kafka_error_string(error));
        }

        rd_kafka_error_destroy(error);
        wh_signal_serve();
    }
}


static int
wh_publisher_topic(wh_publisher_t *p, rd_kafka_topic_t **topic,
    const char *name, wh_error_t *err)
{
    *topic = rd_kafka_topic_new(p->rk, name, NULL);

    if (*topic == NULL) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\": %s", name,
                            rd_kafka_err2str(rd_kafka_last_error()));
    }

    return WH_OK;
}


void
wh_publisher_close(wh_publisher_t *p)
{
    if (p == NULL) {
        return;
    }

    wh_suspect_off(&p->suspect);

    /*
     * librdkafka 2.0.2 aborts the process if it sends AddPartitionsToTxn
     * while it is destroyed; it sends none once an abort has begun, or a
     * commit.  Where no transaction is open this fails at once.
     */

    wh_publisher_forget(rd_kafka_abort_transaction(p->rk,
                                                 WH_PUBLISHER_ABORT_TIMEOUT));

    (void) rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE
                                 | RD_KAFKA_PURGE_F_INFLIGHT
                                 | RD_KAFKA_PURGE_F_NON_BLOCKING);

    if (p->notifications != NULL) {
        rd_kafka_topic_destroy(p->notifications);
    }

    if (p->rejections != NULL) {
        rd_kafka_topic_destroy(p->rejections);
    }

    wh_client_close(p->rk);
    free(p);
}


rd_kafka_t *
wh_publisher_handle(wh_publisher_t *p)
{
    return p->rk;
}


int64_t
wh_publisher_timeout(const wh_publisher_t *p)
{
    return p->timeout;
}


int
wh_publisher_suspect(const wh_publisher_t *p)
{
    return wh_suspect_any(&p->suspect);
}


int
wh_publisher_unknown(const wh_publisher_t *p)
{
    return p->unknown;
}


/* Called by rd_kafka_flush() and rd_kafka_poll(), in our own thread. */

static void
wh_publisher_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message,
    void *data)
{
    wh_publisher_t  *p = data;

    (void) rk;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (p->failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
            p->failed = message->err;
        }

        return;
    }

    if (message->_private == NULL) {
        return;    /* not a notification, see wh_publisher_send() */
    }

    *(int64_t *) message->_private = message->offset;

    if (message->offset < 0) {
        p->unknown = 1;
        return;
    }

    if (p->first == -1 || message->offset < p->first) {
        p->first = message->offset;
    }

    if (message->offset > p->last) {
        p->last = message->offset;
    }
}


int
wh_publisher_begin(wh_publisher_t *p, wh_error_t *err)
{
    rd_kafka_error_t  *error;

    p->first = -1;
    p->last = -1;
    p->unknown = 0;
    p->failed = RD_KAFKA_RESP_ERR_NO_ERROR;

    error = rd_kafka_begin_transaction(p->rk);
    if (error != NULL) {
        return wh_publisher_fail(p, "begin_transaction", error, err);
    }

    return WH_OK;
}


int
wh_publisher_send(wh_publisher_t *p, const wh_message_t *m, wh_error_t *err)
{
    rd_kafka_topic_t     *topic;
    rd_kafka_resp_err_t   e;

    /* reports that wait to be taken keep their messages in memory */

    if (++p->sent % WH_PUBLISHER_SERVE == 0) {
        (void) rd_kafka_poll(p->rk, 0);
    }

    topic = m->notification ? p->notifications : p->rejections;

    /* a notification, to wh_publisher_delivered(), is what has an opaque */
    e = wh_produce(p->rk, topic,
                   m->notification ? 0 : RD_KAFKA_PARTITION_UA, m,
                   m->notification ? m->offset : NULL);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_publisher_fail(p, rd_kafka_topic_name(topic),
                                 rd_kafka_error_new(e, "%s",
                                                    rd_kafka_err2str(e)),
                                 err);
    }

    return WH_OK;
}


int
wh_publisher_pending(wh_publisher_t *p)
{
    (void) rd_kafka_poll(p->rk, 0);

    return rd_kafka_outq_len(p->rk) > 0;
}


int
wh_publisher_flush(wh_publisher_t *p, int64_t *next, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    e = rd_kafka_flush(p->rk, WH_PUBLISHER_FLUSH_TIMEOUT);

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        e = p->failed;
    }

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_publisher_fail(p, "delivering the batch's messages",
                                 rd_kafka_error_new(e, "%s",
                                                    rd_kafka_err2str(e)),
                                 err);
    }

    /*
     * Brokers that know a batch only as one they have already do not say where
     * it is (DUPLICATE_SEQUENCE_NUMBER), and librdkafka counts on from -1001:
     * in a large batch up to numbers that look like offsets.  The position then
     * stays where it is, which is behind the true one.
     */

    if (p->unknown) {
        return WH_OK;
    }

    if (p->first != -1 && p->first < *next) {
        return wh_error_set(err, WH_ERROR, "the database knows topic \"%s\" up "
                            "to offset %" PRId64 ", new notifications came to "
                            "offset %" PRId64 ": it was recreated or has lost "
                            "records; to go on with the stock of the database, "
                            "set notifications_topic to a new, empty topic "
                            "(the stock from before it cannot be rebuilt from "
                            "Kafka then: keep backups)",
                            p->conf->notifications_topic, *next, p->first);
    }

    /*
     * Behind our records comes our commit marker.  A position that stopped in
     * front of it would be taken for a lost record once retention deletes it.
     */

    if (p->last != -1) {
        *next = p->last + 2;
    }

    return WH_OK;
}


int
wh_publisher_commit(wh_publisher_t *p,
    const rd_kafka_topic_partition_list_t *offsets,
    const rd_kafka_consumer_group_metadata_t *metadata, wh_error_t *err)
{
    rd_kafka_error_t  *error;

    /* each of the two may take as long as a transaction */
    wh_watchdog_wait(2 * p->timeout);

    error = rd_kafka_send_offsets_to_transaction(p->rk, offsets, metadata, -1);
    if (error != NULL) {
        return wh_publisher_fail(p, "send_offsets_to_transaction", error, err);
    }

    if (wh_fail(WH_OK, "offsets_sent", err) != WH_OK) {
        return WH_AGAIN;
    }

    error = rd_kafka_commit_transaction(p->rk, -1);
    if (error != NULL) {
        return wh_publisher_fail(p, "commit_transaction", error, err);
    }

    return WH_OK;
}


/* Takes error, which it destroys, and says what follows from it. */

static int
wh_publisher_fail(wh_publisher_t *p, const char *what, rd_kafka_error_t *error,
    wh_error_t *err)
{
    int                  fatal;
    char                 text[512];
    rd_kafka_resp_err_t  code, cause;

    code = rd_kafka_error_code(error);
    fatal = rd_kafka_error_is_fatal(error);

    (void) wh_error_set(err, WH_AGAIN, "%s: %s", what,
                        rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);

    cause = rd_kafka_fatal_error(p->rk, text, sizeof(text));

    if (cause != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fatal = 1;
        code = cause;
        (void) wh_error_set(err, WH_AGAIN, "%s: %s", what, text);
    }

    if (wh_publisher_is_fenced(code)
        || code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
    {
        return WH_FENCED;
    }

    switch (code) {

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return wh_error_set(err, WH_ERROR, "%s: the brokers or "
                            "kafka.message.max.bytes do not allow messages of "
                            "this size; notifications need 5 kB, "
                            "rejections_topic 360 kB", what);

    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:

        /* somebody may allow it */

        return wh_error_set(err, WH_AGAIN, "%s: %s: \"%s\"", what,
                            rd_kafka_err2str(code), p->conf->group_id);

    default:
        break;
    }

    /* a new producer and a recovery mend the rest, fatal or not */

    if (fatal) {
        wh_log(WH_LOG_WARN, "the producer met a fatal error and is replaced");
    }

    return WH_AGAIN;
}


int
wh_publisher_fenced(wh_publisher_t *p,
    const rd_kafka_topic_partition_list_t *offsets)
{
    rd_kafka_resp_err_t                  e;
    rd_kafka_consumer_group_metadata_t  *metadata;

    /* of nobody's generation: it is never fenced by the group */
    metadata = rd_kafka_consumer_group_metadata_new(p->conf->group_id);

    wh_watchdog_wait(2 * p->timeout);

    /* in mid-transaction the first two fail, and the third tells */

    wh_publisher_forget(rd_kafka_begin_transaction(p->rk));
    wh_publisher_forget(rd_kafka_send_offsets_to_transaction(p->rk, offsets,
                                                             metadata, -1));
    wh_publisher_forget(rd_kafka_abort_transaction(p->rk, -1));

    rd_kafka_consumer_group_metadata_destroy(metadata);

    e = rd_kafka_fatal_error(p->rk, NULL, 0);

    return wh_publisher_is_fenced(e);
}


static int
wh_publisher_is_fenced(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR__FENCED
           || e == RD_KAFKA_RESP_ERR_PRODUCER_FENCED
           || e == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}


static void
wh_publisher_forget(rd_kafka_error_t *error)
{
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}
