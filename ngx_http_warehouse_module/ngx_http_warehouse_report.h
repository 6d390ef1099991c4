/*
 * What the daemon says of itself: its metrics, in the file beside the database.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REPORT_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_WAREHOUSE_STALE  10     /* s: it is written every second */


typedef struct {
    ngx_str_t   text;         /* from the pool */
    time_t      age;          /* s */
} ngx_http_warehouse_report_file_t;


/*
 * Reads the file beside the database at path, without waiting.  NGX_OK;
 * NGX_DECLINED: there is none, or it cannot be read; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_report_read(ngx_pool_t *pool, ngx_str_t *path,
    ngx_http_warehouse_report_file_t *report);


#endif /* _NGX_HTTP_WAREHOUSE_REPORT_H_INCLUDED_ */
