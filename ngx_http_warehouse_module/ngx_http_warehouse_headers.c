#include "ngx_http_warehouse_headers.h"
#include "ngx_http_warehouse_problem.h"
#include "wh_key.h"


static ngx_uint_t ngx_http_warehouse_from_browser(ngx_http_request_t *r);
static ngx_uint_t ngx_http_warehouse_find_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);


ngx_int_t
ngx_http_warehouse_check_media(ngx_http_request_t *r)
{
    size_t      len;
    ngx_str_t  *type, value;

    static ngx_str_t  encoding = ngx_string("Content-Encoding");

    if (ngx_http_warehouse_find_header(r, &encoding, &value) != 0) {
        return ngx_http_warehouse_problem(r, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                          "Content-Encoding is not supported",
                                          NULL);
    }

    if (r->headers_in.content_type == NULL) {

        if (!ngx_http_warehouse_from_browser(r)) {
            return NGX_DECLINED;
        }

        return ngx_http_warehouse_problem(r, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                          "a browser has to say that the "
                                          "Content-Type is application/json",
                                          NULL);
    }

    /* parameters say nothing that JSON would need (RFC 8259 §11) */

    type = &r->headers_in.content_type->value;

    for (len = 0; len < type->len && type->data[len] != ';'; len++) {
        /* void */
    }

    while (len && (type->data[len - 1] == ' ' || type->data[len - 1] == '\t')) {
        len--;
    }

    if (len == sizeof("application/json") - 1
        && ngx_strncasecmp(type->data, (u_char *) "application/json", len) == 0)
    {
        return NGX_DECLINED;
    }

    return ngx_http_warehouse_problem(r, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                      "the Content-Type is not "
                                      "application/json", NULL);
}


/*
 * A page of any site can have a browser send a POST without a type; one of
 * application/json it sends only after this server has allowed it (the Fetch
 * Standard, "CORS-safelisted request-header").  Browsers send one or both of
 * these fields with every POST.
 */

static ngx_uint_t
ngx_http_warehouse_from_browser(ngx_http_request_t *r)
{
    ngx_str_t  value;

    static ngx_str_t  origin = ngx_string("Origin");
    static ngx_str_t  site = ngx_string("Sec-Fetch-Site");

    return ngx_http_warehouse_find_header(r, &origin, &value) != 0
           || ngx_http_warehouse_find_header(r, &site, &value) != 0;
}


ngx_int_t
ngx_http_warehouse_read_key(ngx_http_request_t *r)
{
    wh_key_t                   key;
    ngx_str_t                  value;
    ngx_uint_t                 n;
    wh_error_t                 err;
    ngx_http_warehouse_ctx_t  *ctx;

    static ngx_str_t  name = ngx_string("Idempotency-Key");

    n = ngx_http_warehouse_find_header(r, &name, &value);

    if (n == 0) {
        return NGX_DECLINED;
    }

    if (n > 1) {
        return ngx_http_warehouse_problem(r, NGX_HTTP_BAD_REQUEST,
                                          "there is more than one "
                                          "Idempotency-Key", NULL);
    }

    if (wh_key_parse(&key, (char *) value.data, value.len, &err) != WH_OK) {
        return ngx_http_warehouse_problem(r, NGX_HTTP_BAD_REQUEST, err.text,
                                          NULL);
    }

    ctx = ngx_http_warehouse_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->idempotency_key.data = ngx_pnalloc(r->pool, key.len);
    if (ctx->idempotency_key.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(ctx->idempotency_key.data, key.text, key.len);
    ctx->idempotency_key.len = key.len;

    return NGX_DECLINED;
}


/* Returns how many fields of that name there are, and the last one's value. */

static ngx_uint_t
ngx_http_warehouse_find_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;
    n = 0;

    for (i = 0; ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return n;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == name->len
            && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
        {
            *value = h[i].value;
            n++;
        }
    }
}
