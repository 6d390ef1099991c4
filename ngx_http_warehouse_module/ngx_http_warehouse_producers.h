/*
 * A worker's producers: one in service, created lazily and replaced after a
 * fatal error or when it gets no answers; drained at exit.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PRODUCERS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PRODUCERS_H_INCLUDED_


#include "ngx_http_warehouse_producer.h"


/* There is none yet. */
void ngx_http_warehouse_producers_init(
    ngx_http_warehouse_producers_t *producers,
    ngx_http_warehouse_kafka_t *kafka);

/*
 * Creates the worker's producer if there is none, at most one a second.
 * NGX_OK; NGX_AGAIN: not possible now, producers->outage says why.  Never fails
 * a worker's start.
 */
ngx_int_t ngx_http_warehouse_producers_ready(
    ngx_http_warehouse_producers_t *producers);

/*
 * Hands a message to the producer; everything is copied.  NGX_OK: waiter will
 * be told what became of it, unless ngx_http_warehouse_forget() is called
 * first; NGX_ERROR: it was not written, *fate says why.  A failure of Kafka's
 * goes to producers->outage.
 */
ngx_int_t ngx_http_warehouse_produce(
    ngx_http_warehouse_producers_t *producers,
    const ngx_http_warehouse_message_t *message,
    ngx_http_warehouse_waiter_t *waiter, ngx_http_warehouse_fate_e *fate);

/*
 * Drains what there is for a moment and destroys it, at a worker's exit; takes
 * a second at most.  Nobody is told any more.
 */
void ngx_http_warehouse_producers_exit(
    ngx_http_warehouse_producers_t *producers);


#endif /* _NGX_HTTP_WAREHOUSE_PRODUCERS_H_INCLUDED_ */
