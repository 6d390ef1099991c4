#include "ngx_http_warehouse_page.h"
#include "ngx_http_warehouse_list.h"
#include "ngx_http_warehouse_points.h"


/* What is written, and where to. */

typedef struct {
    ngx_http_warehouse_reader_t        *reader;
    const ngx_http_warehouse_format_t  *format;
    ngx_http_warehouse_snapshot_t      *snapshot;
} ngx_http_warehouse_page_t;


static ngx_int_t ngx_http_warehouse_page_skus(ngx_http_warehouse_page_t *page,
    wh_args_t *args);
static int ngx_libc_cdecl ngx_http_warehouse_page_order(const void *one,
    const void *two);
static ngx_int_t ngx_http_warehouse_page_range(ngx_http_warehouse_page_t *page,
    const wh_args_t *args, ngx_pool_t *pool, ngx_str_t *next);
static void ngx_http_warehouse_page_bounds(ngx_http_warehouse_range_t *range,
    const wh_args_t *args, char *end);
static ngx_int_t ngx_http_warehouse_page_copy(ngx_http_warehouse_page_t *page,
    ngx_pool_t *pool, ngx_str_t *sku, const ngx_http_warehouse_item_t *item);
static ngx_int_t ngx_http_warehouse_page_failed(
    ngx_http_warehouse_page_t *page);


ngx_int_t
ngx_http_warehouse_page(ngx_http_warehouse_reader_t *reader, wh_args_t *args,
    const ngx_http_warehouse_format_t *format,
    ngx_http_warehouse_snapshot_t *snapshot, ngx_pool_t *pool, ngx_str_t *next)
{
    int64_t                    position;
    ngx_int_t                  rc;
    ngx_http_warehouse_page_t  page;

    page.reader = reader;
    page.format = format;
    page.snapshot = snapshot;

    ngx_str_null(next);

    if (ngx_http_warehouse_list_begin(snapshot, format) != NGX_OK) {
        return ngx_http_warehouse_page_failed(&page);
    }

    rc = (args->n > 0)
         ? ngx_http_warehouse_page_skus(&page, args)
         : ngx_http_warehouse_page_range(&page, args, pool, next);

    if (rc != NGX_OK
        || ngx_http_warehouse_points_position(reader, &position) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (ngx_http_warehouse_list_end(snapshot, format, position) == NGX_OK)
           ? NGX_OK : ngx_http_warehouse_page_failed(&page);
}


/* In the order of every list, each once. */

static ngx_int_t
ngx_http_warehouse_page_skus(ngx_http_warehouse_page_t *page, wh_args_t *args)
{
    size_t                     i;
    ngx_int_t                  rc;
    wh_args_text_t            *sku;
    ngx_http_warehouse_item_t  item;

    ngx_qsort(args->skus, args->n, sizeof(wh_args_text_t),
              ngx_http_warehouse_page_order);

    for (i = 0; i < args->n; i++) {
        sku = &args->skus[i];

        if (i > 0 && ngx_http_warehouse_page_order(sku - 1, sku) == 0) {
            continue;
        }

        rc = ngx_http_warehouse_points_item(page->reader, sku->data, sku->len,
                                            &item);

        if (rc == NGX_ERROR) {
            return rc;
        }

        if (rc == NGX_OK
            && ngx_http_warehouse_list_item(page->snapshot, page->format,
                                            &item)
               != NGX_OK)
        {
            return ngx_http_warehouse_page_failed(page);
        }
    }

    return NGX_OK;
}


/* Bytewise, as SQLite's. */

static int ngx_libc_cdecl
ngx_http_warehouse_page_order(const void *one, const void *two)
{
    int                    rc;
    const wh_args_text_t  *a = one;
    const wh_args_text_t  *b = two;

    rc = ngx_memcmp(a->data, b->data, ngx_min(a->len, b->len));

    return (rc != 0) ? rc : (a->len > b->len) - (a->len < b->len);
}


static ngx_int_t
ngx_http_warehouse_page_range(ngx_http_warehouse_page_t *page,
    const wh_args_t *args, ngx_pool_t *pool, ngx_str_t *next)
{
    char                         end[WH_SKU_MAX];
    ngx_int_t                    rc;
    ngx_uint_t                   n;
    sqlite3_stmt                *stmt;
    ngx_http_warehouse_item_t    item;
    ngx_http_warehouse_range_t   range;

    ngx_http_warehouse_page_bounds(&range, args, end);

    /* one more tells whether there is another page */

    range.limit = args->limit + 1;

    rc = ngx_http_warehouse_points_range(page->reader, &range, &stmt);

    for (n = 0; rc == NGX_OK; n++) {

        rc = ngx_http_warehouse_points_next(page->reader, stmt, &item);

        if (rc != NGX_OK || n == args->limit) {
            break;
        }

        if (ngx_http_warehouse_list_item(page->snapshot, page->format, &item)
            != NGX_OK)
        {
            return ngx_http_warehouse_page_failed(page);
        }

        if (n + 1 == args->limit) {
            rc = ngx_http_warehouse_page_copy(page, pool, next, &item);
        }
    }

    if (rc == NGX_DONE) {
        ngx_str_null(next);
        rc = NGX_OK;
    }

    return rc;
}


/* end has room for a prefix. */

static void
ngx_http_warehouse_page_bounds(ngx_http_warehouse_range_t *range,
    const wh_args_t *args, char *end)
{
    const wh_args_text_t  *after, *prefix;

    after = &args->after;
    prefix = &args->prefix;

    ngx_memzero(range, sizeof(ngx_http_warehouse_range_t));
    range->begin = "";

    if (prefix->data != NULL) {
        range->begin = prefix->data;
        range->begin_len = prefix->len;

        /* behind all that begin with it; UTF-8 has no byte FF */

        ngx_memcpy(end, prefix->data, prefix->len);
        end[prefix->len - 1]++;

        range->end = end;
        range->end_len = prefix->len;
    }

    if (after->data != NULL
        && (prefix->data == NULL
            || ngx_http_warehouse_page_order(after, prefix) >= 0))
    {
        range->begin = after->data;
        range->begin_len = after->len;
        range->after = 1;
    }
}


static ngx_int_t
ngx_http_warehouse_page_copy(ngx_http_warehouse_page_t *page,
    ngx_pool_t *pool, ngx_str_t *sku, const ngx_http_warehouse_item_t *item)
{
    sku->data = ngx_pnalloc(pool, item->len);

    if (sku->data == NULL) {
        return ngx_http_warehouse_reader_failed(page->reader, "out of memory");
    }

    ngx_memcpy(sku->data, item->sku, item->len);
    sku->len = item->len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_page_failed(ngx_http_warehouse_page_t *page)
{
    return ngx_http_warehouse_reader_failed(page->reader,
                           ngx_http_warehouse_snapshot_error(page->snapshot));
}
