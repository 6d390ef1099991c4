/*
 * GET: the list of all items.
 */

#ifndef _NGX_HTTP_WAREHOUSE_ITEMS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_ITEMS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* The content handler of warehouse_items. */
ngx_int_t ngx_http_warehouse_items_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_ITEMS_H_INCLUDED_ */
