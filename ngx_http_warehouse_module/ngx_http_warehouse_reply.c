#include "ngx_http_warehouse_reply.h"


#define NGX_HTTP_WAREHOUSE_HEX64  16     /* digits */


static ngx_table_elt_t *ngx_http_warehouse_push_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);


ngx_int_t
ngx_http_warehouse_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    return (ngx_http_warehouse_push_header(r, name, value) != NULL)
           ? NGX_OK : NGX_ERROR;
}


static ngx_table_elt_t *
ngx_http_warehouse_push_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


ngx_int_t
ngx_http_warehouse_describe(ngx_http_request_t *r, const XXH128_hash_t *digest,
    int64_t position)
{
    u_char                    *p;
    ngx_str_t                  etag, next;
    ngx_http_core_loc_conf_t  *clcf;

    p = ngx_pnalloc(r->pool, sizeof("\"\"") + 2 * NGX_HTTP_WAREHOUSE_HEX64
                             + sizeof("0:") + NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    etag.data = p;
    p = ngx_sprintf(p, "\"%016xL%016xL\"", digest->high64, digest->low64);
    etag.len = p - etag.data;

    next.data = p;
    p = ngx_sprintf(p, "0:%L", position);
    next.len = p - next.data;

    if (position >= 0
        && ngx_http_warehouse_add_header(r, "Warehouse-Notifications-Position",
                                         &next)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->etag) {
        r->headers_out.etag = ngx_http_warehouse_push_header(r, "ETag", &etag);

        if (r->headers_out.etag == NULL) {
            return NGX_ERROR;
        }
    }

    /* the stock has no time of modification to compare with: §13.1.3, §13.1.4 */

    r->headers_in.if_modified_since = NULL;
    r->headers_in.if_unmodified_since = NULL;

    r->allow_ranges = 1;
    r->single_range = 1;

    return NGX_OK;
}


void
ngx_http_warehouse_undescribe(ngx_http_request_t *r)
{
    ngx_uint_t        i, k;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static const ngx_str_t  names[] = {
        ngx_string("ETag"),
        ngx_string("Warehouse-Notifications-Position"),
        ngx_string("Vary"),
        ngx_string("Link")
    };

    r->headers_out.etag = NULL;
    ngx_str_null(&r->headers_out.charset);
    r->allow_ranges = 0;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
                if (h[i].key.len == names[k].len
                    && ngx_strncmp(h[i].key.data, names[k].data, names[k].len)
                       == 0)
                {
                    h[i].hash = 0;
                }
            }
        }
    }
}


ngx_int_t
ngx_http_warehouse_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_int_t                 rc;
    ngx_http_complex_value_t  cv;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = *body;

    r->headers_out.content_type_lowcase = NULL;

    /* If-None-Match and its kind would turn what was written into a 412 */
    r->disable_not_modified = !r->allow_ranges;

    rc = ngx_http_send_response(r, status, type, &cv);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ngx_http_warehouse_undescribe(r);
    }

    return rc;
}
