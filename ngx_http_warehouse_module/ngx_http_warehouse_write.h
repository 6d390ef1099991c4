/*
 * Writing the commands of a request to Kafka: hands them to the producer and
 * waits for what becomes of all of them.
 */

#ifndef _NGX_HTTP_WAREHOUSE_WRITE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_WRITE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <time.h>

#include "ngx_http_warehouse_producer.h"


typedef struct ngx_http_warehouse_write_s  ngx_http_warehouse_write_t;


/* A command, and what became of it once all are reported. */

typedef struct {
    ngx_http_warehouse_waiter_t   waiter;
    ngx_http_warehouse_write_t   *write;
    ngx_str_t                     value;         /* the message's */
    ngx_http_warehouse_report_t   report;
} ngx_http_warehouse_written_t;


struct ngx_http_warehouse_write_s {
    ngx_http_request_t            *request;
    ngx_http_warehouse_written_t  *commands;
    ngx_uint_t                     n;
    ngx_uint_t                     pending;       /* not reported */
    ngx_event_t                    guard;
    struct timespec                begun;
    unsigned                       waiting:1;     /* is counted */

    /* from the event loop, once, with every report there */
    void                         (*handler)(ngx_http_warehouse_write_t *write);
};


/* Whether as many requests wait as may, or n messages find no room. */
ngx_uint_t ngx_http_warehouse_write_crowded(ngx_http_request_t *r,
    ngx_uint_t n);

/*
 * For n commands of a request, which goes on whatever its client does: nothing
 * is written yet.  NULL: out of memory.
 */
ngx_http_warehouse_write_t *ngx_http_warehouse_write_create(
    ngx_http_request_t *r, ngx_uint_t n,
    void (*handler)(ngx_http_warehouse_write_t *write));

/*
 * Hands over the i-th.  NGX_OK; NGX_ERROR: it was not written, as its report
 * says.
 */
ngx_int_t ngx_http_warehouse_write_send(ngx_http_warehouse_write_t *write,
    ngx_uint_t i, const ngx_http_warehouse_message_t *message);

/*
 * All were handed over.  NGX_DONE: the handler will be called, after
 * message.timeout.ms and a little at the latest; NGX_OK: there is nothing to
 * wait for, it will not.
 */
ngx_int_t ngx_http_warehouse_write_wait(ngx_http_warehouse_write_t *write);


#endif /* _NGX_HTTP_WAREHOUSE_WRITE_H_INCLUDED_ */
