#include "ngx_http_warehouse_secret.h"

#include "wh_credential.h"


static ngx_int_t ngx_http_warehouse_secret_file(ngx_conf_t *cf,
    ngx_str_t *path, ngx_str_t *text);


ngx_int_t
ngx_http_warehouse_secret_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text)
{
    const char  *wrong;

    if (ngx_http_warehouse_secret_file(cf, path, text) != NGX_OK) {
        return NGX_ERROR;
    }

    wrong = wh_credential_value((char *) text->data, text->len);

    if (wrong != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", path, wrong);
        return NGX_ERROR;
    }

    text->len = ngx_strlen(text->data);

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_secret_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text)
{
    ssize_t           n;
    ngx_file_t        file;
    ngx_file_info_t   fi;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *path;
    file.log = cf->log;

    file.fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", path);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", path);

    } else {
        text->len = (size_t) ngx_file_size(&fi);
        text->data = ngx_pnalloc(cf->pool, text->len + 1);

        if (text->data != NULL) {
            n = ngx_read_file(&file, text->data, text->len, 0);
        }

        if (n == (ssize_t) text->len) {
            text->data[text->len] = '\0';

        } else if (n != NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" changed while it "
                               "was read", path);
            n = NGX_ERROR;
        }
    }

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    return (n == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}
