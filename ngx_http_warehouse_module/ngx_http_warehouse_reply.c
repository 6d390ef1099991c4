#include "ngx_http_warehouse_reply.h"


ngx_int_t
ngx_http_warehouse_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_http_complex_value_t  cv;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = *body;

    r->headers_out.content_type_lowcase = NULL;

    /* If-None-Match and its kind would turn what was written into a 412 */
    r->disable_not_modified = 1;

    return ngx_http_send_response(r, status, type, &cv);
}
