#include "ngx_http_warehouse_format.h"
#include "wh_json.h"


static size_t ngx_http_warehouse_json_size(
    const ngx_http_warehouse_item_t *item);
static u_char *ngx_http_warehouse_json_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);
static u_char *ngx_http_warehouse_ndjson_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);
static size_t ngx_http_warehouse_csv_size(
    const ngx_http_warehouse_item_t *item);
static u_char *ngx_http_warehouse_csv_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);
static size_t ngx_http_warehouse_alone_size(
    const ngx_http_warehouse_item_t *item);
static u_char *ngx_http_warehouse_alone_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first);


const ngx_http_warehouse_format_t
    ngx_http_warehouse_formats[NGX_HTTP_WAREHOUSE_FORMATS] = {

    [NGX_HTTP_WAREHOUSE_JSON] = {
        ngx_string("application/json"),
        ngx_null_string,
        ngx_string("["),
        ngx_string("]"),
        ngx_http_warehouse_json_size,
        ngx_http_warehouse_json_item
    },

    [NGX_HTTP_WAREHOUSE_NDJSON] = {
        ngx_string("application/x-ndjson"),
        ngx_null_string,
        ngx_null_string,
        ngx_null_string,
        ngx_http_warehouse_json_size,
        ngx_http_warehouse_ndjson_item
    },

    [NGX_HTTP_WAREHOUSE_CSV] = {
        ngx_string("text/csv"),
        ngx_string("utf-8"),
        ngx_string("sku,qty\r\n"),
        ngx_null_string,
        ngx_http_warehouse_csv_size,
        ngx_http_warehouse_csv_item
    }
};


const ngx_http_warehouse_format_t  ngx_http_warehouse_json_alone = {
    ngx_string("application/json"),
    ngx_null_string,
    ngx_null_string,
    ngx_null_string,
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


/* As long as in an array: the comma is a line feed. */

static u_char *
ngx_http_warehouse_ndjson_item(u_char *p,
    const ngx_http_warehouse_item_t *item, ngx_uint_t first)
{
    p = ngx_http_warehouse_json_item(p, item, 1);
    *p++ = LF;

    return p;
}


static size_t
ngx_http_warehouse_csv_size(const ngx_http_warehouse_item_t *item)
{
    /* each byte may be a quotation mark, which is written twice */

    return sizeof("\"\",\r\n") - 1 + 2 * item->len + WH_JSON_INT_LEN;
}


/* A sku in quotes where it needs them: it has no control characters. */

static u_char *
ngx_http_warehouse_csv_item(u_char *p, const ngx_http_warehouse_item_t *item,
    ngx_uint_t first)
{
    size_t      i;
    ngx_uint_t  quoted;

    quoted = (memchr(item->sku, '"', item->len) != NULL
              || memchr(item->sku, ',', item->len) != NULL);

    if (quoted) {
        *p++ = '"';

        for (i = 0; i < item->len; i++) {
            if (item->sku[i] == '"') {
                *p++ = '"';
            }

            *p++ = item->sku[i];
        }

        *p++ = '"';

    } else {
        p = ngx_cpymem(p, item->sku, item->len);
    }

    *p++ = ',';
    p += wh_json_int((char *) p, item->qty);
    *p++ = CR;
    *p++ = LF;

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
