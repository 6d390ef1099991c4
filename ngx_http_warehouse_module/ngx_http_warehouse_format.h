/*
 * The formats of a list: how it begins, what an item looks like, how it ends.
 */

#ifndef _NGX_HTTP_WAREHOUSE_FORMAT_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_FORMAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* An item; the sku is valid until the next one is read. */

typedef struct {
    const char    *sku;
    size_t         len;           /* bytes */
    int64_t        qty;
    int64_t        version;       /* 0: not read */
} ngx_http_warehouse_item_t;


typedef struct {
    ngx_str_t      content_type;    /* without parameters, see charset */
    ngx_str_t      charset;         /* or empty */
    ngx_str_t      begin;
    ngx_str_t      end;

    /* the bytes that item() may write */
    size_t       (*size)(const ngx_http_warehouse_item_t *item);

    /* writes an item, the first or another one; returns what is behind it */
    u_char      *(*item)(u_char *p, const ngx_http_warehouse_item_t *item,
                         ngx_uint_t first);
} ngx_http_warehouse_format_t;


/*
 * The formats that a list may have: JSON; a JSON text a line; CSV (RFC 4180)
 * with a header.
 */

#define NGX_HTTP_WAREHOUSE_JSON     0
#define NGX_HTTP_WAREHOUSE_NDJSON   1
#define NGX_HTTP_WAREHOUSE_CSV      2
#define NGX_HTTP_WAREHOUSE_FORMATS  3

extern const ngx_http_warehouse_format_t
    ngx_http_warehouse_formats[NGX_HTTP_WAREHOUSE_FORMATS];

/* JSON for an item alone, with its version: begin and end are empty. */
extern const ngx_http_warehouse_format_t  ngx_http_warehouse_json_alone;


#endif /* _NGX_HTTP_WAREHOUSE_FORMAT_H_INCLUDED_ */
