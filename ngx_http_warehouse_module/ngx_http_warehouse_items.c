#include "ngx_http_warehouse_items.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_problem.h"


static ngx_http_warehouse_list_waiter_t *ngx_http_warehouse_items_waiter(
    ngx_http_request_t *r);
static void ngx_http_warehouse_items_done(void *data,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal);
static ngx_int_t ngx_http_warehouse_items_refuse(ngx_http_request_t *r,
    const ngx_http_warehouse_refusal_t *refusal);
static ngx_int_t ngx_http_warehouse_items_send(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot);
static void ngx_http_warehouse_items_cancel(void *data);
static void ngx_http_warehouse_items_release(void *data);


ngx_int_t
ngx_http_warehouse_items_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_warehouse_room_t          room;
    ngx_http_warehouse_refusal_t       refusal;
    ngx_http_warehouse_loc_conf_t     *wlcf;
    ngx_http_warehouse_snapshot_t     *snapshot;
    ngx_http_warehouse_list_waiter_t  *waiter;

    static const ngx_http_warehouse_problem_t  not_allowed = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here", NULL,
        "GET, HEAD", 0
    };

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"warehouse_items\" does not serve subrequests");
        return NGX_HTTP_FORBIDDEN;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_warehouse_problem(r, &not_allowed);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    waiter = ngx_http_warehouse_items_waiter(r);
    if (waiter == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    room.buffer = wlcf->buffer;
    room.temp_path = clcf->client_body_temp_path;
    room.limit = wlcf->limit;

    rc = ngx_http_warehouse_db_list(wlcf->db, waiter, &room, &snapshot,
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
        return ngx_http_warehouse_items_refuse(r, &refusal);
    }
}


/* One that stops waiting with its request.  NULL: out of memory. */

static ngx_http_warehouse_list_waiter_t *
ngx_http_warehouse_items_waiter(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t                *cln;
    ngx_http_warehouse_list_waiter_t  *waiter;

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_warehouse_list_waiter_t));
    if (cln == NULL) {
        return NULL;
    }

    waiter = cln->data;
    ngx_memzero(waiter, sizeof(ngx_http_warehouse_list_waiter_t));

    waiter->handler = ngx_http_warehouse_items_done;
    waiter->data = r;

    cln->handler = ngx_http_warehouse_items_cancel;

    return waiter;
}


static void
ngx_http_warehouse_items_done(void *data,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_request_t *r = data;

    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    rc = (snapshot != NULL) ? ngx_http_warehouse_items_send(r, snapshot)
                            : ngx_http_warehouse_items_refuse(r, refusal);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_warehouse_items_refuse(ngx_http_request_t *r,
    const ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    problem.detail = refusal->detail;
    problem.retry = refusal->retry;

    return ngx_http_warehouse_problem(r, &problem);
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
    r->headers_out.content_type = ngx_http_warehouse_json.content_type;
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
