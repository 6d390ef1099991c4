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
    ngx_str_t  position;           /* of the command, or empty */
} ngx_http_warehouse_ctx_t;


/*
 * Begins a handler of GET and HEAD alone, which needs no body: see
 * ngx_http_warehouse_enter().  True: it may go on; otherwise it returns *rc.
 */
ngx_uint_t ngx_http_warehouse_enter_get(ngx_http_request_t *r,
    ngx_http_warehouse_serve_e serve, ngx_int_t *rc);

/* The request's context, created on the first call.  NULL: out of memory. */
ngx_http_warehouse_ctx_t *ngx_http_warehouse_get_ctx(ngx_http_request_t *r);

/*
 * Checks of the header: NGX_OK; NGX_ERROR: *problem says what is wrong.
 *
 * The first wants application/json, or no type, and no Content-Encoding.  The
 * second leaves the key of an Idempotency-Key field in the request's context
 * (draft-ietf-httpapi-idempotency-key-header).
 */
ngx_int_t ngx_http_warehouse_check_media(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
ngx_int_t ngx_http_warehouse_read_key(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);


/*
 * The format, see ngx_http_warehouse_formats, that the Accept fields prefer; -1:
 * none that there is.
 */
ngx_int_t ngx_http_warehouse_format_wanted(ngx_http_request_t *r);


/*
 * The sku in the address: what is behind the location's prefix.  It is taken
 * from the request line, where slashes are as they were sent, and decoded; if
 * that does not begin with the prefix, as after a rewrite, from r->uri.
 *
 * NGX_OK: *sku, from r->pool, any bytes; NGX_DONE: there is nothing behind the
 * prefix, or the location has none; NGX_DECLINED: the address is none below the
 * prefix, or cannot be decoded; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_path_sku(ngx_http_request_t *r, ngx_str_t *sku);


#endif /* _NGX_HTTP_WAREHOUSE_REQUEST_H_INCLUDED_ */
