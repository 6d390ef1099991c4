/*
 * Why there is no list, in words for clients, who are not to learn of paths and
 * schemas.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_outage.h"
#include "ngx_http_warehouse_reader.h"


typedef struct {
    const char  *detail;        /* a sentence, static */
    ngx_uint_t   retry;         /* it will pass */
} ngx_http_warehouse_refusal_t;


/*
 * For a request that gets nothing because of what reader->rc says; the outage,
 * for operators, learns of reader->err.  crowded: there are too many lists.
 */
void ngx_http_warehouse_refuse(ngx_http_warehouse_refusal_t *refusal,
    ngx_http_warehouse_outage_t *outage,
    const ngx_http_warehouse_reader_t *reader, ngx_uint_t crowded);


/* Answers r with it: 503.  Returns what ngx_http_warehouse_problem() does. */
ngx_int_t ngx_http_warehouse_refused(ngx_http_request_t *r,
    const ngx_http_warehouse_refusal_t *refusal);


#endif /* _NGX_HTTP_WAREHOUSE_REFUSAL_H_INCLUDED_ */
