/*
 * What a query asks for: the items of some skus, or a page of the list.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PAGE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PAGE_H_INCLUDED_


#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_reader.h"
#include "ngx_http_warehouse_snapshot.h"
#include "wh_args.h"


/*
 * Writes them to a snapshot, in the reader's transaction, see points.h.  *next
 * is the last sku of a page that has another one behind it, from pool, or
 * empty.  NGX_OK, NGX_ERROR: reader->rc says why.
 */
ngx_int_t ngx_http_warehouse_page(ngx_http_warehouse_reader_t *reader,
    wh_args_t *args, const ngx_http_warehouse_format_t *format,
    ngx_http_warehouse_snapshot_t *snapshot, ngx_pool_t *pool,
    ngx_str_t *next);


#endif /* _NGX_HTTP_WAREHOUSE_PAGE_H_INCLUDED_ */
