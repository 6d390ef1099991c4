#include "ngx_http_warehouse_points.h"
#include "wh_schema.h"


ngx_int_t
ngx_http_warehouse_points_begin(ngx_http_warehouse_reader_t *r, int version)
{
    int  rc;

    if (sqlite3_step(r->begin) != SQLITE_DONE) {
        (void) ngx_http_warehouse_reader_fail(r, r->points);
        (void) sqlite3_reset(r->begin);
        return NGX_ERROR;
    }

    (void) sqlite3_reset(r->begin);

    /* after a commit everything may have changed; otherwise rows only */

    if (!r->ready || r->checked != version) {
        rc = wh_schema_ready(r->points, &r->err);
        r->ready = (rc == WH_OK);
        r->checked = version;

    } else {
        rc = wh_schema_state(r->points, r->state, &r->err);
        (void) sqlite3_reset(r->state);
    }

    return ngx_http_warehouse_reader_result(r, rc);
}


void
ngx_http_warehouse_points_end(ngx_http_warehouse_reader_t *r)
{
    (void) sqlite3_reset(r->item);
    (void) sqlite3_reset(r->from);
    (void) sqlite3_reset(r->after);
    (void) sqlite3_reset(r->outcome);
    r->row.open = 0;

    if (!sqlite3_get_autocommit(r->points)) {
        (void) sqlite3_step(r->commit);
        (void) sqlite3_reset(r->commit);
    }
}


ngx_int_t
ngx_http_warehouse_points_item(ngx_http_warehouse_reader_t *r,
    const char *sku, size_t len, ngx_http_warehouse_item_t *item)
{
    int  rc;

    (void) sqlite3_reset(r->item);

    if (sqlite3_bind_text(r->item, 1, sku, (int) len, SQLITE_STATIC)
        != SQLITE_OK)
    {
        return ngx_http_warehouse_reader_fail(r, r->points);
    }

    rc = sqlite3_step(r->item);

    if (rc == SQLITE_DONE) {
        return NGX_DONE;
    }

    if (rc != SQLITE_ROW) {
        return ngx_http_warehouse_reader_fail(r, r->points);
    }

    item->sku = sku;
    item->len = len;
    item->qty = sqlite3_column_int64(r->item, 0);
    item->version = sqlite3_column_int64(r->item, 1);

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_points_position(ngx_http_warehouse_reader_t *r,
    int64_t *next)
{
    return ngx_http_warehouse_reader_number(r, r->points, r->position, next);
}


ngx_int_t
ngx_http_warehouse_points_range(ngx_http_warehouse_reader_t *r,
    const ngx_http_warehouse_range_t *range, sqlite3_stmt **stmt)
{
    int  rc;

    *stmt = range->after ? r->after : r->from;

    (void) sqlite3_reset(*stmt);

    rc = sqlite3_bind_text(*stmt, 1, range->begin, (int) range->begin_len,
                           SQLITE_STATIC);

    if (rc == SQLITE_OK) {

        /* any blob comes behind every text */

        rc = (range->end != NULL)
             ? sqlite3_bind_text(*stmt, 2, range->end, (int) range->end_len,
                                 SQLITE_STATIC)
             : sqlite3_bind_blob(*stmt, 2, "", 0, SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int64(*stmt, 3, (sqlite3_int64) range->limit);
    }

    return (rc == SQLITE_OK) ? NGX_OK
                             : ngx_http_warehouse_reader_fail(r, r->points);
}


ngx_int_t
ngx_http_warehouse_points_next(ngx_http_warehouse_reader_t *r,
    sqlite3_stmt *stmt, ngx_http_warehouse_item_t *item)
{
    return ngx_http_warehouse_reader_row(r, r->points, stmt, item);
}
