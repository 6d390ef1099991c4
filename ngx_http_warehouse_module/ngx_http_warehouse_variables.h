/*
 * Variables, for the access log.
 */

#ifndef _NGX_HTTP_WAREHOUSE_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_VARIABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* Before the configuration is read.  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_http_warehouse_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_WAREHOUSE_VARIABLES_H_INCLUDED_ */
