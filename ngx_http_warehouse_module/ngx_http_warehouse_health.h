/*
 * The content handler of warehouse_health: whether requests may come here, for
 * load balancers and people.
 */

#ifndef _NGX_HTTP_WAREHOUSE_HEALTH_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_HEALTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* What is asked for. */

typedef enum {
    NGX_HTTP_WAREHOUSE_LIVE = 0,      /* the worker answers */
    NGX_HTTP_WAREHOUSE_READS,         /* the stock can be read */
    NGX_HTTP_WAREHOUSE_WRITES         /* commands are taken */
} ngx_http_warehouse_health_e;


/* A part that is well or not, as this worker has seen it. */

typedef struct {
    time_t      since;                /* 0: never looked at */
    unsigned    good:1;
} ngx_http_warehouse_part_t;


typedef struct {
    ngx_http_warehouse_health_e  kind;
    ngx_int_t                    max_lag;    /* commands; -1: any */
    ngx_http_warehouse_part_t    database;
    ngx_http_warehouse_part_t    kafka;
    ngx_http_warehouse_part_t    daemon;
    ngx_http_warehouse_part_t    lag;
} ngx_http_warehouse_health_t;


ngx_int_t ngx_http_warehouse_health_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_HEALTH_H_INCLUDED_ */
