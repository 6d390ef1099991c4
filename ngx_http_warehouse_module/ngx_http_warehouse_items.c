#include "ngx_http_warehouse_items.h"
#include "ngx_http_warehouse_after.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_item.h"
#include "ngx_http_warehouse_page.h"
#include "ngx_http_warehouse_path.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "wh_args.h"


static ngx_int_t ngx_http_warehouse_items_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_items_list(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_uint_t format);
static void ngx_http_warehouse_items_room(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_http_warehouse_room_t *room);
static ngx_int_t ngx_http_warehouse_items_page(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_uint_t format);
static ngx_int_t ngx_http_warehouse_items_link(ngx_http_request_t *r,
    const wh_args_t *args, ngx_str_t *next);
static ngx_http_warehouse_list_waiter_t *ngx_http_warehouse_items_waiter(
    ngx_http_request_t *r, ngx_uint_t format);
static void ngx_http_warehouse_items_done(
    ngx_http_warehouse_list_waiter_t *waiter,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal);
static ngx_int_t ngx_http_warehouse_items_send(ngx_http_request_t *r,
    ngx_uint_t format, ngx_http_warehouse_snapshot_t *snapshot);
static ngx_int_t ngx_http_warehouse_items_vary(ngx_http_request_t *r);
static void ngx_http_warehouse_items_cancel(void *data);
static void ngx_http_warehouse_items_release(void *data);


ngx_int_t
ngx_http_warehouse_items_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    return ngx_http_warehouse_enter_get(r, NGX_HTTP_WAREHOUSE_SERVE_ITEMS, &rc)
           ? ngx_http_warehouse_after(r, ngx_http_warehouse_items_read) : rc;
}


static ngx_int_t
ngx_http_warehouse_items_read(ngx_http_request_t *r)
{
    ngx_int_t                       format;
    ngx_str_t                       sku;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    static const ngx_http_warehouse_problem_t  not_found = {
        NGX_HTTP_NOT_FOUND, "there is nothing at this address", NULL, NULL, 0, NULL
    };

    static const ngx_http_warehouse_problem_t  not_acceptable = {
        NGX_HTTP_WAREHOUSE_NOT_ACCEPTABLE, "there are application/json, "
        "application/x-ndjson and text/csv", NULL, NULL, 0, NULL
    };

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    switch (ngx_http_warehouse_path(r, &sku)) {

    case NGX_OK:
        return ngx_http_warehouse_item(r, wlcf->db, &sku);

    case NGX_DONE:
        break;

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, &not_found);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    format = ngx_http_warehouse_format_wanted(r);

    if (format < 0) {
        return ngx_http_warehouse_problem(r, &not_acceptable);
    }

    return (r->args.len > 0)
           ? ngx_http_warehouse_items_page(r, wlcf, (ngx_uint_t) format)
           : ngx_http_warehouse_items_list(r, wlcf, (ngx_uint_t) format);
}


static ngx_int_t
ngx_http_warehouse_items_list(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_uint_t format)
{
    ngx_http_warehouse_list_waiter_t  *waiter;

    waiter = ngx_http_warehouse_items_waiter(r, format);
    if (waiter == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_warehouse_items_room(r, wlcf, &waiter->room);
    ngx_http_warehouse_db_list(wlcf->db, waiter);

    r->main->count++;

    if (!r->discard_body) {
        /* or the rest of a body would stay where it is */
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_warehouse_items_room(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_http_warehouse_room_t *room)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    room->buffer = wlcf->buffer;
    room->temp_path = clcf->client_body_temp_path;
    room->limit = wlcf->limit;
}


/* What the query asks for, in a short transaction. */

static ngx_int_t
ngx_http_warehouse_items_page(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_uint_t format)
{
    char                           *buf;
    ngx_int_t                       rc;
    ngx_str_t                       next;
    wh_args_t                      *args;
    wh_error_t                      err;
    ngx_http_warehouse_room_t       room;
    ngx_http_warehouse_reader_t    *reader;
    ngx_http_warehouse_refusal_t    refusal;
    ngx_http_warehouse_problem_t    problem;
    ngx_http_warehouse_snapshot_t  *snapshot;

    args = ngx_palloc(r->pool, sizeof(wh_args_t));
    buf = ngx_pnalloc(r->pool, r->args.len);

    if (args == NULL || buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (wh_args_parse(args, (char *) r->args.data, r->args.len, buf, &err)
        != WH_OK)
    {
        ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));
        problem.status = NGX_HTTP_BAD_REQUEST;
        problem.detail = err.text;

        return ngx_http_warehouse_problem(r, &problem);
    }

    ngx_http_warehouse_items_room(r, wlcf, &room);

    if (ngx_http_warehouse_db_begin(wlcf->db, &reader, &refusal) != NGX_OK) {
        return ngx_http_warehouse_refused(r, &refusal);
    }

    rc = NGX_ERROR;
    snapshot = ngx_http_warehouse_db_page(wlcf->db, &room);

    if (snapshot != NULL) {
        rc = ngx_http_warehouse_page(reader, args,
                                     &ngx_http_warehouse_formats[format],
                                     snapshot, r->pool, &next);
    }

    if (ngx_http_warehouse_db_end(wlcf->db, rc, &refusal) != NGX_OK) {

        if (snapshot != NULL) {
            ngx_http_warehouse_snapshot_release(snapshot);
        }

        return ngx_http_warehouse_refused(r, &refusal);
    }

    if (next.len > 0
        && ngx_http_warehouse_items_link(r, args, &next) != NGX_OK)
    {
        ngx_http_warehouse_snapshot_release(snapshot);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_warehouse_items_send(r, format, snapshot);
}


/* Where the list goes on: RFC 8288. */

static ngx_int_t
ngx_http_warehouse_items_link(ngx_http_request_t *r, const wh_args_t *args,
    ngx_str_t *next)
{
    u_char     *p;
    ngx_str_t   value;

    p = ngx_pnalloc(r->pool, sizeof("<?limit=&prefix=&after=>; rel=\"next\"")
                             + NGX_INT_T_LEN
                             + 3 * (args->prefix.len + next->len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* a reference to the same path, however it was written */

    value.data = p;
    p = ngx_sprintf(p, "<?limit=%ud", args->limit);

    if (args->prefix.data != NULL) {
        p = ngx_cpymem(p, "&prefix=", sizeof("&prefix=") - 1);
        p = (u_char *) ngx_escape_uri(p, (u_char *) args->prefix.data,
                                      args->prefix.len,
                                      NGX_ESCAPE_URI_COMPONENT);
    }

    p = ngx_cpymem(p, "&after=", sizeof("&after=") - 1);
    p = (u_char *) ngx_escape_uri(p, next->data, next->len,
                                  NGX_ESCAPE_URI_COMPONENT);
    p = ngx_cpymem(p, ">; rel=\"next\"", sizeof(">; rel=\"next\"") - 1);

    value.len = p - value.data;

    return ngx_http_warehouse_add_header(r, "Link", &value);
}


/* One that stops waiting with its request.  NULL: out of memory. */

static ngx_http_warehouse_list_waiter_t *
ngx_http_warehouse_items_waiter(ngx_http_request_t *r, ngx_uint_t format)
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
    waiter->format = format;

    cln->handler = ngx_http_warehouse_items_cancel;

    return waiter;
}


static void
ngx_http_warehouse_items_done(ngx_http_warehouse_list_waiter_t *waiter,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = waiter->data;
    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    rc = (snapshot != NULL)
         ? ngx_http_warehouse_items_send(r, waiter->format, snapshot)
         : ngx_http_warehouse_refused(r, refusal);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/* Takes over the reference: it goes with the request. */

static ngx_int_t
ngx_http_warehouse_items_send(ngx_http_request_t *r, ngx_uint_t format,
    ngx_http_warehouse_snapshot_t *snapshot)
{
    ngx_int_t                           rc;
    ngx_chain_t                        *out;
    ngx_pool_cleanup_t                 *cln;
    const ngx_http_warehouse_format_t  *f;

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL) {
        ngx_http_warehouse_snapshot_release(snapshot);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_items_release;
    cln->data = snapshot;

    if (ngx_http_warehouse_items_vary(r) != NGX_OK
        || ngx_http_warehouse_describe(r,
                               ngx_http_warehouse_snapshot_digest(snapshot),
                               ngx_http_warehouse_snapshot_position(snapshot))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    f = &ngx_http_warehouse_formats[format];

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n =
                                   ngx_http_warehouse_snapshot_size(snapshot);
    r->headers_out.content_type = f->content_type;
    r->headers_out.content_type_len = f->content_type.len;
    r->headers_out.charset = f->charset;

    rc = ngx_http_send_header(r);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ngx_http_warehouse_undescribe(r);
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out = ngx_http_warehouse_snapshot_chain(r, snapshot);

    return (out != NULL) ? ngx_http_output_filter(r, out) : NGX_ERROR;
}


static ngx_int_t
ngx_http_warehouse_items_vary(ngx_http_request_t *r)
{
    static ngx_str_t  value = ngx_string("Accept");

    return ngx_http_warehouse_add_header(r, "Vary", &value);
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
