/*
 * GET of one item, by its sku in the address.
 */

#ifndef _NGX_HTTP_WAREHOUSE_ITEM_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_ITEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_db.h"


/* Answers r, as a content handler does; sku may be any bytes. */
ngx_int_t ngx_http_warehouse_item(ngx_http_request_t *r,
    ngx_http_warehouse_db_t *db, ngx_str_t *sku);


#endif /* _NGX_HTTP_WAREHOUSE_ITEM_H_INCLUDED_ */
