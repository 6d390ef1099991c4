/*
 * A request's body, once nginx has read it.
 */

#ifndef _NGX_HTTP_WAREHOUSE_BODY_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The body in one piece, wherever nginx has put it; it lives as long as r.
 * NGX_OK; NGX_ERROR: out of memory, or its file cannot be read.
 */
ngx_int_t ngx_http_warehouse_body(ngx_http_request_t *r, ngx_str_t *body);


#endif /* _NGX_HTTP_WAREHOUSE_BODY_H_INCLUDED_ */
