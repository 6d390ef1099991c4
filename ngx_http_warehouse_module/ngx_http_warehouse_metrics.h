/*
 * The content handler of warehouse_metrics: Prometheus' text of the workers,
 * and of the daemon.
 */

#ifndef _NGX_HTTP_WAREHOUSE_METRICS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_http_warehouse_metrics_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_METRICS_H_INCLUDED_ */
