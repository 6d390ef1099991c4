/*
 * Why there is no list, in words for clients, who are not to learn of paths and
 * schemas.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    const char  *detail;        /* a sentence, static */
    ngx_uint_t   retry;         /* it will pass */
} ngx_http_warehouse_refusal_t;


/* rc is a wh_rc_t; crowded: there are too many lists already. */
void ngx_http_warehouse_refusal(ngx_http_warehouse_refusal_t *refusal, int rc,
    ngx_uint_t crowded);


#endif /* _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_ */
