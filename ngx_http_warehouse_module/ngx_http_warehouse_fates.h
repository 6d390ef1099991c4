/*
 * What a client is told of a command that was not acknowledged.
 */

#ifndef _NGX_HTTP_WAREHOUSE_FATES_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_FATES_H_INCLUDED_


#include "ngx_http_warehouse_fate.h"
#include "ngx_http_warehouse_problem.h"


/* Never NULL, but for NGX_HTTP_WAREHOUSE_PERSISTED. */
const ngx_http_warehouse_problem_t *ngx_http_warehouse_fate_problem(
    ngx_http_warehouse_fate_e fate);


#endif /* _NGX_HTTP_WAREHOUSE_FATES_H_INCLUDED_ */
