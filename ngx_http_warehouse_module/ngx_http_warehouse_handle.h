/*
 * librdkafka's producer.
 */

#ifndef _NGX_HTTP_WAREHOUSE_HANDLE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_HANDLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>

#include "ngx_http_warehouse_kafka.h"


/* Written by librdkafka's threads. */

typedef struct {
    ngx_atomic_t  messages;    /* true: it has sent some */
} ngx_http_warehouse_sent_t;


/*
 * Creates a producer with its events; NULL: text says why.  *sent is to be freed
 * after it: see ngx_http_warehouse_reap().
 */
rd_kafka_t *ngx_http_warehouse_handle(ngx_http_warehouse_kafka_t *kafka,
    ngx_http_warehouse_sent_t **sent, char *text, size_t size);


#endif /* _NGX_HTTP_WAREHOUSE_HANDLE_H_INCLUDED_ */
