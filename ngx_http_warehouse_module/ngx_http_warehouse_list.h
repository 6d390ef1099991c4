/*
 * Writing a list: items in a format, to a snapshot.
 */

#ifndef _NGX_HTTP_WAREHOUSE_LIST_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_LIST_H_INCLUDED_


#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_snapshot.h"


/*
 * NGX_OK; NGX_ERROR: ngx_http_warehouse_snapshot_error() says why.  item may be
 * called any number of times between begin and end, which also finishes the
 * snapshot: see ngx_http_warehouse_snapshot_finish().
 */
ngx_int_t ngx_http_warehouse_list_begin(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format);
ngx_int_t ngx_http_warehouse_list_item(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format,
    const ngx_http_warehouse_item_t *item);
ngx_int_t ngx_http_warehouse_list_end(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format, int64_t position);


#endif /* _NGX_HTTP_WAREHOUSE_LIST_H_INCLUDED_ */
