/*
 * What workers need and may not be able to read: the master reads it.
 */

#ifndef _NGX_HTTP_WAREHOUSE_SECRET_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_SECRET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Reads the file at path, which becomes absolute, into cf->pool, without a
 * newline at its end; behind text is a NUL.  NGX_OK; NGX_ERROR: it cannot be
 * read, is empty or has a NUL byte, and the log says so.
 */
ngx_int_t ngx_http_warehouse_secret_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);


#endif /* _NGX_HTTP_WAREHOUSE_SECRET_H_INCLUDED_ */
