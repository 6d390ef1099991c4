/*
 * What workers need and may not be able to read: the master reads it.
 */

#ifndef NGX_HTTP_WAREHOUSE_SECRET_H
#define NGX_HTTP_WAREHOUSE_SECRET_H

#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Reads the file at path, which becomes absolute, into cf->temp_pool; behind
 * text is a NUL.  NGX_OK; NGX_ERROR: the log says why.
 */
ngx_int_t ngx_http_warehouse_secret_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);


#endif
