/*
 * The Kafka producer of a worker: created lazily, replaced after a fatal
 * error, drained at exit.  Delivery reports reach the event loop by eventfd.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_


#include "ngx_http_warehouse_module.h"


typedef enum {
    NGX_HTTP_WAREHOUSE_PERSISTED = 0,
    NGX_HTTP_WAREHOUSE_NOT_PERSISTED,    /* certainly not written */
    NGX_HTTP_WAREHOUSE_DENIED,           /* not written, now or later */
    NGX_HTTP_WAREHOUSE_UNKNOWN,          /* may have been written */
    NGX_HTTP_WAREHOUSE_TOO_LARGE         /* the brokers' limit, not written */
} ngx_http_warehouse_outcome_e;


/*
 * A message on its way.  It outlives the request where the client goes away
 * or the guard timer fires: then request is NULL.
 */

struct ngx_http_warehouse_pending_s {
    ngx_http_request_t             *request;
    ngx_http_warehouse_producer_t  *producer;
};


/*
 * Creates the worker's producer if there is none, at most one a second.
 * NGX_OK; NGX_AGAIN: not possible now, wmcf->outage says why.  Never fails a
 * worker's start.
 */
ngx_int_t ngx_http_warehouse_producer_ready(
    ngx_http_warehouse_main_conf_t *wmcf);

/*
 * Hands a command to the producer; everything is copied.  An idempotency key
 * that is not empty travels as a header.  NGX_OK: *pending belongs to the
 * producer, and ngx_http_warehouse_commands_done() will be called with its
 * request, from the event loop.  NGX_BUSY: the local queue is full;
 * NGX_DECLINED: too large; NGX_AGAIN: no producer; NGX_ERROR.  Not written in
 * any of these.  A failure of Kafka's goes to wmcf->outage.
 */
ngx_int_t ngx_http_warehouse_produce(ngx_http_warehouse_main_conf_t *wmcf,
    ngx_uint_t topic, ngx_str_t *payload, ngx_str_t *key,
    ngx_str_t *idempotency_key, ngx_http_request_t *r,
    ngx_http_warehouse_pending_t **pending);

/* Notes that a request failed, of which librdkafka did not say so. */
void ngx_http_warehouse_producer_failed(ngx_http_warehouse_main_conf_t *wmcf,
    const char *why);

/*
 * Drains what there is for a moment and destroys it, at a worker's exit; takes
 * a second at most.
 */
void ngx_http_warehouse_producer_exit(ngx_http_warehouse_main_conf_t *wmcf);

/*
 * In ngx_http_warehouse_commands.c: the answer to a waiting request; offset is
 * -1 where it is not known.
 */
void ngx_http_warehouse_commands_done(ngx_http_request_t *r,
    ngx_http_warehouse_outcome_e outcome, int32_t partition, int64_t offset);


#endif /* _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_ */
