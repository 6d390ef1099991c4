#include "ngx_http_warehouse_fate.h"


ngx_http_warehouse_fate_e
ngx_http_warehouse_fate(const rd_kafka_message_t *message, ngx_uint_t denied)
{
    switch (rd_kafka_message_status(message)) {

    case RD_KAFKA_MSG_STATUS_PERSISTED:
        return (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
               ? NGX_HTTP_WAREHOUSE_PERSISTED : NGX_HTTP_WAREHOUSE_UNKNOWN;

    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:

        if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            return NGX_HTTP_WAREHOUSE_TOO_LARGE;
        }

        return (denied || ngx_http_warehouse_denied(message->err))
               ? NGX_HTTP_WAREHOUSE_DENIED : NGX_HTTP_WAREHOUSE_NOT_PERSISTED;

    default:
        return NGX_HTTP_WAREHOUSE_UNKNOWN;
    }
}


ngx_http_warehouse_fate_e
ngx_http_warehouse_fate_refused(rd_kafka_resp_err_t e, ngx_uint_t denied)
{
    switch (e) {

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return NGX_HTTP_WAREHOUSE_TOO_LARGE_HERE;

    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return NGX_HTTP_WAREHOUSE_BUSY;

    default:
        return denied ? NGX_HTTP_WAREHOUSE_DENIED
                      : NGX_HTTP_WAREHOUSE_NOT_PERSISTED;
    }
}


ngx_http_warehouse_result_e
ngx_http_warehouse_result(const rd_kafka_message_t *message)
{
    switch (ngx_http_warehouse_fate(message, 0)) {

    case NGX_HTTP_WAREHOUSE_PERSISTED:
        return NGX_HTTP_WAREHOUSE_WRITTEN;

    case NGX_HTTP_WAREHOUSE_UNKNOWN:
        return NGX_HTTP_WAREHOUSE_MAYBE_WRITTEN;

    default:
        return NGX_HTTP_WAREHOUSE_NOT_WRITTEN;
    }
}


ngx_uint_t
ngx_http_warehouse_denied(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
           || e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
           || e == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}


/*
 * Brokers that know a batch only as one they have
 * already (DUPLICATE_SEQUENCE_NUMBER) do not say where it is, and librdkafka
 * counts on from -1001: in a large batch up to numbers that look like offsets.
 */

int64_t
ngx_http_warehouse_offset(const rd_kafka_message_t *message,
    ngx_uint_t *invented)
{
    if (message->offset < 0) {
        *invented = 1;
    }

    return *invented ? -1 : message->offset;
}
