/*
 * Messages that have been handed to a producer, until their delivery reports.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PENDING_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PENDING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_fate.h"


typedef struct ngx_http_warehouse_pending_s  ngx_http_warehouse_pending_t;


/* What became of a message. */

typedef struct {
    ngx_http_warehouse_fate_e  fate;
    int32_t                    partition;    /* where it was persisted, ... */
    int64_t                    offset;       /* ... -1: not known */
} ngx_http_warehouse_report_t;


/* Who waits for a report is told from the event loop, once. */

typedef void (*ngx_http_warehouse_report_pt)(void *data,
    const ngx_http_warehouse_report_t *report);

typedef struct {
    ngx_http_warehouse_report_pt   handler;
    void                          *data;
    ngx_http_warehouse_pending_t  *pending;    /* NULL: waits for nothing */
} ngx_http_warehouse_waiter_t;


/* Those of a producer. */

typedef struct {
    ngx_queue_t  queue;      /* the oldest one first */
    ngx_uint_t   n;
} ngx_http_warehouse_pendings_t;


void ngx_http_warehouse_pendings_init(ngx_http_warehouse_pendings_t *pendings);


/*
 * One more, which outlives a waiter that does not wait any more; NULL: there is
 * no memory.  It is freed when it is over: with its report, which goes to the
 * waiter returned (NULL: nobody waits), or because it was not taken.
 */
ngx_http_warehouse_pending_t *ngx_http_warehouse_pending_begin(
    ngx_http_warehouse_pendings_t *pendings,
    ngx_http_warehouse_waiter_t *waiter);
ngx_http_warehouse_waiter_t *ngx_http_warehouse_pending_end(
    ngx_http_warehouse_pendings_t *pendings,
    ngx_http_warehouse_pending_t *pending);

/* How long the oldest one has been waiting, ms; 0: there is none. */
ngx_msec_t ngx_http_warehouse_pendings_age(
    const ngx_http_warehouse_pendings_t *pendings);

/* Parts a waiter from its message: the report will find nobody. */
void ngx_http_warehouse_forget(ngx_http_warehouse_waiter_t *waiter);


#endif /* _NGX_HTTP_WAREHOUSE_PENDING_H_INCLUDED_ */
