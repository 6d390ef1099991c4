/*
 * What the header fields of a command's request have to say: its media type
 * and its idempotency key.
 */

#ifndef _NGX_HTTP_WAREHOUSE_HEADERS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_HEADERS_H_INCLUDED_


#include "ngx_http_warehouse_module.h"


/*
 * Both return NGX_DECLINED where there is nothing to object to, and otherwise
 * what the handler returns: a problem document was sent, or a status.
 *
 * The first wants application/json, or no type, and no Content-Encoding.  The
 * second leaves the key of an Idempotency-Key field in the request's context
 * (draft-ietf-httpapi-idempotency-key-header).
 */
ngx_int_t ngx_http_warehouse_check_media(ngx_http_request_t *r);
ngx_int_t ngx_http_warehouse_read_key(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_HEADERS_H_INCLUDED_ */
