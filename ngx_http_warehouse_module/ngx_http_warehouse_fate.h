/*
 * What became of a message, by librdkafka's errors.
 */

#ifndef _NGX_HTTP_WAREHOUSE_FATE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_FATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>

#include "ngx_http_warehouse_zone.h"


typedef enum {
    NGX_HTTP_WAREHOUSE_PERSISTED = 0,
    NGX_HTTP_WAREHOUSE_NOT_PERSISTED,    /* certainly not written */
    NGX_HTTP_WAREHOUSE_BUSY,             /* the same: the queue is full */
    NGX_HTTP_WAREHOUSE_DENIED,           /* not written, now or later */
    NGX_HTTP_WAREHOUSE_TOO_LARGE,        /* for the brokers, not written */
    NGX_HTTP_WAREHOUSE_TOO_LARGE_HERE,   /* for message.max.bytes */
    NGX_HTTP_WAREHOUSE_UNKNOWN           /* may have been written */
} ngx_http_warehouse_fate_e;


/*
 * By its delivery report; denied: its producer is of no more use, since it may
 * not write.
 */
ngx_http_warehouse_fate_e ngx_http_warehouse_fate(
    const rd_kafka_message_t *message, ngx_uint_t denied);

/* The same where librdkafka did not take the message. */
ngx_http_warehouse_fate_e ngx_http_warehouse_fate_refused(
    rd_kafka_resp_err_t e, ngx_uint_t denied);

/* The same as it is counted: whoever waits for it, or nobody. */
ngx_http_warehouse_result_e ngx_http_warehouse_result(
    const rd_kafka_message_t *message);

/* Whether waiting will not help: somebody has to change the ACLs. */
ngx_uint_t ngx_http_warehouse_denied(rd_kafka_resp_err_t e);


/*
 * The message's offset; -1: it is not known.  *invented, which the caller clears
 * for each event, is set where librdkafka made one up.
 */
int64_t ngx_http_warehouse_offset(const rd_kafka_message_t *message,
    ngx_uint_t *invented);


#endif /* _NGX_HTTP_WAREHOUSE_FATE_H_INCLUDED_ */
