/*
 * What the content handlers begin with.
 */

#ifndef _NGX_HTTP_WAREHOUSE_ENTRY_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_ENTRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_zone.h"


/*
 * Sees to it that the request is counted at its end, by its final status, once:
 * for the first location that it came to.  NGX_OK; otherwise what the handler
 * returns: out of memory, or a subrequest, which none of them serves.
 */
ngx_int_t ngx_http_warehouse_enter(ngx_http_request_t *r,
    ngx_http_warehouse_serve_e serve);


#endif /* _NGX_HTTP_WAREHOUSE_ENTRY_H_INCLUDED_ */
