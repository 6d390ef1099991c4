#include "ngx_http_warehouse_message.h"
#include "wh_key.h"
#include "wh_trace.h"


/*
 * bytes of a record besides key, value and headers' values: its numbers, of at
 * most 10 bytes each (KIP-98), and the headers' names
 */
#define NGX_HTTP_WAREHOUSE_RECORD  (7 * 10                                    \
                                    + 3 * 2 * 10 + sizeof(WH_KEY_HEADER       \
                                               WH_TRACE_PARENT WH_TRACE_STATE))


static rd_kafka_resp_err_t ngx_http_warehouse_message_headers(
    rd_kafka_headers_t *headers, const ngx_http_warehouse_message_t *m);


size_t
ngx_http_warehouse_message_size(const ngx_http_warehouse_message_t *m)
{
    return m->value.len + m->key.len + m->idempotency_key.len
           + m->traceparent.len + m->tracestate.len
           + NGX_HTTP_WAREHOUSE_RECORD;
}


rd_kafka_resp_err_t
ngx_http_warehouse_message_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic,
    const ngx_http_warehouse_message_t *m, void *opaque)
{
    rd_kafka_headers_t   *headers;
    rd_kafka_resp_err_t   e;

    headers = NULL;
    e = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (m->idempotency_key.len != 0 || m->traceparent.len != 0) {
        headers = rd_kafka_headers_new(3);
        e = ngx_http_warehouse_message_headers(headers, m);
    }

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        e = rd_kafka_producev(rk, RD_KAFKA_V_RKT(topic),
                              RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE(m->value.data, m->value.len),
                              RD_KAFKA_V_KEY(m->key.data, m->key.len),
                              RD_KAFKA_V_HEADERS(headers),
                              RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    }

    /* the headers of a message that was taken belong to it */

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL) {
        rd_kafka_headers_destroy(headers);
    }

    return e;
}


static rd_kafka_resp_err_t
ngx_http_warehouse_message_headers(rd_kafka_headers_t *headers,
    const ngx_http_warehouse_message_t *m)
{
    ngx_uint_t           i;
    rd_kafka_resp_err_t  e;

    const struct {
        const char       *name;
        const ngx_str_t  *value;
    } list[] = {
        { WH_KEY_HEADER, &m->idempotency_key },
        { WH_TRACE_PARENT, &m->traceparent },
        { WH_TRACE_STATE, &m->tracestate }
    };

    e = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (i = 0; i < sizeof(list) / sizeof(list[0])
                && e == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
    {
        if (list[i].value->len != 0) {
            e = rd_kafka_header_add(headers, list[i].name, -1,
                                    list[i].value->data,
                                    (ssize_t) list[i].value->len);
        }
    }

    return e;
}
