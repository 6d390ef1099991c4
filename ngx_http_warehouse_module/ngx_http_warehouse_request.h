/*
 * What a request says, besides its body: the fields of its header, and what is
 * noted of it while it is served.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REQUEST_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REQUEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_entry.h"
#include "ngx_http_warehouse_problem.h"


typedef struct {
    ngx_str_t  idempotency_key;    /* or empty */
    ngx_msec_t  wait;              /* for its outcome; 0: not at all */
    void       *stream;            /* see stream.h, or NULL */
    unsigned    following:1;       /* it is counted among those who wait */
    unsigned    batch:1;           /* of commands: the body's type says so */
} ngx_http_warehouse_ctx_t;


/*
 * Begins a handler of GET and HEAD alone, which needs no body: see
 * ngx_http_warehouse_enter().  True: it may go on; otherwise it returns *rc.
 */
ngx_uint_t ngx_http_warehouse_enter_get(ngx_http_request_t *r,
    ngx_http_warehouse_serve_e serve, ngx_int_t *rc);

/* The request's context, created on the first call.  NULL: out of memory. */
ngx_http_warehouse_ctx_t *ngx_http_warehouse_get_ctx(ngx_http_request_t *r);

/* The topic that the location writes to; it ends with a NUL. */
ngx_str_t *ngx_http_warehouse_commands_topic(ngx_http_request_t *r);

/*
 * Checks of the header: NGX_OK; NGX_ERROR: *problem says what is wrong.
 *
 * The first wants application/json, or no type, or application/x-ndjson, which
 * ngx_http_warehouse_is_batch() tells then, and no Content-Encoding.  The
 * second leaves the key of an Idempotency-Key field in the request's context
 * (draft-ietf-httpapi-idempotency-key-header).
 */
ngx_int_t ngx_http_warehouse_check_media(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
ngx_int_t ngx_http_warehouse_read_key(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
ngx_uint_t ngx_http_warehouse_is_batch(ngx_http_request_t *r);

/* How many seconds Prefer wants to wait; -1: it does not say. */
int32_t ngx_http_warehouse_read_wait(ngx_http_request_t *r);

/*
 * The positions (wh_position_t, from r->pool) in Warehouse-Min-Position.
 * NGX_OK; NGX_DONE: there are none; NGX_DECLINED: it is malformed; NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_read_positions(ngx_http_request_t *r,
    ngx_array_t *positions);

/*
 * The offset in Last-Event-ID, where there is one; *offset is left alone
 * otherwise.  NGX_OK; NGX_ERROR: it is none.
 */
ngx_int_t ngx_http_warehouse_read_event_id(ngx_http_request_t *r,
    int64_t *offset);

/* The context of a trace; what is missing or malformed is empty, see wh_trace.h. */
void ngx_http_warehouse_read_trace(ngx_http_request_t *r,
    ngx_str_t *traceparent, ngx_str_t *tracestate);


/*
 * The format, see ngx_http_warehouse_formats, that the Accept fields prefer; -1:
 * none that there is.
 */
ngx_int_t ngx_http_warehouse_format_wanted(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_REQUEST_H_INCLUDED_ */
