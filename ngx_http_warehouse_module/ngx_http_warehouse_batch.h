/*
 * Several commands in a POST: application/x-ndjson, a command a line.
 */

#ifndef _NGX_HTTP_WAREHOUSE_BATCH_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_BATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Writes the commands in body, which lives as long as r, unless one of them is
 * none.  NGX_DONE: r will be finalized; otherwise what
 * ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_batch(ngx_http_request_t *r, ngx_str_t *body);


#endif /* _NGX_HTTP_WAREHOUSE_BATCH_H_INCLUDED_ */
