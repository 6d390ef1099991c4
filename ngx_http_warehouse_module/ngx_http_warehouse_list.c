#include "ngx_http_warehouse_list.h"


static ngx_int_t ngx_http_warehouse_list_text(
    ngx_http_warehouse_snapshot_t *s, const ngx_str_t *text);


ngx_int_t
ngx_http_warehouse_list_begin(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format)
{
    return ngx_http_warehouse_list_text(s, &format->begin);
}


ngx_int_t
ngx_http_warehouse_list_item(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format,
    const ngx_http_warehouse_item_t *item)
{
    u_char      *p, *start;
    ngx_uint_t   first;

    first = (ngx_http_warehouse_snapshot_size(s) == (off_t) format->begin.len);

    start = ngx_http_warehouse_snapshot_reserve(s, format->size(item));
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = format->item(start, item, first);

    ngx_http_warehouse_snapshot_append(s, p - start);

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_list_end(ngx_http_warehouse_snapshot_t *s,
    const ngx_http_warehouse_format_t *format, int64_t position)
{
    if (ngx_http_warehouse_list_text(s, &format->end) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_warehouse_snapshot_finish(s, position);

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_list_text(ngx_http_warehouse_snapshot_t *s,
    const ngx_str_t *text)
{
    u_char  *p;

    p = ngx_http_warehouse_snapshot_reserve(s, text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* memcpy() must not be given a NULL, of however few bytes */

    if (text->len > 0) {
        ngx_memcpy(p, text->data, text->len);
    }

    ngx_http_warehouse_snapshot_append(s, text->len);

    return NGX_OK;
}
