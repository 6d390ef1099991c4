#include "ngx_http_warehouse_format.h"
#include "wh_json.h"


static size_t ngx_http_warehouse_json_size(
    const ngx_http_warehouse_item_t *item);
static u_char *ngx_http_warehouse_json_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);
static size_t ngx_http_warehouse_alone_size(
    const ngx_http_warehouse_item_t *item);
static u_char *ngx_http_warehouse_alone_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);


const ngx_http_warehouse_format_t  ngx_http_warehouse_json = {
    ngx_string("application/json"),
    ngx_string("["),
    ngx_string("]"),
    ngx_http_warehouse_json_size,
    ngx_http_warehouse_json_item
};


const ngx_http_warehouse_format_t  ngx_http_warehouse_json_alone = {
    ngx_string("application/json"),
    ngx_string(""),
    ngx_string(""),
    ngx_http_warehouse_alone_size,
    ngx_http_warehouse_alone_item
};


static size_t
ngx_http_warehouse_json_size(const ngx_http_warehouse_item_t *item)
{
    return sizeof(",{\"sku\":,\"qty\":}") - 1
           + wh_json_string(NULL, item->sku, item->len) + WH_JSON_INT_LEN;
}


static u_char *
ngx_http_warehouse_json_item(u_char *p, const ngx_http_warehouse_item_t *item,
    ngx_uint_t first)
{
    if (!first) {
        *p++ = ',';
    }

    p = ngx_cpymem(p, "{\"sku\":", 7);
    p += wh_json_string((char *) p, item->sku, item->len);
    p = ngx_cpymem(p, ",\"qty\":", 7);
    p += wh_json_int((char *) p, item->qty);
    *p++ = '}';

    return p;
}


static size_t
ngx_http_warehouse_alone_size(const ngx_http_warehouse_item_t *item)
{
    return sizeof("{\"sku\":,\"qty\":,\"version\":}") - 1
           + wh_json_string(NULL, item->sku, item->len) + 2 * WH_JSON_INT_LEN;
}


static u_char *
ngx_http_warehouse_alone_item(u_char *p, const ngx_http_warehouse_item_t *item,
    ngx_uint_t first)
{
    p = ngx_cpymem(p, "{\"sku\":", 7);
    p += wh_json_string((char *) p, item->sku, item->len);
    p = ngx_cpymem(p, ",\"qty\":", 7);
    p += wh_json_int((char *) p, item->qty);
    p = ngx_cpymem(p, ",\"version\":", 11);
    p += wh_json_int((char *) p, item->version);
    *p++ = '}';

    return p;
}
