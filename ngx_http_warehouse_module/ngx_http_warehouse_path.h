/*
 * What an address says below a location's prefix: a sku, or a position.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PATH_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PATH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * What is in the address behind the location's prefix.  It is taken
 * from the request line, where slashes are as they were sent, and decoded; if
 * that does not begin with the prefix, as after a rewrite, from r->uri.
 *
 * NGX_OK: *text, from r->pool, any bytes; NGX_DONE: there is nothing behind the
 * prefix, or the location has none; NGX_DECLINED: the address is none below the
 * prefix, or cannot be decoded; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_path(ngx_http_request_t *r, ngx_str_t *text);


#endif /* _NGX_HTTP_WAREHOUSE_PATH_H_INCLUDED_ */
