#include "ngx_http_warehouse_report.h"


#define NGX_HTTP_WAREHOUSE_SUFFIX   ".prom"
#define NGX_HTTP_WAREHOUSE_LARGEST  (16 * 1024 * 1024)    /* bytes */


static ngx_int_t ngx_http_warehouse_report_take(ngx_pool_t *pool, ngx_fd_t fd,
    ngx_http_warehouse_report_file_t *report);


ngx_int_t
ngx_http_warehouse_report_read(ngx_pool_t *pool, ngx_str_t *path,
    ngx_http_warehouse_report_file_t *report)
{
    u_char     *name;
    ngx_fd_t    fd;
    ngx_int_t   rc;

    name = ngx_pnalloc(pool, path->len + sizeof(NGX_HTTP_WAREHOUSE_SUFFIX));
    if (name == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(name, "%V" NGX_HTTP_WAREHOUSE_SUFFIX "%Z", path);

    fd = ngx_open_file(name, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        return NGX_DECLINED;
    }

    rc = ngx_http_warehouse_report_take(pool, fd, report);

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_http_warehouse_report_take(ngx_pool_t *pool, ngx_fd_t fd,
    ngx_http_warehouse_report_file_t *report)
{
    ssize_t          n;
    ngx_file_info_t  info;

    if (ngx_fd_info(fd, &info) == NGX_FILE_ERROR || !ngx_is_file(&info)
        || ngx_file_size(&info) > NGX_HTTP_WAREHOUSE_LARGEST)
    {
        return NGX_DECLINED;
    }

    report->text.data = ngx_pnalloc(pool, (size_t) ngx_file_size(&info) + 1);
    if (report->text.data == NULL) {
        return NGX_ERROR;
    }

    /* it is replaced, never written to: this is one state of it */

    n = ngx_read_fd(fd, report->text.data, (size_t) ngx_file_size(&info));

    if (n != ngx_file_size(&info)) {
        return NGX_DECLINED;
    }

    report->text.len = (size_t) n;
    report->age = ngx_max(0, ngx_time() - ngx_file_mtime(&info));

    return NGX_OK;
}
