/*
 * The lines of a batch: NDJSON, each a command.
 */

#ifndef _NGX_HTTP_WAREHOUSE_LINES_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_LINES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    ngx_str_t  value;          /* the line */
    ngx_str_t  sku;
} ngx_http_warehouse_line_t;


/*
 * All lines of body, ngx_http_warehouse_line_t.  NGX_DECLINED: they are commands,
 * as many as a batch may have, with conditions only where those are understood;
 * otherwise r is answered: what ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_lines(ngx_http_request_t *r, ngx_str_t *body,
    ngx_array_t *lines);

/* Answers r with a problem: that of a line, from 1, or any. */
ngx_int_t ngx_http_warehouse_lines_too_large(ngx_http_request_t *r,
    ngx_uint_t line);
ngx_int_t ngx_http_warehouse_lines_refuse(ngx_http_request_t *r,
    ngx_uint_t status, const char *detail);


#endif /* _NGX_HTTP_WAREHOUSE_LINES_H_INCLUDED_ */
