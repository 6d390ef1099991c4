#include "kafka/message.h"
#include "base/signal.h"
#include "ledger/rejection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define WH_MESSAGE_POLL  100     /* ms */


typedef struct {
    rd_kafka_topic_t     *topic;
    int32_t               partition;
    const char           *key;
    size_t                key_len;
    const char           *text;       /* in the buffer, or allocated */
    size_t                len;
    char                 *allocated;  /* or NULL */
    rd_kafka_headers_t   *headers;    /* NULL: none */
    char                  buffer[WH_NOTIFICATION_LEN];
} wh_message_t;


static rd_kafka_resp_err_t wh_message_notification(wh_message_t *m,
    const wh_conf_t *conf, const wh_outcome_t *o);
static rd_kafka_resp_err_t wh_message_rejection(wh_message_t *m,
    const wh_conf_t *conf, const wh_outcome_t *o);
static rd_kafka_resp_err_t wh_message_headers(wh_message_t *m,
    const wh_outcome_t *o);
static rd_kafka_resp_err_t wh_message_produce(rd_kafka_t *rk,
    wh_message_t *m, void *opaque);


rd_kafka_resp_err_t
wh_message_send(rd_kafka_t *rk, rd_kafka_topic_t *topic,
    const wh_conf_t *conf, const wh_outcome_t *o, void *opaque)
{
    wh_message_t         m;
    rd_kafka_resp_err_t  e;

    m.topic = topic;
    m.key = NULL;
    m.key_len = 0;
    m.allocated = NULL;
    m.headers = NULL;

    if (o->verdict != WH_MALFORMED) {
        m.key = o->command.sku;
        m.key_len = o->command.sku_len;
    }

    e = (o->verdict == WH_APPLIED) ? wh_message_notification(&m, conf, o)
                                   : wh_message_rejection(&m, conf, o);

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR && o->key != NULL) {
        e = wh_message_headers(&m, o);
    }

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        e = wh_message_produce(rk, &m, opaque);
    }

    if (m.headers != NULL) {
        rd_kafka_headers_destroy(m.headers);
    }

    free(m.allocated);

    return e;
}


static rd_kafka_resp_err_t
wh_message_notification(wh_message_t *m, const wh_conf_t *conf,
    const wh_outcome_t *o)
{
    wh_notification_t  n;

    n.command = o->command;
    n.stock = o->stock;
    n.version = o->version;
    n.partition = o->partition;
    n.offset = o->offset;
    (void) strcpy(n.topic, conf->commands_topic);

    m->partition = 0;
    m->text = m->buffer;
    m->len = wh_notification_write(m->buffer, &n);

    return RD_KAFKA_RESP_ERR_NO_ERROR;
}


static rd_kafka_resp_err_t
wh_message_rejection(wh_message_t *m, const wh_conf_t *conf,
    const wh_outcome_t *o)
{
    m->allocated = malloc(wh_rejection_size(o));
    if (m->allocated == NULL) {
        return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    }

    m->partition = RD_KAFKA_PARTITION_UA;
    m->text = m->allocated;
    m->len = wh_rejection_write(m->allocated, o, conf->commands_topic);

    return RD_KAFKA_RESP_ERR_NO_ERROR;
}


/*
 * With the key goes the time it counts from: who rebuilds a database from
 * notifications has to forget it when we do.
 */

static rd_kafka_resp_err_t
wh_message_headers(wh_message_t *m, const wh_outcome_t *o)
{
    int                  n;
    char                 time[32];
    rd_kafka_resp_err_t  e;

    m->headers = rd_kafka_headers_new(2);

    e = rd_kafka_header_add(m->headers, WH_KEY_HEADER, -1, o->key, -1);

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR && o->verdict == WH_APPLIED) {
        n = snprintf(time, sizeof(time), "%" PRId64, o->time);
        e = rd_kafka_header_add(m->headers, WH_NOTIFICATION_TIME, -1, time, n);
    }

    return e;
}


static rd_kafka_resp_err_t
wh_message_produce(rd_kafka_t *rk, wh_message_t *m, void *opaque)
{
    rd_kafka_resp_err_t  e;

    for ( ;; ) {

        /* copies the text, and takes the headers if it succeeds */

        e = rd_kafka_producev(rk,
                              RD_KAFKA_V_RKT(m->topic),
                              RD_KAFKA_V_PARTITION(m->partition),
                              RD_KAFKA_V_KEY(m->key, m->key_len),
                              RD_KAFKA_V_VALUE((void *) m->text, m->len),
                              RD_KAFKA_V_HEADERS(m->headers),
                              RD_KAFKA_V_OPAQUE(opaque),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END);

        if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL || wh_stopping()) {
            break;
        }

        /* room comes with the delivery reports, which are served here */
        (void) rd_kafka_poll(rk, WH_MESSAGE_POLL);
    }

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        m->headers = NULL;
    }

    return e;
}
