#include "kafka/produce.h"
#include "base/signal.h"


#define WH_PRODUCE_POLL  100     /* ms */


static rd_kafka_resp_err_t wh_produce_headers(rd_kafka_headers_t *headers,
    const wh_message_t *m);


rd_kafka_resp_err_t
wh_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition,
    const wh_message_t *m, void *opaque)
{
    rd_kafka_headers_t   *headers;
    rd_kafka_resp_err_t   e;

    headers = NULL;
    e = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (m->idempotency_key != NULL || m->traceparent != NULL) {
        headers = rd_kafka_headers_new(4);
        e = wh_produce_headers(headers, m);
    }

    while (e == RD_KAFKA_RESP_ERR_NO_ERROR) {

        e = rd_kafka_producev(rk,
                              RD_KAFKA_V_RKT(topic),
                              RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_KEY(m->key, m->key_len),
                              RD_KAFKA_V_VALUE((void *) m->text, m->len),
                              RD_KAFKA_V_HEADERS(headers),
                              RD_KAFKA_V_OPAQUE(opaque),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END);

        if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
            /* the headers are the message's now */
            return e;
        }

        if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL && !wh_stopping()) {
            /* room comes with the delivery reports, which are served here */
            (void) rd_kafka_poll(rk, WH_PRODUCE_POLL);
            e = RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }

    if (headers != NULL) {
        rd_kafka_headers_destroy(headers);
    }

    return e;
}


static rd_kafka_resp_err_t
wh_produce_headers(rd_kafka_headers_t *headers, const wh_message_t *m)
{
    size_t               i;
    rd_kafka_resp_err_t  e;

    const struct {
        const char  *name;
        const char  *value;
    } list[] = {
        { WH_KEY_HEADER, m->idempotency_key },
        { WH_NOTIFICATION_TIME, (m->time[0] != '\0') ? m->time : NULL },
        { WH_TRACE_PARENT, m->traceparent },
        { WH_TRACE_STATE, m->tracestate },
    };

    e = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (i = 0; i < sizeof(list) / sizeof(list[0])
                && e == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
    {
        if (list[i].value != NULL) {
            e = rd_kafka_header_add(headers, list[i].name, -1, list[i].value,
                                    -1);
        }
    }

    return e;
}
