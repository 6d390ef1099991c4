#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_db.h"


static ngx_int_t ngx_http_warehouse_items_send(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot);
static void ngx_http_warehouse_items_cancel(void *data);
static void ngx_http_warehouse_items_release(void *data);


ngx_int_t
ngx_http_warehouse_items_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_pool_cleanup_t             *cln;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_warehouse_ctx_t       *ctx;
    ngx_http_warehouse_room_t       room;
    ngx_http_warehouse_refusal_t    refusal;
    ngx_http_warehouse_snapshot_t  *snapshot;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"warehouse_items\" does not serve subrequests");
        return NGX_HTTP_FORBIDDEN;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_warehouse_not_allowed(r, "GET, HEAD");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_warehouse_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_items_cancel;
    cln->data = ctx;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    room.buffer = wlcf->buffer;
    room.temp_path = clcf->client_body_temp_path;
    room.limit = wlcf->limit;

    rc = ngx_http_warehouse_db_snapshot(wlcf->db, ctx, &room, &snapshot,
                                        &refusal);
    switch (rc) {

    case NGX_OK:
        return ngx_http_warehouse_items_send(r, snapshot);

    case NGX_AGAIN:
        r->main->count++;
        r->read_event_handler = ngx_http_test_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
        return NGX_DONE;

    default:
        return ngx_http_warehouse_unavailable(r, refusal.detail, refusal.retry);
    }
}


void
ngx_http_warehouse_items_done(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    if (snapshot != NULL) {
        rc = ngx_http_warehouse_items_send(r, snapshot);

    } else {
        rc = ngx_http_warehouse_unavailable(r, refusal->detail,
                                            refusal->retry);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/* Takes over the reference: it goes with the request. */

static ngx_int_t
ngx_http_warehouse_items_send(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot)
{
    ngx_int_t            rc;
    ngx_chain_t         *out;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL) {
        ngx_http_warehouse_snapshot_release(snapshot);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_items_release;
    cln->data = snapshot;

    out = ngx_http_warehouse_snapshot_chain(r, snapshot);
    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n =
                                   ngx_http_warehouse_snapshot_size(snapshot);
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}


static void
ngx_http_warehouse_items_cancel(void *data)
{
    ngx_http_warehouse_db_cancel(data);
}


static void
ngx_http_warehouse_items_release(void *data)
{
    ngx_http_warehouse_snapshot_release(data);
}
