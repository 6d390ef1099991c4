/*
 * Reads of a state that stands for certain commands at least: those that the
 * field Warehouse-Min-Position names.
 */

#ifndef _NGX_HTTP_WAREHOUSE_AFTER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_AFTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Calls a handler of a GET, at once or when the commands are processed that the
 * request names; answers it by itself where the field is malformed, or they are
 * not in the time of warehouse_wait.  Returns what a content handler does.
 */
ngx_int_t ngx_http_warehouse_after(ngx_http_request_t *r,
    ngx_http_handler_pt handler);


#endif /* _NGX_HTTP_WAREHOUSE_AFTER_H_INCLUDED_ */
