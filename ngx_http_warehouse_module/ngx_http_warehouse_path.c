#include "ngx_http_warehouse_path.h"
#include "ngx_http_warehouse_conf.h"
#include "wh_error.h"
#include "wh_sku.h"


static ngx_int_t ngx_http_warehouse_path_rest(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *rest);


ngx_int_t
ngx_http_warehouse_path(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_int_t                       rc;
    ngx_str_t                       rest;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (!wlcf->prefix) {
        return NGX_DONE;
    }

    rc = ngx_http_warehouse_path_rest(r, &clcf->name, &rest);

    if (rc == NGX_DECLINED) {
        return rc;
    }

    if (rest.len == 0) {
        return NGX_DONE;
    }

    if (clcf->name.data[clcf->name.len - 1] != '/') {

        if (rest.data[0] != '/') {
            return NGX_DECLINED;
        }

        rest.data++;
        rest.len--;
    }

    if (rc == NGX_DONE) {
        *text = rest;
        return NGX_OK;
    }

    text->data = ngx_pnalloc(r->pool, rest.len + 1);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    return (wh_percent_decode((char *) text->data, &text->len,
                              (char *) rest.data, rest.len)
            == WH_OK)
           ? NGX_OK : NGX_DECLINED;
}


/*
 * Looks for a location's name at the beginning of the path, as nginx has found
 * it: decoded, several slashes as one.  NGX_OK: rest is what follows in the
 * request line, still encoded; NGX_DONE: what follows in r->uri; NGX_DECLINED:
 * neither begins with it.
 */

static ngx_int_t
ngx_http_warehouse_path_rest(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *rest)
{
    char     ch;
    u_char  *p, *last;
    size_t   i, n, len;

    p = r->unparsed_uri.data;
    last = p + r->unparsed_uri.len;

    for (i = 0; i < r->unparsed_uri.len; i++) {
        if (p[i] == '?' || p[i] == '#') {
            last = p + i;
            break;
        }
    }

    for (i = 0; i < name->len && p < last; i++) {

        len = (*p == '%') ? ngx_min(3, last - p) : 1;

        if (wh_percent_decode(&ch, &n, (char *) p, len) != WH_OK
            || (u_char) ch != name->data[i])
        {
            break;
        }

        p += len;

        while (ch == '/' && i + 1 < name->len && p < last && *p == '/') {
            p++;
        }
    }

    if (i == name->len) {
        rest->data = p;
        rest->len = last - p;
        return NGX_OK;
    }

    /* "rewrite ... break" stays in the location */

    if (r->uri.len < name->len
        || ngx_memcmp(r->uri.data, name->data, name->len) != 0)
    {
        return NGX_DECLINED;
    }

    rest->data = r->uri.data + name->len;
    rest->len = r->uri.len - name->len;

    return NGX_DONE;
}
