/*
 * A message to Kafka, and handing it to librdkafka.
 */

#ifndef _NGX_HTTP_WAREHOUSE_MESSAGE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_MESSAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>


/* What is to be produced; what is empty behind the key is left out. */

typedef struct {
    ngx_uint_t                 topic;        /* index among kafka's */
    ngx_str_t                  value;
    ngx_str_t                  key;
    ngx_str_t                  idempotency_key;
    ngx_str_t                  traceparent;  /* or empty, and then ... */
    ngx_str_t                  tracestate;   /* ... this, too */
} ngx_http_warehouse_message_t;


/* What a message takes on its way to the brokers, bytes, at most. */
size_t ngx_http_warehouse_message_size(
    const ngx_http_warehouse_message_t *message);

/*
 * Produces a message, which is copied; what is behind its key becomes headers.
 * Its delivery report will have opaque.  Returns librdkafka's error.
 */
rd_kafka_resp_err_t ngx_http_warehouse_message_produce(rd_kafka_t *rk,
    rd_kafka_topic_t *topic, const ngx_http_warehouse_message_t *message,
    void *opaque);


#endif /* _NGX_HTTP_WAREHOUSE_MESSAGE_H_INCLUDED_ */
