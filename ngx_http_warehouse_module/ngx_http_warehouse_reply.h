/*
 * What replies have in common: headers, and small bodies, sent in one piece.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <xxhash.h>


/* of the command, or the last ones of a batch: what the log has of it, too */
#define NGX_HTTP_WAREHOUSE_POSITION  "Warehouse-Position"


/* Adds a header to the reply; value must live as long as r.  NGX_OK, _ERROR. */
ngx_int_t ngx_http_warehouse_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/*
 * Says of the reply to come that it is the present state of what was asked for:
 * a strong ETag, made of the body's digest, unless "etag" is off; which
 * notifications it stands for (-1: unknown); that a part of it may be had.
 * nginx's filters then heed the request's conditions (RFC 9110 §13) and Range.
 * NGX_OK, NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_describe(ngx_http_request_t *r,
    const XXH128_hash_t *digest, int64_t position);

/*
 * The reply is another one, after all: of a Range that cannot be had.  What was
 * said of the first would stay over the way to an error_page.
 */
void ngx_http_warehouse_undescribe(ngx_http_request_t *r);

/*
 * Sends a reply, which conditions of the request do not change unless it was
 * described; body must live as long as r.  Returns what a content handler returns or
 * ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);


#endif /* _NGX_HTTP_WAREHOUSE_REPLY_H_INCLUDED_ */
