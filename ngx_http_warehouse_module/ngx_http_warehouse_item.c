#include "ngx_http_warehouse_item.h"
#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_points.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_reply.h"
#include "wh_sku.h"


ngx_int_t
ngx_http_warehouse_item(ngx_http_request_t *r, ngx_http_warehouse_db_t *db,
    ngx_str_t *sku)
{
    int64_t                        position;
    ngx_int_t                      rc;
    ngx_str_t                      body, type;
    XXH128_hash_t                  digest;
    ngx_http_warehouse_item_t      item;
    ngx_http_warehouse_reader_t   *reader;
    ngx_http_warehouse_refusal_t   refusal;

    static const ngx_http_warehouse_problem_t  bad = {
        NGX_HTTP_BAD_REQUEST, "the address is not that of a sku: 1 to 255 "
        "bytes of UTF-8 without control characters, percent-encoded", NULL,
        NULL, 0, NULL
    };

    static const ngx_http_warehouse_problem_t  none = {
        NGX_HTTP_NOT_FOUND, "there is no item with this sku", NULL, NULL, 0, NULL
    };

    if (!wh_sku_valid((char *) sku->data, sku->len)) {
        return ngx_http_warehouse_problem(r, &bad);
    }

    rc = ngx_http_warehouse_db_begin(db, &reader, &refusal);

    if (rc == NGX_OK) {
        rc = ngx_http_warehouse_points_item(reader, (char *) sku->data,
                                            sku->len, &item);

        if (rc == NGX_OK
            && ngx_http_warehouse_points_position(reader, &position) != NGX_OK)
        {
            rc = NGX_ERROR;
        }

        rc = ngx_http_warehouse_db_end(db, rc, &refusal);
    }

    if (rc == NGX_ERROR) {
        return ngx_http_warehouse_refused(r, &refusal);
    }

    if (rc == NGX_DONE) {
        return ngx_http_warehouse_problem(r, &none);
    }

    body.data = ngx_pnalloc(r->pool, ngx_http_warehouse_json_alone.size(&item));
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = ngx_http_warehouse_json_alone.item(body.data, &item, 1)
               - body.data;
    type = ngx_http_warehouse_json_alone.content_type;
    digest = XXH3_128bits(body.data, body.len);

    if (ngx_http_warehouse_describe(r, &digest, position) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &body);
}
