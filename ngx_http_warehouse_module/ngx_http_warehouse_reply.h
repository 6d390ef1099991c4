/*
 * Small replies, sent in one piece.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* Adds a header to the reply; value must live as long as r.  NGX_OK, _ERROR. */
ngx_int_t ngx_http_warehouse_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/*
 * Sends a reply that conditions of the request do not change; body must live as
 * long as r.  Returns what a content handler returns or
 * ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);


#endif /* _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_ */
